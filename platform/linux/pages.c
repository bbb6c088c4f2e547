/* SPDX-License-Identifier: MIT */
/* platform/pages.h for Linux.
 *
 * Which pages hold data: the PAGEMAP_SCAN ioctl (Linux 6.7), else the entries of /proc/self/pagemap, else all of them.
 * Copies: process_vm_readv on ourselves, which fails with EFAULT where a load would fault (no access, guard pages, files
 * cut short); there, and where a sandbox denies it, /proc/self/mem, which has private pages without access as well. See
 * Documentation/admin-guide/mm/pagemap.rst of the kernel.
 */
#include "platform/pages.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/bits.h"
#include "platform/linux/file.h"
#include "platform/linux/sandbox/calls.h"
#include "platform/vm.h"

struct scan_region {
    uint64_t start;
    uint64_t end;
    uint64_t categories;
};

struct scan_request {
    uint64_t size;
    uint64_t flags;
    uint64_t start;
    uint64_t end;
    uint64_t walk_end;
    uint64_t regions;
    uint64_t region_count;
    uint64_t max_pages;
    uint64_t category_inverted;
    uint64_t category_mask;
    uint64_t category_anyof_mask;
    uint64_t return_mask;
};

STATIC_ASSERT(sizeof(struct scan_request) == SCAN_REQUEST_BYTES, "the size is part of the request's number");
#define PAGE_IS_FILE (UINT64_C(1) << 2)
#define PAGE_IS_PRESENT (UINT64_C(1) << 3)
#define PAGE_IS_SWAPPED (UINT64_C(1) << 4)
#define PAGE_IS_ZERO_PAGE (UINT64_C(1) << 5)

#define ENTRY_PRESENT (UINT64_C(1) << 63)
#define ENTRY_SWAPPED (UINT64_C(1) << 62)
#define ENTRY_FILE_OR_SHARED (UINT64_C(1) << 61)
#define ENTRIES_PER_READ 512 /* one page of entries: 2 MiB of address space */

/* A private page that still is the file's (or the zero page) was never written, so it holds none of our pointers. */
static bool scan(const struct page_reader *reader, struct range in, bool shared, struct range *found)
{
    struct scan_region region = {0};
    uint64_t unwanted = shared ? 0 : PAGE_IS_FILE | PAGE_IS_ZERO_PAGE;
    struct scan_request request = {.size = sizeof request,
                                   .start = in.lo,
                                   .end = in.hi,
                                   .regions = (uintptr_t)&region,
                                   .region_count = 1,
                                   .category_inverted = unwanted,
                                   .category_mask = unwanted,
                                   .category_anyof_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
                                   .return_mask = PAGE_IS_PRESENT | PAGE_IS_SWAPPED};
    int count = ioctl(reader->pagemap, SCAN_IOCTL, &request);
    if (count < 0)
        return false;
    *found = count == 0 ? (struct range){in.hi, in.hi} : (struct range){region.start, region.end};
    return true;
}

static bool entry_holds_data(uint64_t entry, bool shared)
{
    if (!(entry & (ENTRY_PRESENT | ENTRY_SWAPPED)))
        return false;
    return shared || !(entry & ENTRY_FILE_OR_SHARED);
}

/* The first run of pages with data in [from, limit), as far as one read of entries tells. */
static bool read_entries(const struct page_reader *reader, struct range in, bool shared, struct range *found)
{
    uint64_t entries[ENTRIES_PER_READ];
    size_t page = gci_vm_page_bytes();
    for (uintptr_t at = in.lo; at < in.hi;) {
        ssize_t bytes = file_read_at(reader->pagemap, entries, sizeof entries, (off_t)(at / page * sizeof entries[0]));
        size_t count = bytes > 0 ? (size_t)bytes / sizeof entries[0] : 0;
        if (count == 0)
            return false;
        size_t first = 0;
        while (first < count && at + first * page < in.hi && !entry_holds_data(entries[first], shared))
            first++;
        size_t last = first;
        while (last < count && at + last * page < in.hi && entry_holds_data(entries[last], shared))
            last++;
        if (last > first) {
            *found = (struct range){at + first * page, at + last * page};
            return true;
        }
        at += count * page;
    }
    *found = (struct range){in.hi, in.hi};
    return true;
}

