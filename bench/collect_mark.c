/* SPDX-License-Identifier: MIT */
/* collect_mark SHAPE MIB ROUNDS: a heap of MIB MiB of which everything lives, and ROUNDS collections of it; medians. SHAPE:
 *   graph   objects of 64 bytes, four pointers in each to any other
 *   list    one list of such objects in random order
 *   wide    arrays of 2,000 pointers to objects of 64 bytes, made one after the other
 *   mixed   the same, but the pointers of an array lead to any of the objects
 *   tree    a binary tree of them, built depth first
 *   noise   objects of 1 KiB full of random numbers, text and doubles
 *   atomic  blocks of 16 KiB that hold no pointers
 *   big     one array of pointers to objects of 64 bytes, each of which has one pointer back into it
 *   stacks  as graph, beside 500 threads that wait
 *
 * The limits of the machine are measured in the same run, on memory that is given back before: loads from random lines, many
 * under way at once, and reading in order. random_limit is the time of an object in such loads; sequential_share that of the
 * speed of reading.
 */
#include "collector.h"

#include <sys/mman.h>

#define NODE_BYTES 64
#define POINTERS 4
#define NODE_POINTERS (NODE_BYTES / sizeof(void *))
#define WIDE_POINTERS 2000
#define NOISE_BYTES 1024
#define ATOMIC_BYTES 16384
#define WAITING_THREADS 500
#define ROUNDS_MAX 100
#define LOADS 8000000
#define MIB_BYTES ((size_t)1 << 20)

struct node {
    struct node *fields[NODE_POINTERS];
};

static uint64_t random_state = 88172645463325252u;
static void *root; /* of everything */

static uint64_t next_random(void)
{
    return bench_random(&random_state);
}

/* Nobody but the heap knows where the nodes are: the table of a builder is outside of it and gone afterwards. */
static void *map(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        bench_fail("out of memory");
    return at;
}

static struct node **make_nodes(size_t count)
{
    struct node **nodes = collector_new(count * sizeof(void *));
    for (size_t i = 0; i < count; i++)
        nodes[i] = collector_new(NODE_BYTES);
    return nodes;
}

static uint64_t build_graph(size_t bytes)
{
    size_t count = bytes / NODE_BYTES + 1;
    struct node **nodes = make_nodes(count);
    for (size_t i = 0; i < count; i++)
        for (int k = 0; k < POINTERS; k++)
            nodes[i]->fields[k] = nodes[next_random() % count];
    root = nodes[0];
    return count;
}

static uint64_t build_list(size_t bytes)
{
    size_t count = bytes / NODE_BYTES + 1;
    struct node **nodes = make_nodes(count);
    uint32_t *order = map(count * sizeof *order);
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    for (size_t left = count; left > 1; left--) {
        size_t other = next_random() % left;
        uint32_t moved = order[left - 1];
        order[left - 1] = order[other];
        order[other] = moved;
    }
    for (size_t i = 0; i + 1 < count; i++)
        nodes[order[i]]->fields[0] = nodes[order[i + 1]];
    root = nodes[order[0]];
    munmap(order, count * sizeof *order);
    return count;
}

static uint64_t build_wide(size_t bytes)
{
    size_t arrays = bytes / (WIDE_POINTERS * (sizeof(void *) + NODE_BYTES)) + 1;
    void **all = collector_new(arrays * sizeof *all);
    root = all;
    for (size_t i = 0; i < arrays; i++)
        all[i] = make_nodes(WIDE_POINTERS);
    return arrays * (WIDE_POINTERS + 1);
}

/* Each object is one array's, so that as much is reached as in the shape before. */
static uint64_t build_mixed(size_t bytes)
{
    uint64_t count = build_wide(bytes);
    struct node ***arrays = root;
    uint64_t nodes = count / (WIDE_POINTERS + 1) * WIDE_POINTERS;
    for (uint64_t left = nodes; left > 1; left--) {
        uint64_t other = next_random() % left;
        struct node **last = &arrays[(left - 1) / WIDE_POINTERS][(left - 1) % WIDE_POINTERS];
        struct node **any = &arrays[other / WIDE_POINTERS][other % WIDE_POINTERS];
        struct node *moved = *last;
        *last = *any;
        *any = moved;
    }
    return count;
}

static struct node *grow(unsigned depth) // NOLINT(misc-no-recursion)
{
    struct node *node = collector_new(NODE_BYTES);
    if (depth > 0) {
        node->fields[0] = grow(depth - 1);
        node->fields[1] = grow(depth - 1);
    }
    return node;
}

static uint64_t build_tree(size_t bytes)
{
    unsigned depth = 1;
    while (((uint64_t)NODE_BYTES << (depth + 2)) <= bytes)
        depth++;
    root = grow(depth);
    return (UINT64_C(2) << depth) - 1;
}

static uint64_t noise_word(size_t index)
{
    uint64_t word = next_random();
    double number = (double)word / 3e9;
    if (index % 3 == 1)
        word = (word & 0x1f1f1f1f1f1f1f1f) | 0x6060606060606060; /* lower-case letters */
    else if (index % 3 == 2)
        memcpy(&word, &number, sizeof word);
    return word;
}

