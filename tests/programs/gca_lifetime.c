/* SPDX-License-Identifier: MIT */
/* gcalloc.h: finalizers, weak links, ephemerons, layouts, and the heap as a graph. */
#include "check.h"

#include <gcalloc/rc.h>
#include <stdlib.h>
#include <sys/mman.h>

struct pair {
    void *first;
    void *second;
    size_t number;
};

static size_t calls;
static size_t order_errors;
static size_t parent_calls;

static void count_call(void *object, void *data)
{
    const struct pair *pair = object;
    CHECK(gca_base(object) == object && data != NULL && *(size_t *)data == pair->number);
    CHECK(pair->first == NULL || gca_base(pair->first) == pair->first);
    calls++;
}

static void parent_first(void *object, void *data)
{
    struct pair *pair = object;
    (void)data;
    if (pair->first != NULL)
        parent_calls++;
    else
        order_errors += pair->number == 0; /* a child whose parent has not been told yet */
    if (pair->first != NULL)
        ((struct pair *)pair->first)->number = 1;
}

static NOINLINE void make_finalized(size_t count, gca_finalizer finalizer, int (*set)(void *, gca_finalizer, void *))
{
    for (size_t i = 0; i < count; i++) {
        struct pair *pair = gca_malloc(sizeof *pair);
        size_t *data = gca_malloc(sizeof *data);
        pair->number = *data = i;
        pair->first = gca_malloc(40);
        CHECK(set(pair, finalizer, data) == 0);
    }
}

static void test_finalizers(void)
{
    calls = 0;
    make_finalized(HIDDEN_COUNT, count_call, gca_finalizer_set);
    collect_cleanly();
    CHECK(calls >= ALL_BUT_STRAYS && calls <= HIDDEN_COUNT);
    size_t before = calls;
    collect_cleanly();
    collect_cleanly();
    CHECK(calls <= HIDDEN_COUNT && calls - before <= ONLY_STRAYS);
    calls = 0;
    make_finalized(HIDDEN_COUNT, count_call, gca_finalizer_set_unordered);
    collect_cleanly();
    CHECK(calls >= ALL_BUT_STRAYS);
    struct pair *pair = gca_malloc(sizeof *pair);
    calls = 0;
    CHECK(gca_finalizer_set(pair, count_call, pair) == 0 && gca_finalizer_set(&calls, count_call, NULL) == EINVAL);
    gca_free(pair);
    collect_cleanly();
    CHECK(calls <= ONLY_STRAYS);
}

static NOINLINE void make_parents(void)
{
    for (size_t i = 0; i < HIDDEN_COUNT; i++) {
        struct pair *child = gca_malloc(sizeof *child);
        struct pair *parent = gca_malloc(sizeof *parent);
        parent->first = child;
        parent->number = 2;
        CHECK(gca_finalizer_set(child, parent_first, NULL) == 0 && gca_finalizer_set(parent, parent_first, NULL) == 0);
    }
}

static void test_order(void)
{
    make_parents();
    collect_cleanly();
    CHECK(parent_calls >= ALL_BUT_STRAYS && order_errors == 0);
    collect_cleanly();
    CHECK(order_errors == 0);
}

static void *slots[HIDDEN_COUNT];

static NOINLINE void make_links(struct pair **kept)
{
    for (size_t i = 0; i < HIDDEN_COUNT; i++) {
        slots[i] = gca_malloc(48);
        CHECK(gca_weak_link(&slots[i], slots[i]) == 0);
        if (i < HIDDEN_COUNT / 2)
            kept[i] = slots[i];
    }
}

/* The memory of a slot goes, or can no longer be written, before its object does. */
static void test_slots_that_go(void)
{
    struct hidden hidden;
    for (size_t i = 0; i < 4; i++) {
        void **slot = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        *slot = gca_malloc(48);
        hide(&hidden, i, *slot);
        CHECK(gca_weak_link(slot, *slot) == 0);
        if (i % 2 == 0)
            munmap(slot, 4096);
        else
            mprotect(slot, 4096, PROT_READ);
        if (i >= 2)
            gca_free(shown(&hidden, i));
        collect_cleanly();
        CHECK(i % 2 == 0 || *slot == shown(&hidden, i));
        CHECK(i != 1 || gca_base(*slot) == *slot); /* an ordinary variable now */
    }
}

