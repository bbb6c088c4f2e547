/* SPDX-License-Identifier: MIT */
/* libdw chooses the table: .symtab of the file or of its debug file, else .dynsym, with the one in .gnu_debugdata. A symbol
 * without a size, as in assembler, reaches up to the next one; an address behind the end of a symbol has none.
 */
#include "cli/symbols/table.h"

#include <stdlib.h>

#include "cli/base/memory.h"

static bool is_of_sort(const GElf_Sym *symbol, enum symbol_sort sort)
{
    unsigned type = GELF_ST_TYPE(symbol->st_info);
    if (sort == SYMBOL_OBJECTS)
        return type == STT_OBJECT || type == STT_COMMON;
    return type == STT_FUNC || type == STT_GNU_IFUNC || type == STT_NOTYPE;
}

/* What a person would call it: a global name rather than a local one, one with a size, with fewer underscores in front. */
static int rank_of(const GElf_Sym *symbol, const char *name)
{
    unsigned binding = GELF_ST_BIND(symbol->st_info);
    int rank = (symbol->st_size > 0 ? 16 : 0) + (binding == STB_GLOBAL ? 8 : 0) + (binding == STB_WEAK ? 4 : 0);
    return rank - (name[0] == '_' ? 1 : 0) - (name[0] == '_' && name[1] == '_' ? 1 : 0);
}

static int compare_symbols(const void *a, const void *b)
{
    const struct symbol *one = a, *other = b;
    if (one->start != other->start)
        return one->start < other->start ? -1 : 1;
    return other->rank - one->rank;
}

/* One symbol for each address; those without a size get theirs. */
static void make_unique(struct symbol_table *table)
{
    size_t kept = 0;
    for (size_t i = 0; i < table->count; i++) {
        if (kept == 0 || table->symbols[kept - 1].start != table->symbols[i].start)
            table->symbols[kept++] = table->symbols[i];
    }
    table->count = kept;
    for (size_t i = 0; i + 1 < kept; i++) {
        if (table->symbols[i].bytes == 0)
            table->symbols[i].bytes = table->symbols[i + 1].start - table->symbols[i].start;
    }
}

void gci_symbol_table_read(struct symbol_table *table, const struct image *image, enum symbol_sort sort)
{
    size_t room = 0;
    int count = dwfl_module_getsymtab(image->module);
    *table = (struct symbol_table){0};
    for (int i = 1; i < count; i++) {
        GElf_Sym symbol;
        GElf_Addr address;
        GElf_Word section;
        const char *name = dwfl_module_getsym_info(image->module, i, &symbol, &address, &section, NULL, NULL);
        bool in_code = address >= image->code_start && address < image->code_end;
        if (!name || name[0] == '\0' || !is_of_sort(&symbol, sort) || section == SHN_UNDEF || section == SHN_ABS)
            continue;
        if (sort == SYMBOL_FUNCTIONS && !in_code)
            continue;
        table->symbols = gci_memory_grow(table->symbols, &room, table->count + 1, sizeof *table->symbols);
        table->symbols[table->count++] =
            (struct symbol){.start = address, .bytes = symbol.st_size, .name = name, .rank = rank_of(&symbol, name)};
    }
    if (table->count > 0)
        qsort(table->symbols, table->count, sizeof *table->symbols, compare_symbols);
    make_unique(table);
}

void gci_symbol_table_forget(struct symbol_table *table)
{
    free(table->symbols);
    *table = (struct symbol_table){0};
}

const struct symbol *gci_symbol_table_find(const struct symbol_table *table, uint64_t address)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (table->symbols[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || address - table->symbols[low - 1].start >= table->symbols[low - 1].bytes)
        return NULL;
    return &table->symbols[low - 1];
}
