/* SPDX-License-Identifier: MIT */
/* Implementation of alloc/counts/destroy.h. */
#include "alloc/counts/destroy.h"

#include <errno.h>

#include "alloc/alloc.h"
#include "collect/bound.h"
#include "heap/cache.h"
#include "world/critical.h"

__thread struct destroying gci_destroying TLS_INITIAL_EXEC;

static struct counted *counted_at(uintptr_t start)
{
    return (struct counted *)start; // NOLINT(performance-no-int-to-ptr)
}

ALWAYS_INLINE void call_destroy(struct counted *counted, const struct counted_type *type, uint32_t state)
{
    counted_set_type_and_state(counted, type, state);
    gci_destroying.place = &gci_destroying.pending;
    type->destroy((char *)counted + COUNTED_HEADER_BYTES);
}

static bool has_destroy(const struct counted_type *type)
{
    return type != NULL && type->destroy != NULL;
}

READS_OTHERS_BITS static void free_memory(struct counted *counted)
{
    counted_set_freed(counted);
    free_fast(counted, "gca_release");
}

static void destroy_one(struct counted *counted)
{
    const struct counted_type *type = counted_type(counted);
    if (LIKELY(has_destroy(type)))
        call_destroy(counted, type, COUNTED_DESTROYED);
    free_memory(counted);
}

/* How many. */
static size_t destroy_pending(size_t most)
{
    struct destroying *self = &gci_destroying;
    size_t count = 0;
    for (; self->pending != 0 && count < most; count++) {
        struct counted *counted = counted_at(self->pending);
        self->pending = counted->link;
        destroy_one(counted);
    }
    return count;
}

static uintptr_t take_left(struct cache *cache)
{
    return LIKELY(word_load(&cache->left) == 0) ? 0 : word_exchange(&cache->left, 0);
}

/* A thread without a cache finishes at once. */
static void leave_rest(void)
{
    if (gci_cache_self.cache == &gci_cache_empty)
        destroy_pending(SIZE_MAX);
    if (gci_destroying.pending == 0)
        return;
    word_store_release(&gci_cache_self.cache->left, gci_destroying.pending);
    u32_store(&gci_cache_self.cache->errands, 1);
    gci_destroying.pending = 0;
}

/* The object first, then what was left before. */
void gci_destroy_step(struct counted *counted)
{
    struct destroying *self = &gci_destroying;
    int saved = errno;
    self->is_running = true;
    self->pending = take_left(gci_cache_self.cache);
    destroy_one(counted);
    destroy_pending(DESTROY_STEP - 1);
    if (UNLIKELY(self->pending != 0))
        leave_rest();
    self->is_running = false;
    errno = saved;
}

void gci_destroy_hold(void)
{
    gci_destroying.is_running = true;
    gci_destroying.pending = take_left(gci_cache_self.cache);
    gci_destroying.place = &gci_destroying.pending;
}

/* ---- What is due -------------------------------------------------------------------------------------------------- */

/* They may look at one another, so none goes before all destroy functions were called. Returns for how many. */
static size_t destroy_batch(struct batch *batch, size_t *most)
{
    size_t calls = 0;
    struct counted *at;
    for (; *most != 0 && (at = gci_bound_list_take(&batch->waiting)) != NULL; --*most, calls++) {
        const struct counted_type *type = counted_type(at);
        gci_bound_list_put(&batch->destroyed, at);
        if (has_destroy(type) && counted_state(at) != COUNTED_BATCH_DESTROYED)
            call_destroy(at, type, COUNTED_BATCH_DESTROYED);
    }
    if (batch->waiting.first == NULL)
        for (; *most != 0 && (at = gci_bound_list_take(&batch->destroyed)) != NULL; --*most)
            free_memory(at);
    return calls;
}

static bool take_batch(struct batch *batch)
{
    critical_enter();
    bool taken = gci_bound_take_batch(batch);
    critical_leave();
    return taken;
}

static void give_batch(struct batch *batch)
{
    critical_enter();
    gci_bound_give_batch(&gci_heap, batch);
    critical_leave();
}

static bool take_finalizer(struct due_finalizer *due)
{
    critical_enter();
    bool taken = gci_bound_take_finalizer(due);
    critical_leave();
    return taken;
}

/* The rest of a thread that lives is its own to finish: what follows in a list it has made is in its hands anyway. */
static size_t destroy_left(void)
{
    size_t count = 0;
    for (uint32_t id = 1; id <= u32_load_acquire(&gci_heap.cache_count); id++) {
        struct cache *cache = gci_heap.caches[id];
        if (cache != gci_cache_self.cache && u32_load(&cache->counts) != 0)
            continue;
        gci_destroying.pending = take_left(cache);
        count += destroy_pending(SIZE_MAX);
    }
    return count;
}

static size_t destroy_set_aside(size_t *most)
{
    struct batch batch;
    struct due_finalizer due;
    size_t calls = 0;
    if (take_batch(&batch)) {
        calls = destroy_batch(&batch, most);
        give_batch(&batch);
    }
    for (; *most != 0 && take_finalizer(&due); --*most, calls++) {
        gci_destroying.place = &gci_destroying.pending;
        due.run((void *)due.object, due.data); // NOLINT(performance-no-int-to-ptr)
    }
    return calls;
}

void gci_destroy_go(bool with_due)
{
    int saved = errno;
    size_t most = DESTROY_STEP;
    if (with_due)
        destroy_set_aside(&most);
    destroy_pending(most);
    leave_rest();
    gci_destroying.is_running = false;
    errno = saved;
}

static size_t destroy_all_set_aside(void)
{
    size_t most = SIZE_MAX;
    size_t calls = destroy_set_aside(&most);
    destroy_pending(SIZE_MAX);
    return calls;
}

static size_t run(size_t (*destroy)(void))
{
    int saved = errno;
    gci_destroying.is_running = true;
    size_t count = destroy();
    gci_destroying.is_running = false;
    errno = saved;
    return count;
}

size_t gci_destroy_rest(void)
{
    return run(destroy_left);
}

size_t gci_destroy_due(void)
{
    return run(destroy_all_set_aside);
}

void gci_destroy_thread_ends(void)
{
    gci_destroying.is_running = true; /* or still: a destroy function may have ended the thread */
    destroy_pending(SIZE_MAX);
    gci_destroying.pending = take_left(gci_cache_self.cache);
    destroy_pending(SIZE_MAX);
    gci_destroying.is_running = false;
}