static void test_links(void)
{
    static struct pair *kept[HIDDEN_COUNT];
    size_t cleared = 0;
    make_links(kept);
    collect_cleanly();
    for (size_t i = 0; i < HIDDEN_COUNT; i++) {
        CHECK(kept[i] == NULL || slots[i] == kept[i]);
        cleared += slots[i] == NULL;
    }
    CHECK(cleared >= ALL_BUT_STRAYS / 2 && cleared <= HIDDEN_COUNT / 2);
    gca_free(kept[0]);
    CHECK(slots[0] == NULL);
    CHECK(gca_weak_unlink(&slots[2]) == 0 && gca_weak_unlink(&slots[2]) == ENOENT && slots[2] == kept[2]);
    CHECK(gca_weak_unlink(NULL) == ENOENT && gca_weak_link(NULL, kept[2]) == EINVAL &&
          gca_weak_link(&slots[2], &cleared) == EINVAL);
    memset(kept, 0, sizeof kept);
    memset(slots, 0, sizeof slots);
}

/* Slots in blocks that are freed, or collected, and whose places others take: pointers there are ordinary again. */
static void **holders[HIDDEN_COUNT];

static NOINLINE void link_from_blocks(bool frees)
{
    for (size_t i = 0; i < HIDDEN_COUNT; i++) {
        holders[i] = gca_malloc(208);
        holders[i][3] = slots[i];
        CHECK(gca_weak_link(&holders[i][3], slots[i]) == 0);
    }
    for (size_t i = 0; i < HIDDEN_COUNT; i++) {
        if (frees)
            gca_free(holders[i]);
        holders[i] = NULL;
    }
}

static NOINLINE void hold_strongly(void)
{
    for (size_t i = 0; i < HIDDEN_COUNT; i++) {
        holders[i] = gca_malloc(208);
        holders[i][3] = slots[i];
        slots[i] = NULL;
    }
}

static void test_links_in_blocks(bool frees)
{
    for (size_t i = 0; i < HIDDEN_COUNT; i++)
        slots[i] = gca_malloc(48);
    link_from_blocks(frees);
    if (!frees)
        collect_cleanly();
    hold_strongly();
    collect_cleanly();
    for (size_t i = 0; i < HIDDEN_COUNT; i++)
        CHECK(holders[i][3] != NULL);
    memset(holders, 0, sizeof holders);
}

static NOINLINE void make_ephemerons(gca_ephemeron **ephemerons, struct pair **kept)
{
    for (size_t i = 0; i < HIDDEN_COUNT; i++) {
        struct pair *key = gca_malloc(sizeof *key);
        struct pair *value = gca_malloc(sizeof *value);
        value->first = key; /* an ordinary table would keep both for ever */
        value->number = i;
        ephemerons[i] = gca_ephemeron_new(key, value);
        CHECK(ephemerons[i] != NULL && gca_ephemeron_key(ephemerons[i]) == key);
        if (i < HIDDEN_COUNT / 2)
            kept[i] = key;
    }
}

static void test_ephemerons(void)
{
    static gca_ephemeron *ephemerons[HIDDEN_COUNT];
    static struct pair *kept[HIDDEN_COUNT];
    size_t gone = 0;
    make_ephemerons(ephemerons, kept);
    collect_cleanly();
    for (size_t i = 0; i < HIDDEN_COUNT; i++) {
        struct pair *value = gca_ephemeron_value(ephemerons[i]);
        CHECK(kept[i] == NULL || (value != NULL && gca_base(value) == value && value->number == i));
        gone += gca_ephemeron_key(ephemerons[i]) == NULL && value == NULL;
    }
    CHECK(gone >= ALL_BUT_STRAYS / 2 && gone <= HIDDEN_COUNT / 2);
    gca_free(kept[0]);
    CHECK(gca_ephemeron_value(ephemerons[0]) == NULL);
    CHECK(gca_ephemeron_new(&gone, NULL) == NULL && errno == EINVAL);
    CHECK(gca_ephemeron_key(NULL) == NULL && gca_ephemeron_value(NULL) == NULL);
    gca_free(ephemerons[2]);
    memset(ephemerons, 0, sizeof ephemerons);
    memset(kept, 0, sizeof kept);
    collect_cleanly();
}

/* Each value leads to the next key, itself or over another block. Marking all of it takes time in proportion: with a look at all
 * ephemerons for each link this test would not end. */
#define LINKS 30000

static gca_ephemeron **chain; /* in a block, where the address of an ephemeron keeps no neighbour */
static void *volatile chain_first;

static NOINLINE void make_chain(void)
{
    struct pair *key = gca_malloc(sizeof *key);
    chain_first = key;
    chain = gca_calloc(LINKS, sizeof *chain);
    for (size_t i = 0; i < LINKS; i++) {
        struct pair *value = gca_malloc(sizeof *value);
        struct pair *next = i % 3 == 0 ? value->first = gca_malloc_atomic(sizeof *next) : value;
        void *place = gca_ephemeron_new(key, value);
        CHECK(place != NULL);
        chain[i * 7919 % LINKS] = place; /* a prime that does not divide it: all places, in another order */
        key = next;
    }
}

