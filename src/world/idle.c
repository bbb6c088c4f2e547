/* SPDX-License-Identifier: MIT */
/* Implementation of world/idle.h. Most of it runs in the handler: it takes the locks of the heap, which nobody holds below it,
 * and little of the stack, which may be a small alternate one.
 */
#include "world/idle.h"

#include "base/options.h"
#include "heap/cache.h"
#include "heap/region.h"
#include "heap/release.h"
#include "platform/clock.h"
#include "platform/stop.h"
#include "platform/thread.h"
#include "world/critical.h"
#include "world/thread.h"

#define NS_PER_MS UINT64_C(1000000)
#define TICK_NS_MIN (10 * NS_PER_MS)

/* One thread works so much of a tick, some 6 to 10 ms, and goes on after so long: it may be wanted for other things, and
 * collections wait for it. */
#define SHARE_BYTES ((size_t)64 << 20)
#define GO_ON_NS (10 * NS_PER_MS)

static volatile u32_shared is_on;
static uint32_t process; /* that the timer and this state belong to: not a child of vfork */

/* Innermost of all locks. Guards the timer and what follows. */
static struct lock timer_lock;
static uint64_t due_ns; /* when the timer fires; 0: it is off */
static uint64_t tick_began_ns;

static volatile u32_shared tick_is_due;
static volatile u32_shared tick_number;    /* what blocks remember: see heap/release.h */
static volatile shared_word waiting_bytes; /* found by those who have worked for this tick */

/* Memory has been idle for at least one of these, and goes back before the end of the third. */
static uint64_t tick_ns(void)
{
    uint64_t ns = gci_options.release_ms * NS_PER_MS / 2;
    return ns < TICK_NS_MIN ? TICK_NS_MIN : ns;
}

/* ---- The timer ---------------------------------------------------------------------------------------------------- */

static bool may_use_timer(void)
{
    return u32_load(&is_on) != 0 && gci_process_id() == process;
}

static void start_timer(uint64_t after_ns)
{
    uint64_t due = gci_clock_ns() + after_ns;
    bool is_early = due_ns != 0 && due_ns <= due;
    if (!is_early && gci_stop_tick_after(after_ns) == 0)
        due_ns = due;
    gci_release_watch(&gci_heap, due_ns == 0);
}

/* A tick comes after that time at the latest. */
static void expect_tick(uint64_t after_ns)
{
    gci_lock_acquire(&timer_lock);
    if (may_use_timer())
        start_timer(after_ns);
    gci_lock_release(&timer_lock);
}

static void on_worth(void)
{
    expect_tick(tick_ns());
}

void gci_idle_expect(uint64_t after_ns)
{
    critical_enter();
    expect_tick(after_ns > TICK_NS_MIN ? after_ns : TICK_NS_MIN);
    critical_leave();
}

/* One that only goes on with the work of the one before has the same number. */
static void begin_tick(void)
{
    gci_lock_acquire(&timer_lock);
    uint64_t now = gci_clock_ns();
    due_ns = 0;
    if (now - tick_began_ns >= tick_ns() / 4 * 3) {
        tick_began_ns = now;
        uint32_t number = u32_load(&tick_number) + 1;
        u32_store(&tick_number, number % IDLE_SERVED == IDLE_NOT ? number + 1 : number);
    }
    word_store(&waiting_bytes, 0);
    gci_release_watch(&gci_heap, true);
    gci_lock_release(&timer_lock);
}

/* ---- Work --------------------------------------------------------------------------------------------------------- */

static bool may_release(const struct cache *cache)
{
    const struct cache *sampled = cache->sampled;
    return u32_load(&cache->may_release) != 0 || (sampled != NULL && u32_load(&sampled->may_release) != 0);
}

static void release_own(struct cache *cache, struct release_work *work)
{
    u32_store(&cache->is_asked, 0);
    if (!may_release(cache))
        return;
    u32_exchange(&cache->may_release, 0);
    if (cache->sampled != NULL)
        u32_exchange(&cache->sampled->may_release, 0);
    gci_release_cache(&gci_heap, cache, work);
    if (work->waiting_bytes != 0 || work->is_cut_short)
        u32_store(&cache->may_release, 1);
}

static void release_units(struct release_work *work)
{
    uint32_t idle_ms = (uint32_t)gci_options.release_ms;
    size_t limit = work->budget_bytes;
    work->is_cut_short = work->is_cut_short || gci_region_release_some(&gci_heap, idle_ms, limit) >= limit;
    work->waiting_bytes += gci_region_waiting_bytes(&gci_heap, idle_ms);
}

