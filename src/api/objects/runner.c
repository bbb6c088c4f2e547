/* SPDX-License-Identifier: MIT */
/* The thread that runs what is due (option finalizer_thread): finalizers, and destroy functions of cycles.
 *
 * Started by the program's own calls only, never inside malloc, which may be called with any lock of the C library held. While
 * it is there, gca_collect and gca_rc_new leave what is due to it, and each collection rings its bell. It sleeps between, and
 * ends when the option is taken back. A fork child has none until its next such call.
 */
#include <stddef.h>

#include "alloc/alloc.h"
#include "alloc/counts/count.h"
#include "api/init.h"
#include "base/options.h"
#include "collect/bound.h"
#include "platform/stop.h"
#include "platform/sync.h"
#include "platform/thread.h"

static volatile u32_shared is_there;
static volatile u32_shared bell;
static volatile u32_shared is_over; /* the process exits */

static void ring(void)
{
    u32_add(&bell, 1);
    gci_wake_all(&bell);
}

static bool is_wanted(void)
{
    return gci_options.finalizer_thread && u32_load(&is_over) == 0;
}

static void run_what_is_due(void)
{
    gci_stop_unblock();
    gci_alloc_attach_thread();
    while (is_wanted()) {
        uint32_t rung = u32_load_acquire(&bell);
        if (gci_count_run_due() == 0)
            gci_park(&bell, rung, PARK_FOREVER);
    }
}

/* Whoever has rung between sees to it itself, or the next call starts another. */
static void leave(void)
{
    u32_store(&gci_count_has_runner, 0);
    u32_store_release(&is_there, 0);
}

void gci_runner_offer(void)
{
    if (LIKELY(!is_wanted() || u32_load(&is_there) != 0) || !u32_compare_and_swap(&is_there, 0, 1))
        return;
    u32_store(&gci_count_has_runner, 1);
    if (gci_thread_start(run_what_is_due, leave) != 0)
        leave();
}

void gci_runner_wake(void)
{
    if (u32_load(&is_there) != 0 && u32_load(&gci_bound_is_due) != 0)
        ring();
}

void gci_runner_apply(void)
{
    gci_runner_offer();
    ring();
}

void gci_runner_reset(void)
{
    leave();
}

void gci_runner_at_exit(void)
{
    u32_store(&is_over, 1);
    ring();
}
