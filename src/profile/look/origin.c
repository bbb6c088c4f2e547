/* SPDX-License-Identifier: MIT */
/* Implementation of profile/look/origin.h. */
#include "profile/look/origin.h"

#include "heap/special/counted.h"
#include "heap/special/sample.h"
#include "profile/age.h"
#include "profile/sampler.h"

/* A record of an earlier session still knows the size. */
struct origin gci_origin_find(const struct object *object)
{
    uint64_t header_bytes = object->kind == KIND_HEADED ? COUNTED_HEADER_BYTES : 0;
    const struct sample *sample = gci_sample_find(&gci_heap, object->unit, object->slot);
    if (sample == NULL)
        return (struct origin){.bytes = object->bytes - header_bytes};
    const struct site_row *row = gci_sampler_row(sample);
    uint64_t bytes = gci_sample_bytes(&gci_heap, object->unit, sample);
    return (struct origin){.stack = row != NULL ? gci_sites_rest(row)->stack : 0,
                           .bytes = bytes > header_bytes ? bytes - header_bytes : 0,
                           .time_ns = row != NULL ? gci_age_born_ns(word_load(&sample->origin)) : 0};
}

void gci_origin_each_frame(uint32_t stack, void (*visit)(uintptr_t address, void *data), void *data)
{
    const struct site_stack *found = stack != 0 ? gci_sites_stack(stack) : NULL;
    for (uint32_t i = 0; found != NULL && i < found->depth; i++)
        visit(found->addresses[i], data);
}
