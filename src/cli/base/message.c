/* SPDX-License-Identifier: MIT */
#include "cli/base/message.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One write(2), so that lines of several processes do not mix. */
static void print_line(const char *thing, const char *cause)
{
    char *line = NULL;
    int length = asprintf(&line, "gcalloc: %s%s%s\n", thing ? thing : "", thing ? ": " : "", cause);
    if (length < 0)
        return;
    for (char *at = line; at < line + length - 1; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte < ' ' || byte == 0x7f)
            *at = '?';
    }
    ssize_t ignored = write(STDERR_FILENO, line, (size_t)length);
    (void)ignored; /* nowhere left to complain */
    free(line);
}

__attribute__((format(printf, 2, 0))) static void print_formatted(const char *thing, const char *cause, va_list values)
{
    char *text = NULL;
    if (vasprintf(&text, cause, values) < 0)
        text = NULL;
    print_line(thing, text ? text : "out of memory");
    free(text);
}

int gci_message_fail(int code, const char *thing, const char *cause, ...)
{
    va_list values;
    va_start(values, cause);
    print_formatted(thing, cause, values);
    va_end(values);
    return code;
}

int gci_message_fail_plain(int code, const char *cause, ...)
{
    va_list values;
    va_start(values, cause);
    print_formatted(NULL, cause, values);
    va_end(values);
    return code;
}
