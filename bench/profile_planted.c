/* SPDX-License-Identifier: MIT */
/* profile_planted ROUNDS: what a package for exact arithmetic does, with one leak. For profilers, which have to find it.
 *
 * Each round works out an expression of TREE_DEPTH levels by recursion: numbers of 16 to 64 bytes are made, put on lists that
 * live for the time of one operation, and freed. One object of LEAKED_BYTES is lost in the first round. At exit nothing
 * else is left but what the C library keeps for its streams, which is no leak. */
#include "bench.h"

#define TREE_DEPTH 10
#define LEAKED_BYTES 936 /* of a size class that nothing else here has */
#define LIMBS_MAX 7

struct number {
    uint64_t count;
    uint64_t limbs[];
};

struct item {
    struct item *next;
    uint64_t carry;
};

static uint64_t state = 88172645463325252u;
static uint64_t allocations;
static uint64_t *factors;

static __attribute__((noinline)) struct number *number_make(uint64_t count)
{
    struct number *number = malloc(sizeof *number + count * sizeof number->limbs[0]);
    if (number == NULL)
        bench_fail("out of memory");
    allocations++;
    number->count = count;
    for (uint64_t i = 0; i < count; i++)
        number->limbs[i] = 0;
    return number;
}

static __attribute__((noinline)) struct item *carry_push(struct item *list, uint64_t carry)
{
    struct item *item = malloc(sizeof *item);
    if (item == NULL)
        bench_fail("out of memory");
    allocations++;
    item->next = list;
    item->carry = carry;
    return item;
}

/* The sum; both operands are used up. */
static __attribute__((noinline)) struct number *number_add(struct number *left, struct number *right)
{
    uint64_t count = left->count > right->count ? left->count : right->count;
    struct number *sum = number_make(count);
    struct item *carries = NULL;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t a = i < left->count ? left->limbs[i] : 0;
        uint64_t b = i < right->count ? right->limbs[i] : 0;
        sum->limbs[i] = a + b;
        if (sum->limbs[i] < a)
            carries = carry_push(carries, i + 1);
    }
    while (carries != NULL) {
        struct item *next = carries->next;
        if (carries->carry < count)
            sum->limbs[carries->carry]++;
        free(carries);
        carries = next;
    }
    free(left);
    free(right);
    return sum;
}

static __attribute__((noinline)) struct number *evaluate(unsigned depth) // NOLINT(misc-no-recursion)
{
    if (depth > 0) {
        struct number *left = evaluate(depth - 1);
        return number_add(left, evaluate(depth - 1));
    }
    uint64_t random = bench_random(&state);
    struct number *leaf = number_make(1 + random % LIMBS_MAX);
    leaf->limbs[0] = random;
    return leaf;
}

/* The table of factors is made anew, and the first one is forgotten. */
static __attribute__((noinline)) void factors_make(void)
{
    factors = malloc(LEAKED_BYTES);
    if (factors == NULL)
        bench_fail("out of memory");
    factors[0] = 2;
    allocations++;
}

static __attribute__((noinline)) uint64_t round_run(void)
{
    struct number *result = evaluate(TREE_DEPTH);
    uint64_t low = result->limbs[0]; // NOLINT(clang-analyzer-core.uninitialized.Assign): each number has a limb
    free(result);
    return low;
}

int main(int count, char **words)
{
    bench_check_allocator();
    uint64_t rounds = bench_number(count, words, 1);
    uint64_t sum = 0;
    factors_make();
    factors = NULL;
    for (uint64_t i = 0; i < rounds; i++)
        sum += round_run();
    printf("%llu allocations, sum %llx\n", (unsigned long long)allocations, (unsigned long long)sum);
    return 0;
}
