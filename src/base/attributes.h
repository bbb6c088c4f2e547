/* SPDX-License-Identifier: MIT */
/* The only place where compilers are named: branch hints, hot and cold, visibility, sanitizer exemptions. */
#ifndef GCI_BASE_ATTRIBUTES_H
#define GCI_BASE_ATTRIBUTES_H

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define NOINLINE __attribute__((noinline))
#define COLD __attribute__((cold, noinline))
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define NORETURN __attribute__((noreturn))
#define MAY_ALIAS __attribute__((may_alias))
#define EXPORT __attribute__((visibility("default")))

/* For data that hot paths read: the compiler then need not go through the global offset table. */
#define HIDDEN __attribute__((visibility("hidden")))

/* Another name for a function of the same file; with its attributes, where the compiler checks that both have them. */
#if __has_attribute(copy)
#define ALIAS(name) __attribute__((alias(#name), visibility("default"), copy(name)))
#define HIDDEN_ALIAS(name) __attribute__((alias(#name), visibility("hidden"), copy(name)))
#else
#define ALIAS(name) __attribute__((alias(#name), visibility("default")))
#define HIDDEN_ALIAS(name) __attribute__((alias(#name), visibility("hidden")))
#endif

#define TLS_INITIAL_EXEC __attribute__((tls_model("initial-exec")))
#define CACHE_LINE_BYTES 64
#define CACHE_ALIGNED __attribute__((aligned(CACHE_LINE_BYTES)))

/* A sanitizer keeps an account of each thread's stack or of its thread-local storage: of threads that it does not know, too. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZER_KNOWS_THREADS true
#else
#define SANITIZER_KNOWS_THREADS false
#endif

/* Functions that read a block's bitmap of free slots without a lock while its owner stores into it: they look at the bits of
 * one slot, which nobody else may change meanwhile (alloc/alloc.h). The thread sanitizer only sees one word. */
#define READS_OTHERS_BITS __attribute__((no_sanitize("thread")))

/* For functions that read memory of the program as raw words: stacks, other threads' data, freed slots. */
#define READS_RAW_MEMORY __attribute__((no_sanitize("address", "thread", "undefined")))

/* For functions that the thread sanitizer calls itself while it begins. */
#define COMES_BEFORE_SANITIZER __attribute__((no_sanitize("thread")))

#define STATIC_ASSERT(condition, message) _Static_assert(condition, message)

/* Keeps `pointer` in a register or on the stack up to this point, so that a conservative scan in between finds it. */
#define KEEP_ALIVE(pointer) __asm__ volatile("" : : "r"(pointer) : "memory")

#endif
