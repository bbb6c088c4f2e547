/* SPDX-License-Identifier: MIT */
/* Implementation of profile/writer.h. */
#include "profile/writer.h"

#include "base/bits.h"
#include "platform/image.h"
#include "profile/sampler.h"

#define PADDING 8u

void gci_writer_flush(struct writer *writer)
{
    if (writer->error == 0 && writer->used > 0 && writer->file != NULL)
        writer->error = gci_env_file_append(writer->file, writer->buffer, writer->used);
    writer->used = 0;
    writer->record_at = 0;
}

/* Makes room by writing the records in front of the one that is being made. */
static bool make_room(struct writer *writer, size_t count)
{
    if (writer->used + count <= WRITER_BUFFER_BYTES)
        return true;
    size_t begun = writer->used - writer->record_at;
    char *record = writer->buffer + writer->record_at;
    if (begun + count > WRITER_BUFFER_BYTES)
        return false;
    writer->used = writer->record_at;
    gci_writer_flush(writer);
    __builtin_memmove(writer->buffer, record, begun);
    writer->used = begun;
    return true;
}

void gci_writer_add(struct writer *writer, const void *bytes, size_t count)
{
    if (!make_room(writer, count))
        return;
    __builtin_memcpy(writer->buffer + writer->used, bytes, count);
    writer->used += count;
}

void gci_writer_add_string(struct writer *writer, const char *string)
{
    gci_writer_add(writer, string, __builtin_strlen(string) + 1);
}

void gci_writer_begin(struct writer *writer, enum profile_kind kind)
{
    struct profile_record record = {.kind = kind};
    writer->record_at = writer->used;
    gci_writer_add(writer, &record, sizeof record);
}

void gci_writer_end(struct writer *writer)
{
    static const char zeros[PADDING];
    size_t bytes = writer->used - writer->record_at - sizeof(struct profile_record);
    gci_writer_add(writer, zeros, align_up(bytes, PADDING) - bytes);
    struct profile_record *record = (struct profile_record *)(void *)(writer->buffer + writer->record_at);
    record->bytes = (uint32_t)bytes;
    writer->record_at = writer->used;
}

void gci_writer_record(struct writer *writer, enum profile_kind kind, const void *bytes, size_t count)
{
    gci_writer_begin(writer, kind);
    gci_writer_add(writer, bytes, count);
    gci_writer_end(writer);
}

/* ---- Mappings ----------------------------------------------------------------------------------------------------- */

/* Mappings of code that the profile's file has; under the lock of the file. Of those that lie over each other only the last one
 * is here: what comes back to its place is new to the file again. Modules that come and go at new places all the time are not
 * all known. */
#define SEEN_MAX 1024u
struct seen {
    struct range range;
    uint64_t file_offset;
    uint64_t path_hash;
};
static struct seen seen[SEEN_MAX];
static uint32_t seen_count;

struct listing {
    struct writer *writer;
    struct page_reader pages;
    uintptr_t first_byte; /* of the file that the last mapping with offset 0 belongs to */
};

static uint64_t hash_path(const char *path)
{
    uint64_t hash = 0;
    for (const char *at = path; *at != '\0'; at++)
        hash = mixed_product(hash ^ (unsigned char)*at, GOLDEN_ODD);
    return hash;
}

static bool is_same(const struct seen *one, const struct seen *other)
{
    return one->range.lo == other->range.lo && one->range.hi == other->range.hi &&
           one->file_offset == other->file_offset && one->path_hash == other->path_hash;
}

/* What lay there before is forgotten. */
static bool is_seen(const struct seen *mapping)
{
    for (uint32_t i = 0; i < seen_count; i++) {
        if (is_same(&seen[i], mapping))
            return true;
        if (seen[i].range.lo < mapping->range.hi && mapping->range.lo < seen[i].range.hi)
            seen[i--] = seen[--seen_count];
    }
    return false;
}

