/* SPDX-License-Identifier: MIT */
/* Arguments of calls in calls.def, by which filters tell harmless ones from others. */
#ifndef GCI_PLATFORM_LINUX_SANDBOX_CALLS_H
#define GCI_PLATFORM_LINUX_SANDBOX_CALLS_H

#include <sched.h>
#include <sys/ioctl.h>

/* Which pages hold data, of /proc/self/pagemap: _IOWR('f', 16, struct pm_scan_arg). */
#define SCAN_REQUEST_BYTES 96
#define SCAN_IOCTL _IOC(_IOC_READ | _IOC_WRITE, 'f', 16, SCAN_REQUEST_BYTES)

/* A thread's, as the C library has them where there is no clone3: filters that permit no other clone permit this one. */
#define CLONE_THREAD_FLAGS                                                                                             \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_SIGHAND | CLONE_THREAD | CLONE_SETTLS |                 \
     CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

#endif
