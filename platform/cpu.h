/* SPDX-License-Identifier: MIT */
/* Contract: instructions that C does not name. Each processor's folder has cpu_arch.h. */
#ifndef GCI_PLATFORM_CPU_H
#define GCI_PLATFORM_CPU_H

#include <stdint.h>

#include "cpu_arch.h"

/* gci_cpu_or(at, bits): *at |= bits in one step as seen by a signal on the same thread (not by other threads).
 * gci_cpu_test(at, bits): whether any of them is set in *at.
 * gci_cpu_lowest_bit(bits): index of the lowest set bit; bits is not 0.
 * gci_cpu_relax(): a pause in a spin loop.
 * gci_cpu_prefetch(address): fetches a line for reading soon. */

#endif
