/* SPDX-License-Identifier: MIT */
/* A program with swapped names and a library without: each keeps pointers to the other's blocks, only the owner
 * frees. */
#include "check.h"
#include "plain.h"

#include <stdlib.h>

#define VALUES 2000

static struct plain_table *table;
static void **kept_theirs;

static void *copy_value(const void *value)
{
    return strdup(value);
}

static NOINLINE void fill_table(void)
{
    char name[32];
    table = plain_table_create(copy_value, free);
    for (int i = 0; i < VALUES; i++) {
        snprintf(name, sizeof name, "name%d", i);
        plain_table_put(table, name, name + 4);
    }
}

static void check_table(void)
{
    char name[32];
    for (int i = 0; i < VALUES; i++) {
        snprintf(name, sizeof name, "name%d", i);
        char *value = plain_table_get(table, name);
        CHECK(gca_base(value) == value && strcmp(value, name + 4) == 0);
    }
}

/* Overwrites what a collection may have freed by mistake. */
static void churn(void)
{
    for (size_t i = 0; i < 200000; i++)
        memset(malloc(16 + i % 64), 0x77, 16);
}

/* Blocks of the library's that only a block of ours points to. */
static NOINLINE void keep_theirs(void)
{
    kept_theirs = malloc(VALUES * sizeof *kept_theirs);
    for (int i = 0; i < VALUES; i++) {
        kept_theirs[i] = plain_malloc(100);
        CHECK(gca_base(kept_theirs[i]) == NULL);
        memset(kept_theirs[i], i, 100);
    }
}

int main(void)
{
    fill_table();
    keep_theirs();
    for (int i = 0; i < 3; i++) {
        churn();
        CHECK(collect_cleanly() > 0);
    }
    check_table();
    for (int i = 0; i < VALUES; i++) {
        CHECK(is_filled(kept_theirs[i], i, 100));
        if (i % 2 == 0)
            plain_free(kept_theirs[i]);
        else
            free(kept_theirs[i]); /* the swapped free takes theirs too */
    }
    char *names = plain_table_names(table);
    CHECK(gca_base(names) == NULL && strncmp(names, "name1999 name1998 ", 18) == 0);
    free(names);
    plain_table_destroy(table);
    return check_result();
}