static NOINLINE size_t count_chain(void)
{
    size_t count = 0;
    for (size_t i = 0; i < LINKS; i++)
        count += gca_ephemeron_key(chain[i]) != NULL && gca_ephemeron_value(chain[i]) != NULL;
    return count;
}

static void test_long_chain(void)
{
    make_chain();
    collect_cleanly();
    CHECK(chain_first != NULL && count_chain() == LINKS);
    chain_first = NULL;
    collect_cleanly();
    collect_cleanly();
    CHECK(count_chain() <= LINKS / 10); /* a stray word keeps the rest of the chain behind it */
    chain = NULL;
}

/* What only an object with a finalizer refers to weakly: its key, which nobody has, or the object itself. */
struct noted {
    gca_ephemeron *gone;
    gca_ephemeron *own;
    gca_weak_t weak;
};

static size_t noted_calls;

static void look_at_notes(void *object, void *data)
{
    struct noted *noted = object;
    (void)data;
    CHECK(gca_ephemeron_key(noted->gone) == NULL && gca_ephemeron_value(noted->gone) == NULL);
    CHECK(gca_ephemeron_key(noted->own) == noted && is_filled(gca_ephemeron_value(noted->own), 7, 24));
    CHECK(gca_weak_get(&noted->weak) == NULL);
    noted_calls++;
}

static NOINLINE void make_noted(void)
{
    struct noted *noted = gca_malloc(sizeof *noted);
    void *counted = gca_rc_new(40, NULL); /* never released */
    noted->own = gca_ephemeron_new(noted, memset(gca_malloc(24), 7, 24));
    noted->gone = gca_ephemeron_new(gca_malloc(40), NULL);
    CHECK(noted->own != NULL && noted->gone != NULL && gca_weak_init(&noted->weak, counted) == 0);
    CHECK(gca_finalizer_set(noted, look_at_notes, NULL) == 0);
}

static void test_notes_of_what_goes(void)
{
    for (int i = 0; i < HIDDEN_COUNT; i++)
        make_noted();
    collect_cleanly();
    CHECK(noted_calls >= ALL_BUT_STRAYS);
}

struct typed {
    struct typed *next;
    uintptr_t number; /* looks like a pointer, and is none */
};
GCA_LAYOUT(typed_layout, struct typed, offsetof(struct typed, next));

static NOINLINE struct typed *make_typed(struct hidden *linked, struct hidden *named)
{
    struct typed *list = NULL;
    for (size_t i = 0; i < HIDDEN_COUNT; i++) {
        struct typed *typed = gca_malloc_typed(sizeof *typed, &typed_layout);
        CHECK(typed != NULL && typed->next == NULL);
        void *other = gca_malloc(56);
        typed->next = list;
        typed->number = (uintptr_t)other;
        hide(linked, i, typed);
        hide(named, i, other);
        list = typed;
    }
    return list;
}

/* A stray word that points at one of them is not to keep the rest. */
static NOINLINE void drop_typed(struct typed *list)
{
    for (struct typed *next; list != NULL; list = next) {
        next = list->next;
        list->next = NULL;
    }
}

#define LONG_LIST 1000000

/* Of any length, in time that grows with it: half a second; the square of it would be a quarter of an hour. */
static void test_long_typed_list(void)
{
    static struct typed *volatile list;
    size_t length = getenv("GCALLOC_TORTURE") == NULL ? LONG_LIST : 1000;
    for (size_t i = 0; i < length; i++) {
        struct typed *typed = gca_malloc_typed(sizeof *typed, &typed_layout);
        typed->next = list;
        typed->number = i;
        list = typed;
    }
    collect_cleanly();
    for (struct typed *typed = list; typed != NULL; typed = typed->next)
        CHECK(typed->number == --length);
    CHECK(length == 0);
    list = NULL;
}

/* Counted objects have layouts too; large ones are looked at unit by unit. */
static const size_t wide_offsets[] = {0, 120};
static const gca_layout wide_layout = {128, 2, wide_offsets};
static const gca_type wide_type = {.name = "wide", .layout = &wide_layout};

