/* SPDX-License-Identifier: MIT */
/* Units: first fit by address, in groups of 2 MiB that serve one kind of block or large runs, so that what dies together
 * and is treated alike lies together. The frontier is where committed memory ends; it moves up in steps.
 */
#include "heap/region.h"

#include "base/assert.h"
#include "base/bits.h"
#include "base/options.h"
#include "heap/block.h"
#include "heap/release.h"
#include "heap/special/sample.h"
#include "platform/clock.h"
#include "platform/vm.h"

#define ALL_UNITS UINT32_MAX

/* The frontier moves by a sixteenth of what is committed, at least this: few system calls, little commit charge. */
#define STEP_UNITS_MIN (4 * UNITS_PER_GROUP)
#define STEP_SHARE 16

static struct group *group_of(const struct heap *heap, uint32_t unit)
{
    return &heap->meta.groups[unit / UNITS_PER_GROUP];
}

/* Bits of [first, first + count) that lie in the group of `first`. */
static uint32_t bits_in_group(uint32_t first, uint32_t count)
{
    uint32_t offset = first % UNITS_PER_GROUP;
    uint32_t in_group = count < UNITS_PER_GROUP - offset ? count : UNITS_PER_GROUP - offset;
    return (uint32_t)low_bits(in_group) << offset;
}

/* ---- Committing --------------------------------------------------------------------------------------------------- */

static int commit_array(const void *array, size_t bytes_each, uint64_t from, uint64_t to)
{
    size_t page = gci_vm_page_bytes();
    uintptr_t lo = align_down((uintptr_t)array + from * bytes_each, page);
    uintptr_t hi = align_up((uintptr_t)array + to * bytes_each, page);
    return gci_vm_commit((void *)lo, hi - lo); // NOLINT(performance-no-int-to-ptr)
}

static bool commit_metadata(const struct metadata *meta, uint32_t from, uint32_t to)
{
    return commit_array(meta->hot, sizeof *meta->hot, from, to) == 0 &&
           commit_array(meta->blocks, sizeof *meta->blocks, from, to) == 0 &&
           commit_array(meta->mark, sizeof *meta->mark, from, to) == 0 &&
           commit_array(meta->scan, sizeof *meta->scan, from, to) == 0 &&
           commit_array(meta->queued, sizeof *meta->queued, from, to) == 0 &&
           commit_array(meta->queue, sizeof *meta->queue, from, to) == 0 &&
           commit_array(meta->groups, sizeof *meta->groups, from / UNITS_PER_GROUP, to / UNITS_PER_GROUP) == 0;
}

static void open_groups(struct heap *heap, uint32_t from, uint32_t to)
{
    for (uint32_t group = from / UNITS_PER_GROUP; group < to / UNITS_PER_GROUP; group++)
        heap->meta.groups[group] = (struct group){ALL_UNITS, ALL_UNITS, GROUP_UNUSED, 0, 0};
    if (from == 0) /* unit 0 means "none" everywhere, so it is never handed out */
        heap->meta.groups[0].free_units &= ~UINT32_C(1);
}

static bool move_frontier(struct heap *heap, uint32_t to)
{
    uint32_t from = heap->frontier;
    if (to > heap->unit_limit || !commit_metadata(&heap->meta, from, to))
        return false;
    if (gci_vm_commit((void *)unit_address(heap, from), (size_t)(to - from) << BLOCK_SHIFT) != 0) // NOLINT
        return false;
    open_groups(heap, from, to);
    heap->frontier = to;
    word_store_release(&heap->limit_bytes, (uint64_t)to << BLOCK_SHIFT);
    return true;
}

/* By a whole step if possible, else by as little as serves. */
static bool raise_frontier(struct heap *heap, uint32_t needed)
{
    uint32_t step = heap->frontier / STEP_SHARE;
    if (step < STEP_UNITS_MIN)
        step = STEP_UNITS_MIN;
    uint32_t least = (uint32_t)align_up((uintptr_t)heap->frontier + needed, UNITS_PER_GROUP);
    uint32_t wanted = (uint32_t)align_up((uintptr_t)heap->frontier + step, UNITS_PER_GROUP);
    if (wanted > heap->unit_limit)
        wanted = heap->unit_limit;
    if (wanted > least && move_frontier(heap, wanted))
        return true;
    return least > heap->frontier && move_frontier(heap, least);
}

