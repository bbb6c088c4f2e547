/* SPDX-License-Identifier: MIT */
/* Implementation of profile/look/request.h. Runs in a handler, on a stack of ours, with the collector's lock. */
#include "profile/look/request.h"

#include <errno.h>

#include "base/request_format.h"
#include "base/text.h"
#include "collect/cycle.h"
#include "platform/clock.h"
#include "platform/env.h"
#include "platform/thread.h"
#include "profile/look/graph_file.h"
#include "world/request.h"

static const char *explain(int failure)
{
    switch (failure) {
    case 0:
        return "ok";
    case EBUSY:
        return "the process is writing something else of this sort";
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

static void add_head(struct records *records)
{
    struct {
        struct profile_header header;
        char path[256];
    } head = {.header = {.magic = PROFILE_MAGIC,
                         .version = PROFILE_VERSION,
                         .process = gci_process_id(),
                         .level = PROFILE_LEVEL_SAMPLE}};
    const char *program = gci_env_program();
    for (size_t i = 0; i < sizeof head.path - 1 && program[i] != '\0'; i++)
        head.path[i] = program[i];
    gci_records_write(records, PROFILE_HEADER, &head, sizeof head);
}

static int write_result(int file, const struct roots_caller *caller, bool with_graph)
{
    struct records *records;
    int failure = gci_records_open(&records, file);
    if (failure != 0)
        return failure;
    add_head(records);
    failure = gci_graph_file_add_leaks(records, caller, 0);
    if (failure == 0 && with_graph)
        failure = gci_graph_file_add_graph(records, caller);
    const struct profile_end end = {0};
    gci_records_write(records, PROFILE_END, &end, sizeof end);
    int not_written = gci_records_close(records);
    return failure != 0 ? failure : not_written;
}

static int make_result(const struct roots_caller *caller, bool with_graph)
{
    int file = gci_env_open_result();
    if (file < 0)
        return errno;
    int failure = write_result(file, caller, with_graph);
    gci_env_close(file);
    return failure;
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

void gci_look_serve_requests(void)
{
    gci_request_init(serve);
}
