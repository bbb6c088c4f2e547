/* SPDX-License-Identifier: MIT */
/* A walk from every single instruction of many functions. The processor's trap flag brings a signal after each; its handler
 * walks, and compares with the truth: a second stack that follows each call and return. Where the compiler's unwinder is not
 * right either, the tables themselves are not: those of longjmp, which tell of the frame that it is about to return to, and
 * of the jumps of a wholly static program to functions chosen at start, which have none. The compiler's is asked last: it
 * reads what it is told to read, and faults in the last instructions of functions that align their frame. */
#include <signal.h>
#include <stdlib.h>

#include "../../stepping.h"
#include "compare.h"

#define CALL_BYTES_MAX 15 /* longest instruction of the processor */
#define DEPTH_MAX 256
#define SHARE_OF_BAD_TABLES 50 /* one in so many steps at most */

int subjects(int n);

static struct {
    uintptr_t return_address;
    uintptr_t slot; /* where it lies */
} calls[DEPTH_MAX];
static size_t depth;
static struct stack outside; /* the callers of run_stepped */
static uintptr_t last_instruction;
static uintptr_t last_stack_pointer;
static unsigned long steps, wrong, bad_tables;
static bool is_on;

static void follow(uintptr_t instruction, uintptr_t stack_pointer)
{
    while (depth > 0 && calls[depth - 1].slot < stack_pointer)
        depth--;
    uintptr_t top = *(const uintptr_t *)stack_pointer;
    bool was_call = stack_pointer == last_stack_pointer - sizeof top && top - last_instruction - 1 < CALL_BYTES_MAX;
    if (was_call && depth < DEPTH_MAX) {
        calls[depth].return_address = top;
        calls[depth++].slot = stack_pointer;
    }
    last_instruction = instruction;
    last_stack_pointer = stack_pointer;
}

static void expect(struct stack *truth, uintptr_t instruction)
{
    truth->count = 0;
    truth->addresses[truth->count++] = instruction + 1;
    for (size_t i = depth; i > 0; i--)
        truth->addresses[truth->count++] = calls[i - 1].return_address;
    memcpy(truth->addresses + truth->count, outside.addresses, outside.count * sizeof *outside.addresses);
    truth->count += outside.count;
}

/* Drops what is above the interrupted frame. */
static void drop_handler(struct stack *stack, uintptr_t instruction)
{
    size_t dropped = 0;
    while (dropped < stack->count && stack->addresses[dropped] != instruction + 1)
        dropped++;
    stack->count -= dropped;
    memmove(stack->addresses, stack->addresses + dropped, stack->count * sizeof *stack->addresses);
}

static void on_step(int signal, siginfo_t *info, void *data)
{
    (void)signal;
    (void)info;
    const ucontext_t *context = data;
    uintptr_t instruction = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    static struct stack ours, theirs, truth;
    if (!is_on)
        return;
    follow(instruction, (uintptr_t)context->uc_mcontext.gregs[REG_RSP]);
    if (depth == 0)
        return; /* in run_stepped itself */
    steps++;
    walk_ours(&ours);
    drop_handler(&ours, instruction);
    expect(&truth, instruction);
    if (is_same_stack(&ours, &truth))
        return;
    walk_theirs(&theirs);
    drop_handler(&theirs, instruction);
    if (is_same_stack(&theirs, &truth)) {
        if (wrong++ < 5) {
            fprintf(stderr, "at %#lx: ours, and the truth:\n", (unsigned long)instruction);
            print_both(&ours, &truth);
        }
    } else if (bad_tables++ < 3) {
        fprintf(stderr, "tables at fault? at %#lx: theirs, and the truth:\n", (unsigned long)instruction);
        print_both(&theirs, &truth);
    }
}

static NOINLINE int run_stepped(void)
{
    outside.count = gci_context_callers(outside.addresses, FRAMES_MAX);
    is_on = true;
    begin_steps();
    int result = subjects(5);
    end_steps();
    is_on = false;
    return result;
}

int main(int count, char **arguments)
{
    (void)arguments;
    static char alternate[1 << 16];
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    struct sigaction action = {.sa_sigaction = on_step, .sa_flags = SA_SIGINFO | (count > 1 ? SA_ONSTACK : 0)};
    gci_context_callers_init();
    if (sigaltstack(&stack, NULL) != 0 || __sigaction(SIGTRAP, &action, NULL) != 0)
        return EXIT_FAILURE;
    int result = run_stepped();
    printf("%lu steps, %lu wrong, %lu where the tables are (result %d)\n", steps, wrong, bad_tables, result);
    return steps < 1000 || wrong != 0 || bad_tables * SHARE_OF_BAD_TABLES > steps ? EXIT_FAILURE : EXIT_SUCCESS;
}
