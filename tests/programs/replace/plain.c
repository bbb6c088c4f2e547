/* SPDX-License-Identifier: MIT */
/* Implementation of plain.h. */
#include "plain.h"

#include <stdlib.h>
#include <string.h>

#if defined(malloc) || defined(free)
#error "this file is compiled without gcalloc/replace.h"
#endif

struct entry {
    struct entry *next;
    char *name;
    void *value;
};

struct plain_table {
    struct entry *first;
    void *(*copy)(const void *value);
    void (*release)(void *value);
};

long plain_getdelim(char **line, size_t *bytes, int delimiter, FILE *stream)
{
    return getdelim(line, bytes, delimiter, stream);
}

void *plain_malloc(size_t bytes)
{
    return malloc(bytes);
}

void plain_free(void *block)
{
    free(block);
}

struct plain_table *plain_table_create(void *(*copy)(const void *value), void (*release)(void *value))
{
    struct plain_table *table = malloc(sizeof *table);
    *table = (struct plain_table){NULL, copy, release};
    return table;
}

void plain_table_put(struct plain_table *table, const char *name, const void *value)
{
    struct entry *entry = malloc(sizeof *entry);
    *entry = (struct entry){table->first, strdup(name), table->copy(value)};
    table->first = entry;
}

void *plain_table_get(const struct plain_table *table, const char *name)
{
    for (const struct entry *entry = table->first; entry != NULL; entry = entry->next) {
        if (strcmp(entry->name, name) == 0)
            return entry->value;
    }
    return NULL;
}

char *plain_table_names(const struct plain_table *table)
{
    char *names = strdup("");
    for (const struct entry *entry = table->first; entry != NULL; entry = entry->next) {
        names = realloc(names, strlen(names) + strlen(entry->name) + 2);
        strcat(strcat(names, entry->name), " ");
    }
    return names;
}

void plain_table_destroy(struct plain_table *table)
{
    for (struct entry *entry = table->first, *next; entry != NULL; entry = next) {
        next = entry->next;
        table->release(entry->value);
        free(entry->name);
        free(entry);
    }
    free(table);
}
