/* SPDX-License-Identifier: MIT */
/* One source, three programs: with the counted objects of gcalloc/rc.h (BENCH_COUNTED), with those of GLib (BENCH_GOBJECT), and
 * with malloc, free and a count written by hand, in C11 atomics or, where one thread has the object, without. What C++ has is
 * in counted_shared_ptr.cpp.
 */
#ifndef GCALLOC_COUNTED_H
#define GCALLOC_COUNTED_H

#include <stdatomic.h>
#include <stdbool.h>

#include "bench.h"

#if defined(BENCH_GOBJECT)
#include <glib-object.h>
#endif

struct counted_node {
#if defined(BENCH_GOBJECT)
    GObject parent;
#endif
    struct counted_node *left;
    struct counted_node *right;
#if !defined(BENCH_COUNTED) && !defined(BENCH_GOBJECT)
    union {
        atomic_size_t shared_count;
        size_t count;
    };
#endif
};

/* What is there before stays there, and what comes after is not known yet: the compiler sees no pair of steps that cancel. */
#define COUNTED_BETWEEN() __asm__ volatile("" : : : "memory")

static inline double bench_cpu_seconds(void)
{
    return bench_seconds(CLOCK_PROCESS_CPUTIME_ID);
}

#if defined(BENCH_COUNTED)
#include <gcalloc/rc.h>

static void counted_destroy(void *object)
{
    struct counted_node *node = object;
    gca_release(node->left);
    gca_release(node->right);
}

static inline void counted_start(void)
{
    bench_check_allocator();
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

#elif defined(BENCH_GOBJECT)

struct counted_node_class {
    GObjectClass parent_class;
};

static void counted_dispose(GObject *object)
{
    struct counted_node *node = (struct counted_node *)object;
    if (node->left != NULL)
        g_object_unref(g_steal_pointer(&node->left));
    if (node->right != NULL)
        g_object_unref(g_steal_pointer(&node->right));
}

static void counted_class_init(gpointer class, gpointer data)
{
    (void)data;
    G_OBJECT_CLASS(class)->dispose = counted_dispose;
}

static GType counted_type;

static inline void counted_start(void)
{
    bench_check_allocator();
    counted_type = g_type_register_static_simple(G_TYPE_OBJECT, "counted_node", sizeof(struct counted_node_class),
                                                 counted_class_init, sizeof(struct counted_node), NULL, 0);
}

static inline struct counted_node *counted_node_new(void)
{
    return g_object_new(counted_type, NULL);
}

static inline void counted_retain(struct counted_node *node)
{
    g_object_ref(node);
}

static inline void counted_release(struct counted_node *node)
{
    g_object_unref(node);
}

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
