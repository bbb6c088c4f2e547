/* SPDX-License-Identifier: MIT */
/* The profile file, as the library writes it and the command reads it: records, one after the other, in the byte order of the
 * machine. A file that breaks off is good up to the last whole record; what a reader does not know it passes over.
 *
 * Each record is a struct profile_record and `bytes` of payload, filled up with zeros to a multiple of 8. The payload begins
 * with the struct of its kind; what follows is said beside it. Strings end with a zero byte. The first record is a
 * PROFILE_HEADER, the last of a complete file a PROFILE_END. A stack, thread or mapping stands before what names it.
 * Times are in nanoseconds of the monotonic clock since the profile's start.
 */
#ifndef GCI_BASE_PROFILE_FORMAT_H
#define GCI_BASE_PROFILE_FORMAT_H

#include <stdint.h>

#define PROFILE_MAGIC "gcprof\r\n" /* 8 bytes; a transfer as text would change it */
#define PROFILE_VERSION 1

struct profile_record {
    uint32_t kind; /* enum profile_kind */
    uint32_t bytes;
};

enum profile_kind {
    PROFILE_HEADER = 1,
    PROFILE_MAPPING,
    PROFILE_THREAD,
    PROFILE_STACK,
    PROFILE_PLACE,
    PROFILE_USAGE,
    PROFILE_CYCLE,
    PROFILE_MOMENT,
    PROFILE_FIGURES,
    PROFILE_LEAK,
    PROFILE_OBJECTS,
    PROFILE_EDGES,
    PROFILE_ROOTS,
    PROFILE_SIZES,
    PROFILE_END,
    PROFILE_LEAKS_KNOWN
};

enum profile_level {
    PROFILE_LEVEL_SAMPLE = 1, /* one sample in `rate_bytes`; figures are estimates */
    PROFILE_LEVEL_SITE,       /* stacks are one place of the source or one caller deep */
    PROFILE_LEVEL_FULL        /* each allocation; figures are exact */
};

/* Then: path of the executable, then the words of the command line, each with its zero byte. */
struct profile_header {
    char magic[8];
    uint32_t version;
    uint32_t process;
    uint64_t start_realtime_ns; /* since 1970 */
    uint64_t rate_bytes;        /* at the start; 1 at level full */
    uint32_t level;             /* enum profile_level */
    uint32_t words;             /* of the command line */
    char library[16];           /* gcalloc's version */
};

/* What a file begins with. */
struct profile_head {
    struct profile_record record;
    struct profile_header header;
};

static inline int profile_head_is_right(const struct profile_head *head)
{
    return head->record.kind == PROFILE_HEADER &&
           __builtin_memcmp(head->header.magic, PROFILE_MAGIC, sizeof head->header.magic) == 0;
}

/* A file that is mapped as code, when the profile was written; a module that was unloaded meanwhile has a record too.
 * Where mappings lie over each other, they were there one after the other: a stack belongs to the last ones in front of it.
 * Then: path. */
struct profile_mapping {
    uint64_t start;
    uint64_t end;
    uint64_t file_offset;
    uint32_t build_id_bytes; /* 0: none */
    uint8_t build_id[20];
};

/* So many have numbers of their own; what later ones do counts for number 0. */
#define PROFILE_THREADS_MAX 1024

/* Then: name. */
struct profile_thread {
    uint32_t thread; /* number within the profile, from 1 */
    uint32_t system_id;
};

/* Then: `depth` return addresses (uint64_t), innermost first; the call is one byte before. Depth 0 and no place: unknown. */
struct profile_stack {
    uint32_t stack; /* number within the profile, from 1 */
    uint32_t depth;
};

/* The innermost call of a stack, as gcalloc/replace.h knows it. Then: file, function ("" where unknown). */
struct profile_place {
    uint32_t stack;
    uint32_t line;
};

struct profile_usage {
    uint64_t time_ns;
    uint64_t heap_bytes;     /* of blocks in use */
    uint64_t resident_bytes; /* of the process, 0 where unknown */
    uint64_t live_bytes;     /* estimate: allocated and neither freed nor reclaimed */
    uint64_t allocated_bytes;
    uint64_t allocated_objects;
};

struct profile_cycle {
    uint64_t time_ns;  /* of its end */
    uint64_t pause_ns; /* world stopped */
    uint64_t mark_ns;
    uint64_t sweep_ns;
    uint64_t live_bytes;
    uint64_t live_objects;
    uint64_t freed_bytes;
    uint64_t freed_objects;
    uint64_t heap_bytes;
    uint32_t reason;  /* enum cycle_reason: growth, limit, request, memory, torture */
    uint32_t threads; /* stopped */
};

enum profile_reason { PROFILE_TIMER = 1, PROFILE_PEAK, PROFILE_DUMP, PROFILE_EXIT };

