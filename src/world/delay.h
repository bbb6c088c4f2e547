/* SPDX-License-Identifier: MIT */
/* Torture builds: random delays at the edges of protocols, from a printed seed. Nothing in other builds. */
#ifndef GCI_WORLD_DELAY_H
#define GCI_WORLD_DELAY_H

#include <stdint.h>

#if defined(GCI_TORTURE)
void gci_world_delay_init(uint64_t seed); /* 0: no delays */
void world_delay(void);
#else
static inline void world_delay(void)
{
}
#endif

#endif
