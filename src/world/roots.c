/* SPDX-License-Identifier: MIT */
/* Implementation of world/roots.h: mappings less exclusions, copied piece by piece. */
#include "world/roots.h"

#include <errno.h>

#include "base/bits.h"
#include "heap/resolve.h"
#include "platform/context.h"
#include "platform/image.h"
#include "platform/pages.h"
#include "platform/stop.h"
#include "platform/sync.h"
#include "platform/thread.h"
#include "platform/vm.h"
#include "world/kernel_words.h"
#include "world/stop.h"
#include "world/thread.h"

#define COPY_WORDS 8192u /* 64 KiB: copies run at memory speed from about that size on */

#define TABLE_FIRST_CAPACITY 64u

/* A growing array of ranges in our own memory. */
struct range_table {
    struct range *ranges;
    size_t count;
    size_t capacity;
};

/* Guarded by table_lock; read without it while the world is stopped. */
static struct range_table added;
static struct range_table excluded;
static struct lock table_lock;

struct walk {
    root_words_fn visit;
    void *data;
    uintptr_t stack_pointer; /* the collecting thread's; and dead_below of it */
    uintptr_t dead_below;
    bool is_interrupted; /* it has not called the library of its own accord */
    const struct page_reader *reader;
    const struct range_table *exclusions; /* sorted by lo */
    enum root_kind kind;                  /* these two: of the mapping in hand */
    bool is_code;
    uintptr_t module_end; /* of the last mapping that was a module's */
};

static uintptr_t *copy_buffer;               /* collector's */
static struct range_table exclusions;        /* collector's */
static const struct page_reader *the_reader; /* collector's: for read callbacks without a data argument */

/* ---- Tables ------------------------------------------------------------------------------------------------------- */

static bool table_add(struct range_table *table, struct range range)
{
    if (table->count == table->capacity) {
        struct range *larger =
            gci_heap_take_larger(&gci_heap, table->ranges, sizeof *larger, TABLE_FIRST_CAPACITY, &table->capacity);
        if (larger == NULL)
            return false;
        table->ranges = larger;
    }
    table->ranges[table->count++] = range;
    return true;
}

static int add_to(struct range_table *table, struct range range)
{
    if (range.lo > range.hi)
        return EINVAL;
    gci_lock_acquire(&table_lock);
    bool done = table_add(table, range);
    gci_lock_release(&table_lock);
    return done ? 0 : ENOMEM;
}

int gci_roots_add_range(struct range range)
{
    return add_to(&added, range);
}

int gci_roots_exclude_range(struct range range)
{
    return add_to(&excluded, range);
}

int gci_roots_remove_range(struct range range)
{
    int result = ENOENT;
    gci_lock_acquire(&table_lock);
    for (size_t i = 0; i < added.count && result != 0; i++) {
        if (added.ranges[i].lo != range.lo || added.ranges[i].hi != range.hi)
            continue;
        added.ranges[i] = added.ranges[--added.count];
        result = 0;
    }
    gci_lock_release(&table_lock);
    return result;
}

void gci_roots_lock(void)
{
    gci_lock_acquire(&table_lock);
}

void gci_roots_unlock(void)
{
    gci_lock_release(&table_lock);
}

void gci_roots_reset_lock(void)
{
    gci_lock_reset(&table_lock);
}

/* Shell sort with Knuth's gaps: a few hundred entries, no recursion. */
static void sort_by_start(struct range_table *table)
{
    size_t gap = 1;
    while (gap < table->count / 3)
        gap = 3 * gap + 1;
    for (; gap > 0; gap /= 3) {
        for (size_t i = gap; i < table->count; i++) {
            struct range range = table->ranges[i];
            size_t j = i;
            for (; j >= gap && table->ranges[j - gap].lo > range.lo; j -= gap)
                table->ranges[j] = table->ranges[j - gap];
            table->ranges[j] = range;
        }
    }
}

/* ---- What is excluded --------------------------------------------------------------------------------------------- */

static bool read_word_block(void *to, uintptr_t from, size_t bytes)
{
    return gci_pages_read(the_reader, to, from, bytes) == bytes;
}

