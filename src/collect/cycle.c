/* SPDX-License-Identifier: MIT */
/* Implementation of collect/cycle.h. */
#include "collect/cycle.h"

#include <errno.h>

#include "base/assert.h"
#include "base/options.h"
#include "collect/again.h"
#include "collect/bound.h"
#include "collect/pacer.h"
#include "heap/region.h"
#include "heap/release.h"
#include "heap/resolve.h"
#include "mark/mark.h"
#include "platform/clock.h"
#include "platform/context.h"
#include "platform/env.h"
#include "platform/stop.h"
#include "platform/sync.h"
#include "platform/thread.h"
#include "platform/vm.h"
#include "world/critical.h"
#include "world/request.h"
#include "world/roots.h"
#include "world/stop.h"
#include "world/thread.h"

#define NS_PER_MS 1000000u

/* A heap that is full spends this many times a collection's pause on the program before the next, but garbage is never
 * left lying for longer than the limit. A collection that has freed such a share of what lives may be followed by another at
 * once. */
#define MEMORY_CYCLE_SPACING 4
#define MEMORY_CYCLE_PAYS_SHARE 8
#define MEMORY_CYCLE_SPACING_NS_MAX (50 * (uint64_t)NS_PER_MS)

/* Bound on what a collection waits for the sake of the other threads: several time slices of the kernel. */
#define OTHERS_SHARE_NS_MAX (10 * (uint64_t)NS_PER_MS)

struct cycle_totals gci_cycle_totals;

/* Guarded by collector_lock unless told otherwise. */
static struct lock collector_lock;
static struct pacer pacer;
static cycle_report_fn report_to;
static volatile u32_shared is_ready; /* collections are possible; read by everybody */
static volatile u32_shared disabled; /* depth; read by everybody */
static volatile u32_shared holds;    /* sum of own_holds of all threads; written by everybody */
static __thread uint32_t own_holds TLS_INITIAL_EXEC;
static volatile shared_word finished; /* cycles run or given up: tells a waiter that another thread did the work */
static uint32_t process;              /* the process that the collector's state belongs to */
static uint64_t last_end_ns;
static uint64_t last_memory_end_ns; /* these three are read without the lock, the first two written too: hints */
static bool last_memory_paid;
static uint64_t last_pause_ns;
static uint64_t last_scanned_bytes; /* what the last collection had to read */
static volatile u32_shared server;  /* thread that has the lock through gci_cycle_try_serve; 0: none */
static char *own_stack;
static uint64_t others_resumed_ns; /* when other threads were last let go on; 0 = none were stopped */

/* What a cycle is to do, and its state while the world is stopped. */
struct cycle {
    struct cycle_report report;
    struct marking marking;
    bool frees;
    struct bound_figures bound;
    uintptr_t hidden_question; /* address asked about, complemented; 0 = none */
    bool answer;
    const struct cycle_look *look; /* NULL, or what else is to be done while the world is stopped */
    uintptr_t stack_pointer;       /* where the caller's registers are saved, and its frames begin */
    uint64_t started_ns;
    uint64_t phase_ns; /* start of the phase that runs */
};

const char *gci_cycle_reason_name(enum cycle_reason reason)
{
    static const char *const names[] = {"growth", "limit", "request", "memory", "torture"};
    return names[reason];
}

static uint64_t end_phase(struct cycle *cycle)
{
    uint64_t now = gci_clock_ns();
    uint64_t spent = now - cycle->phase_ns;
    cycle->phase_ns = now;
    return spent;
}

static void mark_words(const struct root_piece *piece, void *data)
{
    gci_mark_root_words(data, piece->words, piece->count);
}

static void keep_and_mark_words(const struct root_piece *piece, void *data)
{
    gci_again_keep(piece);
    mark_words(piece, data);
}

/* A word inside a slot, where it can be meant for no other. */
static void mark_words_exactly(const struct root_piece *piece, void *data)
{
    for (size_t i = 0; i < piece->count; i++) {
        uintptr_t address = word_address(piece->words[i]);
        struct object object = gci_resolve(&gci_heap, address);
        uintptr_t inside = object.start + 1;
        if (object.unit != 0)
            gci_mark_root_words(data, &inside, 1);
    }
}

static void mark_unit(uint32_t unit, void *data)
{
    gci_mark_root_unit(data, unit);
}

static bool is_marked(uintptr_t address)
{
    struct object object = gci_resolve(&gci_heap, address);
    return object_is_allocated(&gci_heap, object) && gci_mark_is_set(&gci_heap, object.unit, object.slot);
}

