/* SPDX-License-Identifier: MIT */
/* What a trail is (platform/context.h). For the two that share it: trail.c, which knows stacks again, and trail_walk.c, which
 * walks those that are not known, and from those that were walked before only what has changed. */
#ifndef GCI_TRAIL_H
#define GCI_TRAIL_H

#include "frames.h"
#include "platform/context.h"

#define FRAMES_KEPT 256u
#define WALK_FRAMES 96u
STATIC_ASSERT(WALK_FRAMES >= TRAIL_ADDRESSES, "one walk finds what is wanted");

/* The rest of the walk uses the register; it was restored by the step into the frame. */
enum { NEEDS_RBP = 1, NEEDS_RBX = 2, NEEDS_ANY = 3, CAME_RBP = 4, CAME_RBX = 8, CAME_ANY = 12 };

struct kept_frame {
    uintptr_t sp;
    uintptr_t returns_to; /* the word below it; 0: no frame, but where that was found */
    uint32_t flags;
    uint32_t came; /* number, from 1, of the next frame with a CAME flag, from this one outwards; 0: none */
};

struct kept_registers { /* set where a flag says so */
    uintptr_t rbp;
    uintptr_t rbx;
    stack_word *rbp_at;
    stack_word *rbx_at;
};

/* A frame on the way to the first that is kept. Its registers lie where the caller's do, unless the step out of it has found
 * those where it saved them. */
struct passed_frame {
    struct frame frame;
    uint32_t needs; /* of the step out of it */
};

/* Through our own code: words at those distances from the start are the return addresses into it. */
#define WAYS 8u /* malloc, calloc, realloc, new and what they do for small and for large blocks */
#define WAY_WORDS (1 + CONTEXT_OWN_FRAMES_MAX) /* the function that asks, whose frame is never told, and its callers */
struct own_way {
    uint32_t count;
    uint32_t sp; /* of the first frame behind it, and where its registers are: distances; 0: no way yet */
    uint32_t rbp;
    uint32_t rbx;
    uintptr_t words[WAY_WORDS];
    uint32_t distances[WAY_WORDS];
};

/* The frame at this place ends so many bytes above its stack pointer, by a plain rule; not in our own code. */
#define STEPS 1024u
struct known_step {
    uintptr_t at; /* 0: none */
    uintptr_t bytes;
};

/* Of a walk from `start`: where the words lie that it has read, those of the way through our own code among them, by their
 * distances in words. Frames behind TRAIL_ADDRESSES do not count. */
#define SHAPES_LOG2 10
#define SHAPE_WORDS                                                                                                    \
    (WAY_WORDS + 2 * TRAIL_ADDRESSES) /* where each frame is found by rbp, which the one before has saved */
#define SHAPE_STEP 4u /* words that are hashed at a time; those that are missing are the last one again */
#define SHAPE_WORDS_MAX (SHAPE_WORDS + SHAPE_STEP - SHAPE_WORDS % SHAPE_STEP)
#define SHAPE_BYTES 512u
#define SHAPE_HEAD_BYTES 28u
struct shape {
    uintptr_t start; /* 0: no shape */
    uintptr_t hi;    /* behind all words */
    uint64_t
        layout; /* hash of the distances, and of the start where the walk has used registers, which hold addresses */
    uint32_t count; /* a multiple of SHAPE_STEP */
    uint16_t distances[(SHAPE_BYTES - SHAPE_HEAD_BYTES) / sizeof(uint16_t)];
};
STATIC_ASSERT(sizeof(struct shape) == SHAPE_BYTES && offsetof(struct shape, distances) == SHAPE_HEAD_BYTES,
              "its place is a shift");
STATIC_ASSERT((SHAPE_BYTES - SHAPE_HEAD_BYTES) / sizeof(uint16_t) >= SHAPE_WORDS_MAX, "all words have room");

#define SET_RESULTS 4u /* a cache line */
#define SETS_LOG2 12
struct kept_result {
    uint64_t hash;
    void *result;
};

struct trail {
    uint64_t owner;
    uint64_t owner_hash; /* part of each result's */
    uintptr_t closed;
    uintptr_t stack_lo;
    uintptr_t stack_hi;
    uintptr_t room_bytes; /* from stack_lo on, where a walk may start that goes the last way; 0: there is none yet */
    uint64_t last_way_hash;
    uintptr_t last_sp; /* as in the last way */

    uint32_t last_way;
    uint32_t ways_learnt; /* the oldest is the next to be replaced */
    uint32_t results_replaced;
    bool is_whole;     /* frames[0] is the last that a walk finds */
    uintptr_t nowhere; /* 0 */
    void **place;      /* of the last result that was not known; NULL: it has none */
    size_t count;
    size_t passed_count;
    struct own_way ways[WAYS];
    struct passed_frame passed[WALK_FRAMES + 1]; /* and where the walk has come to */
    struct kept_frame frames[FRAMES_KEPT + 1];   /* the one behind the last is never unchanged */
    struct kept_registers registers[FRAMES_KEPT];
    struct known_step steps[STEPS];
    struct shape shapes[1u << SHAPES_LOG2];
    struct kept_result results[1u << SETS_LOG2][SET_RESULTS] CACHE_ALIGNED;
};

ALWAYS_INLINE stack_word *word_at(uintptr_t address)
{
    return (stack_word *)address; // NOLINT(performance-no-int-to-ptr)
}

/* Whatever lies at the distances, they are on the stack. */
READS_RAW_MEMORY ALWAYS_INLINE bool is_way(const struct own_way *way, uintptr_t start, uintptr_t top)
{
    if (way->sp == 0 || way->sp > top - start)
        return false;
    for (uint32_t i = 0; i < way->count; i++)
        if (*word_at(start + way->distances[i]) != way->words[i])
            return false;
    return true;
}

/* The way with that index becomes the last one. */
void gci_trail_use_way(struct trail *trail, uint32_t index);

/* Whether one of the ways leads out of our own code from there; it is the last one then. */
bool gci_trail_find_way(struct trail *trail, uintptr_t start);

/* The callers' frames are in trail->frames. False: the walk cannot be kept. */
bool gci_trail_walk(struct trail *trail, uintptr_t start);

/* Nothing of the last walk holds any more. */
void gci_trail_forget_walk(struct trail *trail);

#endif
