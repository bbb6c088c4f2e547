/* SPDX-License-Identifier: MIT */
/* gcalloc.h, collections and what is told of them: switches, options, statistics, events, memory that runs out. */
#include "check.h"

#include <stdlib.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define GARBAGE_BYTES 1000

static NOINLINE void make_garbage(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *volatile p = gca_malloc(GARBAGE_BYTES);
        CHECK(p != NULL);
    }
}

static struct gca_stats get_stats(void)
{
    struct gca_stats stats = {.size = sizeof stats};
    gca_stats_get(&stats);
    return stats;
}

static uint64_t cycles(void)
{
    return get_stats().cycles;
}

static void test_collect(void)
{
    collect_cleanly();
    make_garbage(2000);
    uint64_t before = get_stats().reclaimed_bytes;
    size_t freed = collect_cleanly();
    CHECK(freed >= 1800 * GARBAGE_BYTES && freed < 3000 * GARBAGE_BYTES);
    CHECK(get_stats().reclaimed_bytes - before == freed);
}

static void test_switch(void)
{
    gca_enable(); /* surplus */
    gca_enable();
    gca_disable();
    gca_disable();
    make_garbage(2000);
    uint64_t before = cycles();
    CHECK(collect_cleanly() == 0);
    gca_enable();
    CHECK(collect_cleanly() == 0 && !gca_collect_a_little());
    make_garbage(200000); /* growth alone starts nothing either */
    CHECK(cycles() == before);
    gca_enable();
    CHECK(collect_cleanly() > 190000 * GARBAGE_BYTES);
    CHECK(cycles() == before + 1);
}

static void test_mode(void)
{
    CHECK(gca_option_set("mode", "free") == 0);
    make_garbage(2000);
    CHECK(collect_cleanly() == 0 && !gca_collect_a_little());
    CHECK(gca_option_set("mode", "gc") == 0);
    CHECK(collect_cleanly() > 0);
}

static NOINLINE void grow_to(uint64_t heap_bytes)
{
    while (get_stats().heap_bytes < heap_bytes)
        make_garbage(100);
}

static void test_collect_a_little(void)
{
    collect_cleanly();
    struct gca_stats start = get_stats();
    uint64_t headroom = start.threshold_bytes - start.heap_bytes;
    CHECK(!gca_collect_a_little());
    grow_to(start.heap_bytes + headroom / 4);
    CHECK(!gca_collect_a_little() && cycles() == start.cycles);
    grow_to(start.heap_bytes + headroom * 5 / 8);
    CHECK(cycles() == start.cycles);
    CHECK(gca_collect_a_little() && cycles() == start.cycles + 1);
    CHECK(!gca_collect_a_little());
}

static void test_growth_collects(void)
{
    uint64_t before = cycles();
    make_garbage(300000);
    struct gca_stats stats = get_stats();
    CHECK(stats.cycles > before && stats.heap_bytes < 150 * MIB);
}

/* ---- Options ----------------------------------------------------------------------------------------------------- */

struct option_case {
    const char *name;
    const char *value;
    int result;
};