/* The best that there is, up to what the option allows. */
static enum simd choose_simd(void)
{
    static const enum simd highest[] = {SIMD_AVX512, SIMD_SCALAR, SIMD_AVX2, SIMD_AVX512};
    enum simd simd = highest[gci_options.simd];
    while (!gci_cpu_has(simd))
        simd = (enum simd)(simd - 1);
    return simd;
}

/* Two markers take marks and lines from each other's caches: of a heap of which 8 MiB live each is as slow as one alone that
 * marks two thirds of it. From so much on, to be scanned, they take together hardly more than one, and half as long. */
#define HELPERS_SCANNED_BYTES_MIN (UINT64_C(16) << 20)
#define HELPERS_MAX_UNASKED 7u

/* What there is to scan is what there was last time, if the program goes on as before, and this share of the heap where nobody
 * has looked for long. */
#define LEAST_SCANNED_SHARE 4

static uint32_t count_helpers(void)
{
    if (gci_options.markers != 0)
        return (uint32_t)gci_options.markers - 1;
    if (last_scanned_bytes < HELPERS_SCANNED_BYTES_MIN &&
        region_used_bytes(&gci_heap) / LEAST_SCANNED_SHARE < HELPERS_SCANNED_BYTES_MIN)
        return 0;
    uint32_t others = gci_worker_processors() - 1;
    return others < HELPERS_MAX_UNASKED ? others : HELPERS_MAX_UNASKED;
}

static struct roots_caller find_caller(const struct cycle *cycle)
{
    uintptr_t stack_pointer = cycle->stack_pointer;
    if (cycle->look != NULL && cycle->look->caller != NULL)
        return *cycle->look->caller;
    return (struct roots_caller){stack_pointer, {stack_pointer, stack_pointer + CONTEXT_SAVED_BYTES}, 0};
}

static void look_at_scene(struct cycle *cycle, const struct page_reader *pages, struct roots_caller caller)
{
    const struct cycle_scene scene = {&cycle->marking, choose_simd(), pages, caller};
    if (cycle->look != NULL)
        cycle->look->look(&scene, cycle->look->data);
}

/* False: the process could not be read. */
static bool mark_from_roots(struct cycle *cycle, struct roots_caller caller)
{
    struct page_reader pages;
    bool is_exact = cycle->look != NULL && cycle->look->is_exact;
    bool is_verified = gci_options.verify != 0 && !is_exact;
    root_words_fn visit = is_verified ? keep_and_mark_words : is_exact ? mark_words_exactly : mark_words;
    if (!gci_pages_open(&pages))
        return false;
    gci_bound_hide(&gci_heap);
    gci_mark_begin(&cycle->marking, &gci_heap, choose_simd(), &pages);
    gci_sweep_prepare(&gci_heap, mark_unit, &cycle->marking);
    gci_mark_call_helpers(&cycle->marking, count_helpers());
    gci_again_begin();
    bool done = gci_roots_each(&pages, &caller, visit, &cycle->marking);
    cycle->report.roots_ns = end_phase(cycle);
    gci_mark_end(&cycle->marking);
    if (done && UNLIKELY(is_verified))
        gci_again_compare(&pages);
    if (done)
        cycle->bound = gci_bound_resolve(&cycle->marking, choose_simd(), &pages, cycle->frees);
    else
        gci_bound_show();
    if (done)
        look_at_scene(cycle, &pages, caller);
    gci_pages_close(&pages);
    return done;
}

/* The cycle, world stopped. */
static void run_stopped(struct cycle *cycle)
{
    cycle->report.threads = gci_world_stopped_count();
    if (!mark_from_roots(cycle, find_caller(cycle))) {
        cycle->report.is_given_up = true;
        return;
    }
    cycle->report.mark_ns = end_phase(cycle);
    if (cycle->hidden_question != 0)
        cycle->answer = is_marked(~cycle->hidden_question);
    cycle->report.census = gci_sweep_run(&gci_heap, cycle->frees);
    cycle->report.sweep_ns = end_phase(cycle);
}

/* Stops the world, runs and restarts. */
static void run(struct cycle *cycle)
{
    cycle->started_ns = cycle->phase_ns = gci_clock_ns();
    if (!gci_world_stop(gci_options.stop_deadline_ms * NS_PER_MS)) {
        cycle->report.is_given_up = true;
        cycle->report.stop_ns = end_phase(cycle);
        return;
    }
    cycle->report.stop_ns = end_phase(cycle);
    run_stopped(cycle);
    gci_world_restart();
    cycle->report.pause_ns = gci_clock_ns() - cycle->started_ns;
}

