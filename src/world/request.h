/* SPDX-License-Identifier: MIT */
/* What another process asks of this one: to tell of its memory, by a signal that names no thread (platform/stop.h). An order is
 * the same without words: it comes by a signal of its own.
 *
 * The handler notes it, and the thread that was interrupted serves it: at once, or on leaving its critical section. If another
 * thread has the collector's lock, that one serves it when it lets go (collect/cycle.c: gci_cycle_unlock). So a process that
 * sleeps answers as well as one that works, and no thread of ours is needed. A thread that has never come to the heap, or has
 * no thread-local storage of its own, hands it on to one that has.
 */
#ifndef GCI_WORLD_REQUEST_H
#define GCI_WORLD_REQUEST_H

#include <stdbool.h>

#include "platform/stop.h"
#include "world/thread.h"

/* Called with every signal blocked, outside critical sections. It takes the request (gci_request_take) once it has the
 * collector's lock; false: another thread has it. */
typedef bool (*request_fn)(const struct roots_caller *caller);
void gci_request_init(request_fn serve); /* NULL: no more */

/* In the handler; the second for what is asked by the signal that people have chosen (platform/stop.h: is_order). */
void gci_request_note(void);
void gci_request_note_order(void);
void gci_request_serve(const struct interruption *interruption);
void gci_request_pass_on(void);

/* Who serves is called after so long at the latest, as if it had been asked; nothing comes where there are no ticks (idle.h). */
void gci_request_after(uint64_t nanoseconds);
void gci_request_note_tick(void); /* in the handler */

/* Whether the process is the one that is asked: not a child of vfork, nor before anybody serves. */
bool gci_request_is_of_this_process(void);

/* Elsewhere: outside critical sections, the collector's lock not held. */
void gci_request_serve_now(void);

/* Whether one was due, which is not any more. */
bool gci_request_take(void);

/* Orders that have come and are not done: at any time; by whoever serves. */
uint32_t gci_request_orders(void);
void gci_request_order_is_done(void);

/* Fork child: what was asked was asked of the parent. */
void gci_request_reset(void);

#endif
