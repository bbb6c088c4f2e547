/* SPDX-License-Identifier: MIT */
/* Implementation of world/stop.h. Code that runs in the handler or with the world stopped takes no lock, allocates
 * nothing and calls nothing of stdio. */
#include "world/stop.h"

#include <errno.h>

#include "platform/clock.h"
#include "platform/context.h"
#include "platform/stop.h"
#include "platform/sync.h"
#include "platform/thread.h"
#include "world/critical.h"
#include "world/delay.h"
#include "world/idle.h"
#include "world/request.h"
#include "world/thread.h"

#define RECHECK_NS 1000000u /* how often the collector looks whether a thread it waits for has ended */

__thread struct critical gci_critical TLS_INITIAL_EXEC;

static volatile u32_shared generation; /* written by the thread that holds the collector's lock */
static volatile u32_shared joined;     /* counts up at each join: what the collector sleeps on */
static volatile u32_shared wake_at;    /* value of joined from which on the collector wants to be woken */
static uint32_t stopped_count;         /* collector's */

uint32_t gci_world_generation(void)
{
    return u32_load(&generation);
}

uint32_t gci_world_stopped_count(void)
{
    return stopped_count;
}

bool gci_world_is_alone(void)
{
    uint32_t g = u32_load(&generation);
    bool has_deaf = false;
    for (const struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next)
        has_deaf = has_deaf || (u32_load(&thread->id) != 0 && thread->seen_in == g && thread->is_deaf);
    return stopped_count == 0 && !has_deaf;
}

static bool is_asked_for(uint32_t g)
{
    return (g & 1) != 0;
}

/* ---- The stopped thread's side ------------------------------------------------------------------------------------ */

static void join_stop(struct thread *self, const struct interruption *interruption)
{
    uint32_t g = u32_load_acquire(&generation);
    while (is_asked_for(g)) {
        bool on_other_stack = range_contains(interruption->alternate, interruption->handler_sp);
        self->stack_pointer = on_other_stack ? interruption->stack_pointer : interruption->handler_sp;
        self->interrupted_at = interruption->stack_pointer;
        self->code = interruption->code;
        self->alternate = interruption->alternate;
        world_delay();
        u32_store_release(&self->stopped_in, g);
        /* Only the last one wakes the collector: with many threads, each wake-up would keep the others from the cores. */
        uint32_t count = u32_add(&joined, 1) + 1;
        if ((int32_t)(count - u32_load(&wake_at)) >= 0)
            gci_wake_all(&joined);
        while (u32_load(&generation) == g)
            gci_park(&generation, g, PARK_FOREVER);
        world_delay();
        g = u32_load_acquire(&generation);
    }
}

/* The record is found by id where thread-local data is not the thread's own: clone without a new thread pointer. */
static struct thread *own_record(bool *has_own_locals)
{
    uint32_t id = gci_thread_id();
    struct thread *self = gci_thread_self;
    *has_own_locals = self == NULL || u32_load(&self->id) == id;
    return self != NULL && *has_own_locals ? self : gci_thread_find(id);
}

/* To threads that can do it. */
static void pass_on(void)
{
    gci_idle_pass_on();
    gci_request_pass_on();
}

static void on_interruption(const struct interruption *interruption)
{
    bool has_own_locals;
    struct thread *self = own_record(&has_own_locals);
    if (interruption->is_tick) {
        gci_idle_note_tick();
        gci_request_note_tick();
    }
    if (interruption->is_request)
        gci_request_note();
    if (interruption->is_order)
        gci_request_note_order();
    if (self == NULL) {
        pass_on();
        return;
    }
    if (has_own_locals && gci_critical.depth != 0) {
        gci_critical.stop_is_pending = true;
        return;
    }
    join_stop(self, interruption);
    if (!has_own_locals) {
        pass_on();
        return;
    }
    gci_idle_serve();
    gci_request_serve(interruption);
}

static void answer_with_registers_saved(uintptr_t stack_pointer, void *record)
{
    const struct interruption interruption = {
        .handler_sp = stack_pointer, .stack_pointer = stack_pointer, .alternate = gci_stop_alternate_stack()};
    join_stop(record, &interruption);
}

void gci_world_listen(void)
{
    if (gci_stop_signal() != 0)
        gci_stop_unblock();
}

void gci_world_answer_stop(void)
{
    int saved = errno;
    uint64_t blocked = gci_stop_block_signals(); /* no handler of the program runs in a stopped world */
    bool has_own_locals;
    struct thread *self = own_record(&has_own_locals);
    do {
        gci_critical.stop_is_pending = false;
        if (self != NULL)
            gci_context_call(answer_with_registers_saved, self);
        gci_idle_serve();
        gci_request_serve_now();
    } while (gci_critical.stop_is_pending);
    gci_stop_restore_signals(blocked);
    errno = saved;
}

/* ---- The collector's side ----------------------------------------------------------------------------------------- */

struct roll_call {
    uint32_t generation;
    uint32_t self;
    uint32_t signalled; /* in this pass */
    bool has_failed;
};

