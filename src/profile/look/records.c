/* SPDX-License-Identifier: MIT */
/* Implementation of profile/look/records.h. */
#include "profile/look/records.h"

#include <errno.h>

#include "base/bits.h"
#include "heap/heap.h"
#include "platform/env.h"
#include "world/critical.h"

static volatile u32_shared is_in_use;
static struct records *the_records; /* of who has set is_in_use */

int gci_records_open(struct records **records, int file)
{
    if (!u32_compare_and_swap(&is_in_use, 0, 1))
        return EBUSY;
    critical_enter();
    if (the_records == NULL)
        the_records = gci_heap_take_meta(&gci_heap, sizeof *the_records);
    critical_leave();
    *records = the_records;
    if (the_records == NULL) {
        u32_store_release(&is_in_use, 0);
        return ENOMEM;
    }
    the_records->file = file;
    the_records->failure = 0;
    the_records->record = (struct profile_record){0, 0};
    return 0;
}

void gci_records_reset(void)
{
    u32_store(&is_in_use, 0);
}

static void write_bytes(struct records *records, const void *bytes, size_t count)
{
    if (records->failure == 0 && !gci_env_write(records->file, bytes, count))
        records->failure = errno;
}

/* Record and entries lie one behind the other. */
static void flush(struct records *records)
{
    if (records->record.bytes != 0)
        write_bytes(records, &records->record, sizeof records->record + records->record.bytes);
    records->record.bytes = 0;
}
STATIC_ASSERT(offsetof(struct records, entries) == offsetof(struct records, record) + sizeof(struct profile_record),
              "a record and its entries are one piece");

void gci_records_add(struct records *records, enum profile_kind kind, const void *entry, size_t bytes)
{
    if (records->record.kind != kind || records->record.bytes == RECORDS_PIECE_BYTES)
        flush(records);
    records->record.kind = kind;
    __builtin_memcpy(records->entries + records->record.bytes, entry, bytes);
    records->record.bytes += (uint32_t)bytes;
}

void gci_records_write(struct records *records, enum profile_kind kind, const void *payload, size_t bytes)
{
    const struct profile_record record = {kind, (uint32_t)bytes};
    flush(records);
    write_bytes(records, &record, sizeof record);
    write_bytes(records, payload, bytes);
    write_bytes(records, (const char[8]){0}, align_up(bytes, 8) - bytes);
}

int gci_records_close(struct records *records)
{
    flush(records);
    int failure = records->failure;
    u32_store_release(&is_in_use, 0);
    return failure;
}
