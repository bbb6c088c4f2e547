/* SPDX-License-Identifier: MIT */
/* Contract: time. Async-signal-safe. */
#ifndef GCI_PLATFORM_CLOCK_H
#define GCI_PLATFORM_CLOCK_H

#include <stdint.h>

/* Nanoseconds since some fixed moment; never goes back. */
uint64_t gci_clock_ns(void);

/* Nanoseconds since 1970. */
uint64_t gci_clock_realtime_ns(void);

/* The same clock in milliseconds, cheaper and up to some milliseconds late. Wraps around. */
uint32_t gci_clock_coarse_ms(void);

#endif
