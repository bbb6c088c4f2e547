/* SPDX-License-Identifier: MIT */
/* What is said of a filter, beside what it does: random filters are run with random arguments, one instruction after the other as
 * the kernel has it. Where all our calls are said to be permitted, every run has to let them through. */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "platform/env.h"
#include "platform/linux/sandbox/calls.h"
#include "support.h"

#define INSTRUCTIONS_MAX 24
#define FILTERS 10000
#define RUNS 10 /* of each call */
#define WORDS (sizeof(struct seccomp_data) / sizeof(uint32_t))

static const struct call {
    int number;
    int argument;
    uint32_t value;
} calls[] = {
#define CALL(name) {SYS_##name, -1, 0},
#define CALL_WITH(name, argument, value) {SYS_##name, argument, value},
#include "platform/linux/sandbox/calls.def"
#undef CALL
#undef CALL_WITH
};
#define CALLS (sizeof calls / sizeof calls[0])

struct machine {
    uint32_t accumulator, index, memory[BPF_MEMWORDS];
};

static bool compare(const struct sock_filter *code, const struct machine *machine)
{
    uint32_t other = BPF_SRC(code->code) == BPF_K ? code->k : machine->index;
    switch (BPF_OP(code->code)) {
    case BPF_JEQ:
        return machine->accumulator == other;
    case BPF_JGT:
        return machine->accumulator > other;
    case BPF_JGE:
        return machine->accumulator >= other;
    default:
        return (machine->accumulator & other) != 0;
    }
}

static void step(const struct sock_filter *code, struct machine *machine, const struct seccomp_data *data)
{
    switch (code->code) {
    case BPF_LD | BPF_W | BPF_ABS:
        memcpy(&machine->accumulator, (const char *)data + code->k, sizeof machine->accumulator);
        break;
    case BPF_LD | BPF_IMM:
        machine->accumulator = code->k;
        break;
    case BPF_LD | BPF_MEM:
        machine->accumulator = machine->memory[code->k];
        break;
    case BPF_LDX | BPF_IMM:
        machine->index = code->k;
        break;
    case BPF_ST:
        machine->memory[code->k] = machine->accumulator;
        break;
    case BPF_ALU | BPF_AND | BPF_K:
        machine->accumulator &= code->k;
        break;
    case BPF_ALU | BPF_ADD | BPF_K:
        machine->accumulator += code->k;
        break;
    case BPF_MISC | BPF_TAX:
        machine->index = machine->accumulator;
        break;
    case BPF_MISC | BPF_TXA:
        machine->accumulator = machine->index;
        break;
    default:
        ck_abort_msg("instruction %x", code->code);
    }
}

static uint32_t run(const struct sock_filter *filter, const struct seccomp_data *data)
{
    struct machine machine = {0};
    for (const struct sock_filter *at = filter;; at++) {
        if (BPF_CLASS(at->code) == BPF_RET)
            return BPF_RVAL(at->code) == BPF_K ? at->k : machine.accumulator;
        if (at->code == (BPF_JMP | BPF_JA))
            at += at->k;
        else if (BPF_CLASS(at->code) == BPF_JMP)
            at += compare(at, &machine) ? at->jt : at->jf;
        else
            step(at, &machine, data);
    }
}

static uint32_t random_word(uint64_t *random)
{
    const uint32_t words[] = {0, 1, AUDIT_ARCH_X86_64, SYS_ptrace, UINT32_MAX, 200, (uint32_t)random_next(random)};
    const struct call *call = &calls[random_next(random) % CALLS];
    size_t choice = random_next(random) % (sizeof words / sizeof words[0] + 2);
    return choice == 0 ? (uint32_t)call->number : choice == 1 ? call->value : words[choice - 2];
}

static struct sock_filter random_end(uint64_t *random)
{
    const uint32_t answers[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_ERRNO | ENOSYS, SECCOMP_RET_LOG};
    uint64_t choice = random_next(random) % 60;
    if (choice == 59)
        return (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
    return (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, choice < 3 ? answers[choice] : SECCOMP_RET_ALLOW);
}

static struct sock_filter random_instruction(uint64_t *random, unsigned left)
{
    static const uint16_t codes[] = {
        BPF_LD | BPF_IMM,          BPF_LD | BPF_MEM,   BPF_LDX | BPF_IMM,  BPF_ST,
        BPF_ALU | BPF_AND | BPF_K, BPF_MISC | BPF_TAX, BPF_MISC | BPF_TXA, BPF_ALU | BPF_ADD | BPF_K};
    static const uint16_t jumps[] = {BPF_JEQ, BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
    uint64_t choice = random_next(random) % 16;
    if (left == 0 || choice == 0)
        return random_end(random);
    if (choice < 5)
        return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(4 * (random_next(random) % 2)));
    if (choice < 6)
        return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(4 * (random_next(random) % WORDS)));
    if (choice < 8) {
        uint16_t code = codes[random_next(random) % (sizeof codes / sizeof codes[0])];
        bool is_slot = code == (BPF_LD | BPF_MEM) || code == BPF_ST;
        return (struct sock_filter)BPF_STMT(code, is_slot ? (uint32_t)(random_next(random) % 2) : random_word(random));
    }
    if (choice == 8)
        return (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, (uint32_t)(random_next(random) % left));
    uint16_t source = random_next(random) % 8 == 0 ? BPF_X : BPF_K;
    uint16_t operation = jumps[random_next(random) % (sizeof jumps / sizeof jumps[0])];
    return (struct sock_filter){BPF_JMP | operation | source, (uint8_t)(random_next(random) % left),
                                (uint8_t)(random_next(random) % left), random_word(random)};
}

