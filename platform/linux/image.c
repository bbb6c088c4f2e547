/* SPDX-License-Identifier: MIT */
/* platform/image.h from /proc/self/maps: "lo-hi rwxp offset dev inode path", one mapping a line. */
#include "platform/image.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/text.h"
#include "platform/linux/file.h"

/* A line is at most the fields (73 bytes) and a path; of longer paths only the start matters. */
#define LINE_BYTES 512
#define READ_BYTES 4096

struct lines {
    char line[LINE_BYTES];
    size_t length;
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

static void end_line(struct lines *lines)
{
    struct mapping mapping;
    lines->line[lines->length] = '\0';
    lines->length = 0;
    if (parse_line(lines->line, &mapping))
        lines->visit(&mapping, lines->data);
    else
        lines->is_well_formed = false;
}

static void take_bytes(struct lines *lines, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes[i] == '\n')
            end_line(lines);
        else if (lines->length < LINE_BYTES - 1)
            lines->line[lines->length++] = bytes[i];
    }
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
    struct lines lines = {.visit = visit, .data = data, .is_well_formed = true};
    char buffer[READ_BYTES];
    ssize_t count = -1;
    int file = file_open_to_read("/proc/self/maps");
    if (file >= 0) {
        while ((count = file_read(file, buffer, sizeof buffer)) > 0)
            take_bytes(&lines, buffer, (size_t)count);
        file_close(file);
    }
    errno = saved;
    return count == 0 && lines.is_well_formed;
}
