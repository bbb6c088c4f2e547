/* SPDX-License-Identifier: MIT */
/* gcalloc.h, what lives: kinds of blocks, reachability, roots, threads. */
#include "check.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef void *(*maker)(size_t);

static struct hidden hidden;
static struct hidden holders;

static NOINLINE void make_hidden(maker make, size_t bytes)
{
    for (size_t i = 0; i < HIDDEN_COUNT; i++) {
        void *p = make(bytes);
        memset(p, 0x5a, bytes);
        hide(&hidden, i, p);
    }
}

static void *copy_string(size_t bytes)
{
    char text[64];
    memset(text, 'x', sizeof text);
    return gca_strndup(text, bytes < 64 ? bytes : 64);
}

static void *make_aligned(size_t bytes)
{
    return gca_aligned_alloc(64, bytes);
}

static void *make_array(size_t bytes)
{
    return gca_calloc(1, bytes);
}

static void test_unreachable_goes(void)
{
    const maker makers[] = {gca_malloc, gca_malloc_atomic, copy_string, make_aligned, make_array};
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        make_hidden(makers[i], 48);
        CHECK(count_living(&hidden) == HIDDEN_COUNT);
        CHECK(collect_cleanly() > 0);
        CHECK(count_living(&hidden) <= ONLY_STRAYS);
    }
}

static void test_uncollectable_stays(void)
{
    make_hidden(gca_malloc_uncollectable, 48);
    collect_cleanly();
    CHECK(count_living(&hidden) == HIDDEN_COUNT);
    for (size_t i = 0; i < HIDDEN_COUNT; i++)
        CHECK(is_filled(shown(&hidden, i), 0x5a, 48));
    CHECK(gca_is_reachable(shown(&hidden, 500)));
    for (size_t i = 0; i < HIDDEN_COUNT; i++)
        hide(&hidden, i, gca_realloc(shown(&hidden, i), i % 2 == 0 ? 400 : 50));
    collect_cleanly();
    CHECK(count_living(&hidden) == HIDDEN_COUNT);
    for (size_t i = 0; i < HIDDEN_COUNT; i++)
        gca_free(shown(&hidden, i));
    CHECK(count_living(&hidden) == 0);
}

/* ---- Blocks whose only pointer is in a holder of some kind ------------------------------------------------------- */

static void **holder_list;

static NOINLINE void make_held(maker make_holder, size_t holder_bytes, size_t index)
{
    holder_list = gca_calloc(HIDDEN_COUNT, sizeof *holder_list);
    for (size_t i = 0; i < HIDDEN_COUNT; i++) {
        void **holder = make_holder(holder_bytes);
        memset(holder, 0, holder_bytes);
        holder[index] = gca_malloc(64);
        hide(&hidden, i, holder[index]);
        hide(&holders, i, holder);
        holder_list[i] = holder;
    }
}

static void test_holders(void)
{
    make_held(gca_malloc, 48, 2);
    collect_cleanly();
    CHECK(count_living(&hidden) == HIDDEN_COUNT && count_living(&holders) == HIDDEN_COUNT);
    make_held(gca_malloc_uncollectable, 48, 2);
    holder_list = NULL;
    collect_cleanly();
    CHECK(count_living(&hidden) == HIDDEN_COUNT);
    for (size_t i = 0; i < HIDDEN_COUNT; i++)
        gca_free(shown(&holders, i));
    collect_cleanly();
    CHECK(count_living(&hidden) <= ONLY_STRAYS);
    make_held(make_aligned, 256, 31);
    collect_cleanly();
    CHECK(count_living(&hidden) == HIDDEN_COUNT);
}

static void test_atomic_holds_nothing(void)
{
    make_held(gca_malloc_atomic, 48, 2);
    collect_cleanly();
    CHECK(count_living(&hidden) <= ONLY_STRAYS && count_living(&holders) == HIDDEN_COUNT);
    make_held(gca_malloc_atomic, 40000, 2);
    collect_cleanly();
    CHECK(count_living(&hidden) <= ONLY_STRAYS && count_living(&holders) == HIDDEN_COUNT);
}

/* The kind of a block outlives its resizing: in place, to another class, to a large block. */
static NOINLINE void resize_holders(size_t bytes)
{
    for (size_t i = 0; i < HIDDEN_COUNT; i++) {
        holder_list[i] = gca_realloc(holder_list[i], bytes);
        hide(&holders, i, holder_list[i]);
    }
}

static void test_realloc_keeps_kind(void)
{
    static const size_t resized[] = {40, 48, 500, 33000};
    for (size_t i = 0; i < sizeof resized / sizeof *resized; i++) {
        make_held(gca_malloc_atomic, 48, 2);
        resize_holders(resized[i]);
        collect_cleanly();
        CHECK(count_living(&hidden) <= ONLY_STRAYS);
        make_held(gca_malloc, 48, 2);
        resize_holders(resized[i]);
        collect_cleanly();
        CHECK(count_living(&hidden) == HIDDEN_COUNT);
    }
    holder_list = NULL;
}

/* ---- gca_is_reachable -------------------------------------------------------------------------------------------- */

static char *volatile visible;

static void test_is_reachable(void)
{
    int local = 0;
    visible = gca_malloc(100);
    CHECK(gca_is_reachable(visible) && gca_is_reachable(visible + 99));
    make_held(gca_malloc, 48, 1);
    CHECK(gca_is_reachable(shown(&hidden, 700)));
    holder_list = NULL;
    overwrite_stack();
    CHECK(!gca_is_reachable(shown(&hidden, 700)));
    CHECK(gca_base(shown(&hidden, 700)) != NULL); /* the question frees nothing */
    CHECK(!gca_is_reachable(NULL) && !gca_is_reachable(&local) && !gca_is_reachable(unknown((void *)16)));
    void *freed = gca_malloc(100);
    gca_free(freed);
    CHECK(!gca_is_reachable(unknown(freed)));
}

