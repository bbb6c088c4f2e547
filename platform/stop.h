/* SPDX-License-Identifier: MIT */
/* Contract: interrupting another thread, and after a while any thread.
 *
 * One signal, chosen at install time, and one more if people want it. The handler runs on the interrupted thread with every
 * signal blocked, may run at any instruction, keeps errno, and is never entered for signals that neither this process sent nor
 * its user wants something by.
 */
#ifndef GCI_PLATFORM_STOP_H
#define GCI_PLATFORM_STOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/range.h"

struct interruption {
    uintptr_t handler_sp;    /* lowest address of the interrupted thread's saved registers */
    uintptr_t stack_pointer; /* of the interrupted code, red zone allowed for */
    struct range alternate;  /* the thread's alternate signal stack, or {0, 0} */
    uintptr_t code;          /* the interrupted instruction */
    bool is_tick;            /* by gci_stop_tick_after */
    bool is_request;         /* by another process, on behalf of this one's user (world/request.h) */
    bool is_order;           /* by the signal of gci_stop_take_order */
};

typedef void (*interruption_fn)(const struct interruption *interruption);

/* Takes the signal (0 = choose a free real-time one). 0 or an errno value. */
int gci_stop_install(int signal, interruption_fn handler);

/* The signal in use, 0 before install. */
int gci_stop_signal(void);

/* Takes another signal, by which people tell the process something: whoever may send it interrupts some thread that does not
 * block it. After install. 0 or an errno value. */
int gci_stop_take_order(int signal);

/* That signal, 0 where none was taken or the program has it now. */
int gci_stop_order_signal(void);

/* Whether the handler is still ours; if the program has taken the signal, another one is chosen. False: none is left. */
bool gci_stop_verify(void);

/* Sends it. 0, ESRCH for a thread that has ended, EAGAIN where the queue is full. */
int gci_stop_send(uint32_t thread_id);

/* Interrupts a thread of the process that does not block the signal, once, in so many nanoseconds (not 0) from now, and not
 * when it was to do so before. 0 or an errno value; EBUSY where the program has taken the signal. In these three, callers see
 * to it that there is one at a time. Async-signal-safe; errno is kept. */
int gci_stop_tick_after(uint64_t nanoseconds);
void gci_stop_end_ticks(void);
void gci_stop_forget_ticks(void); /* fork child: it has no timer of ours */

/* Blocks every signal of the calling thread but ours, and puts back what was. */
uint64_t gci_stop_block_signals(void);
void gci_stop_restore_signals(uint64_t blocked);

/* Between those two: ours too. */
void gci_stop_block_own(void);

/* Unblocks the signal in the calling thread. */
void gci_stop_unblock(void);

/* Whether, since the last call of this function on this thread, a system call of the thread failed with EINTR for our
 * signal alone: then the program must not see it, and the call is to be repeated with the time that is left. */
bool gci_stop_take_cut_short(void);

/* A caller writes here the frame from which it makes a system call that may transfer less than it was asked to. When the
 * thread is stopped in that call, and no other signal is due, GCI_STOP_CAME is added: the rest is then for the caller to
 * transfer. Nothing is added while a handler of the program runs on top of the call. */
extern __thread uintptr_t gci_stop_watched_frame TLS_INITIAL_EXEC;
#define GCI_STOP_CAME 1

/* The calling thread's alternate signal stack, or {0, 0}. */
struct range gci_stop_alternate_stack(void);

#endif
