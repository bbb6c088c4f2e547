/* SPDX-License-Identifier: MIT */
#include "cli/html/data/data.h"

#include <stdlib.h>
#include <string.h>

#include "cli/html/data/columns.h"
#include "cli/html/data/holders.h"
#include "cli/html/data/moments.h"
#include "cli/html/data/rows.h"
#include "cli/html/data/text.h"

#define NS_PER_MS 1000000U

/* ---- Plain tables ---- */

static const struct column usage_columns[] = {
    COLUMN("t", profile_usage, time_ns),
    COLUMN("heap", profile_usage, heap_bytes),
    COLUMN("resident", profile_usage, resident_bytes),
    COLUMN("live", profile_usage, live_bytes),
    COLUMN("allocated", profile_usage, allocated_bytes),
    COLUMN("objects", profile_usage, allocated_objects),
};

static const struct column cycle_columns[] = {
    COLUMN("t", profile_cycle, time_ns),         COLUMN("pause", profile_cycle, pause_ns),
    COLUMN("mark", profile_cycle, mark_ns),      COLUMN("sweep", profile_cycle, sweep_ns),
    COLUMN("live", profile_cycle, live_bytes),   COLUMN("liveObjects", profile_cycle, live_objects),
    COLUMN("freed", profile_cycle, freed_bytes), COLUMN("freedObjects", profile_cycle, freed_objects),
    COLUMN("heap", profile_cycle, heap_bytes),   COLUMN("reason", profile_cycle, reason),
    COLUMN("threads", profile_cycle, threads),
};

static const struct column size_columns[] = {
    COLUMN("slot", profile_size, slot_bytes),           COLUMN("blocks", profile_size, blocks),
    COLUMN("objects", profile_size, live_objects),      COLUMN("live", profile_size, live_bytes),
    COLUMN("committed", profile_size, committed_bytes),
};

static const struct column leak_columns[] = {
    COLUMN("kind", profile_leak, kind),    COLUMN("objects", profile_leak, objects),
    COLUMN("bytes", profile_leak, bytes),  COLUMN("first", profile_leak, first_ns),
    COLUMN("last", profile_leak, last_ns), COLUMN("address", profile_leak, address),
    COLUMN("t", profile_leak, time_ns),    COLUMN("collected", profile_leak, is_collected),
};

static const struct column frame_columns[] = {
    COLUMN("function", page_frame, function), COLUMN("file", page_frame, file),   COLUMN("module", page_frame, module),
    COLUMN("line", page_frame, line),         COLUMN("flags", page_frame, flags),
};

static const struct column node_columns[] = {COLUMN("depth", page_node, depth), COLUMN("frame", page_node, frame)};

static void write_leak_nodes(struct json *json, const struct profile *profile, const struct page_names *names)
{
    gci_columns_open_column(json, "leakNodes");
    for (size_t i = 0; i < profile->leak_count; i++)
        gci_columns_value(json, names->node_of_stack[profile->leaks[i].stack]);
    gci_columns_close_column(json);
}

static void write_tables(struct json *json, const struct profile *profile, const struct page_names *names)
{
    COLUMNS_TABLE(json, "usage", usage_columns, profile->usage, profile->usage_count);
    COLUMNS_TABLE(json, "cycles", cycle_columns, profile->cycles, profile->cycle_count);
    COLUMNS_TABLE(json, "sizes", size_columns, profile->sizes, profile->size_count);
    COLUMNS_TABLE(json, "leaks", leak_columns, profile->leaks, profile->leak_count);
    write_leak_nodes(json, profile, names);
    COLUMNS_TABLE(json, "frames", frame_columns, names->frames, names->frame_count);
    COLUMNS_TABLE(json, "nodes", node_columns, names->nodes, names->node_count);
}

/* ---- Head and texts ---- */

static void write_texts(struct json *json, const char *name, const char *const *texts, size_t count)
{
    gci_columns_open(json, name, '[');
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            fputc(',', json->stream);
        gci_text_json(json->stream, texts[i]);
    }
    gci_columns_close(json, ']');
}

static size_t count_words(const char *const *words)
{
    size_t count = 0;
    while (words && words[count])
        count++;
    return count;
}

