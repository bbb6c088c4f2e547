/* SPDX-License-Identifier: MIT */
/* A library that knows nothing of gcalloc: plain.c is compiled without gcalloc/replace.h. */
#ifndef GCALLOC_TESTS_PLAIN_H
#define GCALLOC_TESTS_PLAIN_H

#include <stddef.h>
#include <stdio.h>

/* The C library's own getdelim, malloc and free. */
long plain_getdelim(char **line, size_t *bytes, int delimiter, FILE *stream);
void *plain_malloc(size_t bytes);
void plain_free(void *block);

/* A table of names that keeps its callers' values. It copies names, frees only what it made, and gives values back. */
struct plain_table;
struct plain_table *plain_table_create(void *(*copy)(const void *value), void (*release)(void *value));
void plain_table_put(struct plain_table *table, const char *name, const void *value);
void *plain_table_get(const struct plain_table *table, const char *name);
char *plain_table_names(const struct plain_table *table); /* made with malloc, for the caller to free */
void plain_table_destroy(struct plain_table *table);

#endif