void gci_region_grow_ahead(struct heap *heap, size_t bytes)
{
    gci_lock_acquire(&heap->region_lock);
    uint64_t wanted = align_down(heap->frontier + (bytes >> BLOCK_SHIFT), UNITS_PER_GROUP);
    move_frontier(heap, wanted < heap->unit_limit ? (uint32_t)wanted : heap->unit_limit);
    gci_lock_release(&heap->region_lock);
}

/* ---- Finding ------------------------------------------------------------------------------------------------------ */

static uint32_t group_count(const struct heap *heap)
{
    return heap->frontier / UNITS_PER_GROUP;
}

/* A unit in a group of the kind, else in an unused group; 0 where all are taken. */
static uint32_t find_unit(struct heap *heap, uint32_t kind)
{
    uint32_t unused = 0;
    for (uint32_t i = heap->lowest_free; i < group_count(heap); i++) {
        const struct group *group = &heap->meta.groups[i];
        if (group->free_units == 0)
            continue;
        if (group->kind == kind)
            return i * UNITS_PER_GROUP + lowest_bit(group->free_units);
        if (group->kind == GROUP_UNUSED && unused == 0)
            unused = i * UNITS_PER_GROUP + lowest_bit(group->free_units);
    }
    return unused;
}

static bool serves_runs(const struct group *group)
{
    return group->kind == GROUP_UNUSED || group->kind == GROUP_LARGE;
}

/* Number of free units from `unit` on, up to `wanted`, in groups that serve runs. */
static uint32_t free_run_length(const struct heap *heap, uint32_t unit, uint32_t wanted)
{
    uint32_t length = 0;
    while (length < wanted && unit + length < heap->frontier) {
        const struct group *group = group_of(heap, unit + length);
        uint32_t offset = (unit + length) % UNITS_PER_GROUP;
        if (!serves_runs(group))
            break;
        uint64_t taken = ~((uint64_t)group->free_units >> offset); /* ones above the group end the count */
        uint32_t here = lowest_bit(taken);
        length += here;
        if (here < UNITS_PER_GROUP - offset)
            break;
    }
    return length < wanted ? length : wanted;
}

/* The first free unit from `unit` on in a group that serves runs; the frontier if there is none. */
static uint32_t next_free(const struct heap *heap, uint32_t unit)
{
    while (unit < heap->frontier) {
        const struct group *group = group_of(heap, unit);
        uint32_t free_units = serves_runs(group) ? group->free_units >> unit % UNITS_PER_GROUP : 0;
        if (free_units != 0)
            return unit + lowest_bit(free_units);
        unit = (unit / UNITS_PER_GROUP + 1) * UNITS_PER_GROUP;
    }
    return heap->frontier;
}

/* The first unit from `unit` on whose address is a multiple of `alignment` units. */
static uint32_t align_unit(const struct heap *heap, uint32_t unit, uint32_t alignment)
{
    uintptr_t before = heap->base >> BLOCK_SHIFT;
    return (uint32_t)(align_up(before + unit, alignment) - before);
}

/* First fit of `count` units at a multiple of `alignment`. Where the last run touches the frontier and is too short,
 * *tail is its start, so that moving the frontier completes it. */
static uint32_t find_run(const struct heap *heap, uint32_t count, uint32_t alignment, uint32_t *tail)
{
    uint32_t unit = heap->lowest_free * UNITS_PER_GROUP;
    *tail = align_unit(heap, heap->frontier == 0 ? 1 : heap->frontier, alignment); /* not unit 0 */
    for (unit = align_unit(heap, unit, alignment); unit < heap->frontier;) {
        uint32_t length = free_run_length(heap, unit, count);
        if (length == count)
            return unit;
        if (length > 0 && unit + length == heap->frontier) {
            *tail = unit;
            return 0;
        }
        unit = align_unit(heap, next_free(heap, unit + length + 1), alignment);
    }
    return 0;
}

