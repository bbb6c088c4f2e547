/* SPDX-License-Identifier: MIT */
/* Implementation of profile/sampler.h. */
#include "profile/sampler.h"

#include "alloc/budget.h"
#include "base/bits.h"
#include "heap/cache.h"
#include "platform/clock.h"
#include "platform/context.h"
#include "platform/cpu.h"
#include "platform/env.h"
#include "platform/thread.h"
#include "profile/draw.h"
#include "world/critical.h"

struct session gci_session;
void (*gci_sampler_work)(void);

/* The calling thread's. */
struct sampling {
    uint64_t random;
    uint64_t rate_bytes;     /* that its distance was drawn with */
    uintptr_t last_hidden;   /* its last sample's address until that is freed, complemented, as these are roots */
    int64_t live_bytes;      /* not yet in the session's */
    uint32_t session;        /* that these belong to */
    uint32_t number;         /* of the thread in the session; 0: several */
    volatile bool is_inside; /* a sample is being taken */
};
static __thread struct sampling self TLS_INITIAL_EXEC;
__thread const struct site_place *gci_sampler_place TLS_INITIAL_EXEC;

/* ---- Time --------------------------------------------------------------------------------------------------------- */

#define NS_PER_MS 1000000u

/* An origin: row + 1, session, time of birth in units of 2^14 ticks. The longest time, 2^54 ticks, is some months; what is born
 * later is as old as that. */
#define ORIGIN_ROW_BITS 17u
#define ORIGIN_SESSION_BITS 7u
#define ORIGIN_SESSIONS (1u << ORIGIN_SESSION_BITS)
#define ORIGIN_TIME_SHIFT (ORIGIN_ROW_BITS + ORIGIN_SESSION_BITS)
#define ORIGIN_TIME_MAX ((UINT64_C(1) << (64 - ORIGIN_TIME_SHIFT)) - 1)
#define TIME_UNIT_SHIFT 14u
STATIC_ASSERT(SITE_ROWS_MAX < UINT32_C(1) << ORIGIN_ROW_BITS, "a row fits an origin");

ALWAYS_INLINE uint64_t ticks_now(void)
{
    return gci_cpu_ticks() - gci_session.start_ticks;
}

ALWAYS_INLINE uint64_t units_of(uint64_t ticks)
{
    uint64_t units = ticks >> TIME_UNIT_SHIFT;
    return units < ORIGIN_TIME_MAX ? units : ORIGIN_TIME_MAX;
}

static uint64_t units_to_ns(uint64_t units)
{
    uint64_t ticks = units << TIME_UNIT_SHIFT;
    uint64_t pace = word_load(&gci_session.tick_ns_2_32);
    return (ticks >> 32) * pace + ((ticks & UINT32_MAX) * pace >> 32);
}

uint64_t gci_sampler_now_ns(void)
{
    return gci_clock_ns() - gci_session.start_ns;
}

ALWAYS_INLINE uint64_t origin_of(const struct site_row *row, uint64_t ticks)
{
    uint64_t index = (uint64_t)(row - gci_sites_row(0)) + 1;
    return index | (uint64_t)(gci_session.number % ORIGIN_SESSIONS) << ORIGIN_ROW_BITS |
           units_of(ticks) << ORIGIN_TIME_SHIFT;
}

ALWAYS_INLINE struct site_row *row_of(uint64_t origin)
{
    uint32_t index = (uint32_t)origin & ((1u << ORIGIN_ROW_BITS) - 1);
    uint32_t session = (uint32_t)(origin >> ORIGIN_ROW_BITS) & (ORIGIN_SESSIONS - 1);
    if (UNLIKELY(session != gci_session.number % ORIGIN_SESSIONS || index == 0))
        return NULL;
    return gci_sites_row(index - 1);
}

struct site_row *gci_sampler_row(const struct sample *sample)
{
    return row_of(word_load(&sample->origin));
}

uint64_t gci_sampler_born_ns(const struct sample *sample)
{
    return units_to_ns(word_load(&sample->origin) >> ORIGIN_TIME_SHIFT);
}

unsigned gci_sampler_age_class(uint64_t age_ns)
{
    if (age_ns <= NS_PER_MS)
        return 0;
    unsigned index = highest_bit((age_ns - 1) / NS_PER_MS) / 2 + 1;
    return index < PROFILE_LIFETIMES ? index : PROFILE_LIFETIMES - 1;
}

static unsigned age_class_of(uint64_t origin)
{
    uint64_t born = origin >> ORIGIN_TIME_SHIFT;
    uint64_t now = units_of(ticks_now());
    return gci_sampler_age_class(now > born ? units_to_ns(now - born) : 0);
}

