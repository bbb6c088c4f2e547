/* SPDX-License-Identifier: MIT */
/* Memory that was freed or reclaimed gets new owners, who free it in turn: the past of an address is no crime. */
#include "legal.h"

#define BLOCKS 3000
#define ROUNDS 60

static struct filled *blocks[BLOCKS];

/* Drops a third, frees a third, keeps a third; sizes change from round to round. */
static void run_round(uint32_t round, uint32_t *random)
{
    for (size_t i = 0; i < BLOCKS; i++) {
        uint32_t sort = next_random(random) % 3;
        if (blocks[i] != NULL && sort == 0)
            free_filled(blocks[i]);
        if (blocks[i] == NULL || sort != 2)
            blocks[i] = make_filled(next_random(random) % (i % 500 == 0 ? 100000 : 100 + round * 10), (uint8_t)i);
    }
    gca_collect();
}

int main(void)
{
    uint32_t random = 1;
    for (uint32_t round = 0; round < ROUNDS; round++)
        run_round(round, &random);
    for (size_t i = 0; i < BLOCKS; i++)
        free_filled(blocks[i]);
    return 0;
}
