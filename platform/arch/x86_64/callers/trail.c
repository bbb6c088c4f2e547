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

/* Odd numbers without a pattern: 2^64 divided by the generalised golden ratios of three and four dimensions, and 2^31 divided by
 * that of two, which fits into an instruction. */
#define HASH_FACTOR UINT64_C(0xd1b54a32d192ed03)
#define SECOND_LANE_FACTOR UINT64_C(0xdb4f0b9175ae2165)
#define SECOND_WORD_FACTOR UINT64_C(0x609fd4d5)

/* ---- Results ------------------------------------------------------------------------------------------------------ */

static struct kept_result *set_of(struct trail *trail, uint64_t hash)
{
    return trail->results[hash >> (64 - SETS_LOG2)];
}

/* Where in the set it is cannot be foreseen, so no branch asks. */
ALWAYS_INLINE void use_if_it_is(void **result, const struct kept_result *kept, uint64_t hash)
{
    __asm__("cmpq %[hash], %[kept]\n\tcmoveq %[value], %[result]"
            : [result] "+r"(*result)
            : [hash] "r"(hash), [kept] "m"(kept->hash), [value] "m"(kept->result)
            : "cc");
}

ALWAYS_INLINE void *known_result(struct trail *trail, uint64_t hash)
{
    const struct kept_result *set = set_of(trail, hash);
    void *result = NULL;
    STATIC_ASSERT(SET_RESULTS == 4, "all are asked");
    use_if_it_is(&result, &set[0], hash);
    use_if_it_is(&result, &set[1], hash);
    use_if_it_is(&result, &set[2], hash);
    use_if_it_is(&result, &set[3], hash);
    return result;
}

/* In the place of any, where the set is full: the oldest would be the worst choice for a program that comes to more stacks of a
 * set than it holds again and again in the same order. */
static void **add_result(struct trail *trail, uint64_t hash)
{
    struct kept_result *set = set_of(trail, hash);
    struct kept_result *kept = &set[trail->results_replaced % SET_RESULTS];
    for (unsigned i = 0; i < SET_RESULTS && kept->result != NULL; i++)
        if (set[i].result == NULL)
            kept = &set[i];
    trail->results_replaced += kept->result != NULL;
    *kept = (struct kept_result){.hash = hash, .result = NULL};
    return &kept->result;
}

static void **place_of(struct trail *trail, uint64_t hash)
{
    struct kept_result *set = set_of(trail, hash);
    for (unsigned i = 0; i < SET_RESULTS; i++)
        if (set[i].hash == hash)
            return &set[i].result;
    return add_result(trail, hash);
}

/* ---- Shapes ------------------------------------------------------------------------------------------------------- */

ALWAYS_INLINE struct shape *shape_of(struct trail *trail, uintptr_t start, uintptr_t returns_to)
{
    return &trail->shapes[(start + returns_to + trail->last_way_hash) * GOLDEN_ODD >> (64 - SHAPES_LOG2)];
}

/* Words are hashed in two lanes, so that fewer wait for the last ones. A lane is a polynomial, whose coefficients are pairs of
 * words: pairs whose first words differ by less than the second's factor are different numbers, and all else agrees as rarely as
 * numbers do by chance, but for the few lowest bits that all words share. */
struct lanes {
    uint64_t first;
    uint64_t second;
};

ALWAYS_INLINE uint64_t hash_pair(uint64_t sum, uint64_t word, uint64_t second_word)
{
    return sum * HASH_FACTOR + (word + second_word * SECOND_WORD_FACTOR);
}

/* The highest bits, which are to choose a set, depend on all. */
ALWAYS_INLINE uint64_t hash_end(struct lanes lanes)
{
    return mixed_product(lanes.first + lanes.second * SECOND_LANE_FACTOR, GOLDEN_ODD);
}

READS_RAW_MEMORY ALWAYS_INLINE uint64_t hash_of(const struct trail *trail, const struct shape *shape, uintptr_t start)
{
    stack_word *words = word_at(start);
    const uint16_t *distance = shape->distances;
    const uint16_t *end = distance + shape->count;
    struct lanes lanes = {.first = trail->owner_hash + shape->layout};
    STATIC_ASSERT(SHAPE_STEP == 4, "two pairs");
    do {
        lanes.first = hash_pair(lanes.first, words[distance[0]], words[distance[1]]);
        lanes.second = hash_pair(lanes.second, words[distance[2]], words[distance[3]]);
        distance += SHAPE_STEP;
    } while (distance < end);
    return hash_end(lanes);
}

/* Where the last way leads to. Another's shape does no harm: its words would have to be there as well. That there was a stack
 * once which reached as far does not mean that there still is. */
READS_RAW_MEMORY ALWAYS_INLINE void *find_known(struct trail *trail, uintptr_t start)
{
    const struct shape *shape = shape_of(trail, start, *word_at(start + trail->last_sp - WORD_BYTES));
    if (UNLIKELY(shape->start != start || shape->hi > trail->stack_hi))
        return NULL;
    return known_result(trail, hash_of(trail, shape, start));
}

/* A shape that grows. */
struct outline {
    struct shape *shape;
    uint64_t distances; /* their hash */
    bool has_registers;
};

