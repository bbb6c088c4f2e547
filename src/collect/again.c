/* SPDX-License-Identifier: MIT */
/* Implementation of collect/again.h. */
#include "collect/again.h"

#include "base/atomic.h"
#include "base/text.h"
#include "heap/resolve.h"
#include "heap/sweep.h"
#include "mark/verify.h"
#include "platform/env.h"

struct kept {
    uintptr_t address; /* 0: lies in no memory of the program's */
    uintptr_t word;
};

/* The collector's. In memory of ours, so that the words are no roots. */
static struct kept *kept;
static size_t kept_count;
static size_t kept_capacity;
static bool is_short; /* of memory */

/* Whether a marking was not compared, for lack of memory, and that was told. Read and written by everybody. */
enum telling { NOTHING_TO_TELL, MUST_TELL, HAS_TOLD };
static volatile u32_shared telling;

#define KEPT_FIRST_CAPACITY 512u

void gci_again_begin(void)
{
    kept_count = 0;
    is_short = false;
}

static bool grow(void)
{
    struct kept *larger = gci_heap_take_larger(&gci_heap, kept, sizeof *kept, KEPT_FIRST_CAPACITY, &kept_capacity);
    if (larger != NULL)
        kept = larger;
    return larger != NULL;
}

static void keep(uintptr_t address, uintptr_t word)
{
    if (kept_count < kept_capacity || grow())
        kept[kept_count++] = (struct kept){address, word};
    else
        is_short = true;
}

void gci_again_keep(const struct root_piece *piece)
{
    for (size_t i = 0; i < piece->count; i++) {
        uintptr_t address = word_address(piece->words[i]);
        uintptr_t place = piece->address == 0 ? 0 : piece->address + i * sizeof(uintptr_t);
        if (heap_contains(&gci_heap, address) || heap_contains(&gci_heap, address - 1))
            keep(place, piece->words[i]);
    }
}

static NORETURN NOINLINE void die(const char *what, uintptr_t address)
{
    struct text text;
    gci_text_init(&text);
    gci_text_add(&text, what);
    gci_text_add_address(&text, address);
    gci_env_die(&text);
}

static void look_at_stacks(const struct page_reader *pages)
{
    for (size_t i = 0; i < kept_count; i++) {
        uintptr_t now;
        if (kept[i].address == 0 || !gci_roots_is_still(kept[i].address))
            continue;
        if (gci_pages_read(pages, &now, kept[i].address, sizeof now) == sizeof now && now != kept[i].word)
            die("the stack of a stopped thread changes at ", kept[i].address);
    }
}

static void ignore_unit(uint32_t unit, void *data)
{
    (void)unit; /* is found by its bits */
    (void)data;
}

void gci_again_compare(const struct page_reader *pages)
{
    look_at_stacks(pages);
    if (is_short || !gci_verify_begin(&gci_heap)) {
        (void)u32_compare_and_swap(&telling, NOTHING_TO_TELL, MUST_TELL);
        return;
    }
    gci_sweep_prepare(&gci_heap, ignore_unit, NULL);
    for (size_t i = 0; i < kept_count; i++)
        gci_verify_words(&gci_heap, &kept[i].word, 1);
    uintptr_t found = gci_verify_end(&gci_heap);
    if (found != 0)
        die("marking twice differs at ", found);
}

void gci_again_tell(void)
{
    if (UNLIKELY(u32_load(&telling) == MUST_TELL) && u32_compare_and_swap(&telling, MUST_TELL, HAS_TOLD))
        gci_env_report_string("verify: no memory for a second marking: not every collection is checked");
}
