/* SPDX-License-Identifier: MIT */
/* The callers of platform/context.h by the compiler's unwinder. */
#include <unwind.h>

#include "base/attributes.h"
#include "platform/context.h"

extern const char __ehdr_start HIDDEN; // NOLINT(bugprone-reserved-identifier)
extern const char etext HIDDEN;

struct walk {
    uintptr_t *addresses;
    size_t limit;
    size_t count;
    bool has_skipped;
};

static _Unwind_Reason_Code note(struct _Unwind_Context *context, void *data)
{
    struct walk *walk = data;
    uintptr_t address = _Unwind_GetIP(context);
    if (!walk->has_skipped) {
        walk->has_skipped = true;
        return _URC_NO_REASON;
    }
    if (address == 0 || walk->count == walk->limit)
        return _URC_END_OF_STACK;
    walk->addresses[walk->count++] = address;
    return _URC_NO_REASON;
}

void gci_context_callers_init(void)
{
}

size_t gci_context_callers(uintptr_t *addresses, size_t limit)
{
    struct walk walk = {.addresses = addresses, .limit = limit};
    _Unwind_Backtrace(note, &walk);
    return walk.count;
}

bool gci_context_is_own_code(uintptr_t address)
{
    return address - (uintptr_t)&__ehdr_start < (uintptr_t)&etext - (uintptr_t)&__ehdr_start;
}