/* Stack pointer below which the thread's own stack is dead; 0 where that is unknown: an alternate signal stack may be an
 * array in a frame of the stack itself, with living frames below it. */
static uintptr_t dead_below(const struct thread *thread)
{
    return range_contains(thread->alternate, thread->stack_pointer) ? 0 : thread->stack_pointer;
}

/* The dead part of a stack is known only where the stack's bounds are and the thread runs on it. */
static bool exclude_below(struct range stack, uintptr_t stack_pointer)
{
    if (!range_contains(stack, stack_pointer))
        return true;
    return table_add(&exclusions, (struct range){stack.lo, stack_pointer});
}

/* The collecting thread may have asked for nothing yet, or be ending. */
static struct range stack_without_record(void)
{
    bool is_kept;
    return gci_thread_stack(&is_kept);
}

static bool exclude_threads(const struct walk *walk)
{
    uint32_t generation = gci_world_generation();
    for (const struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next) {
        bool is_self = thread == gci_thread_self;
        if (!is_self && u32_load(&thread->stopped_in) != generation)
            continue;
        if (!exclude_below(thread->stack, is_self ? walk->dead_below : dead_below(thread)))
            return false;
    }
    return gci_thread_self != NULL || exclude_below(stack_without_record(), walk->dead_below);
}

/* pthread_join marks the thread as joined, and then reads its result: another thread may be stopped in between, and so may the
 * calling one, if it was interrupted. */
static bool exclude_ended_stacks(const struct walk *walk)
{
    struct range stacks[ENDED_RANGES_MAX];
    bool is_alone = gci_world_is_alone() && !walk->is_interrupted;
    size_t count = gci_thread_ended_stacks(stacks, is_alone, read_word_block);
    for (size_t i = 0; i < count; i++)
        if (!table_add(&exclusions, stacks[i]))
            return false;
    return true;
}

static bool exclude_own(void)
{
    struct range own[HEAP_OWN_RANGES];
    gci_heap_own_ranges(&gci_heap, own);
    for (size_t i = 0; i < HEAP_OWN_RANGES; i++)
        if (!table_add(&exclusions, own[i]))
            return false;
    return true;
}

static bool list_exclusions(const struct walk *walk)
{
    exclusions.count = 0;
    for (size_t i = 0; i < excluded.count; i++)
        if (!table_add(&exclusions, excluded.ranges[i]))
            return false;
    if (!exclude_own() || !exclude_threads(walk) || !exclude_ended_stacks(walk))
        return false;
    sort_by_start(&exclusions);
    return true;
}

/* ---- Scanning ----------------------------------------------------------------------------------------------------- */

static void visit_words(const struct walk *walk, const uintptr_t *words, size_t count, uintptr_t address)
{
    const struct root_piece piece = {.words = words, .count = count, .address = address, .kind = walk->kind};
    walk->visit(&piece, walk->data);
}

/* Generated code holds pointers as operands of its instructions, at any byte. Only words that may matter are shown: into the heap
 * or just past its end, by one comparison for each byte. */
static void visit_code(const struct walk *walk, const char *bytes, size_t count, uintptr_t address)
{
    uintptr_t base = gci_heap.base;
    uintptr_t limit = word_load(&gci_heap.limit_bytes);
    for (size_t i = 0; i + sizeof(uintptr_t) <= count; i++) {
        uintptr_t word;
        __builtin_memcpy(&word, bytes + i, sizeof word);
        if (UNLIKELY(word_address(word) - base <= limit))
            visit_words(walk, &word, 1, address + i);
    }
}

static void visit_piece(const struct walk *walk, size_t bytes, uintptr_t address)
{
    if (walk->is_code)
        visit_code(walk, (const char *)copy_buffer, bytes, address);
    else
        visit_words(walk, copy_buffer, bytes / sizeof(uintptr_t), address);
}