/* The frames of a cycle and a piece of the kernel's list of mappings take some 10 KiB. */
#define OWN_STACK_BYTES ((size_t)128 << 10)

/* Collector's lock held; NULL: no memory. */
static char *take_own_stack(void)
{
    critical_enter();
    if (own_stack == NULL)
        own_stack = gci_heap_take_meta(&gci_heap, OWN_STACK_BYTES);
    critical_leave();
    return own_stack;
}

static void run_apart(void *data)
{
    struct cycle *asked = data;
    struct cycle cycle = *asked;
    run(&cycle);
    *asked = cycle;
}

/* A coroutine or a signal handler may have a block of the heap for its stack. The marker would read the cycle's own frames there
 * as words of that block, and they change while it does: what it has found has to be the same if it looks again. */
static void run_with_registers_saved(uintptr_t stack_pointer, void *data)
{
    struct cycle *cycle = data;
    char *stack = heap_contains(&gci_heap, stack_pointer) ? take_own_stack() : NULL;
    cycle->stack_pointer = stack_pointer;
    if (UNLIKELY(stack != NULL))
        gci_context_call_on(stack + OWN_STACK_BYTES, run_apart, cycle);
    else
        run(cycle);
}

static void count_cycle(const struct cycle *cycle)
{
    struct cycle_totals *totals = &gci_cycle_totals;
    const struct cycle_report *report = &cycle->report;
    totals->cycles++;
    totals->cycles_for[report->reason]++;
    totals->finalizers_due += cycle->bound.due;
    totals->finalizers_waiting = cycle->bound.waiting;
    totals->freed_bytes += report->census.freed_bytes;
    totals->freed_objects += report->census.freed_objects;
    totals->live_bytes = report->census.live_bytes;
    totals->live_objects = report->census.live_objects;
    totals->pause_last_ns = report->pause_ns;
    totals->pause_total_ns += report->pause_ns;
    totals->mark_total_ns += report->roots_ns + report->mark_ns;
    totals->sweep_total_ns += report->sweep_ns;
    totals->threads_stopped = report->threads;
    last_scanned_bytes = report->census.live_scanned_bytes;
    if (report->pause_ns > totals->pause_longest_ns)
        totals->pause_longest_ns = report->pause_ns;
}

/* Smaller heaps do not make a group run out; asking takes some 30 microseconds. */
#define GROUP_HEAP_BYTES_MIN (UINT64_C(4) << 20)

static void inform_pacer(const struct cycle *cycle, uint64_t used_before)
{
    const struct cycle_report *report = &cycle->report;
    uint64_t used_after = region_used_bytes(&gci_heap);
    if (report->is_given_up) {
        gci_pacer_give_up(&pacer, used_after, gci_options.min_headroom);
        return;
    }
    struct cycle_figures figures = {
        .used_bytes = used_after,
        .live_bytes = report->census.live_bytes,
        .scanned_bytes = report->census.live_scanned_bytes,
        .freed_bytes = report->census.freed_bytes,
        .grown_bytes = used_before > pacer.used_after_bytes ? used_before - pacer.used_after_bytes : 0,
        .mark_ns = report->roots_ns + report->mark_ns,
        .run_ns = cycle->started_ns - last_end_ns,
        .room_bytes = used_after < GROUP_HEAP_BYTES_MIN ? UINT64_MAX : gci_vm_group_memory_left(),
    };
    gci_pacer_finish_cycle(&pacer, &figures, gci_options.min_headroom);
}

static void clean_up(const struct cycle *cycle)
{
    critical_enter();
    if (!cycle->report.is_given_up && cycle->report.threads > 0)
        gci_thread_retire_ended(gci_world_generation() - 1);
    gci_region_release(&gci_heap, (uint32_t)gci_options.release_ms);
    bool has_swept =
        cycle->frees && !cycle->report.is_given_up; /* else what the last one has reclaimed is known still */
    gci_sweep_forget(&gci_heap, cycle->report.census.freed_objects != 0 || !has_swept);
    if (cycle->frees)
        gci_release_note(&gci_heap, cycle->report.census.freed_bytes);
    critical_leave();
}

/* Before a collection that the program asks for, the other threads get as much time as the last pause took from them: a
 * thread that does nothing but collect would stop them again before they have left the handler, and they would never
 * come to run. Collections for growth are spaced by the growth. Collector's lock held. */
