/* SPDX-License-Identifier: MIT */
/* Implementation of sandbox.h. What is prepared here is all that the library lives on afterwards: nothing is asked of the system
 * any more but memory. */
#include "api/programs/sandbox.h"

#include <gcalloc.h>

#include "base/options.h"
#include "collect/cycle.h"
#include "heap/region.h"
#include "platform/env.h"
#include "platform/stop.h"
#include "platform/sync.h"
#include "platform/vm.h"
#include "profile/look/request.h"
#include "profile/profile.h"
#include "world/critical.h"
#include "world/idle.h"
#include "world/request.h"

/* So much memory can be had without any call, more than sandboxed helpers use. It takes no memory until it is used, and what a
 * dump of memory has to walk over besides. */
#define AHEAD_BYTES ((size_t)64 << 20)

static bool had_ticks;
static volatile u32_shared is_confined;

/* One thread at a time is between the end of collections and what the system says to its call: another's filter would meet
 * a collection that goes on, or collections that begin again. Nobody is woken up, as that is a call. */
#define LOOK_AGAIN_NS (UINT64_C(1) << 20)
static volatile u32_shared is_deciding;
static __thread unsigned wishes TLS_INITIAL_EXEC; /* of this thread and of its handlers that come in between */
static __thread bool decides TLS_INITIAL_EXEC;

/* False: it cannot be waited for, in a handler that has come in between or while this thread has what another needs for it. */
static bool begin_to_decide(void)
{
    bool may_wait = wishes == 0 && !critical_is_inside();
    wishes++;
    while (!u32_compare_and_swap(&is_deciding, 0, 1)) {
        if (!may_wait) {
            wishes--;
            return false;
        }
        gci_park(&is_deciding, 1, LOOK_AGAIN_NS);
    }
    decides = true;
    return true;
}

void gci_sandbox_decided(void)
{
    decides = false;
    u32_store_release(&is_deciding, 0);
    wishes--;
}

/* Where another filter is there already, the calls that reading this one takes might be the end. */
static bool is_harmless(const void *filter)
{
    if (filter == NULL || gci_sandbox_is_entered() || !gci_env_filter_permits(filter))
        return false;
    if (gci_options.verbose)
        gci_env_report_string("the process enters a sandbox (seccomp) that permits all calls of ours: nothing changes");
    return true;
}

static bool tells_at_exit(void)
{
    bool has_leaks = gci_options.mode == MODE_LEAKS && gci_options.leaks_report;
    return has_leaks || gci_options.stats || gci_options.stats_file[0] != '\0';
}

/* A file that says otherwise, or nothing where something was asked for, would mislead: those lines come always. */
static void report_sandbox(bool had_profile)
{
    if (had_profile)
        gci_env_report_string("the process enters a sandbox (seccomp): its profile ends here");
    if (tells_at_exit())
        gci_env_report_string("the process enters a sandbox (seccomp): nothing will be told at its exit");
    if (gci_options.verbose)
        gci_env_report_string("the process enters a sandbox (seccomp): nothing is collected from now on");
}

bool gci_sandbox_enter(const void *filter)
{
    if (!begin_to_decide())
        return false;
    if (is_harmless(filter) || !gci_cycle_end()) {
        gci_sandbox_decided();
        return false;
    }
    report_sandbox(gci_profile_stop() == 0);
    had_ticks = gci_idle_end();
    gci_request_init(NULL);
    gci_env_hide_beacon();
    critical_enter();
    gci_region_grow_ahead(&gci_heap, AHEAD_BYTES);
    critical_leave();
    gci_vm_confine(true);
    gci_env_confine(true);
    u32_store(&is_confined, 1);
    return true;
}

bool gci_sandbox_is_entered(void)
{
    return u32_load(&is_confined) != 0;
}

void gci_sandbox_leave(void)
{
    u32_store(&is_confined, 0);
    gci_vm_confine(false);
    gci_env_confine(false);
    if (gci_stop_signal() != 0) {
        gci_look_serve_requests(gca_version());
        gci_env_show_beacon(gci_stop_signal(), gca_version());
    }
    if (had_ticks)
        gci_idle_init();
    gci_cycle_begin_again();
    if (gci_options.verbose)
        gci_env_report_string("the sandbox (seccomp) was refused: what is garbage is collected again");
    gci_sandbox_decided();
}

/* Until the process is confined no call has been made. */
void gci_sandbox_reset(void)
{
    if (u32_load(&is_deciding) == 0 || decides)
        return;
    u32_store(&is_deciding, 0);
    if (!gci_sandbox_is_entered())
        gci_cycle_begin_again();
}
