/* SPDX-License-Identifier: MIT */
/* gci_env_filter_permits of platform/env.h for seccomp: a filter's program is run for each of our calls, with their arguments
 * unknown.
 *
 * Such a program only jumps forward, so one pass in order over its instructions sees each with all that can come to it. What is
 * known there is the accumulator, where all ways agree in it: the number of the call, the processor, an argument of
 * calls.def, a constant. After a comparison of something unknown both ways are taken. Every way has to end in
 * "allow". All else is doubt, and an answer of no: answers that are calculated, instructions that are not known.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "platform/context.h"
#include "platform/env.h"
#include "platform/linux/sandbox/calls.h"
#include "platform/pages.h"
#include "platform/vm.h"

struct call {
    uint32_t number;
    int known; /* which argument; -1: none */
    uint32_t value;
};

static const struct call needed[] = {
#define CALL(name) {SYS_##name, -1, 0},
#define CALL_WITH(name, argument, value) {SYS_##name, argument, value},
#include "platform/linux/sandbox/calls.def"
#undef CALL
#undef CALL_WITH
};

/* What comes to an instruction. */
struct state {
    bool is_reached;
    bool is_known; /* the accumulator */
    uint32_t value;
};

struct run {
    const struct sock_filter *code;
    unsigned count;
    const struct call *call;
    struct state *states; /* one for each instruction */
};

/* False: past the end. */
static bool flow_to(const struct run *run, uint64_t at, struct state state)
{
    if (at >= run->count)
        return false;
    struct state *there = &run->states[at];
    bool agrees = !there->is_reached || (there->is_known && state.is_known && there->value == state.value);
    *there = (struct state){true, agrees && state.is_known, state.value};
    return true;
}

static uint32_t argument_at(const struct call *call)
{
    return (uint32_t)(offsetof(struct seccomp_data, args) + (size_t)call->known * sizeof(uint64_t));
}

static struct state load(const struct call *call, uint32_t offset)
{
    if (offset == offsetof(struct seccomp_data, nr))
        return (struct state){true, true, call->number};
    if (offset == offsetof(struct seccomp_data, arch))
        return (struct state){true, true, CONTEXT_AUDIT_ARCH};
    if (call->known >= 0 && offset == argument_at(call))
        return (struct state){true, true, call->value};
    if (call->known >= 0 && offset == argument_at(call) + sizeof(uint32_t)) /* its upper half */
        return (struct state){true, true, 0};
    return (struct state){true, false, 0};
}

/* The accumulator after an instruction that goes on to the next. */
static struct state step(const struct run *run, const struct sock_filter *at, struct state state)
{
    switch (BPF_CLASS(at->code)) {
    case BPF_ST:
    case BPF_STX:
    case BPF_LDX:
        return state;
    case BPF_LD:
        if (at->code == (BPF_LD | BPF_W | BPF_ABS))
            return load(run->call, at->k);
        break;
    case BPF_ALU: /* flags are taken out of an argument */
        if (at->code == (BPF_ALU | BPF_AND | BPF_K))
            return (struct state){true, state.is_known, state.value & at->k};
        break;
    case BPF_MISC:
        if (BPF_MISCOP(at->code) == BPF_TAX)
            return state;
        break;
    default:
        break;
    }
    return (struct state){true, false, 0};
}

/* 0 or 1, or 2: it may be either. */
static int compare(const struct sock_filter *at, struct state state)
{
    if (!state.is_known || BPF_SRC(at->code) != BPF_K)
        return 2;
    switch (BPF_OP(at->code)) {
    case BPF_JEQ:
        return state.value == at->k;
    case BPF_JGT:
        return state.value > at->k;
    case BPF_JGE:
        return state.value >= at->k;
    case BPF_JSET:
        return (state.value & at->k) != 0;
    default:
        return 2;
    }
}

static bool jump(const struct run *run, unsigned at, struct state state)
{
    const struct sock_filter *code = &run->code[at];
    if (BPF_OP(code->code) == BPF_JA)
        return flow_to(run, (uint64_t)at + 1 + code->k, state);
    int result = compare(code, state);
    return (result == 0 || flow_to(run, (uint64_t)at + 1 + code->jt, state)) &&
           (result == 1 || flow_to(run, (uint64_t)at + 1 + code->jf, state));
}

/* Without clone3 the C library takes clone, where the answer is that there is no such call. */
static bool is_let_through(const struct run *run, const struct sock_filter *at)
{
    if (BPF_RVAL(at->code) != BPF_K)
        return false;
    bool is_missing = at->k == (SECCOMP_RET_ERRNO | ENOSYS);
    return (at->k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ALLOW || (is_missing && run->call->number == SYS_clone3);
}

static bool go_on(const struct run *run, unsigned at)
{
    const struct sock_filter *code = &run->code[at];
    struct state state = run->states[at];
    if (!state.is_reached)
        return true;
    if (BPF_CLASS(code->code) == BPF_RET)
        return is_let_through(run, code);
    if (BPF_CLASS(code->code) == BPF_JMP)
        return jump(run, at, state);
    return flow_to(run, (uint64_t)at + 1, step(run, code, state));
}

static bool permits_call(const struct run *run)
{
    for (unsigned at = 0; at < run->count; at++)
        run->states[at] = (struct state){.is_reached = at == 0, .is_known = true}; /* the accumulator begins as 0 */
    for (unsigned at = 0; at < run->count; at++)
        if (!go_on(run, at))
            return false;
    return true;
}

#define PAGE_BYTES ((uintptr_t)4096) /* or more */

/* A caller may pass anything. */
static bool can_read(const void *from, size_t bytes)
{
    uintptr_t first = (uintptr_t)from, last = first + bytes - 1;
    if (last < first)
        return false;
    for (uintptr_t at = first; at <= last; at = (at | (PAGE_BYTES - 1)) + 1)
        if (!gci_pages_is_readable(at))
            return false;
    return true;
}

static bool permits_all(const struct sock_fprog *program)
{
    struct run run = {.code = program->filter, .count = program->len};
    run.states = gci_vm_map(run.count * sizeof *run.states);
    bool permits = run.states != NULL;
    for (size_t i = 0; permits && i < sizeof needed / sizeof needed[0]; i++) {
        run.call = &needed[i];
        permits = permits_call(&run);
    }
    gci_vm_unmap(run.states, run.count * sizeof *run.states);
    return permits;
}

bool gci_env_filter_permits(const void *filter)
{
    const struct sock_fprog *program = filter;
    int saved = errno;
    bool permits = can_read(program, sizeof *program) && program->len > 0 && program->len <= BPF_MAXINSNS &&
                   can_read(program->filter, program->len * sizeof *program->filter) && permits_all(program);
    errno = saved;
    return permits;
}
