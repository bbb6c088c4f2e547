/* SPDX-License-Identifier: MIT */
/* Start-up order.
 *
 * 1. The first malloc of the process, often the dynamic loader's own, before any constructor: heap and cache come up by
 *    themselves (alloc/alloc.c), with default options and no collections. Nothing there calls getenv, stdio or dlsym.
 * 2. Our constructor: environment, thread exit key, fork handlers, stop signal, and from then on collections.
 * 3. Our destructor, late at exit: figures. Collections go on until the process is gone; no thread is joined.
 */
#include "api/init.h"

#include <gcalloc.h>

#include "alloc/alloc.h"
#include "alloc/retire.h"
#include "alloc/torture.h"
#include "api/interpose/real.h"
#include "api/programs/sanitizer.h"
#include "base/attributes.h"
#include "base/options.h"
#include "collect/cycle.h"
#include "platform/env.h"
#include "platform/stop.h"
#include "platform/thread.h"
#include "platform/vm.h"
#include "profile/look/request.h"
#include "profile/profile.h"
#include "world/delay.h"
#include "world/idle.h"
#include "world/stop.h"

const char gci_init_link = 1; /* see api/family.h */
extern const char gci_init_malloc_link __attribute__((weak));

#if defined(GCI_TORTURE)
static const char *find_switch(const char *switches, const char *name)
{
    for (const char *at = switches; *at != '\0'; at++) {
        if ((at == switches || at[-1] == ',') && gci_text_starts_with(at, name)) {
            while (*at != '=' && *at != '\0')
                at++;
            return *at == '=' ? at + 1 : at;
        }
    }
    return NULL;
}

static uint64_t switch_value(const char *name)
{
    const char *value = find_switch(gci_options.torture, name);
    uint64_t number = 0;
    if (value != NULL && !gci_text_read_decimal(&value, &number))
        gci_env_report_string("GCALLOC_TORTURE: not a number; ignored");
    return number;
}

static void start_torture(void)
{
    gci_torture_collect_every(switch_value("collect="));
    gci_world_delay_init(switch_value("delay="));
    gci_vm_fail_at(switch_value("mmap-fail="));
}
#else
static void start_torture(void)
{
    struct text text;
    if (gci_options.torture[0] == '\0')
        return;
    gci_text_init(&text);
    gci_text_add(&text, "GCALLOC_TORTURE=");
    gci_text_add(&text, gci_options.torture);
    gci_text_add(&text, ": this build has no torture switches; ignored");
    gci_env_report(&text);
}
#endif

bool gci_init_take_signal(void)
{
    if (gci_stop_signal() != 0)
        return true;
    if (gci_world_init((int)gci_options.stop_signal) != 0)
        return false;
    gci_stop_unblock(); /* inherited masks may block it */
    gci_look_serve_requests(gca_version());
    gci_env_show_beacon(gci_stop_signal(), gca_version());
    if (gci_interpose_hides_signal())
        gci_idle_init();
    return true;
}

/* The stop signal is only taken where it is needed. */
bool gci_init_apply_options(void)
{
    gci_profile_set_rate(gci_options.profile_rate);
    bool needs_signal = gci_options.mode != MODE_FREE || gci_options.profile != 0 || gci_options.profile_signal != 0 ||
                        gci_options.profile_graph != 0;
    if (!needs_signal || gci_init_take_signal())
        return true;
    gci_env_report_string("no real-time signal is free; nothing will be collected");
    gci_options.mode = MODE_FREE;
    return false;
}

/* ---- Start and end ------------------------------------------------------------------------------------------------ */

/* Whether libgcalloc.so stands in front of this libgcalloc_core.so, as `gcalloc run` puts it: all calls go there. */
static bool is_shadowed(void)
{
    __typeof__(&gca_version) called = gca_version, own = gci_init_own_version;
    const char *malloc_link = &gci_init_malloc_link;
    __asm__(""
            : "+r"(called), "+r"(own), "+r"(malloc_link)); /* compilers take different names for different functions */
    return malloc_link == NULL && called != own;
}

static bool can_start(void)
{
    return (gci_sanitizer_lets_start == NULL || gci_sanitizer_lets_start()) && gci_alloc_is_ready();
}

static void end_thread(void)
{
    gci_signals_thread_ends();
    gci_retire_thread();
}

static bool has_started; /* there is one thread until then */

/* glibc passes constructors what main gets. The shared libraries are linked so that this one runs before any other: a
 * thread that another library's constructor starts inherits a mask in which the stop signal is open. */
__attribute__((constructor(101))) static void start(int argc, char **argv, char **environment)
{
    (void)argc;
    (void)argv;
    if (is_shadowed() || !can_start())
        return; /* nothing of this library will be called, or nothing can be done */
    gci_env_use(environment);
    gci_options_from_environment();
    gci_hidden_choose_mode();
    gci_thread_exit_init(end_thread);
    gci_alloc_attach_thread();
    gci_thread_ask_exit_call(); /* the key did not exist when the first malloc attached this thread */
    gci_fork_init();
    gci_init_apply_options();
    gci_cycle_init(gci_events_report);
    gci_stats_init();
    gci_leaks_init();
    start_torture();
    gci_profile_start_by_options();
    gci_profile_take_signal();
    gci_env_use(NULL);
    has_started = true;
}

bool gci_init_has_started(void)
{
    return has_started;
}

__attribute__((destructor(101))) static void finish(void)
{
    if (!has_started)
        return;
    gci_runner_at_exit();
    gci_stats_at_exit();
}
