/* SPDX-License-Identifier: MIT */
/* Implementation of profile/look/origin.h. */
#include "profile/look/origin.h"

#include "heap/special/counted.h"

struct origin gci_origin_find(const struct object *object)
{
    return (struct origin){.bytes = object->bytes - (object->kind == KIND_HEADED ? COUNTED_HEADER_BYTES : 0)};
}

void gci_origin_each_frame(uint32_t stack, void (*visit)(uintptr_t address, void *data), void *data)
{
    (void)stack;
    (void)visit;
    (void)data;
}
