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
    uint64_t owner;          /* of its rows; NO_ROWS */
    uintptr_t last_hidden;   /* its last sample's address until that is freed, complemented, as these are roots */
    int64_t live_bytes;      /* not yet in the session's */
    int64_t live_step;       /* nor told before they are so many, more or less */
    uint32_t session;        /* that these belong to */
    uint32_t number;         /* of the thread in the session; 0: several */
    volatile bool is_inside; /* a sample is being taken */
};
#define NO_ROWS UINT64_C(1) /* a thread of no session, or one of several that share rows: no row's owner */
static __thread struct sampling self TLS_INITIAL_EXEC = {.owner = NO_ROWS};
__thread const struct site_place *gci_sampler_place TLS_INITIAL_EXEC;

/* ---- Time --------------------------------------------------------------------------------------------------------- */

#define NS_PER_MS 1000000u

/* An origin: name of the row, time of birth in units of 2^14 ticks. The longest time, 2^54 ticks, is some months; what is born
 * later is as old as that. */
#define ORIGIN_TIME_SHIFT SITE_NAME_BITS
#define ORIGIN_TIME_MAX ((UINT64_C(1) << (64 - ORIGIN_TIME_SHIFT)) - 1)
#define TIME_UNIT_SHIFT 14u

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

ALWAYS_INLINE uint64_t origin_of(uint64_t name, uint64_t ticks)
{
    return name | units_of(ticks) << ORIGIN_TIME_SHIFT;
}

/* Of any origin, which may be of an earlier session. */
ALWAYS_INLINE struct site_row *row_of(uint64_t origin)
{
    return gci_sites_row((uint32_t)(origin & ((1u << SITE_NAME_ROW_BITS) - 1)) - 1);
}

ALWAYS_INLINE bool is_named(const struct site_row *row, uint64_t origin)
{
    return word_load(&row->name) == (origin & ((1u << SITE_NAME_BITS) - 1));
}

