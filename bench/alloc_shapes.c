/* SPDX-License-Identifier: MIT */
/* alloc_shapes SHAPE OPERATIONS: what programs do beside small blocks at random.
 *
 *   stack   LIFO: blocks are freed in the opposite order, depth up and down
 *   grow    buffers that grow by realloc from 16 bytes to 1 MiB
 *   append  one buffer that grows by 4 KiB at a time to 64 MiB
 *   vectors many vectors by turns, each grows by half to between 1 KiB and 4 MiB and is written to its end
 *   texts   many texts by turns, each grows by 16 to 143 bytes at a time to between 1 KiB and 1 MiB
 *   large   blocks of 64 KiB to 4 MiB, a sixteenth of each written
 *   huge    blocks of 4 to 64 MiB, a byte in each page written
 *   aligned blocks at multiples of 64 to 4096
 *   wide    fewer blocks, by posix_memalign, at multiples of 32 to 65536
 */
#include "bench.h"

#define SEED 88172645463325252u
#define DEPTH 4096
#define BUFFERS 16
#define BUFFER_BYTES_MAX ((size_t)1 << 20)
#define APPEND_BYTES 4096
#define APPEND_BYTES_MAX ((size_t)64 << 20)
#define GROWING 64
#define GROWING_BYTES_LOW 1024
#define VECTOR_DOUBLINGS 13
#define TEXT_DOUBLINGS 11
#define LARGE_BLOCKS 32
#define LARGE_BYTES_LOW ((size_t)64 << 10)
#define LARGE_BYTES_HIGH ((size_t)4 << 20)
#define HUGE_BLOCKS 4
#define HUGE_BYTES_LOW ((size_t)4 << 20)
#define HUGE_BYTES_HIGH ((size_t)64 << 20)
#define PAGE_BYTES 4096
#define WIDE_BLOCKS 512

struct growing {
    char *bytes;
    size_t size;
    size_t limit;
};

static uint64_t state = SEED;

static void *checked(void *block, size_t bytes)
{
    if (block == NULL)
        bench_fail("out of memory");
    ((char *)block)[0] = 1;
    ((char *)block)[bytes - 1] = 1;
    return block;
}

static void run_stack(uint64_t operations)
{
    static void *blocks[DEPTH];
    size_t depth = 0;
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t random = bench_random(&state);
        if (depth < DEPTH && (depth == 0 || (random >> 32 & 1)))
            blocks[depth++] = bench_make(16 + random % 256);
        else
            free(blocks[--depth]);
    }
    while (depth > 0)
        free(blocks[--depth]);
}

static void run_grow(uint64_t operations)
{
    static char *buffers[BUFFERS];
    static size_t bytes[BUFFERS];
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t at = bench_random(&state) % BUFFERS;
        if (bytes[at] >= BUFFER_BYTES_MAX) {
            free(buffers[at]);
            buffers[at] = NULL;
            bytes[at] = 0;
        }
        bytes[at] = bytes[at] < 16 ? 16 : bytes[at] + bytes[at] / 4 + 8;
        buffers[at] = checked(realloc(buffers[at], bytes[at]), bytes[at]);
    }
}

static void run_append(uint64_t operations)
{
    char *buffer = NULL;
    size_t bytes = 0;
    for (uint64_t i = 0; i < operations; i++) {
        bytes = bytes == APPEND_BYTES_MAX ? APPEND_BYTES : bytes + APPEND_BYTES;
        buffer = checked(realloc(buffer, bytes), bytes);
    }
    free(buffer);
}

/* To `size` and written to there; one that has come to its limit begins anew, with another limit. */
static void grow_to(struct growing *one, size_t size, unsigned doublings)
{
    if (one->size >= one->limit) {
        free(one->bytes);
        *one = (struct growing){NULL, 0, (size_t)GROWING_BYTES_LOW << bench_random(&state) % doublings};
        size = 16;
    }
    one->bytes = checked(realloc(one->bytes, size), size);
    memset(one->bytes + one->size, 1, size - one->size);
    one->size = size;
}

static void run_vectors(uint64_t operations)
{
    static struct growing vectors[GROWING];
    for (uint64_t i = 0; i < operations; i++) {
        struct growing *one = &vectors[bench_random(&state) % GROWING];
        grow_to(one, one->size + one->size / 2, VECTOR_DOUBLINGS);
    }
}

static void run_texts(uint64_t operations)
{
    static struct growing texts[GROWING];
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t random = bench_random(&state);
        struct growing *one = &texts[random % GROWING];
        grow_to(one, one->size + 16 + (random >> 32) % 128, TEXT_DOUBLINGS);
    }
}

static void run_huge(uint64_t operations)
{
    static char *blocks[HUGE_BLOCKS];
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t random = bench_random(&state);
        size_t bytes = HUGE_BYTES_LOW + (random >> 20) % (HUGE_BYTES_HIGH - HUGE_BYTES_LOW);
        char **place = &blocks[random % HUGE_BLOCKS];
        free(*place);
        *place = bench_make(bytes);
        for (size_t at = 0; at < bytes; at += PAGE_BYTES)
            (*place)[at] = 1;
    }
}

static void run_large(uint64_t operations)
{
    static char *blocks[LARGE_BLOCKS];
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t random = bench_random(&state);
        size_t bytes = LARGE_BYTES_LOW + (random >> 20) % (LARGE_BYTES_HIGH - LARGE_BYTES_LOW);
        free(blocks[random % LARGE_BLOCKS]);
        blocks[random % LARGE_BLOCKS] = bench_make(bytes);
        memset(blocks[random % LARGE_BLOCKS], 1, bytes / 16);
    }
}

static void run_aligned(uint64_t operations)
{
    static void *blocks[DEPTH];
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t random = bench_random(&state);
        size_t bytes = 16 + (random >> 40) % 2048;
        free(blocks[random % DEPTH]);
        blocks[random % DEPTH] = checked(aligned_alloc((size_t)64 << (random >> 20) % 7, bytes), bytes);
    }
}

static void run_wide(uint64_t operations)
{
    static void *blocks[WIDE_BLOCKS];
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t random = bench_random(&state);
        size_t bytes = 16 + (random >> 40) % 2048;
        void **place = &blocks[random % WIDE_BLOCKS];
        free(*place);
        if (posix_memalign(place, (size_t)32 << (random >> 20) % 12, bytes) != 0)
            bench_fail("out of memory");
        checked(*place, bytes);
    }
}

int main(int count, char **words)
{
    static const struct {
        const char *name;
        void (*run)(uint64_t operations);
    } shapes[] = {{"stack", run_stack},     {"grow", run_grow},   {"append", run_append},
                  {"vectors", run_vectors}, {"texts", run_texts}, {"large", run_large},
                  {"huge", run_huge},       {"wide", run_wide},   {"aligned", run_aligned}};
    bench_check_allocator();
    uint64_t operations = bench_number(count, words, 2);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (strcmp(words[1], shapes[i].name) != 0)
            continue;
        shapes[i].run(operations);
        return 0;
    }
    bench_fail("SHAPE is one of stack, grow, append, vectors, texts, large, huge, aligned, wide");
}
