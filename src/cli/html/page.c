/* SPDX-License-Identifier: MIT */
#include "cli/html/page.h"

#include <string.h>

#include "cli/html/data/data.h"
#include "cli/html/data/text.h"
#include "cli/html/pack.h"
#include "cli/html/page_text.h"
#include "cli/html/plain.h"

#define MARK '@'

static const char *name_of(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? slash + 1 : path;
}

static void write_data(FILE *stream, const struct profile *profile)
{
    FILE *pack = gci_pack_open(stream);
    gci_data_write(pack, profile);
    fclose(pack);
}

/* What one mark stands for. */
static void write_part(FILE *stream, const char *name, size_t length, const struct profile *profile,
                       const struct profile *base)
{
    if (strncmp(name, "TITLE", length) == 0)
        gci_text_html(stream, name_of(profile->executable));
    else if (strncmp(name, "PLAIN", length) == 0)
        gci_plain_write(stream, profile);
    else if (strncmp(name, "DATA", length) == 0)
        write_data(stream, profile);
    else if (strncmp(name, "BASE", length) == 0 && base)
        write_data(stream, base);
}

/* Marks are capitals between two @; any other @ is itself. 0: there is none here, else its length with both @. */
static size_t mark_length(const char *text)
{
    size_t length = strspn(text + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return length > 0 && text[length + 1] == MARK ? length + 2 : 0;
}

void gci_page_write(FILE *stream, const struct profile *profile, const struct profile *base)
{
    const char *text = gci_page_text;
    while (*text) {
        size_t plain = strcspn(text, "@"), length;
        fprintf(stream, "%.*s", (int)plain, text);
        text += plain;
        if (!*text)
            break;
        length = mark_length(text);
        if (length == 0)
            fputc(MARK, stream);
        else
            write_part(stream, text + 1, length - 2, profile, base);
        text += length == 0 ? 1 : length;
    }
}
