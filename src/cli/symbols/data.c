/* SPDX-License-Identifier: MIT */
#include "cli/symbols/data.h"

#include <stdio.h>
#include <string.h>

#include "cli/symbols/demangle.h"
#include "cli/symbols/table.h"

#define MODULES_TRIED 16          /* code of others may lie between data and its own */
#define REACH ((uint64_t)4 << 30) /* data lies within this of its module's code: relative addresses reach no further */

/* The module that begins nearest in front of the address, but in front of `before`. */
static uint32_t module_in_front(const struct profile_modules *modules, uint64_t address, uint64_t before)
{
    uint32_t found = PROFILE_NO_MODULE;
    for (uint32_t i = 0; i < modules->count; i++) {
        uint64_t start = modules->all[i].start;
        if (start <= address && start < before && address - start < REACH &&
            (found == PROFILE_NO_MODULE || start > modules->all[found].start))
            found = i;
    }
    return found;
}

static bool find_in_module(struct data_name *name, const struct profile_modules *modules, uint32_t module,
                           uint64_t address)
{
    struct image image;
    if (!gci_image_open(&image, modules, module, true))
        return false;
    bool inside = address - image.bias < image.data_end;
    if (inside) {
        struct symbol_table table;
        struct memory_pool pool = {0};
        gci_symbol_table_read(&table, &image, SYMBOL_OBJECTS);
        const struct symbol *symbol = gci_symbol_table_find(&table, address - image.bias);
        if (symbol)
            snprintf(name->symbol, sizeof name->symbol, "%s", gci_demangle(&pool, symbol->name));
        name->offset = address - image.bias - (symbol ? symbol->start : 0);
        name->module = module;
        gci_symbol_table_forget(&table);
        gci_memory_pool_forget(&pool);
    }
    gci_image_close(&image);
    return inside;
}

void gci_data_find(struct data_name *name, const struct profile_modules *modules, uint64_t address)
{
    uint64_t before = UINT64_MAX;
    *name = (struct data_name){.module = PROFILE_NO_MODULE};
    for (unsigned tried = 0; tried < MODULES_TRIED; tried++) {
        uint32_t module = module_in_front(modules, address, before);
        if (module == PROFILE_NO_MODULE || find_in_module(name, modules, module, address))
            return;
        before = modules->all[module].start;
    }
}
