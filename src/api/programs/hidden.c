/* SPDX-License-Identifier: MIT */
/* Programs that are known to hide pointers: they hold blocks by addresses that lie outside of them, which no collector can
 * find. There nothing is collected unless GCALLOC_MODE says so. */
#include "api/init.h"

#include <stddef.h>

#include "base/options.h"
#include "platform/env.h"

#define KNOWN_BY(symbol) extern const char symbol[] __attribute__((weak))

/* PHP 8: the types of a function without arguments are held by the address behind their block, in another block. */
KNOWN_BY(zend_register_constant);
/* SWI-Prolog: tables that grow are held by the address that their element 0 would have if they had one. */
KNOWN_BY(PL_initialise);

void gci_hidden_choose_mode(void)
{
    const char *const known[] = {zend_register_constant, PL_initialise};
    if (gci_options.mode != MODE_GC || gci_env_get("GCALLOC_MODE") != NULL)
        return;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i] != NULL)
            gci_options.mode = MODE_FREE;
    if (gci_options.mode == MODE_FREE && gci_options.verbose)
        gci_env_report_string("this program is known to hide pointers: nothing is collected");
}
