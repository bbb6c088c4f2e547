/* SPDX-License-Identifier: MIT */
/* Counted objects under four threads, beside a model that knows the true counts: random graphs of counted and plain objects,
 * changed by retains, releases, weak loads, collections and forks. Nothing may be destroyed while there is a way to it,
 * nothing twice, and at the end all of it.
 *
 *   gca_counted_stress [SEEDS [FIRST_SEED]]
 */
#include "check.h"

#include <gcalloc/rc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4
#define OBJECTS_MAX 40000
#define HANDLES 64
#define EDGES 3
#define STEPS 3000
#define CHURN 4

struct object {
    struct object *edges[EDGES];
    void **plain; /* a plain block that leads to one more counted object, which only the collector can see */
    uint32_t id;
    uint32_t magic;
    uint64_t seed; /* a stray word may keep one of an earlier seed */
};
#define MAGIC 0x5ca1ab1eu

/* One place that anybody may take the object from; the lock guards places and edges, not counts. */
struct handle {
    struct object *object;
    gca_weak_t weak;
};
static struct handle handles[HANDLES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint destroyed[OBJECTS_MAX]; /* by id: how often */
static atomic_uint made;
static atomic_uint finalized;
static uint64_t seed;

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void destroy(void *pointer)
{
    struct object *object = pointer;
    CHECK(object->magic == MAGIC);
    if (object->seed == seed)
        CHECK(atomic_fetch_add(&destroyed[object->id], 1) == 0);
    for (int i = 0; i < EDGES; i++)
        gca_clear(&object->edges[i]);
    object->magic = 0;
}

static const gca_type type = {.name = "stress", .destroy = destroy};

static void count_finalized(void *block, void *data)
{
    (void)block;
    (void)data;
    atomic_fetch_add(&finalized, 1);
}

static struct object *make(uint64_t random)
{
    unsigned id = atomic_fetch_add(&made, 1);
    if (id >= OBJECTS_MAX)
        return NULL;
    struct object *object = gca_rc_new(sizeof *object + random % 200, &type);
    CHECK(object != NULL);
    object->id = id;
    object->magic = MAGIC;
    object->seed = seed;
    if (random >> 20 & 1) {
        object->plain = gca_malloc(32);
        if (random >> 21 & 1)
            CHECK(gca_finalizer_set(object->plain, count_finalized, NULL) == 0);
    }
    return object;
}

static void check_alive(const struct object *object)
{
    CHECK(object->magic == MAGIC && atomic_load(&destroyed[object->id]) == 0 && gca_rc_count(object) > 0);
}

static void put(struct handle *handle, struct object *object)
{
    gca_set(&handle->object, object);
    CHECK(gca_weak_init(&handle->weak, object) == 0);
}

/* Lock held. */
static void change(uint64_t random, struct object *held)
{
    struct handle *from = &handles[random % HANDLES];
    struct handle *to = &handles[(random >> 8) % HANDLES];
    unsigned edge = (unsigned)((random >> 16) % EDGES);
    switch (random >> 24 & 7) {
    case 0:
    case 1: {
        struct object *fresh = make(random >> 32);
        if (fresh != NULL) {
            gca_set(&fresh->edges[edge], held);
            put(to, fresh);
            gca_release(fresh);
        }
        break;
    }
    case 2:
    case 3:
        if (from->object != NULL)
            gca_set(&from->object->edges[edge], to->object);
        break;
    case 4:
        if (from->object != NULL)
            gca_clear(&from->object->edges[edge]);
        break;
    case 5:
        gca_clear(&from->object);
        break;
    case 6:
        put(to, from->object);
        break;
    default:
        if (from->object != NULL) {
            struct object *weakly = gca_weak_get(&from->weak);
            CHECK(weakly == from->object);
            gca_release(weakly);
        }
        break;
    }
}

static void fork_and_collect(void)
{
    pid_t child = fork();
    if (child == 0) {
        gca_collect();
        struct object *fresh = make(1);
        gca_release(fresh);
        _exit(check_failures != 0);
    }
    int status = 1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

static void *run(void *number)
{
    uint64_t state = seed * 0x9e3779b97f4a7c15u + (uintptr_t)number + 1;
    struct object *held = NULL;
    for (int i = 0; i < STEPS; i++) {
        uint64_t random = next_random(&state);
        pthread_mutex_lock(&lock);
        change(random, held);
        gca_set(&held, handles[random >> 40 & (HANDLES - 1)].object);
        pthread_mutex_unlock(&lock);
        for (int k = 0; held != NULL && k < CHURN; k++) {
            gca_retain(held);
            check_alive(held);
            gca_release(held);
        }
        if ((random >> 50 & 255) == 0)
            gca_collect();
        if ((random >> 50 & 1023) == 1 && number == NULL)
            fork_and_collect();
    }
    gca_clear(&held);
    return NULL;
}

static NOINLINE void run_threads(void)
{
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, run, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < HANDLES; i++)
        gca_clear(&handles[i].object);
}

/* Cycles that nobody holds go with the collection, but for what a stray word keeps and the words that are being handed out. */
static void check_end(void)
{
    unsigned left = 0;
    gca_finalize_run();
    collect_cleanly();
    collect_cleanly();
    unsigned count = atomic_load(&made) < OBJECTS_MAX ? atomic_load(&made) : OBJECTS_MAX;
    for (unsigned i = 0; i < count; i++)
        left += atomic_load(&destroyed[i]) == 0;
    CHECK(count > 100 && left <= count / 4 + 200);
    for (int i = 0; i < HANDLES && left == 0; i++)
        CHECK(gca_weak_get(&handles[i].weak) == NULL);
}

int main(int count, char **words)
{
    uint64_t seeds = count > 1 ? strtoull(words[1], NULL, 0) : 50;
    uint64_t first = count > 2 ? strtoull(words[2], NULL, 0) : 1;
    for (seed = first; seed < first + seeds; seed++) {
        int failures = check_failures;
        atomic_store(&made, 0);
        memset((void *)destroyed, 0, sizeof destroyed);
        run_threads();
        check_end();
        if (check_failures != failures) {
            fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
            break;
        }
    }
    return check_result();
}
