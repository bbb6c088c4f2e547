/* SPDX-License-Identifier: MIT */
/* Whatever the library calls back may call the library: allocate, free, collect, count, ask about the heap. None of it blocks,
 * while other threads ask and collect, and a limit of time ends the program if something does. And what the questions answer.
 */
#include "check.h"

#include <gcalloc/rc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_MAX 100
#define SECONDS_OF_CHILD 30
#define FORKS 10
#define ASKS_ONE_IN 8 /* of the ends of objects, of which there are many; each stops the world five times */
#define DROPPED 180   /* cycles of two counted objects, and blocks with a finalizer; a few stray words keep some */

struct thing {
    struct thing *other;
    int number;
};

static _Thread_local size_t calls;
static _Thread_local size_t events; /* not by `calls`: what came due late calls too, on whatever thread */
static atomic_size_t calls_of_all;
static atomic_bool is_over;
static _Thread_local int depth;
static void thing_destroy(void *object);
static const gca_type thing_type = {.name = "thing", .destroy = thing_destroy};
static const gca_type plain_type = {.name = "plain"};
static const gca_type nameless_type = {.name = NULL};

static bool count_object(const struct gca_object *object, void *count)
{
    (void)object;
    ++*(size_t *)count;
    return true;
}

static bool count_row(const struct gca_census_row *row, void *count)
{
    *(size_t *)count += row->objects;
    return row->bytes > 0 || row->objects > 0;
}

static void finalize_nothing(void *object, void *data)
{
    (void)object;
    (void)data;
}

static void allocate_and_count(void)
{
    calls++;
    atomic_fetch_add(&calls_of_all, 1);
    void *block = gca_malloc(100);
    CHECK(block != NULL && gca_finalizer_set(block, finalize_nothing, NULL) == 0);
    CHECK((block = gca_realloc(block, 5000)) != NULL);
    gca_free(block);
    struct thing *object = gca_rc_new(sizeof *object, &plain_type);
    gca_weak_t weak;
    CHECK(gca_weak_init(&weak, object) == 0);
    gca_release(gca_retain(object));
    gca_release(object);
    CHECK(gca_weak_get(&weak) == NULL);
}

/* Everything there is, short of what the callback itself forbids. */
static void use_library(void)
{
    size_t count = 0;
    allocate_and_count();
    void *block = gca_malloc(100);
    CHECK(gca_is_reachable(block));
    gca_free(block);
    CHECK(gca_walk(count_object, &count) == 0 && count > 0);
    CHECK(gca_census_types(count_row, &count) == 0 && gca_census_sizes(count_row, &count) == 0);
    struct gca_stats stats = {.size = sizeof stats};
    gca_stats_get(&stats);
    gca_collect();
    gca_finalize_run();
}

static void use_library_at_end(void)
{
    bool is_outermost = depth++ == 0;
    if (is_outermost && calls % ASKS_ONE_IN == 0)
        use_library();
    else if (is_outermost)
        allocate_and_count();
    depth--;
}

static void thing_destroy(void *object)
{
    use_library_at_end();
    gca_clear(&((struct thing *)object)->other);
}

static void finalize(void *object, void *data)
{
    (void)object;
    (void)data;
    use_library_at_end();
}

static bool look(const struct gca_object *object, void *left)
{
    (void)object;
    use_library();
    return --*(int *)left > 0;
}

static bool look_at_row(const struct gca_census_row *row, void *left)
{
    (void)row;
    use_library();
    return --*(int *)left > 0;
}

static void on_event(const struct gca_event *event, void *data)
{
    (void)data;
    if (event->kind != GCA_EVENT_CYCLE_END)
        return;
    events++;
    use_library();
}

static bool on_oom(size_t bytes)
{
    (void)bytes;
    use_library();
    CHECK(gca_malloc((size_t)1 << 60) == NULL && errno == ENOMEM);
    return false;
}

/* ---- Each of them ----------------------------------------------------------------------------------------------------- */