/* Pieces of code overlap by a word, so that no operand is cut in two. */
static void copy_and_visit(const struct walk *walk, struct range range)
{
    uintptr_t at = align_up(range.lo, sizeof(uintptr_t));
    uintptr_t end = align_down(range.hi, sizeof(uintptr_t));
    size_t overlap = walk->is_code ? sizeof(uintptr_t) : 0;
    while (at < end) {
        size_t wanted = end - at < COPY_WORDS * sizeof(uintptr_t) ? end - at : COPY_WORDS * sizeof(uintptr_t);
        size_t copied = gci_pages_read(walk->reader, copy_buffer, at, wanted);
        visit_piece(walk, copied, at);
        if (copied < wanted) /* what cannot be read: the rest of this page */
            at = align_down(at + copied, gci_vm_page_bytes()) + gci_vm_page_bytes();
        else
            at += wanted < end - at ? wanted - overlap : wanted;
    }
}

static void scan_pages_with_data(const struct walk *walk, struct range range, bool shared)
{
    for (uintptr_t at = range.lo; at < range.hi;) {
        struct range found = gci_pages_next(walk->reader, at, range.hi, shared);
        if (found.lo < found.hi)
            copy_and_visit(walk, found);
        at = found.hi;
    }
}

/* Calls scan for each part of the range that no exclusion covers. */
static void scan_allowed(const struct walk *walk, struct range range, bool shared)
{
    for (size_t i = 0; i < walk->exclusions->count && range.lo < range.hi; i++) {
        struct range cut = walk->exclusions->ranges[i];
        if (cut.hi <= range.lo || cut.lo >= cut.hi)
            continue;
        if (cut.lo >= range.hi)
            break;
        if (cut.lo > range.lo)
            scan_pages_with_data(walk, (struct range){range.lo, cut.lo}, shared);
        range.lo = cut.hi;
    }
    if (range.lo < range.hi)
        scan_pages_with_data(walk, range, shared);
}

/* The main thread's stack grows, so its lower end is the mapping's. The lowest stack pointer in it decides. */
static uintptr_t lowest_stack_pointer(const struct walk *walk, struct range mapping)
{
    uintptr_t lowest = range_contains(mapping, walk->dead_below) ? walk->dead_below : 0;
    uint32_t generation = gci_world_generation();
    for (const struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next) {
        if (u32_load(&thread->stopped_in) != generation || !range_contains(mapping, thread->stack_pointer))
            continue;
        if (dead_below(thread) == 0)
            return mapping.lo;
        if (lowest == 0 || thread->stack_pointer < lowest)
            lowest = thread->stack_pointer;
    }
    return lowest == 0 ? mapping.lo : lowest;
}

/* What follows a module's file without a gap or a name of its own is its zero-filled data. */
static enum root_kind kind_of(struct walk *walk, const struct mapping *mapping)
{
    bool is_module = mapping->is_file || (mapping->is_nameless && mapping->range.lo == walk->module_end);
    if (is_module)
        walk->module_end = mapping->range.hi;
    if (mapping->kind == MAPPING_STACK)
        return ROOT_STACK;
    return is_module ? ROOT_STATIC : ROOT_MAPPING;
}

static void scan_unasked(struct walk *walk, const struct mapping *mapping)
{
    struct range range = mapping->range;
    walk->is_code = mapping->is_code;
    if (mapping->kind == MAPPING_STACK)
        range.lo = lowest_stack_pointer(walk, range);
    scan_allowed(walk, range, mapping->kind == MAPPING_SHARED);
}

/* What the program has added counts wherever it lies, our own memory too. A range may be all addresses that there are: only
 * what is mapped is looked at. */
static void scan_added(struct walk *walk, const struct mapping *mapping)
{
    walk->kind = ROOT_ADDED;
    walk->is_code = false;
    for (size_t i = 0; i < added.count; i++) {
        struct range both = {added.ranges[i].lo > mapping->range.lo ? added.ranges[i].lo : mapping->range.lo,
                             added.ranges[i].hi < mapping->range.hi ? added.ranges[i].hi : mapping->range.hi};
        if (mapping->kind == MAPPING_OTHER)
            copy_and_visit(walk, both);
        else
            scan_pages_with_data(walk, both, mapping->kind == MAPPING_SHARED);
    }
}

