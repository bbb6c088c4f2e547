/* SPDX-License-Identifier: MIT */
/* Plants leaks of known size, or things that look like leaks and are none. The argument names the case; what is expected is
 * printed on standard output as "BYTES OBJECTS DIRECT_BYTES DIRECT_OBJECTS", for test_leaks.py to compare with the report.
 *
 * Each case runs in a process of its own; what it leaks and what it keeps is made in functions that are not inlined.
 */
#include <dlfcn.h>
#include <errno.h>
#include <gcalloc.h>
#include <gcalloc/rc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline))

struct node {
    struct node *next;
    struct node *other;
    char rest[48];
};
_Static_assert(sizeof(struct node) == 64, "a size that a slot has");

static const char *helper_library;

/* Somebody may know of the block and look at all memory from here on: what was stored was stored. */
static void *known(void *block)
{
    __asm__ volatile("" : "+r"(block) : : "memory");
    return block;
}

static void look(void)
{
    __asm__ volatile("" : : : "memory");
}

static NOINLINE struct node *new_node(void)
{
    return known(calloc(1, sizeof(struct node)));
}

/* ---- Leaks -------------------------------------------------------------------------------------------------------- */

static NOINLINE void direct(void)
{
    for (int i = 0; i < 10; i++)
        memset(malloc(64), 1, 64);
}

static NOINLINE void indirect(void)
{
    struct node *head = NULL;
    for (int i = 0; i < 100; i++) {
        struct node *node = new_node();
        node->next = head;
        head = node;
    }
    look();
}

/* ---- Shapes: nodes that point at each other, of which the program forgets all ------------------------------------- */

#define SHAPE_NODES_MAX 7

/* Where the two words of each node point; nodes lie in memory in this order, or close to it. */
static const struct shape {
    const char *name;
    unsigned nodes, direct; /* how many there are; how many of them nothing else holds */
    struct link {
        int next, other; /* number of a node, from 1; 0: none */
    } links[SHAPE_NODES_MAX];
} shapes[] = {
    {"self_loop", 1, 1, {{1, 0}}},
    {"two_cycle", 2, 1, {{2, 0}, {1, 0}}},
    /* Two circles, the later one holds the earlier one; and the other way round. */
    {"held_cycle", 4, 1, {{2, 0}, {1, 0}, {4, 0}, {3, 1}}},
    {"holding_cycle", 4, 1, {{2, 0}, {1, 4}, {4, 0}, {3, 0}}},
    /* A tail, 6 and 7, that holds a circle, 1 to 3, which holds a tail; the circle is entered where no search of it began. */
    {"cycle_with_tails", 7, 1, {{2, 0}, {3, 0}, {1, 4}, {5, 0}, {0, 0}, {7, 0}, {2, 0}}},
    {"two_holders", 3, 2, {{3, 0}, {3, 0}, {0, 0}}},
};
#define SHAPE_COUNT (sizeof shapes / sizeof shapes[0])

static NOINLINE void make_shape(const struct shape *shape)
{
    struct node *nodes[SHAPE_NODES_MAX + 1] = {NULL};
    for (unsigned i = 1; i <= shape->nodes; i++)
        nodes[i] = new_node();
    for (unsigned i = 1; i <= shape->nodes; i++) {
        nodes[i]->next = nodes[shape->links[i - 1].next];
        nodes[i]->other = nodes[shape->links[i - 1].other];
    }
    look();
}

static void print_expected(unsigned bytes, unsigned objects, unsigned direct_bytes, unsigned direct_objects)
{
    printf("%u %u %u %u\n", bytes, objects, direct_bytes, direct_objects);
    fflush(stdout);
}

/* False: there is none of this name. */
static bool run_shape(const char *name)
{
    const unsigned bytes = sizeof(struct node);
    for (size_t i = 0; i < SHAPE_COUNT; i++) {
        const struct shape *shape = &shapes[i];
        if (strcmp(name, shape->name) != 0)
            continue;
        print_expected(bytes * shape->nodes, shape->nodes, bytes * shape->direct, shape->direct);
        make_shape(shape);
        return true;
    }
    return false;
}

/* ---- Other leaks -------------------------------------------------------------------------------------------------- */

