/* SPDX-License-Identifier: MIT */
/* Implementation of collect/bound.h. */
#include "collect/bound.h"

#include "collect/follow.h"
#include "heap/cache.h"
#include "platform/sync.h"
#include "platform/vm.h"
#include "world/stop.h"
#include "world/thread.h"

volatile u32_shared gci_bound_is_due;

/* Guarded by due_lock; by the collector while the world is stopped. */
static struct lock due_lock;
static struct due_finalizer *due;
static size_t due_count;
static size_t due_capacity;
static struct batch due_batch;

/* One collection's state: the world is stopped, and there is one. */
struct bound {
    struct heap *heap;
    struct follow follow;
    uintptr_t writable_page; /* of a slot, found so last */
    struct bound_figures figures;
};

static bool is_marked(const struct bound *bound, uintptr_t address)
{
    return gci_follow_is_marked(&bound->follow, address);
}

static void mark(struct bound *bound, uintptr_t address)
{
    gci_follow_mark(&bound->follow, address);
}

static void settle(struct bound *bound)
{
    gci_follow_settle(&bound->follow);
}

/* ---- Lists ----------------------------------------------------------------------------------------------------------- */

void gci_bound_list_put(struct counted_list *list, struct counted *counted)
{
    counted->link = (uintptr_t)list->first;
    list->first = counted;
    if (list->last == NULL)
        list->last = counted;
}

struct counted *gci_bound_list_take(struct counted_list *list)
{
    struct counted *first = list->first;
    if (first == NULL)
        return NULL;
    list->first = (struct counted *)first->link; // NOLINT(performance-no-int-to-ptr)
    if (list->first == NULL)
        list->last = NULL;
    return first;
}

static void join(struct counted_list *list, struct counted_list *front)
{
    if (front->first == NULL)
        return;
    front->last->link = (uintptr_t)list->first;
    list->first = front->first;
    if (list->last == NULL)
        list->last = front->last;
    *front = (struct counted_list){NULL, NULL};
}

static void join_batch(struct batch *batch, struct batch *front)
{
    join(&batch->waiting, &front->waiting);
    join(&batch->destroyed, &front->destroyed);
}

static bool batch_is_empty(const struct batch *batch)
{
    return batch->waiting.first == NULL && batch->destroyed.first == NULL;
}

/* ---- What is due already ------------------------------------------------------------------------------------------ */

void gci_bound_each_due(const struct heap *heap, void (*visit)(uintptr_t address, void *data), void *data)
{
    for (size_t i = 0; i < due_count; i++) {
        visit(due[i].object, data);
        visit((uintptr_t)due[i].data, data);
    }
    visit((uintptr_t)due_batch.waiting.first, data); /* which leads to the rest */
    visit((uintptr_t)due_batch.destroyed.first, data);
    for (uint32_t id = 1; id <= u32_load_acquire(&heap->cache_count); id++) {
        const struct inbox *inbox = &heap->caches[id]->inbox;
        visit(word_load(&heap->caches[id]->left), data); /* which leads to the rest */
        for (uint32_t i = 0; i < u32_load(&inbox->count); i++)
            visit(inbox->objects[i], data);
    }
}

static void mark_one_due(uintptr_t address, void *bound)
{
    mark(bound, address);
}

static void mark_due(struct bound *bound)
{
    gci_bound_each_due(bound->heap, mark_one_due, bound);
}

/* ---- Weak slots --------------------------------------------------------------------------------------------------- */

/* Asks the system once for each page that slots lie in. */
static bool has_slot(struct bound *bound, const struct special *link)
{
    uintptr_t page = align_down(link->first, gci_vm_page_bytes());
    if (page == bound->writable_page)
        return true;
    if (!gci_special_has_slot(bound->heap, link))
        return false;
    if (!heap_contains(bound->heap, link->first))
        bound->writable_page = page;
    return true;
}

/* A slot that cannot be written is an ordinary variable from here on. */
static bool hide_link(struct special *special, void *data)
{
    struct bound *bound = data;
    special->is_scanned = special->is_candidate = special->is_hidden = false;
    if (special->kind != SPECIAL_LINK)
        return true;
    if (!has_slot(bound, special))
        return false;
    volatile uintptr_t *slot = (volatile uintptr_t *)special->first; // NOLINT(performance-no-int-to-ptr)
    if (*slot == ~special->second) {
        *slot = 0;
        special->is_hidden = true;
    }
    return true;
}