static void write_mapping(const struct listing *listing, const struct mapping *mapping)
{
    struct profile_mapping record = {
        .start = mapping->range.lo, .end = mapping->range.hi, .file_offset = mapping->file_offset};
    if (listing->first_byte != 0)
        record.build_id_bytes = (uint32_t)gci_image_build_id(&listing->pages, listing->first_byte, record.build_id);
    gci_writer_begin(listing->writer, PROFILE_MAPPING);
    gci_writer_add(listing->writer, &record, sizeof record);
    gci_writer_add_string(listing->writer, mapping->path);
    gci_writer_end(listing->writer);
}

static void look_at_mapping(const struct mapping *mapping, void *data)
{
    struct listing *listing = data;
    bool is_file = mapping->path[0] == '/' || mapping->path[0] == '[';
    if (mapping->file_offset == 0)
        listing->first_byte = is_file ? mapping->range.lo : 0;
    if (!mapping->is_code || !is_file)
        return;
    const struct seen this = {mapping->range, mapping->file_offset, hash_path(mapping->path)};
    if (!listing->writer->is_copy && is_seen(&this))
        return;
    write_mapping(listing, mapping);
    if (!listing->writer->is_copy && seen_count < SEEN_MAX)
        seen[seen_count++] = this;
}

void gci_writer_mappings(struct writer *writer)
{
    struct listing listing = {.writer = writer};
    if (!gci_pages_open(&listing.pages))
        return;
    gci_image_each(look_at_mapping, &listing);
    gci_pages_close(&listing.pages);
}

/* ---- Threads and stacks ------------------------------------------------------------------------------------------- */

uint32_t gci_writer_thread(struct writer *writer, uint32_t number)
{
    struct sampled_thread *thread = number == 0 ? NULL : gci_sampler_thread(number);
    if (thread == NULL || u32_load_acquire(&thread->is_ready) == 0)
        return 0;
    if (thread->is_written && !writer->is_copy)
        return number;
    struct profile_thread record = {.thread = number, .system_id = thread->system_id};
    gci_writer_begin(writer, PROFILE_THREAD);
    gci_writer_add(writer, &record, sizeof record);
    gci_writer_add_string(writer, thread->name);
    gci_writer_end(writer);
    thread->is_written = thread->is_written || !writer->is_copy;
    return number;
}

static void write_place(struct writer *writer, uint32_t number, const struct site_place *place)
{
    struct profile_place record = {.stack = number, .line = place->line};
    gci_writer_begin(writer, PROFILE_PLACE);
    gci_writer_add(writer, &record, sizeof record);
    gci_writer_add_string(writer, place->file);
    gci_writer_add_string(writer, place->function);
    gci_writer_end(writer);
}

static void write_stack(struct writer *writer, uint32_t number)
{
    struct site_stack *stack = gci_sites_stack(number);
    struct profile_stack record = {.stack = number, .depth = stack->depth};
    gci_writer_begin(writer, PROFILE_STACK);
    gci_writer_add(writer, &record, sizeof record);
    gci_writer_add(writer, stack->addresses, stack->depth * sizeof *stack->addresses);
    gci_writer_end(writer);
    if (stack->place != NULL)
        write_place(writer, number, stack->place);
    stack->is_written = stack->is_written || !writer->is_copy;
}

bool gci_writer_knows_stack(const struct writer *writer, uint32_t number)
{
    return number == 0 || (writer->is_copy ? number <= writer->stacks_known : gci_sites_stack(number)->is_written);
}

void gci_writer_stack(struct writer *writer, uint32_t number)
{
    if (gci_writer_knows_stack(writer, number))
        return;
    if (!writer->is_copy)
        write_stack(writer, number);
    while (writer->is_copy && writer->stacks_known < number)
        write_stack(writer, ++writer->stacks_known);
}

void gci_writer_stacks(struct writer *writer)
{
    for (uint32_t i = 1; i <= gci_sites_stack_count(); i++)
        gci_writer_stack(writer, i);
}

void gci_writer_forget_known(void)
{
    seen_count = 0;
    for (uint32_t i = 1; i <= gci_sites_stack_count(); i++)
        gci_sites_stack(i)->is_written = false;
    for (uint32_t i = 1; i <= gci_sampler_thread_count(); i++)
        gci_sampler_thread(i)->is_written = false;
}