static NOINLINE void interior(void)
{
    struct node *inner = new_node();
    struct node *outer = new_node();
    outer->next = (struct node *)(void *)&inner->rest[20];
    look();
}

static NOINLINE void large(void)
{
    char **block = known(calloc(1, 1 << 20));
    block[100000] = known(calloc(1, 128 << 10));
    look();
}

static NOINLINE void moved(void)
{
    char *block = malloc(64);
    for (size_t bytes = 128; bytes <= 4096; bytes *= 2)
        block = realloc(block, bytes);
    memset(block, 1, 4096);
    look();
}

#define FULL_COUNT 8
#define FULL_LARGE_BYTES ((size_t)128 << 10)
static struct full {
    char *start, *end;
} full_buffers[FULL_COUNT + 1];

/* To the last byte of what its memory has room for; the end is a pointer to what lies behind. */
static void fill(struct full *full, size_t bytes)
{
    full->start = realloc(full->start, bytes);
    full->end = full->start + bytes;
}

/* Beside each buffer that lives, one that is lost, which was made before, or, as large ones are, after it. */
static NOINLINE void full_neighbours(void)
{
    for (int i = 0; i < FULL_COUNT; i++) {
        known(malloc(70));
        full_buffers[i].start = malloc(70);
        fill(&full_buffers[i], 80);
    }
    full_buffers[FULL_COUNT].start = malloc(FULL_LARGE_BYTES - 10000);
    known(malloc(FULL_LARGE_BYTES - 20000));
    fill(&full_buffers[FULL_COUNT], FULL_LARGE_BYTES);
    look();
}

static NOINLINE void atomic_memory(void)
{
    struct node **block = gca_malloc_atomic(64);
    *block = new_node(); /* which atomic memory does not keep, not even in a leak */
}

static NOINLINE void strings(void)
{
    char *printed = NULL;
    char *line = NULL;
    size_t room = 0;
    known(strdup("fifteen letters"));
    if (asprintf(&printed, "%s %d", "seven and", 12345) != 15)
        abort();
    FILE *file = fmemopen((char[]){"a line\n"}, 7, "r");
    if (getline(&line, &room, file) != 7)
        abort();
    fclose(file);
    look();
}

static const gca_type node_type = {.name = "node"};

static NOINLINE void counted(void)
{
    for (int i = 0; i < 3; i++) {
        struct node **object = gca_rc_new(48, &node_type);
        *object = new_node();
    }
}

static NOINLINE void counted_cycle(void)
{
    struct node **a = gca_rc_new(48, &node_type);
    struct node **b = gca_rc_new(48, &node_type);
    *a = gca_retain((struct node *)b);
    *b = gca_retain((struct node *)a);
    gca_release(a);
    gca_release(b);
    look();
}

GCA_LAYOUT(node_layout, struct node, offsetof(struct node, next));

/* `other` is no pointer as far as the layout goes. */
static NOINLINE void typed(void)
{
    struct node *node = gca_malloc_typed(112, &node_layout);
    (void)node;
}

static NOINLINE void typed_nodes(void)
{
    struct node *node = gca_malloc_typed(sizeof *node, &node_layout);
    node->next = new_node();
    node->other = new_node();
    look();
}

static NOINLINE void weakly_held(void)
{
    struct node *target = new_node();
    struct node *holder = new_node();
    holder->next = target;
    gca_weak_link((void **)&holder->next, target);
    look();
}

static void finalize(void *object, void *data)
{
    (void)object;
    (void)data;
}

static NOINLINE void finalized(void)
{
    struct node *object = new_node();
    gca_finalizer_set(object, finalize, new_node());
}

#define FINALIZED_COUNT 20000 /* looking at all records for each of these takes a minute */

static NOINLINE void finalized_many(void)
{
    for (int i = 0; i < FINALIZED_COUNT; i++)
        gca_finalizer_set(new_node(), finalize, new_node());
}

static void *leak_and_end(void *count)
{
    for (intptr_t i = 0; i < (intptr_t)count; i++)
        memset(malloc(64), 1, 64);
    return NULL;
}

