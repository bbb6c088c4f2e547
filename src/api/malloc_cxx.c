/* SPDX-License-Identifier: MIT */
/* C++ operator new and delete in all forms, under their mangled names, without a C++ compiler or library.
 *
 * A failing throwing new must call the new-handler or throw std::bad_alloc, both of which live in libstdc++: they are
 * weak references. A program that calls operator new has them.
 */
#include <stddef.h>
#include <stdlib.h>

#include "api/family.h"
#include "api/programs/own_malloc.h"
#include "platform/env.h"

typedef void (*new_handler)(void);

extern new_handler get_new_handler(void) __asm__("_ZSt15get_new_handlerv") __attribute__((weak));
extern void throw_bad_alloc(void) __asm__("_ZSt17__throw_bad_allocv") __attribute__((weak));

/* Where the program's own malloc has other memory than ours, a thread has a window for the fast way only if it has called
 * gca_malloc: a block of ours serves as well, as operator delete knows whose each is. Where it takes ours, objects are ours as
 * they are: operator delete could not tell those of the program's malloc from others. */
static COLD void *new_slow(size_t bytes, enum block_kind kind)
{
    return gci_own_malloc_kind() == OWN_ELSEWHERE ? gci_own_malloc_new(bytes, 0) : gci_alloc_slow(bytes, kind);
}

static void *new_aligned(size_t bytes, size_t alignment)
{
    if (UNLIKELY(gci_own_malloc_kind() == OWN_ELSEWHERE))
        return gci_own_malloc_new(bytes, alignment);
    return gci_alloc_aligned(bytes, alignment, KIND_SCANNED);
}

static void *try_new(size_t bytes, size_t alignment)
{
    return alignment == 0 ? alloc_fast_or(bytes, KIND_SCANNED, new_slow) : new_aligned(bytes, alignment);
}

/* C++17 [new.delete.single]: call the handler until it gives up, then fail. */
static COLD void *new_failed(size_t bytes, size_t alignment, bool throws)
{
    new_handler handler;
    while (get_new_handler != NULL && (handler = get_new_handler()) != NULL) {
        handler();
        void *block = try_new(bytes, alignment);
        if (block != NULL)
            return block;
    }
    errno = ENOMEM;
    if (throws && throw_bad_alloc != NULL)
        throw_bad_alloc();
    if (!throws)
        return NULL;
    gci_env_report_string("operator new: out of memory, and there is no std::bad_alloc to throw");
    abort();
}

ALWAYS_INLINE void *new_block(size_t bytes, size_t alignment, bool throws)
{
    void *block = try_new(bytes, alignment);
    return LIKELY(block != NULL) ? block : new_failed(bytes, alignment, throws);
}

/* One definition of a C function under a mangled name. The mangled size_t is `m`. */
#define NEW(symbol, parameters, alignment, throws)                                                                     \
    EXPORT void *symbol parameters;                                                                                    \
    EXPORT void *symbol parameters                                                                                     \
    {                                                                                                                  \
        return new_block(bytes, alignment, throws);                                                                    \
    }

#define DELETE(symbol, parameters)                                                                                     \
    EXPORT void symbol parameters;                                                                                     \
    EXPORT void symbol parameters                                                                                      \
    {                                                                                                                  \
        free_fast(block, "operator delete");                                                                           \
    }

#define UNUSED __attribute__((unused))

NEW(_Znwm, (size_t bytes), 0, true)
NEW(_Znam, (size_t bytes), 0, true)
NEW(_ZnwmRKSt9nothrow_t, (size_t bytes, const void *tag UNUSED), 0, false)
NEW(_ZnamRKSt9nothrow_t, (size_t bytes, const void *tag UNUSED), 0, false)
NEW(_ZnwmSt11align_val_t, (size_t bytes, size_t alignment), alignment, true)
NEW(_ZnamSt11align_val_t, (size_t bytes, size_t alignment), alignment, true)
NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, (size_t bytes, size_t alignment, const void *tag UNUSED), alignment, false)
NEW(_ZnamSt11align_val_tRKSt9nothrow_t, (size_t bytes, size_t alignment, const void *tag UNUSED), alignment, false)

DELETE(_ZdlPv, (void *block))
DELETE(_ZdaPv, (void *block))
DELETE(_ZdlPvm, (void *block, size_t bytes UNUSED))
DELETE(_ZdaPvm, (void *block, size_t bytes UNUSED))
DELETE(_ZdlPvRKSt9nothrow_t, (void *block, const void *tag UNUSED))
DELETE(_ZdaPvRKSt9nothrow_t, (void *block, const void *tag UNUSED))
DELETE(_ZdlPvSt11align_val_t, (void *block, size_t alignment UNUSED))
DELETE(_ZdaPvSt11align_val_t, (void *block, size_t alignment UNUSED))
DELETE(_ZdlPvmSt11align_val_t, (void *block, size_t bytes UNUSED, size_t alignment UNUSED))
DELETE(_ZdaPvmSt11align_val_t, (void *block, size_t bytes UNUSED, size_t alignment UNUSED))
DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void *block, size_t alignment UNUSED, const void *tag UNUSED))
DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void *block, size_t alignment UNUSED, const void *tag UNUSED))
