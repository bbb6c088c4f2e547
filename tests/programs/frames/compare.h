/* SPDX-License-Identifier: MIT */
/* The library's walk beside that of the compiler's own unwinder, from the same place. */
#ifndef GCALLOC_TESTS_FRAMES_COMPARE_H
#define GCALLOC_TESTS_FRAMES_COMPARE_H

#include <dlfcn.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unwind.h>

#include "platform/context.h"

/* The C library's name of it: in a wholly static program the library has nothing to put behind its own sigaction. */
extern int __sigaction(int, const struct sigaction *, struct sigaction *);

#define NOINLINE __attribute__((noinline, noipa))
#define FRAMES_MAX 512

struct stack {
    uintptr_t addresses[FRAMES_MAX];
    size_t count;
};

/* An address that a call returns to, or one behind the first byte of an instruction that a signal has interrupted. */
static inline _Unwind_Reason_Code take_frame(struct _Unwind_Context *context, void *data)
{
    struct stack *stack = (struct stack *)data;
    int is_before = 0;
    uintptr_t address = _Unwind_GetIPInfo(context, &is_before);
    if (stack->count == FRAMES_MAX)
        return _URC_END_OF_STACK;
    if (address != 0)
        stack->addresses[stack->count++] = address + (is_before != 0);
    return _URC_NO_REASON;
}

static inline void print_address(uintptr_t address)
{
    Dl_info info;
    memset(&info, 0, sizeof info);
    dladdr((void *)(address - 1), &info);
    const char *file = info.dli_fname != NULL ? info.dli_fname : "?";
    const char *slash = strrchr(file, '/');
    fprintf(stderr, "  %-24s %-28s", slash != NULL ? slash + 1 : file, info.dli_sname != NULL ? info.dli_sname : "?");
    fprintf(stderr, " +%#lx", (unsigned long)(address - (uintptr_t)info.dli_fbase));
}

#define PRINTED_MAX 24

/* From where they part. */
static inline void print_both(const struct stack *ours, const struct stack *theirs)
{
    size_t i = 0;
    while (i < ours->count && i < theirs->count && ours->addresses[i] == theirs->addresses[i])
        i++;
    for (size_t end = i + PRINTED_MAX; i < end && (i < ours->count || i < theirs->count); i++) {
        print_address(i < ours->count ? ours->addresses[i] : 0);
        print_address(i < theirs->count ? theirs->addresses[i] : 0);
        fprintf(stderr, "\n");
    }
}

static inline bool is_same_stack(const struct stack *a, const struct stack *b)
{
    return a->count == b->count && memcmp(a->addresses, b->addresses, a->count * sizeof *a->addresses) == 0;
}

/* One trail for all threads, each its owner in turn. The result of a stack is a digest of the walk that was made when it was
 * new. */
#define TRAIL_BYTES_MAX (1u << 20)
static char trail_memory[TRAIL_BYTES_MAX] __attribute__((aligned(64)));
static struct trail *const trail = (struct trail *)trail_memory;
static unsigned long trails_followed;
static bool trail_in_use;
static __thread char trail_owner;

static inline size_t told_of(const struct stack *stack, size_t own)
{
    return stack->count - own < TRAIL_ADDRESSES ? stack->count - own : TRAIL_ADDRESSES;
}

static inline size_t own_of(const struct stack *stack)
{
    size_t own = 0;
    while (own < stack->count && own < CONTEXT_OWN_FRAMES_MAX && gci_context_is_own_code(stack->addresses[own]))
        own++;
    return own;
}

/* Never NULL. */
static inline void *digest_of(const struct stack *stack)
{
    size_t own = own_of(stack);
    size_t told = told_of(stack, own);
    uintptr_t digest = told;
    for (size_t i = 0; i < told; i++)
        digest = (digest ^ stack->addresses[own + i]) * 1099511628211u; /* FNV-1a, a word at a time */
    return (void *)(digest | 1);
}

/* What the trail tells of a stack that is new is its beginning, without our own code. */
static inline bool is_told(const struct stack *stack)
{
    uintptr_t told[TRAIL_ADDRESSES];
    size_t own = own_of(stack);
    size_t count = gci_context_trail_addresses(trail, told, TRAIL_ADDRESSES);
    return count == told_of(stack, own) && memcmp(told, stack->addresses + own, count * sizeof *told) == 0;
}

static inline bool is_same_by_trail(const struct stack *stack, const void *result)
{
    if (result == NULL) {
        void **place = gci_context_trail_place(trail);
        if (place == NULL)
            return true;
        *place = digest_of(stack);
        return is_told(stack);
    }
    trails_followed++;
    return result == digest_of(stack);
}

/* Both begin with the caller of the function that calls these two. A walk that differs from what the trail tells is none. */
static NOINLINE void walk_ours(struct stack *stack)
{
    stack->count = gci_context_callers(stack->addresses, FRAMES_MAX);
    if (__atomic_test_and_set(&trail_in_use, __ATOMIC_ACQUIRE))
        return;
    if (gci_context_trail_bytes() > TRAIL_BYTES_MAX ||
        !is_same_by_trail(stack, gci_context_trail_result(trail, (uintptr_t)&trail_owner)))
        stack->count = 0;
    __atomic_clear(&trail_in_use, __ATOMIC_RELEASE);
}

static NOINLINE void walk_theirs(struct stack *stack)
{
    stack->count = 0;
    _Unwind_Backtrace(take_frame, stack);
    stack->count -= stack->count != 0; /* this function */
    memmove(stack->addresses, stack->addresses + 1, stack->count * sizeof *stack->addresses);
}

#endif
