/* SPDX-License-Identifier: MIT */
/* Row 69: memory goes back a hundred times a second while threads allocate, free each other's blocks and collect; what lives
 * keeps its contents, and what is cleared is clear. The seed is printed; ROW69_SEED sets it. */
#include <pthread.h>
#include <time.h>

#include "conformance.h"

#define THREADS 4
#define BLOCKS 30000 /* of one thread: some 8 MiB */
#define SHARED 4096
#define SECONDS 3

struct block {
    unsigned char *bytes;
    size_t size;
    unsigned char pattern;
};

struct worker {
    pthread_t thread;
    uint64_t random;
    struct block *blocks;
};

static unsigned char *volatile handed_over[SHARED]; /* to whoever comes by: a block of 64 bytes and more, or NULL */
static volatile int is_over;

static void check_pattern(const unsigned char *at, size_t size, unsigned char pattern)
{
    for (size_t i = 0; i < size; i++)
        CHECK(at[i] == pattern);
}

static size_t random_size(uint64_t random)
{
    return (random >> 20) % ((size_t)64 << random % (random % 512 == 0 ? 12 : 5)) + 1;
}

static void take(struct worker *worker, struct block *block)
{
    uint64_t random = next_random(&worker->random);
    block->size = random_size(random);
    block->pattern = (unsigned char)(random >> 8 | 1);
    if (random % 4 == 0) {
        block->bytes = calloc(block->size, 1);
        CHECK(block->bytes != NULL);
        check_pattern(block->bytes, block->size, 0);
    } else {
        block->bytes = malloc(block->size);
        CHECK(block->bytes != NULL);
    }
    memset(block->bytes, block->pattern, block->size);
}

static void resize(struct worker *worker, struct block *block)
{
    size_t size = random_size(next_random(&worker->random));
    size_t kept = size < block->size ? size : block->size;
    block->bytes = realloc(block->bytes, size);
    CHECK(block->bytes != NULL);
    check_pattern(block->bytes, kept, block->pattern);
    block->size = size;
    memset(block->bytes, block->pattern, size);
}

static void drop(struct worker *worker, struct block *block)
{
    uint64_t random = next_random(&worker->random);
    check_pattern(block->bytes, block->size, block->pattern);
    if (random % 8 == 0) /* somebody else frees it */
        free(__atomic_exchange_n(&handed_over[(random >> 8) % SHARED], block->bytes, __ATOMIC_ACQ_REL));
    else if (random % 64 != 1) /* garbage */
        free(block->bytes);
    block->bytes = NULL;
}

/* Up to a random level, down to another, a pause now and then. */
static void *work(void *data)
{
    struct worker *worker = data;
    while (!is_over) {
        uint64_t random = next_random(&worker->random);
        uint64_t share = random % 8; /* of the blocks, in eighths, that live after this round */
        for (size_t i = 0; i < BLOCKS && !is_over; i++) {
            struct block *block = &worker->blocks[i];
            uint64_t choice = next_random(&worker->random);
            if (block->bytes == NULL && choice % 8 <= share)
                take(worker, block);
            else if (block->bytes != NULL && choice % 8 > share)
                drop(worker, block);
            else if (block->bytes != NULL && choice % 64 == 0)
                resize(worker, block);
        }
        if (random >> 8 & 1)
            nanosleep(&(struct timespec){0, 25000000}, NULL);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        if (worker->blocks[i].bytes != NULL)
            check_pattern(worker->blocks[i].bytes, worker->blocks[i].size, worker->blocks[i].pattern);
    return NULL;
}

static void make_ticks_frequent(void)
{
    int (*set)(const char *, const char *);
    void *symbol = dlsym(RTLD_DEFAULT, "gca_option_set");
    memcpy(&set, &symbol, sizeof set);
    CHECK(symbol == NULL || set("release_ms", "10") == 0);
}

int main(void)
{
    struct worker workers[THREADS];
    const char *given = getenv("ROW69_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)getpid() * 2654435761u + 1;
    printf("ROW69_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    make_ticks_frequent();
    for (int i = 0; i < THREADS; i++) {
        workers[i].random = (seed + (uint64_t)i * 0x9e3779b97f4a7c15u) | 1;
        workers[i].blocks = calloc(BLOCKS, sizeof *workers[i].blocks);
        CHECK(workers[i].blocks != NULL);
        CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (int i = 0; i < SECONDS * 10; i++) {
        nanosleep(&(struct timespec){0, 100000000}, NULL);
        if (i % 4 == 3)
            collect();
    }
    is_over = 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    return 0;
}