static void thread_ended(void)
{
    pthread_t thread;
    pthread_create(&thread, NULL, leak_and_end, (void *)(intptr_t)50);
    pthread_join(thread, NULL);
}

static pthread_barrier_t barrier;

static void *use_argument(void *argument)
{
    void *volatile block = malloc(10); /* a thread is known from its first one on */
    free(block);
    pthread_barrier_wait(&barrier); /* so that the C library has a stack for each */
    return memset(argument, 1, 64);
}

static void thread_arguments(void)
{
    pthread_t threads[8];
    pthread_barrier_init(&barrier, NULL, 8);
    for (int i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, use_argument, malloc(64));
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    memset(threads, 0, sizeof threads);
}

static void *leak_and_stay(void *count)
{
    leak_and_end(count);
    pthread_barrier_wait(&barrier);
    pause();
    return NULL;
}

static void thread_detached(void)
{
    pthread_t thread;
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, leak_and_stay, (void *)(intptr_t)70);
    pthread_detach(thread);
    pthread_barrier_wait(&barrier);
    usleep(20000); /* for it to come to pause */
}

static void call_helper(const char *name, bool closes)
{
    void *library = dlopen(helper_library, RTLD_NOW);
    if (library == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    void (*function)(void) = (void (*)(void))dlsym(library, name);
    function();
    if (closes)
        dlclose(library);
}

static void library_open(void)
{
    call_helper("leak_five", false);
}

static void library_closed(void)
{
    call_helper("leak_five", true);
}

/* What the library's own data held is lost when it is unmapped. */
static void library_data_lost(void)
{
    call_helper("keep_seven", true);
}

/* ---- No leaks ----------------------------------------------------------------------------------------------------- */

static void library_data_kept(void)
{
    call_helper("keep_seven", false);
}

static void nothing(void)
{
}

static void freed(void)
{
    for (int i = 0; i < 1000; i++)
        free(malloc((size_t)i));
}

static struct node *volatile table[100];
static _Thread_local struct node *volatile of_thread;

static void static_table(void)
{
    for (int i = 0; i < 100; i++)
        table[i] = new_node();
}

static void interior_list(void)
{
    for (int i = 0; i < 100; i++) {
        struct node *node = new_node();
        node->next = table[0];
        table[0] = (struct node *)(void *)&node->rest[3];
    }
}

static void streams(void)
{
    static FILE *volatile files[3];
    for (int i = 0; i < 3; i++) {
        files[i] = tmpfile();
        fprintf(files[i], "buffered");
    }
    setvbuf(stdout, NULL, _IOFBF, 4096);
    files[0] = NULL; /* the C library still has it */
}

static pthread_key_t key;

static void *hold_and_stay(void *unused)
{
    (void)unused;
    of_thread = new_node();
    pthread_setspecific(key, new_node());
    struct node *volatile on_stack = new_node();
    pthread_barrier_wait(&barrier);
    pause();
    on_stack->next = NULL;
    return NULL;
}

static void thread_local_data(void)
{
    pthread_t thread;
    pthread_key_t more[100];
    for (int i = 0; i < 100; i++)
        pthread_key_create(&more[i], NULL);
    pthread_key_create(&key, NULL);
    pthread_setspecific(key, new_node());
    pthread_setspecific(more[99], new_node());
    of_thread = new_node();
    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&thread, NULL, hold_and_stay, NULL);
    pthread_detach(thread);
    pthread_barrier_wait(&barrier);
    usleep(20000);
}

static void *return_node(void *unused)
{
    (void)unused;
    return new_node();
}

static void result_of_thread(void)
{
    static pthread_t thread;
    pthread_create(&thread, NULL, return_node, NULL);
    usleep(50000);
}

static void mapped(void)
{
    struct node **memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memory[17] = new_node();
    look();
}

static void environment(void)
{
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "PLANTED_%d", i);
        setenv(name, "some value that is not short", 1);
    }
    putenv(strdup("PLANTED=yes"));
}

static void uncollectable(void)
{
    struct node *node = known(gca_malloc_uncollectable(64));
    node->next = new_node();
    look();
}

static NOINLINE void make_frozen(void)
{
    table[0] = new_node();
    gca_freeze();
    table[0] = NULL;
}

static void frozen(void)
{
    make_frozen();
}

