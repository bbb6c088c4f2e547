/* SPDX-License-Identifier: MIT */
#include "cli/html/data/columns.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/memory.h"
#include "cli/html/data/text.h"

void gci_columns_begin(struct json *json, FILE *numbers)
{
    *json = (struct json){.numbers = numbers};
    json->stream = open_memstream(&json->text, &json->length);
    if (!json->stream)
        gci_memory_give_up();
}

void gci_columns_finish(struct json *json)
{
    if (ferror(json->stream) || fclose(json->stream) != 0)
        gci_memory_give_up(); /* a stream in memory has no other cause to fail */
    fputs(json->text, json->numbers);
    fprintf(json->numbers, "%0*zu", COLUMNS_LENGTH_DIGITS, json->length);
    free(json->text);
}

/* ---- JSON ---- */

static void put_name(struct json *json, const char *name)
{
    if (json->has_member)
        fputc(',', json->stream);
    json->has_member = true;
    if (!name)
        return;
    gci_text_json(json->stream, name);
    fputc(':', json->stream);
}

void gci_columns_open(struct json *json, const char *name, char bracket)
{
    put_name(json, name);
    fputc(bracket, json->stream);
    json->has_member = false;
}

void gci_columns_close(struct json *json, char bracket)
{
    fputc(bracket, json->stream);
    json->has_member = true;
}

void gci_columns_number(struct json *json, const char *name, uint64_t value)
{
    put_name(json, name);
    fprintf(json->stream, "%" PRIu64, value);
}

void gci_columns_text(struct json *json, const char *name, const char *text)
{
    put_name(json, name);
    gci_text_json(json->stream, text);
}

/* ---- Numbers ---- */

void gci_columns_open_column(struct json *json, const char *name)
{
    put_name(json, name);
    json->begun = json->written;
    json->count = 0;
}

/* Millions of these are written: the stream is this thread's alone, so it is not locked for each. */
void gci_columns_value(struct json *json, uint64_t value)
{
    for (; value >= 0x80; value >>= 7) {
        putc_unlocked((int)(value & 0x7F) | 0x80, json->numbers);
        json->written++;
    }
    putc_unlocked((int)value, json->numbers);
    json->written++;
    json->count++;
}

void gci_columns_close_column(struct json *json)
{
    fprintf(json->stream, "{\"@\":[%" PRIu64 ",%" PRIu64 "]}", json->begun, json->count);
}

static uint64_t field_at(const char *item, const struct column *column)
{
    uint64_t wide = 0;
    uint32_t narrow = 0;
    if (column->bytes == sizeof wide) {
        memcpy(&wide, item + column->offset, sizeof wide);
        return wide;
    }
    memcpy(&narrow, item + column->offset, sizeof narrow);
    return narrow;
}

void gci_columns_table(struct json *json, const char *name, const struct column *columns, size_t column_count,
                       const void *array, size_t stride, size_t count)
{
    gci_columns_open(json, name, '{');
    for (size_t c = 0; c < column_count; c++) {
        gci_columns_open_column(json, columns[c].name);
        for (size_t i = 0; i < count; i++)
            gci_columns_value(json, field_at((const char *)array + i * stride, &columns[c]));
        gci_columns_close_column(json);
    }
    gci_columns_close(json, '}');
}