static void test_options(void)
{
    static const struct option_case cases[] = {
        {"verbose", "0", 0},
        {"verbose", "2", EINVAL},
        {"verbose", "", EINVAL},
        {"mode", "gc", 0},
        {"mode", "banana", EINVAL},
        {"mode", "gc|free", EINVAL},
        {"min_headroom", "64K", 0},
        {"min_headroom", "65536", 0},
        {"min_headroom", "65535", EINVAL},
        {"min_headroom", "1X", EINVAL},
        {"min_headroom", "-1", EINVAL},
        {"min_headroom", "99999999999999999999", EINVAL},
        {"min_headroom", "32M", 0},
        {"heap_limit", "1T", 0},
        {"heap_limit", "0", 0},
        {"markers", "17", EINVAL},
        {"markers", "3", 0},
        {"markers", "0", 0},
        {"simd", "mmx", EINVAL},
        {"simd", "scalar", 0},
        {"simd", "auto", 0},
        {"verify", "2", EINVAL},
        {"verify", "0", 0},
        {"stop_deadline_ms", "0", EINVAL},
        {"stop_deadline_ms", "60001", EINVAL},
        {"stop_deadline_ms", "1000", 0},
        {"release_ms", "10K", EINVAL},
        {"release_ms", "1000", 0},
        {"stats", "1", EBUSY},
        {"stats_file", "/dev/null", EBUSY},
        {"stop_signal", "40", EBUSY},
        {"torture", "", EBUSY},
        {"Verbose", "0", ENOENT},
        {"GCALLOC_VERBOSE", "0", ENOENT},
        {"verb", "0", ENOENT},
        {"verbosely", "0", ENOENT},
        {"", "", ENOENT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int result = gca_option_set(cases[i].name, cases[i].value);
        if (result != cases[i].result) {
            fprintf(stderr, "%s=%s: %d, not %d: ", cases[i].name, cases[i].value, result, cases[i].result);
            CHECK(!"the option's result is right");
        }
    }
}

static void test_version(void)
{
    char text[64];
    snprintf(text, sizeof text, "%d.%d.%d", GCA_VERSION_MAJOR, GCA_VERSION_MINOR, GCA_VERSION_PATCH);
    CHECK(strcmp(gca_version(), text) == 0 && gca_version() == gca_version());
}

/* ---- Statistics -------------------------------------------------------------------------------------------------- */

/* Callers that were compiled with fewer members, or with more. */
static void test_stats_sizes(void)
{
    static const size_t given[] = {sizeof(size_t), offsetof(struct gca_stats, heap_peak_bytes),
                                   offsetof(struct gca_stats, cycles), sizeof(struct gca_stats),
                                   sizeof(struct gca_stats) + 64};
    union {
        struct gca_stats stats;
        unsigned char bytes[sizeof(struct gca_stats) + 128];
    } room;
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        memset(&room, 0xa5, sizeof room);
        room.stats.size = given[i];
        gca_stats_get(&room.stats);
        size_t known = given[i] < sizeof room.stats ? given[i] : sizeof room.stats;
        CHECK(room.stats.size == given[i]);
        CHECK(is_filled(room.bytes + known, 0xa5, sizeof room - known));
        if (known > sizeof(size_t))
            CHECK(room.stats.heap_bytes == get_stats().heap_bytes);
    }
}

static void test_stats_figures(void)
{
    struct gca_stats before = get_stats();
    make_garbage(5000);
    struct gca_stats grown = get_stats();
    CHECK(grown.heap_bytes > before.heap_bytes && grown.heap_peak_bytes >= grown.heap_bytes);
    void *volatile kept = gca_malloc(10 * MIB);
    collect_cleanly();
    struct gca_stats after = get_stats();
    CHECK(after.cycles == grown.cycles + 1 && after.cycles_given_up == 0);
    CHECK(after.reclaimed_bytes - grown.reclaimed_bytes >= 4500 * GARBAGE_BYTES);
    CHECK(after.reclaimed_objects - grown.reclaimed_objects >= 4500);
    CHECK(after.live_bytes >= 10 * MIB && after.live_bytes < 20 * MIB && after.live_objects >= 1);
    CHECK(after.heap_bytes >= after.live_bytes && after.heap_peak_bytes >= after.heap_bytes);
    CHECK(after.pause_last_ns > 0 && after.pause_longest_ns >= after.pause_last_ns);
    CHECK(after.pause_total_ns == grown.pause_total_ns + after.pause_last_ns);
    CHECK(after.mark_total_ns > 0 && after.sweep_total_ns > 0);
    CHECK(after.mark_total_ns + after.sweep_total_ns <= after.pause_total_ns);
    CHECK(after.threads_stopped == 0 && after.metadata_bytes > 0);
    CHECK(after.threshold_bytes > after.heap_bytes);
    gca_free(kept);
}

static NOINLINE void use_and_drop(size_t bytes)
{
    memset(gca_malloc(bytes), 1, bytes);
}