/* ---- Roots ------------------------------------------------------------------------------------------------------- */

#define ROOT_BYTES (HIDDEN_COUNT * sizeof(void *))

static NOINLINE void make_in(void **words)
{
    for (size_t i = 0; i < HIDDEN_COUNT; i++) {
        words[i] = gca_malloc(48);
        hide(&hidden, i, words[i]);
    }
}

/* Shared memory with a file behind it is nothing that the collector looks at by itself. */
static void **map_shared_file(void)
{
    FILE *file = tmpfile();
    CHECK(file != NULL && ftruncate(fileno(file), 65536) == 0);
    void *words = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(file), 0);
    CHECK(words != MAP_FAILED);
    fclose(file);
    return words;
}

static void test_roots_added(void)
{
    void **words = map_shared_file();
    char *end = (char *)words + ROOT_BYTES;
    make_in(words);
    collect_cleanly();
    CHECK(count_living(&hidden) <= ONLY_STRAYS);
    CHECK(gca_roots_add(words, end) == 0);
    make_in(words);
    collect_cleanly();
    CHECK(count_living(&hidden) == HIDDEN_COUNT);
    CHECK(gca_roots_remove(words, end - 8) == ENOENT && gca_roots_remove(words + 1, end) == ENOENT);
    collect_cleanly();
    CHECK(count_living(&hidden) == HIDDEN_COUNT);
    CHECK(gca_roots_remove(words, end) == 0);
    CHECK(gca_roots_remove(words, end) == ENOENT);
    collect_cleanly();
    CHECK(count_living(&hidden) <= ONLY_STRAYS);
    CHECK(gca_roots_add(end, words) == EINVAL && gca_roots_exclude(end, words) == EINVAL);
    CHECK(gca_roots_add(words, words) == 0 && gca_roots_remove(words, words) == 0);
    munmap(words, 65536);
}

/* A range that cannot be read for a time must not harm anybody. */
static void test_unreadable_root(void)
{
    char *page = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    visible = gca_malloc(48);
    CHECK(gca_roots_add(page, page + 65536) == 0);
    make_hidden(gca_malloc, 48);
    CHECK(collect_cleanly() > 0);
    CHECK(count_living(&hidden) <= ONLY_STRAYS && gca_base(visible) == visible);
    CHECK(gca_roots_remove(page, page + 65536) == 0);
    munmap(page, 65536);
}

/* A range may be all numbers that there are: a collection looks at what is mapped, and ends. */
static void test_all_roots(void)
{
    void *all = (void *)UINTPTR_MAX;
    CHECK(gca_roots_add(NULL, all) == 0);
    make_hidden(gca_malloc, 48);
    collect_cleanly();
    CHECK(gca_roots_remove(NULL, all) == 0);
    collect_cleanly();
    CHECK(count_living(&hidden) <= ONLY_STRAYS);
}

static void test_roots_excluded(void)
{
    static void *in_data[HIDDEN_COUNT];
    void **mapped = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void **places[] = {in_data, mapped};
    for (size_t i = 0; i < 2; i++) {
        make_in(places[i]);
        collect_cleanly();
        CHECK(count_living(&hidden) == HIDDEN_COUNT);
        CHECK(gca_roots_exclude(places[i], places[i] + HIDDEN_COUNT) == 0);
        collect_cleanly();
        CHECK(count_living(&hidden) <= ONLY_STRAYS);
    }
}

/* ---- Threads ----------------------------------------------------------------------------------------------------- */

static pthread_barrier_t both;

static void *live_on_stack(void *data)
{
    CHECK(gca_thread_unregister() == ESRCH);
    CHECK(gca_thread_register() == 0 && gca_thread_register() == 0);
    CHECK(gca_thread_unregister() == 0);
    CHECK(gca_thread_unregister() == ESRCH);
    char *volatile mine = gca_malloc(48);
    memset(mine, 3, 48);
    CHECK(gca_thread_unregister() == 0);
    pthread_barrier_wait(&both);
    pthread_barrier_wait(&both); /* the main thread has collected: this stack counts, registered or not */
    CHECK(gca_base(mine) == mine && is_filled(mine, 3, 48));
    gca_free(mine);
    return data;
}

static void test_threads(void)
{
    pthread_t thread;
    pthread_barrier_init(&both, NULL, 2);
    CHECK(gca_thread_register() == 0);
    CHECK(pthread_create(&thread, NULL, live_on_stack, NULL) == 0);
    pthread_barrier_wait(&both);
    make_hidden(gca_malloc, 48);
    CHECK(collect_cleanly() > 0);
    pthread_barrier_wait(&both);
    pthread_join(thread, NULL);
    CHECK(gca_thread_unregister() == 0);
    visible = gca_malloc(48);
    collect_cleanly();
    CHECK(gca_base(visible) == visible);
}

int main(void)
{
    test_unreachable_goes();
    test_uncollectable_stays();
    test_holders();
    test_atomic_holds_nothing();
    test_realloc_keeps_kind();
    test_is_reachable();
    test_roots_added();
    test_unreadable_root();
    test_all_roots();
    test_roots_excluded();
    test_threads();
    return check_result();
}
