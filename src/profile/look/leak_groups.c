/* SPDX-License-Identifier: MIT */
/* Implementation of profile/look/leak_groups.h: while the world is stopped a hash table with linear probing, of which
 * entries without a kind are free; then a sorted array. */
#include "profile/look/leak_groups.h"

#include <errno.h>

#include "base/bits.h"
#include "base/profile_format.h"
#include "collect/leaks.h"
#include "heap/special/counted.h"
#include "platform/vm.h"
#include "profile/look/origin.h"

#define FIRST_CAPACITY 1024u /* a power of two, as every capacity */

struct gathering {
    struct leak_groups *found;
    bool has_failed;
};

static size_t bytes_for(size_t capacity)
{
    return capacity * sizeof(struct leak_group);
}

void gci_leak_groups_forget(struct leak_groups *found)
{
    gci_vm_unmap(found->groups, bytes_for(found->capacity));
    *found = (struct leak_groups){0};
}

/* The group's entry, or the free one where it belongs. There always is a free one. */
static struct leak_group *find(const struct leak_groups *found, uint32_t stack, uint32_t kind)
{
    uint64_t mixed = (((uint64_t)stack << 2) | kind) * GOLDEN_ODD;
    size_t i = (size_t)(mixed >> 32) & (found->capacity - 1);
    while (found->groups[i].kind != 0 && (found->groups[i].stack != stack || found->groups[i].kind != kind))
        i = (i + 1) & (found->capacity - 1);
    return &found->groups[i];
}

static bool grow(struct leak_groups *found)
{
    struct leak_groups larger = {.count = found->count,
                                 .capacity = found->capacity == 0 ? FIRST_CAPACITY : 2 * found->capacity};
    larger.groups = gci_vm_map(bytes_for(larger.capacity));
    if (larger.groups == NULL)
        return false;
    for (size_t i = 0; i < found->capacity; i++)
        if (found->groups[i].kind != 0)
            *find(&larger, found->groups[i].stack, found->groups[i].kind) = found->groups[i];
    gci_leak_groups_forget(found);
    *found = larger;
    return true;
}

static void add(struct leak_group *group, const struct origin *origin, uintptr_t address)
{
    group->objects++;
    group->bytes += origin->bytes;
    group->hidden = ~address;
    if (origin->time_ns == 0)
        return;
    if (group->first_ns == 0 || origin->time_ns < group->first_ns)
        group->first_ns = origin->time_ns;
    if (origin->time_ns > group->last_ns)
        group->last_ns = origin->time_ns;
}

static void gather(const struct object *object, bool is_direct, void *data)
{
    struct gathering *gathering = data;
    struct leak_groups *found = gathering->found;
    struct origin origin = gci_origin_find(object);
    if (found->count >= found->capacity / 2 && !grow(found)) {
        gathering->has_failed = true;
        return;
    }
    uint32_t kind = is_direct ? PROFILE_LEAK_DIRECT : PROFILE_LEAK_INDIRECT;
    struct leak_group *group = find(found, origin.stack, kind);
    if (group->kind == 0) {
        *group = (struct leak_group){.stack = origin.stack, .kind = kind};
        found->count++;
    }
    add(group, &origin, object->start + (object->kind == KIND_HEADED ? COUNTED_HEADER_BYTES : 0));
}

static bool comes_first(const struct leak_group *a, const struct leak_group *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind;
    return a->bytes != b->bytes ? a->bytes > b->bytes : a->stack < b->stack;
}

/* Shell sort with Knuth's gaps. */
static void sort(struct leak_groups *found)
{
    struct leak_group *groups = found->groups;
    size_t gap = 1;
    while (gap < found->count / 3)
        gap = 3 * gap + 1;
    for (; gap > 0; gap /= 3) {
        for (size_t i = gap; i < found->count; i++) {
            struct leak_group group = groups[i];
            size_t j = i;
            for (; j >= gap && comes_first(&group, &groups[j - gap]); j -= gap)
                groups[j] = groups[j - gap];
            groups[j] = group;
        }
    }
}

static void make_array(struct leak_groups *found)
{
    size_t count = 0;
    for (size_t i = 0; i < found->capacity; i++)
        if (found->groups[i].kind != 0)
            found->groups[count++] = found->groups[i];
    sort(found);
}

int gci_leak_groups_find(struct leak_groups *found, const struct roots_caller *caller)
{
    struct gathering gathering = {.found = found};
    *found = (struct leak_groups){0};
    int failure = gci_leaks_find(caller, gather, &gathering);
    if (failure == 0 && gathering.has_failed)
        failure = ENOMEM;
    if (failure == 0)
        make_array(found);
    else
        gci_leak_groups_forget(found);
    return failure;
}

struct leak_sum gci_leak_groups_sum(const struct leak_groups *found, uint32_t kind)
{
    struct leak_sum sum = {0, 0};
    for (size_t i = 0; i < found->count; i++)
        if (kind == 0 || found->groups[i].kind == kind) {
            sum.objects += found->groups[i].objects;
            sum.bytes += found->groups[i].bytes;
        }
    return sum;
}
