/* SPDX-License-Identifier: MIT */
/* When to collect. Growth is counted in units taken and not given back since the last collection: a program that frees
 * what it allocates reuses its blocks, grows to its working size, and sees next to no cycles. The policy is pure
 * functions of plain numbers; the state is one struct.
 */
#ifndef GCI_COLLECT_PACER_H
#define GCI_COLLECT_PACER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/atomic.h"

/* What a cycle tells the pacer. */
struct cycle_figures {
    uint64_t used_bytes;    /* units in use after the sweep */
    uint64_t live_bytes;    /* reachable */
    uint64_t scanned_bytes; /* of them, what marking has to read */
    uint64_t freed_bytes;   /* by this cycle */
    uint64_t grown_bytes;   /* units since the last cycle */
    uint64_t mark_ns;       /* roots and marking */
    uint64_t run_ns;        /* the program's time since the last cycle */
    uint64_t room_bytes;    /* that the system will still give; UINT64_MAX: no limit is known */
};

struct pacer {
    volatile shared_word threshold_bytes; /* these two are read by everybody; the rest is the collector's */
    volatile shared_word least_bytes; /* a heap that has not grown to this yields too little, whatever is asked for */
    uint64_t used_after_bytes;
    uint64_t patience; /* factor on the headroom: doubles while collections yield little */
};

void gci_pacer_init(struct pacer *pacer, uint64_t min_headroom_bytes);

/* Whether growing by `bytes` from `used_bytes` should wait for a collection. One object may be larger than the whole
 * headroom: right after a collection that is no reason for another. */
static inline bool gci_pacer_is_due(const struct pacer *pacer, uint64_t used_bytes, uint64_t bytes)
{
    return used_bytes + bytes >= word_load(&pacer->threshold_bytes) && used_bytes >= word_load(&pacer->least_bytes);
}

/* Sets the next threshold after a cycle: the heap may grow to live + headroom, and not by more than there is room for unless
 * that would be so little that most of the time went into collecting. Free slots in blocks that are in use
 * count as part of it; unless it is them that the program lives on, a quarter of the headroom is left for fresh units. */
void gci_pacer_finish_cycle(struct pacer *pacer, const struct cycle_figures *figures, uint64_t min_headroom_bytes);

/* Sets it after a cycle that was given up: the heap grows instead, by more each time. */
void gci_pacer_give_up(struct pacer *pacer, uint64_t used_bytes, uint64_t min_headroom_bytes);

/* Growth to allow before the next cycle (square-root rule: Kirisame, Shenoy and Panchekha, "Optimal heap limits for
 * reducing browser memory use", OOPSLA 2022): sqrt(scanned * growth rate / marking rate), within 1/4 and all of what is
 * scanned. */
uint64_t gci_pacer_headroom(const struct cycle_figures *figures);

#endif
