/* SPDX-License-Identifier: MIT */
/* Row 52: numbers, text and doubles in scanned memory keep less than a thousandth of the garbage; an object that lives does not
 * keep what was made right before it. */
#include "conformance.h"

#define WORDS (8 << 20) /* 64 MiB of each sort */
#define GARBAGE 200000

static uint64_t state = 88172645463325252u;

static void fill(uint64_t *words, int sort)
{
    for (size_t i = 0; i < WORDS; i++) {
        uint64_t random = next_random(&state);
        double real = (double)(int64_t)random / 1e9;
        switch (sort) {
        case 0:
            words[i] = random % 1000000 << 32 | random >> 44; /* two small integers */
            break;
        case 1:
            for (int k = 0; k < 8; k++)
                ((char *)&words[i])[k] = (char)(i % 7 == 6 && k > 4 ? 0 : 32 + (random >> 8 * k) % 95);
            break;
        case 2:
            words[i] = random;
            break;
        default:
            memcpy(&words[i], &real, sizeof real);
            break;
        }
    }
}

static __attribute__((noinline)) void make_garbage(void)
{
    for (int i = 0; i < GARBAGE; i++) {
        char *garbage = malloc(200);
        OPAQUE(garbage);
    }
}

struct node {
    struct node *left, *right;
};

static struct node *grow(int depth) // NOLINT(misc-no-recursion)
{
    struct node *left = depth == 0 ? NULL : grow(depth - 1);
    struct node *right = depth == 0 ? NULL : grow(depth - 1);
    struct node *node = malloc(sizeof *node);
    node->left = left;
    node->right = right;
    return node;
}

#define NEIGHBOURS 500
#define NEIGHBOUR_DEPTH 7

/* Each tree's root is the last thing made before something that lives. A pointer to that may also be one past the end of the
 * root, which then lives, and all of the tree; at the border of two words of the bitmap it does. */
static __attribute__((noinline)) void make_neighbours(void **living)
{
    for (int i = 0; i < NEIGHBOURS; i++) {
        struct node *tree = grow(NEIGHBOUR_DEPTH);
        OPAQUE(tree);
        living[i] = malloc(sizeof *tree);
    }
}

static void test_neighbours(size_t (*collect_bytes)(void), void (*disable)(void), void (*enable)(void))
{
    static void *living[NEIGHBOURS];
    size_t made = (size_t)NEIGHBOURS * ((2 << NEIGHBOUR_DEPTH) - 1) * sizeof(struct node);
    collect();
    disable();
    make_neighbours(living);
    clear_stack();
    enable();
    CHECK(collect_bytes() > made / 20 * 19);
}

int main(void)
{
    if (!collect())
        return 0;
    void *symbol = dlsym(RTLD_DEFAULT, "gca_collect");
    size_t (*collect_bytes)(void);
    memcpy(&collect_bytes, &symbol, sizeof symbol);
    uint64_t *words = malloc(WORDS * sizeof *words);
    void (*disable)(void);
    symbol = dlsym(RTLD_DEFAULT, "gca_disable");
    memcpy(&disable, &symbol, sizeof symbol);
    void (*enable)(void);
    symbol = dlsym(RTLD_DEFAULT, "gca_enable");
    memcpy(&enable, &symbol, sizeof symbol);
    for (int sort = 0; sort < 4; sort++) {
        fill(words, sort);
        collect();
        disable();
        make_garbage();
        clear_stack();
        enable();
        CHECK(collect_bytes() > (size_t)GARBAGE * 200 / 1000 * 999);
    }
    CHECK(words[WORDS - 1] != 0);
    test_neighbours(collect_bytes, disable, enable);
    return 0;
}
