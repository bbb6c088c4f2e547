/* SPDX-License-Identifier: MIT */
/* Sessions of the profiler that begin and end in the middle of what it does, and records that are used again meanwhile. */
#include <errno.h>
#include <signal.h>

#include "../stepping.h"
#include "alloc/alloc.h"
#include "alloc/budget.h"
#include "heap/cache.h"
#include "heap/resolve.h"
#include "heap/special/sample.h"
#include "profile/age.h"
#include "profile/profile.h"
#include "profile/sampler.h"
#include "profile/sites.h"
#include "profile/writer.h"
#include "support.h"
#include "world/critical.h"

#define ROWS 128u

static void begin_session(void)
{
    ck_assert_int_eq(gci_sites_init(&gci_heap, ROWS), 0);
    gci_sampler_start(PROFILE_LEVEL_SITE, 1);
}

/* As when two orders came while the thread was writing; the next time is far off. */
static void begin_another(void)
{
    gci_sampler_stop();
    begin_session();
    word_store(&gci_session.due_ticks, UINT64_MAX);
}

static uint32_t choose(void)
{
    struct sample sample;
    ck_assert(gci_sample_hooks->choose(24, &sample));
    ck_assert_ptr_nonnull(gci_sampler_row(&sample));
    return site_thread(gci_sampler_row(&sample));
}

START_TEST(a_sample_is_of_the_session_that_begins_in_it)
{
    ck_assert_int_eq(gci_heap_init(&gci_heap), 0);
    gci_sampler_work = begin_another;
    begin_session();
    uint32_t before = gci_session.number;
    uint32_t thread = choose();
    ck_assert_uint_eq(gci_session.number, before + 1);
    ck_assert(thread == 1 && gci_sampler_thread_count() == 1);
    ck_assert_uint_ne(gci_sampler_thread(1)->is_ready, 0);
    word_store(&gci_session.due_ticks, 0);
    thread = choose();
    ck_assert_uint_eq(gci_session.number, before + 2);
    ck_assert(thread == 1 && gci_sampler_thread_count() == 1);
}
END_TEST

/* Also where a file before knew it. */
START_TEST(a_thread_that_the_session_does_not_know_is_nobody)
{
    static char buffer[WRITER_BUFFER_BYTES];
    struct writer writer = {.buffer = buffer};
    ck_assert_int_eq(gci_heap_init(&gci_heap), 0);
    begin_another();
    ck_assert(choose() == 1 && gci_writer_thread(&writer, 1) == 1);
    size_t used = writer.used;
    ck_assert_uint_gt(used, 0);
    ck_assert(gci_writer_thread(&writer, 1) == 1 && writer.used == used);
    begin_another();
    ck_assert(gci_writer_thread(&writer, 1) == 0 && writer.used == used);
    ck_assert(choose() == 1 && gci_writer_thread(&writer, 1) == 1);
    ck_assert_uint_eq(writer.used, 2 * used);
}
END_TEST

/* Orders come by a signal, after any instruction that is in no critical section. */
static volatile unsigned instructions_left; /* until it comes */
static void (*order)(void);

static void on_trap(int signal, siginfo_t *info, void *data)
{
    (void)signal;
    (void)info;
    if (instructions_left > 1)
        instructions_left--;
    else if (!critical_is_inside()) {
        end_steps_of(data);
        instructions_left = 0;
        order();
    }
}

/* Each time it goes the same way, the last time with an order after so many instructions. False: it has fewer. */
static bool request_with_order(void (*request)(void), unsigned instructions)
{
    instructions_left = instructions;
    for (volatile int times = 4; times > 0; times--) {
        if (times == 1)
            begin_steps();
        request();
        if (times == 1)
            end_steps();
    }
    return instructions_left == 0;
}

static void listen_for_traps(void)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    ck_assert_int_eq(sigaction(SIGTRAP, &action, NULL), 0);
}

