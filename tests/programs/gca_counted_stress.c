/* SPDX-License-Identifier: MIT */
/* Counted objects under four threads, beside a model that knows every reference: random graphs of counted and plain objects,
 * changed by retains, releases, weak loads, finalizers, collections and forks. Nothing may be destroyed while there is a way to
 * it, nothing twice, each count is what the model says, and at the end all is gone.
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
#define PLAIN EDGES /* place of the reference in the plain block, for the model */
#define STEPS 3000
#define CHURN 4
#define LEFT_SHARE 20 /* of what is made: a stray word may keep a whole part of the graph */

/* The plain block holds one more counted reference: a cycle through it is one that counts and types cannot see. */
struct plain {
    struct object *object;
    uint32_t id;
};

struct object {
    struct object *edges[EDGES];
    struct plain *plain;
    uint32_t id;
    uint32_t magic;
    uint64_t seed; /* a stray word may keep one of an earlier seed */
};
#define MAGIC 0x5ca1ab1eu

/* One place that anybody may take the object from; the lock guards places, edges and the model, not counts. */
struct handle {
    struct object *object;
    gca_weak_t weak;
};
static struct handle handles[HANDLES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint made;
static uint64_t seed;

/* The model, by id; references are ids, 0 for none. Who destroys an object takes its references out without the lock. */
static atomic_uint destroyed[OBJECTS_MAX];
static atomic_uint finalized[OBJECTS_MAX];
static atomic_bool has_finalizer[OBJECTS_MAX];
static atomic_uint model[OBJECTS_MAX][EDGES + 1];
static uint32_t counts[OBJECTS_MAX];

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static uint32_t id_of(const struct object *object)
{
    return object == NULL ? 0 : object->id;
}

static void destroy(void *pointer)
{
    struct object *object = pointer;
    CHECK(object->magic == MAGIC);
    if (object->seed == seed)
        CHECK(atomic_fetch_add(&destroyed[object->id], 1) == 0);
    for (int i = 0; i <= EDGES && object->seed == seed; i++)
        atomic_store(&model[object->id][i], 0);
    for (int i = 0; i < EDGES; i++)
        gca_clear(&object->edges[i]);
    if (object->plain != NULL)
        gca_clear(&object->plain->object);
    object->magic = 0;
}

static const gca_type type = {.name = "stress", .destroy = destroy};

static void finalize(void *block, void *data)
{
    const struct plain *plain = block;
    if ((uintptr_t)data == seed)
        CHECK(atomic_fetch_add(&finalized[plain->id], 1) == 0);
}

static void make_plain(struct object *object, uint64_t random)
{
    object->plain = gca_malloc(sizeof *object->plain + random % 50);
    CHECK(object->plain != NULL);
    object->plain->id = object->id;
    if (!(random >> 8 & 1))
        return;
    atomic_store(&has_finalizer[object->id], true);
    if (random >> 9 & 1)
        CHECK(gca_finalizer_set(object->plain, finalize, (void *)(uintptr_t)seed) == 0);
    else
        CHECK(gca_finalizer_set_unordered(object->plain, finalize, (void *)(uintptr_t)seed) == 0);
}

static struct object *make(uint64_t random)
{
    unsigned id = atomic_fetch_add(&made, 1) + 1;
    if (id >= OBJECTS_MAX)
        return NULL;
    struct object *object = gca_rc_new(sizeof *object + random % 200, &type);
    CHECK(object != NULL);
    object->id = id;
    object->magic = MAGIC;
    object->seed = seed;
    if (random >> 20 & 1)
        make_plain(object, random >> 21);
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

/* The model first: what is released may be destroyed, and its references taken out. */
static void set_edge(struct object *from, unsigned edge, struct object *to)
{
    if (edge == PLAIN && from->plain == NULL)
        return;
    atomic_store(&model[from->id][edge], id_of(to));
    if (edge == PLAIN)
        gca_set(&from->plain->object, to);
    else
        gca_set(&from->edges[edge], to);
}

/* Lock held. */
static void change(uint64_t random, struct object *held)
{
    struct handle *from = &handles[random % HANDLES];
    struct handle *to = &handles[(random >> 8) % HANDLES];
    unsigned edge = (unsigned)((random >> 16) % (EDGES + 1));
    struct object *fresh;
    switch (random >> 24 & 7) {
    case 0:
    case 1:
        fresh = make(random >> 32);
        if (fresh != NULL) {
            set_edge(fresh, edge, held);
            put(to, fresh);
            gca_release(fresh);
        }
        break;
    case 2:
    case 3:
        if (from->object != NULL)
            set_edge(from->object, edge, to->object);
        break;
    case 4:
        if (from->object != NULL)
            set_edge(from->object, edge, NULL);
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

/* ---- The model's answers: nobody changes anything meanwhile ----------------------------------------------------------- */

static uint32_t made_ids(void)
{
    unsigned count = atomic_load(&made) + 1;
    return count < OBJECTS_MAX ? count : OBJECTS_MAX;
}

static void count_references(void)
{
    memset(counts, 0, sizeof counts);
    for (int i = 0; i < HANDLES; i++)
        counts[id_of(handles[i].object)]++;
    for (uint32_t id = 1; id < made_ids(); id++)
        for (int edge = 0; edge <= EDGES && atomic_load(&destroyed[id]) == 0; edge++)
            counts[atomic_load(&model[id][edge])]++;
}

static void visit(struct object *object, bool *seen, struct object **list, uint32_t *length)
{
    if (object == NULL || seen[object->id])
        return;
    seen[object->id] = true;
    list[(*length)++] = object;
}

/* All that the handles lead to is as the model has it. */
static void check_reachable(bool exactly)
{
    static bool seen[OBJECTS_MAX];
    static struct object *list[OBJECTS_MAX];
    uint32_t length = 0;
    memset(seen, 0, sizeof seen);
    for (int i = 0; i < HANDLES; i++)
        visit(handles[i].object, seen, list, &length);
    for (uint32_t at = 0; at < length; at++) {
        struct object *object = list[at];
        check_alive(object);
        CHECK(!exactly || gca_rc_count(object) == counts[object->id]);
        for (int edge = 0; edge < EDGES; edge++) {
            CHECK(id_of(object->edges[edge]) == atomic_load(&model[object->id][edge]));
            visit(object->edges[edge], seen, list, &length);
        }
        if (object->plain != NULL) {
            CHECK(id_of(object->plain->object) == atomic_load(&model[object->id][PLAIN]));
            CHECK(object->plain->id == object->id && atomic_load(&finalized[object->id]) == 0);
            visit(object->plain->object, seen, list, &length);
        }
    }
    memset(list, 0, sizeof list);
}

/* What nobody refers to has gone without a collection. */
static void check_counts(void)
{
    count_references();
    for (uint32_t id = 1; id < made_ids(); id++)
        CHECK(counts[id] > 0 || atomic_load(&destroyed[id]) == 1);
    check_reachable(true);
}

/* ---- Threads ------------------------------------------------------------------------------------------------------------ */

/* The child has what the lock guards as it was, and none of the other threads. */
static void fork_and_collect(void)
{
    pthread_mutex_lock(&lock);
    pid_t child = fork();
    if (child == 0) {
        int before = check_failures;
        check_reachable(false);
        gca_collect();
        check_reachable(false);
        for (int i = 0; i < HANDLES; i++)
            gca_clear(&handles[i].object);
        gca_collect();
        gca_release(make(1));
        gca_finalize_run();
        _exit(check_failures != before);
    }
    pthread_mutex_unlock(&lock);
    int status = 1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
}

/* Without the lock: the object may go while it is asked for. */
static void load_weakly(gca_weak_t weak)
{
    struct object *object = gca_weak_get(&weak);
    if (object != NULL)
        check_alive(object);
    gca_release(object);
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
        gca_weak_t weak = handles[random >> 34 & (HANDLES - 1)].weak;
        pthread_mutex_unlock(&lock);
        load_weakly(weak);
        gca_weak_clear(&weak);
        for (int k = 0; held != NULL && k < CHURN * (random >> 60 == 0 ? 50 : 1); k++) {
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
    gca_finalize_run();
    check_counts();
    for (int i = 0; i < HANDLES; i++)
        gca_clear(&handles[i].object);
}

/* Slots of the words that are being handed out are not swept, and what lies there keeps what it refers to. */
static NOINLINE void move_windows(void)
{
    void *blocks[130];
    for (size_t bytes = 16; bytes <= 320; bytes += 16) {
        for (size_t i = 0; i < 130; i++)
            blocks[i] = gca_rc_new(bytes, NULL);
        for (size_t i = 0; i < 130; i++)
            gca_release(blocks[i]);
    }
}

static uint32_t count_left(void)
{
    uint32_t left = 0;
    for (uint32_t id = 1; id < made_ids(); id++)
        left += atomic_load(&destroyed[id]) == 0;
    return left;
}

/* Cycles that nobody holds go with the collection, but for what a stray word keeps. */
static uint32_t check_end(void)
{
    uint32_t left = count_left();
    uint32_t waiting = 0;
    for (int i = 0; i < 4 && left != 0; i++) {
        move_windows();
        collect_cleanly();
        left = count_left();
    }
    for (uint32_t id = 1; id < made_ids(); id++)
        waiting += atomic_load(&has_finalizer[id]) && atomic_load(&finalized[id]) == 0;
    CHECK(made_ids() > 100 && left <= made_ids() / LEFT_SHARE);
    CHECK(waiting <= left + made_ids() / LEFT_SHARE);
    for (int i = 0; i < HANDLES && left == 0; i++)
        CHECK(gca_weak_get(&handles[i].weak) == NULL);
    return left;
}

int main(int count, char **words)
{
    uint64_t seeds = count > 1 ? strtoull(words[1], NULL, 0) : 20;
    uint64_t first = count > 2 ? strtoull(words[2], NULL, 0) : FIRST_SEED;
    uint64_t left = 0;
    for (seed = first; seed < first + seeds; seed++) {
        int failures = check_failures;
        atomic_store(&made, 0);
        memset((void *)destroyed, 0, sizeof destroyed);
        memset((void *)finalized, 0, sizeof finalized);
        memset((void *)has_finalizer, 0, sizeof has_finalizer);
        memset((void *)model, 0, sizeof model);
        run_threads();
        left += check_end();
        if (check_failures != failures) {
            fprintf(stderr, "seed %llu\n", (unsigned long long)seed);
            break;
        }
    }
    printf("%llu seeds from %llu on, %llu objects kept by stray words\n", (unsigned long long)(seed - first),
           (unsigned long long)first, (unsigned long long)left);
    return check_result();
}
