/* SPDX-License-Identifier: MIT */
/* Three passes. Ways: by breadth from the roots through words that are not doubtful, then through the others, then from the heads
 * of what is left; what was reached from the roots is not entered from the heads. Order: by depth, from one vertex that stands
 * for roots and heads. Dominators: semi-NCA, that is semidominators with path compression and then, in order, the nearest
 * common ancestor; all of it without recursion, for lists are as long as memory.
 *
 * In the passes vertex 0 is the one that stands for all roots, vertex v + 1 object v.
 */
#include "cli/profile/retain.h"

#include <stdlib.h>
#include <string.h>

#include "cli/base/memory.h"

/* Edges by the object that they come from, or go to. */
struct fan {
    size_t *first;   /* by object, one more than there are objects */
    uint32_t *edges; /* numbers of the profile's */
};

struct builder {
    struct retain *retain;
    const struct profile *profile;
    uint32_t count; /* of objects */
    struct fan out, in;
    uint32_t *queue; /* objects in the order in which ways were found */
    size_t queued;
    uint32_t *vertex_at; /* by number in depth-first order */
    uint32_t *number_of; /* by vertex */
    uint32_t *parent;    /* these four by number, and numbers */
    uint32_t *semi;
    uint32_t *label;
    uint32_t *dominator;
    uint32_t *stack;
};

bool gci_retain_is_doubtful(uint32_t to_offset)
{
    return to_offset % sizeof(uint64_t) != 0;
}

static void make_fan(struct fan *fan, const struct profile *profile, bool outwards)
{
    size_t count = profile->object_count;
    fan->first = gci_memory_take(count + 2, sizeof *fan->first);
    fan->edges = gci_memory_take(profile->edge_count, sizeof *fan->edges);
    for (size_t i = 0; i < profile->edge_count; i++)
        fan->first[(outwards ? profile->edges[i].from : profile->edges[i].to) + 2]++;
    for (size_t i = 2; i < count + 2; i++)
        fan->first[i] += fan->first[i - 1];
    for (size_t i = 0; i < profile->edge_count; i++)
        fan->edges[fan->first[(outwards ? profile->edges[i].from : profile->edges[i].to) + 1]++] = (uint32_t)i;
}

/* ---- Ways ---- */

static void reach(struct builder *builder, uint32_t object, uint32_t edge, uint32_t root, unsigned char marks)
{
    struct retain *retain = builder->retain;
    retain->marks[object] |= marks;
    retain->way[object] = edge;
    retain->way_root[object] = root;
    builder->queue[builder->queued++] = object;
}

static bool is_reached(const struct builder *builder, uint32_t object)
{
    return (builder->retain->marks[object] & (RETAIN_REACHABLE | RETAIN_HEAD)) != 0 ||
           builder->retain->way[object] != RETAIN_NONE;
}

/* Goes on from what stands in the queue from `at` on. */
static void spread(struct builder *builder, size_t at, bool doubtful_too, unsigned char marks)
{
    const struct profile *profile = builder->profile;
    for (; at < builder->queued; at++) {
        uint32_t object = builder->queue[at];
        for (size_t i = builder->out.first[object]; i < builder->out.first[object + 1]; i++) {
            uint32_t edge = builder->out.edges[i], to = profile->edges[edge].to;
            if (!is_reached(builder, to) && (doubtful_too || !gci_retain_is_doubtful(profile->edges[edge].to_offset)))
                reach(builder, to, edge, RETAIN_NONE, marks);
        }
    }
}

static void reach_roots(struct builder *builder, bool doubtful, unsigned char marks)
{
    const struct profile *profile = builder->profile;
    for (size_t i = 0; i < profile->root_count; i++) {
        builder->retain->marks[profile->roots[i].object] |= RETAIN_ROOTED;
        if (gci_retain_is_doubtful(profile->roots[i].to_offset) == doubtful &&
            !is_reached(builder, profile->roots[i].object))
            reach(builder, profile->roots[i].object, RETAIN_NONE, (uint32_t)i, marks);
    }
}

/* What the profile calls reachable and no root leads to: held by something that is not listed. */
static void reach_flagged(struct builder *builder)
{
    for (uint32_t i = 0; i < builder->count; i++) {
        if ((builder->profile->objects[i].flags & PROFILE_OBJECT_REACHABLE) != 0 && !is_reached(builder, i)) {
            size_t before = builder->queued;
            reach(builder, i, RETAIN_NONE, RETAIN_NONE, RETAIN_REACHABLE);
            spread(builder, before, true, RETAIN_REACHABLE);
        }
    }
}

static void find_reachable(struct builder *builder)
{
    reach_roots(builder, false, RETAIN_REACHABLE);
    spread(builder, 0, false, RETAIN_REACHABLE);
    size_t sure = builder->queued;
    reach_roots(builder, true, RETAIN_REACHABLE | RETAIN_DOUBTFUL);
    spread(builder, 0, true, RETAIN_REACHABLE | RETAIN_DOUBTFUL);
    for (size_t i = sure; i < builder->queued; i++)
        builder->retain->doubtful_bytes += builder->profile->objects[builder->queue[i]].bytes;
    builder->retain->doubtful = (uint32_t)(builder->queued - sure);
    reach_flagged(builder);
}

