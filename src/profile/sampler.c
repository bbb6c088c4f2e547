/* SPDX-License-Identifier: MIT */
/* Implementation of profile/sampler.h. */
#include "profile/sampler.h"

#include "alloc/budget.h"
#include "base/bits.h"
#include "heap/cache.h"
#include "platform/context.h"
#include "platform/cpu.h"
#include "platform/env.h"
#include "platform/thread.h"
#include "profile/age.h"
#include "profile/draw.h"
#include "world/critical.h"

struct session gci_session;
void (*gci_sampler_work)(void);

/* The calling thread's. */
struct sampling {
    uint64_t random;
    uint64_t rate_bytes;     /* that its distance was drawn with */
    uint64_t owner;          /* of its rows, or no row's */
    uintptr_t last_hidden;   /* its last sample's address until that is freed, complemented, as these are roots */
    int64_t live_bytes;      /* not yet in the session's */
    int64_t live_step;       /* nor told before they are so many, more or less */
    int32_t untimed;         /* births until the next that is timed */
    bool is_idle;            /* so little is going on that each birth is timed */
    uint64_t ticks;          /* of the last birth that was; */
    uint64_t time;           /* as in an origin of others */
    uint32_t session;        /* that these belong to */
    uint32_t seen;           /* its number too; 0: before the next birth it is to be asked whether something is due */
    uint32_t number;         /* of the thread in the session; 0: several */
    volatile bool is_inside; /* a sample is being taken */
};
#define NO_ROWS SITE_OWNER(0, UINT32_MAX) /* a thread of no session */
static __thread struct sampling self TLS_INITIAL_EXEC = {.owner = NO_ROWS};
__thread const struct site_place *gci_sampler_place TLS_INITIAL_EXEC;

/* ---- Rows of origins -------------------------------------------------------------------------------------------- */

/* Of any origin, which may be of an earlier session. */
ALWAYS_INLINE struct site_row *row_of(uint64_t origin)
{
    return gci_sites_rows + (origin & ((1u << SITE_NAME_ROW_BITS) - 1)) - 1;
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

/* ---- Threads ------------------------------------------------------------------------------------------------------ */

static struct sampled_thread threads[SAMPLED_THREADS_MAX];
static volatile u32_shared thread_count;
static volatile u32_shared rowless_count; /* threads so far without a number: an owner of each, for trails */

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
    self.is_idle = true;
    self.untimed = 0;
    self.number = number_thread();
    self.owner = SITE_OWNER(self.session, self.number != 0 ? self.number : NO_ROWS - 1 - u32_add(&rowless_count, 1));
    self.live_bytes = 0;
    self.live_step = LIVE_STEP_BYTES;
    self.last_hidden = 0;
}

bool gci_sampler_enter(void)
{
    bool was_inside = gci_cpu_is_set(&self.is_inside);
    self.is_inside = true;
    return !was_inside;
}

void gci_sampler_leave(void)
{
    self.is_inside = false;
}

/* ---- Figures ------------------------------------------------------------------------------------------------------ */

#define WHOLE 1.0f

ALWAYS_INLINE bool is_whole(float weight)
{
    return weight == WHOLE; // NOLINT(clang-diagnostic-float-equal): it was set so, or not
}

uint64_t gci_sampler_objects(const struct sample *sample)
{
    return is_whole(sample->weight) ? SITE_OBJECT : (uint64_t)(sample->weight * (float)SITE_OBJECT + 0.5f);
}

uint64_t gci_sampler_bytes(const struct sample *sample, size_t bytes)
{
    return is_whole(sample->weight) ? bytes : (uint64_t)((double)sample->weight * (double)bytes + 0.5);
}

static uint64_t less(uint64_t from, uint64_t taken)
{
    return from > taken ? from - taken : 0;
}

struct site_live gci_sampler_live(const struct site_row *row)
{
    const struct site_others *others = &gci_sites_rest(row)->others;
    uint64_t gone_objects =
        word_load(&row->own.freed_objects) + word_load(&others->freed_objects) + word_load(&others->reclaimed_objects);
    uint64_t gone_bytes =
        word_load(&row->own.freed_bytes) + word_load(&others->freed_bytes) + word_load(&others->reclaimed_bytes);
    return (struct site_live){.objects = less(word_load(&row->own.allocated_objects), gone_objects),
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
        const struct site_row *row = gci_sites_row(i);
        struct site_live live = gci_sampler_live(row);
        gci_sites_rest(row)->peak_objects = live.objects;
        gci_sites_rest(row)->peak_bytes = live.bytes;
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
        word_store(&gci_session.live_most_ns, gci_age_now_ns());
    } else if (UNLIKELY((int64_t)live >= 0 && is_past_peak(live))) {
        gci_sampler_take_peak();
    }
}

