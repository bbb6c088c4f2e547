/* SPDX-License-Identifier: MIT */
/* Implementation of profile/look/records.h. */
#include "profile/look/records.h"

#include <errno.h>
#include <stdbool.h>

#include "base/bits.h"
#include "platform/env.h"
#include "platform/vm.h"

static size_t mapped_bytes(void)
{
    return align_up(sizeof(struct records), gci_vm_page_bytes());
}

struct records *gci_records_open(int file)
{
    struct records *records = gci_vm_reserve(NULL, mapped_bytes());
    if (records == NULL)
        return NULL;
    if (gci_vm_commit(records, mapped_bytes()) != 0) {
        gci_vm_release(records, mapped_bytes());
        return NULL;
    }
    records->file = file;
    return records;
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
    gci_vm_release(records, mapped_bytes());
    return failure;
}
