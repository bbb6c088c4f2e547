/* SPDX-License-Identifier: MIT */
/* Programs that enter a sandbox, after which the system may end the process for calls that it does not expect. */
#ifndef GCI_API_SANDBOX_H
#define GCI_API_SANDBOX_H

#include <stdbool.h>

/* Whether the filter, which is about to be installed, lets all of our calls through: then nothing need change. False also in a
 * sandbox. */
bool gci_sandbox_is_harmless(const void *filter);

/* Before the call that enters it: from then on the library makes no calls but those about memory, and nothing is collected.
 * False: it is so already, or the process is not ours to change. Leave: when the call has failed. */
bool gci_sandbox_enter(void);
void gci_sandbox_leave(void);
bool gci_sandbox_is_entered(void);

#endif