static uint64_t build_noise(size_t bytes)
{
    size_t count = bytes / NOISE_BYTES;
    uint64_t **all = collector_new(count * sizeof *all);
    root = all;
    for (size_t i = 0; i < count; i++) {
        all[i] = collector_new(NOISE_BYTES);
        for (size_t k = 0; k < NOISE_BYTES / sizeof(uint64_t); k++)
            all[i][k] = noise_word(k);
    }
    return count;
}

static uint64_t build_atomic(size_t bytes)
{
    size_t count = bytes / ATOMIC_BYTES;
    void **all = collector_new(count * sizeof *all);
    root = all;
    for (size_t i = 0; i < count; i++) {
        all[i] = collector_new_atomic(ATOMIC_BYTES);
        memset(all[i], (int)i, ATOMIC_BYTES);
    }
    return count;
}

static uint64_t build_big(size_t bytes)
{
    size_t count = bytes / (NODE_BYTES + sizeof(void *)) + 1;
    struct node **nodes = make_nodes(count);
    for (size_t i = 0; i < count; i++)
        nodes[i]->fields[3] = (struct node *)&nodes[next_random() % count];
    root = nodes;
    return count;
}

static void *wait_for_ever(void *data)
{
    void *volatile on_stack = data;
    for (;;)
        pause();
    return on_stack;
}

static uint64_t build_stacks(size_t bytes)
{
    pthread_attr_t attributes;
    pthread_t thread;
    uint64_t count = build_graph(bytes);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    for (int i = 0; i < WAITING_THREADS; i++)
        if (pthread_create(&thread, &attributes, wait_for_ever, root) != 0)
            bench_fail("no more threads");
    return count;
}

struct shape {
    const char *name;
    uint64_t (*build)(size_t bytes); /* returns the objects */
};

static const struct shape shapes[] = {
    {"graph", build_graph},   {"list", build_list}, {"wide", build_wide},
    {"mixed", build_mixed},   {"tree", build_tree}, {"noise", build_noise},
    {"atomic", build_atomic}, {"big", build_big},   {"stacks", build_stacks},
};

/* Shapes that leave a table behind drop it by overwriting the stack that was used. */
static void overwrite_stack(void)
{
    char volatile stale[16384];
    for (size_t i = 0; i < sizeof stale; i++)
        stale[i] = 0;
}

static double random_load_ns(const char *memory, size_t bytes)
{
    uint64_t sum = 0;
    double start = bench_seconds(CLOCK_MONOTONIC);
    for (size_t i = 0; i < LOADS; i++)
        sum += *(const uint64_t *)(memory + next_random() % (bytes / NODE_BYTES) * NODE_BYTES);
    double ns = (bench_seconds(CLOCK_MONOTONIC) - start) * 1e9 / LOADS;
    return sum == 1 ? 0 : ns;
}

static double read_gib_per_second(const char *memory, size_t bytes)
{
    uint64_t sum = 0;
    double start = bench_seconds(CLOCK_MONOTONIC);
    for (size_t i = 0; i < bytes / sizeof(uint64_t); i++)
        sum += ((const uint64_t *)(const void *)memory)[i];
    double seconds = bench_seconds(CLOCK_MONOTONIC) - start;
    return sum == 1 ? 0 : (double)bytes / seconds / (double)(1 << 30);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_collection(int rounds)
{
    double seconds[ROUNDS_MAX];
    for (int i = 0; i < rounds; i++) {
        double start = bench_seconds(CLOCK_MONOTONIC);
        collector_collect();
        seconds[i] = bench_seconds(CLOCK_MONOTONIC) - start;
    }
    qsort(seconds, (size_t)rounds, sizeof *seconds, compare);
    return seconds[rounds / 2];
}

static void report(size_t bytes, uint64_t objects, double seconds, double load_ns, double read_speed)
{
    double ns = seconds * 1e9 / (double)objects;
    double speed = (double)bytes / seconds / (double)(1 << 30);
    bench_report("collection_ms", seconds * 1e3);
    bench_report("ns_per_object", ns);
    bench_report("gib_per_second", speed);
    bench_report("random_load_ns", load_ns);
    bench_report("random_limit", ns / load_ns);
    bench_report("sequential_share", speed / read_speed);
}

int main(int count, char **words)
{
    collector_start();
    const struct shape *shape = shapes;
    while (count > 1 && shape < shapes + sizeof shapes / sizeof *shapes && strcmp(shape->name, words[1]) != 0)
        shape++;
    if (count < 2 || shape == shapes + sizeof shapes / sizeof *shapes || collector_collect == NULL)
        bench_fail("an unknown SHAPE, or no collector");
    size_t bytes = bench_number(count, words, 2) * MIB_BYTES;
    uint64_t rounds = bench_number(count, words, 3);
    char *memory = map(bytes);
    memset(memory, 1, bytes);
    double load_ns = random_load_ns(memory, bytes);
    double read_speed = read_gib_per_second(memory, bytes);
    munmap(memory, bytes);
    uint64_t objects = shape->build(bytes);
    overwrite_stack();
    report(bytes, objects, median_collection((int)(rounds < ROUNDS_MAX ? rounds : ROUNDS_MAX)), load_ns, read_speed);
    return root == NULL;
}
