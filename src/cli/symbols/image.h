/* SPDX-License-Identifier: MIT */
/* The file of one mapped module, opened for its names: the very file that was mapped, or its debug file alone where the file
 * itself is gone or was replaced.
 */
#ifndef GCI_CLI_IMAGE_H
#define GCI_CLI_IMAGE_H

#include <elfutils/libdwfl.h>

#include "cli/symbols/frame.h"

struct image {
    Dwfl *dwfl;
    Dwfl_Module *module; /* lies where the file says: its addresses are the file's */
    uint64_t bias;       /* from the file's addresses to those of the process */
    uint64_t code_start; /* in the file's addresses */
    uint64_t code_end;
    uint64_t data_end; /* of all that is loaded */
};

/* False: it has no names for us. `quiet` leaves out the line that says why. */
bool gci_image_open(struct image *image, const struct profile_modules *modules, uint32_t module, bool quiet);
void gci_image_close(struct image *image);

void gci_image_look_in(const char *folders);

#endif