static void begin_full(void)
{
    gci_sampler_stop();
    gci_sites_init(&gci_heap, ROWS);
    gci_sampler_start(PROFILE_LEVEL_FULL, 1);
    word_store(&gci_session.due_ticks, UINT64_MAX);
}

static void choose_and_be_born(void)
{
    struct sample sample;
    if (!gci_sample_hooks->choose(24, &sample))
        return;
    critical_enter();
    gci_sample_hooks->born(&sample, 24, BLOCK_BYTES);
    critical_leave();
}

#define INSTRUCTIONS_MAX 2000u /* where none is inlined */

/* Each one at first, where what matters is, and then fewer and fewer. Sanitizers stretch all of it, and take long for each. */
#define FEWER_FROM (SANITIZER_KNOWS_THREADS ? 16 : 256)
static unsigned next_of(unsigned instructions)
{
    return instructions + 1 + instructions / FEWER_FROM;
}

static void record_and_free(void)
{
    struct sample record = {.origin = 0};
    gci_sample_hooks->record(24, &record, &record);
    if (word_load(&record.origin) != 0)
        gci_sample_hooks->freed(word_load(&record.origin), record.bytes, BLOCK_BYTES, record.weight);
}

/* Nothing of the last session gets into the one that begins after any instruction. */
static void begin_in_the_middle_of(void (*birth)(void))
{
    ck_assert_int_eq(gci_heap_init(&gci_heap), 0);
    cache_become_self(gci_cache_create(&gci_heap));
    listen_for_traps();
    order = begin_full;
    unsigned instructions = 1;
    uint64_t counted = 0;
    do {
        begin_full();
        if (!request_with_order(birth, instructions))
            break;
        for (uint32_t i = 0; i < gci_sites_row_count(); i++)
            counted +=
                word_load(&gci_sites_row(i)->own.samples) + (word_load(&gci_sites_row(i)->own.freed_objects) != 0);
    } while ((instructions = next_of(instructions)) < INSTRUCTIONS_MAX);
    ck_assert_uint_gt(instructions, 100);
    ck_assert_uint_lt(counted, instructions);
}

START_TEST(a_session_may_begin_in_the_middle_of_a_choice)
{
    begin_in_the_middle_of(choose_and_be_born);
}
END_TEST

START_TEST(a_session_may_begin_in_the_middle_of_a_record)
{
    begin_in_the_middle_of(record_and_free);
}
END_TEST

static void begin_sparse(void)
{
    gci_sampler_stop();
    gci_sites_init(&gci_heap, ROWS);
    gci_sampler_start(PROFILE_LEVEL_SITE, UINT64_C(1) << 20);
    word_store(&gci_session.due_ticks, UINT64_MAX);
    gci_sample_hooks->distance();
}

static void choose_be_born_and_free(void)
{
    const struct sample_hooks *by_chance = gci_sample_hooks;
    struct sample sample;
    if (!by_chance->choose(24, &sample))
        return;
    critical_enter();
    by_chance->born(&sample, 24, BLOCK_BYTES);
    critical_leave();
    gci_sample_hooks->freed(word_load(&sample.origin), 24, BLOCK_BYTES, sample.weight);
}

/* Where one in many was to be chosen, and then all are: it stands for itself, as its end does. */
START_TEST(a_session_that_chooses_all_may_begin_in_the_middle_of_a_choice_by_chance)
{
    ck_assert_int_eq(gci_heap_init(&gci_heap), 0);
    cache_become_self(gci_cache_create(&gci_heap));
    listen_for_traps();
    order = begin_full;
    unsigned instructions = 1;
    do {
        begin_sparse();
        if (!request_with_order(choose_be_born_and_free, instructions))
            break;
        for (uint32_t i = 0; i < gci_sites_row_count(); i++)
            ck_assert_uint_eq(gci_sampler_live(gci_sites_row(i)).objects, 0);
    } while ((instructions = next_of(instructions) + 6) < INSTRUCTIONS_MAX); /* where it matters is longer */
    ck_assert_uint_gt(instructions, 100);
}
END_TEST