/* ---- Threads ------------------------------------------------------------------------------------------------------ */

static struct sampled_thread threads[SAMPLED_THREADS_MAX];
static volatile u32_shared thread_count;

uint32_t gci_sampler_thread_count(void)
{
    uint32_t count = u32_load(&thread_count);
    return count < SAMPLED_THREADS_MAX ? count : SAMPLED_THREADS_MAX;
}

struct sampled_thread *gci_sampler_thread(uint32_t number)
{
    return &threads[number - 1];
}

static uint32_t number_thread(void)
{
    uint32_t number = u32_add(&thread_count, 1) + 1;
    if (number > SAMPLED_THREADS_MAX) {
        u32_store(&thread_count, SAMPLED_THREADS_MAX);
        return 0;
    }
    struct sampled_thread *thread = gci_sampler_thread(number);
    thread->system_id = gci_thread_id();
    gci_thread_name(thread->name);
    thread->is_written = false;
    u32_store_release(&thread->is_ready, 1);
    return number;
}

/* Who is in the middle of a sample may bring a number of the last session into the next one: the file does not know it. */
static void forget_threads(void)
{
    for (uint32_t number = gci_sampler_thread_count(); number > 0; number--) {
        struct sampled_thread *thread = gci_sampler_thread(number);
        u32_store(&thread->is_ready, 0);
        thread->is_written = false;
    }
    u32_store(&thread_count, 0);
}

/* The thread is new to the session. */
static NOINLINE void join(void)
{
    if (self.random == 0)
        self.random = gci_env_random() | 1;
    self.session = gci_session.number;
    self.number = number_thread();
    self.live_bytes = 0;
    self.last_hidden = 0;
}

bool gci_sampler_enter(void)
{
    bool was_inside = self.is_inside;
    self.is_inside = true;
    return !was_inside;
}

void gci_sampler_leave(void)
{
    self.is_inside = false;
}

/* ---- Figures ------------------------------------------------------------------------------------------------------ */

uint64_t gci_sampler_objects(const struct sample *sample)
{
    return LIKELY(sample->weight == 1.0f) ? SITE_OBJECT : (uint64_t)(sample->weight * (float)SITE_OBJECT + 0.5f);
}

uint64_t gci_sampler_bytes(const struct sample *sample, size_t bytes)
{
    return sample->weight == 1.0f ? bytes : (uint64_t)((double)sample->weight * (double)bytes + 0.5);
}

/* By the row's own thread with plain steps, which no signal that counts can come between: this is a critical section. */
ALWAYS_INLINE void count_in(volatile shared_word *at, uint64_t value, bool is_own)
{
    if (LIKELY(is_own))
        word_store(at, word_load(at) + value);
    else
        word_add(at, value);
}

static uint64_t sum_lifetimes(const struct site_row *row)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < PROFILE_LIFETIMES; i++)
        sum += word_load(&row->own.lifetimes[i]) + word_load(&row->others.lifetimes[i]);
    return sum;
}

static uint64_t less(uint64_t from, uint64_t taken)
{
    return from > taken ? from - taken : 0;
}

struct site_live gci_sampler_live(const struct site_row *row)
{
    uint64_t gone_bytes = word_load(&row->own.freed_bytes) + word_load(&row->others.freed_bytes) +
                          word_load(&row->others.reclaimed_bytes);
    return (struct site_live){.objects = less(word_load(&row->own.allocated_objects), sum_lifetimes(row)),
                              .bytes = less(word_load(&row->own.allocated_bytes), gone_bytes)};
}

/* ---- The peak ----------------------------------------------------------------------------------------------------- */

/* The figures of a peak are kept when what lives has fallen by this share of it, or a profile is written, and not before it has
 * risen by as much over the last one. */
#define PEAK_SHARE 128

static struct lock peak_lock;

bool gci_sampler_take_peak(void)
{
    if (!gci_lock_try(&peak_lock))
        return false;
    uint64_t bytes = 0;
    uint32_t count = gci_sites_row_count();
    gci_session.peak_most = word_load(&gci_session.live_most);
    gci_session.peak_ns = word_load(&gci_session.live_most_ns);
    for (uint32_t i = 0; i < count; i++) {
        struct site_row *row = gci_sites_row(i);
        struct site_live live = gci_sampler_live(row);
        row->peak_objects = live.objects;
        row->peak_bytes = live.bytes;
        bytes += live.bytes;
    }
    gci_session.peak_bytes = bytes;
    gci_lock_release(&peak_lock);
    return true;
}

void gci_sampler_reset_lock(void)
{
    gci_lock_reset(&peak_lock);
}

