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
    case EBUSY:
        return REQUEST_BUSY;
    case EAGAIN:
        return "not every thread of the process could be stopped";
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

static int make_result(const struct roots_caller *caller, bool with_graph)
{
    char path[REQUEST_PATH_BYTES];
    const struct profile_extra extra = {.leaks = true, .graph = with_graph, .caller = caller, .version = version};
    return gci_env_result_path(path) ? gci_profile_dump_with(path, &extra) : EACCES;
}

static const char *do_request(const char *verb, const struct roots_caller *caller)
{
    if (gci_text_equals(verb, "leaks"))
        return explain(make_result(caller, false));
    if (gci_text_equals(verb, "graph"))
        return explain(make_result(caller, true));
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