static bool add_word(struct outline *outline, stack_word *word)
{
    struct shape *shape = outline->shape;
    intptr_t distance = word - word_at(shape->start);
    if (distance != (uint16_t)distance || shape->count == SHAPE_WORDS)
        return false;
    outline->distances = outline->distances * HASH_FACTOR + (uint64_t)distance;
    shape->distances[shape->count++] = (uint16_t)distance;
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

static bool add_way(struct outline *outline, const struct own_way *way)
{
    for (uint32_t i = 0; i < way->count; i++)
        if (!add_word(outline, word_at(outline->shape->start + way->distances[i])))
            return false;
    return true;
}

static bool add_frames(struct outline *outline, const struct trail *trail, const struct own_way *way)
{
    size_t outermost = trail->count > TRAIL_ADDRESSES ? trail->count - TRAIL_ADDRESSES : 0;
    const struct kept_frame *innermost = &trail->frames[trail->count - 1];
    if (!add_first_registers(outline, way, innermost->flags) || !add_word(outline, word_at(innermost->sp - WORD_BYTES)))
        return false;
    for (size_t i = trail->count - 1; i-- > outermost;)
        if (!add_frame(outline, &trail->frames[i], &trail->registers[i]))
            return false;
    return true;
}

static void end_outline(struct outline *outline)
{
    struct shape *shape = outline->shape;
    uint64_t start = outline->has_registers ? shape->start : 0;
    shape->layout = mixed_product((outline->distances + shape->count) ^ start, GOLDEN_ODD);
    for (; shape->count % SHAPE_STEP != 0; shape->count++)
        shape->distances[shape->count] = shape->distances[shape->count - 1];
}

/* Of the walk that is kept. NULL: it has none, as our own code has frame pointers, or it reads too much. */
READS_RAW_MEMORY static struct shape *learn_shape(struct trail *trail, uintptr_t start)
{
    uintptr_t sp = trail->frames[trail->count - 1].sp;
    const struct own_way *way = &trail->ways[trail->last_way];
    struct shape *shape = shape_of(trail, start, trail->frames[trail->count - 1].returns_to);
    struct outline outline = {.shape = shape};
    *shape = (struct shape){.start = start, .hi = trail->stack_hi};
    if (is_way(way, start, trail->stack_hi) && start + way->sp == sp && add_way(&outline, way) &&
        add_frames(&outline, trail, way)) {
        end_outline(&outline);
        return shape;
    }
    shape->start = 0;
    return NULL;
}

/* ---- All together ------------------------------------------------------------------------------------------------- */

/* Where other code may lie at the same addresses, no stack is known: the same words may be those of another walk. */
static void begin_anew(struct trail *trail, uint64_t owner)
{
    uintptr_t closed = word_load(&gci_frames_closed);
    if (trail->closed != closed)
        __builtin_memset(trail->steps, 0, sizeof trail->steps);
    trail->owner = owner;
    trail->owner_hash = mixed_product(owner ^ closed * HASH_FACTOR, GOLDEN_ODD);
    trail->closed = closed;
    trail->stack_lo = gci_frames_stack_lo;
    trail->stack_hi = gci_frames_stack_hi;
    gci_trail_use_way(trail, trail->last_way);
    gci_trail_forget_walk(trail);
}

/* Of a walk without a shape, as if it had read nothing but return addresses. */
static uint64_t hash_of_walk(const struct trail *trail)
{
    size_t count = trail->count < TRAIL_ADDRESSES ? trail->count : TRAIL_ADDRESSES;
    struct lanes lanes = {.first = trail->owner_hash + count};
    for (size_t i = 0; i < count; i++)
        lanes.first = hash_pair(lanes.first, trail->frames[trail->count - 1 - i].returns_to, 0);
    return hash_end(lanes);
}

READS_RAW_MEMORY static void **walk_and_learn(struct trail *trail, uintptr_t start)
{
    if (!gci_trail_walk(trail, start))
        return NULL;
    const struct shape *shape = learn_shape(trail, start);
    uint64_t hash = shape != NULL ? hash_of(trail, shape, start) : hash_of_walk(trail);
    return place_of(trail, hash);
}

static bool is_of(const struct trail *trail, uint64_t owner)
{
    return trail->owner == owner && trail->closed == word_load(&gci_frames_closed);
}

/* A way may be the beginning of a longer one, which then is looked for. */
static NOINLINE void *find_otherwise(struct trail *trail, uint64_t owner, uintptr_t start)
{
    trail->place = NULL;
    if (!frames_is_known(start) && !gci_frames_learn_stack(start))
        return NULL;
    if (!is_of(trail, owner) || trail->stack_lo != gci_frames_stack_lo || trail->stack_hi != gci_frames_stack_hi)
        begin_anew(trail, owner);
    void *result = gci_trail_find_way(trail, start) ? find_known(trail, start) : NULL;
    if (result != NULL)
        return result;
    trail->place = walk_and_learn(trail, start);
    return trail->place != NULL ? *trail->place : NULL;
}

HIDDEN void *gci_trail_result(struct trail *trail, uint64_t owner, const uintptr_t *registers);

void *gci_trail_result(struct trail *trail, uint64_t owner, const uintptr_t *registers)
{
    uintptr_t start = (uintptr_t)registers;
    if (LIKELY(is_of(trail, owner) && start - trail->stack_lo < trail->room_bytes)) {
        void *result = find_known(trail, start);
        if (LIKELY(result != NULL))
            return result;
    }
    return find_otherwise(trail, owner, start);
}

void **gci_context_trail_place(const struct trail *trail)
{
    return trail->place;
}

size_t gci_context_trail_addresses(const struct trail *trail, uintptr_t *addresses, size_t limit)
{
    size_t count = 0;
    for (size_t i = trail->count; i > 0 && count < limit; i--)
        if (trail->frames[i - 1].returns_to != 0)
            addresses[count++] = trail->frames[i - 1].returns_to;
    return count;
}
