/* SPDX-License-Identifier: MIT */
/* The allocator and the collector beside a model (heap_model.h) that knows each block's contents and edges. The input is a
 * program for a small machine: each operation is a byte, its operands are the bytes behind it.
 *
 * What is reachable from the handles must be there, with its contents, wherever and however often it was moved, in forked
 * children, and whichever thread it was made on. What was freed must be gone from weak links at once. A counted object must
 * not be destroyed while it is counted and reachable, and never twice; a finalizer not be called while there is a way to its
 * block, and never twice.
 */
#include "fuzz.h"

#include <gcalloc.h>
#include <gcalloc/rc.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "foreign.h"
#include "heap_model.h"

#define OPERATIONS_MOST 1500
#define FORKS_MOST 2   /* for one input: each copies the whole process */
#define THREADS_MOST 8 /* that come and go */
#define BYTES_LARGE ((size_t)300 << 10)

/* ---- Operands ---------------------------------------------------------------------------------------------------- */

struct input {
    const uint8_t *data;
    size_t size, at;
};

struct machine {
    struct input input;
    int forks, threads;       /* how many more there may be */
    bool is_child, is_beside; /* of a thread that works */
};

static uint8_t next_byte(struct input *input)
{
    return input->at < input->size ? input->data[input->at++] : 0;
}

static struct node *any_node(struct machine *machine)
{
    return gci_model_at(next_byte(&machine->input) % HANDLES);
}

/* Mostly small; each size class comes, and now and then a large one. */
static size_t any_size(struct machine *machine)
{
    unsigned sort = next_byte(&machine->input), low = next_byte(&machine->input);
    if (sort < 160)
        return low;
    if (sort < 230)
        return (size_t)(sort - 159) * low;
    return (size_t)low * BYTES_LARGE / 255 * (sort - 229) / 26;
}

/* ---- Operations: one for each kind of node ----------------------------------------------------------------------- */

static void make(struct machine *machine)
{
    unsigned place = next_byte(&machine->input) % HANDLES;
    enum node_kind kind = (enum node_kind)(next_byte(&machine->input) % NODE_KINDS);
    size_t bytes = any_size(machine);
    gci_model_make(place, kind, bytes, (size_t)16 << next_byte(&machine->input) % 9);
}

static void resize(struct machine *machine)
{
    struct node *node = any_node(machine);
    size_t bytes = any_size(machine);
    if (node != NULL)
        gci_model_resize(node, bytes);
}

static void release(struct machine *machine)
{
    struct node *node = any_node(machine);
    if (node != NULL)
        gci_model_free(node);
}

static void drop(struct machine *machine)
{
    gci_model_drop(next_byte(&machine->input) % HANDLES);
}

static void copy_handle(struct machine *machine)
{
    unsigned to = next_byte(&machine->input) % HANDLES;
    gci_model_hold(to, any_node(machine));
}

static void set_edge(struct machine *machine)
{
    struct node *from = any_node(machine), *to = any_node(machine);
    unsigned edge = next_byte(&machine->input) % (EDGES + 1);
    if (from != NULL)
        gci_model_point(from, edge % EDGES, edge == EDGES ? NULL : to);
}

static void link_weakly(struct machine *machine)
{
    unsigned place = next_byte(&machine->input) % WEAK_LINKS;
    gci_model_link(place, any_node(machine));
}

static void finalize(struct machine *machine)
{
    struct node *node = any_node(machine);
    if (node != NULL)
        gci_model_finalize(node, next_byte(&machine->input) % 2 == 0);
}

static void retain(struct machine *machine)
{
    struct node *node = any_node(machine);
    unsigned times = next_byte(&machine->input) % 4;
    if (node != NULL && node->kind == NODE_COUNTED)
        gci_model_count(node, times);
}

static void follow(struct machine *machine)
{
    unsigned place = next_byte(&machine->input) % HANDLES;
    struct node *node = any_node(machine);
    unsigned edge = next_byte(&machine->input) % EDGES;
    if (node != NULL)
        gci_model_hold(place, node->edges[edge]);
}

static void set_option(struct machine *machine)
{
    static const char *const options[][2] = {
        {"markers", "1"},        {"markers", "2"},          {"markers", "5"},    {"simd", "scalar"},
        {"simd", "auto"},        {"verify", "1"},           {"verify", "0"},     {"min_headroom", "64K"},
        {"min_headroom", "32M"}, {"finalizer_thread", "0"}, {"huge_pages", "0"}, {"release_ms", "0"},
        {"release_ms", "1000"},  {"mode", "free"},          {"mode", "gc"},      {"heap_limit", "0"},
    };
    const char *const *option = options[next_byte(&machine->input) % (sizeof options / sizeof options[0])];
    REQUIRE(gca_option_set(option[0], option[1]) == 0);
}

