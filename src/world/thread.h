/* SPDX-License-Identifier: MIT */
/* The registry of threads.
 *
 * Records are only ever added to a list and used again by later threads, so the stop handler and the collector walk it
 * without a lock; making one takes the registry lock, in a critical section or as the collector. A record belongs to the
 * thread whose id it holds; the collector reads it while that thread is stopped.
 * Threads that never came through here (the C library's own, raw clone) get a record when the collector meets them.
 */
#ifndef GCI_WORLD_THREAD_H
#define GCI_WORLD_THREAD_H

#include <stdbool.h>

#include "base/atomic.h"
#include "base/range.h"
#include "heap/cache.h"

struct thread {
    struct thread *next;     /* set before the record is published */
    volatile u32_shared id;  /* kernel's id; 0: the record is free; set under the registry lock */
    struct cache *cache;     /* its own, or NULL */
    struct range stack;      /* {0, 0} where unknown */
    bool stack_is_kept;      /* after the thread's end, by the C library */
    uintptr_t control_block; /* 0 where unknown */
    uint32_t seen_in;        /* collector: generation of the last stop that found the thread alive */
    uint32_t signalled_in;   /* collector: generation of the last stop that it was asked to join */
    bool has_ended;          /* collector: still listed (a process leader that has ended), but runs no more */
    bool is_deaf;            /* collector: sleeps with the stop signal blocked, and has not come to the heap yet */
    /* Published by the thread when it stops, before stopped_in. */
    uintptr_t stack_pointer;        /* its frames and saved registers lie above, where they are on its stack */
    uintptr_t interrupted_at;       /* stack pointer of the interrupted code */
    uintptr_t code;                 /* the interrupted instruction; 0: the thread stopped of its own accord */
    struct range alternate;         /* its alternate signal stack */
    volatile u32_shared stopped_in; /* generation of the stop that it has joined */
};

/* The thread that looks at roots, which runs: from where the program's own frames begin, and what it was doing. */
struct roots_caller {
    uintptr_t stack_pointer;
    struct range registers; /* where they are saved, on that stack or elsewhere; {0, 0}: none matter */
    uintptr_t code;         /* the instruction that was interrupted; 0: it has called the library */
};

extern __thread struct thread *gci_thread_self TLS_INITIAL_EXEC;

/* The calling thread gets a record and a cache; critical section. False when there is no memory for them. */
bool gci_thread_attach(void);

/* The calling thread gives its cache and record back; critical section. It may still allocate afterwards, from the
 * shared cache. */
void gci_thread_detach(void);

/* Takes back that a detached thread must not attach again. */
void gci_thread_allow_attach(void);

/* Whether the calling thread has detached and must not attach again (it is ending). */
bool gci_thread_is_detached(void);

/* The record of a thread by its id, or NULL; async-signal-safe. */
struct thread *gci_thread_find(uint32_t id);

/* The same, making one if needed; NULL when there is no memory. Registry lock held. */
struct thread *gci_thread_find_or_add_locked(uint32_t id);

/* While it is held no record changes hands. Taken in critical sections and by the collector before the world is stopped;
 * never held while waiting for a thread. */
void gci_thread_lock_registry(void);
void gci_thread_unlock_registry(void);

/* First of all records, free ones among them. */
struct thread *gci_thread_first(void);

/* Critical section: retires the records of threads that a stop of this generation did not find alive. */
void gci_thread_retire_ended(uint32_t generation);

/* Fork child: the calling thread is the only one. */
void gci_thread_forget_others(void);

/* Stacks that ended threads left behind: mapped, but no roots up to the control block, which holds the thread's result until
 * somebody joins it; with `is_alone`, where nobody can be about to take the result of a thread that counts as joined, that of
 * such a one neither. At most ENDED_RANGES_MAX; each is checked through `read` (see platform/thread.h), and forgotten when it
 * is gone or in use again. World stopped. */
size_t gci_thread_ended_stacks(struct range *ranges, bool is_alone, bool (*read)(void *, uintptr_t, size_t));
#define ENDED_STACKS_MAX 64u
#define ENDED_RANGES_MAX (2 * ENDED_STACKS_MAX)

#endif