#define PAUSE_TICKS (UINT64_C(1) << 20) /* longer than a thread that has many births is without one */
#define HELD_BYTES 2000                 /* of two births the session has not been told, and is told at the fourth */
static unsigned births;

static void record_timed(void)
{
    struct sample record = {.origin = 0};
    uint64_t start = gci_cpu_ticks();
    while (births % 4 != 3 && gci_cpu_ticks() - start < PAUSE_TICKS)
        ;
    births++;
    gci_sample_hooks->record(HELD_BYTES, &record, &record);
}

START_TEST(what_lives_of_a_session_is_not_told_to_the_next)
{
    ck_assert_int_eq(gci_heap_init(&gci_heap), 0);
    cache_become_self(gci_cache_create(&gci_heap));
    listen_for_traps();
    order = begin_full;
    unsigned instructions = 1;
    bool is_whole = false; /* where sanitizers make it too long, it never is */
    do {
        begin_full();
        births = 0;
        is_whole = !request_with_order(record_timed, instructions);
        if (is_whole)
            break;
        ck_assert_uint_le(word_load(&gci_session.live_bytes), HELD_BYTES);
    } while ((instructions = next_of(instructions)) < INSTRUCTIONS_MAX);
    ck_assert_uint_gt(instructions, 100);
    ck_assert(!is_whole || word_load(&gci_session.live_bytes) > HELD_BYTES);
}
END_TEST

static unsigned works;

static void count_work(void)
{
    works++;
}

#define BUSY_BIRTHS 1000
#define PAUSES 20

static NOINLINE void record_busily(void)
{
    struct sample record;
    for (unsigned i = 0; i < BUSY_BIRTHS; i++)
        gci_sample_hooks->record(24, &record, &record);
}

/* From a place that has had few births. */
START_TEST(what_is_due_after_a_pause_of_a_busy_thread_is_done)
{
    ck_assert_int_eq(gci_heap_init(&gci_heap), 0);
    cache_become_self(gci_cache_create(&gci_heap));
    gci_sampler_work = count_work;
    begin_full();
    for (unsigned i = 0; i < PAUSES; i++) {
        struct sample record;
        word_store(&gci_session.due_ticks, UINT64_MAX);
        record_busily();
        uint64_t start = gci_cpu_ticks();
        while (gci_cpu_ticks() - start < PAUSE_TICKS)
            ;
        word_store(&gci_session.due_ticks, 0);
        works = 0;
        gci_sample_hooks->record(24, &record, &record);
        gci_sample_hooks->record(24, &record, &record);
        ck_assert_uint_ne(works, 0);
    }
}
END_TEST

static void end_recording(void)
{
    gci_sample_hooks = NULL;
}

static void settle(void)
{
    gci_budget_settle(24);
}

START_TEST(recording_may_end_in_the_middle_of_a_request)
{
    static const struct sample_hooks all = {.distance = NULL};
    listen_for_traps();
    order = end_recording;
    unsigned instructions = 1;
    do
        gci_sample_hooks = &all;
    while (request_with_order(settle, instructions++));
    ck_assert_uint_gt(instructions, 5);
}
END_TEST

static void *recorded;
static size_t freed_bytes;

static bool choose_all(size_t bytes, struct sample *sample)
{
    (void)bytes;
    *sample = (struct sample){.origin = 1, .weight = 1};
    return true;
}

static void hear_of_birth(const struct sample *sample, size_t bytes, uintptr_t address)
{
    (void)sample;
    (void)bytes;
    (void)address;
}

static void *write_record(size_t bytes, void *block, struct sample *record)
{
    *record = (struct sample){.origin = 1, .weight = 1, .bytes = (uint32_t)bytes};
    return block;
}

static void hear_of_free(uint64_t origin, size_t bytes, uintptr_t address, float weight)
{
    (void)address;
    freed_bytes = origin == 1 && weight == 1 ? bytes : 0;
}