/* Of the threads that are stopped: that of one that has ended without a word may be unmapped, or somebody else's memory. */
static void forget_busy(void)
{
    uint32_t generation = gci_world_generation();
    for (const struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next) {
        bool is_there = thread == gci_thread_self || u32_load(&thread->stopped_in) == generation;
        if (is_there && thread->cache != NULL && thread->cache->busy_at != NULL)
            word_store(thread->cache->busy_at, 0);
    }
}

void gci_bound_hide(struct heap *heap)
{
    struct bound bound = {.heap = heap};
    forget_busy();
    if (word_load(&gci_special_count) != 0)
        gci_special_each(hide_link, &bound);
}

static bool show_link(struct special *special, void *data)
{
    (void)data;
    if (special->is_hidden)
        *(volatile uintptr_t *)special->first = ~special->second; // NOLINT(performance-no-int-to-ptr)
    special->is_hidden = false;
    return true;
}

void gci_bound_show(void)
{
    if (word_load(&gci_special_count) != 0)
        gci_special_each(show_link, NULL);
}

/* ---- Weak references to what goes --------------------------------------------------------------------------------- */

static void cut_ephemeron(const struct special *special)
{
    *(struct ephemeron *)special->first = (struct ephemeron){0, 0}; // NOLINT(performance-no-int-to-ptr)
}

/* An entry also where it is not marked: destroy functions and finalizers may have it yet. An ephemeron that only they have stays
 * whole if they have its key too. */
static bool cut_if_dead(struct special *special, void *data)
{
    const struct bound *bound = data;
    if (is_marked(bound, special->object))
        return true;
    switch ((enum special_kind)special->kind) {
    case SPECIAL_LINK:
        special->is_hidden = false; /* the slot keeps the nothing that it holds */
        return false;
    case SPECIAL_KEY:
        if (is_marked(bound, special->first))
            cut_ephemeron(special);
        return true;
    case SPECIAL_WEAK:
        *(uintptr_t *)special->first = 0; // NOLINT(performance-no-int-to-ptr)
        return false;
    default:
        return true;
    }
}

/* A weak entry that nobody refers to goes while its object stays: the next weak reference makes another. */
static bool forget_if_dead(struct special *special, void *data)
{
    const struct bound *bound = data;
    if (special->kind == SPECIAL_KEY && !is_marked(bound, special->object) && is_marked(bound, special->first))
        cut_ephemeron(special);
    if (special->kind == SPECIAL_WEAK || special->kind == SPECIAL_KEY)
        return is_marked(bound, special->object) && is_marked(bound, special->first);
    if (special->kind == SPECIAL_LINK && heap_contains(bound->heap, special->first) &&
        !is_marked(bound, special->first))
        return false; /* the slot goes, and its place may become another's */
    return is_marked(bound, special->object);
}

/* ---- Counted objects ---------------------------------------------------------------------------------------------- */

/* Also what was set aside before, and lost with the thread that a destroy function has ended: others of its batch may still
 * release it. */
static bool needs_destroying(const struct counted *counted)
{
    uint32_t state = counted_state(counted);
    const struct counted_type *type = counted_type(counted);
    bool is_whole = state < COUNTED_OWNERS_END || state == COUNTED_BATCH || state == COUNTED_BATCH_DESTROYED ||
                    state == COUNTED_DYING;
    return is_whole && type != NULL && type->destroy != NULL;
}

static void set_aside(struct bound *bound, uintptr_t start)
{
    struct counted *counted = (struct counted *)start; // NOLINT(performance-no-int-to-ptr)
    if (!needs_destroying(counted))
        return;
    if (counted_state(counted) != COUNTED_BATCH_DESTROYED)
        counted_set_state(counted, COUNTED_BATCH);
    gci_bound_list_put(&due_batch.waiting, counted);
    bound->figures.due++;
}

typedef void (*dead_fn)(struct bound *bound, uintptr_t start);