static void exits_inside(void)
{
    struct node *volatile local = new_node();
    local->next = new_node();
    look();
    exit(0);
}

/* What is known to be told of wrongly: no word of the process holds the address. */
static uintptr_t disguised;

static NOINLINE void hidden(void)
{
    disguised = (uintptr_t)new_node() ^ UINTPTR_MAX;
}

/* ---- Cases -------------------------------------------------------------------------------------------------------- */

static const struct planted {
    const char *name;
    void (*run)(void);
    unsigned bytes, objects, direct_bytes, direct_objects;
} cases[] = {
    {"direct", direct, 640, 10, 640, 10},
    {"indirect", indirect, 6400, 100, 64, 1},
    {"interior", interior, 128, 2, 64, 1},
    {"large", large, (1 << 20) + (128 << 10), 2, 1 << 20, 1},
    {"moved", moved, 4096, 1, 4096, 1},
    {"full_neighbours", full_neighbours, FULL_COUNT * 70 + FULL_LARGE_BYTES - 20000, FULL_COUNT + 1,
     FULL_COUNT * 70 + FULL_LARGE_BYTES - 20000, FULL_COUNT + 1},
    {"atomic_memory", atomic_memory, 128, 2, 128, 2},
    {"strings", strings, 16 + 16 + 120, 3, 16 + 16 + 120, 3},
    {"counted", counted, 3 * (48 + 64), 6, 3 * 48, 3},
    {"counted_cycle", counted_cycle, 2 * 48, 2, 48, 1},
    {"typed", typed, 112, 1, 112, 1},
    {"typed_nodes", typed_nodes, 192, 3, 128, 2},
    {"weakly_held", weakly_held, 128, 2, 128, 2},
    {"finalized", finalized, 128, 2, 64, 1},
    {"finalized_many", finalized_many, FINALIZED_COUNT * 128, FINALIZED_COUNT * 2, FINALIZED_COUNT * 64,
     FINALIZED_COUNT},
    {"thread_ended", thread_ended, 3200, 50, 3200, 50},
    {"thread_arguments", thread_arguments, 512, 8, 512, 8},
    {"thread_detached", thread_detached, 4480, 70, 4480, 70},
    {"library_open", library_open, 320, 5, 320, 5},
    {"library_closed", library_closed, 320, 5, 320, 5},
    {"library_data_lost", library_data_lost, 448, 7, 64, 1},
    {"library_data_kept", library_data_kept, 0, 0, 0, 0},
    {"nothing", nothing, 0, 0, 0, 0},
    {"freed", freed, 0, 0, 0, 0},
    {"static_table", static_table, 0, 0, 0, 0},
    {"interior_list", interior_list, 0, 0, 0, 0},
    {"streams", streams, 0, 0, 0, 0},
    {"thread_local_data", thread_local_data, 0, 0, 0, 0},
    {"result_of_thread", result_of_thread, 0, 0, 0, 0},
    {"mapped", mapped, 0, 0, 0, 0},
    {"environment", environment, 0, 0, 0, 0},
    {"uncollectable", uncollectable, 0, 0, 0, 0},
    {"frozen", frozen, 0, 0, 0, 0},
    {"exits_inside", exits_inside, 0, 0, 0, 0},
    {"hidden", hidden, 64, 1, 64, 1},
};
#define CASE_COUNT (sizeof cases / sizeof cases[0])

static void print_names(void)
{
    for (size_t i = 0; i < SHAPE_COUNT; i++)
        puts(shapes[i].name);
    for (size_t i = 0; i < CASE_COUNT; i++)
        puts(cases[i].name);
}

static void run_case(const char *name)
{
    for (size_t i = 0; i < CASE_COUNT; i++) {
        const struct planted *planted = &cases[i];
        if (strcmp(name, planted->name) != 0)
            continue;
        print_expected(planted->bytes, planted->objects, planted->direct_bytes, planted->direct_objects);
        planted->run();
    }
}

int main(int argc, char **argv)
{
    helper_library = argc > 2 ? argv[2] : NULL;
    if (argc == 1)
        print_names();
    else if (!run_shape(argv[1]))
        run_case(argv[1]);
    return 0;
}