/* Depth-first over what is left; it ends in builder->stack, from its other end on, in the order in which its objects were
 * done with. The one that is done last of all reaches, of what nothing else reaches, the most: heads are found from there. */
static size_t order_unreachable(struct builder *builder, unsigned char *seen, size_t *next)
{
    uint32_t *pending = builder->number_of, *done = builder->stack;
    size_t finished = 0;
    for (uint32_t i = 0; i < builder->count; i++) {
        size_t depth = 0;
        if (seen[i] || is_reached(builder, i))
            continue;
        seen[i] = 1;
        pending[depth++] = i;
        while (depth > 0) {
            uint32_t object = pending[depth - 1];
            if (next[object] == builder->out.first[object + 1]) {
                done[finished++] = object;
                depth--;
                continue;
            }
            uint32_t to = builder->profile->edges[builder->out.edges[next[object]++]].to;
            if (!seen[to] && !is_reached(builder, to)) {
                seen[to] = 1;
                pending[depth++] = to;
            }
        }
    }
    return finished;
}

static void find_heads(struct builder *builder)
{
    unsigned char *seen = gci_memory_take(builder->count, 1);
    size_t *next = gci_memory_take(builder->count + 1, sizeof *next);
    memcpy(next, builder->out.first, builder->count * sizeof *next);
    size_t finished = order_unreachable(builder, seen, next);
    while (finished > 0) {
        uint32_t object = builder->stack[--finished];
        size_t before = builder->queued;
        if (is_reached(builder, object))
            continue;
        reach(builder, object, RETAIN_NONE, RETAIN_NONE, RETAIN_HEAD);
        spread(builder, before, true, 0);
    }
    free(seen);
    free(next);
}

static void sum_up(struct builder *builder)
{
    struct retain *retain = builder->retain;
    for (uint32_t i = 0; i < builder->count; i++) {
        bool reachable = (retain->marks[i] & RETAIN_REACHABLE) != 0;
        *(reachable ? &retain->reachable : &retain->unreachable) += 1;
        *(reachable ? &retain->reachable_bytes : &retain->unreachable_bytes) += builder->profile->objects[i].bytes;
    }
}

/* ---- Order ---- */

/* Edges that count: not from what is unreachable into what is reachable. */
static bool counts(const struct builder *builder, uint32_t from, uint32_t to)
{
    const unsigned char *marks = builder->retain->marks;
    return (marks[from] & RETAIN_REACHABLE) != 0 || (marks[to] & RETAIN_REACHABLE) == 0;
}

static void number_vertex(struct builder *builder, uint32_t *numbers, uint32_t vertex, uint32_t parent)
{
    builder->number_of[vertex] = *numbers;
    builder->vertex_at[*numbers] = vertex;
    builder->parent[*numbers] = parent;
    ++*numbers;
}

/* Numbers all that is reached from one object in depth-first order. */
static void number_from(struct builder *builder, uint32_t *numbers, size_t *next, uint32_t object)
{
    size_t depth = 0;
    number_vertex(builder, numbers, object + 1, 0);
    builder->stack[depth++] = object;
    while (depth > 0) {
        uint32_t from = builder->stack[depth - 1];
        if (next[from] == builder->out.first[from + 1]) {
            depth--;
            continue;
        }
        uint32_t to = builder->profile->edges[builder->out.edges[next[from]++]].to;
        if (builder->number_of[to + 1] == RETAIN_NONE && counts(builder, from, to)) {
            number_vertex(builder, numbers, to + 1, builder->number_of[from + 1]);
            builder->stack[depth++] = to;
        }
    }
}

/* Whether a root, or nothing, leads to it directly. */
static bool is_start(const struct builder *builder, uint32_t object)
{
    return builder->retain->way[object] == RETAIN_NONE || (builder->retain->marks[object] & RETAIN_ROOTED) != 0;
}

static void number_all(struct builder *builder)
{
    uint32_t numbers = 0;
    size_t *next = gci_memory_take(builder->count + 1, sizeof *next);
    memcpy(next, builder->out.first, builder->count * sizeof *next);
    memset(builder->number_of, 0xff, ((size_t)builder->count + 1) * sizeof *builder->number_of);
    number_vertex(builder, &numbers, 0, 0);
    for (size_t i = 0; i < builder->profile->root_count; i++) {
        if (builder->number_of[builder->profile->roots[i].object + 1] == RETAIN_NONE)
            number_from(builder, &numbers, next, builder->profile->roots[i].object);
    }
    for (uint32_t i = 0; i < builder->count; i++) {
        if (builder->number_of[i + 1] == RETAIN_NONE && is_start(builder, i))
            number_from(builder, &numbers, next, i);
    }
    free(next);
}

/* ---- Dominators ---- */

