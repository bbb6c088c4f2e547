/* SPDX-License-Identifier: MIT */
/* Implementation of world/thread.h. */
#include "world/thread.h"

#include "platform/thread.h"
#include "world/critical.h"

__thread struct thread *gci_thread_self TLS_INITIAL_EXEC;
static __thread bool is_detached TLS_INITIAL_EXEC;

static volatile shared_word first_record; /* struct thread *; grows at the head */

/* Held while a record changes hands, and while the collector notes something in a record that must be of the thread it
 * means. Walking the list and reading ids needs no lock. */
static struct lock registry_lock;

void gci_thread_lock_registry(void)
{
    gci_lock_acquire(&registry_lock);
}

void gci_thread_unlock_registry(void)
{
    gci_lock_release(&registry_lock);
}

/* Guarded by ended_lock outside the stopped world. */
struct ended_stack {
    struct range stack;
    uintptr_t control_block;
};
static struct ended_stack ended[ENDED_STACKS_MAX];
static size_t ended_next; /* the oldest is overwritten: it then counts as an ordinary mapping */
static struct lock ended_lock;

struct thread *gci_thread_first(void)
{
    return (struct thread *)word_load_acquire(&first_record); // NOLINT(performance-no-int-to-ptr)
}

struct thread *gci_thread_find(uint32_t id)
{
    for (struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next)
        if (u32_load(&thread->id) == id)
            return thread;
    return NULL;
}

static struct thread *claim_free_record(uint32_t id)
{
    for (struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next) {
        if (u32_load_acquire(&thread->id) != 0)
            continue;
        thread->seen_in = thread->signalled_in = 0; /* what the collector noted was of the thread before */
        thread->has_ended = false;
        thread->is_deaf = false;
        u32_store(&thread->stopped_in, 0);
        u32_store_release(&thread->id, id);
        return thread;
    }
    return NULL;
}

static struct thread *add_record(uint32_t id)
{
    struct thread *thread = gci_heap_take_meta(&gci_heap, sizeof *thread);
    if (thread == NULL)
        return NULL;
    u32_store(&thread->id, id);
    thread->next = gci_thread_first();
    word_store_release(&first_record, (uint64_t)(uintptr_t)thread);
    return thread;
}

struct thread *gci_thread_find_or_add_locked(uint32_t id)
{
    struct thread *thread = gci_thread_find(id);
    if (thread == NULL)
        thread = claim_free_record(id);
    return thread != NULL ? thread : add_record(id);
}

bool gci_thread_is_detached(void)
{
    return is_detached;
}

void gci_thread_allow_attach(void)
{
    is_detached = false;
}

static void remember_ended_stack(const struct thread *thread)
{
    if (!thread->stack_is_kept)
        return;
    gci_lock_acquire(&ended_lock);
    ended[ended_next++ % ENDED_STACKS_MAX] = (struct ended_stack){thread->stack, thread->control_block};
    gci_lock_release(&ended_lock);
}

/* The record of a thread that has gone, or is about to. */
static void free_record(struct thread *thread)
{
    remember_ended_stack(thread);
    gci_lock_acquire(&registry_lock);
    thread->cache = NULL;
    thread->stack = (struct range){0, 0};
    thread->stack_is_kept = false;
    thread->control_block = 0;
    u32_store_release(&thread->id, 0);
    gci_lock_release(&registry_lock);
}

void gci_thread_detach(void)
{
    struct thread *thread = gci_thread_self;
    struct cache *cache = gci_cache_self.cache;
    is_detached = true;
    cache_become_self(&gci_cache_empty);
    gci_thread_self = NULL;
    if (cache != &gci_cache_empty)
        gci_cache_retire(&gci_heap, cache);
    if (thread != NULL)
        free_record(thread);
}

/* False if the record has changed hands since it named the dead thread: that one gave it back itself. Otherwise it keeps
 * the dead thread's id, so that nobody claims it. */
static bool take_from_dead(struct thread *thread, uint32_t id, struct cache **cache)
{
    gci_lock_acquire(&registry_lock);
    bool is_dead_ones = u32_load(&thread->id) == id;
    *cache = is_dead_ones ? thread->cache : NULL;
    if (is_dead_ones)
        thread->cache = NULL;
    gci_lock_release(&registry_lock);
    return is_dead_ones;
}

/* A thread that ended by the system call alone, with no collection since, has left its record, and the kernel has given its id to
 * the calling thread. A control block is in the record only once its thread has attached. */
static void retire_namesake(uint32_t id)
{
    struct thread *thread = gci_thread_find(id);
    struct cache *cache;
    if (LIKELY(thread == NULL || thread == gci_thread_self || thread->control_block == 0) ||
        !take_from_dead(thread, id, &cache))
        return;
    if (cache != NULL)
        gci_cache_retire(&gci_heap, cache);
    free_record(thread);
}

bool gci_thread_attach(void)
{
    uint32_t id = gci_thread_id();
    retire_namesake(id);
    gci_lock_acquire(&registry_lock);
    struct thread *thread = gci_thread_find_or_add_locked(id);
    if (thread != NULL)
        thread->has_ended = false; /* an earlier thread of the same id had */
    gci_lock_release(&registry_lock);
    if (thread == NULL)
        return false;
    struct cache *cache = gci_cache_create(&gci_heap);
    thread->cache = cache;
    thread->stack = gci_thread_stack(&thread->stack_is_kept);
    thread->control_block = gci_thread_control_block();
    gci_thread_self = thread;
    is_detached = false;
    if (cache == NULL)
        return false;
    cache_become_self(cache);
    return true;
}

void gci_thread_retire_ended(uint32_t generation)
{
    for (struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next) {
        uint32_t id = u32_load(&thread->id);
        bool was_seen = thread->seen_in == generation && !thread->has_ended;
        struct cache *cache;
        if (id == 0 || was_seen || gci_thread_is_alive(id) || !take_from_dead(thread, id, &cache))
            continue;
        if (cache != NULL)
            gci_cache_retire(&gci_heap, cache);
        if (id != gci_process_id()) /* the leader's task stays listed for as long as the process lives */
            free_record(thread);
    }
}

void gci_thread_forget_others(void)
{
    gci_lock_reset(&registry_lock);
    gci_lock_reset(&ended_lock);
    for (struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next)
        if (thread != gci_thread_self)
            free_record(thread);
    if (gci_thread_self != NULL)
        u32_store(&gci_thread_self->id, gci_thread_id());
}

size_t gci_thread_ended_stacks(struct range *ranges, bool is_alone, bool (*read)(void *, uintptr_t, size_t))
{
    size_t count = 0;
    for (size_t i = 0; i < ENDED_STACKS_MAX; i++) {
        struct ended_stack *entry = &ended[i];
        if (entry->control_block == 0)
            continue;
        struct range stack = entry->stack;
        enum block_owner owner = gci_thread_block_owner(entry->control_block, read);
        if (owner == BLOCK_OWNER_GONE)
            *entry = (struct ended_stack){{0, 0}, 0};
        else if (owner != BLOCK_OWNER_ALIVE)
            ranges[count++] = (struct range){stack.lo, entry->control_block};
        if (owner == BLOCK_OWNER_JOINED && is_alone)
            ranges[count++] = (struct range){entry->control_block + CONTROL_BLOCK_KEPT_BYTES, stack.hi};
    }
    return count;
}
