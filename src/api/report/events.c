/* SPDX-License-Identifier: MIT */
/* What is told of each cycle: a line on standard error (option `verbose`), events to the program's callback. */
#include <gcalloc.h>

#include "api/init.h"
#include "base/options.h"
#include "collect/cycle.h"
#include "platform/env.h"
#include "platform/sync.h"
#include "profile/profile.h"
#include "world/critical.h"

/* Set together; a callback that is being replaced may be called once more with its own data. The lock is taken in critical
 * sections and around fork alone. */
static struct lock listener_lock;
static gca_event_fn listener;
static void *listener_data;

/* The callback is at work on this thread: what it makes us collect it is not told of, or it would never end. */
static __thread bool is_telling TLS_INITIAL_EXEC;

GCA_API void gca_on_event(gca_event_fn callback, void *data)
{
    critical_enter();
    gci_lock_acquire(&listener_lock);
    listener = callback;
    listener_data = data;
    gci_lock_release(&listener_lock);
    critical_leave();
}

void gci_events_lock(void)
{
    gci_lock_acquire(&listener_lock);
}

void gci_events_unlock(void)
{
    gci_lock_release(&listener_lock);
}

void gci_events_reset_lock(void)
{
    gci_lock_reset(&listener_lock);
}

static void add_phase(struct text *text, const char *name, uint64_t nanoseconds)
{
    gci_text_add(text, name);
    gci_text_add_milliseconds(text, nanoseconds, 2);
}

static void print_report(const struct cycle_report *report)
{
    struct text text;
    gci_text_init(&text);
    gci_text_add(&text, "cycle ");
    gci_text_add_decimal(&text, report->number);
    gci_text_add(&text, " (");
    gci_text_add(&text, gci_cycle_reason_name(report->reason));
    if (report->is_given_up) {
        bool is_stopped = report->pause_ns != 0;
        add_phase(&text, "): given up after ", is_stopped ? report->pause_ns : report->stop_ns);
        gci_text_add(&text,
                     is_stopped ? " ms: the process could not be read" : " ms: not every thread could be stopped");
        gci_env_report(&text);
        return;
    }
    gci_text_add(&text, "): live ");
    gci_text_add_size(&text, report->census.live_bytes);
    gci_text_add(&text, ", freed ");
    gci_text_add_size(&text, report->census.freed_bytes);
    add_phase(&text, ", pause ", report->pause_ns);
    add_phase(&text, " ms (stop ", report->stop_ns);
    add_phase(&text, ", roots ", report->roots_ns);
    add_phase(&text, ", mark ", report->mark_ns);
    add_phase(&text, ", sweep ", report->sweep_ns);
    gci_text_add(&text, "), ");
    gci_text_add_decimal(&text, report->threads + 1);
    gci_text_add(&text, report->threads == 0 ? " thread" : " threads");
    gci_env_report(&text);
}

static void send_events(const struct cycle_report *report, gca_event_fn callback, void *data)
{
    const char *reason = gci_cycle_reason_name(report->reason);
    const struct gca_event finished[] = {
        {GCA_EVENT_CYCLE_BEGIN, report->number, 0, 0, reason},
        {GCA_EVENT_STOPPED, report->number, report->stop_ns, 0, reason},
        {GCA_EVENT_ROOTS, report->number, report->roots_ns, 0, reason},
        {GCA_EVENT_MARK, report->number, report->mark_ns, report->census.live_bytes, reason},
        {GCA_EVENT_SWEEP, report->number, report->sweep_ns, report->census.freed_bytes, reason},
        {GCA_EVENT_CYCLE_END, report->number, report->pause_ns, report->census.live_bytes, reason},
    };
    const struct gca_event given_up[] = {
        {GCA_EVENT_CYCLE_BEGIN, report->number, 0, 0, reason},
        {GCA_EVENT_GIVEN_UP, report->number, report->stop_ns, 0, reason},
    };
    const struct gca_event *events = report->is_given_up ? given_up : finished;
    size_t count = report->is_given_up ? sizeof given_up / sizeof *given_up : sizeof finished / sizeof *finished;
    is_telling = true;
    for (size_t i = 0; i < count; i++)
        callback(&events[i], data);
    is_telling = false;
}

void gci_events_report(const struct cycle_report *report)
{
    gci_runner_wake();
    if (gci_options.verbose)
        print_report(report);
    gci_profile_note_cycle(report);
    critical_enter();
    gci_lock_acquire(&listener_lock);
    gca_event_fn callback = listener;
    void *data = listener_data;
    gci_lock_release(&listener_lock);
    critical_leave();
    if (callback != NULL && !is_telling)
        send_events(report, callback, data);
}
