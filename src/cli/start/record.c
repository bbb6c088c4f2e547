/* SPDX-License-Identifier: MIT */
#include "cli/start/record.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static const struct figure {
    const char *key;
    size_t offset;
    bool largest;
} figures[] = {
#define RECORD_SUM(figure) {#figure, offsetof(struct record, figure), false},
#define RECORD_LARGEST(figure) {#figure, offsetof(struct record, figure), true},
    RECORD_FIGURES
#undef RECORD_SUM
#undef RECORD_LARGEST
};

#define FIGURE_COUNT (sizeof figures / sizeof figures[0])

/* Bits of what a line has brought so far: the figures from 0 up, then these two. */
#define SEEN_PID (1u << FIGURE_COUNT)
#define SEEN_NAME (2u << FIGURE_COUNT)
#define SEEN_ALL ((4u << FIGURE_COUNT) - 1)

static uint64_t *figure_in(struct record *record, const struct figure *figure)
{
    return (uint64_t *)(void *)((char *)record + figure->offset);
}

static bool read_number(const char *text, size_t length, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(*value, 10u, value) ||
            __builtin_add_overflow(*value, (uint64_t)(text[i] - '0'), value))
            return false;
    }
    return length > 0;
}

static bool read_name(const char *text, size_t length, char name[RECORD_NAME_BYTES])
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-?";
    if (length >= RECORD_NAME_BYTES)
        return false;
    memcpy(name, text, length);
    name[length] = '\0';
    return strspn(name, allowed) == length;
}

static bool key_is(const char *word, size_t length, const char *key)
{
    return strlen(key) == length && memcmp(word, key, length) == 0;
}

/* One word KEY=VALUE. *seen gets the key's bit; false: the word is none, or the key has come before. */
static bool read_word(const char *word, size_t length, struct record *record, unsigned *seen)
{
    const char *equals = memchr(word, '=', length);
    if (!equals || equals == word)
        return false;
    size_t key_length = (size_t)(equals - word), value_length = length - key_length - 1;
    const char *value = equals + 1;
    unsigned bit = 0;
    bool right = true;
    if (key_is(word, key_length, "pid")) {
        bit = SEEN_PID;
        right = read_number(value, value_length, &record->pid) && record->pid <= INT32_MAX;
    } else if (key_is(word, key_length, "name")) {
        bit = SEEN_NAME;
        right = read_name(value, value_length, record->name);
    }
    for (unsigned i = 0; i < FIGURE_COUNT && bit == 0; i++) {
        if (key_is(word, key_length, figures[i].key)) {
            bit = 1u << i;
            right = read_number(value, value_length, figure_in(record, &figures[i]));
        }
    }
    right = right && (*seen & bit) == 0;
    *seen |= bit;
    return right;
}

bool gci_record_parse(const char *line, struct record *record)
{
    unsigned seen = 0;
    memset(record, 0, sizeof *record);
    for (const char *at = line; *at != '\0';) {
        size_t length = strcspn(at, " ");
        if (length > 0 && !read_word(at, length, record, &seen))
            return false;
        at += length + (at[length] == ' ' ? 1 : 0);
    }
    return seen == SEEN_ALL;
}

static void add_record(struct record_totals *totals, struct record *record)
{
    struct record *merged = &totals->merged;
    if (totals->processes == 0 || record->heap_peak_bytes > merged->heap_peak_bytes) {
        merged->pid = record->pid;
        memcpy(merged->name, record->name, sizeof merged->name);
    }
    totals->processes++;
    for (unsigned i = 0; i < FIGURE_COUNT; i++) {
        uint64_t *total = figure_in(merged, &figures[i]), value = *figure_in(record, &figures[i]);
        if (figures[i].largest)
            *total = value > *total ? value : *total;
        else if (__builtin_add_overflow(*total, value, total))
            *total = UINT64_MAX;
    }
}

bool gci_record_read_all(FILE *stream, struct record_totals *totals)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    while ((length = getline(&line, &room, stream)) > 0) {
        struct record record;
        bool whole = line[length - 1] == '\n';
        line[whole ? length - 1 : length] = '\0';
        if (whole && strlen(line) == (size_t)length - 1 && gci_record_parse(line, &record))
            add_record(totals, &record);
        else
            totals->damaged++;
    }
    free(line);
    return feof(stream) != 0;
}
