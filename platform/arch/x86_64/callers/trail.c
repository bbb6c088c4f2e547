/* SPDX-License-Identifier: MIT */
/* The callers of a function, known again (platform/context.h: trail).
 *
 * Most stacks have been walked before. The places of the words that a walk has read, a shape, are kept for where it began; where
 * they hold what they held then, the walk would be the same again. So all that a known stack takes is a hash of those words,
 * without a step and without a branch that depends on them (find_known). The result for each hash is kept, for a time. The places
 * are in the hash as well: another stack may have the same words at others, and what lies there between them.
 *
 * All other stacks are walked (trail_walk.c), as far as they differ from the last one that was, and their shape is learnt.
 */
#include "trail.h"

#include "base/bits.h"

size_t gci_context_trail_bytes(void)
{
    return sizeof(struct trail);
}

/* ---- Results ------------------------------------------------------------------------------------------------------ */

static struct kept_result *set_of(struct trail *trail, uint64_t hash)
{
    return trail->results[hash >> (64 - SETS_LOG2)];
}

/* Where in the set it is cannot be foreseen, so no branch asks. */
ALWAYS_INLINE void **find_result(struct trail *trail, uint64_t hash)
{
    struct kept_result *set = set_of(trail, hash);
    unsigned index = (set[1].hash == hash ? 1u : 0) | (set[2].hash == hash ? 2u : 0) | (set[3].hash == hash ? 3u : 0);
    STATIC_ASSERT(SET_RESULTS == 4, "all are compared");
    return LIKELY(set[index].hash == hash) ? &set[index].result : NULL;
}

static void **add_result(struct trail *trail, uint64_t hash)
{
    struct kept_result *set = set_of(trail, hash);
    __builtin_memmove(&set[1], &set[0], (SET_RESULTS - 1) * sizeof *set);
    set[0] = (struct kept_result){.hash = hash, .result = NULL};
    return &set[0].result;
}

/* ---- Shapes ------------------------------------------------------------------------------------------------------- */

ALWAYS_INLINE struct shape *shape_of(struct trail *trail, uintptr_t start, uintptr_t at)
{
    return &trail->shapes[mixed_product(start ^ at, GOLDEN_ODD) >> (64 - SHAPES_LOG2)];
}

/* The sum of the products of the words and the keys (multilinear hashing; Carter and Wegman, 1979): sums that agree for
 * different words are as rare as numbers that agree by chance, but for the few lowest bits that all words share. */
READS_RAW_MEMORY ALWAYS_INLINE uint64_t hash_of(const struct trail *trail, const struct shape *shape)
{
    stack_word *word = word_at(shape->start);
    uint64_t sum = trail->owner_hash + shape->layout;
    const int16_t *distance = shape->distances;
    const int16_t *end = distance + shape->count;
    for (const uint64_t *key = trail->keys; distance < end; distance += SHAPE_STEP, key += SHAPE_STEP) {
        sum += *(word += distance[0]) * key[0];
        sum += *(word += distance[1]) * key[1];
        sum += *(word += distance[2]) * key[2];
        sum += *(word += distance[3]) * key[3];
    }
    return mixed_product(sum, GOLDEN_ODD);
}

/* Where the last way leads to. That there was a stack once which reached as far does not mean that there still is. */
READS_RAW_MEMORY ALWAYS_INLINE const struct shape *find_shape(struct trail *trail, uintptr_t start)
{
    const struct own_way *way = &trail->ways[trail->last_way];
    uintptr_t at = *word_at(start + way->sp - WORD_BYTES) - 1;
    const struct shape *shape = shape_of(trail, start, at);
    bool is_there = LIKELY(shape->start == start && shape->at == at && shape->way == way->number &&
                           shape->hi <= gci_frames_stack_hi);
    return is_there ? shape : NULL;
}

/* NULL: not known. A way may be the beginning of a longer one, which then is looked for. */
READS_RAW_MEMORY ALWAYS_INLINE void **find_known(struct trail *trail, uintptr_t start)
{
    if (UNLIKELY(!is_way(&trail->ways[trail->last_way], start, gci_frames_stack_hi)) &&
        !gci_trail_find_way(trail, start))
        return NULL;
    const struct shape *shape = find_shape(trail, start);
    if (UNLIKELY(shape == NULL) && gci_trail_find_way(trail, start))
        shape = find_shape(trail, start);
    return LIKELY(shape != NULL) ? find_result(trail, hash_of(trail, shape)) : NULL;
}

/* A shape that grows. */
struct outline {
    struct shape *shape;
    const uint64_t *keys;
    stack_word *last;
    uint64_t distances; /* their hash */
    bool has_registers;
};

static bool add_word(struct outline *outline, stack_word *word)
{
    struct shape *shape = outline->shape;
    intptr_t distance = word - outline->last;
    if (distance != (int16_t)distance || shape->count == SHAPE_WORDS)
        return false;
    outline->distances += (uint64_t)distance * outline->keys[shape->count];
    shape->distances[shape->count++] = (int16_t)distance;
    outline->last = word;
    return true;
}

static bool add_register(struct outline *outline, stack_word *word)
{
    outline->has_registers = true;
    return add_word(outline, word);
}

static bool add_frame(struct outline *outline, const struct kept_frame *frame, const struct kept_registers *registers)
{
    return ((frame->flags & CAME_RBP) == 0 || add_register(outline, registers->rbp_at)) &&
           ((frame->flags & CAME_RBX) == 0 || add_register(outline, registers->rbx_at)) &&
           add_word(outline, word_at(frame->sp - WORD_BYTES));
}