static void collect(struct machine *machine)
{
    switch (next_byte(&machine->input) % 8) {
    case 0:
        (void)gca_collect_a_little();
        break;
    case 1:
        gca_disable();
        (void)gca_collect();
        gca_enable();
        break;
    case 2:
        (void)gca_freeze();
        break;
    case 3:
        (void)gca_unfreeze();
        break;
    case 4:
        (void)gca_finalize_run();
        break;
    default:
        (void)gca_collect();
        break;
    }
}

static void look(struct machine *machine)
{
    switch (next_byte(&machine->input) % 4) {
    case 0:
        gci_model_walk();
        break;
    case 1:
        gci_model_ask(any_node(machine));
        break;
    default:
        gci_model_check();
        break;
    }
}

/* ---- Operations in another thread, and another process ----------------------------------------------------------- */

static void run(struct machine *machine, size_t operations);

struct part {
    struct machine *machine;
    size_t operations;
};

static void *run_part(void *data)
{
    struct part *part = data;
    run(part->machine, part->operations);
    return NULL;
}

/* The next operations, done by a thread that ends afterwards: what it has made has lost its owner. */
static void run_in_thread(struct machine *machine)
{
    pthread_t thread;
    struct part part = {machine, next_byte(&machine->input)};
    if (machine->threads-- <= 0)
        return;
    REQUIRE(pthread_create(&thread, NULL, run_part, &part) == 0);
    REQUIRE(pthread_join(thread, NULL) == 0);
}

/* The address sanitizer's own locks do not come through a fork: a thread that ends in the child waits for ever for one that was
 * held. */
#if defined(__SANITIZE_ADDRESS__)
#define FORKS_HOLD_LOCKS 1
#elif defined(__has_feature)
#define FORKS_HOLD_LOCKS __has_feature(address_sanitizer)
#else
#define FORKS_HOLD_LOCKS 0
#endif

/* The child goes on with the next operations, and the parent does the same ones. */
static void run_in_child(struct machine *machine)
{
    size_t operations = next_byte(&machine->input);
    if (machine->is_child || machine->forks-- <= 0)
        return;
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        machine->is_child = true;
        if (FORKS_HOLD_LOCKS && machine->is_beside)
            machine->threads = 0;
        run(machine, operations);
        (void)gca_collect();
        gci_model_check();
        _exit(EXIT_SUCCESS);
    }
    int status = 1;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
}

/* ---- Beside the others: blocks of its own, all the time ---------------------------------------------------------- */

#define BESIDE_BLOCKS 32

static void *work_beside(void *data)
{
    unsigned char *blocks[BESIDE_BLOCKS] = {NULL};
    uint32_t random = *(const uint8_t *)data * 2654435761u + 1;
    for (int step = 0; step < 2000; step++) {
        random = random * 1664525u + 1013904223u;
        unsigned char **block = &blocks[random >> 27];
        REQUIRE(*block == NULL || **block == (unsigned char)(random >> 27));
        if (random & 1u << 20)
            gca_free(*block);
        *block = gca_malloc(1 + (random >> 8) % 600);
        REQUIRE(*block != NULL);
        **block = (unsigned char)(random >> 27);
    }
    return NULL;
}

static void run_beside(struct machine *machine)
{
    pthread_t thread;
    uint8_t seed = next_byte(&machine->input);
    if (machine->threads-- <= 0 || pthread_create(&thread, NULL, work_beside, &seed) != 0)
        return;
    bool was_beside = machine->is_beside;
    machine->is_beside = true;
    run(machine, 200);
    machine->is_beside = was_beside;
    REQUIRE(pthread_join(thread, NULL) == 0);
}

/* ---- The machine ------------------------------------------------------------------------------------------------- */

static void (*const operations[])(struct machine *machine) = {
    make,     make, make,     make,     make,     resize,     resize,        release,      release,    drop,
    drop,     drop, set_edge, set_edge, set_edge, set_edge,   copy_handle,   link_weakly,  retain,     follow,
    finalize, look, collect,  collect,  collect,  set_option, run_in_thread, run_in_child, run_beside,
};

static void run(struct machine *machine, size_t count)
{
    for (; count > 0 && machine->input.at < machine->input.size; count--) {
        uint8_t operation = next_byte(&machine->input);
        operations[operation % (sizeof operations / sizeof operations[0])](machine);
    }
}

/* Threads and processes cost a hundred times what everything else does: most inputs have none. */
static void choose_company(struct machine *machine)
{
    unsigned choice = next_byte(&machine->input) % 16;
    machine->threads = choice < 4 ? THREADS_MOST : 0;
    machine->forks = choice < 2 ? FORKS_MOST : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct machine machine = {.input = {data, size, 0}};
    static bool is_prepared;
    if (!is_prepared) {
        exclude_foreign_memory();
        gci_model_add_roots();
    }
    is_prepared = true;
    choose_company(&machine);
    gci_model_begin();
    run(&machine, OPERATIONS_MOST);
    gci_model_check();
    (void)gca_collect();
    gci_model_check();
    gci_model_end();
    return 0;
}