static bool is_past_peak(uint64_t live)
{
    uint64_t most = word_load(&gci_session.live_most);
    return live + most / PEAK_SHARE < most && most > gci_session.peak_most + gci_session.peak_most / PEAK_SHARE;
}

/* A thread tells the session of its share in such steps: 4 KiB, and a part of what lives. */
#define LIVE_STEP_SHARE 1024
#define LIVE_STEP_BYTES 4096

static NOINLINE void tell_live(void)
{
    uint64_t live = word_add(&gci_session.live_bytes, (uint64_t)self.live_bytes) + (uint64_t)self.live_bytes;
    self.live_bytes = 0;
    if ((int64_t)live > (int64_t)word_load(&gci_session.live_most)) {
        word_raise(&gci_session.live_most, live);
        word_store(&gci_session.live_most_ns, gci_sampler_now_ns());
    } else if (UNLIKELY((int64_t)live >= 0 && is_past_peak(live))) {
        gci_sampler_take_peak();
    }
}

ALWAYS_INLINE void change_live(int64_t bytes)
{
    int64_t step = (int64_t)(word_load(&gci_session.live_most) / LIVE_STEP_SHARE) + LIVE_STEP_BYTES;
    self.live_bytes += bytes;
    if (UNLIKELY(self.live_bytes > step || self.live_bytes < -step))
        tell_live();
}

static void on_born(const struct sample *sample, size_t bytes, uintptr_t address)
{
    struct site_row *row = gci_sampler_row(sample);
    if (row == NULL)
        return;
    uint64_t bytes_meant = gci_sampler_bytes(sample, bytes);
    bool is_own = row->thread != 0;
    count_in(&row->own.samples, 1, is_own);
    count_in(&row->own.allocated_objects, gci_sampler_objects(sample), is_own);
    count_in(&row->own.allocated_bytes, bytes_meant, is_own);
    self.last_hidden = ~address;
    change_live((int64_t)bytes_meant);
}

static void count_own_free(struct site_row *row, uint64_t objects, uint64_t bytes, unsigned age, uintptr_t address)
{
    count_in(&row->own.freed_bytes, bytes, true);
    count_in(&row->own.lifetimes[age], objects, true);
    if (self.last_hidden == ~address) {
        count_in(&row->own.temporary_objects, objects, true);
        self.last_hidden = 0;
    }
}

static void on_gone(const struct sample *sample, size_t bytes, uintptr_t address, enum sample_end end)
{
    struct site_row *row = gci_sampler_row(sample);
    if (row == NULL)
        return;
    uint64_t objects = gci_sampler_objects(sample);
    uint64_t bytes_meant = gci_sampler_bytes(sample, bytes);
    unsigned age = age_class_of(word_load(&sample->origin));
    change_live(-(int64_t)bytes_meant);
    if (end == SAMPLE_FREED && row->thread == self.number && self.number != 0 && self.session == gci_session.number) {
        count_own_free(row, objects, bytes_meant, age, address);
        return;
    }
    word_add(&row->others.lifetimes[age], objects);
    if (end == SAMPLE_RECLAIMED) {
        word_add(&row->others.reclaimed_objects, objects);
        word_add(&row->others.reclaimed_bytes, bytes_meant);
    } else {
        word_add(&row->others.freed_bytes, bytes_meant);
    }
}

/* ---- Choosing ----------------------------------------------------------------------------------------------------- */

static struct site_row *row_of_stack(const uintptr_t *addresses, size_t count, size_t wanted)
{
    size_t own = 0;
    while (own < count && own < CONTEXT_OWN_FRAMES_MAX && gci_context_is_own_code(addresses[own]))
        own++;
    size_t depth = count - own < wanted ? count - own : wanted;
    return gci_sites_find(addresses + own, depth, gci_sampler_place, self.number);
}

static NOINLINE struct site_row *find_row(void)
{
    uintptr_t addresses[SITE_FRAMES_MAX + CONTEXT_OWN_FRAMES_MAX];
    size_t wanted = gci_session.level == PROFILE_LEVEL_SITE ? 1 : SITE_FRAMES_MAX;
    size_t count = gci_context_callers(addresses, wanted + CONTEXT_OWN_FRAMES_MAX);
    return row_of_stack(addresses, count, wanted);
}

/* Trails name rows, and these are of one thread and session. A cache goes from thread to thread and takes its trail along. */
ALWAYS_INLINE uint64_t trail_owner(void)
{
    return (uint64_t)gci_session.number << 32 | self.number;
}

/* Caches with trails, 165 KiB each: so many take 41 MiB. */
#define TRAILED_CACHES_MAX 256u
static volatile u32_shared trailed_caches;