static void test_walks(void)
{
    int left = 3;
    void *block = gca_malloc(64);
    CHECK(gca_walk(look, &left) == 0 && left == 0);
    left = 1;
    CHECK(gca_path_to_root(block, look, &left) == 0 && left == 0);
    left = 2;
    CHECK(gca_census_types(look_at_row, &left) == 0 && left == 0);
    left = 2;
    CHECK(gca_census_sizes(look_at_row, &left) == 0 && left == 0);
}

static NOINLINE void drop(void)
{
    for (int i = 0; i < DROPPED; i++) {
        struct thing *one = gca_rc_new(sizeof *one, &thing_type);
        struct thing *two = gca_rc_new(sizeof *two, &thing_type);
        gca_set(&one->other, two);
        gca_set(&two->other, one);
        gca_release(one);
        gca_release(two);
        CHECK(gca_finalizer_set(gca_malloc(48), finalize, NULL) == 0);
    }
}

static void test_ends(void)
{
    size_t before = calls;
    gca_release(gca_rc_new(sizeof(struct thing), &thing_type));
    CHECK(calls == before + 1);
    size_t before_of_all = calls_of_all;
    drop();
    collect_cleanly();
    gca_finalize_run();
    CHECK(calls_of_all > before_of_all + DROPPED * 2 / 3);
}

static void test_events(void)
{
    size_t before = events;
    gca_on_event(on_event, NULL);
    gca_collect();
    CHECK(events == before + 1);
    for (int i = 0; i < 4000; i++)
        CHECK(gca_malloc(20000) != NULL);
    gca_on_event(NULL, NULL);
    CHECK(events >= before + 1);
}

static void test_out_of_memory(void)
{
    size_t before = calls;
    gca_on_oom(on_oom);
    CHECK(gca_malloc((size_t)1 << 60) == NULL && errno == ENOMEM);
    gca_on_oom(NULL);
    CHECK(calls <= before + 1);
}

/* ---- Meanwhile -------------------------------------------------------------------------------------------------------- */

static void *ask(void *unused)
{
    while (!atomic_load(&is_over)) {
        void *block = gca_malloc(40);
        size_t count = 0;
        CHECK(gca_is_reachable(block));
        CHECK(gca_census_types(count_row, &count) == 0 && count > 0);
        gca_collect();
        (void)unknown(block);
    }
    return unused;
}

static atomic_bool is_listening;

static void *listen_and_not(void *unused)
{
    while (atomic_load(&is_listening)) {
        for (int i = 0; i < 10000; i++) {
            gca_on_event(on_event, NULL);
            gca_on_event(NULL, NULL);
        }
        usleep(100); /* or the one that forks may never get the lock */
    }
    return unused;
}

/* Another thread changes the callback when the process forks: the child collects, and ends in time. */
static void test_fork(void)
{
    pthread_t thread;
    atomic_store(&is_listening, true);
    CHECK(pthread_create(&thread, NULL, listen_and_not, NULL) == 0);
    for (int i = 0; i < FORKS; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0) {
            alarm(SECONDS_OF_CHILD);
            gca_on_event(NULL, NULL);
            gca_collect();
            _exit(0);
        }
        CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
    }
    atomic_store(&is_listening, false);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* ---- What is answered ------------------------------------------------------------------------------------------------- */

struct wanted {
    size_t plain;
    size_t nameless;
    size_t typed;
    size_t uncollectable;
    size_t of_size;
    size_t size;
    size_t last_bytes;
    size_t last_size;
    bool is_sorted;
};

static bool note_type(const struct gca_census_row *row, void *data)
{
    struct wanted *wanted = data;
    CHECK(row->name != NULL && row->bytes_each == 0 && row->objects > 0);
    wanted->is_sorted &= row->bytes <= wanted->last_bytes;
    wanted->last_bytes = row->bytes;
    if (strcmp(row->name, "plain") == 0)
        wanted->plain += row->objects;
    if (strcmp(row->name, "unnamed") == 0)
        wanted->nameless += row->objects;
    if (strcmp(row->name, "typed") == 0)
        wanted->typed += row->objects;
    if (strcmp(row->name, "uncollectable") == 0)
        wanted->uncollectable += row->objects;
    return true;
}

