/* SPDX-License-Identifier: MIT */
/* Stopping the world and letting it go.
 *
 * States of a thread, by the generation counter G (odd: a stop is asked for; even: run) and the record's stopped_in:
 *
 *                      signal, G odd, not critical
 *        RUNNING ------------------------------------> STOPPED (stopped_in = G, asleep on G)
 *           |  ^                                          |  ^
 *           |  |  G even: nothing to do                   |  | woken, and G is odd again: joins the new stop
 *           |  +------------------------------------------+--+
 *           |     woken, G even
 *           | signal, inside a critical section
 *           v
 *        DEFERRED (stop_is_pending) ---- leaves the section ----> STOPPED, if G is still odd
 *
 * Argument. (1) A thread sleeps only on "G == the odd value it joined", and the collector ends a stop by making G even
 * before it wakes, so no wake-up is lost and a thread never sleeps through a restart. (2) The collector counts a thread
 * as stopped only when stopped_in == G, stored with release after the thread's stack pointer: so what it reads is of
 * this stop. (3) A late signal finds G even, or G odd with the stop it may as well join. (4) No thread is missed: the
 * list of tasks is read again until it names nobody that has not joined, and a thread can only be born of one that runs.
 * (5) The collector waits for nobody for longer than the deadline: then it makes G even and gives the cycle up. (6) It
 * holds no lock while it waits, and a deferred thread waits for no lock that a stopped thread could hold, since holders
 * are deferred too: so a deferred thread leaves its section. (7) Nobody waits for a thread that sleeps with the signal
 * blocked and has never come to the heap; it comes to it through gci_world_listen, where the signal that it was sent
 * before it was passed by is delivered, and then (3) holds. (8) The thread that stops the world does not join its own stop
 * when a tick (idle.h) or a late signal comes: from before G is odd until it is even it counts as in a critical section.
 */
#ifndef GCI_WORLD_STOP_H
#define GCI_WORLD_STOP_H

#include <stdbool.h>
#include <stdint.h>

/* Installs the handler; `signal` 0 = any free one. 0 or an errno value. */
int gci_world_init(int signal);

/* Stops every other thread of the process. The caller is in no critical section and holds the collector's lock.
 * False, with everything running, if some thread did not stop within `deadline_ns` or the threads cannot be listed. */
bool gci_world_stop(uint64_t deadline_ns);

/* Opens the stop signal on the calling thread, which may have blocked it behind our back. Before a thread comes to the heap
 * for the first time, outside critical sections: a stop that has passed it by as deaf is joined here. */
void gci_world_listen(void);

/* Lets them go on. */
void gci_world_restart(void);

/* Generation of the stop in force, or of the last. */
uint32_t gci_world_generation(void);

/* Threads that the last stop has stopped. */
uint32_t gci_world_stopped_count(void);

/* Whether it has met no other thread, neither one that it has stopped nor a deaf one that it has passed by, which may wake up. */
bool gci_world_is_alone(void);

/* Fork child: nobody is stopped. */
void gci_world_reset(void);

#endif
