/* SPDX-License-Identifier: MIT */
#include "cli/symbols/symbols.h"

#include <string.h>

#include "cli/base/intern.h"
#include "cli/base/progress.h"
#include "cli/symbols/demangle.h"
#include "cli/symbols/image.h"
#include "cli/symbols/table.h"
#include "cli/symbols/units.h"

void gci_symbols_look_in(const char *folders)
{
    gci_image_look_in(folders);
}

/* ---- Allocators ---- */

/* Requests for memory, and what only copies a text into new memory. */
static const char *const wrappers[] = {
    "malloc", "calloc",        "realloc",       "reallocarray",   "memalign",        "aligned_alloc", "posix_memalign",
    "valloc", "pvalloc",       "free",          "strdup",         "__strdup",        "strndup",       "__strndup",
    "wcsdup", "__libc_malloc", "__libc_calloc", "__libc_realloc", "__libc_memalign",
};

/* Beginnings of names: ours, and what stands between operator new and the container that asked for memory. */
static const char *const wrapper_families[] = {
    "gca_",
    "gci_",
    "operator new",
    "std::allocator<",
    "std::allocator_traits<",
    "std::__new_allocator<",
    "__gnu_cxx::new_allocator<",
};

bool gci_symbols_is_allocator(const char *function, const char *module)
{
    for (size_t i = 0; i < sizeof wrappers / sizeof wrappers[0]; i++) {
        if (strcmp(function, wrappers[i]) == 0)
            return true;
    }
    for (size_t i = 0; i < sizeof wrapper_families / sizeof wrapper_families[0]; i++) {
        if (strncmp(function, wrapper_families[i], strlen(wrapper_families[i])) == 0)
            return true;
    }
    return strncmp(module, "libgcalloc", strlen("libgcalloc")) == 0;
}

/* ---- Lookups ---- */

/* Of functions within functions DWARF has but the last part of the name, and the table has all of it. */
static bool says_more(const struct symbol *symbol, const struct profile_frame *frame)
{
    bool is_last_part =
        frame->function && (!strchr(frame->function, '(') || strncmp(frame->function, "operator", 8) == 0);
    return !frame->function || (is_last_part && strncmp(symbol->name, "_Z", 2) == 0);
}

/* The outermost frame of a lookup is the function that was compiled, which the table may know better than DWARF. */
static void name_by_table(const struct symbol_table *table, struct memory_pool *pool, const struct image *image,
                          struct symbol_lookup *lookup)
{
    const struct symbol *symbol = gci_symbol_table_find(table, lookup->address - image->bias);
    if (!symbol)
        return;
    if (lookup->count == 0) {
        lookup->frames = gci_memory_pool_take(pool, sizeof *lookup->frames);
        *lookup->frames = (struct profile_frame){0};
        lookup->count = 1;
    }
    struct profile_frame *frame = &lookup->frames[lookup->count - 1];
    if (says_more(symbol, frame))
        frame->function = gci_demangle(pool, symbol->name);
    frame->has_name = true;
}

/* What is being looked up, for the line that says how far it has come. */
struct advance {
    struct progress progress;
    size_t before; /* lookups of earlier modules */
    const char *module;
};

static void show_advance(void *data, size_t done)
{
    struct advance *advance = data;
    gci_progress_show(&advance->progress, advance->before + done, advance->module);
}

static void find_in_module(const struct profile_modules *modules, struct memory_pool *pool,
                           struct symbol_lookup *lookups, size_t count, bool quiet, struct advance *advance)
{
    struct image image;
    struct symbol_table table;
    if (!gci_image_open(&image, modules, lookups->module, quiet))
        return;
    gci_units_find(&image, pool, lookups, count, show_advance, advance);
    gci_symbol_table_read(&table, &image, SYMBOL_FUNCTIONS);
    for (size_t i = 0; i < count; i++)
        name_by_table(&table, pool, &image, &lookups[i]);
    gci_symbol_table_forget(&table);
    gci_image_close(&image);
}

void gci_symbols_find(const struct profile_modules *modules, struct memory_pool *pool, struct symbol_lookup *lookups,
                      size_t count)
{
    struct advance advance = {.progress = {.what = "looking up names", .total = count}};
    struct intern paths = {0}; /* several mappings may be of one file: what is wrong with it is said once */
    for (size_t low = 0, high; low < count && lookups[low].module != PROFILE_NO_MODULE; low = high) {
        uint32_t module = lookups[low].module;
        for (high = low + 1; high < count && lookups[high].module == module;)
            high++;
        advance.before = low;
        advance.module = modules->all[module].name;
        show_advance(&advance, 0);
        uint32_t known = paths.count;
        bool is_first = gci_intern_text(&paths, modules->all[module].path) == known;
        find_in_module(modules, pool, lookups + low, high - low, !is_first, &advance);
    }
    gci_intern_forget(&paths);
    gci_progress_end(&advance.progress);
}
