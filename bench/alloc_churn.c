/* SPDX-License-Identifier: MIT */
/* alloc_churn ORDER LIVE OPERATIONS: LIVE blocks of 16 to 512 bytes; each operation frees one and allocates another.
 * ORDER: `ring`, the oldest goes first, a window that slides; `random`, any may go.
 */
#include "bench.h"

#define BYTES_LOW 16
#define BYTES_HIGH 512
#define SEED 88172645463325252u

static void *make_block(uint64_t random)
{
    size_t bytes = BYTES_LOW + random % (BYTES_HIGH - BYTES_LOW + 1);
    char *block = malloc(bytes);
    if (block == NULL)
        bench_fail("out of memory");
    block[0] = (char)random;
    block[bytes - 1] = (char)bytes;
    return block;
}

int main(int count, char **words)
{
    bench_check_allocator();
    uint64_t live = bench_number(count, words, 2);
    uint64_t operations = bench_number(count, words, 3);
    int is_ring = strcmp(words[1], "ring") == 0;
    uint64_t state = SEED;
    void **blocks = malloc(live * sizeof *blocks);
    if (blocks == NULL || (!is_ring && strcmp(words[1], "random") != 0))
        bench_fail("ORDER is `ring` or `random`, LIVE must fit in memory");
    for (uint64_t i = 0; i < live; i++)
        blocks[i] = make_block(bench_random(&state));
    for (uint64_t i = 0; i < operations; i++) {
        uint64_t random = bench_random(&state);
        uint64_t at = (is_ring ? i : random >> 32) % live;
        free(blocks[at]);
        blocks[at] = make_block(random & UINT32_MAX);
    }
    for (uint64_t i = 0; i < live; i++)
        free(blocks[i]);
    free(blocks);
    return 0;
}