static void test_released(void)
{
    uint64_t before = get_stats().released_bytes;
    CHECK(gca_option_set("release_ms", "0") == 0);
    use_and_drop(64 * MIB);
    collect_cleanly();
    collect_cleanly();
    CHECK(get_stats().released_bytes - before >= 60 * MIB);
    CHECK(gca_option_set("release_ms", "1000") == 0);
}

/* ---- Events ------------------------------------------------------------------------------------------------------ */

#define EVENTS_MAX 64

struct log {
    struct gca_event events[EVENTS_MAX];
    size_t count;
};

static void record(const struct gca_event *event, void *data)
{
    struct log *log = data;
    void *volatile allocated = gca_malloc(100); /* allowed */
    CHECK(allocated != NULL);
    if (log->count < EVENTS_MAX)
        log->events[log->count++] = *event;
}

static void check_cycle_events(const struct gca_event *events, uint64_t cycle, const char *reason)
{
    uint64_t phases = 0;
    for (size_t i = 0; i < 6; i++) {
        CHECK(events[i].kind == (enum gca_event_kind)(GCA_EVENT_CYCLE_BEGIN + i));
        CHECK(events[i].cycle == cycle && strcmp(events[i].reason, reason) == 0);
        phases += i > 0 && i < 5 ? events[i].duration_ns : 0;
    }
    CHECK(phases > 0 && phases <= events[5].duration_ns);
}

static void test_events(void)
{
    static struct log log;
    static struct log other;
    collect_cleanly();
    gca_on_event(record, &log);
    make_garbage(2000);
    size_t freed = collect_cleanly();
    struct gca_stats stats = get_stats();
    CHECK(log.count == 6);
    check_cycle_events(log.events, stats.cycles, "request");
    CHECK(log.events[4].bytes == freed && log.events[5].bytes == stats.live_bytes);
    CHECK(log.events[5].duration_ns == stats.pause_last_ns);
    gca_on_event(record, &other);
    while (other.count == 0)
        make_garbage(1000);
    CHECK(log.count == 6 && other.count % 6 == 0);
    check_cycle_events(other.events, stats.cycles + 1, "growth");
    size_t count = other.count;
    gca_on_event(NULL, NULL);
    collect_cleanly();
    CHECK(other.count == count);
}

/* ---- Out of memory ----------------------------------------------------------------------------------------------- */

static void *volatile reserve;
static void **kept_list;
static size_t oom_calls;
static size_t oom_bytes;

static bool release_reserve(size_t bytes)
{
    oom_calls++;
    oom_bytes = bytes;
    if (reserve == NULL)
        return false;
    gca_free(reserve);
    reserve = NULL;
    return true;
}

/* Links blocks of 1 MiB until one cannot be had. */
static size_t fill_heap(void)
{
    size_t count = 0;
    for (;; count++) {
        void **p = gca_malloc(MIB);
        if (p == NULL)
            return count;
        *p = kept_list;
        kept_list = p;
    }
}

static void test_out_of_memory(void)
{
    collect_cleanly();
    CHECK(gca_option_set("heap_limit", "64M") == 0);
    reserve = gca_malloc(8 * MIB);
    gca_on_oom(release_reserve);
    errno = 0;
    size_t count = fill_heap();
    CHECK(errno == ENOMEM);
    CHECK(count >= 56 && count <= 64); /* with what the reserve gave back */
    CHECK(oom_calls == 2 && oom_bytes >= MIB && oom_bytes < 2 * MIB);
    CHECK(get_stats().heap_bytes <= 64 * MIB);
    gca_on_oom(NULL);
    CHECK(gca_malloc(20 * MIB) == NULL && oom_calls == 2);
    kept_list = NULL;
    overwrite_stack();
    usleep(100000);                 /* a heap at its limit collects only so often */
    void *p = gca_malloc(20 * MIB); /* a collection makes room, nobody is asked */
    CHECK(p != NULL);
    gca_free(p);
    CHECK(gca_option_set("heap_limit", "0") == 0);
}

int main(void)
{
    test_version();
    test_options();
    test_stats_sizes();
    test_collect();
    test_switch();
    test_mode();
    test_collect_a_little();
    test_growth_collects();
    test_stats_figures();
    test_released();
    test_events();
    test_out_of_memory();
    return check_result();
}
