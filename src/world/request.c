/* SPDX-License-Identifier: MIT */
/* Implementation of world/request.h. */
#include "world/request.h"

#include "base/atomic.h"
#include "platform/context.h"
#include "platform/thread.h"
#include "world/critical.h"
#include "world/idle.h"
#include "world/thread.h"

static request_fn serve_request; /* NULL: nobody serves */
static uint32_t process;         /* not a child of vfork */
static volatile u32_shared is_due;
static volatile u32_shared orders;
static volatile u32_shared waits_for_tick;

void gci_request_init(request_fn serve)
{
    process = gci_process_id();
    serve_request = serve;
}

bool gci_request_is_of_this_process(void)
{
    return serve_request != NULL && gci_process_id() == process;
}

/* The barrier orders this before the attempt on the collector's lock; see gci_cycle_unlock. */
void gci_request_note(void)
{
    if (!gci_request_is_of_this_process())
        return;
    u32_store(&is_due, 1);
    fence_full();
}

void gci_request_note_order(void)
{
    if (gci_request_is_of_this_process())
        u32_add(&orders, 1);
    gci_request_note();
}

/* A tick that came for another reason is as good: who serves knows the time, and says again when. */
void gci_request_after(uint64_t nanoseconds)
{
    u32_store(&waits_for_tick, 1);
    gci_idle_expect(nanoseconds);
}

void gci_request_note_tick(void)
{
    if (u32_load(&waits_for_tick) != 0 && u32_exchange(&waits_for_tick, 0) != 0)
        gci_request_note();
}

uint32_t gci_request_orders(void)
{
    return u32_load(&orders);
}

void gci_request_order_is_done(void)
{
    u32_add(&orders, UINT32_MAX);
}

bool gci_request_take(void)
{
    return u32_exchange(&is_due, 0) != 0;
}

static void serve_for(const struct roots_caller *caller)
{
    while (u32_load(&is_due) != 0 && serve_request != NULL && serve_request(caller))
        ;
}

void gci_request_serve(const struct interruption *interruption)
{
    if (LIKELY(u32_load(&is_due) == 0))
        return;
    bool on_other_stack = range_contains(interruption->alternate, interruption->handler_sp);
    const struct roots_caller caller = {
        .stack_pointer = on_other_stack ? interruption->stack_pointer : interruption->handler_sp,
        .registers = {interruption->handler_sp,
                      on_other_stack ? interruption->alternate.hi : interruption->stack_pointer},
        .code = interruption->code};
    serve_for(&caller);
}

static void serve_with_registers_saved(uintptr_t stack_pointer, void *data)
{
    const struct roots_caller caller = {stack_pointer, {stack_pointer, stack_pointer + CONTEXT_SAVED_BYTES}, 0};
    (void)data;
    serve_for(&caller);
}

void gci_request_serve_now(void)
{
    if (LIKELY(u32_load(&is_due) == 0) || critical_is_inside())
        return;
    uint64_t blocked = gci_stop_block_signals();
    gci_stop_block_own();
    gci_context_call(serve_with_registers_saved, NULL);
    gci_stop_restore_signals(blocked);
}

/* Without anybody to ask, the request stays due until some thread comes by. */
void gci_request_pass_on(void)
{
    if (u32_load(&is_due) == 0)
        return;
    for (const struct thread *thread = gci_thread_first(); thread != NULL; thread = thread->next) {
        uint32_t id = u32_load(&thread->id);
        if (thread->cache != NULL && id != 0 && gci_stop_send(id) == 0)
            return;
    }
}

void gci_request_reset(void)
{
    process = gci_process_id();
    u32_store(&is_due, 0);
    u32_store(&orders, 0);
    u32_store(&waits_for_tick, 0);
}