/* ---- Huge pages --------------------------------------------------------------------------------------------------- */

/* The last group of each kind is not filled, and with huge pages it costs memory all the same. Of a heap of this size that is
 * less than a hundredth: then they are asked for. */
#define HUGE_UNITS_MIN ((256u << 20) / BLOCK_BYTES)

/* Where the system gives them to all who do not refuse, memory is there to be spent: a few hundredths of 16 MiB. A thread has a
 * block of each class that it uses, most of it untouched, 4 MiB at most: so a heap needs as much for each thread. */
#define HUGE_UNITS_MIN_PER_CACHE ((16u << 20) / BLOCK_BYTES)

static bool is_huge_usual(struct heap *heap)
{
    if (heap->huge_habit == HUGE_UNKNOWN)
        heap->huge_habit = gci_vm_huge_is_usual() ? HUGE_USUAL : HUGE_ON_REQUEST;
    return heap->huge_habit == HUGE_USUAL;
}

static bool is_large_for_huge(struct heap *heap)
{
    uint64_t least = (uint64_t)u32_load(&heap->cache_count) * HUGE_UNITS_MIN_PER_CACHE;
    if (heap->frontier >= HUGE_UNITS_MIN)
        return true;
    return heap->frontier >= HUGE_UNITS_MIN_PER_CACHE && heap->frontier >= least && is_huge_usual(heap);
}

static bool prefer_huge(struct heap *heap, uint32_t first, uint32_t count, bool is_preferred)
{
    void *start = (void *)unit_address(heap, first); // NOLINT(performance-no-int-to-ptr)
    bool is_done = gci_vm_prefer_huge(start, (size_t)count << BLOCK_SHIFT, is_preferred);
    if (is_done && is_preferred)
        u32_store(&heap->prefers_huge, 1);
    return is_done;
}

/* No group has memory, or a unit that is used. Unit 0, which is never handed out, keeps the first from being one. */
static bool are_untouched(const struct heap *heap, uint32_t first, uint32_t count)
{
    for (uint32_t unit = first; unit < first + count; unit += UNITS_PER_GROUP)
        if ((group_of(heap, unit)->free_units & group_of(heap, unit)->clean_units) != ALL_UNITS)
            return false;
    return true;
}

/* What a large object had there may have left the wish behind. */
static void choose_for_small(struct heap *heap, uint32_t unit)
{
    uint32_t first = (uint32_t)align_down(unit, UNITS_PER_GROUP);
    struct group *group = group_of(heap, first);
    if (!are_untouched(heap, first, UNITS_PER_GROUP))
        return;
    bool is_preferred = gci_options.huge_pages != 0 && is_large_for_huge(heap);
    if (!is_preferred && u32_load(&heap->prefers_huge) == 0)
        return;
    if (prefer_huge(heap, first, UNITS_PER_GROUP, is_preferred) && is_preferred) {
        group->huge_units = ALL_UNITS;
        group->idle_since = gci_clock_coarse_ms();
    }
}

/* Large objects are often touched in parts only; but other allocators' get what is usual, too. */
static void choose_for_large(struct heap *heap, uint32_t first, uint32_t count)
{
    uint32_t start = (uint32_t)align_up(first, UNITS_PER_GROUP);
    uint32_t end = (uint32_t)align_down(first + count, UNITS_PER_GROUP);
    if (start < end && gci_options.huge_pages != 0 && are_untouched(heap, start, end - start) && is_huge_usual(heap))
        prefer_huge(heap, start, end - start, true);
}

/* Before the units are used. */
static void choose_pages(struct heap *heap, uint32_t group_kind, uint32_t first, uint32_t count)
{
    if (group_kind == GROUP_LARGE)
        choose_for_large(heap, first, count);
    else
        choose_for_small(heap, first);
}

/* ---- Taking and giving -------------------------------------------------------------------------------------------- */

