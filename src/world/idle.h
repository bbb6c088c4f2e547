/* SPDX-License-Identifier: MIT */
/* Memory goes back to the system while the program sleeps.
 *
 * Who frees notes it (heap/release.h); when enough is free, the timer of the process is set. Its signal, a tick, lands on any
 * thread and works in the stop handler, or on leaving the critical section that it came into: free units that nobody has used
 * for a while go back, and pages of blocks without an owner. Blocks with an owner are only that thread's to drop pages from,
 * so each thread whose blocks are worth it is sent the stop signal, finds itself asked, and does its share in its handler.
 * The timer is set again for as long as something waits to become idle, and then stays off; a profile may ask for a tick too
 * (request.h: gci_request_after).
 *
 * No thread of our own is needed, and no stop. Only threads that have a cache work: a stop waits for those, so it cannot take
 * one of them that sleeps in the handler for a deaf one (stop.h). The thread that stops the world is in a critical section
 * meanwhile and works when it has let the others go on.
 */
#ifndef GCI_WORLD_IDLE_H
#define GCI_WORLD_IDLE_H

#include <stdbool.h>
#include <stdint.h>

/* From now on there are ticks. After the stop handler has been installed. */
void gci_idle_init(void);

/* There is a tick after that time at the latest, whatever is free. Outside critical sections or in them. */
void gci_idle_expect(uint64_t after_ns);

/* In the handler: the timer has fired. The thread that comes by first with gci_idle_serve does what is to be done. */
void gci_idle_note_tick(void);

/* The calling thread's share of what is due. In the handler or with signals blocked, outside critical sections, not stopped. */
void gci_idle_serve(void);

/* The same for a thread that may not work: another one is asked to. */
void gci_idle_pass_on(void);

/* The program takes the signal for itself. */
void gci_idle_end_timer(void);

/* No ticks any more; one that is on its way does nothing. False: there were none. */
bool gci_idle_end(void);

/* Fork child: no tick is on its way. */
void gci_idle_reset(void);

#endif