/* The rows that follow, up to the next moment, are of this time: all stacks that have any live bytes then, and at DUMP and
 * EXIT all that there are. PEAK: what was live at the peak so far. */
struct profile_moment {
    uint64_t time_ns;
    uint32_t reason; /* enum profile_reason */
    uint32_t rows;   /* that should follow */
    uint64_t rate_bytes;
    uint64_t live_bytes; /* sums of the rows */
    uint64_t live_objects;
};

/* Powers of four: up to 1 ms, 4 ms, 16 ms ... the last without end. */
#define PROFILE_LIFETIMES 12

/* Of one stack on one thread, since the start. Estimates at level sample, each sample with its own weight. */
struct profile_figures {
    uint32_t stack;
    uint32_t thread;  /* that allocated; 0: several */
    uint64_t samples; /* allocations seen: the figures' relative error is about 1 / sqrt(samples) */
    uint64_t allocated_objects;
    uint64_t allocated_bytes; /* as asked for */
    uint64_t freed_objects;   /* by the program */
    uint64_t freed_bytes;
    uint64_t reclaimed_objects; /* by the collector: leaked, and no harm done */
    uint64_t reclaimed_bytes;
    uint64_t live_objects; /* neither */
    uint64_t live_bytes;
    uint64_t temporary_objects; /* freed before the thread's next allocation of a sample's distance */
    uint64_t
        lifetimes[PROFILE_LIFETIMES]; /* objects that are gone, by their age then, as far as a part of them tells */
    uint64_t ages[PROFILE_LIFETIMES]; /* objects that live, by their age now; at DUMP and EXIT, else 0 */
};

enum profile_leak_kind {
    PROFILE_LEAK_DIRECT = 1, /* nothing points there */
    PROFILE_LEAK_INDIRECT,   /* only what is leaked itself points there */
};

/* Unreachable and not freed. Exact in sum; of objects that no sample knows the stack is 0. */
struct profile_leak {
    uint32_t stack;
    uint32_t kind; /* enum profile_leak_kind */
    uint64_t objects;
    uint64_t bytes;        /* as asked for where it is known, else usable */
    uint64_t first_ns;     /* when the oldest was allocated; 0 where unknown */
    uint64_t last_ns;      /* the youngest */
    uint64_t address;      /* of one of them */
    uint64_t time_ns;      /* when it was found */
    uint32_t is_collected; /* 1: reclaimed by the collector, and in the figures too */
    uint32_t reserved;
};

/* What is unreachable has been looked for, and stands before: where there is no leak, none was found. Without this record nobody
 * has looked, or not to the end. */
struct profile_leaks_known {
    uint64_t time_ns;
};

/* The heap as a graph, at one moment. Objects are numbered from 0 in the order of the records. */
enum profile_object_flags {
    PROFILE_OBJECT_REACHABLE = 1,
    PROFILE_OBJECT_ATOMIC = 2, /* holds no pointers */
    PROFILE_OBJECT_UNCOLLECTABLE = 4,
    PROFILE_OBJECT_COUNTED = 8,
    PROFILE_OBJECT_FROZEN = 16
};

/* The payload is an array of these. */
struct profile_object {
    uint64_t address;
    uint64_t bytes;
    uint32_t stack; /* 0: unknown */
    uint32_t flags;
};

/* An array of these. */
struct profile_edge {
    uint32_t from;
    uint32_t to;
    uint32_t offset;    /* in `from` */
    uint32_t to_offset; /* in `to`: 0 is its start */
};

enum profile_root_kind {
    PROFILE_ROOT_STATIC = 1, /* data of a module */
    PROFILE_ROOT_STACK,
    PROFILE_ROOT_REGISTER,
    PROFILE_ROOT_MAPPING, /* other memory of the process, thread-local storage among it */
    PROFILE_ROOT_KERNEL,  /* epoll, timers */
    PROFILE_ROOT_ADDED,   /* gca_roots_add */
    PROFILE_ROOT_OWN      /* uncollectable, or waiting to be finalized */
};

/* An array of these. */
struct profile_root {
    uint64_t address; /* where the word lies; 0 for registers */
    uint32_t object;
    uint32_t to_offset;
    uint32_t kind;   /* enum profile_root_kind */
    uint32_t thread; /* system id of the stack's thread, 0 where unknown */
};

/* Of one size class at the end: how full its blocks are, with all objects, recorded or not. An array of these. */
struct profile_size {
    uint64_t slot_bytes; /* 0: large objects */
    uint64_t blocks;
    uint64_t live_objects;
    uint64_t live_bytes; /* of their slots */
    uint64_t committed_bytes;
};

struct profile_end {
    uint64_t time_ns;
    uint64_t peak_bytes;
    uint64_t peak_time_ns;
    uint64_t lost; /* samples and stacks that did not fit the bound on memory */
};

#endif
