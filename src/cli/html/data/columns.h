/* SPDX-License-Identifier: MIT */
/* Arrays of structs as the page's script reads them: JSON says what there is, and the numbers stand in front of it, each column
 * by itself, seven bits to a byte (LEB128), the lowest first. In JSON a column is {"@":[where it begins, how many]}. As text
 * they would be larger by far, and a browser would have to turn all of them into objects before the first is shown.
 *
 * The whole: numbers, JSON, and the length of the JSON as COLUMNS_LENGTH_DIGITS digits. What separates members of objects is
 * taken care of here.
 */
#ifndef GCI_CLI_HTML_DATA_COLUMNS_H
#define GCI_CLI_HTML_DATA_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define COLUMNS_LENGTH_DIGITS 16

struct column {
    const char *name;
    size_t offset;
    size_t bytes; /* 4 or 8: unsigned */
};

#define COLUMN(name, type, field)                                                                                      \
    {                                                                                                                  \
        name, offsetof(struct type, field), sizeof(((struct type *)0)->field)                                          \
    }

struct json {
    FILE *numbers;
    uint64_t written, begun, count; /* bytes of numbers; where the open column begins, and its numbers so far */
    FILE *stream;                   /* of the JSON, in memory until all numbers are out */
    char *text;
    size_t length;
    bool has_member; /* of the object or array that is open */
};

void gci_columns_begin(struct json *json, FILE *numbers);
void gci_columns_finish(struct json *json); /* writes the JSON */

void gci_columns_open(struct json *json, const char *name, char bracket); /* without a name in arrays */
void gci_columns_close(struct json *json, char bracket);
void gci_columns_number(struct json *json, const char *name, uint64_t value);
void gci_columns_text(struct json *json, const char *name, const char *text);

void gci_columns_open_column(struct json *json, const char *name);
void gci_columns_value(struct json *json, uint64_t value);
void gci_columns_close_column(struct json *json);

/* "name":{"column":{"@":...},...}; by COLUMNS_TABLE where the columns and the elements are known by their types. */
void gci_columns_table(struct json *json, const char *name, const struct column *columns, size_t column_count,
                       const void *array, size_t stride, size_t count);

#define COLUMNS_COUNT(columns) (sizeof(columns) / sizeof(columns)[0])
#define COLUMNS_TABLE(json, name, columns, array, count)                                                               \
    gci_columns_table(json, name, columns, COLUMNS_COUNT(columns), array, sizeof *(array), count)

#endif