static bool lets_through(const struct sock_filter *filter, const struct call *call, uint64_t *random)
{
    struct seccomp_data data = {.nr = call->number, .arch = AUDIT_ARCH_X86_64};
    for (size_t i = 0; i < 6; i++)
        data.args[i] = random_word(random) | (uint64_t)random_word(random) << 32;
    if (call->argument >= 0)
        data.args[call->argument] = call->value;
    uint32_t answer = run(filter, &data);
    return answer == SECCOMP_RET_ALLOW || (answer == (SECCOMP_RET_ERRNO | ENOSYS) && call->number == SYS_clone3);
}

static bool lets_all_through(const struct sock_filter *filter, uint64_t *random)
{
    for (size_t i = 0; i < CALLS * RUNS; i++)
        if (!lets_through(filter, &calls[i % CALLS], random))
            return false;
    return true;
}

START_TEST(random_filters_do_what_is_said_of_them)
{
    uint64_t random = random_seed();
    size_t permitting = 0, doubted = 0;
    for (size_t i = 0; i < FILTERS; i++) {
        struct sock_filter code[INSTRUCTIONS_MAX];
        unsigned count = (unsigned)(1 + random_next(&random) % INSTRUCTIONS_MAX);
        for (unsigned at = 0; at < count; at++)
            code[at] = random_instruction(&random, count - 1 - at);
        struct sock_fprog program = {(unsigned short)count, code};
        bool is_said = gci_env_filter_permits(&program);
        bool is_so = lets_all_through(code, &random);
        ck_assert(!is_said || is_so);
        permitting += is_said && count > 3;
        doubted += !is_said && is_so;
    }
    ck_assert_uint_gt(permitting, FILTERS / 50);
    ck_assert_uint_gt(FILTERS / 5, doubted);
}
END_TEST

/* The accumulator holds one thing or the other, as an argument says. */
START_TEST(ways_that_meet_know_what_they_agree_in)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_STMT(BPF_JMP | BPF_JA, 1),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    ck_assert(!gci_env_filter_permits(&program));
    code[2].k = offsetof(struct seccomp_data, arch);
    ck_assert(gci_env_filter_permits(&program));
}
END_TEST

/* Half of a filter in memory that is not there, and addresses that are none. */
START_TEST(what_cannot_be_read_is_doubted)
{
    struct sock_filter allow[] = {BPF_STMT(BPF_LD | BPF_IMM, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(pages, MAP_FAILED);
    char *split = pages + 4096 - sizeof allow[0];
    memcpy(split, allow, sizeof allow);
    errno = 7;
    ck_assert(gci_env_filter_permits(&(struct sock_fprog){2, (struct sock_filter *)(void *)split}));
    ck_assert_int_eq(munmap(pages + 4096, 4096), 0);
    ck_assert(!gci_env_filter_permits(&(struct sock_fprog){2, (struct sock_filter *)(void *)split}));
    ck_assert(!gci_env_filter_permits(&(struct sock_fprog){1, allow})); /* without its end */
    ck_assert(!gci_env_filter_permits(&(struct sock_fprog){0, allow}));
    ck_assert(!gci_env_filter_permits(&(struct sock_fprog){BPF_MAXINSNS + 1, allow}));
    ck_assert(!gci_env_filter_permits(&(struct sock_fprog){2, NULL}));
    ck_assert(!gci_env_filter_permits(&(struct sock_fprog){2, (struct sock_filter *)(UINTPTR_MAX - 8)}));
    ck_assert(!gci_env_filter_permits((void *)1));
    ck_assert(!gci_env_filter_permits((void *)(UINTPTR_MAX - 2)));
    ck_assert_int_eq(errno, 7);
    munmap(pages, 4096);
}
END_TEST

MAKE_SUITE(filter, random_filters_do_what_is_said_of_them, ways_that_meet_know_what_they_agree_in,
           what_cannot_be_read_is_doubted)
