/* SPDX-License-Identifier: MIT */
/* Drops memory in blocks of 64 bytes to 64 KiB without ever freeing one, beside a live set of 16 MiB whose contents are
 * verified again and again. Argument: MiB to drop (1024). Under gcalloc the peak of the resident size stays in bounds.
 *
 * The live set is a table of lists; its blocks are replaced one by one, so that live and dead blocks are neighbours
 * and old live blocks become garbage that still points into the live set. */
#include "program.h"

#define LISTS 1024
#define LIVE_BYTES (16 * MIB)

struct block {
    struct block *next;
    size_t bytes;
    uint64_t seed;
    unsigned char data[];
};

static struct block *lists[LISTS];
static uint64_t random_state = 88172645463325252u;
static size_t live_bytes, dropped_bytes;

/* 64 bytes to 64 KiB, each power of two as likely as any other. */
static size_t random_size(void)
{
    unsigned shift = 6 + (unsigned)(next_random(&random_state) % 10);
    return ((size_t)1 << shift) + next_random(&random_state) % (((size_t)1 << shift) + 1);
}

static unsigned char content(const struct block *b, size_t i)
{
    return (unsigned char)(b->seed + i * 31);
}

static struct block *new_block(void)
{
    size_t bytes = random_size();
    struct block *b = need(malloc(bytes));
    b->next = NULL;
    b->bytes = bytes;
    b->seed = next_random(&random_state);
    for (size_t i = 0; i < bytes - sizeof *b; i++)
        b->data[i] = content(b, i);
    return b;
}

static void verify_block(const struct block *b)
{
    if (b->bytes < 64 || b->bytes > 64 * 1024)
        fail("a live block has a size of %zu", b->bytes);
    for (size_t i = 0; i < b->bytes - sizeof *b; i++) {
        if (b->data[i] != content(b, i))
            fail("live block %p of %zu bytes: byte %zu has changed", (const void *)b, b->bytes, i);
    }
}

static void verify_live(void)
{
    size_t sum = 0;
    for (size_t l = 0; l < LISTS; l++) {
        for (const struct block *b = lists[l]; b; b = b->next) {
            verify_block(b);
            sum += b->bytes;
        }
    }
    if (sum != live_bytes)
        fail("live set is %zu bytes instead of %zu", sum, live_bytes);
}

static void add_live(void)
{
    struct block *b = new_block();
    size_t l = next_random(&random_state) % LISTS;
    b->next = lists[l];
    lists[l] = b;
    live_bytes += b->bytes;
}

/* Drops the head of a random list. It keeps its pointer to the rest of the list, which stays alive. */
static void drop_live(void)
{
    struct block **list = &lists[next_random(&random_state) % LISTS];
    if (!*list)
        return;
    live_bytes -= (*list)->bytes;
    dropped_bytes += (*list)->bytes;
    *list = (*list)->next;
}

static void drop_new(void)
{
    struct block *b = new_block();
    b->next = lists[next_random(&random_state) % LISTS];
    dropped_bytes += b->bytes;
}

int main(int argc, char **argv)
{
    size_t target = (argc > 1 ? strtoull(argv[1], NULL, 10) : 1024) * MIB, verified = 0;
    check_library();
    while (dropped_bytes < target) {
        if (live_bytes < LIVE_BYTES)
            add_live();
        else
            drop_live();
        drop_new();
        if (dropped_bytes - verified > 32 * MIB) {
            verified = dropped_bytes;
            verify_live();
        }
    }
    verify_live();
    check_peak("leak_sizes", LIVE_BYTES, dropped_bytes);
    return 0;
}