/* One that has ended meanwhile, or gets the record meanwhile, is asked in vain or for nothing. */
static bool ask(const struct thread *thread, struct cache *cache)
{
    uint32_t id = u32_load(&thread->id);
    if (id == 0)
        return false;
    u32_store(&cache->is_asked, 1);
    return gci_stop_send(id) == 0;
}

static void ask_others(const struct cache *own)
{
    for (struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next) {
        struct cache *cache = thread->cache;
        if (cache != NULL && cache != own && may_release(cache))
            ask(thread, cache);
    }
}

static void finish(const struct release_work *work)
{
    uint64_t waiting = word_add(&waiting_bytes, work->waiting_bytes) + work->waiting_bytes;
    word_add(&gci_heap.released_bytes, work->released_bytes);
    if (work->is_cut_short)
        expect_tick(GO_ON_NS);
    else if (waiting >= RELEASE_WORTH_BYTES)
        expect_tick(tick_ns());
}

static void work_for_tick(struct cache *cache)
{
    bool is_first = u32_exchange(&tick_is_due, 0) != 0;
    if (is_first)
        begin_tick();
    struct release_work work = {.tick = (uint16_t)(u32_load(&tick_number) % IDLE_SERVED), .budget_bytes = SHARE_BYTES};
    release_own(cache, &work);
    if (is_first)
        gci_release_abandoned(&gci_heap, &work);
    if (is_first || work.has_given_units)
        release_units(&work);
    if (is_first)
        ask_others(cache);
    finish(&work);
}

static bool is_due_for(const struct cache *cache)
{
    return (u32_load(&tick_is_due) != 0 || u32_load(&cache->is_asked) != 0) && u32_load(&is_on) != 0;
}

/* A stop that comes while this thread works, which the handler's mask keeps off and gci_world_answer_stop's does not, is
 * answered by whoever has called. */
void gci_idle_serve(void)
{
    struct cache *cache = gci_cache_self.cache;
    if (cache == &gci_cache_empty) {
        gci_idle_pass_on();
        return;
    }
    if (!is_due_for(cache))
        return;
    gci_critical.depth++;
    __asm__ volatile("" : : : "memory");
    work_for_tick(cache);
    __asm__ volatile("" : : : "memory");
    gci_critical.depth--;
}

void gci_idle_note_tick(void)
{
    u32_store(&tick_is_due, 1);
}

/* What is noted next sets the timer anew. The lock may be held below: a thread without locals of its own is not known to be
 * in a critical section. */
static void give_up_tick(void)
{
    if (!gci_lock_try(&timer_lock))
        return;
    u32_store(&tick_is_due, 0);
    due_ns = 0;
    gci_release_watch(&gci_heap, true);
    gci_lock_release(&timer_lock);
}

void gci_idle_pass_on(void)
{
    if (u32_load(&tick_is_due) == 0 || u32_load(&is_on) == 0)
        return;
    for (struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next) {
        struct cache *cache = thread->cache;
        if (cache != NULL && ask(thread, cache))
            return;
    }
    give_up_tick();
}

/* ---- Beginning and end -------------------------------------------------------------------------------------------- */

static void end_timer(bool for_good)
{
    if (u32_load(&is_on) != 0 && gci_process_id() == process) {
        gci_stop_end_ticks();
        due_ns = 0;
        u32_store(&is_on, !for_good);
        gci_release_watch(&gci_heap, !for_good);
    }
}

/* In a handler of the program that came while this thread was setting the timer, the lock cannot be had. */
static void reach_timer(bool for_good)
{
    bool may_wait = !critical_is_inside();
    critical_enter();
    if (may_wait)
        gci_lock_acquire(&timer_lock);
    if (may_wait || gci_lock_try(&timer_lock)) {
        end_timer(for_good);
        gci_lock_release(&timer_lock);
    }
    critical_leave();
}

void gci_idle_end_timer(void)
{
    reach_timer(false);
}

bool gci_idle_end(void)
{
    bool was_on = u32_load(&is_on) != 0;
    reach_timer(true);
    return was_on && u32_load(&is_on) == 0;
}

void gci_idle_init(void)
{
    process = gci_process_id();
    gci_release_watch(&gci_heap, true);
    gci_heap.on_worth = on_worth;
    u32_store_release(&is_on, 1);
}

void gci_idle_reset(void)
{
    gci_lock_reset(&timer_lock);
    gci_stop_forget_ticks();
    due_ns = 0;
    u32_store(&tick_is_due, 0);
    process = gci_process_id();
    gci_release_watch(&gci_heap, u32_load(&is_on) != 0);
}
