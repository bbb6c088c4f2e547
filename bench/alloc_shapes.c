/* SPDX-License-Identifier: MIT */
/* alloc_shapes SHAPE OPERATIONS: what programs do beside small blocks at random.
 *
 *   stack   LIFO: blocks are freed in the opposite order, depth up and down
 *   grow    buffers that grow by realloc from 16 bytes to 1 MiB
 *   large   blocks of 64 KiB to 4 MiB, each written to
 *   aligned blocks at multiples of 64 to 4096
 *   drift   a full heap whose block sizes grow and shrink: what was free must serve other sizes
 */
#include "bench.h"

#define SEED 88172645463325252u
#define DEPTH 4096
#define BUFFERS 16
#define BUFFER_BYTES_MAX ((size_t)1 << 20)
#define LARGE_BLOCKS 32
#define LARGE_BYTES_LOW ((size_t)64 << 10)
#define LARGE_BYTES_HIGH ((size_t)4 << 20)
#define DRIFT_BLOCKS 100000
#define DRIFT_BYTES_LOW 16
#define DRIFT_PHASES 10

static uint64_t state = SEED;

static void *checked(void *block, size_t bytes)
{
    if (block == NULL)
        bench_fail("out of memory");
    ((char *)block)[0] = 1;
    ((char *)block)[bytes - 1] = 1;
    return block;
}

static void *make(size_t bytes)
{
    return checked(malloc(bytes), bytes);
}

static void run_stack(uint64_t operations)
{
    static void *blocks[DEPTH];
    size_t depth = 0;
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t random = bench_random(&state);
        if (depth < DEPTH && (depth == 0 || (random >> 32 & 1)))
            blocks[depth++] = make(16 + random % 256);
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

static void run_large(uint64_t operations)
{
    static char *blocks[LARGE_BLOCKS];
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t random = bench_random(&state);
        size_t bytes = LARGE_BYTES_LOW + (random >> 20) % (LARGE_BYTES_HIGH - LARGE_BYTES_LOW);
        free(blocks[random % LARGE_BLOCKS]);
        blocks[random % LARGE_BLOCKS] = make(bytes);
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

static void run_drift(uint64_t operations)
{
    static void *blocks[DRIFT_BLOCKS];
    uint64_t in_phase = operations / DRIFT_PHASES + 1;
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t phase = i / in_phase;
        uint64_t step = phase < DRIFT_PHASES / 2 ? phase : DRIFT_PHASES - phase;
        uint64_t random = bench_random(&state);
        size_t bytes = ((size_t)DRIFT_BYTES_LOW << step) + (random >> 32) % 16;
        free(blocks[random % DRIFT_BLOCKS]);
        blocks[random % DRIFT_BLOCKS] = make(bytes);
    }
}

int main(int count, char **words)
{
    static const struct {
        const char *name;
        void (*run)(uint64_t operations);
    } shapes[] = {
        {"stack", run_stack}, {"grow", run_grow}, {"large", run_large}, {"aligned", run_aligned}, {"drift", run_drift}};
    bench_check_allocator();
    uint64_t operations = bench_number(count, words, 2);
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (strcmp(words[1], shapes[i].name) != 0)
            continue;
        shapes[i].run(operations);
        return 0;
    }
    bench_fail("SHAPE is one of stack, grow, large, aligned, drift");
}
