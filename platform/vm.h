/* SPDX-License-Identifier: MIT */
/* Contract: address space and memory.
 *
 * Addresses and sizes are multiples of the page size where nothing else is said. Functions that can fail return 0 or an errno
 * value (or NULL); none touches the heap. Implemented by platform/linux/vm.c.
 */
#ifndef GCI_PLATFORM_VM_H
#define GCI_PLATFORM_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

size_t gci_vm_page_bytes(void);

/* Takes `bytes` of address space without access. With a hint: there or nowhere. NULL where the system refuses. */
void *gci_vm_reserve(void *hint, size_t bytes);

/* Makes reserved memory readable and writable; it reads as zero until written. Counts against strict overcommit. */
int gci_vm_commit(void *at, size_t bytes);

/* Drops the contents: the memory stays usable, reads as zero, and costs nothing until touched. */
int gci_vm_decommit(void *at, size_t bytes);

/* Asks for large pages behind the range when it is first touched, or for none from now on; what is there stays. False where the
 * system has none. */
bool gci_vm_prefer_huge(void *at, size_t bytes, bool is_preferred);

/* Whether programs get large pages without asking, as the system's owner has chosen. Reads a file. */
bool gci_vm_huge_is_usual(void);

/* In a sandbox a call that the program does not expect to be made may end it. While the process is confined nothing here makes
 * other calls than mmap, mprotect and munmap: the contents of no memory are dropped, huge pages are not asked for. A thread that
 * is cut off makes none at all, for ever. */
void gci_vm_confine(bool is_confined);
void gci_vm_cut_off_thread(void);

/* Gives address space back. */
int gci_vm_release(void *at, size_t bytes);

/* Memory for work in hand: `bytes`, of whatever size, that read as zero; NULL where there are none. And back: NULL is nothing. */
void *gci_vm_map(size_t bytes);
void gci_vm_unmap(void *at, size_t bytes);

/* Address space that the process may still take (RLIMIT_AS less what is mapped); SIZE_MAX without a limit. */
size_t gci_vm_address_space_left(void);

/* Memory that the process has now, 0 where unknown. */
size_t gci_vm_resident_bytes(void);

/* Bytes that may be taken until the group of processes that this one belongs to has nine tenths of its memory limit;
 * UINT64_MAX where there is no limit. Reads some files. Callers see to it that there is one at a time. */
uint64_t gci_vm_group_memory_left(void);

/* For tests: where the system tells of groups. */
void gci_vm_group_files(const char *self, const char *mounted_at);

/* Test builds: the k-th call of the four functions above that may fail, fails; 0 = none. */
void gci_vm_fail_at(uint64_t k);

#endif
