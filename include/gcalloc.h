/* SPDX-License-Identifier: MIT */
/* gcalloc: a conservative garbage-collecting replacement of malloc for C.
 *
 * Link with -lgcalloc and malloc itself is served by gcalloc; link with -lgcalloc_core and only the names below exist.
 * Memory from malloc, calloc and gca_malloc is the same memory: gca_free, free, gca_realloc and realloc take any of it
 * when malloc is replaced.
 *
 * A block lives while a pointer to its start or its inside is in a register, on a stack, in static or thread-local data,
 * in mapped memory of the process or in a living block; everywhere but in a block, a pointer one past its end counts too.
 * When no pointer is left, the block is collected; freeing it earlier by hand is always allowed and takes effect at once.
 *
 * Thread safety: every function here may be called from any thread at any time, except from a signal handler.
 * Failure: allocators return NULL and set errno to ENOMEM; other functions say what they return.
 * The language is C99 or later, or C++11 or later.
 */
#ifndef GCALLOC_H
#define GCALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GCA_VERSION_MAJOR 0
#define GCA_VERSION_MINOR 1
#define GCA_VERSION_PATCH 0

#if defined(__GNUC__)
#define GCA_API __attribute__((visibility("default")))
#define GCA_ATTR_MALLOC __attribute__((__malloc__, warn_unused_result))
#define GCA_ATTR_RESULT __attribute__((warn_unused_result))
#define GCA_ATTR_SIZE(i) __attribute__((alloc_size(i)))
#define GCA_ATTR_SIZE2(i, j) __attribute__((alloc_size(i, j)))
#define GCA_ATTR_ALIGN(i) __attribute__((alloc_align(i)))
#else
#define GCA_API
#define GCA_ATTR_MALLOC
#define GCA_ATTR_RESULT
#define GCA_ATTR_SIZE(i)
#define GCA_ATTR_SIZE2(i, j)
#define GCA_ATTR_ALIGN(i)
#endif

/* ---- Allocation ------------------------------------------------------------------------------------------------------
 * Sizes are in bytes; 0 gives a block of its own that may be freed and must not be touched. Every block is aligned to 16.
 */

/* Zero-filled memory that is scanned for pointers and collected when unreachable. */
GCA_API void *gca_malloc(size_t bytes) GCA_ATTR_MALLOC GCA_ATTR_SIZE(1);

/* Memory that will hold no pointers (text, pixels, numbers): never scanned, not cleared, collected when unreachable.
 * A pointer stored only there does not keep its target alive. */
GCA_API void *gca_malloc_atomic(size_t bytes) GCA_ATTR_MALLOC GCA_ATTR_SIZE(1);

/* Zero-filled memory that is scanned and never collected: a root until gca_free. */
GCA_API void *gca_malloc_uncollectable(size_t bytes) GCA_ATTR_MALLOC GCA_ATTR_SIZE(1);

/* Zero-filled array; NULL with ENOMEM where count * bytes overflows. */
GCA_API void *gca_calloc(size_t count, size_t bytes) GCA_ATTR_MALLOC GCA_ATTR_SIZE2(1, 2);

/* As realloc of the C library: gca_realloc(NULL, n) allocates, gca_realloc(p, 0) frees and returns NULL, failure leaves
 * the old block as it was. The new block is of the old one's kind (scanned, atomic, uncollectable). Bytes past the old
 * size are zero for blocks of gca_malloc, gca_malloc_uncollectable and undefined for others. */
GCA_API void *gca_realloc(void *block, size_t bytes) GCA_ATTR_RESULT GCA_ATTR_SIZE(2);
GCA_API void *gca_reallocarray(void *block, size_t count, size_t bytes) GCA_ATTR_RESULT GCA_ATTR_SIZE2(2, 3);

/* `alignment` is a power of two, else NULL with EINVAL. Contents are undefined, and scanned. */
GCA_API void *gca_aligned_alloc(size_t alignment, size_t bytes) GCA_ATTR_MALLOC GCA_ATTR_ALIGN(1) GCA_ATTR_SIZE(2);

/* Copies of strings, in memory that is never scanned. gca_strndup copies at most `limit` bytes and always terminates. */
GCA_API char *gca_strdup(const char *text) GCA_ATTR_MALLOC;
GCA_API char *gca_strndup(const char *text, size_t limit) GCA_ATTR_MALLOC;

/* Gives the block back at once. NULL is allowed and errno is kept. An address that is no start of a living block (freed
 * before, reclaimed by the collector, inside a block, from elsewhere) prints one line and aborts. */
GCA_API void gca_free(void *block);

/* Where pointers lie in an object: byte offsets of its words that hold pointers, repeated every `bytes` bytes.
 *
 *   GCA_LAYOUT(node_layout, struct node, offsetof(struct node, next), offsetof(struct node, name));
 *   struct node *node = gca_malloc_typed(sizeof *node, &node_layout);
 */