/* The label of least semidominator between `number` and the part that is not yet linked, which begins below `linked`. */
static uint32_t evaluate(struct builder *builder, uint32_t number, uint32_t linked)
{
    uint32_t *parent = builder->parent, *label = builder->label, depth = 0;
    if (parent[number] < linked)
        return label[number];
    uint32_t at = number;
    do {
        builder->stack[depth++] = at;
        at = parent[at];
    } while (parent[at] >= linked);
    for (uint32_t upper = at; depth > 0; upper = at) {
        at = builder->stack[--depth];
        parent[at] = parent[upper];
        if (builder->semi[label[upper]] < builder->semi[label[at]])
            label[at] = label[upper];
    }
    return label[number];
}

static void lower_semi(struct builder *builder, uint32_t number, uint32_t from, uint32_t linked)
{
    uint32_t candidate = builder->semi[evaluate(builder, from, linked)];
    if (candidate < builder->semi[number])
        builder->semi[number] = candidate;
}

static void find_semidominators(struct builder *builder)
{
    for (uint32_t number = builder->count; number > 0; number--) {
        uint32_t object = builder->vertex_at[number] - 1;
        builder->semi[number] = builder->dominator[number];
        if (is_start(builder, object)) {
            builder->semi[number] = 0;
            continue;
        }
        for (size_t i = builder->in.first[object]; i < builder->in.first[object + 1]; i++) {
            uint32_t from = builder->profile->edges[builder->in.edges[i]].from;
            if (counts(builder, from, object))
                lower_semi(builder, number, builder->number_of[from + 1], number + 1);
        }
    }
}

static void find_dominators(struct builder *builder)
{
    struct retain *retain = builder->retain;
    for (uint32_t number = 0; number <= builder->count; number++) {
        builder->label[number] = number;
        builder->semi[number] = number;
        builder->dominator[number] = builder->parent[number];
    }
    find_semidominators(builder);
    for (uint32_t number = 1; number <= builder->count; number++) {
        uint32_t candidate = builder->dominator[number];
        while (candidate > builder->semi[number]) /* that of a smaller number, so it is final */
            candidate = builder->dominator[candidate];
        builder->dominator[number] = candidate;
    }
    for (uint32_t number = builder->count; number > 0; number--) {
        uint32_t object = builder->vertex_at[number] - 1, above = builder->dominator[number];
        retain->bytes[object] += builder->profile->objects[object].bytes;
        retain->objects[object]++;
        retain->dominator[object] = above == 0 ? RETAIN_NONE : builder->vertex_at[above] - 1;
        if (above != 0) {
            retain->bytes[retain->dominator[object]] += retain->bytes[object];
            retain->objects[retain->dominator[object]] += retain->objects[object];
        }
    }
}

/* ---- All together ---- */

static void forget_builder(struct builder *builder)
{
    free(builder->out.first);
    free(builder->out.edges);
    free(builder->in.first);
    free(builder->in.edges);
    free(builder->queue);
    free(builder->vertex_at);
    free(builder->number_of);
    free(builder->parent);
    free(builder->semi);
    free(builder->label);
    free(builder->dominator);
    free(builder->stack);
}

static void take_room(struct builder *builder)
{
    struct retain *retain = builder->retain;
    size_t count = builder->count, vertices = count + 1;
    uint32_t **const arrays[] = {&builder->queue, &builder->vertex_at, &builder->number_of, &builder->parent,
                                 &builder->semi,  &builder->label,     &builder->dominator, &builder->stack,
                                 &retain->way,    &retain->way_root,   &retain->dominator,  &retain->objects};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        *arrays[i] = gci_memory_take(vertices, sizeof(uint32_t));
    memset(retain->way, 0xff, count * sizeof *retain->way);
    memset(retain->way_root, 0xff, count * sizeof *retain->way_root);
    retain->bytes = gci_memory_take(count, sizeof *retain->bytes);
    retain->marks = gci_memory_take(count, sizeof *retain->marks);
}

void gci_retain_make(struct retain *retain, const struct profile *profile)
{
    *retain = (struct retain){.profile = profile};
    struct builder builder = {.retain = retain, .profile = profile, .count = (uint32_t)profile->object_count};
    take_room(&builder);
    make_fan(&builder.out, profile, true);
    make_fan(&builder.in, profile, false);
    find_reachable(&builder);
    find_heads(&builder);
    sum_up(&builder);
    number_all(&builder);
    find_dominators(&builder);
    forget_builder(&builder);
}

void gci_retain_forget(struct retain *retain)
{
    free(retain->dominator);
    free(retain->bytes);
    free(retain->objects);
    free(retain->way);
    free(retain->way_root);
    free(retain->marks);
    *retain = (struct retain){0};
}

uint32_t *gci_retain_way(const struct retain *retain, uint32_t object, size_t *count)
{
    size_t length = 1;
    for (uint32_t at = object; retain->way[at] != RETAIN_NONE; at = retain->profile->edges[retain->way[at]].from)
        length++;
    uint32_t *way = gci_memory_take(length, sizeof *way);
    *count = length;
    way[--length] = object;
    for (; length > 0; length--)
        way[length - 1] = retain->profile->edges[retain->way[way[length]]].from;
    return way;
}