static bool signal_thread(struct roll_call *call, struct thread *thread, uint32_t id)
{
    thread->signalled_in = call->generation;
    call->signalled++;
    int error = gci_stop_send(id);
    if (error == ESRCH)
        thread->has_ended = true;
    return error == 0 || error == ESRCH;
}

/* A thread that blocked the signal behind our back and sleeps, such as the C library's own for timers, is not waited for
 * as long as it has never come to the heap. When it does, it opens the signal first (gci_world_listen), meets the one that
 * is pending, and stops there. Its stack is a root as a whole. */
static bool is_deaf(struct thread *thread)
{
    uint32_t id = u32_load(&thread->id);
    thread->is_deaf = id != 0 && thread->control_block == 0 && gci_thread_sleeps_deaf(id, gci_stop_signal());
    return thread->is_deaf;
}

/* The registry is locked, so that the record is this thread's until the signal is on its way. */
static bool call_locked(struct roll_call *call, uint32_t id)
{
    struct thread *thread = gci_thread_find_or_add_locked(id);
    if (thread == NULL)
        return false;
    if (thread->has_ended)
        return true;
    thread->seen_in = call->generation;
    if (thread->signalled_in == call->generation)
        return true;
    if (!signal_thread(call, thread, id))
        return false;
    if (thread->is_deaf)
        is_deaf(thread);
    return true;
}

static bool call_thread(uint32_t id, void *data)
{
    struct roll_call *call = data;
    if (id == call->self)
        return true;
    world_delay();
    gci_thread_lock_registry();
    bool called = call_locked(call, id);
    gci_thread_unlock_registry();
    call->has_failed = call->has_failed || !called;
    return called;
}

/* A record that is given back meanwhile is awaited no more; if its thread still runs, the next pass meets it anew. */
static bool is_awaited(const struct thread *thread, const struct roll_call *call)
{
    uint32_t id = u32_load_acquire(&thread->id);
    return id != 0 && id != call->self && thread->seen_in == call->generation && !thread->has_ended &&
           !thread->is_deaf && u32_load_acquire(&thread->stopped_in) != call->generation;
}

/* A thread that ends leaves the list of tasks; until then it may have blocked every signal. */
static bool is_gone_or_deaf(struct thread *thread)
{
    gci_thread_lock_registry();
    uint32_t id = u32_load(&thread->id);
    if (id != 0 && !gci_thread_is_alive(id))
        thread->has_ended = true;
    bool ended = id == 0 || thread->has_ended || is_deaf(thread);
    gci_thread_unlock_registry();
    return ended;
}

static struct thread *first_awaited(const struct roll_call *call, bool check_alive)
{
    for (struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next) {
        if (is_awaited(thread, call) && (!check_alive || !is_gone_or_deaf(thread)))
            return thread;
    }
    return NULL;
}

static bool wait_for_all(const struct roll_call *call, uint64_t deadline)
{
    bool check_alive = false;
    for (;;) {
        uint32_t before = u32_load_acquire(&joined);
        if (first_awaited(call, check_alive) == NULL)
            return true;
        uint64_t now = gci_clock_ns();
        if (now >= deadline)
            return false;
        uint64_t left = deadline - now;
        gci_park(&joined, before, left < RECHECK_NS ? left : RECHECK_NS);
        check_alive = u32_load(&joined) == before;
    }
}

static uint32_t count_stopped(uint32_t g)
{
    uint32_t count = 0;
    for (struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next)
        count += u32_load(&thread->stopped_in) == g && thread->seen_in == g;
    return count;
}

/* Roll call until a pass meets nobody new. A join that comes before wake_at is set wakes too early or not at all; the
 * collector looks for itself before it sleeps, and again when it has slept for a while. */
static bool stop_threads(uint32_t g, uint64_t deadline_ns)
{
    struct roll_call call = {.generation = g, .self = gci_thread_id()};
    uint64_t deadline = gci_clock_ns() + deadline_ns;
    do {
        call.signalled = 0;
        uint32_t before = u32_load(&joined);
        u32_store(&wake_at, before + INT32_MAX);
        if (!gci_thread_each(call_thread, &call) || call.has_failed)
            return false;
        u32_store(&wake_at, before + call.signalled);
        fence_full();
        if (!wait_for_all(&call, deadline))
            return false;
    } while (call.signalled != 0);
    stopped_count = count_stopped(g);
    return true;
}

bool gci_world_stop(uint64_t deadline_ns)
{
    critical_enter();
    uint32_t g = u32_add(&generation, 1) + 1;
    stopped_count = 0;
    if (gci_thread_count() == 1)
        return true;
    if (gci_stop_verify() && stop_threads(g, deadline_ns))
        return true;
    gci_world_restart();
    return false;
}

void gci_world_restart(void)
{
    world_delay();
    u32_add(&generation, 1);
    gci_wake_all(&generation);
    critical_leave();
}

void gci_world_reset(void)
{
    uint32_t g = u32_load(&generation);
    u32_store(&generation, g + (g & 1));
    gci_critical.stop_is_pending = false;
    gci_idle_reset();
    gci_request_reset();
}

int gci_world_init(int signal)
{
    return gci_stop_install(signal, on_interruption);
}