static void each_dead_of_block(struct bound *bound, uint32_t unit, bool of_window, dead_fn visit)
{
    const struct heap *heap = bound->heap;
    const struct size_class *size_class = block_class(heap, unit);
    for (unsigned i = 0; i < size_class->words; i++) {
        uint64_t dead = (block_at(heap, unit)->window_word == i) == of_window ? ~heap->meta.mark[unit][i] : 0;
        for (; dead != 0; dead &= dead - 1)
            visit(bound,
                  unit_address(heap, unit) + ((uintptr_t)i * BITS_PER_WORD + lowest_bit(dead)) * size_class->bytes);
    }
}

/* Counted objects that are not marked: in the words of windows, or everywhere else. */
static void each_dead_counted(struct bound *bound, bool of_window, dead_fn visit)
{
    const struct heap *heap = bound->heap;
    for (uint32_t unit = 1; unit < heap->frontier; unit++) {
        struct hot hot = heap->meta.hot[unit];
        if (hot_kind(hot) != KIND_HEADED)
            continue;
        if (hot.use == UNIT_SMALL)
            each_dead_of_block(bound, unit, of_window, visit);
        else if (hot.use == UNIT_LARGE && !of_window && !gci_mark_is_set(heap, unit, 0))
            visit(bound, unit_address(heap, unit));
    }
}

/* The word of a window is not swept: an object there stays until a later collection, and with it all that its destroy function
 * may touch. The whole batch is listed before any of it is marked; then it and what it refers to live on. */
static void set_counted_aside(struct bound *bound)
{
    each_dead_counted(bound, true, mark);
    settle(bound);
    each_dead_counted(bound, false, set_aside);
    mark(bound, (uintptr_t)due_batch.waiting.first);
    settle(bound);
}

/* ---- Finalizers --------------------------------------------------------------------------------------------------- */

static bool is_finalizer(const struct special *special)
{
    return special->kind == SPECIAL_FINALIZER || special->kind == SPECIAL_FINALIZER_UNORDERED;
}

static bool find_candidate(struct special *special, void *data)
{
    const struct bound *bound = data;
    special->is_candidate = is_finalizer(special) && !is_marked(bound, special->object);
    return true;
}

/* What candidates refer to is not finalized before they are. */
static bool mark_below(struct special *special, void *data)
{
    struct bound *bound = data;
    if (!special->is_candidate || special->kind != SPECIAL_FINALIZER)
        return true;
    struct object object = gci_resolve(bound->heap, special->object);
    if (object.kind != KIND_ATOMIC)
        gci_follow_words(&bound->follow, object);
    mark(bound, special->second);
    return true;
}

#define DUE_FIRST_CAPACITY 64u

static bool make_room(struct bound *bound)
{
    if (due_count < due_capacity)
        return true;
    struct due_finalizer *larger =
        gci_heap_take_larger(bound->heap, due, sizeof *due, DUE_FIRST_CAPACITY, &due_capacity);
    if (larger != NULL)
        due = larger;
    return larger != NULL;
}

/* Without room it stays a candidate of the next collection. */
static bool take_candidate(struct special *special, void *data)
{
    struct bound *bound = data;
    bool is_ordered = special->kind == SPECIAL_FINALIZER;
    if (!special->is_candidate)
        return true;
    if ((is_ordered && is_marked(bound, special->object)) || !make_room(bound)) {
        bound->figures.waiting++;
        return true;
    }
    bound->figures.due++;
    bool has_header = gci_resolve(bound->heap, special->object).kind == KIND_HEADED;
    uintptr_t object = special->object + (has_header ? COUNTED_HEADER_BYTES : 0);
    due[due_count++] = (struct due_finalizer){object, (void (*)(void *, void *))special->first, // NOLINT
                                              (void *)special->second};                         // NOLINT
    return false;
}

static bool keep_candidate(struct special *special, void *data)
{
    if (special->is_candidate)
        mark(data, special->object);
    return true;
}

static void set_finalizers_aside(struct bound *bound)
{
    gci_special_each(find_candidate, bound);
    gci_special_each(mark_below, bound);
    settle(bound);
    gci_special_each(take_candidate, bound);
    gci_special_each(keep_candidate, bound);
    mark_due(bound);
    settle(bound);
}

