/* SPDX-License-Identifier: MIT */
/* gcalloc/profile.h, and the profile that the environment asks for. */
#include <gcalloc/profile.h>

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "alloc/alloc.h"
#include "api/init.h"
#include "base/options.h"
#include "platform/env.h"
#include "platform/stop.h"
#include "profile/look/request.h"
#include "profile/profile.h"

#define PROGRAM_BYTES_MAX 60 /* of its name in that of its profile: some are as long as a file's name may be */

GCA_API int gca_profile_start(const struct gca_profile_options *options)
{
    struct gca_profile_options all = {.level = GCA_PROFILE_SAMPLE};
    if (options != NULL)
        memcpy(&all, options, options->size < sizeof all ? options->size : sizeof all);
    if (all.level < GCA_PROFILE_SAMPLE || all.level > GCA_PROFILE_FULL)
        return EINVAL;
    if (!gci_alloc_is_ready())
        return ENOMEM;
    struct profile_plan plan = {.level = (enum profile_level)all.level,
                                .rate_bytes = all.rate_bytes,
                                .path = all.path,
                                .version = gca_version()};
    return gci_profile_start(&plan);
}

GCA_API int gca_profile_stop(void)
{
    return gci_profile_stop();
}

GCA_API int gca_profile_dump(const char *path)
{
    return gci_profile_dump(path);
}

GCA_API int gca_profile_graph(const char *path)
{
    gci_init_take_signal();
    const struct profile_extra extra = {.leaks = true, .graph = true, .may_wait = true, .version = gca_version()};
    return path != NULL ? gci_profile_dump_with(path, &extra) : EINVAL;
}

GCA_API int gca_profile_set_rate(uint64_t rate_bytes)
{
    return gci_profile_set_rate(rate_bytes);
}

/* Without a path it was to be kept for the report of leaks alone. */
static void tell_failure(const char *path, int error)
{
    struct text text;
    const char *cause = strerrordesc_np(error);
    gci_text_init(&text);
    gci_text_add(&text, path != NULL ? "no profile: " : "no profile for the report of leaks");
    gci_text_add(&text, path != NULL ? path : "");
    gci_text_add(&text, ": ");
    gci_text_add(&text, cause != NULL ? cause : "unknown error");
    gci_env_report(&text);
}

/* gcalloc.PROGRAM.%p.gcprof, as `gcalloc record` names it; a mark in the program's own name is none. */
static const char *default_path(void)
{
    static struct text path;
    gci_text_init(&path);
    gci_text_add(&path, "gcalloc.");
    gci_text_add_limited(&path, gci_env_program(), PROGRAM_BYTES_MAX);
    for (size_t i = 0; i < path.length; i++)
        path.bytes[i] = path.bytes[i] == '%' ? '_' : path.bytes[i];
    gci_text_add(&path, ".%p.gcprof");
    return path.bytes;
}

static const char *path_by_options(void)
{
    return gci_options.profile_file[0] != '\0' ? gci_options.profile_file : default_path();
}

/* Mode leaks wants to know of all, and needs no file for it. */
static bool is_for_leaks(void)
{
    return gci_options.mode == MODE_LEAKS && gci_env_get("GCALLOC_PROFILE") == NULL;
}

/* The option counts from 0, off; the levels of a profile from 1. */
void gci_profile_start_by_options(void)
{
    bool is_all_known = is_for_leaks();
    if (gci_options.profile == 0 && !is_all_known)
        return;
    const char *path = is_all_known && gci_options.profile_file[0] == '\0' ? NULL : path_by_options();
    struct profile_plan plan = {.level = is_all_known ? PROFILE_LEVEL_FULL : (enum profile_level)gci_options.profile,
                                .rate_bytes = gci_options.profile_rate,
                                .path = path,
                                .version = gca_version(),
                                .may_number = true};
    int error = gci_profile_start(&plan);
    if (error != 0)
        tell_failure(path, error);
}

/* NULL: nothing. What mode leaks knows for its report must not end before the process does. */
static const char *what_forbids(int signal)
{
    if (is_for_leaks())
        return "in mode leaks only where GCALLOC_PROFILE is set";
    if (gci_stop_signal() == 0)
        return "there is no signal to stop threads with";
    if (gci_stop_signal() == signal)
        return "GCALLOC_STOP_SIGNAL is the same";
    return NULL;
}

static bool may_take_signal(int signal)
{
    struct text text;
    const char *cause = what_forbids(signal);
    if (cause == NULL)
        return true;
    gci_text_init(&text);
    gci_text_add(&text, "GCALLOC_PROFILE_SIGNAL: ");
    gci_text_add(&text, cause);
    gci_text_add(&text, "; ignored");
    gci_env_report(&text);
    return false;
}

void gci_profile_take_signal(void)
{
    static const int signals[] = {0, SIGHUP, SIGUSR1, SIGUSR2}; /* in the order of the option's words */
    static struct profile_plan plan;
    int signal = signals[gci_options.profile_signal];
    if (signal == 0 || !may_take_signal(signal))
        return;
    plan = (struct profile_plan){.level = PROFILE_LEVEL_SAMPLE,
                                 .rate_bytes = gci_options.profile_rate,
                                 .path = path_by_options(),
                                 .version = gca_version(),
                                 .may_number = true};
    if (gci_options.profile != 0)
        plan.level = (enum profile_level)gci_options.profile;
    gci_look_serve_orders(&plan, gci_options.profile_graph != 0);
    int error = gci_stop_take_order(signal);
    if (error != 0)
        tell_failure("GCALLOC_PROFILE_SIGNAL", error);
}
