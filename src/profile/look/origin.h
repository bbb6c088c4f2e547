/* SPDX-License-Identifier: MIT */
/* Where an object came from, as far as it was sampled. */
#ifndef GCI_PROFILE_LOOK_ORIGIN_H
#define GCI_PROFILE_LOOK_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "heap/resolve.h"

struct origin {
    uint32_t stack;   /* its number; 0: unknown */
    uint64_t bytes;   /* as the program asked for, without a header of ours; usable where that is unknown */
    uint64_t time_ns; /* of its allocation, since the profile's start; 0: unknown */
};

/* World stopped. */
struct origin gci_origin_find(const struct object *object);

/* Visits the return addresses of a stack, innermost first. */
void gci_origin_each_frame(uint32_t stack, void (*visit)(uintptr_t address, void *data), void *data);

#endif
