/* SPDX-License-Identifier: MIT */
/* Records come one by one through a buffer that grows only by what was really there, so a length that is wrong costs no
 * memory, and what is read may be a pipe. After the first record that is wrong nothing is believed any more.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/base/message.h"
#include "cli/profile/source.h"

#define READ_BYTES ((size_t)1 << 20) /* at a time, of a payload */
#define NS_PER_SECOND UINT64_C(1000000000)
#define PADDING ((size_t)7) /* payloads are filled up to multiples of 8 */

enum outcome { READ_RECORD, READ_END, READ_TORN, READ_DAMAGED, READ_FAILED };

/* ---- Records ---- */

/* Fills the buffer from byte `got` up to byte `bytes`; up to which it is full. */
static size_t read_payload(struct profile_source *source, size_t got, size_t bytes)
{
    while (got < bytes) {
        size_t part = bytes - got < READ_BYTES ? bytes - got : READ_BYTES;
        source->payload = gci_memory_grow(source->payload, &source->payload_room, got + part, 1);
        size_t here = fread(source->payload + got, 1, part, source->file);
        got += here;
        if (here < part)
            break;
    }
    return got;
}

static size_t padded(const struct profile_record *record)
{
    return ((size_t)record->bytes + PADDING) & ~PADDING;
}

/* The next record, if it is there to its end: its payload is in the buffer. */
static enum outcome read_record(struct profile_source *source, struct profile_record *record)
{
    size_t head = fread(record, 1, sizeof *record, source->file);
    if (head == 0 && !ferror(source->file))
        return READ_END;
    if (head == sizeof *record && read_payload(source, 0, padded(record)) == padded(record))
        return READ_RECORD;
    return ferror(source->file) ? READ_FAILED : READ_TORN;
}

/* Takes records up to the end, or as far as they are right. */
static enum outcome read_records(struct profile *profile)
{
    struct profile_source *source = profile->source;
    struct profile_record record;
    enum outcome outcome = READ_END;
    while (!profile->is_complete) {
        outcome = read_record(source, &record);
        if (outcome != READ_RECORD)
            break;
        if (!gci_records_take(profile, &record))
            return READ_DAMAGED;
        source->offset += sizeof record + padded(&record);
    }
    return profile->is_complete ? READ_END : outcome;
}

/* ---- The header ---- */

/* What is wrong with the first record, as far as it was read; NULL: nothing. */
static const char *header_fault(const struct profile *profile, const struct profile_record *record, size_t got)
{
    const struct profile_header *header = &profile->header;
    if (record->kind == __builtin_bswap32(PROFILE_HEADER))
        return "not a profile of this machine's order of bytes";
    if (record->kind != PROFILE_HEADER || memcmp(header->magic, PROFILE_MAGIC, sizeof header->magic) != 0)
        return "not a profile of gcalloc";
    if (got < sizeof *header || record->bytes < sizeof *header)
        return "breaks off in its header";
    return NULL;
}

static bool check_header(struct profile *profile, const struct profile_record *record, size_t got)
{
    const struct profile_header *header = &profile->header;
    const char *fault = header_fault(profile, record, got);
    if (fault)
        return gci_message_fail(false, profile->path, "%s", fault);
    if (header->version > PROFILE_VERSION)
        return gci_message_fail(false, profile->path, "its format, %" PRIu32 ", is newer than this command's, %d",
                                header->version, PROFILE_VERSION);
    return true;
}

/* Whether a profile begins here; if not, one line has said so. */
static bool read_header(struct profile *profile)
{
    struct profile_source *source = profile->source;
    struct profile_record record = {0};
    size_t got = 0, head = fread(&record, 1, sizeof record, source->file);
    if (head == sizeof record && record.kind == PROFILE_HEADER)
        got = read_payload(source, 0, sizeof profile->header);
    if (ferror(source->file))
        return gci_message_fail(false, profile->path, "cannot be read: %s", strerror(errno));
    if (head == 0)
        return gci_message_fail(false, profile->path, "empty");
    if (got > 0)
        memcpy(&profile->header, source->payload, got);
    if (!check_header(profile, &record, got))
        return false;
    if (read_payload(source, got, padded(&record)) < padded(&record) || !gci_records_take_words(profile, record.bytes))
        return gci_message_fail(false, profile->path, "breaks off in its header");
    source->offset = sizeof record + padded(&record);
    return true;
}

/* ---- Whole files ---- */