static NOINLINE void fill_wide(void **words, size_t count, struct hidden *seen, struct hidden *unseen)
{
    gca_disable(); /* or a place of the unseen may be another's by the end */
    for (size_t i = 0; i < HIDDEN_COUNT / 2; i++) {
        size_t element = i * (count / 16 - 1) / (HIDDEN_COUNT / 2) * 16;
        words[element] = gca_malloc(24);
        words[element + 15] = gca_malloc(24);
        words[element + 7] = gca_malloc(24); /* not in the layout */
        hide(seen, 2 * i, words[element]);
        hide(seen, 2 * i + 1, words[element + 15]);
        hide(unseen, 2 * i, words[element + 7]);
        hide(unseen, 2 * i + 1, words[element + 7]);
    }
    gca_enable();
}

static void test_large_layouts(void)
{
    static struct hidden seen;
    static struct hidden unseen;
    static void **volatile typed;
    static void **volatile counted;
    static const size_t odd[] = {4};
    static const gca_layout wrong = {16, 1, odd};
    static const gca_type wrong_type = {.layout = &wrong};
    typed = gca_malloc_typed(1000000, &wide_layout);
    fill_wide(typed, 1000000 / 8, &seen, &unseen);
    collect_cleanly();
    CHECK(count_living(&seen) == HIDDEN_COUNT && count_living(&unseen) <= ONLY_STRAYS);
    counted = gca_rc_new(500000, &wide_type);
    fill_wide(counted, 500000 / 8, &seen, &unseen);
    collect_cleanly();
    CHECK(count_living(&seen) == HIDDEN_COUNT && count_living(&unseen) <= ONLY_STRAYS);
    gca_release(counted);
    gca_free(typed);
    counted = typed = NULL;
    errno = 0;
    CHECK(gca_rc_new(16, &wrong_type) == NULL && errno == EINVAL);
}

static size_t typed_calls;

static void count_typed(void *object, void *data)
{
    (void)data;
    CHECK(gca_base(object) == object && gca_usable_size(object) >= sizeof(struct typed));
    typed_calls++;
}

static void test_typed_like_others(void)
{
    struct typed *typed = gca_malloc_typed(sizeof *typed, &typed_layout);
    CHECK(gca_base((char *)typed + 9) == typed && gca_usable_size(typed) >= sizeof *typed);
    CHECK(gca_finalizer_set(typed, count_typed, NULL) == 0);
    gca_free(typed);
    for (int i = 0; i < HIDDEN_COUNT; i++) {
        typed = gca_malloc_typed(sizeof *typed, &typed_layout);
        CHECK(gca_finalizer_set(typed, count_typed, NULL) == 0);
    }
    collect_cleanly();
    CHECK(typed_calls >= ALL_BUT_STRAYS && typed_calls <= HIDDEN_COUNT);
}

static void test_typed(void)
{
    static struct hidden linked;
    static struct hidden named;
    static struct typed *volatile list;
    static const size_t odd[] = {4};
    static const size_t even[] = {0};
    static const gca_layout wrong = {16, 1, odd};
    static const gca_layout endless = {SIZE_MAX - 7, 1, even}; /* the next element is in front of this one */
    static const gca_layout long_layout = {PTRDIFF_MAX - 7, 1, even};
    list = make_typed(&linked, &named);
    collect_cleanly();
    CHECK(list != NULL && count_living(&linked) == HIDDEN_COUNT && count_living(&named) <= ONLY_STRAYS);
    drop_typed(list);
    list = NULL;
    collect_cleanly();
    CHECK(count_living(&linked) <= ONLY_STRAYS);
    errno = 0;
    CHECK(gca_malloc_typed(16, &wrong) == NULL && errno == EINVAL);
    errno = 0;
    CHECK(gca_malloc_typed(16, &endless) == NULL && errno == EINVAL);
    CHECK(gca_malloc_typed(16, &long_layout) != NULL);
    collect_cleanly();
    void *freed = gca_malloc_typed(sizeof(struct typed), &typed_layout);
    gca_free(freed);
    static struct typed *volatile grown;
    grown = gca_malloc_typed(sizeof(struct typed), &typed_layout);
    grown->next = gca_malloc_typed(sizeof(struct typed), &typed_layout);
    grown = gca_realloc(grown, 5000); /* scanned like any block from here on */
    hide(&linked, 0, grown->next);
    collect_cleanly();
    CHECK(gca_base(shown(&linked, 0)) == grown->next && grown->number == 0);
}

/* ---- Freezing ----------------------------------------------------------------------------------------------------- */

static void *frozen[HIDDEN_COUNT];

static NOINLINE void make_frozen(struct hidden *hidden)
{
    for (size_t i = 0; i < HIDDEN_COUNT; i++) {
        frozen[i] = gca_malloc(i % 2 == 0 ? 24 : 100000);
        hide(hidden, i, frozen[i]);
    }
}

static bool count_object(const struct gca_object *object, void *count)
{
    (void)object;
    ++*(size_t *)count;
    return true;
}

