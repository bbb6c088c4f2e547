/* SPDX-License-Identifier: MIT */
/* gci_vm_group_memory_left of platform/vm.h: control groups, version 2 and 1. Memory that files back is not counted: the
 * kernel drops it before it refuses any. See Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of the kernel.
 */
#include <errno.h>
#include <stdbool.h>

#include "base/text.h"
#include "platform/linux/file.h"
#include "platform/vm.h"

#define FILE_BYTES 4096

static const char *self_file = "/proc/self/cgroup";
static const char *root = "/sys/fs/cgroup";

void gci_vm_group_files(const char *self, const char *mounted_at)
{
    self_file = self;
    root = mounted_at;
}

/* False, and an empty string, where there is none. */
static bool read_file(const char *path, char content[FILE_BYTES])
{
    int file = file_open_to_read(path);
    ssize_t length = file < 0 ? -1 : file_read(file, content, FILE_BYTES - 1);
    if (file >= 0)
        file_close(file);
    content[length > 0 ? length : 0] = '\0';
    return length > 0;
}

/* The number behind `name` at the beginning of a line; UINT64_MAX where there is none. */
static uint64_t find_number(const char *content, const char *name)
{
    uint64_t number;
    for (const char *line = content; *line != '\0'; line++) {
        if ((line == content || line[-1] == '\n') && gci_text_starts_with(line, name)) {
            while (*name++ != '\0')
                line++;
            return gci_text_read_decimal(&line, &number) ? number : UINT64_MAX;
        }
    }
    return UINT64_MAX;
}

/* A tenth is kept for what is not in the heap and for what comes at once. */
static uint64_t room(uint64_t limit, uint64_t used)
{
    uint64_t usable = limit / 10 * 9;
    if (limit == UINT64_MAX || used == UINT64_MAX)
        return UINT64_MAX;
    return usable > used ? usable - used : 0;
}

static bool read_in_group(const char *folder, const char *path, size_t path_length, const char *name,
                          char content[FILE_BYTES])
{
    struct text text;
    gci_text_init(&text);
    gci_text_add(&text, root);
    gci_text_add(&text, folder);
    gci_text_add_limited(&text, path, path_length);
    gci_text_add(&text, name);
    return read_file(text.bytes, content);
}

/* In a namespace of its own the process may be told a path that it cannot see: then the root is its group. */
static uint64_t room_in_v1(const char *path, size_t length)
{
    char content[FILE_BYTES];
    if (!read_in_group("/memory", path, length, "/memory.stat", content) &&
        !read_in_group("/memory", "", 0, "/memory.stat", content))
        return UINT64_MAX;
    uint64_t limit = find_number(content, "hierarchical_memory_limit ");
    if (limit > (uint64_t)INT64_MAX / 2) /* what stands for none is a little less than 2^63 */
        return UINT64_MAX;
    return room(limit, find_number(content, "total_rss "));
}

/* Of the group and of all that it is in. */
static uint64_t room_in_v2(const char *path, size_t length)
{
    char content[FILE_BYTES];
    uint64_t least = UINT64_MAX;
    for (;;) {
        uint64_t limit = UINT64_MAX;
        if (read_in_group("", path, length, "/memory.max", content))
            limit = find_number(content, "");
        if (limit != UINT64_MAX && read_in_group("", path, length, "/memory.stat", content)) {
            uint64_t left = room(limit, find_number(content, "anon "));
            least = left < least ? left : least;
        }
        if (length == 0)
            return least;
        while (length > 0 && path[--length] != '/')
            ;
    }
}

static bool has_memory_controller(const char *line)
{
    for (const char *at = line; *at != '\0' && *at != '\n'; at++)
        if ((*at == ':' || *at == ',') &&
            (gci_text_starts_with(at + 1, "memory:") || gci_text_starts_with(at + 1, "memory,")))
            return true;
    return false;
}

static size_t line_length(const char *line)
{
    size_t length = 0;
    while (line[length] != '\0' && line[length] != '\n')
        length++;
    return length;
}

/* "number:controllers:path"; version 2 has neither a number nor controllers. */
static uint64_t room_by_line(const char *line)
{
    bool is_v2 = gci_text_starts_with(line, "0::");
    if (!is_v2 && !has_memory_controller(line))
        return UINT64_MAX;
    const char *path = line;
    for (int colons = 0; *path != '\0' && *path != '\n' && colons < 2; path++)
        colons += *path == ':';
    size_t length = line_length(path);
    if (length == 1) /* "/" */
        length = 0;
    return is_v2 ? room_in_v2(path, length) : room_in_v1(path, length);
}

uint64_t gci_vm_group_memory_left(void)
{
    int saved = errno;
    char content[FILE_BYTES];
    uint64_t least = UINT64_MAX;
    read_file(self_file, content);
    for (const char *line = content; *line != '\0'; line += line_length(line) + (line[line_length(line)] == '\n')) {
        uint64_t left = room_by_line(line);
        least = left < least ? left : least;
    }
    errno = saved;
    return least;
}
