/* SPDX-License-Identifier: MIT */
/* One collection, from the reason for it to the figures of it. The only layer that sees threads, heap and marker.
 *
 * Callers are in no critical section. The collector's lock is held by the thread that collects, from before the stop
 * to after the restart; who waits for it can be stopped while waiting.
 */
#ifndef GCI_COLLECT_CYCLE_H
#define GCI_COLLECT_CYCLE_H

#include <stdbool.h>
#include <stdint.h>

#include "heap/sweep.h"
#include "platform/cpu.h"
#include "platform/pages.h"
#include "world/roots.h"

enum cycle_reason { REASON_GROWTH, REASON_LIMIT, REASON_REQUEST, REASON_MEMORY, REASON_TORTURE, REASON_COUNT };
const char *gci_cycle_reason_name(enum cycle_reason reason);

/* What happened, kept for statistics. Written under the collector's lock, read without: figures, no invariants. */
struct cycle_totals {
    uint64_t cycles;
    uint64_t cycles_for[REASON_COUNT];
    uint64_t finalizers_due;
    uint64_t finalizers_waiting;
    uint64_t given_up;
    uint64_t freed_bytes;
    uint64_t freed_objects;
    uint64_t live_bytes;
    uint64_t live_objects;
    uint64_t pause_last_ns;
    uint64_t pause_longest_ns;
    uint64_t pause_total_ns;
    uint64_t mark_total_ns;
    uint64_t sweep_total_ns;
    uint64_t threads_stopped;
};
extern struct cycle_totals gci_cycle_totals;

/* Times and results of one cycle, for reports. */
struct cycle_report {
    enum cycle_reason reason;
    bool is_given_up;
    uint64_t number;
    uint64_t stop_ns;
    uint64_t roots_ns;
    uint64_t mark_ns;
    uint64_t sweep_ns;
    uint64_t pause_ns;
    uint32_t threads;
    struct census census;
};

/* Called after each cycle on the thread that ran it, world running, no lock held. Set once at start. */
typedef void (*cycle_report_fn)(const struct cycle_report *report);

/* Collection becomes possible. */
void gci_cycle_init(cycle_report_fn on_report);

/* Whether growing the heap by `bytes` should wait for a collection. */
bool gci_cycle_is_due(uint64_t bytes);

/* Collects, unless collections are off. With REASON_GROWTH, not if another thread did so meanwhile. Returns the bytes
 * freed, 0 where none ran. */
uint64_t gci_cycle_run(enum cycle_reason reason);

/* A collection because memory has run out; false, at once, where the last one of this sort is so recent that most of
 * the time would go into collecting. */
bool gci_cycle_run_for_memory(enum cycle_reason reason);

/* Counts up with each collection, also of other threads. */
uint64_t gci_cycle_count(void);

/* As gci_cycle_run if at least half of the growth that would start a collection has happened. */
bool gci_cycle_run_a_little(void);

/* Stops, marks and counts, frees nothing. False where it could not run. */
bool gci_cycle_census(struct census *census);

/* Whether the object around `hidden` (the address's complement, so that the question does not keep it alive) is
 * reachable. False also where it could not be found out. */
bool gci_cycle_is_reachable(uintptr_t hidden);

struct marking;

/* What a look finds: the world is stopped, what is reachable is marked, marks and roots can be read. Weak slots hold what the
 * program left there. */
struct cycle_scene {
    struct marking *marking;
    enum simd simd;
    const struct page_reader *pages;
    struct roots_caller caller;
};
typedef void (*cycle_look_fn)(const struct cycle_scene *scene, void *data);

struct cycle_look {
    cycle_look_fn look;
    void *data;
    bool is_exact; /* a root word keeps what it points into, and not also the slot that ends there */
    const struct roots_caller *caller; /* NULL: who calls */
};

/* Stops, marks, and calls look->look. False where it could not run. */
bool gci_cycle_look(const struct cycle_look *look);

/* Runs `work` as the thread that has the collector's lock, on a stack of ours, for a handler that may stand on a small one;
 * gci_cycle_look may be called there. Every signal is blocked. False, at once, where another thread has the lock: it looks for
 * requests when it lets go. */
bool gci_cycle_try_serve(void (*work)(void *data), void *data);

/* Nested switch, counted in calls of `disable`. */
void gci_cycle_enable(void);
void gci_cycle_disable(void);

/* Heap size at which the next cycle starts. */
uint64_t gci_cycle_threshold(void);

/* Around fork: no cycle is under way. */
void gci_cycle_lock(void);
void gci_cycle_unlock(void);
void gci_cycle_reset(void); /* child */

/* Keeps collections off until gci_cycle_let_on; nests. False, and nothing is kept off, in a process that only shares our
 * memory. */
bool gci_cycle_hold_off(void);
void gci_cycle_let_on(void);

/* Collections are impossible from now on, and nobody asks the system about it. False: they are already, or this process only
 * shares our memory; then nothing has changed. */
bool gci_cycle_end(void);
void gci_cycle_begin_again(void);

#endif
