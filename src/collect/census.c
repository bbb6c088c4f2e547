/* SPDX-License-Identifier: MIT */
/* Implementation of collect/census.h: a hash table with open addresses that grows, then sorted in place. */
#include "collect/census.h"

#include <errno.h>

#include "base/bits.h"
#include "collect/cycle.h"
#include "collect/graph.h"
#include "heap/special/counted.h"
#include "platform/vm.h"

#define ROWS_FIRST ((size_t)256)

struct taking {
    enum census_question question;
    struct census_row *rows; /* key 0: none */
    size_t capacity;         /* a power of two */
    size_t count;
    bool has_failed;
};

static size_t bytes_of(size_t capacity)
{
    return capacity * sizeof(struct census_row);
}

/* The place of the key, or where it would go. */
static struct census_row *place_of(struct census_row *rows, size_t capacity, uintptr_t key)
{
    size_t at = (key * GOLDEN_ODD >> 32) & (capacity - 1);
    while (rows[at].key != 0 && rows[at].key != key)
        at = (at + 1) & (capacity - 1);
    return &rows[at];
}

static bool grow(struct taking *taking)
{
    size_t capacity = taking->capacity == 0 ? ROWS_FIRST : 2 * taking->capacity;
    struct census_row *larger = gci_vm_map(bytes_of(capacity));
    if (larger == NULL)
        return false;
    for (size_t i = 0; i < taking->capacity; i++)
        if (taking->rows[i].key != 0)
            *place_of(larger, capacity, taking->rows[i].key) = taking->rows[i];
    gci_vm_unmap(taking->rows, bytes_of(taking->capacity));
    taking->rows = larger;
    taking->capacity = capacity;
    return true;
}

static uintptr_t type_key(struct object object)
{
    static const uint8_t of_kind[KIND_COUNT] = {
        [KIND_SCANNED] = CENSUS_SCANNED, [KIND_ATOMIC] = CENSUS_ATOMIC, [KIND_UNCOLLECTABLE] = CENSUS_UNCOLLECTABLE};
    const struct counted *counted = (const struct counted *)object.start; // NOLINT(performance-no-int-to-ptr)
    if (object.kind != KIND_HEADED)
        return of_kind[object.kind];
    if (counted_state(counted) == COUNTED_TYPED)
        return CENSUS_TYPED;
    return counted_type(counted) == NULL ? CENSUS_UNNAMED : counted_type_word(counted);
}

static size_t bytes_for_program(struct object object)
{
    return object.bytes - (object.kind == KIND_HEADED ? COUNTED_HEADER_BYTES : 0);
}

/* A size of 0, of a header alone, is no key. */
static uintptr_t key_of(const struct taking *taking, struct object object)
{
    return taking->question == CENSUS_TYPES ? type_key(object) : bytes_for_program(object) + 1;
}

static void add_object(void *data, struct object object)
{
    struct taking *taking = data;
    if (taking->has_failed || (4 * taking->count >= 3 * taking->capacity && !grow(taking))) {
        taking->has_failed = true;
        return;
    }
    struct census_row *row = place_of(taking->rows, taking->capacity, key_of(taking, object));
    taking->count += row->key == 0;
    row->key = key_of(taking, object);
    row->objects++;
    row->bytes += bytes_for_program(object);
}

static bool comes_before(const struct taking *taking, const struct census_row *one, const struct census_row *other)
{
    if (taking->question == CENSUS_SIZES || one->bytes == other->bytes)
        return one->key < other->key;
    return one->bytes > other->bytes;
}

static void sift(const struct taking *taking, size_t at, size_t count)
{
    struct census_row *rows = taking->rows;
    for (size_t child = 2 * at + 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && comes_before(taking, &rows[child], &rows[child + 1]))
            child++;
        if (!comes_before(taking, &rows[at], &rows[child]))
            return;
        struct census_row moved = rows[at];
        rows[at] = rows[child];
        rows[child] = moved;
        at = child;
    }
}

/* Heapsort (Knuth, The Art of Computer Programming 3, 5.2.3): in place, and never slow. */
static void sort(const struct taking *taking)
{
    for (size_t i = taking->count / 2; i-- > 0;)
        sift(taking, i, taking->count);
    for (size_t end = taking->count; end-- > 1;) {
        struct census_row last = taking->rows[end];
        taking->rows[end] = taking->rows[0];
        taking->rows[0] = last;
        sift(taking, 0, end);
    }
}

static void close_ranks(struct taking *taking)
{
    size_t count = 0;
    for (size_t i = 0; i < taking->capacity; i++)
        if (taking->rows[i].key != 0)
            taking->rows[count++] = taking->rows[i];
    for (size_t i = 0; i < count && taking->question == CENSUS_SIZES; i++)
        taking->rows[i].key--;
}

static void look(const struct cycle_scene *scene, void *data)
{
    (void)scene;
    gci_graph_each_object(add_object, data);
}

int gci_census_take(enum census_question question, struct census_answer *answer)
{
    struct taking taking = {.question = question};
    const struct cycle_look at = {.look = look, .data = &taking};
    bool has_looked = gci_cycle_look(&at);
    close_ranks(&taking);
    sort(&taking);
    *answer = (struct census_answer){taking.rows, taking.count, bytes_of(taking.capacity)};
    if (has_looked && !taking.has_failed)
        return 0;
    gci_census_forget(answer);
    return has_looked ? ENOMEM : EAGAIN;
}

void gci_census_forget(struct census_answer *answer)
{
    gci_vm_unmap(answer->rows, answer->mapped_bytes);
    *answer = (struct census_answer){0};
}
