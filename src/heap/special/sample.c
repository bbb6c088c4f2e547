/* SPDX-License-Identifier: MIT */
/* Implementation of heap/special/sample.h. */
#include "heap/special/sample.h"

#include <errno.h>

#include "platform/vm.h"

#define UNIT_RECORDS_BYTES ((size_t)BLOCK_BYTES / GRANULE_BYTES * sizeof(struct sample))

/* Of the address space that is left, where it is limited: the program's own mappings need some. */
#define SPACE_SHARE 4

/* Memory comes in steps of so many units, from below: all that is ready is one mapping. */
#define READY_STEP_UNITS 256u

const struct sample_hooks *volatile gci_sample_hooks;
volatile u32_shared gci_sample_draw;

int gci_sample_reserve(struct heap *heap)
{
    if (heap->samples != NULL)
        return 0;
    size_t most = gci_vm_address_space_left() / SPACE_SHARE;
    for (uint32_t units = heap->unit_limit; units >= READY_STEP_UNITS; units /= 2) {
        if (units * UNIT_RECORDS_BYTES > most)
            continue;
        struct sample *at = gci_vm_reserve(NULL, units * UNIT_RECORDS_BYTES);
        if (at == NULL)
            continue;
        gci_vm_prefer_huge(at, units * UNIT_RECORDS_BYTES, false); /* a block's records are 64 KiB, mostly unused */
        heap->sample_units = units;
        heap->samples = at;
        return 0;
    }
    return ENOMEM;
}

struct range gci_sample_range(const struct heap *heap)
{
    if (heap->samples == NULL)
        return (struct range){0, 0};
    return range_of(heap->samples, heap->sample_units * UNIT_RECORDS_BYTES);
}

void gci_sample_shrink(struct heap *heap, size_t address_space)
{
    uint32_t ready = u32_load(&heap->sample_ready_units);
    size_t fitting = align_down(address_space / SPACE_SHARE / UNIT_RECORDS_BYTES, READY_STEP_UNITS);
    uint32_t kept = fitting > ready ? (uint32_t)(fitting < heap->sample_units ? fitting : heap->sample_units) : ready;
    if (heap->samples == NULL || kept == heap->sample_units)
        return;
    if (gci_vm_release(sample_at(heap, kept, 0), (heap->sample_units - kept) * UNIT_RECORDS_BYTES) == 0)
        heap->sample_units = kept;
}

/* Region lock held: the reservation may have been made smaller. */
static bool make_ready(struct heap *heap, uint32_t units)
{
    uint32_t ready = u32_load(&heap->sample_ready_units);
    uint32_t wanted = (uint32_t)align_up(units, READY_STEP_UNITS);
    if (wanted > heap->sample_units)
        wanted = heap->sample_units;
    if (units > wanted)
        return false;
    if (wanted <= ready)
        return true;
    if (gci_vm_commit(sample_at(heap, ready, 0), (wanted - ready) * UNIT_RECORDS_BYTES) != 0)
        return false;
    u32_store_release(&heap->sample_ready_units, wanted);
    return true;
}

bool gci_sample_prepare(struct heap *heap, uint32_t unit)
{
    if (LIKELY(unit < u32_load_acquire(&heap->sample_ready_units)))
        return true;
    gci_lock_acquire(&heap->region_lock);
    bool is_ready = make_ready(heap, unit + 1);
    gci_lock_release(&heap->region_lock);
    return is_ready;
}

void gci_sample_forget(const struct heap *heap, uint32_t first, uint32_t count)
{
    uint32_t ready = u32_load_acquire(&heap->sample_ready_units);
    if (first >= ready)
        return;
    if (count > ready - first)
        count = ready - first;
    gci_vm_decommit(sample_at(heap, first, 0), count * UNIT_RECORDS_BYTES);
}

static uintptr_t address_of(const struct heap *heap, uint32_t unit, uint32_t slot)
{
    bool is_large = heap->meta.hot[unit].use != UNIT_SMALL;
    return unit_address(heap, unit) + (is_large ? 0 : (uintptr_t)slot * block_class(heap, unit)->bytes);
}

size_t gci_sample_bytes(const struct heap *heap, uint32_t unit, const struct sample *sample)
{
    return heap->meta.hot[unit].use == UNIT_SMALL ? sample->bytes : (size_t)word_load(&sample[1].origin);
}

void gci_sample_put(struct heap *heap, uint32_t unit, uint32_t slot, const struct sample *sample, size_t bytes)
{
    struct sample *record = sample_at(heap, unit, slot);
    uintptr_t address = address_of(heap, unit, slot);
    const struct sample_hooks *hooks = gci_sample_hooks;
    if (heap->meta.hot[unit].use == UNIT_SMALL) {
        sample_put_small(record, sample, bytes, address);
        return;
    }
    record->weight = sample->weight;
    word_store(&record[1].origin, bytes);
    word_store_release(&record->origin, word_load(&sample->origin));
    if (hooks != NULL)
        hooks->born(sample, bytes, address);
}

/* Of several threads that take the record at once, one has it. */
static bool claim(struct sample *record, uint64_t origin, bool alone)
{
    if (!alone)
        return word_compare_and_swap(&record->origin, origin, 0);
    word_store(&record->origin, 0);
    return true;
}

void gci_sample_take(struct heap *heap, uint32_t unit, uint32_t slot, enum sample_end end, bool alone)
{
    struct sample *record = sample_at(heap, unit, slot);
    struct sample copy = {.weight = record->weight};
    uint64_t origin = word_load(&record->origin);
    size_t bytes = gci_sample_bytes(heap, unit, record);
    if (origin == 0 || !claim(record, origin, alone))
        return;
    copy.origin = origin;
    if (heap->meta.hot[unit].use != UNIT_SMALL)
        word_store(&record[1].origin, 0); /* may be another object's one day */
    const struct sample_hooks *hooks = gci_sample_hooks;
    if (hooks != NULL)
        hooks->gone(&copy, bytes, address_of(heap, unit, slot), end);
}

void gci_sample_take_word(struct heap *heap, uint32_t unit, unsigned index, uint64_t slots, enum sample_end end)
{
    for (; slots != 0; slots &= slots - 1)
        gci_sample_take(heap, unit, index * BITS_PER_WORD + lowest_bit(slots), end, true);
}

const struct sample *gci_sample_find(const struct heap *heap, uint32_t unit, uint32_t slot)
{
    if (!block_at(heap, unit)->is_sampled || unit >= u32_load_acquire(&heap->sample_ready_units))
        return NULL;
    const struct sample *record = sample_at(heap, unit, slot);
    return word_load_acquire(&record->origin) != 0 ? record : NULL;
}

static void visit_unit(const struct heap *heap, uint32_t unit, sample_visit_fn visit, void *data)
{
    bool is_small = heap->meta.hot[unit].use == UNIT_SMALL;
    uint32_t slots = is_small ? block_class(heap, unit)->slots : 1;
    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct sample *record = gci_sample_find(heap, unit, slot);
        if (record != NULL)
            visit(record, unit, slot, data);
    }
}

void gci_sample_each(const struct heap *heap, sample_visit_fn visit, void *data)
{
    for (uint32_t unit = 1; unit < heap->frontier; unit++) {
        uint8_t use = heap->meta.hot[unit].use;
        if (block_at(heap, unit)->is_sampled && (use == UNIT_SMALL || use == UNIT_LARGE))
            visit_unit(heap, unit, visit, data);
    }
}
