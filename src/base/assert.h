/* SPDX-License-Identifier: MIT */
/* Two levels of assertion, neither using <assert.h> (which pulls in stdio and hangs on NDEBUG):
 * GCI_CHECK is always on and stands off the hot paths; GCI_ASSERT is on in builds with GCI_ASSERTS.
 * Both end in gci_check_failed, which platform/env implements: one line to standard error, then abort.
 */
#ifndef GCI_BASE_ASSERT_H
#define GCI_BASE_ASSERT_H

#include "base/attributes.h"

NORETURN void gci_check_failed(const char *condition, const char *file, int line);

#define GCI_CHECK(condition) (LIKELY(condition) ? (void)0 : gci_check_failed(#condition, __FILE__, __LINE__))

#if defined(GCI_ASSERTS)
#define GCI_ASSERT(condition) GCI_CHECK(condition)
#else
#define GCI_ASSERT(condition) ((void)sizeof(condition))
#endif

#endif
