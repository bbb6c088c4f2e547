/* SPDX-License-Identifier: MIT */
/* A user's program: says which of its memory is gcalloc's. Built in many ways by test_install.py. */
#include <gcalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    struct node *next;
};

static int is_ours(void *block)
{
    return block != NULL && gca_base(block) == block;
}

int main(int count, char **words)
{
    char *from_library = NULL;
    struct node *own = GCA_NEW(struct node);
    if (own == NULL || own->next != NULL || !is_ours(own) || asprintf(&from_library, "%d %s", count, words[0]) < 0)
        return 1;
    void *block = malloc((size_t)count * 100);
    char *text = strdup(words[0]);
    struct gca_stats stats = {.size = sizeof stats};
    gca_collect();
    gca_stats_get(&stats);
    if (stats.cycles == 0)
        return 2;
    printf("%s malloc=%d strdup=%d library=%d\n", gca_version(), is_ours(block), is_ours(text), is_ours(from_library));
    gca_free(own);
    free(block);
    free(text);
    free(from_library);
    return 0;
}