typedef struct {
    size_t bytes;          /* of one element, a multiple of 8 */
    size_t count;          /* of offsets */
    const size_t *offsets; /* each a multiple of 8, below `bytes` */
} gca_layout;

#define GCA_LAYOUT(name, T, ...)                                                                                       \
    static const size_t name##_offsets_[] = {__VA_ARGS__};                                                             \
    static const gca_layout name = {sizeof(T), sizeof name##_offsets_ / sizeof name##_offsets_[0], name##_offsets_}

/* Zero-filled memory of which only the words that the layout names keep anything alive; a layout without pointers gives
 * memory that is never scanned. The layout must outlive the block. NULL with EINVAL (an offset that is no word inside an
 * element, an element whose size is no multiple of 8 or that no object has, more than 65,535 offsets) or ENOMEM.
 * Such a block is freed by gca_free like any other; gca_realloc that moves it makes it an ordinary one. */
GCA_API void *gca_malloc_typed(size_t bytes, const gca_layout *layout) GCA_ATTR_RESULT GCA_ATTR_SIZE(1);

/* Typed forms: GCA_NEW(struct node), GCA_NEW_ARRAY(struct node, 10); the ATOMIC forms hold no pointers. */
#ifdef __cplusplus
#define GCA_CAST_(T) (T *)
#else
#define GCA_CAST_(T)
#endif
#define GCA_NEW(T) (GCA_CAST_(T) gca_malloc(sizeof(T)))
#define GCA_NEW_ARRAY(T, n) (GCA_CAST_(T) gca_calloc((n), sizeof(T)))
#define GCA_NEW_ATOMIC(T) (GCA_CAST_(T) gca_malloc_atomic(sizeof(T)))
#define GCA_NEW_ATOMIC_ARRAY(T, n) (GCA_CAST_(T) gca_malloc_atomic_array((n), sizeof(T)))

/* As gca_malloc_atomic, for count * bytes; NULL with ENOMEM on overflow. */
GCA_API void *gca_malloc_atomic_array(size_t count, size_t bytes) GCA_ATTR_MALLOC GCA_ATTR_SIZE2(1, 2);

/* ---- Questions ------------------------------------------------------------------------------------------------------ */

/* Bytes that the caller may use, at least those asked for and the same until the block is freed; 0 for NULL. Anything
 * that is no start of a living block aborts as gca_free does. */
GCA_API size_t gca_usable_size(const void *block);

/* Start of the living block that `address` points into, or NULL: for any word at all. */
GCA_API void *gca_base(const void *address);

/* Whether the living block that `address` points into would survive a collection now. The argument itself does not count;
 * copies of it in the caller's variables do, as they would in a collection. Stops the world and marks: costs a
 * collection. False also where the world could not be stopped. */
GCA_API bool gca_is_reachable(const void *address);

/* ---- Collection ----------------------------------------------------------------------------------------------------- */

/* Runs a whole collection and returns the bytes that it freed; 0 where it could not run (disabled, mode free, a thread
 * that could not be stopped in time). */
GCA_API size_t gca_collect(void);

/* Nested switch: collections happen only while every gca_disable has met its gca_enable. Surplus gca_enable is ignored. */
GCA_API void gca_enable(void);
GCA_API void gca_disable(void);

/* A good moment for the program (idle, between frames): collects if at least half of the growth that would start a
 * collection has happened. True if it did. */
GCA_API bool gca_collect_a_little(void);

/* ---- Roots ---------------------------------------------------------------------------------------------------------- */

/* [lo, hi) is scanned as a root; only needed for memory that the collector does not see by itself (shared memory of
 * devices, mappings without read access for a time). 0, or EINVAL (lo > hi), or ENOMEM. Thread-safe; takes effect from
 * the next collection on. gca_roots_remove takes back the same range: 0 or ENOENT. */
GCA_API int gca_roots_add(const void *lo, const void *hi);
GCA_API int gca_roots_remove(const void *lo, const void *hi);

/* [lo, hi) is not scanned although it would be: big buffers of a foreign allocator that hold no pointers. */
GCA_API int gca_roots_exclude(const void *lo, const void *hi);

/* Threads are found without help. Registering makes a thread's first stop cheaper; unregistering hands its caches back
 * early, for threads that idle for long. 0, or ENOMEM; gca_thread_unregister: 0 or ESRCH for a thread not registered. */
GCA_API int gca_thread_register(void);
GCA_API int gca_thread_unregister(void);

/* ---- When objects go ------------------------------------------------------------------------------------------------- */

/* `finalizer(object, data)` is called once after the collector has found the object unreachable and before its memory is
 * used again. The object and all that it refers to are whole meanwhile; if the finalizer stores a pointer to it, it lives on.
 * Order: an object before those that it refers to; objects in a cycle of such references are kept (gca_finalizer_set) or come
 * in no particular order (gca_finalizer_set_unordered). Finalizers run on the thread that calls gca_collect or
 * gca_finalize_run, outside the collector and all locks, or with the option finalizer_thread on a thread of the library's own,
 * soon after each collection. Freeing the object, or resizing it so that it moves, drops the
 * finalizer. It has to return: after one that is left by longjmp or an exception, the thread runs no more of them. A second
 * call replaces the first; NULL takes it away. `object` is the start of a living block that is not
 * counted (gcalloc/rc.h has destroy functions), and `data` is kept alive by it. 0; EINVAL: no such block; ENOMEM. */
typedef void (*gca_finalizer)(void *object, void *data);
GCA_API int gca_finalizer_set(void *object, gca_finalizer finalizer, void *data);
GCA_API int gca_finalizer_set_unordered(void *object, gca_finalizer finalizer, void *data);

/* Runs the finalizers and destroy functions that are due; returns how many. 0 inside one of them. */
GCA_API size_t gca_finalize_run(void);

/* *slot, which holds a pointer into `object`, does not keep it alive from now on, wherever it lies, and becomes NULL when the
 * object goes (collected or freed). Slot and object may go in any order; where a collection finds that the slot cannot be
 * written, it is an ordinary variable from then on.
 * 0; EINVAL: `object` is in no living block, or the slot is not aligned; ENOMEM. */
GCA_API int gca_weak_link(void **slot, void *object);

/* The slot, which still points into the object, is an ordinary variable again. 0, or ENOENT. */
GCA_API int gca_weak_unlink(void **slot);

/* A pair that holds `value` as long as somebody else holds `key`, also where value refers to key. NULL with EINVAL (key is in
 * no living block) or ENOMEM. The ephemeron itself is collected like any block; both questions answer NULL once the key has
 * gone, and for NULL. */
typedef struct gca_ephemeron gca_ephemeron;
GCA_API gca_ephemeron *gca_ephemeron_new(void *key, void *value) GCA_ATTR_RESULT;
GCA_API void *gca_ephemeron_key(const gca_ephemeron *ephemeron);
GCA_API void *gca_ephemeron_value(const gca_ephemeron *ephemeron);

/* What is reachable now stays, whether it is reachable later or not, until gca_unfreeze or until it is freed: before a process
 * forks children that will not free what they have inherited. 0; EAGAIN: threads could not be stopped; ENOMEM. */
GCA_API int gca_freeze(void);
GCA_API int gca_unfreeze(void);

/* ---- The heap as a graph ---------------------------------------------------------------------------------------------- */

/* A block as the callbacks below see it. */
struct gca_object {
    void *address;         /* as the program knows it: of a counted object, where its data starts */
    size_t bytes;          /* usable */
    const char *type_name; /* of a counted object whose type has a name, else NULL */
    bool is_scanned;       /* may hold pointers */
};

/* False ends the walk. */
typedef bool (*gca_object_fn)(const struct gca_object *object, void *data);

/* All of these look while the world is stopped, and call back after it goes on again, from a copy: a callback may do anything,
 * and an object of the list may have been freed meanwhile by another thread. 0; ENOMEM: no room for the copy; EAGAIN: threads
 * could not be stopped; EINVAL: `object` is in no living block. */

/* Every block that the program has not freed. */
GCA_API int gca_walk(gca_object_fn callback, void *data);

/* The blocks that words of `object` point into. */
GCA_API int gca_referents(const void *object, gca_object_fn callback, void *data);

/* The blocks that hold a pointer into `object`. */
GCA_API int gca_referrers(const void *object, gca_object_fn callback, void *data);

/* The same blocks by what they are: one row for each type of counted objects, and for each kind of the others ("scanned",
 * "atomic", "uncollectable", "typed"), what takes most memory first. Or by usable size, the smallest first. */
struct gca_census_row {
    const char *name;  /* "unnamed" for types without; NULL in rows by size */
    size_t bytes_each; /* 0 in rows by type */
    size_t objects;
    size_t bytes;
};
typedef bool (*gca_census_fn)(const struct gca_census_row *row, void *data);
GCA_API int gca_census_types(gca_census_fn callback, void *data);
GCA_API int gca_census_sizes(gca_census_fn callback, void *data);

/* A shortest chain of blocks that keeps `object`, from one that a root points at, or that is uncollectable or frozen, to `object`
 * itself. ENOENT: nothing keeps it. The caller's own variables are roots. */
GCA_API int gca_path_to_root(const void *object, gca_object_fn callback, void *data);

/* ---- Leaks ------------------------------------------------------------------------------------------------------------ */

/* Writes to the descriptor what has leaked up to now: blocks that are neither freed nor reachable, in groups by where they were
 * allocated (as far as a profile knows it), those first that nothing else leaked points to. Nothing is freed. 0; EAGAIN: threads
 * could not be stopped; ENOMEM; EIO: the report could not be written. */
GCA_API int gca_leaks_report(int descriptor);

/* ---- Options, statistics, events ------------------------------------------------------------------------------------ */

/* Sets the option that the environment variable GCALLOC_<NAME> sets at start; `name` in lower case ("verbose",
 * "heap_limit"). 0; ENOENT: no such option; EINVAL: the value is none of the option's; EBUSY: only at start. */
GCA_API int gca_option_set(const char *name, const char *value);

/* "MAJOR.MINOR.PATCH", static storage. */
GCA_API const char *gca_version(void);

/* Sizes in bytes, times in nanoseconds. Members are only ever added, at the end. */
struct gca_stats {
    size_t size;                 /* set by the caller to sizeof(struct gca_stats): older callers stay right */
    uint64_t heap_bytes;         /* memory of blocks in use that has ever been handed out */
    uint64_t heap_peak_bytes;    /* its highest value */
    uint64_t live_bytes;         /* reachable at the last collection */
    uint64_t live_objects;       /* reachable at the last collection */
    uint64_t cycles;             /* collections finished */
    uint64_t cycles_given_up;    /* collections abandoned because a thread could not be stopped in time */
    uint64_t reclaimed_bytes;    /* freed by collections */
    uint64_t reclaimed_objects;  /* freed by collections */
    uint64_t pause_last_ns;      /* world stopped, last collection */
    uint64_t pause_longest_ns;   /* world stopped, longest */
    uint64_t pause_total_ns;     /* world stopped, all */
    uint64_t mark_total_ns;      /* of it, finding what is reachable */
    uint64_t sweep_total_ns;     /* of it, freeing the rest */
    uint64_t threads_stopped;    /* threads stopped at the last collection */
    uint64_t released_bytes;     /* given back to the system so far */
    uint64_t metadata_bytes;     /* gcalloc's own memory, apart from the heap */
    uint64_t threshold_bytes;    /* heap_bytes at which the next collection starts */
    uint64_t cycles_for_growth;  /* of `cycles`: the heap had grown enough */
    uint64_t cycles_for_limit;   /* an allocation would have passed heap_limit */
    uint64_t cycles_for_memory;  /* the system gave no memory */
    uint64_t cycles_for_request; /* gca_collect, gca_collect_a_little */
    uint64_t finalizers_due;     /* set aside by collections so far: finalizers, destroy functions of cycles */
    /* Unreachable at the last collection, but kept: another object with a finalizer refers to it; or it to itself, and then
     * for ever. */
    uint64_t finalizers_waiting;
};
GCA_API void gca_stats_get(struct gca_stats *stats);

enum gca_event_kind {
    GCA_EVENT_CYCLE_BEGIN = 1, /* reason is set */
    GCA_EVENT_STOPPED = 2,     /* duration_ns: time to stop all threads */
    GCA_EVENT_ROOTS = 3,       /* duration_ns: scanning roots */
    GCA_EVENT_MARK = 4,        /* duration_ns: marking from them */
    GCA_EVENT_SWEEP = 5,       /* duration_ns; bytes: freed */
    GCA_EVENT_CYCLE_END = 6,   /* duration_ns: whole pause; bytes: live */
    GCA_EVENT_GIVEN_UP = 7     /* duration_ns: time lost */
};

struct gca_event {
    enum gca_event_kind kind;
    uint64_t cycle;       /* number of the collection, from 1 */
    uint64_t duration_ns; /* of the phase that ends with this event */
    uint64_t bytes;
    const char *reason; /* "growth", "limit", "request", "memory", "torture"; static storage */
};

/* `callback` is called after each collection, on the thread that ran it, once for each event of it in order, with the
 * world running and no lock held: it may do anything but leave by longjmp, an exception or the end of its thread. Collections
 * inside it are not told of. One callback; NULL takes it away. */
typedef void (*gca_event_fn)(const struct gca_event *event, void *data);
GCA_API void gca_on_event(gca_event_fn callback, void *data);

/* Called when an allocation of `bytes` is about to fail, after a collection or soon after one (a heap at its limit does
 * not collect for each failure); true means "try again" (something was freed). Called with no lock held; an allocation inside
 * it that fails does not call it again. NULL takes it away. */
typedef bool (*gca_oom_fn)(size_t bytes);
GCA_API void gca_on_oom(gca_oom_fn callback);

#ifdef __cplusplus
}
#endif
#endif