static void note_due(void)
{
    u32_store(&gci_bound_is_due, due_count != 0 || !batch_is_empty(&due_batch));
}

/* Whoever makes a counted object next looks whether something is due. */
static void send_errands(const struct heap *heap)
{
    for (uint32_t id = 1; id <= u32_load_acquire(&heap->cache_count); id++)
        u32_store(&heap->caches[id]->errands, 1);
}

/* ---- In order ----------------------------------------------------------------------------------------------------- */

static bool has_counted(const struct heap *heap)
{
    for (uint32_t unit = 1; unit < heap->frontier; unit++)
        if (hot_kind(heap->meta.hot[unit]) == KIND_HEADED && heap->meta.hot[unit].use != UNIT_FREE)
            return true;
    return false;
}

struct bound_figures gci_bound_resolve(struct marking *marking, enum simd simd, const struct page_reader *pages,
                                       bool frees)
{
    struct bound bound = {.heap = marking->heap, .follow = {.marking = marking, .simd = simd, .pages = pages}};
    bool counts = has_counted(marking->heap);
    if (word_load(&gci_special_count) == 0 && due_count == 0 && !counts)
        return bound.figures;
    gci_mark_begin(marking, marking->heap, simd, pages);
    mark_due(&bound);
    settle(&bound);
    if (frees) {
        gci_special_each(cut_if_dead, &bound);
        if (counts)
            set_counted_aside(&bound);
        if (word_load(&gci_special_count) != 0)
            set_finalizers_aside(&bound);
        gci_special_each(forget_if_dead, &bound);
    }
    gci_bound_show();
    note_due();
    send_errands(marking->heap);
    gci_mark_end(marking);
    return bound.figures;
}

/* ---- Once more ------------------------------------------------------------------------------------------------------ */

static bool forget_followed(struct special *special, void *data)
{
    (void)data;
    special->is_scanned = false;
    return true;
}

void gci_bound_begin_again(void)
{
    if (word_load(&gci_special_count) != 0)
        gci_special_each(forget_followed, NULL);
}

static bool look_for_more(struct special *special, void *data)
{
    bool *more = data;
    *more |= !special->is_scanned && (is_finalizer(special) || special->kind == SPECIAL_KEY);
    return true;
}

bool gci_bound_follow(struct marking *marking, enum simd simd, const struct page_reader *pages)
{
    struct bound bound = {.heap = marking->heap, .follow = {.marking = marking, .simd = simd, .pages = pages}};
    bool more = false;
    if (word_load(&gci_special_count) == 0)
        return false;
    gci_mark_begin(marking, marking->heap, simd, pages);
    settle(&bound);
    gci_mark_end(marking);
    gci_special_each(look_for_more, &more);
    return more;
}

/* ---- Afterwards --------------------------------------------------------------------------------------------------- */

void gci_bound_lock(void)
{
    gci_lock_acquire(&due_lock);
}

void gci_bound_unlock(void)
{
    gci_lock_release(&due_lock);
}

void gci_bound_reset_lock(void)
{
    gci_lock_reset(&due_lock);
}

bool gci_bound_take_finalizer(struct due_finalizer *taken)
{
    gci_lock_acquire(&due_lock);
    bool any = due_count != 0;
    if (any) {
        *taken = due[--due_count];
        due[due_count] = (struct due_finalizer){0};
    }
    note_due();
    gci_lock_release(&due_lock);
    return any;
}

bool gci_bound_take_batch(struct batch *batch)
{
    gci_lock_acquire(&due_lock);
    *batch = due_batch;
    due_batch = (struct batch){{NULL, NULL}, {NULL, NULL}};
    note_due();
    gci_lock_release(&due_lock);
    return !batch_is_empty(batch);
}

void gci_bound_give_batch(const struct heap *heap, struct batch *batch)
{
    if (batch_is_empty(batch))
        return;
    gci_lock_acquire(&due_lock);
    join_batch(&due_batch, batch);
    note_due();
    gci_lock_release(&due_lock);
    send_errands(heap);
}
