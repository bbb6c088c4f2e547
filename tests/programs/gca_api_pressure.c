/* SPDX-License-Identifier: MIT */
/* At the heap limit: requests that are refused cost nothing, and what other threads freed is found. */
#include <fcntl.h>
#include <gcalloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define BLOCK_BYTES 200
#define BLOCKS ((size_t)64 * MIB / 208) /* the slots of that size */
#define REFUSALS 20000

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

/* Without stdio, which would allocate. */
static size_t mapped_data_kib(void)
{
    char line[128] = "";
    size_t data = 0;
    int file = open("/proc/self/statm", O_RDONLY);
    CHECK(file >= 0 && read(file, line, sizeof line - 1) > 0);
    close(file);
    CHECK(sscanf(line, "%*u %*u %*u %*u %*u %zu", &data) == 1);
    return data * 4;
}

static uint64_t heap_bytes(void)
{
    struct gca_stats stats = {.size = sizeof stats};
    gca_stats_get(&stats);
    return stats.heap_bytes;
}

static void *blocks[BLOCKS];

static void *free_all(void *data)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        gca_free(blocks[i]);
        blocks[i] = NULL;
    }
    return data;
}

static void free_on_another_thread(void)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, free_all, NULL) == 0);
    pthread_join(thread, NULL);
}

static size_t fill(size_t bytes)
{
    size_t count = 0;
    while (count < BLOCKS && (blocks[count] = gca_malloc(bytes)) != NULL)
        count++;
    return count;
}

static void refuse_and_recover(void)
{
    CHECK(gca_option_set("heap_limit", "16M") == 0);
    size_t count = fill(BLOCK_BYTES);
    CHECK(count < BLOCKS);
    size_t before = mapped_data_kib();
    for (int i = 0; i < REFUSALS; i++)
        CHECK(gca_malloc(BLOCK_BYTES) == NULL);
    CHECK(mapped_data_kib() < before + 4096);
    gca_free(blocks[0]);
    blocks[0] = gca_malloc(BLOCK_BYTES); /* the last block has slots again, though it is at the limit */
    CHECK(blocks[0] != NULL);
    free_all(NULL);
    CHECK(gca_option_set("heap_limit", "0") == 0);
}

/* A class that nobody asks for any more, all of it freed by somebody else. */
static void find_what_others_freed(const char *mode)
{
    CHECK(gca_option_set("mode", mode) == 0);
    CHECK(fill(BLOCK_BYTES) == BLOCKS);
    free_on_another_thread();
    CHECK(gca_option_set("heap_limit", "72M") == 0);
    void *large = gca_malloc(48 * MIB);
    CHECK(large != NULL);
    gca_free(large);
    CHECK(gca_option_set("heap_limit", "0") == 0);
}

static void sweep_gives_back_what_others_freed(void)
{
    CHECK(fill(BLOCK_BYTES) == BLOCKS);
    free_on_another_thread();
    gca_collect();
    CHECK(heap_bytes() < 16 * MIB);
}

static volatile int refused;

static void *make_garbage(void *data)
{
    for (int i = 0; i < 300000; i++) {
        void *block = gca_malloc(500);
        refused += block == NULL;
        __asm__ volatile("" : : "r"(block) : "memory");
    }
    return data;
}

/* A request that meets the limit while another thread collects finds what that one has freed. */
static void share_the_limit(void)
{
    pthread_t threads[4];
    CHECK(gca_option_set("heap_limit", "64M") == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, make_garbage, NULL) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK(refused == 0);
    CHECK(gca_option_set("heap_limit", "0") == 0);
}

int main(void)
{
    refuse_and_recover();
    find_what_others_freed("free");
    find_what_others_freed("gc");
    sweep_gives_back_what_others_freed();
    share_the_limit();
    return 0;
}