static void raise_lowest_free(struct heap *heap)
{
    while (heap->lowest_free < group_count(heap) && heap->meta.groups[heap->lowest_free].free_units == 0)
        heap->lowest_free++;
}

/* Marks [first, first + count) as used; returns whether all of it is clean. */
static bool claim(struct heap *heap, uint32_t group_kind, uint32_t first, uint32_t count)
{
    bool is_clean = true;
    for (uint32_t unit = first; unit < first + count; unit = (unit / UNITS_PER_GROUP + 1) * UNITS_PER_GROUP) {
        struct group *group = group_of(heap, unit);
        uint32_t bits = bits_in_group(unit, first + count - unit);
        GCI_ASSERT((group->free_units & bits) == bits);
        is_clean = is_clean && (group->clean_units & bits) == bits;
        group->free_units &= ~bits;
        group->clean_units &= ~bits;
        group->kind = group_kind;
    }
    raise_lowest_free(heap);
    return is_clean;
}

bool gci_region_touch(struct heap *heap, size_t bytes)
{
    uint64_t limit = gci_options.heap_limit;
    uint64_t touched = word_add(&heap->touched_bytes, bytes) + bytes;
    if (UNLIKELY(limit != 0 && touched > limit)) {
        gci_region_untouch(heap, bytes);
        return false;
    }
    word_raise(&heap->peak_bytes, touched);
    return true;
}

void gci_region_untouch(struct heap *heap, size_t bytes)
{
    word_add(&heap->touched_bytes, -(uint64_t)bytes);
}

static uint32_t find(struct heap *heap, uint32_t group_kind, uint32_t count, uint32_t alignment)
{
    if (group_kind != GROUP_LARGE) {
        uint32_t unit = find_unit(heap, group_kind);
        return unit != 0 || !raise_frontier(heap, 1) ? unit : find_unit(heap, group_kind);
    }
    uint32_t tail;
    uint32_t unit = find_run(heap, count, alignment, &tail);
    if (unit != 0 || count > heap->unit_limit || tail + count <= heap->frontier)
        return unit;
    if (tail + (uint64_t)count > heap->unit_limit || !raise_frontier(heap, tail + count - heap->frontier))
        return 0;
    return find_run(heap, count, alignment, &tail);
}

uint32_t gci_region_take(struct heap *heap, uint32_t group_kind, uint32_t count, uint32_t alignment, bool *is_clean)
{
    gci_lock_acquire(&heap->region_lock);
    uint32_t unit = find(heap, group_kind, count, alignment);
    if (unit != 0) {
        choose_pages(heap, group_kind, unit, count);
        *is_clean = claim(heap, group_kind, unit, count);
    }
    gci_lock_release(&heap->region_lock);
    return unit;
}

bool gci_region_extend(struct heap *heap, uint32_t end, uint32_t count, bool *is_clean)
{
    gci_lock_acquire(&heap->region_lock);
    bool fits = end + (uint64_t)count <= heap->unit_limit;
    if (fits && end + count > heap->frontier) {
        uint32_t missing = end + count - heap->frontier;
        fits = free_run_length(heap, end, count) == count - missing && raise_frontier(heap, missing);
    }
    fits = fits && free_run_length(heap, end, count) == count;
    if (fits) {
        choose_pages(heap, GROUP_LARGE, end, count);
        *is_clean = claim(heap, GROUP_LARGE, end, count);
    }
    gci_lock_release(&heap->region_lock);
    return fits;
}

/* Whether slots of that kind can mistake for theirs what others have left. What the collector has reclaimed is full of pointers
 * to things that were garbage together with it. In a program that leaves its blocks to the collector those places are in use
 * again soon, and old pointers in parts of objects that are not written yet, or never, would keep them all, one by the
 * other, when the next ones are garbage. Where programs free, there is no garbage to be kept. Headers have to be ones. */
static bool is_misleading(enum block_kind kind, enum unit_past past)
{
    return kind == KIND_HEADED ? past != PAST_NEVER_USED : kind == KIND_SCANNED && past == PAST_RECLAIMED;
}

