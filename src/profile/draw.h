/* SPDX-License-Identifier: MIT */
/* The arithmetic of sampling: pure functions.
 *
 * Sample points lie on the stream of requested bytes like the events of a Poisson process, one in `rate_bytes` on average; an
 * object is a sample when a point falls into it, which happens with probability p = 1 - exp(-bytes / rate). So it stands for
 * 1 / p objects. Nothing is carried from one object to the next: the rate may change between any two.
 */
#ifndef GCI_PROFILE_DRAW_H
#define GCI_PROFILE_DRAW_H

#include <stdint.h>

/* xorshift64*; the state is not 0. */
uint64_t gci_draw_next(uint64_t *state);

/* Bytes up to and with the one that the next sample point falls on: at least 1. */
uint64_t gci_draw_distance(uint64_t *state, uint64_t rate_bytes);

/* Objects that a sample of that size stands for; bytes is not 0. */
double gci_draw_weight(uint64_t bytes, uint64_t rate_bytes);

#endif