static void say_how_it_ended(const struct profile *profile, enum outcome outcome)
{
    uint64_t offset = profile->source->offset;
    if (outcome == READ_FAILED)
        gci_message_fail(0, profile->path, "cannot be read beyond byte %" PRIu64 ": %s", offset, strerror(errno));
    else if (outcome == READ_DAMAGED)
        gci_message_fail(0, profile->path, "damaged at byte %" PRIu64 ": what follows is left out", offset);
    else if (outcome == READ_TORN)
        gci_message_fail(0, profile->path, "breaks off in a record at byte %" PRIu64 ": what was whole is shown",
                         offset);
    else if (!profile->is_complete && !profile->source->is_growing)
        gci_message_fail(0, profile->path,
                         "has no end: the program still runs, was killed, or had no room to write it");
}

/* A record that is still being written is read once more later. */
static bool read_on(struct profile *profile)
{
    struct profile_source *source = profile->source;
    uint64_t before = source->offset;
    enum outcome outcome = read_records(profile);
    gci_records_sort_moments(profile);
    if (source->is_growing && outcome == READ_TORN) {
        if (fseeko(source->file, (off_t)source->offset, SEEK_SET) == 0)
            outcome = READ_END;
    }
    say_how_it_ended(profile, outcome);
    source->is_damaged = outcome != READ_END;
    size_t lost = source->is_growing ? 0 : gci_records_finish(profile);
    if (lost > 0)
        gci_message_fail(0, profile->path, "%zu pointers from or to no object are left out", lost);
    gci_last_find(profile);
    gci_names_find(profile);
    return source->offset > before;
}

static struct profile *read_profile(const char *path, bool no_symbols, bool is_growing)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        gci_message_fail(0, path, "cannot be opened: %s", strerror(errno));
        return NULL;
    }
    struct profile *profile = gci_memory_take(1, sizeof *profile);
    profile->source = gci_memory_take(1, sizeof *profile->source);
    *profile->source = (struct profile_source){.file = file, .no_symbols = no_symbols, .is_growing = is_growing};
    profile->path = gci_memory_pool_text(&profile->source->pool, path, strlen(path));
    if (!read_header(profile)) {
        gci_profile_forget(profile);
        return NULL;
    }
    read_on(profile);
    return profile;
}

struct profile *gci_profile_read(const char *path, bool no_symbols)
{
    return read_profile(path, no_symbols, false);
}

struct profile *gci_profile_follow(const char *path, bool no_symbols)
{
    return read_profile(path, no_symbols, true);
}

bool gci_profile_read_on(struct profile *profile)
{
    clearerr(profile->source->file);
    return !profile->source->is_damaged && !profile->is_complete && read_on(profile);
}

void gci_profile_forget(struct profile *profile)
{
    if (!profile)
        return;
    struct profile_source *source = profile->source;
    for (size_t i = 0; i < profile->moment_count; i++)
        free(profile->moments[i].rows);
    void *const arrays[] = {
        profile->modules, profile->frames,  profile->stacks,  profile->threads, profile->thread_system_ids,
        profile->usage,   profile->cycles,  profile->moments, profile->leaks,   profile->objects,
        profile->edges,   profile->roots,   profile->sizes,   source->payload,  source->stacks,
        source->known,    source->last_rows};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        free(arrays[i]);
    gci_numbers_forget(&source->addresses);
    gci_numbers_forget(&source->placed);
    gci_memory_pool_forget(&source->pool);
    fclose(source->file);
    free(source);
    free(profile);
}

/* ---- What counts ---- */

struct profile_modules gci_profile_modules(const struct profile *profile)
{
    return (struct profile_modules){.all = profile->modules,
                                    .count = profile->module_count,
                                    .since_seconds = profile->header.start_realtime_ns / NS_PER_SECOND};
}

static uint32_t next_outside(const struct profile *profile, const struct profile_stack_frames *frames, uint32_t at)
{
    while (at < frames->count && profile->frames[frames->frames[at]].is_allocator)
        at++;
    return at;
}

uint32_t gci_profile_next_frame(const struct profile *profile, uint32_t stack, uint32_t at)
{
    const struct profile_stack_frames *frames = &profile->stacks[stack];
    bool all_inside = next_outside(profile, frames, 0) == frames->count;
    return all_inside ? at : next_outside(profile, frames, at);
}

bool gci_profile_leak_counts(const struct profile *profile, const struct profile_leak *leak)
{
    return leak->time_ns == profile->source->last_look_ns[leak->is_collected ? 1 : 0];
}