/* Objects of the same size and kind mostly write what the last ones wrote, and their headers are in order. Clearing for them
 * cost a tenth of programs that make many. */
bool gci_region_is_stale(const struct heap *heap, enum block_kind kind, uint16_t granules, uint32_t first,
                         uint32_t count)
{
    if (kind == KIND_HEADED && granules == 0)
        return false;
    for (uint32_t unit = first; unit < first + count; unit++) {
        struct hot hot = heap->meta.hot[unit];
        bool is_same = granules != 0 && hot.granules == granules && hot_kind(hot) == kind;
        if (is_misleading(kind, hot_past(hot)) && !is_same)
            return true;
    }
    return false;
}

static void unclaim(struct heap *heap, uint32_t first, uint32_t count, bool is_clean)
{
    for (uint32_t unit = first; unit < first + count; unit = (unit / UNITS_PER_GROUP + 1) * UNITS_PER_GROUP) {
        struct group *group = group_of(heap, unit);
        uint32_t bits = bits_in_group(unit, first + count - unit);
        uint32_t reserved = unit < UNITS_PER_GROUP ? 1 : 0; /* unit 0 */
        GCI_ASSERT((group->free_units & bits) == 0);
        group->free_units |= bits;
        if (is_clean)
            group->clean_units |= bits;
        if ((group->free_units | reserved) == ALL_UNITS)
            group->kind = GROUP_UNUSED;
    }
    if (first / UNITS_PER_GROUP < heap->lowest_free)
        heap->lowest_free = first / UNITS_PER_GROUP;
}

static struct hot hot_when_free(struct hot was, enum unit_past past)
{
    bool had_slots = was.use == UNIT_SMALL || was.use == UNIT_FREE; /* UNIT_FREE: taken for some, and not used */
    return (struct hot){0, had_slots ? was.granules : 0, class_kind_of(past, hot_kind(was)), UNIT_FREE};
}

static void give(struct heap *heap, uint32_t first, uint32_t count, enum unit_past past, uint32_t idle_ms)
{
    gci_lock_acquire(&heap->region_lock);
    for (uint32_t unit = first; unit < first + count; unit++)
        heap->meta.hot[unit] = hot_when_free(heap->meta.hot[unit], past);
    for (uint32_t unit = first; unit < first + count && unit < heap->frozen_units; unit++)
        __builtin_memset(heap->frozen[unit], 0, sizeof heap->frozen[unit]);
    unclaim(heap, first, count, false);
    uint32_t since = gci_clock_coarse_ms() - idle_ms;
    for (uint32_t i = first / UNITS_PER_GROUP; i <= (first + count - 1) / UNITS_PER_GROUP; i++)
        if (idle_ms == 0 || (int32_t)(since - heap->meta.groups[i].idle_since) > 0)
            heap->meta.groups[i].idle_since = since;
    gci_lock_release(&heap->region_lock);
    gci_release_note(heap, (size_t)count << BLOCK_SHIFT);
}

void gci_region_give(struct heap *heap, uint32_t first, uint32_t count, enum unit_past past)
{
    give(heap, first, count, past, 0);
}

void gci_region_give_idle(struct heap *heap, uint32_t first, uint32_t count, enum unit_past past)
{
    give(heap, first, count, past, (uint32_t)gci_options.release_ms);
}

/* ---- Returning memory to the system ------------------------------------------------------------------------------- */

bool gci_region_is_huge(const struct heap *heap, uint32_t unit)
{
    return (group_of(heap, unit)->huge_units >> unit % UNITS_PER_GROUP & 1) != 0;
}

static void end_huge_locked(struct heap *heap)
{
    u32_store(&heap->prefers_huge, 0);
    gci_vm_prefer_huge((void *)heap->base, (size_t)heap->frontier << BLOCK_SHIFT, false); // NOLINT
}

void gci_region_end_huge(struct heap *heap)
{
    if (LIKELY(u32_load(&heap->prefers_huge) == 0))
        return;
    gci_lock_acquire(&heap->region_lock);
    end_huge_locked(heap);
    gci_lock_release(&heap->region_lock);
}