/* Once the slot is free, a collection may find its block empty, and another thread put records there. */
static void use_record_of_free_slot(void)
{
    struct object object = gci_resolve(&gci_heap, (uintptr_t)recorded);
    if (!object_is_allocated(&gci_heap, object))
        *sample_at(&gci_heap, object.unit, object.slot) = (struct sample){.origin = 0, .weight = 7, .bytes = 77};
}

static void record_and_free_it(void)
{
    gci_cache_self.budget = 0;
    recorded = gci_alloc_slow(24, KIND_SCANNED);
    freed_bytes = 0;
    free_fast(recorded, "free");
}

START_TEST(a_record_may_be_used_again_once_its_slot_is_free)
{
    static const struct sample_hooks all = {
        .choose = choose_all, .born = hear_of_birth, .record = write_record, .freed = hear_of_free};
    ck_assert_int_eq(gci_heap_init(&gci_heap), 0);
    ck_assert_int_eq(gci_sample_reserve(&gci_heap), 0);
    listen_for_traps();
    order = use_record_of_free_slot;
    gci_sample_hooks = &all;
    unsigned instructions = 1;
    while (request_with_order(record_and_free_it, instructions)) {
        ck_assert_uint_eq(freed_bytes, 24);
        instructions = SANITIZER_KNOWS_THREADS ? next_of(instructions) : instructions + 1;
    }
    ck_assert_uint_gt(instructions, 50);
    gci_sample_hooks = NULL;
}
END_TEST

/* A handler's request makes a cycle run, of which the profile is to tell; then the sample below goes on. */
START_TEST(what_is_written_in_the_middle_of_a_sample_does_not_end_it)
{
    const struct profile_plan plan = {.level = PROFILE_LEVEL_SITE, .version = ""};
    const struct cycle_report report = {.number = 1};
    ck_assert_int_eq(gci_heap_init(&gci_heap), 0);
    ck_assert_int_eq(gci_profile_start(&plan), 0);
    ck_assert(gci_sampler_enter());
    gci_profile_note_cycle(&report);
    ck_assert(!gci_sampler_enter());
    gci_sampler_leave();
    ck_assert_int_eq(gci_profile_stop(), 0);
    ck_assert(gci_sampler_enter());
    gci_sampler_leave();
}
END_TEST

/* As malloc ends by a call of gci_alloc_slow, that has to say so, whoever looks at requests. */
START_TEST(what_cannot_be_had_is_an_error_for_whoever_records)
{
    static const struct sample_hooks all = {.choose = choose_all, .record = write_record};
    const struct sample_hooks *const recorders[] = {NULL, &all};
    ck_assert_int_eq(gci_heap_init(&gci_heap), 0);
    for (size_t i = 0; i < sizeof recorders / sizeof recorders[0]; i++) {
        gci_sample_hooks = recorders[i];
        gci_cache_self.budget = 0;
        errno = 0;
        ck_assert_ptr_null(gci_alloc_slow(PTRDIFF_MAX, KIND_SCANNED));
        ck_assert_int_eq(errno, ENOMEM);
    }
    gci_sample_hooks = NULL;
}
END_TEST

MAKE_SUITE(sessions, a_sample_is_of_the_session_that_begins_in_it, a_thread_that_the_session_does_not_know_is_nobody,
           a_session_may_begin_in_the_middle_of_a_choice, a_session_may_begin_in_the_middle_of_a_record,
           a_session_that_chooses_all_may_begin_in_the_middle_of_a_choice_by_chance,
           what_lives_of_a_session_is_not_told_to_the_next, what_is_due_after_a_pause_of_a_busy_thread_is_done,
           recording_may_end_in_the_middle_of_a_request, a_record_may_be_used_again_once_its_slot_is_free,
           what_is_written_in_the_middle_of_a_sample_does_not_end_it,
           what_cannot_be_had_is_an_error_for_whoever_records)