static bool note_size(const struct gca_census_row *row, void *data)
{
    struct wanted *wanted = data;
    CHECK(row->name == NULL && row->bytes == row->objects * row->bytes_each);
    wanted->is_sorted &= wanted->last_size <= row->bytes_each;
    wanted->last_size = row->bytes_each + 1;
    if (row->bytes_each == wanted->size)
        wanted->of_size = row->objects;
    return true;
}

static struct wanted take(void)
{
    struct wanted wanted = {.last_bytes = SIZE_MAX, .is_sorted = true};
    CHECK(gca_census_types(note_type, &wanted) == 0);
    CHECK(wanted.is_sorted);
    wanted.size = gca_usable_size(gca_malloc(1000));
    CHECK(gca_census_sizes(note_size, &wanted) == 0);
    CHECK(wanted.is_sorted);
    return wanted;
}

static void test_census(void)
{
    static void *volatile kept[40];
    GCA_LAYOUT(layout, struct thing, offsetof(struct thing, other));
    gca_disable();
    struct wanted before = take();
    for (int i = 0; i < 40; i += 8) {
        kept[i] = gca_rc_new(16, &plain_type);
        kept[i + 1] = gca_rc_new(16, &nameless_type);
        kept[i + 2] = gca_rc_new(16, NULL);
        kept[i + 3] = gca_malloc_typed(sizeof(struct thing), &layout);
        kept[i + 4] = gca_malloc_uncollectable(64);
        kept[i + 5] = gca_malloc(1000);
        kept[i + 6] = gca_malloc_atomic(1000);
        kept[i + 7] = gca_malloc(100000);
    }
    struct wanted after = take();
    CHECK(after.plain == before.plain + 5 && after.nameless == before.nameless + 10);
    CHECK(after.typed == before.typed + 5 && after.uncollectable == before.uncollectable + 5);
    CHECK(kept[39] != NULL && after.of_size == before.of_size + 11); /* and the one that asked for the size */
    gca_enable();
}

static NOINLINE void drop_ordered_cycle(void)
{
    void **one = gca_malloc(16);
    void **two = gca_malloc(16);
    *one = two;
    *two = one;
    CHECK(gca_finalizer_set(one, finalize_nothing, NULL) == 0 && gca_finalizer_set(two, finalize_nothing, NULL) == 0);
}

static void test_figures(void)
{
    struct gca_stats before = {.size = sizeof before};
    struct gca_stats after = {.size = sizeof after};
    gca_stats_get(&before);
    for (int i = 0; i < 100; i++)
        drop_ordered_cycle();
    collect_cleanly();
    gca_stats_get(&after);
    CHECK(after.cycles_for_request == before.cycles_for_request + 1 && after.cycles > before.cycles);
    CHECK(after.finalizers_waiting >= before.finalizers_waiting + 180 && after.finalizers_waiting <= 220);
    CHECK(after.cycles_for_growth + after.cycles_for_limit + after.cycles_for_memory + after.cycles_for_request <=
          after.cycles);
    drop();
    collect_cleanly();
    before = after;
    gca_stats_get(&after);
    CHECK(after.finalizers_due >= before.finalizers_due + DROPPED * 7 / 3);
}

int main(void)
{
    pthread_t threads[2];
    alarm(SECONDS_MAX);
    /* What is told of collections is tested, not how soon a busy machine lets threads stop. */
    CHECK(gca_option_set("stop_deadline_ms", "10000") == 0);
    test_census();
    test_figures();
    test_fork();
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, ask, NULL) == 0);
    test_walks();
    test_ends();
    test_events();
    test_out_of_memory();
    atomic_store(&is_over, true);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    return check_result();
}