struct range gci_pages_next(const struct page_reader *reader, uintptr_t from, uintptr_t limit, bool shared)
{
    int saved = errno;
    size_t page = gci_vm_page_bytes();
    struct range in = {align_down(from, page), align_up(limit, page)};
    struct range found = in;
    if (reader->pagemap >= 0 && !(reader->has_scan && scan(reader, in, shared, &found)))
        if (!read_entries(reader, in, shared, &found))
            found = in;
    errno = saved;
    if (found.lo < from)
        found.lo = from;
    if (found.hi > limit)
        found.hi = limit;
    return found.lo < found.hi ? found : (struct range){limit, limit};
}

/* Of entries: a thousand reads, two milliseconds. */
#define QUICK_BYTES (UINT64_C(2) << 30)

bool gci_pages_is_quick(const struct page_reader *reader, struct range range)
{
    return reader->has_scan || (reader->pagemap >= 0 && range.hi - range.lo <= QUICK_BYTES);
}

static ssize_t copy_memory(void *to, uintptr_t from, size_t bytes)
{
    struct iovec local = {to, bytes};
    struct iovec remote = {(void *)from, bytes}; // NOLINT(performance-no-int-to-ptr)
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
}

/* The kernel copies whole pages up to the failing one and then tells how much; only a failing first page is an error. */
size_t gci_pages_read(const struct page_reader *reader, void *to, uintptr_t from, size_t bytes)
{
    int saved = errno;
    ssize_t copied = reader->has_copy ? copy_memory(to, from, bytes) : -1;
    if (copied <= 0 && reader->memory >= 0)
        copied = file_read_at(reader->memory, to, bytes, (off_t)from);
    errno = saved;
    return copied > 0 ? (size_t)copied : 0;
}

static void probe(struct page_reader *reader)
{
    uintptr_t self = (uintptr_t)reader;
    struct page_reader copy;
    struct range found;
    size_t page = gci_vm_page_bytes();
    reader->has_copy = copy_memory(&copy, self, sizeof copy) == (ssize_t)sizeof copy;
    reader->memory = file_open_to_read("/proc/self/mem");
    reader->has_scan =
        reader->pagemap >= 0 &&
        scan(reader, (struct range){align_down(self, page), align_down(self, page) + page}, false, &found);
}

bool gci_pages_open(struct page_reader *reader)
{
    int saved = errno;
    *reader = (struct page_reader){.pagemap = file_open_to_read("/proc/self/pagemap"), .memory = -1};
    probe(reader);
    errno = saved;
    return reader->has_copy || reader->memory >= 0;
}

void gci_pages_close(struct page_reader *reader)
{
    int saved = errno;
    if (reader->pagemap >= 0)
        file_close(reader->pagemap);
    if (reader->memory >= 0)
        file_close(reader->memory);
    errno = saved;
}

/* rt_sigprocmask(2) copies the set before it looks at what is to be done with it, which is nothing it knows: EINVAL then
 * tells that the set could be read. */
#define NO_SUCH_OPERATION (-1)

bool gci_pages_is_readable(uintptr_t address)
{
    int saved = errno;
    uintptr_t set = align_down(address, sizeof(uint64_t));
    long result = syscall(SYS_rt_sigprocmask, NO_SUCH_OPERATION, set, NULL, sizeof(uint64_t));
    bool is_readable = result != 0 && errno == EINVAL;
    errno = saved;
    return is_readable;
}

/* futex(2) sets no bits of the word, for which the page must allow to be written, and wakes who waits at a word of ours, which
 * is nobody. By chance it may wake who waits at the address, as any futex may do for nothing. */
bool gci_pages_is_writable(uintptr_t address)
{
    int saved = errno;
    uint32_t own = 0;
    uintptr_t word = align_down(address, sizeof(uint32_t));
    long result =
        syscall(SYS_futex, &own, FUTEX_WAKE_OP_PRIVATE, 0, 0, word, FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_LT, 0));
    errno = saved;
    return result >= 0;
}
