/* SPDX-License-Identifier: MIT */
/* One source, two programs: with the counted objects of gcalloc/rc.h (BENCH_COUNTED), and with malloc, free and a count written
 * by hand, in C11 atomics or, where one thread has the object, without.
 */
#ifndef GCALLOC_COUNTED_H
#define GCALLOC_COUNTED_H

#include <stdatomic.h>
#include <stdbool.h>

#include "bench.h"

struct counted_node {
    struct counted_node *left;
    struct counted_node *right;
#if !defined(BENCH_COUNTED)
    union {
        atomic_size_t shared_count;
        size_t count;
    };
#endif
};

static inline double bench_cpu_seconds(void)
{
    return bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

#if defined(BENCH_COUNTED)
#include <gcalloc/rc.h>

/* They come with the preloaded library. */
#pragma weak gca_rc_new
#pragma weak gca_retain
#pragma weak gca_release

static void counted_destroy(void *object)
{
    struct counted_node *node = object;
    gca_release(node->left);
    gca_release(node->right);
}

static inline void counted_start(void)
{
    bench_check_allocator();
    if (gca_rc_new == NULL)
        bench_fail("no gcalloc");
}

static inline struct counted_node *counted_node_new(void)
{
    static const gca_type type = {.name = "node", .destroy = counted_destroy};
    struct counted_node *node = gca_rc_new(sizeof *node, &type);
    if (node == NULL)
        bench_fail("out of memory");
    return node;
}

static inline void counted_retain(struct counted_node *node)
{
    gca_retain(node);
}

static inline void counted_release(struct counted_node *node)
{
    gca_release(node);
}

/* The same, where one thread has the object. */
#define counted_release_own counted_release

#else

static inline void counted_start(void)
{
    bench_check_allocator();
}

static inline struct counted_node *counted_node_new(void)
{
    struct counted_node *node = calloc(1, sizeof *node);
    if (node == NULL)
        bench_fail("out of memory");
    node->count = 1;
    return node;
}

static inline void counted_retain(struct counted_node *node)
{
    atomic_fetch_add_explicit(&node->shared_count, 1, memory_order_relaxed);
}

static inline void counted_release(struct counted_node *node)
{
    if (atomic_fetch_sub_explicit(&node->shared_count, 1, memory_order_acq_rel) == 1)
        free(node);
}

/* NOLINTNEXTLINE(misc-no-recursion): as such code is written */
static inline void counted_release_own(struct counted_node *node)
{
    if (node == NULL || --node->count != 0)
        return;
    counted_release_own(node->left);
    counted_release_own(node->right);
    free(node);
}

#endif
#endif
