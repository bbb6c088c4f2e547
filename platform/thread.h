/* SPDX-License-Identifier: MIT */
/* Contract: who runs in this process.
 *
 * Ids are the kernel's thread ids. Nothing here touches the heap unless said so.
 */
#ifndef GCI_PLATFORM_THREAD_H
#define GCI_PLATFORM_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/range.h"

uint32_t gci_thread_id(void);

/* The process as the kernel sees it now: differs from a stored value in a child of vfork, clone or fork. */
uint32_t gci_process_id(void);

/* Calls visit for each thread of the process. False where the system does not tell. Async-signal-safe. */
bool gci_thread_each(bool (*visit)(uint32_t id, void *data), void *data);

/* Name of the calling thread; room for 16 bytes, the last of them zero. */
void gci_thread_name(char *name);

/* Number of threads of the process, 0 where the system does not tell. */
uint32_t gci_thread_count(void);

/* Whether the thread is alive. */
bool gci_thread_is_alive(uint32_t id);

/* Whether the thread sleeps in the system with that signal blocked. */
bool gci_thread_sleeps_deaf(uint32_t id, int signal);

/* Stack of the calling thread, the part that holds its control block included; {0, 0} where unknown, as it is for the
 * main thread. *is_kept: the C library keeps it after the thread's end; otherwise it may be the program's own memory. */
struct range gci_thread_stack(bool *is_kept);

/* Where the main thread's stack is and can grow to. Nothing else is mapped there unless the program forces it to be; what is
 * above a stack pointer in it can be read. {0, 0} where unknown. */
struct range gci_thread_main_stack(void);

/* Has `at_exit` called on each thread that asks for it, when the thread ends and after its other destructors. 0 or an
 * errno value. gci_thread_ask_exit_call may be called again; neither allocates. */
int gci_thread_exit_init(void (*at_exit)(void));
void gci_thread_ask_exit_call(void);

/* Address of the calling thread's control block: a word that identifies a thread's stack as long as it is mapped. */
uintptr_t gci_thread_control_block(void);

/* What became of the thread whose control block was at that address. Reads through `read`, which returns false where
 * the memory is gone. */
enum block_owner {
    BLOCK_OWNER_GONE,  /* the memory is unmapped or serves something else */
    BLOCK_OWNER_ALIVE, /* a thread runs on it */
    BLOCK_OWNER_ENDED, /* the C library keeps the stack of an ended thread for the next one */
    BLOCK_OWNER_JOINED /* the same, and nobody can ask for the thread's result any more */
};

/* So much at the start of a control block does the C library use again for the next thread. Behind it, in that of a thread that
 * is joined, is only what nobody will look at: its argument, its result. */
#define CONTROL_BLOCK_KEPT_BYTES (3 * sizeof(uintptr_t))

enum block_owner gci_thread_block_owner(uintptr_t control_block, bool (*read)(void *to, uintptr_t from, size_t bytes));

/* False where it is sure that no thread runs on it. */
bool gci_thread_may_run(uintptr_t control_block, bool (*read)(void *to, uintptr_t from, size_t bytes));

/* Starts a thread of the C library with every signal blocked: `run`, and when that ends, in whatever way, `ended` on the same
 * thread. May allocate. 0 or an errno value. */
int gci_thread_start(void (*run)(void), void (*ended)(void));

/* ---- Workers ------------------------------------------------------------------------------------------------------ */

/* A worker is a second thread for the time of one function.
 *
 * It shares everything with the thread that starts it, thread-local storage too, so `run` may use no thread-local variable
 * and nothing that does: no errno that matters, no function that allocates or is a point of cancellation. It has every
 * signal blocked that the starter has blocked; the starter blocks all. It is not known to the C library, and gone when
 * gci_worker_join returns: a program that changes its user, leaves a namespace or counts its threads never meets it.
 */
struct worker {
    volatile u32_shared thread_id; /* 0 when it has ended */
};

/* False where the system gives no thread. errno is kept in both. */
bool gci_worker_start(struct worker *worker, struct range stack, int (*run)(void *data), void *data);
void gci_worker_join(const struct worker *worker);

/* Processors that the calling thread may run on; at least 1. */
uint32_t gci_worker_processors(void);

#endif