static NOINLINE struct trail *take_trail(struct cache *cache)
{
    if (cache == &gci_cache_empty || u32_load(&trailed_caches) >= TRAILED_CACHES_MAX)
        return NULL;
    u32_add(&trailed_caches, 1);
    critical_enter();
    cache->trail = gci_heap_take_meta(&gci_heap, gci_context_trail_bytes());
    critical_leave();
    return cache->trail;
}

STATIC_ASSERT(SITE_FRAMES_MAX <= TRAIL_ADDRESSES, "a trail has the whole stack of a row");

static NOINLINE struct site_row *find_row_of_trail(const struct trail *trail)
{
    uintptr_t addresses[SITE_FRAMES_MAX];
    size_t count = gci_context_trail_addresses(trail, addresses, SITE_FRAMES_MAX);
    return gci_sites_find(addresses, count, gci_sampler_place, self.number);
}

/* Where every object is chosen, most stacks were seen not long ago. */
static NOINLINE struct site_row *find_row_of_any(void)
{
    struct cache *cache = gci_cache_self.cache;
    struct trail *trail = cache->trail;
    if (UNLIKELY(trail == NULL))
        trail = take_trail(cache);
    void **result = trail != NULL && self.number != 0 ? gci_context_trail_result(trail, trail_owner()) : NULL;
    if (UNLIKELY(result == NULL))
        return find_row();
    if (UNLIKELY(*result == NULL))
        *result = find_row_of_trail(trail);
    return *result;
}

static bool on_choose(size_t bytes, struct sample *sample)
{
    if (!gci_sampler_enter()) {
        word_add(&gci_session.lost, 1);
        return false;
    }
    uint64_t ticks = ticks_now();
    if (UNLIKELY(ticks >= word_load(&gci_session.due_ticks))) {
        gci_sampler_work();
        ticks = ticks_now(); /* the session may be another: who writes does what was ordered meanwhile */
    }
    if (UNLIKELY(self.session != gci_session.number))
        join();
    struct site_row *row = gci_session.level == PROFILE_LEVEL_FULL ? find_row_of_any() : find_row();
    if (LIKELY(row != NULL)) {
        sample->origin = origin_of(row, ticks);
        sample->weight = gci_session.level == PROFILE_LEVEL_FULL || bytes == 0
                             ? 1.0f
                             : (float)gci_draw_weight(bytes, self.rate_bytes);
    } else {
        word_add(&gci_session.lost, 1);
    }
    gci_sampler_leave();
    return row != NULL;
}

static uint64_t on_distance(void)
{
    if (gci_session.level == PROFILE_LEVEL_FULL)
        return 0;
    if (self.random == 0)
        self.random = gci_env_random() | 1;
    self.rate_bytes = word_load(&gci_session.rate_bytes);
    return gci_draw_distance(&self.random, self.rate_bytes);
}

static const struct sample_hooks hooks = {on_distance, on_choose, on_born, on_gone};

/* ---- Sessions ----------------------------------------------------------------------------------------------------- */

/* Long enough to know the pace of the ticks to a part in some hundreds, for the first milliseconds. */
#define PACE_NS 20000u

/* Nanoseconds of a tick, times 2^32. */
static uint64_t learn_pace(void)
{
    uint64_t ns = gci_sampler_now_ns();
    uint64_t ticks = ticks_now();
    uint64_t pace = ticks == 0 ? 0 : (uint64_t)((double)ns / (double)ticks * 4294967296.0);
    word_store(&gci_session.tick_ns_2_32, pace != 0 ? pace : UINT64_C(1) << 32);
    return word_load(&gci_session.tick_ns_2_32);
}

static void measure_pace(void)
{
    while (gci_sampler_now_ns() < PACE_NS)
        ;
    learn_pace();
}

void gci_sampler_set_due(uint64_t after_ns)
{
    double ticks = (double)after_ns * 4294967296.0 / (double)learn_pace();
    word_store(&gci_session.due_ticks, ticks_now() + (uint64_t)ticks);
}

void gci_sampler_start(enum profile_level level, uint64_t rate_bytes)
{
    uint32_t number = gci_session.number + 1;
    gci_session = (struct session){.number = number, .level = level, .rate_bytes = rate_bytes};
    forget_threads();
    gci_session.start_ns = gci_clock_ns();
    gci_session.start_ticks = gci_cpu_ticks();
    measure_pace();
    gci_context_callers_init();
    fence_full();
    gci_sample_hooks = &hooks;
    u32_add(&gci_sample_draw, 1);
    gci_budget_reset();
}

void gci_sampler_stop(void)
{
    gci_sample_hooks = NULL;
    fence_full();
}

void gci_sampler_set_rate(uint64_t rate_bytes)
{
    word_store(&gci_session.rate_bytes, rate_bytes);
    u32_add(&gci_sample_draw, 1);
}
