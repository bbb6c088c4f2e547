/* SPDX-License-Identifier: MIT */
/* Row 68: random requests of every kind beside a model of what must be there; after each few thousand all of it is
 * compared: contents, alignment, that no two blocks overlap. The seed is printed; ROW68_SEED sets it. */
#include <malloc.h>

#include "conformance.h"

#define BLOCKS 3000
#define STEPS 400000
#define STEPS_BETWEEN_LOOKS 10000

struct model {
    unsigned char *block;
    size_t bytes;
    size_t alignment;
    unsigned char pattern;
};

static struct model models[BLOCKS];
static uint64_t state;

static size_t random_bytes(void)
{
    uint64_t random = next_random(&state);
    return (random >> 20) % ((size_t)16 << random % (random % 97 == 0 ? 17 : 11));
}

static void check_pattern(const unsigned char *block, size_t bytes, unsigned char pattern)
{
    for (size_t i = 0; i < bytes; i++)
        CHECK(block[i] == pattern);
}

static void take(struct model *model)
{
    uint64_t random = next_random(&state);
    model->bytes = random_bytes();
    model->alignment = 16;
    if (random % 8 == 0) {
        model->alignment = (size_t)16 << (random >> 8) % 10;
        model->block = memalign(model->alignment, model->bytes);
    } else if (random % 8 < 3) {
        model->block = calloc(1, model->bytes);
        check_pattern(model->block, model->bytes, 0);
    } else {
        model->block = malloc(model->bytes);
    }
}

static void resize(struct model *model)
{
    size_t bytes = random_bytes() + 1;
    model->block = realloc(model->block, bytes);
    model->alignment = 16;
    CHECK(model->block != NULL);
    check_pattern(model->block, bytes < model->bytes ? bytes : model->bytes, model->pattern);
    model->bytes = bytes;
}

static void step(struct model *model)
{
    uint64_t random = next_random(&state);
    if (model->block == NULL) {
        take(model);
    } else if (random % 3 == 0) {
        resize(model);
    } else {
        check_pattern(model->block, model->bytes, model->pattern);
        if (random % 3 == 1)
            free(model->block);
        *model = (struct model){NULL, 0, 0, 0}; /* freed, or garbage */
        return;
    }
    CHECK(model->block != NULL);
    model->pattern = (unsigned char)random;
    memset(model->block, model->pattern, model->bytes);
}

static int compare(const void *a, const void *b)
{
    uintptr_t left = (uintptr_t)((const struct model *)a)->block;
    uintptr_t right = (uintptr_t)((const struct model *)b)->block;
    return (left > right) - (left < right);
}

static void look_at_all(void)
{
    const unsigned char *end = NULL;
    qsort(models, BLOCKS, sizeof *models, compare);
    for (int i = 0; i < BLOCKS; i++) {
        const struct model *model = &models[i];
        if (model->block == NULL)
            continue;
        CHECK((uintptr_t)model->block % model->alignment == 0);
        CHECK(model->block >= end && malloc_usable_size(model->block) >= model->bytes);
        check_pattern(model->block, model->bytes, model->pattern);
        end = model->block + (model->bytes == 0 ? 1 : model->bytes);
    }
}

int main(void)
{
    const char *given = getenv("ROW68_SEED");
    state = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)getpid() * 2654435761u + 1;
    printf("ROW68_SEED=%llu\n", (unsigned long long)state);
    fflush(stdout);
    for (int i = 1; i <= STEPS; i++) {
        step(&models[next_random(&state) % BLOCKS]);
        if (i % STEPS_BETWEEN_LOOKS != 0)
            continue;
        look_at_all();
        collect();
        look_at_all();
    }
    return 0;
}