struct site_row *gci_sampler_row(const struct sample *sample)
{
    uint64_t origin = word_load(&sample->origin);
    return origin != 0 && is_named(row_of(origin), origin) ? row_of(origin) : NULL;
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

static NOINLINE unsigned age_class_of_old(uint64_t units)
{
    return gci_sampler_age_class(units_to_ns(units));
}

/* Less than no time has passed where processors do not agree. */
ALWAYS_INLINE unsigned age_class_of(uint64_t origin)
{
    int64_t age = (int64_t)(units_of(ticks_now()) - (origin >> ORIGIN_TIME_SHIFT));
    return LIKELY(age < (int64_t)word_load(&gci_session.young_units)) ? 0 : age_class_of_old((uint64_t)age);
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

/* A thread tells the session of its share of what lives in such steps: 4 KiB, and a part of what has lived. */
#define LIVE_STEP_SHARE 1024
#define LIVE_STEP_BYTES 4096

/* The thread is new to the session. */
static NOINLINE void join(void)
{
    if (self.random == 0)
        self.random = gci_env_random() | 1;
    self.session = gci_session.number;
    self.number = number_thread();
    self.owner = self.number != 0 ? SITE_OWNER(self.session, self.number) : NO_ROWS;
    self.live_bytes = 0;
    self.live_step = LIVE_STEP_BYTES;
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

#define WHOLE 1.0f

/* By its bits, which takes no more than a comparison. */
ALWAYS_INLINE bool is_whole(const struct sample *sample)
{
    const float whole = WHOLE;
    uint32_t bits;
    uint32_t bits_of_whole;
    __builtin_memcpy(&bits, &sample->weight, sizeof bits);
    __builtin_memcpy(&bits_of_whole, &whole, sizeof bits_of_whole);
    return bits == bits_of_whole;
}

uint64_t gci_sampler_objects(const struct sample *sample)
{
    return is_whole(sample) ? SITE_OBJECT : (uint64_t)(sample->weight * (float)SITE_OBJECT + 0.5f);
}

uint64_t gci_sampler_bytes(const struct sample *sample, size_t bytes)
{
    return is_whole(sample) ? bytes : (uint64_t)((double)sample->weight * (double)bytes + 0.5);
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

static NOINLINE void tell_live(void)
{
    uint64_t live = word_add(&gci_session.live_bytes, (uint64_t)self.live_bytes) + (uint64_t)self.live_bytes;
    self.live_bytes = 0;
    self.live_step = (int64_t)(word_load(&gci_session.live_most) / LIVE_STEP_SHARE) + LIVE_STEP_BYTES;
    if ((int64_t)live > (int64_t)word_load(&gci_session.live_most)) {
        word_raise(&gci_session.live_most, live);
        word_store(&gci_session.live_most_ns, gci_sampler_now_ns());
    } else if (UNLIKELY((int64_t)live >= 0 && is_past_peak(live))) {
        gci_sampler_take_peak();
    }
}

ALWAYS_INLINE void change_live(int64_t bytes)
{
    int64_t step = self.live_step;
    self.live_bytes += bytes;
    if (UNLIKELY((uint64_t)(self.live_bytes + step) > (uint64_t)(2 * step)))
        tell_live();
}

/* A row of the calling thread, which the record is of. */
ALWAYS_INLINE bool is_own(const struct site_row *row, uint64_t origin)
{
    return row->owner == self.owner && is_named(row, origin);
}

/* By the row's own thread, which no signal that counts can come between: this is a critical section. */
ALWAYS_INLINE void count_born(struct site_row *row, uint64_t objects, uint64_t bytes)
{
    gci_cpu_add(&row->own.samples, 1);
    gci_cpu_add(&row->own.allocated_objects, objects);
    gci_cpu_add(&row->own.allocated_bytes, bytes);
}

ALWAYS_INLINE void count_own_free(struct site_row *row, uint64_t objects, uint64_t bytes, unsigned age,
                                  uintptr_t address)
{
    gci_cpu_add(&row->own.freed_bytes, bytes);
    gci_cpu_add(&row->own.lifetimes[age], objects);
    if (self.last_hidden == ~address) {
        gci_cpu_add(&row->own.temporary_objects, objects);
        self.last_hidden = 0;
    }
}

static NOINLINE void born_anywhere(const struct sample *sample, size_t bytes)
{
    struct site_row *row = gci_sampler_row(sample);
    if (row == NULL)
        return;
    uint64_t bytes_meant = gci_sampler_bytes(sample, bytes);
    if (row->owner != SITE_OWNER_SEVERAL) {
        count_born(row, gci_sampler_objects(sample), bytes_meant);
    } else {
        word_add(&row->own.samples, 1);
        word_add(&row->own.allocated_objects, gci_sampler_objects(sample));
        word_add(&row->own.allocated_bytes, bytes_meant);
    }
    change_live((int64_t)bytes_meant);
}

static void on_born(const struct sample *sample, size_t bytes, uintptr_t address)
{
    uint64_t origin = word_load(&sample->origin);
    struct site_row *row = row_of(origin);
    self.last_hidden = ~address;
    if (UNLIKELY(!is_own(row, origin) || !is_whole(sample))) {
        born_anywhere(sample, bytes);
        return;
    }
    count_born(row, SITE_OBJECT, bytes);
    change_live((int64_t)bytes);
}

static NOINLINE void gone_anyhow(const struct sample *sample, size_t bytes, uintptr_t address, enum sample_end end)
{
    uint64_t origin = word_load(&sample->origin);
    struct site_row *row = gci_sampler_row(sample);
    if (row == NULL)
        return;
    uint64_t objects = gci_sampler_objects(sample);
    uint64_t bytes_meant = gci_sampler_bytes(sample, bytes);
    unsigned age = age_class_of(origin);
    change_live(-(int64_t)bytes_meant);
    if (end == SAMPLE_FREED && is_own(row, origin)) {
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

static void on_gone(const struct sample *sample, size_t bytes, uintptr_t address, enum sample_end end)
{
    uint64_t origin = word_load(&sample->origin);
    struct site_row *row = row_of(origin);
    if (UNLIKELY(end != SAMPLE_FREED || !is_own(row, origin) || !is_whole(sample))) {
        gone_anyhow(sample, bytes, address, end);
        return;
    }
    count_own_free(row, SITE_OBJECT, bytes, age_class_of(origin), address);
    change_live(-(int64_t)bytes);
}

/* ---- Choosing ----------------------------------------------------------------------------------------------------- */

static struct site_row *row_of_stack(const uintptr_t *addresses, size_t count, size_t wanted)
{
    size_t own = 0;
    while (own < count && own < CONTEXT_OWN_FRAMES_MAX && gci_context_is_own_code(addresses[own]))
        own++;
    size_t depth = count - own < wanted ? count - own : wanted;
    return gci_sites_find(addresses + own, depth, gci_sampler_place, self.session, self.number);
}

static NOINLINE struct site_row *find_row(void)
{
    uintptr_t addresses[SITE_FRAMES_MAX + CONTEXT_OWN_FRAMES_MAX];
    size_t wanted = gci_session.level == PROFILE_LEVEL_SITE ? 1 : SITE_FRAMES_MAX;
    size_t count = gci_context_callers(addresses, wanted + CONTEXT_OWN_FRAMES_MAX);
    return row_of_stack(addresses, count, wanted);
}

/* Caches with trails, 436 KiB each, of which a thread touches what its stacks need: so many take 55 MiB at most. */
#define TRAILED_CACHES_MAX 128u
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
    return gci_sites_find(addresses, count, gci_sampler_place, self.session, self.number);
}

/* Where every object is chosen, most stacks were seen not long ago. Trails name rows, and these are of one thread and session: a
 * cache goes from thread to thread and takes its trail along. */
ALWAYS_INLINE struct site_row *find_row_of_any(void)
{
    struct cache *cache = gci_cache_self.cache;
    struct trail *trail = cache->trail;
    if (UNLIKELY(trail == NULL))
        trail = take_trail(cache);
    void **result = LIKELY(trail != NULL && self.owner != NO_ROWS) ? gci_context_trail_result(trail, self.owner) : NULL;
    if (UNLIKELY(result == NULL))
        return find_row();
    if (UNLIKELY(*result == NULL))
        *result = find_row_of_trail(trail);
    return *result;
}

/* Work that has become due, and the thread's place in the session; the ticks from then on: the session may be another, as
 * who writes does what was ordered meanwhile. */
static NOINLINE uint64_t catch_up(uint64_t ticks)
{
    if (ticks >= word_load(&gci_session.due_ticks)) {
        gci_sampler_work();
        ticks = ticks_now();
    }
    if (self.session != gci_session.number)
        join();
    return ticks;
}

/* False: a sample inside a sample. */
ALWAYS_INLINE bool begin_choice(uint64_t *ticks)
{
    if (UNLIKELY(!gci_sampler_enter())) {
        word_add(&gci_session.lost, 1);
        return false;
    }
    *ticks = ticks_now();
    if (UNLIKELY(*ticks >= word_load(&gci_session.due_ticks) || self.session != gci_session.number))
        *ticks = catch_up(*ticks);
    return true;
}

/* Since the thread has found its row another session may have begun, by an order on this very thread: the row may be nobody's, or
 * a stack's of that one. */
ALWAYS_INLINE bool end_choice(const struct site_row *row, uint64_t ticks, float weight, struct sample *sample)
{
    gci_sampler_leave();
    uint64_t name = LIKELY(row != NULL) ? word_load(&row->name) : 0;
    if (UNLIKELY(!site_is_named_in(name, self.session))) {
        word_add(&gci_session.lost, 1);
        return false;
    }
    sample->origin = origin_of(name, ticks);
    sample->weight = weight;
    return true;
}

static bool on_choose(size_t bytes, struct sample *sample)
{
    uint64_t ticks;
    if (!begin_choice(&ticks))
        return false;
    float weight = bytes == 0 ? WHOLE : (float)gci_draw_weight(bytes, self.rate_bytes);
    return end_choice(find_row(), ticks, weight, sample);
}

static bool on_choose_any(size_t bytes, struct sample *sample)
{
    uint64_t ticks;
    (void)bytes;
    return begin_choice(&ticks) && end_choice(find_row_of_any(), ticks, WHOLE, sample);
}

static uint64_t on_distance(void)
{
    if (self.random == 0)
        self.random = gci_env_random() | 1;
    self.rate_bytes = word_load(&gci_session.rate_bytes);
    return gci_draw_distance(&self.random, self.rate_bytes);
}

static const struct sample_hooks hooks_of_chance = {on_distance, on_choose, on_born, on_gone};
static const struct sample_hooks hooks_of_all = {NULL, on_choose_any, on_born, on_gone};

/* ---- Sessions ----------------------------------------------------------------------------------------------------- */

/* Long enough to know the pace of the ticks to a part in some hundreds, for the first milliseconds. */
#define PACE_NS 20000u

/* Nanoseconds of a tick, times 2^32. */
static uint64_t learn_pace(void)
{
    uint64_t ns = gci_sampler_now_ns();
    uint64_t ticks = ticks_now();
    uint64_t pace = ticks == 0 ? 0 : (uint64_t)((double)ns / (double)ticks * 4294967296.0);
    if (pace == 0)
        pace = UINT64_C(1) << 32;
    word_store(&gci_session.tick_ns_2_32, pace);
    word_store(&gci_session.young_units, ((uint64_t)NS_PER_MS << 32) / pace >> TIME_UNIT_SHIFT);
    return pace;
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
    forget_threads();
    fence_full(); /* who reads the session's number gets one of its own, not one of before */
    gci_session = (struct session){.number = number, .level = level, .rate_bytes = rate_bytes};
    gci_session.start_ns = gci_clock_ns();
    gci_session.start_ticks = gci_cpu_ticks();
    measure_pace();
    gci_context_callers_init();
    fence_full();
    gci_sample_hooks = level == PROFILE_LEVEL_FULL ? &hooks_of_all : &hooks_of_chance;
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