static void let_others_run(void)
{
    uint64_t share = last_pause_ns < OTHERS_SHARE_NS_MAX ? last_pause_ns : OTHERS_SHARE_NS_MAX;
    uint64_t run = gci_clock_ns() - others_resumed_ns;
    volatile u32_shared nobody_wakes = 0;
    if (others_resumed_ns != 0 && run < share)
        gci_park(&nobody_wakes, 0, share - run);
}

/* Collector's lock held. */
static void run_cycle(struct cycle *cycle)
{
    if (cycle->report.reason == REASON_REQUEST || cycle->report.reason == REASON_TORTURE)
        let_others_run();
    uint64_t used_before = region_used_bytes(&gci_heap);
    gci_context_call(run_with_registers_saved, cycle);
    cycle->report.number = gci_cycle_totals.cycles + 1;
    if (cycle->report.is_given_up)
        gci_cycle_totals.given_up++;
    else if (cycle->frees)
        count_cycle(cycle);
    if (cycle->frees)
        inform_pacer(cycle, used_before);
    clean_up(cycle);
    last_end_ns = gci_clock_ns();
    last_pause_ns = last_end_ns - cycle->started_ns;
    others_resumed_ns = cycle->report.threads > 0 || cycle->report.is_given_up ? last_end_ns : 0;
    word_add(&finished, 1);
}

/* While a thread has the collector's lock no handler of the program runs on it: one that forks would wait for the lock for
 * ever. While it waits for the lock the stop signal stays open, as another thread is collecting; from then on a tick can wait.
 * Returns what unlock_collector needs. */
static uint64_t lock_collector(void)
{
    uint64_t blocked = gci_stop_block_signals();
    gci_lock_acquire(&collector_lock);
    gci_stop_block_own();
    return blocked;
}

static void unlock_collector(uint64_t blocked)
{
    gci_cycle_unlock();
    gci_stop_restore_signals(blocked);
}

/* In a child of vfork, or of clone without our fork handlers, the state is the parent's: nothing may be collected. */
static bool is_possible(void)
{
    return u32_load_acquire(&is_ready) != 0 && gci_process_id() == process && !critical_is_inside();
}

static bool is_allowed(void)
{
    return gci_options.mode == MODE_GC && u32_load(&disabled) == 0 && is_possible();
}

bool gci_cycle_is_due(uint64_t bytes)
{
    return gci_pacer_is_due(&pacer, region_used_bytes(&gci_heap), bytes) && gci_options.mode == MODE_GC &&
           u32_load(&disabled) == 0 && u32_load(&is_ready) != 0;
}

/* Collector's lock held: whoever waited for it may have been told otherwise before. */
static bool is_let(void)
{
    return u32_load(&holds) == 0 && u32_load(&is_ready) != 0;
}

/* False, and nothing is run, if another thread has collected since `before`. */
static bool run_unless_done(enum cycle_reason reason, bool always, uint64_t *freed_bytes)
{
    int saved = errno;
    struct cycle cycle = {.report.reason = reason, .frees = true};
    uint64_t before = word_load(&finished);
    uint64_t blocked = lock_collector();
    bool runs = is_let() && (always || word_load(&finished) == before);
    if (runs)
        run_cycle(&cycle);
    unlock_collector(blocked);
    gci_again_tell();
    if (runs && report_to != NULL)
        report_to(&cycle.report);
    errno = saved;
    *freed_bytes = cycle.report.census.freed_bytes;
    return runs;
}

uint64_t gci_cycle_run(enum cycle_reason reason)
{
    uint64_t freed_bytes = 0;
    if (is_allowed())
        run_unless_done(reason, reason != REASON_GROWTH, &freed_bytes);
    return freed_bytes;
}

bool gci_cycle_run_for_memory(enum cycle_reason reason)
{
    uint64_t spacing = MEMORY_CYCLE_SPACING * last_pause_ns;
    uint64_t freed_bytes;
    if (spacing > MEMORY_CYCLE_SPACING_NS_MAX)
        spacing = MEMORY_CYCLE_SPACING_NS_MAX;
    if (!is_allowed() || (!last_memory_paid && gci_clock_ns() - last_memory_end_ns < spacing))
        return false;
    if (run_unless_done(reason, false, &freed_bytes)) {
        last_memory_paid = freed_bytes > gci_cycle_totals.live_bytes / MEMORY_CYCLE_PAYS_SHARE;
        last_memory_end_ns = gci_clock_ns();
    }
    return true;
}