static NOINLINE void *first_word(struct hidden *hidden)
{
    return *(void **)shown(hidden, 0);
}

static void test_freeze(void)
{
    static struct hidden hidden;
    size_t length = 0;
    make_frozen(&hidden);
    *(void **)frozen[0] = gca_malloc(40);
    CHECK(gca_freeze() == 0);
    memset(frozen, 0, sizeof frozen);
    collect_cleanly();
    void *child = first_word(&hidden);
    overwrite_stack();
    CHECK(gca_path_to_root(child, count_object, &length) == 0 && length == 2);
    CHECK(count_living(&hidden) == HIDDEN_COUNT);
    gca_free(shown(&hidden, 0));
    gca_free(shown(&hidden, 1));
    CHECK(count_living(&hidden) == HIDDEN_COUNT - 2);
    CHECK(gca_unfreeze() == 0);
    collect_cleanly();
    CHECK(count_living(&hidden) <= ONLY_STRAYS);
}

/* A block, as static words would keep the neighbours of what they point at. */
static void **half_frozen;

static NOINLINE void make_in_holes(struct hidden *hidden)
{
    for (size_t i = 0; i < 4 * HIDDEN_COUNT; i += 2)
        gca_free(gca_steal(&half_frozen[i]));
    for (size_t i = 0; i < HIDDEN_COUNT; i++)
        hide(hidden, i, gca_malloc(24));
}

/* An object that is made where a frozen one was freed is collected like any. */
static void test_freeze_ends(void)
{
    static struct hidden hidden;
    half_frozen = GCA_NEW_ARRAY(void *, 4 * HIDDEN_COUNT);
    for (size_t i = 0; i < 4 * HIDDEN_COUNT; i++)
        half_frozen[i] = gca_malloc(24);
    CHECK(gca_freeze() == 0);
    make_in_holes(&hidden);
    collect_cleanly();
    CHECK(count_living(&hidden) <= ONLY_STRAYS);
    CHECK(gca_unfreeze() == 0);
    half_frozen = NULL;
}

/* ---- Graph -------------------------------------------------------------------------------------------------------- */

struct seen {
    const void *wanted;
    size_t count;
    bool found;
    const void *objects[16];
};

static bool see(const struct gca_object *object, void *data)
{
    struct seen *seen = data;
    seen->found = seen->found || object->address == seen->wanted;
    if (seen->count < 16)
        seen->objects[seen->count] = object->address;
    seen->count++;
    CHECK(object->bytes > 0);
    void *volatile allocated = gca_malloc(16); /* a callback may do anything */
    CHECK(allocated != NULL);
    return true;
}

static bool see_type(const struct gca_object *object, void *data)
{
    *(bool *)data = *(bool *)data || (object->type_name != NULL && strcmp(object->type_name, "graph node") == 0);
    return true;
}

static struct pair *volatile graph_root;

static void test_graph(void)
{
    static const gca_type type = {.name = "graph node"};
    struct pair *root = gca_malloc(sizeof *root);
    struct pair *middle = gca_malloc(sizeof *middle);
    void *leaf = gca_malloc_atomic(100);
    void *counted = gca_rc_new(32, &type);
    bool has_type = false;
    root->first = middle;
    root->second = counted;
    middle->second = leaf;
    graph_root = root;
    struct seen all = {.wanted = leaf};
    CHECK(gca_walk(see, &all) == 0 && all.found && all.count >= 4);
    CHECK(gca_walk(see_type, &has_type) == 0 && has_type);
    struct seen below = {.wanted = counted};
    CHECK(gca_referents(root, see, &below) == 0 && below.found && below.count == 2);
    struct seen above = {.wanted = middle};
    CHECK(gca_referrers(leaf, see, &above) == 0 && above.found);
    struct seen path = {.wanted = leaf};
    CHECK(gca_path_to_root(leaf, see, &path) == 0 && path.found && path.count >= 2);
    CHECK(path.objects[path.count - 1] == leaf && path.objects[path.count - 2] == middle);
    CHECK(gca_referents(&all, see, &all) == EINVAL && gca_path_to_root(NULL, see, &all) == EINVAL);
    gca_release(counted);
}

int main(void)
{
    test_finalizers();
    test_order();
    test_links();
    test_slots_that_go();
    test_links_in_blocks(true);
    test_links_in_blocks(false);
    test_ephemerons();
    test_long_chain();
    test_notes_of_what_goes();
    test_typed();
    test_long_typed_list();
    test_large_layouts();
    test_typed_like_others();
    test_freeze();
    test_freeze_ends();
    test_graph();
    return check_result();
}
