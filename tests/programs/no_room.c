/* SPDX-License-Identifier: MIT */
/* The heap may not grow any further: malloc says so for each size, by whatever way that has come, and may be asked again. */
#include <errno.h>
#include <gcalloc/profile.h>
#include <stdlib.h>

#include "check.h"

struct kept {
    struct kept *next;
};

/* As many blocks as there are, and the error behind them. */
static size_t fill(size_t bytes)
{
    struct kept *kept = NULL;
    size_t count = 0;
    for (;;) {
        errno = 0;
        struct kept *block = malloc(bytes);
        CHECK((block == NULL) == (errno == ENOMEM));
        CHECK(block == NULL || errno == 0);
        if (block == NULL)
            break;
        block->next = kept;
        kept = block;
        count++;
    }
    while (kept != NULL) {
        struct kept *next = kept->next;
        free(kept);
        kept = next;
    }
    return count;
}

static void fill_all(void)
{
    static const size_t sizes[] = {24, 2000, 30000, 40000, 3000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        CHECK(fill(sizes[i]) > 0);
}

/* Each recorder takes requests by a way of its own. */
int main(void)
{
    struct gca_profile_options options = {.size = sizeof options};
    fill_all();
    gca_profile_stop(); /* mode leaks records for itself */
    for (options.level = GCA_PROFILE_SAMPLE; options.level <= GCA_PROFILE_FULL; options.level++) {
        CHECK(gca_profile_start(&options) == 0);
        fill_all();
        CHECK(gca_profile_stop() == 0);
    }
    return check_result();
}
