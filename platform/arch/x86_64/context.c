/* SPDX-License-Identifier: MIT */
/* platform/context.h for x86-64: reading the context of a signal handler. */
#include "platform/context.h"

#include <errno.h>
#include <ucontext.h>

#include "base/attributes.h"

#define RED_ZONE_BYTES 128 /* System V ABI, x86-64, section 3.2.2 */

/* For context.S. */
long gci_context_note_error(long result);
long gci_context_note_error(long result)
{
    errno = (int)-result;
    return -1;
}

uintptr_t gci_context_stack_pointer(const void *context)
{
    const ucontext_t *user = context;
    return (uintptr_t)user->uc_mcontext.gregs[REG_RSP] - RED_ZONE_BYTES;
}

uintptr_t gci_context_instruction(const void *context)
{
    const ucontext_t *user = context;
    return (uintptr_t)user->uc_mcontext.gregs[REG_RIP];
}

/* Whether the next instruction comes after a `syscall` (0f 05). */
static READS_RAW_MEMORY bool is_behind_call(const ucontext_t *user)
{
    const unsigned char *next = (const unsigned char *)(uintptr_t)user->uc_mcontext.gregs[REG_RIP]; // NOLINT
    return next[-2] == 0x0f && next[-1] == 0x05;
}

/* With -EINTR in rax there, the kernel has decided not to restart the call. */
bool gci_context_call_was_interrupted(const void *context)
{
    const ucontext_t *user = context;
    return user->uc_mcontext.gregs[REG_RAX] == -EINTR && is_behind_call(user);
}

bool gci_context_call_has_returned(const void *context)
{
    const ucontext_t *user = context;
    return user->uc_mcontext.gregs[REG_RAX] > 0 && is_behind_call(user);
}
