/* SPDX-License-Identifier: MIT */
/* platform/image.h from /proc/self/maps: "lo-hi rwxp offset dev inode path", one mapping a line. */
#include "platform/image.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/text.h"
#include "platform/linux/file.h"

/* A line is the fields (73 bytes), a path of up to 4,096, and " (deleted)". One that is longer, as line ends in paths are written
 * as four bytes each, is cut. */
#define LINE_BYTES_MAX (4096 + 256)

struct lines {
    char bytes[LINE_BYTES_MAX]; /* as read: the start of a line in front */
    size_t used;
    bool is_rest; /* up to the next line end, of a line that was cut */
    void (*visit)(const struct mapping *, void *);
    void *data;
    bool is_well_formed;
};

static const char *skip_fields(const char *at, int count)
{
    while (count-- > 0) {
        while (*at != ' ' && *at != '\0')
            at++;
        while (*at == ' ')
            at++;
    }
    return at;
}

static bool is_shared_memory(const char *path)
{
    return gci_text_starts_with(path, "/dev/zero") || gci_text_starts_with(path, "/memfd:") ||
           gci_text_starts_with(path, "/SYSV") || gci_text_starts_with(path, "/dev/shm/");
}

static enum mapping_kind kind_of(const char *path, bool is_shared)
{
    if (gci_text_starts_with(path, "[v"))
        return MAPPING_OTHER;
    if (is_shared)
        return is_shared_memory(path) ? MAPPING_SHARED : MAPPING_OTHER;
    return gci_text_starts_with(path, "[stack]") ? MAPPING_STACK : MAPPING_PRIVATE;
}

static bool parse_line(const char *line, struct mapping *mapping)
{
    uint64_t lo;
    uint64_t hi;
    const char *at = line;
    if (!gci_text_read_hex(&at, &lo) || *at++ != '-' || !gci_text_read_hex(&at, &hi) || *at++ != ' ')
        return false;
    const char *path = skip_fields(at, 4);
    const char *offset = skip_fields(at, 1);
    if (!gci_text_read_hex(&offset, &mapping->file_offset))
        return false;
    mapping->path = path;
    mapping->range = (struct range){lo, hi};
    mapping->is_readable = at[0] == 'r';
    mapping->is_code = at[2] == 'x';
    mapping->is_file = path[0] == '/';
    mapping->is_nameless = path[0] == '\0';
    mapping->kind = kind_of(path, at[3] == 's');
    mapping->is_loader = strstr(path, "/ld-linux") != NULL || strstr(path, "/ld-musl") != NULL;
    return true;
}

static void take_line(struct lines *lines, char *line, char *end)
{
    struct mapping mapping;
    *end = '\0';
    if (lines->is_rest)
        return;
    if (parse_line(line, &mapping))
        lines->visit(&mapping, lines->data);
    else
        lines->is_well_formed = false;
}

/* What is left of the last line moves to the front. */
static void take_lines(struct lines *lines)
{
    char *line = lines->bytes;
    char *limit = lines->bytes + lines->used;
    for (char *end; (end = memchr(line, '\n', (size_t)(limit - line))) != NULL; line = end + 1) {
        take_line(lines, line, end);
        lines->is_rest = false;
    }
    lines->used = (size_t)(limit - line);
    memmove(lines->bytes, line, lines->used);
    if (lines->used < sizeof lines->bytes)
        return;
    take_line(lines, lines->bytes, limit - 1);
    lines->is_rest = true;
    lines->used = 0;
}

extern const char __ehdr_start[] HIDDEN; // NOLINT(bugprone-reserved-identifier): the linker's names
extern const char etext[] HIDDEN;

struct range gci_image_own_code(void)
{
    return (struct range){(uintptr_t)__ehdr_start, (uintptr_t)etext};
}

bool gci_image_each(void (*visit)(const struct mapping *mapping, void *data), void *data)
{
    int saved = errno;
    struct lines lines; /* not cleared: its bytes are many, and this runs with the world stopped */
    lines.used = 0;
    lines.is_rest = false;
    lines.visit = visit;
    lines.data = data;
    lines.is_well_formed = true;
    ssize_t count = -1;
    int file = file_open_to_read("/proc/self/maps");
    if (file >= 0) {
        while ((count = file_read(file, lines.bytes + lines.used, sizeof lines.bytes - lines.used)) > 0) {
            lines.used += (size_t)count;
            take_lines(&lines);
        }
        file_close(file);
    }
    errno = saved;
    return count == 0 && lines.is_well_formed;
}