static void tell_live_if_due(void)
{
    if ((uint64_t)(self.live_bytes + self.live_step) > (uint64_t)(2 * self.live_step))
        tell_live();
}

static void change_live(int64_t bytes)
{
    self.live_bytes += bytes;
    tell_live_if_due();
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

ALWAYS_INLINE void count_own_free(struct site_row *row, uint64_t objects, uint64_t bytes, uintptr_t address)
{
    gci_cpu_add(&row->own.freed_objects, objects);
    gci_cpu_add(&row->own.freed_bytes, bytes);
    if (self.last_hidden == ~address) {
        gci_cpu_add(&row->own.temporary_objects, objects);
        self.last_hidden = 0;
    }
}

static NOINLINE void count_lifetime(const struct site_row *row, uint64_t origin, uint64_t objects)
{
    if (age_timing(origin) != AGE_UNTIMED)
        word_add(&gci_sites_rest(row)->lifetimes[gci_age_class_now(origin)],
                 age_timing(origin) == AGE_TIMED_FOR_MANY ? AGE_TIMED_EVERY * objects : objects);
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
    self.last_hidden = ~address;
    born_anywhere(sample, bytes);
}

static NOINLINE void on_gone(const struct sample *sample, size_t bytes, uintptr_t address, enum sample_end end)
{
    uint64_t origin = word_load(&sample->origin);
    struct site_row *row = gci_sampler_row(sample);
    if (row == NULL)
        return;
    uint64_t objects = gci_sampler_objects(sample);
    uint64_t bytes_meant = gci_sampler_bytes(sample, bytes);
    change_live(-(int64_t)bytes_meant);
    count_lifetime(row, origin, objects);
    if (end == SAMPLE_FREED && is_own(row, origin)) {
        count_own_free(row, objects, bytes_meant, address);
        return;
    }
    struct site_others *others = &gci_sites_rest(row)->others;
    word_add(end == SAMPLE_FREED ? &others->freed_objects : &others->reclaimed_objects, objects);
    word_add(end == SAMPLE_FREED ? &others->freed_bytes : &others->reclaimed_bytes, bytes_meant);
}

/* Leaves the critical section. */
static NOINLINE void end_free(uint64_t origin, size_t bytes, uintptr_t address, float weight)
{
    const struct sample sample = {.origin = origin, .weight = weight};
    on_gone(&sample, bytes, address, SAMPLE_FREED);
    critical_leave_brief();
}

static void on_freed(uint64_t origin, size_t bytes, uintptr_t address, float weight)
{
    critical_enter_brief();
    end_free(origin, bytes, address, weight);
}

static NOINLINE void end_timed_free(const struct site_row *row, uint64_t origin)
{
    count_lifetime(row, origin, SITE_OBJECT);
    tell_live_if_due();
    critical_leave_brief();
}

/* Where all are chosen, what this session has chosen stands for itself. All that is rare is a call at the end, for which no
 * register is saved. */
static void on_freed_of_all(uint64_t origin, size_t bytes, uintptr_t address, float weight)
{
    struct site_row *row = row_of(origin);
    critical_enter_brief();
    if (UNLIKELY(!is_own(row, origin))) {
        end_free(origin, bytes, address, weight);
        return;
    }
    count_own_free(row, SITE_OBJECT, bytes, address);
    self.live_bytes -= (int64_t)bytes;
    if (UNLIKELY(age_timing(origin) != AGE_UNTIMED)) {
        end_timed_free(row, origin);
        return;
    }
    critical_leave_brief();
}

/* ---- Choosing ----------------------------------------------------------------------------------------------------- */

/* Instead of a row where there is no room for one: of no thread and without a name. */
static struct site_row no_row = {.owner = NO_ROWS};

static struct site_row *find_row_of(const uintptr_t *addresses, size_t depth)
{
    struct site_row *row = gci_sites_find(addresses, depth, gci_sampler_place, self.session, self.number);
    return row != NULL ? row : &no_row;
}

static struct site_row *row_of_stack(const uintptr_t *addresses, size_t count, size_t wanted)
{
    size_t own = 0;
    while (own < count && own < CONTEXT_OWN_FRAMES_MAX && gci_context_is_own_code(addresses[own]))
        own++;
    size_t depth = count - own < wanted ? count - own : wanted;
    return find_row_of(addresses + own, depth);
}

static NOINLINE struct site_row *find_row(void)
{
    uintptr_t addresses[SITE_FRAMES_MAX + CONTEXT_OWN_FRAMES_MAX];
    size_t wanted = gci_session.level == PROFILE_LEVEL_SITE ? 1 : SITE_FRAMES_MAX;
    size_t count = gci_context_callers(addresses, wanted + CONTEXT_OWN_FRAMES_MAX);
    return row_of_stack(addresses, count, wanted);
}

/* Caches with trails, 804 KiB each, of which a thread touches what its stacks need: so many take 101 MiB at most. */
#define TRAILED_CACHES_MAX 128u
static volatile u32_shared trailed_caches;

static void take_trail(struct cache *cache)
{
    if (cache == &gci_cache_empty || u32_load(&trailed_caches) >= TRAILED_CACHES_MAX)
        return;
    u32_add(&trailed_caches, 1);
    critical_enter();
    cache->trail = gci_heap_take_meta(&gci_heap, gci_context_trail_bytes());
    critical_leave();
}

STATIC_ASSERT(SITE_FRAMES_MAX <= TRAIL_ADDRESSES, "a trail has the whole stack of a row");

static NOINLINE struct site_row *find_row_of_trail(const struct trail *trail)
{
    uintptr_t addresses[SITE_FRAMES_MAX];
    size_t count = gci_context_trail_addresses(trail, addresses, SITE_FRAMES_MAX);
    return find_row_of(addresses, count);
}

static NOINLINE struct site_row *find_row_slowly(struct trail *trail)
{
    void **result = trail != NULL ? gci_context_trail_place(trail) : NULL;
    if (trail == NULL)
        take_trail(gci_cache_self.cache);
    if (result == NULL)
        return find_row();
    return *result = find_row_of_trail(trail);
}

/* Where every object is chosen, most stacks were seen not long ago. Trails name rows, and these are of one thread and session: a
 * cache goes from thread to thread and takes its trail along. */
ALWAYS_INLINE struct site_row *find_row_of_any(void)
{
    struct trail *trail = gci_cache_self.cache->trail;
    struct site_row *row = LIKELY(trail != NULL) ? gci_context_trail_result(trail, self.owner) : NULL;
    return LIKELY(row != NULL) ? row : find_row_slowly(trail);
}

/* Does what has become due, and finds the thread's place in the session, which may be another then, as who writes does what was
 * ordered meanwhile. */
static NOINLINE void catch_up(void)
{
    if (age_now_ticks() >= word_load(&gci_session.due_ticks))
        gci_sampler_work();
    if (self.session != gci_session.number)
        join();
    self.seen = self.session;
}

static int32_t draw_untimed(void)
{
    return (int32_t)((gci_draw_next(&self.random) >> 32) * (2 * AGE_TIMED_EVERY - 1) >> 32);
}

/* A thread with fewer than AGE_TIMED_EVERY births in so many ticks, some tenth of a millisecond, does not have many. */
#define IDLE_TICKS (UINT64_C(1) << 18)

static NOINLINE uint64_t time_birth(void)
{
    uint64_t ticks = age_now_ticks();
    enum age_timing timing = self.is_idle ? AGE_TIMED : AGE_TIMED_FOR_MANY;
    self.is_idle = ticks - self.ticks > IDLE_TICKS;
    self.untimed = self.is_idle ? 0 : draw_untimed();
    self.ticks = ticks;
    self.time = age_birth(ticks, AGE_UNTIMED);
    if (self.is_idle || ticks >= word_load(&gci_session.due_ticks))
        self.seen = 0;
    critical_enter_brief();
    if (LIKELY(self.session == gci_session.number)) /* else what it holds is of the last one */
        tell_live_if_due();
    critical_leave_brief();
    return age_birth(ticks, timing);
}

/* Of one of the first of a row, which costs the ticks in any case: where a busy thread has made a pause, its next birth is timed
 * and asks whether something is due, whatever it has drawn. */
static NOINLINE uint64_t time_first(void)
{
    uint64_t ticks = age_now_ticks();
    if (ticks - self.ticks > IDLE_TICKS) {
        self.is_idle = true;
        self.untimed = 0;
        self.seen = 0;
    }
    return age_birth(ticks, AGE_TIMED);
}

/* Of the next birth, at level full. */
ALWAYS_INLINE uint64_t birth_time(void)
{
    return UNLIKELY(--self.untimed < 0) ? time_birth() : self.time;
}

/* False: a sample inside a sample. */
ALWAYS_INLINE bool begin_choice(void)
{
    if (LIKELY(gci_sampler_enter()))
        return true;
    word_add(&gci_session.lost, 1);
    return false;
}

ALWAYS_INLINE void put(struct sample *sample, uint64_t name, uint64_t time, float weight)
{
    sample->weight = weight;
    word_store_release(&sample->origin, name | time);
}

/* Since the thread has found its row, or its place, another session may have begun, by an order on this very thread: the row may
 * be nobody's, or a stack's of that one, or one of the last that has come late. */
static bool end_choice(const struct site_row *row, uint64_t time, float weight, struct sample *sample)
{
    gci_sampler_leave();
    uint64_t name = word_load(&row->name);
    if (UNLIKELY(!site_is_named_in(name, self.session) || self.session != gci_session.number)) {
        word_add(&gci_session.lost, 1);
        return false;
    }
    put(sample, name, time, weight);
    return true;
}

/* What does not come by the shortest way is rare: it is timed, and looks each time whether something is due. */
static bool on_choose(size_t bytes, struct sample *sample)
{
    if (!begin_choice())
        return false;
    catch_up();
    bool is_certain = bytes == 0 || gci_session.level == PROFILE_LEVEL_FULL; /* where another has begun meanwhile */
    float weight = is_certain ? WHOLE : (float)gci_draw_weight(bytes, self.rate_bytes);
    return end_choice(find_row(), age_birth(age_now_ticks(), AGE_TIMED), weight, sample);
}

static bool on_choose_any(size_t bytes, struct sample *sample)
{
    (void)bytes;
    if (!begin_choice())
        return false;
    catch_up();
    return end_choice(find_row_of_any(), age_birth(age_now_ticks(), AGE_TIMED), WHOLE, sample);
}

static NOINLINE void record_anyhow(const struct site_row *row, uint64_t time, struct sample *record)
{
    if (end_choice(row, time, WHOLE, record))
        born_anywhere(record, record->bytes);
}

/* In the critical section no other session can begin. A row of the thread's that has a name is one of this. */
static void *on_record(size_t bytes, void *block, struct sample *record)
{
    uint64_t name;
    if (!begin_choice())
        return block;
    record->bytes = (uint32_t)bytes; /* for later, so that no register is saved for it */
    if (UNLIKELY(self.seen != gci_session.number))
        catch_up();
    struct site_row *row = find_row_of_any();
    uint64_t time = birth_time();
    critical_enter_brief();
    if (LIKELY(row->owner == self.owner) && LIKELY((name = word_load(&row->name)) != 0)) {
        gci_sampler_leave();
        self.last_hidden = ~(uintptr_t)block;
        if (UNLIKELY(word_load(&row->own.allocated_objects) < (uint64_t)AGE_TIMED_FIRST * SITE_OBJECT))
            time = time_first();
        put(record, name, time, WHOLE);
        uint32_t bytes_asked = record->bytes;
        count_born(row, SITE_OBJECT, bytes_asked);
        self.live_bytes += bytes_asked;
    } else {
        record_anyhow(row, time, record);
    }
    critical_leave_brief();
    return block;
}

static uint64_t on_distance(void)
{
    if (self.random == 0)
        self.random = gci_env_random() | 1;
    self.rate_bytes = word_load(&gci_session.rate_bytes);
    return gci_draw_distance(&self.random, self.rate_bytes);
}

static const struct sample_hooks hooks_of_chance = {on_distance, on_choose, on_born, on_gone, NULL, on_freed};
static const struct sample_hooks hooks_of_all = {NULL, on_choose_any, on_born, on_gone, on_record, on_freed_of_all};

/* ---- Sessions ----------------------------------------------------------------------------------------------------- */

void gci_sampler_set_due(uint64_t after_ns)
{
    double ticks = (double)after_ns * 4294967296.0 / (double)gci_age_learn_pace();
    word_store(&gci_session.due_ticks, age_now_ticks() + (uint64_t)ticks);
}

void gci_sampler_start(enum profile_level level, uint64_t rate_bytes)
{
    uint32_t number = gci_session.number + 1;
    forget_threads();
    fence_full(); /* who reads the session's number gets one of its own, not one of before */
    gci_session = (struct session){.number = number, .level = level, .rate_bytes = rate_bytes};
    gci_age_start();
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
