/* SPDX-License-Identifier: MIT */
/* fork: the parent's locks are all taken before, released after; the child starts alone with everything unlocked.
 *
 * glibc's fork runs the prepare handlers first and takes the lock of its list of streams after them. A thread that holds
 * that lock (fflush(NULL), getline) may want ours, so it has to come first here too; glibc exports it for such uses, and
 * it is recursive. Our handlers are registered before any other library's, so prepare runs last and child first: other
 * handlers may allocate.
 *
 * Order: streams, file of the profile, collector, critical section, callback for events, shared cache, roots, words of the
 * kernel, heap.
 */
#include <pthread.h>
#include <stdbool.h>

#include "alloc/alloc.h"
#include "alloc/budget.h"
#include "alloc/counts/count.h"
#include "api/init.h"
#include "api/programs/sandbox.h"
#include "collect/cycle.h"
#include "heap/cache.h"
#include "platform/stop.h"
#include "profile/profile.h"
#include "world/critical.h"
#include "world/kernel_words.h"
#include "world/roots.h"
#include "world/stop.h"
#include "world/thread.h"

extern void _IO_list_lock(void) __attribute__((weak));    // NOLINT(bugprone-reserved-identifier)
extern void _IO_list_unlock(void) __attribute__((weak));  // NOLINT(bugprone-reserved-identifier)
extern char __libc_single_threaded __attribute__((weak)); // NOLINT(bugprone-reserved-identifier)

/* Written by prepare, read by parent and child, all on the thread that forks: another may fork meanwhile without the locks,
 * from a handler. */
static __thread bool has_locked TLS_INITIAL_EXEC;
static __thread bool has_stream_lock TLS_INITIAL_EXEC;
/* Those before the first lock: a handler that forks would wait for ever. */
static __thread uint64_t blocked_signals TLS_INITIAL_EXEC;

/* With one thread glibc leaves the lock of the streams alone, and so do we: nobody would reset it in the child. */
static bool needs_stream_lock(void)
{
    return _IO_list_lock != NULL && &__libc_single_threaded != NULL && !__libc_single_threaded;
}

/* fork from a signal handler that interrupted a slow path of ours: the locks are held below us, by this very thread, in
 * parent and child alike. That of the streams still comes here: glibc takes it behind the handlers, with its lock of handlers
 * held, for which another thread that has that of the streams may wait. */
static void prepare(void)
{
    bool is_inside = critical_is_inside();
    uint64_t blocked = is_inside ? 0 : gci_stop_block_signals();
    bool with_streams = needs_stream_lock();
    if (with_streams)
        _IO_list_lock();
    has_stream_lock = with_streams;
    has_locked = !is_inside;
    if (is_inside)
        return;
    gci_profile_lock();
    gci_cycle_lock();
    critical_enter();
    gci_events_lock();
    gci_alloc_lock();
    gci_count_lock();
    gci_roots_lock();
    gci_kernel_words_lock();
    gci_heap_lock_all(&gci_heap);
    blocked_signals = blocked;
}

static void unlock_all(void)
{
    gci_heap_unlock_all(&gci_heap);
    gci_kernel_words_unlock();
    gci_roots_unlock();
    gci_count_unlock();
    gci_alloc_unlock();
    gci_events_unlock();
    critical_leave();
    gci_cycle_unlock();
    gci_profile_unlock();
}

static void parent(void)
{
    bool leaves = has_locked;
    bool with_streams = has_stream_lock;
    has_locked = has_stream_lock = false;
    if (leaves)
        unlock_all();
    if (with_streams)
        _IO_list_unlock();
    if (leaves)
        gci_stop_restore_signals(blocked_signals);
}

/* glibc has reset the lock of the streams. Blocks of threads that the child does not have become everybody's. */
static void child(void)
{
    bool leaves = has_locked;
    has_locked = has_stream_lock = false;
    gci_world_reset();
    gci_thread_forget_others();
    gci_budget_reset(); /* the fork may have come in the middle of a request */
    gci_cycle_reset();
    gci_sandbox_reset();
    gci_profile_reset();
    gci_runner_reset();
    gci_cache_forget_names(&gci_heap, gci_cache_self.cache);
    if (!leaves)
        return;
    gci_events_reset_lock();
    gci_alloc_reset_lock();
    gci_count_reset_lock();
    gci_roots_reset_lock();
    gci_kernel_words_reset_lock();
    gci_heap_reset_locks(&gci_heap);
    gci_cache_retire_all_but(&gci_heap, gci_cache_self.cache);
    critical_leave();
    gci_stop_restore_signals(blocked_signals);
}

void gci_fork_init(void)
{
    pthread_atfork(prepare, parent, child);
}
