/* SPDX-License-Identifier: MIT */
/* platform/vm.h for Linux: mmap, mprotect, madvise. */
#include "platform/vm.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/attributes.h"
#include "base/text.h"
#include "platform/linux/file.h"

#define PAGE_BYTES 4096u /* x86-64 has no other base page; commit steps are multiples of 64 KiB anyway */

#if !defined(MAP_FIXED_NOREPLACE)
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static shared_word calls_until_failure; /* 0: no failure is asked for */
static volatile u32_shared is_process_confined;
static __thread bool is_cut_off TLS_INITIAL_EXEC;

void gci_vm_confine(bool is_confined)
{
    u32_store(&is_process_confined, is_confined);
}

void gci_vm_cut_off_thread(void)
{
    is_cut_off = true;
}

void gci_vm_fail_at(uint64_t k)
{
    word_store(&calls_until_failure, k);
}

static bool must_fail(void)
{
    if (UNLIKELY(is_cut_off))
        return true;
    if (LIKELY(word_load(&calls_until_failure) == 0))
        return false;
    return word_add(&calls_until_failure, (uint64_t)-1) == 1;
}

size_t gci_vm_page_bytes(void)
{
    return PAGE_BYTES;
}

void *gci_vm_reserve(void *hint, size_t bytes)
{
    if (must_fail())
        return NULL;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (hint != NULL)
        flags |= MAP_FIXED_NOREPLACE;
    void *at = mmap(hint, bytes, PROT_NONE, flags, -1, 0);
    if (at == MAP_FAILED)
        return NULL;
    if (hint != NULL && at != hint) { /* kernels before 4.17 take the address as a mere hint */
        munmap(at, bytes);
        return NULL;
    }
    return at;
}

int gci_vm_commit(void *at, size_t bytes)
{
    if (must_fail())
        return ENOMEM;
    return mprotect(at, bytes, PROT_READ | PROT_WRITE) == 0 ? 0 : errno;
}

int gci_vm_decommit(void *at, size_t bytes)
{
    if (must_fail() || u32_load(&is_process_confined) != 0)
        return ENOMEM;
    return madvise(at, bytes, MADV_DONTNEED) == 0 ? 0 : errno;
}

bool gci_vm_prefer_huge(void *at, size_t bytes, bool is_preferred)
{
    if (u32_load(&is_process_confined) != 0)
        return false;
    return madvise(at, bytes, is_preferred ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) == 0;
}

bool gci_vm_huge_is_usual(void)
{
    char line[64];
    if (u32_load(&is_process_confined) != 0)
        return false;
    int file = file_open_to_read("/sys/kernel/mm/transparent_hugepage/enabled");
    if (file < 0)
        return false;
    ssize_t length = file_read(file, line, sizeof line);
    file_close(file);
    return length >= 8 && __builtin_memcmp(line, "[always]", 8) == 0;
}

int gci_vm_release(void *at, size_t bytes)
{
    if (must_fail())
        return ENOMEM;
    return munmap(at, bytes) == 0 ? 0 : errno;
}

static size_t whole_pages(size_t bytes)
{
    return bytes == 0 ? PAGE_BYTES : (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

void *gci_vm_map(size_t bytes)
{
    void *at = gci_vm_reserve(NULL, whole_pages(bytes));
    if (at == NULL || gci_vm_commit(at, whole_pages(bytes)) == 0)
        return at;
    gci_vm_release(at, whole_pages(bytes));
    return NULL;
}

void gci_vm_unmap(void *at, size_t bytes)
{
    if (at != NULL)
        gci_vm_release(at, whole_pages(bytes));
}

/* One of the numbers of /proc/self/statm: 0 is pages that are mapped, 1 those in memory. */
static uint64_t count_pages(unsigned field)
{
    char line[64];
    int file = file_open_to_read("/proc/self/statm");
    if (file < 0)
        return 0;
    ssize_t length = file_read(file, line, sizeof line - 1);
    file_close(file);
    if (length <= 0)
        return 0;
    line[length] = '\0';
    const char *at = line;
    uint64_t pages = 0;
    bool is_read = gci_text_read_decimal(&at, &pages);
    for (; is_read && field > 0; field--) {
        at += *at == ' ';
        is_read = gci_text_read_decimal(&at, &pages);
    }
    return is_read ? pages : 0;
}

size_t gci_vm_resident_bytes(void)
{
    return count_pages(1) * PAGE_BYTES;
}

size_t gci_vm_address_space_left(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return SIZE_MAX;
    uint64_t mapped = count_pages(0) * PAGE_BYTES;
    return limit.rlim_cur > mapped ? (size_t)(limit.rlim_cur - mapped) : 0;
}