/* The same, if the group has been idle for long enough. The clock is read under the lock, so that it is not behind that of
 * the last give. */
static uint32_t releasable(const struct group *group, uint32_t idle_ms)
{
    uint32_t dirty = group_dirty_units(group);
    return dirty != 0 && gci_clock_coarse_ms() - group->idle_since >= idle_ms ? dirty : 0;
}

/* Releases one run of units. They are taken out of the free ones meanwhile, so the system call runs without the lock. */
static size_t release_run(struct heap *heap, uint32_t first, uint32_t count)
{
    struct group *group = group_of(heap, first);
    group->free_units &= ~bits_in_group(first, count);
    if (count < UNITS_PER_GROUP && u32_load(&heap->prefers_huge) != 0)
        end_huge_locked(heap);
    gci_lock_release(&heap->region_lock);
    size_t bytes = (size_t)count << BLOCK_SHIFT;
    bool released = gci_vm_decommit((void *)unit_address(heap, first), bytes) == 0; // NOLINT(performance-no-int-to-ptr)
    gci_sample_forget(heap, first, count);
    gci_lock_acquire(&heap->region_lock);
    if (released)
        group->huge_units &= ~bits_in_group(first, count);
    unclaim(heap, first, count, released);
    return released ? bytes : 0;
}

static size_t release_group(struct heap *heap, uint32_t index, uint32_t dirty, size_t limit_bytes)
{
    size_t bytes = 0;
    while (dirty != 0 && bytes < limit_bytes) {
        uint32_t first = lowest_bit(dirty);
        uint32_t count = lowest_bit(~((uint64_t)dirty >> first));
        bytes += release_run(heap, index * UNITS_PER_GROUP + first, count);
        dirty &= ~((uint32_t)low_bits(count) << first);
        dirty &= heap->meta.groups[index].free_units; /* what was taken while the lock was open */
    }
    return bytes;
}

size_t gci_region_release_some(struct heap *heap, uint32_t idle_ms, size_t limit_bytes)
{
    size_t bytes = 0;
    gci_lock_acquire(&heap->region_lock);
    for (uint32_t i = heap->lowest_free; i < group_count(heap) && bytes < limit_bytes; i++)
        bytes += release_group(heap, i, releasable(&heap->meta.groups[i], idle_ms), limit_bytes - bytes);
    gci_lock_release(&heap->region_lock);
    word_add(&heap->released_bytes, bytes);
    return bytes;
}

size_t gci_region_release(struct heap *heap, uint32_t idle_ms)
{
    return gci_region_release_some(heap, idle_ms, SIZE_MAX);
}

size_t gci_region_waiting_bytes(struct heap *heap, uint32_t idle_ms)
{
    size_t units = 0;
    gci_lock_acquire(&heap->region_lock);
    for (uint32_t i = heap->lowest_free; i < group_count(heap); i++)
        if (releasable(&heap->meta.groups[i], idle_ms) == 0)
            units += count_bits(group_dirty_units(&heap->meta.groups[i]));
    gci_lock_release(&heap->region_lock);
    return units << BLOCK_SHIFT;
}

void gci_region_shrink(struct heap *heap, size_t address_space)
{
    gci_lock_acquire(&heap->region_lock);
    uint64_t units = (address_space / 2) >> BLOCK_SHIFT;
    units = align_down(units < heap->frontier ? heap->frontier : units, UNITS_PER_GROUP);
    if (units < heap->unit_limit) {
        size_t bytes = (size_t)(heap->unit_limit - units) << BLOCK_SHIFT;
        if (gci_vm_release((void *)unit_address(heap, (uint32_t)units), bytes) ==
            0) { // NOLINT(performance-no-int-to-ptr)
            gci_heap_trim_metadata(heap, heap->unit_limit, (uint32_t)units);
            heap_set_unit_limit(heap, (uint32_t)units);
        }
    }
    gci_sample_shrink(heap, address_space);
    gci_lock_release(&heap->region_lock);
}
