/* SPDX-License-Identifier: MIT */
/* Programs that enter a sandbox, after which the system may end the process for calls that it does not expect. */
#ifndef GCI_API_SANDBOX_H
#define GCI_API_SANDBOX_H

#include <stdbool.h>

/* Before the call that enters it by a filter, or by the strict mode: NULL. From then on the library makes no calls but those
 * about memory, and nothing is collected. False: it is so already, the process is not ours to change, or the filter lets all of
 * our calls through, so that nothing need change. True: one of the next two follows once the system has answered, and until
 * then other threads that want the same wait. Leave: when the call has failed. */
bool gci_sandbox_enter(const void *filter);
void gci_sandbox_decided(void);
void gci_sandbox_leave(void);

/* In a child of fork: where another thread was at it. */
void gci_sandbox_reset(void);

bool gci_sandbox_is_entered(void);

#endif