static void scan_mapping(const struct mapping *mapping, void *data)
{
    struct walk *walk = data;
    walk->kind = kind_of(walk, mapping);
    if (!mapping->is_readable && (mapping->kind == MAPPING_OTHER || !gci_pages_is_quick(walk->reader, mapping->range)))
        return;
    if (mapping->kind != MAPPING_OTHER)
        scan_unasked(walk, mapping);
    scan_added(walk, mapping);
}

/* A thread's stack may itself be a block of the heap (a coroutine's, an alternate signal stack that only the kernel
 * knows): its stack pointers count as words. */
static void visit_thread_words(const struct walk *walk)
{
    uint32_t generation = gci_world_generation();
    struct range alternate = gci_stop_alternate_stack();
    const uintptr_t own[] = {walk->stack_pointer, alternate.lo};
    struct root_piece piece = {.words = own, .count = 2, .kind = ROOT_REGISTER, .thread = gci_thread_id()};
    walk->visit(&piece, walk->data);
    for (const struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next) {
        if (u32_load(&thread->stopped_in) != generation)
            continue;
        const uintptr_t words[] = {thread->stack_pointer, thread->interrupted_at, thread->alternate.lo};
        piece = (struct root_piece){words, 3, 0, ROOT_REGISTER, u32_load(&thread->id)};
        walk->visit(&piece, walk->data);
    }
}

static void visit_kernel_words(const uintptr_t *words, size_t count, void *data)
{
    const struct walk *walk = data;
    visit_words(walk, words, count, 0);
}

static bool take_buffer(void)
{
    if (copy_buffer == NULL)
        copy_buffer = gci_heap_take_meta(&gci_heap, COPY_WORDS * sizeof *copy_buffer);
    return copy_buffer != NULL;
}

bool gci_roots_each(const struct page_reader *reader, const struct roots_caller *caller, root_words_fn visit,
                    void *data)
{
    struct walk walk = {.visit = visit,
                        .data = data,
                        .stack_pointer = caller->stack_pointer,
                        .is_interrupted = caller->code != 0,
                        .reader = reader,
                        .exclusions = &exclusions};
    if (!take_buffer())
        return false;
    uintptr_t stack_pointer = caller->stack_pointer;
    walk.dead_below = range_contains(gci_stop_alternate_stack(), stack_pointer) ? 0 : stack_pointer;
    the_reader = reader;
    bool done = list_exclusions(&walk) && gci_image_each(scan_mapping, &walk);
    walk.is_code = false;
    if (done) {
        visit_thread_words(&walk);
        walk.kind = ROOT_REGISTER;
        if (caller->registers.hi <= stack_pointer) /* else they are on what has been looked at */
            copy_and_visit(&walk, caller->registers);
        walk.kind = ROOT_KERNEL;
        gci_kernel_words_each(visit_kernel_words, &walk);
    }
    return done;
}

/* ---- Whose it is -------------------------------------------------------------------------------------------------- */

/* A thread that was interrupted has all its registers between the handler's stack pointer and its own; one that answers
 * later has saved some. */
static struct range saved_registers(const struct thread *thread)
{
    uintptr_t lo = thread->stack_pointer;
    return (struct range){lo, thread->interrupted_at > lo ? thread->interrupted_at : lo + CONTEXT_SAVED_BYTES};
}

bool gci_roots_find_thread(uintptr_t address, struct range own, struct root_place *place)
{
    uint32_t generation = gci_world_generation();
    if (range_contains(own, address)) {
        *place = (struct root_place){ROOT_REGISTER, gci_thread_id()};
        return true;
    }
    for (const struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next) {
        bool is_stopped = u32_load(&thread->stopped_in) == generation;
        bool is_register = is_stopped && range_contains(saved_registers(thread), address);
        if (!is_register && !range_contains(thread->stack, address))
            continue;
        *place = (struct root_place){is_register ? ROOT_REGISTER : ROOT_STACK, u32_load(&thread->id)};
        return true;
    }
    return false;
}

bool gci_roots_is_still(uintptr_t address)
{
    uint32_t generation = gci_world_generation();
    for (const struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next)
        if (u32_load(&thread->stopped_in) == generation && range_contains(thread->stack, address) &&
            address >= thread->stack_pointer)
            return true;
    return false;
}
