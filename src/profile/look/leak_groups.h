/* SPDX-License-Identifier: MIT */
/* Leaked objects (collect/leaks.h), put together by where they were allocated. In memory of its own, which the caller gives
 * back; nothing in it keeps an object.
 */
#ifndef GCI_PROFILE_LOOK_LEAK_GROUPS_H
#define GCI_PROFILE_LOOK_LEAK_GROUPS_H

#include <stddef.h>
#include <stdint.h>

#include "world/roots.h"

struct leak_group {
    uint32_t stack; /* 0: unknown */
    uint32_t kind;  /* enum profile_leak_kind */
    uint64_t objects;
    uint64_t bytes;
    uint64_t first_ns; /* 0: unknown */
    uint64_t last_ns;
    uintptr_t hidden; /* address of one, complemented */
};

struct leak_groups {
    struct leak_group *groups; /* direct ones first, in each kind the largest first */
    size_t count;
    size_t capacity;
};

/* 0; ENOMEM; EAGAIN: threads could not be stopped. `caller` as in struct cycle_look (collect/cycle.h). */
int gci_leak_groups_find(struct leak_groups *found, const struct roots_caller *caller);
void gci_leak_groups_forget(struct leak_groups *found);

/* Of the groups of one kind together; kind 0: of all. */
struct leak_sum {
    uint64_t objects;
    uint64_t bytes;
};
struct leak_sum gci_leak_groups_sum(const struct leak_groups *found, uint32_t kind);

#endif
