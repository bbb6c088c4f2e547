/* SPDX-License-Identifier: MIT */
/* Implementation of profile/look/request.h. Runs in a handler, on a stack of ours, with the collector's lock. */
#include "profile/look/request.h"

#include <errno.h>

#include "base/request_format.h"
#include "base/text.h"
#include "collect/cycle.h"
#include "platform/env.h"
#include "profile/profile.h"
#include "world/request.h"

static const char *version; /* of the library */

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
    int failure = gci_profile_try_switch(&plan);
    return failure == EBUSY ? "a profile is on already" : explain(failure);
}

static const char *stop_profile(void)
{
    int failure = gci_profile_try_switch(NULL);
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

static void work(void *data)
{
    char line[REQUEST_BYTES_MAX];
    const char *at = line;
    uint64_t number;
    struct text answer;
    if (!gci_request_take() || !gci_env_take_request(line) || !gci_text_read_decimal(&at, &number))
        return;
    while (*at == ' ')
        at++;
    gci_text_init(&answer);
    gci_text_add_decimal(&answer, number);
    gci_text_add(&answer, " ");
    gci_text_add(&answer, do_request(at, data));
    gci_env_answer(answer.bytes);
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