uint64_t gci_cycle_count(void)
{
    return word_load(&finished);
}

bool gci_cycle_run_a_little(void)
{
    uint64_t threshold = word_load(&pacer.threshold_bytes);
    uint64_t half = (threshold - pacer.used_after_bytes) / 2;
    if (!is_allowed() || region_used_bytes(&gci_heap) + half < threshold)
        return false;
    uint64_t before = gci_cycle_totals.cycles;
    gci_cycle_run(REASON_REQUEST);
    return gci_cycle_totals.cycles != before;
}

static bool run_without_freeing(struct cycle *cycle)
{
    if (!is_possible())
        return false;
    int saved = errno;
    bool has_lock = u32_load(&server) == gci_thread_id();
    uint64_t blocked = has_lock ? 0 : lock_collector();
    bool runs = is_let();
    if (runs)
        run_cycle(cycle);
    if (!has_lock) {
        unlock_collector(blocked);
        gci_again_tell();
    }
    errno = saved;
    return runs && !cycle->report.is_given_up;
}

bool gci_cycle_census(struct census *census)
{
    struct cycle cycle = {.report.reason = REASON_REQUEST};
    if (!run_without_freeing(&cycle))
        return false;
    *census = cycle.report.census;
    return true;
}

bool gci_cycle_is_reachable(uintptr_t hidden)
{
    struct cycle cycle = {.report.reason = REASON_REQUEST, .hidden_question = hidden};
    return run_without_freeing(&cycle) && cycle.answer;
}

bool gci_cycle_look(const struct cycle_look *look)
{
    struct cycle cycle = {.report.reason = REASON_REQUEST, .look = look};
    return run_without_freeing(&cycle);
}

/* ---- Requests ----------------------------------------------------------------------------------------------------- */

bool gci_cycle_try_serve(void (*work)(void *data), void *data)
{
    if (!is_possible() || !gci_lock_try(&collector_lock))
        return false;
    char *stack = take_own_stack();
    u32_store(&server, gci_thread_id());
    if (stack != NULL)
        gci_context_call_on(stack + OWN_STACK_BYTES, work, data);
    u32_store(&server, 0);
    gci_lock_release(&collector_lock);
    return true;
}

void gci_cycle_disable(void)
{
    u32_add(&disabled, 1);
}

void gci_cycle_enable(void)
{
    uint32_t depth = u32_load(&disabled);
    while (depth != 0 && !u32_compare_and_swap(&disabled, depth, depth - 1))
        depth = u32_load(&disabled);
}

uint64_t gci_cycle_threshold(void)
{
    return word_load(&pacer.threshold_bytes);
}

void gci_cycle_init(cycle_report_fn on_report)
{
    report_to = on_report;
    process = gci_process_id();
    last_end_ns = gci_clock_ns();
    gci_pacer_init(&pacer, gci_options.min_headroom);
    u32_store_release(&is_ready, 1);
}

void gci_cycle_lock(void)
{
    gci_lock_acquire(&collector_lock);
}

/* Not by keeping the lock: a handler of the program that forks may run meanwhile. A cycle that has looked at the count
 * already is waited for. */
bool gci_cycle_hold_off(void)
{
    if (u32_load_acquire(&is_ready) == 0 || gci_process_id() != process)
        return false;
    own_holds++;
    u32_add(&holds, 1);
    if (!critical_is_inside())
        unlock_collector(lock_collector());
    return true;
}

void gci_cycle_let_on(void)
{
    own_holds--;
    u32_add(&holds, UINT32_MAX);
}

bool gci_cycle_end(void)
{
    if (u32_load_acquire(&is_ready) == 0 || gci_process_id() != process || u32_exchange(&is_ready, 0) == 0)
        return false;
    if (!critical_is_inside())
        unlock_collector(lock_collector());
    return true;
}

void gci_cycle_begin_again(void)
{
    u32_store_release(&is_ready, 1);
}

/* Who has noted a request and then found the lock taken leaves it to the thread that has the lock; one of the two sees what
 * the other did. */
void gci_cycle_unlock(void)
{
    gci_lock_release(&collector_lock);
    fence_full();
    gci_request_serve_now();
}

void gci_cycle_reset(void)
{
    gci_lock_reset(&collector_lock);
    u32_store(&server, 0);
    u32_store(&holds, own_holds);
    process = gci_process_id();
    gci_cycle_totals = (struct cycle_totals){0}; /* the parent's figures are told by the parent */
}