/* The registers of the innermost frame lie where the way leads by. */
static bool add_first_registers(struct outline *outline, const struct own_way *way, uint32_t flags)
{
    uintptr_t start = outline->shape->start;
    return ((flags & NEEDS_RBP) == 0 || add_register(outline, word_at(start + way->rbp))) &&
           ((flags & NEEDS_RBX) == 0 || add_register(outline, word_at(start + way->rbx)));
}

static bool add_all(struct outline *outline, const struct trail *trail, const struct own_way *way)
{
    size_t outermost = trail->count > TRAIL_ADDRESSES ? trail->count - TRAIL_ADDRESSES : 0;
    const struct kept_frame *innermost = &trail->frames[trail->count - 1];
    if (!add_first_registers(outline, way, innermost->flags) || !add_word(outline, word_at(innermost->sp - WORD_BYTES)))
        return false;
    for (size_t i = trail->count - 1; i-- > outermost;)
        if (!add_frame(outline, &trail->frames[i], &trail->registers[i]))
            return false;
    while (outline->shape->count % SHAPE_STEP != 0)
        add_word(outline, outline->last);
    uint64_t start = outline->has_registers ? outline->shape->start : 0;
    outline->shape->layout = mixed_product((outline->distances + outline->shape->count) ^ start, GOLDEN_ODD);
    return true;
}

/* Of the walk that is kept. NULL: it has none, as our own code has frame pointers, or it reads too much. */
READS_RAW_MEMORY static struct shape *learn_shape(struct trail *trail, uintptr_t start)
{
    uintptr_t sp = trail->frames[trail->count - 1].sp;
    uintptr_t at = trail->frames[trail->count - 1].returns_to - 1;
    const struct own_way *way = &trail->ways[trail->last_way];
    struct shape *shape = shape_of(trail, start, at);
    struct outline outline = {.shape = shape, .keys = trail->keys, .last = word_at(start)};
    shape->start = start;
    shape->at = at;
    shape->way = way->number;
    shape->count = 0;
    shape->hi = gci_frames_stack_hi;
    if (is_way(way, start, gci_frames_stack_hi) && start + way->sp == sp && add_all(&outline, trail, way))
        return shape;
    shape->start = 0;
    return NULL;
}

/* ---- All together ------------------------------------------------------------------------------------------------- */

static void make_keys(uint64_t keys[SHAPE_WORDS])
{
    for (unsigned i = 0; i < SHAPE_WORDS; i++)
        keys[i] = mixed_product((i + 1) * GOLDEN_ODD, ~GOLDEN_ODD ^ i) | 1;
}

static NOINLINE void begin_anew(struct trail *trail, uint64_t owner)
{
    uintptr_t closed = word_load(&gci_frames_closed);
    if (trail->owner == 0) {
        make_keys(trail->keys);
    } else if (trail->closed != closed) {
        __builtin_memset(trail->steps, 0, sizeof trail->steps);
        __builtin_memset(trail->shapes, 0, sizeof trail->shapes);
    }
    trail->owner = owner;
    trail->owner_hash = mixed_product(owner, GOLDEN_ODD);
    trail->stack_hi = gci_frames_stack_hi;
    trail->closed = closed;
    gci_trail_forget_walk(trail);
}

/* Of a walk without a shape, as if it had read nothing but return addresses. */
static uint64_t hash_of_walk(const struct trail *trail)
{
    size_t count = trail->count < TRAIL_ADDRESSES ? trail->count : TRAIL_ADDRESSES;
    uint64_t sum = trail->owner_hash + count;
    for (size_t i = 0; i < count; i++)
        sum += trail->frames[trail->count - 1 - i].returns_to * trail->keys[i];
    return mixed_product(sum, GOLDEN_ODD);
}

READS_RAW_MEMORY static NOINLINE void **walk_and_learn(struct trail *trail, uintptr_t start)
{
    if (!gci_trail_walk(trail, start))
        return NULL;
    const struct shape *shape = learn_shape(trail, start);
    uint64_t hash = shape != NULL ? hash_of(trail, shape) : hash_of_walk(trail);
    void **result = find_result(trail, hash);
    return result != NULL ? result : add_result(trail, hash);
}

HIDDEN void **gci_trail_result(struct trail *trail, uint64_t owner, const uintptr_t *registers);

READS_RAW_MEMORY void **gci_trail_result(struct trail *trail, uint64_t owner, const uintptr_t *registers)
{
    uintptr_t start = (uintptr_t)registers;
    if (UNLIKELY(!frames_is_known(start) && !gci_frames_learn_stack(start)))
        return NULL;
    if (UNLIKELY(trail->owner != owner || trail->stack_hi != gci_frames_stack_hi ||
                 trail->closed != word_load(&gci_frames_closed)))
        begin_anew(trail, owner);
    void **result = find_known(trail, start);
    return LIKELY(result != NULL && *result != NULL) ? result : walk_and_learn(trail, start);
}

size_t gci_context_trail_addresses(const struct trail *trail, uintptr_t *addresses, size_t limit)
{
    size_t count = 0;
    for (size_t i = trail->count; i > 0 && count < limit; i--)
        if (trail->frames[i - 1].returns_to != 0)
            addresses[count++] = trail->frames[i - 1].returns_to;
    return count;
}
