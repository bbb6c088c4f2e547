/* SPDX-License-Identifier: MIT */
/* The symbols of one file, sorted by address, so that a lookup takes a binary search. */
#ifndef GCI_CLI_SYMBOL_TABLE_H
#define GCI_CLI_SYMBOL_TABLE_H

#include "cli/symbols/image.h"

struct symbol {
    uint64_t start, bytes; /* in the file's addresses */
    const char *name;      /* the file's, mangled */
    int rank;              /* of several at one address, the highest is taken */
};

struct symbol_table {
    struct symbol *symbols;
    size_t count;
};

enum symbol_sort { SYMBOL_FUNCTIONS, SYMBOL_OBJECTS };

/* Stays valid as long as the image is open. */
void gci_symbol_table_read(struct symbol_table *table, const struct image *image, enum symbol_sort sort);
void gci_symbol_table_forget(struct symbol_table *table);

/* The symbol that the address lies in, or NULL. */
const struct symbol *gci_symbol_table_find(const struct symbol_table *table, uint64_t address);

#endif
