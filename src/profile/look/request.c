/* SPDX-License-Identifier: MIT */
/* Implementation of profile/look/request.h. Runs in a handler, on a stack of ours, with the collector's lock. */
#include "profile/look/request.h"

#include <errno.h>
#include <string.h>

#include "base/request_format.h"
#include "base/text.h"
#include "collect/cycle.h"
#include "platform/env.h"
#include "platform/stop.h"
#include "platform/sync.h"
#include "world/critical.h"
#include "world/request.h"

static const char *version; /* of the library */
static const struct profile_plan *order_plan;
static bool orders_graph;

static const char *explain(int failure)
{
    switch (failure) {
    case 0:
        return "ok";
    case EINPROGRESS:
        return REQUEST_BUSY;
    case EAGAIN:
        return REQUEST_UNSTOPPED;
    case ENOMEM:
        return "the process has no memory for it";
    case ENOSPC:
        return "no space left on the device of /tmp";
    case EOVERFLOW:
        return "the process has too many objects";
    default:
        return "the result could not be written";
    }
}

/* Figures are there if a profile is on. */
static int make_result(const struct roots_caller *caller, bool with_leaks, bool with_graph)
{
    char path[REQUEST_PATH_BYTES];
    const struct profile_extra extra = {.leaks = with_leaks, .graph = with_graph, .caller = caller, .version = version};
    return gci_env_result_path(path) ? gci_profile_dump_with(path, &extra) : EACCES;
}

/* "LEVEL RATE", with 0 for the level's own rate. */
static const char *start_profile(const char *words)
{
    uint64_t level;
    uint64_t rate_bytes;
    if (!gci_text_read_decimal(&words, &level) || *words++ != ' ' || !gci_text_read_decimal(&words, &rate_bytes) ||
        level < PROFILE_LEVEL_SAMPLE || level > PROFILE_LEVEL_FULL)
        return "no such level of a profile";
    const struct profile_plan plan = {.level = (enum profile_level)level, .rate_bytes = rate_bytes, .version = version};
    int failure = gci_profile_try_start(&plan);
    return failure == EBUSY ? "a profile is on already" : explain(failure);
}

static const char *stop_profile(void)
{
    static const struct profile_extra nothing = {0};
    int failure = gci_profile_try_stop(&nothing);
    return failure == ESRCH ? "no profile is on" : explain(failure);
}

#define START_VERB "start "

static const char *do_request(const char *line, const struct roots_caller *caller)
{
    if (gci_text_equals(line, "leaks"))
        return explain(make_result(caller, true, false));
    if (gci_text_equals(line, "graph"))
        return explain(make_result(caller, true, true));
    if (gci_text_equals(line, "profile"))
        return explain(make_result(caller, false, false));
    if (gci_text_starts_with(line, START_VERB))
        return start_profile(line + sizeof START_VERB - 1);
    if (gci_text_equals(line, "stop"))
        return stop_profile();
    return "the library in the process does not know this request";
}

/* ---- Orders ------------------------------------------------------------------------------------------------------- */

static void tell_order(const char *what, const char *path, int failure)
{
    struct text text;
    gci_text_init(&text);
    gci_text_add(&text, what);
    gci_text_add(&text, path[0] != '\0' ? path : "it had no file");
    if (failure != 0) {
        gci_text_add(&text, ": ");
        gci_text_add(&text, strerrordesc_np(failure));
    }
    gci_env_report(&text);
}

/* Ends the profile that is on, or else begins one. What writing its end meets with has been told. */
static int switch_profile(const struct roots_caller *caller)
{
    const struct profile_extra last = {.leaks = true, .graph = orders_graph, .caller = caller};
    int failure = gci_profile_try_stop(&last);
    if (failure == 0)
        tell_order("the profile is complete: ", gci_profile_path(), 0);
    if (failure != ESRCH)
        return failure;
    failure = gci_profile_try_start(order_plan);
    if (failure != EINPROGRESS)
        tell_order(failure == 0 ? "a profile has begun: " : "no profile: ",
                   failure == 0 ? gci_profile_path() : order_plan->path, failure);
    return failure;
}

/* Who has the file comes back when he lets it go (profile.c: unlock_file). */
static void do_orders(const struct roots_caller *caller)
{
    while (gci_request_orders() != 0 && switch_profile(caller) != EINPROGRESS)
        gci_request_order_is_done();
}

static void answer(const struct roots_caller *caller)
{
    char line[REQUEST_BYTES_MAX];
    const char *at = line;
    uint64_t number;
    struct text text;
    if (!gci_env_take_request(line) || !gci_text_read_decimal(&at, &number))
        return;
    while (*at == ' ')
        at++;
    gci_text_init(&text);
    gci_text_add_decimal(&text, number);
    gci_text_add(&text, " ");
    gci_text_add(&text, do_request(at, caller));
    gci_env_answer(text.bytes);
}

#define AGAIN_NS UINT64_C(10000000) /* what has the file is done with it soon */

static void work(void *caller)
{
    if (!gci_request_take())
        return;
    do_orders(caller);
    answer(caller);
    if (gci_profile_try_note(PROFILE_NOTE_WHEN_DUE) == EINPROGRESS)
        gci_request_after(AGAIN_NS);
}

static bool serve(const struct roots_caller *caller)
{
    struct roots_caller copy = *caller;
    return gci_cycle_try_serve(work, &copy);
}

void gci_look_serve_requests(const char *library_version)
{
    version = library_version;
    gci_request_init(serve);
}

/* ---- Ends without exit -------------------------------------------------------------------------------------------- */

/* The file or the collector's lock may be another thread's, which needs this one to stop for it; or this thread's own, below a
 * handler of the program, and then there is nothing to wait for. */
#define TRIES 100
#define TRY_NS UINT64_C(1000000)

struct ending {
    const struct roots_caller *caller;
    bool with_graph;
    int failure;
};

static void end_profile(void *data)
{
    struct ending *ending = data;
    const struct profile_extra last = {.leaks = true, .graph = ending->with_graph, .caller = ending->caller};
    ending->failure = gci_profile_try_stop(&last);
}

static bool try_end(struct ending *ending)
{
    uint64_t blocked = gci_stop_block_signals();
    gci_stop_block_own();
    bool is_served = gci_cycle_try_serve(end_profile, ending);
    gci_stop_restore_signals(blocked);
    return is_served && ending->failure != EINPROGRESS;
}

void gci_look_end_profile(const struct roots_caller *caller, bool with_graph)
{
    static const volatile u32_shared nobody;
    struct ending ending = {.caller = caller, .with_graph = with_graph};
    if (!gci_request_is_of_this_process())
        return;
    for (int i = 0; i < TRIES && gci_profile_has_begun_file() && !critical_is_inside() && !try_end(&ending); i++)
        gci_park(&nobody, 0, TRY_NS);
}

void gci_look_serve_orders(const struct profile_plan *plan, bool with_graph)
{
    order_plan = plan;
    orders_graph = with_graph;
}