static void write_head(struct json *json, const struct profile *profile)
{
    const struct profile_header *header = &profile->header;
    char library[sizeof header->library + 1] = {0};
    memcpy(library, header->library, sizeof header->library);
    gci_columns_text(json, "path", profile->path);
    gci_columns_text(json, "executable", profile->executable);
    write_texts(json, "words", profile->words, count_words(profile->words));
    gci_columns_text(json, "library", library);
    gci_columns_number(json, "process", header->process);
    gci_columns_number(json, "start", header->start_realtime_ns / NS_PER_MS);
    gci_columns_number(json, "rate", header->rate_bytes);
    gci_columns_number(json, "level", header->level);
    gci_columns_number(json, "complete", profile->is_complete);
    gci_columns_number(json, "leaksKnown", profile->knows_leaks);
    gci_columns_number(json, "duration", profile->duration_ns);
    gci_columns_number(json, "peakBytes", profile->end.peak_bytes);
    gci_columns_number(json, "peakTime", profile->end.peak_time_ns);
    gci_columns_number(json, "lost", profile->end.lost);
    write_texts(json, "threads", profile->threads, profile->thread_count);
}

/* ---- Rows: what is known of each stack and thread at the end ---- */

static const struct column figure_columns[] = {
    COLUMN("samples", profile_figures, samples),
    COLUMN("allocated", profile_figures, allocated_bytes),
    COLUMN("allocations", profile_figures, allocated_objects),
    COLUMN("reclaimed", profile_figures, reclaimed_bytes),
    COLUMN("temporary", profile_figures, temporary_objects),
    COLUMN("live", profile_figures, live_bytes),
    COLUMN("objects", profile_figures, live_objects),
};

static uint64_t figure_at(const struct page_row *row, size_t offset)
{
    uint64_t value = 0;
    if (row->figures)
        memcpy(&value, (const char *)row->figures + offset, sizeof value);
    return value;
}

static void write_figures(struct json *json, const struct page_rows *rows, const struct column *columns, size_t count)
{
    for (size_t c = 0; c < count; c++) {
        gci_columns_open_column(json, columns[c].name);
        for (uint32_t i = 0; i < rows->count; i++)
            gci_columns_value(json, figure_at(&rows->rows[i], columns[c].offset));
        gci_columns_close_column(json);
    }
}

/* Of most rows few of the bins are used: how many, then which, then what is in them. */
static void write_bins(struct json *json, const char *name, const struct page_rows *rows, size_t offset)
{
    static const char *const parts[] = {"count", "bin", "value"};
    gci_columns_open(json, name, '{');
    for (int part = 0; part < 3; part++) {
        gci_columns_open_column(json, parts[part]);
        for (uint32_t i = 0; i < rows->count; i++) {
            uint64_t count = 0;
            for (unsigned bin = 0; bin < PROFILE_LIFETIMES; bin++) {
                uint64_t value = figure_at(&rows->rows[i], offset + bin * sizeof value);
                count += value > 0;
                if (value > 0 && part > 0)
                    gci_columns_value(json, part == 1 ? bin : value);
            }
            if (part == 0)
                gci_columns_value(json, count);
        }
        gci_columns_close_column(json);
    }
    gci_columns_close(json, '}');
}

static void write_rows(struct json *json, const struct page_names *names, const struct page_rows *rows)
{
    gci_columns_open(json, "rows", '{');
    gci_columns_open_column(json, "node");
    for (uint32_t i = 0; i < rows->count; i++)
        gci_columns_value(json, names->node_of_stack[rows->rows[i].stack]);
    gci_columns_close_column(json);
    gci_columns_open_column(json, "thread");
    for (uint32_t i = 0; i < rows->count; i++)
        gci_columns_value(json, rows->rows[i].thread);
    gci_columns_close_column(json);
    write_figures(json, rows, figure_columns, COLUMNS_COUNT(figure_columns));
    write_bins(json, "lifetimes", rows, offsetof(struct profile_figures, lifetimes));
    write_bins(json, "ages", rows, offsetof(struct profile_figures, ages));
    gci_columns_close(json, '}');
}

/* ---- All together ---- */

void gci_data_write(FILE *stream, const struct profile *profile)
{
    struct json json;
    struct page_names names;
    struct page_rows rows;
    gci_names_gather(&names, profile);
    gci_rows_gather(&rows, profile);
    gci_columns_begin(&json, stream);
    gci_columns_open(&json, NULL, '{');
    write_head(&json, profile);
    write_tables(&json, profile, &names);
    write_texts(&json, "texts", names.texts, names.text_count);
    write_rows(&json, &names, &rows);
    gci_moments_write(&json, profile, &rows);
    gci_holders_write(&json, profile, &names);
    gci_columns_close(&json, '}');
    gci_columns_finish(&json);
    gci_rows_forget(&rows);
    gci_names_forget(&names);
}
