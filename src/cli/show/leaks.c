/* SPDX-License-Identifier: MIT */
#include "cli/show/leaks.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/arguments.h"
#include "cli/base/memory.h"
#include "cli/base/message.h"
#include "cli/base/scratch.h"
#include "cli/launch/child.h"
#include "cli/launch/profiled.h"
#include "cli/print/json.h"
#include "cli/print/print.h"
#include "cli/print/view.h"
#include "cli/profile/retain.h"
#include "cli/profile/totals.h"
#include "cli/show/suppressions.h"

#define ROWS_USUAL 20
#define FRAMES_SHOWN 24
#define EXIT_LEAKS 1
#define LEAKS_MODE "leaks" /* nothing is collected, and as little as can be left over hides a leak */

struct leaks {
    struct view view;
    bool fails;
    uint64_t fail_bytes;
    uint64_t rows;
    struct suppressions suppressions;
    struct profiled profiled; /* words: the program to run, NULL: a profile is given */
    char directory[PATH_MAX]; /* of its profile */
    char pattern[PATH_MAX];
};

/* All leaks of one kind whose stacks read the same. */
struct group {
    uint32_t stack, kind;
    bool is_collected;
    uint64_t bytes, objects, first_ns, last_ns;
    uint64_t held_bytes, held_objects; /* by direct ones that are still there, as far as the graph tells */
};

struct groups {
    uint32_t *alike; /* by stack: the one that stands for all that read the same */
    struct group *groups;
    size_t count, room;
    uint64_t bytes, objects;                       /* of all that is shown */
    uint64_t suppressed_bytes, suppressed_objects; /* of what is not */
};

/* ---- Options ---- */

static bool take_fail_on(void *input, const char *word)
{
    struct leaks *leaks = input;
    leaks->fails = true;
    leaks->fail_bytes = 0;
    return strcmp(word, "any") == 0 || gci_arguments_bytes("--fail-on", word, &leaks->fail_bytes);
}

static bool take_suppressions(void *input, const char *path)
{
    struct leaks *leaks = input;
    return gci_suppressions_read(&leaks->suppressions, path);
}

/* What stands behind "--" is a program; any other word is the view's. */
static int take_program(void *input, char **words, bool is_quoted)
{
    struct leaks *leaks = input;
    if (!is_quoted || leaks->view.count > 0)
        return 0;
    leaks->profiled.launch.words = words;
    leaks->view.least = 0;
    return ARGUMENTS_REST;
}

static const struct arguments_option options[] = {
    {.name = "fail-on",
     .value = "WHAT",
     .help = "Exit with 1 if there are leaks: any, or so many bytes (K, M, G) of them",
     .take = take_fail_on},
    {.name = "suppressions",
     .value = "FILE",
     .help = "Leave out what its lines match: leak:PATTERN, as LeakSanitizer has them",
     .take = take_suppressions},
    {.name = "top",
     .value = "NUMBER",
     .help = "So many groups, in place of 20; JSON has all",
     .least = 1,
     ARGUMENTS_SET_NUMBER(struct leaks, rows)},
    {0},
};

static const struct arguments_part parts[] = {{&gci_view_arguments, offsetof(struct leaks, view)}, {0}};

const struct arguments gci_leaks_arguments = {
    .options = options,
    .words = "FILE|PID\n-- PROGRAM [ARGUMENT...]",
    .about =
        "Shows what is unreachable and was not freed, by the call stack that allocated it."
        "\vA leak is direct if nothing leaked points to it, and indirect if only leaked memory does. What the "
        "collector gave back meanwhile was leaked as well, and is marked as collected. PROGRAM is run for it, with "
        "each allocation recorded and nothing collected; with --json, what it prints goes to standard error.",
    .parts = parts,
    .take_words = take_program,
};

/* ---- Groups ---- */

static bool is_same_group(const struct group *group, const struct profile_leak *leak)
{
    return group->stack == leak->stack && group->kind == leak->kind && group->is_collected == (leak->is_collected != 0);
}

static int compare_leaks(const void *a, const void *b)
{
    const struct profile_leak *one = a, *other = b;
    if (one->stack != other->stack)
        return one->stack < other->stack ? -1 : 1;
    if (one->is_collected != other->is_collected)
        return one->is_collected < other->is_collected ? -1 : 1;
    return one->kind < other->kind ? -1 : one->kind > other->kind;
}

static void add_leak(struct groups *groups, const struct profile_leak *leak)
{
    struct group *group = groups->count > 0 ? &groups->groups[groups->count - 1] : NULL;
    if (!group || !is_same_group(group, leak)) {
        groups->groups = gci_memory_grow(groups->groups, &groups->room, groups->count + 1, sizeof *groups->groups);
        group = &groups->groups[groups->count++];
        *group = (struct group){.stack = leak->stack,
                                .kind = leak->kind,
                                .is_collected = leak->is_collected != 0,
                                .first_ns = leak->first_ns};
    }
    group->bytes += leak->bytes;
    group->objects += leak->objects;
    if (leak->first_ns != 0 && (group->first_ns == 0 || leak->first_ns < group->first_ns))
        group->first_ns = leak->first_ns;
    group->last_ns = leak->last_ns > group->last_ns ? leak->last_ns : group->last_ns;
    groups->bytes += leak->bytes;
    groups->objects += leak->objects;
}

static void gather(struct groups *groups, const struct leaks *leaks, const struct profile *profile)
{
    struct profile_leak *sorted = gci_memory_take(profile->leak_count, sizeof *sorted);
    size_t count = 0;
    groups->alike = gci_totals_alike(profile);
    for (size_t i = 0; i < profile->leak_count; i++) {
        const struct profile_leak *leak = &profile->leaks[i];
        if (!gci_profile_leak_counts(profile, leak))
            continue;
        if (!gci_suppressions_cover(&leaks->suppressions, profile, leak->stack)) {
            sorted[count] = *leak;
            sorted[count++].stack = groups->alike[leak->stack];
            continue;
        }
        groups->suppressed_bytes += leak->bytes;
        groups->suppressed_objects += leak->objects;
    }
    if (count > 0)
        qsort(sorted, count, sizeof *sorted, compare_leaks);
    for (size_t i = 0; i < count; i++)
        add_leak(groups, &sorted[i]);
    free(sorted);
}

/* What direct leaks hold beyond themselves: in the graph of what is unreachable, what would go with them. */
static void find_held(struct groups *groups, const struct profile *profile)
{
    struct retain retain;
    uint32_t *direct = gci_memory_take(profile->stack_count, sizeof *direct); /* by stack: its group, from 1 */
    for (size_t i = 0; i < groups->count; i++) {
        if (groups->groups[i].kind == PROFILE_LEAK_DIRECT && !groups->groups[i].is_collected)
            direct[groups->groups[i].stack] = (uint32_t)i + 1;
    }
    gci_retain_make(&retain, profile);
    for (size_t i = 0; i < profile->object_count; i++) {
        uint32_t number = direct[groups->alike[profile->objects[i].stack]];
        struct group *group = number > 0 ? &groups->groups[number - 1] : NULL;
        if (group && (retain.marks[i] & RETAIN_HEAD) != 0) {
            group->held_bytes += retain.bytes[i] - profile->objects[i].bytes;
            group->held_objects += retain.objects[i] - 1;
        }
    }
    gci_retain_forget(&retain);
    free(direct);
}

static int rank_of(const struct group *group)
{
    return group->is_collected ? 2 : (group->kind == PROFILE_LEAK_DIRECT ? 0 : 1);
}

static int compare_groups(const void *a, const void *b)
{
    const struct group *one = a, *other = b;
    if (rank_of(one) != rank_of(other))
        return rank_of(one) - rank_of(other);
    uint64_t bytes = one->bytes + one->held_bytes, other_bytes = other->bytes + other->held_bytes;
    if (bytes != other_bytes)
        return bytes > other_bytes ? -1 : 1;
    return one->stack < other->stack ? -1 : one->stack > other->stack;
}

static void sort_groups(struct groups *groups)
{
    if (groups->count > 0)
        qsort(groups->groups, groups->count, sizeof *groups->groups, compare_groups);
}

/* ---- Text ---- */

static void print_group(const struct profile *profile, const struct group *group)
{
    printf("\n%s leak of %s in %s object%s%s", group->kind == PROFILE_LEAK_DIRECT ? "Direct" : "Indirect",
           gci_print_bytes(group->bytes).text, gci_print_count(group->objects).text, gci_print_plural(group->objects),
           group->is_collected ? ", collected" : "");
    if (group->last_ns > 0)
        printf(", after %s", gci_print_time(group->first_ns).text);
    if (group->last_ns > group->first_ns)
        printf(" to %s", gci_print_time(group->last_ns).text);
    putchar('\n');
    if (group->held_objects > 0)
        printf("  which hold %s in %s object%s more\n", gci_print_bytes(group->held_bytes).text,
               gci_print_count(group->held_objects).text, gci_print_plural(group->held_objects));
    gci_print_stack(stdout, profile, group->stack, 4, FRAMES_SHOWN);
}

static void print_sum(const struct groups *groups, int rank, const char *what)
{
    uint64_t bytes = 0, objects = 0, places = 0;
    for (size_t i = 0; i < groups->count; i++) {
        if (rank_of(&groups->groups[i]) != rank)
            continue;
        bytes += groups->groups[i].bytes;
        objects += groups->groups[i].objects;
        places++;
    }
    if (objects > 0)
        printf("  %-10s%12s in %s object%s from %" PRIu64 " stack%s\n", what, gci_print_bytes(bytes).text,
               gci_print_count(objects).text, gci_print_plural(objects), places, gci_print_plural(places));
}

static void print_text(const struct leaks *leaks, const struct profile *profile, const struct groups *groups)
{
    if (groups->count == 0)
        puts(profile->knows_leaks ? "no leaks" : "leaks are not known");
    else
        printf("leaked: %s in %s object%s%s\n", gci_print_bytes(groups->bytes).text,
               gci_print_count(groups->objects).text, gci_print_plural(groups->objects),
               profile->knows_leaks ? "" : ", and not all is known");
    print_sum(groups, 0, "direct");
    print_sum(groups, 1, "indirect");
    print_sum(groups, 2, "collected");
    if (groups->suppressed_objects > 0)
        printf("suppressed: %s in %s object%s\n", gci_print_bytes(groups->suppressed_bytes).text,
               gci_print_count(groups->suppressed_objects).text, gci_print_plural(groups->suppressed_objects));
    size_t shown = groups->count < leaks->rows ? groups->count : leaks->rows;
    for (size_t i = 0; i < shown; i++)
        print_group(profile, &groups->groups[i]);
    if (shown < groups->count)
        printf("\nand %zu more group%s (--top=%zu)\n", groups->count - shown, gci_print_plural(groups->count - shown),
               groups->count);
}

/* Stacks are known of what is asked for while a profile is on, and at level sample of a part of it. */
static void print_hint(const char *process, const struct profile *profile, const struct groups *groups)
{
    uint64_t bytes = 0, objects = 0;
    for (size_t i = 0; i < groups->count; i++) {
        bool is_known = profile->stacks[groups->groups[i].stack].count > 0;
        bytes += is_known ? 0 : groups->groups[i].bytes;
        objects += is_known ? 0 : groups->groups[i].objects;
    }
    if (objects == 0)
        return;
    printf("\nThe stacks of %s in %s object%s are not known: ", gci_print_bytes(bytes).text,
           gci_print_count(objects).text, gci_print_plural(objects));
    if (profile->header.rate_bytes == 0)
        printf("no profile is on.\nOf what leaks from now on: gcalloc record --level=full --pid=%s\n", process);
    else
        puts("they came before the profile was on, or between two samples.");
}

/* ---- JSON ---- */

static void print_json(const struct profile *profile, const struct groups *groups)
{
    gci_json_open(NULL, '{');
    gci_json_flag("known", profile->knows_leaks);
    gci_json_number("total_bytes", groups->bytes);
    gci_json_number("total_objects", groups->objects);
    gci_json_open("leaks", '[');
    for (size_t i = 0; i < groups->count; i++) {
        const struct group *group = &groups->groups[i];
        gci_json_open(NULL, '{');
        gci_json_text("kind", group->kind == PROFILE_LEAK_DIRECT ? "direct" : "indirect");
        gci_json_number("bytes", group->bytes);
        gci_json_number("objects", group->objects);
        gci_json_flag("collected", group->is_collected);
        gci_json_stack("stack", profile, group->stack);
        gci_json_close('}');
    }
    gci_json_close(']');
    gci_json_close('}');
    putchar('\n');
}

/* ---- All together ---- */

static int show(const struct leaks *leaks, const struct profile *profile)
{
    struct groups groups = {0};
    gather(&groups, leaks, profile);
    if (!leaks->view.json && profile->object_count > 0)
        find_held(&groups, profile);
    sort_groups(&groups);
    if (leaks->view.json)
        print_json(profile, &groups);
    else
        print_text(leaks, profile, &groups);
    if (!leaks->view.json && leaks->view.count == 1 && gci_view_is_process(leaks->view.words[0]))
        print_hint(leaks->view.words[0], profile, &groups);
    free(groups.groups);
    free(groups.alike);
    if (leaks->fails && groups.bytes >= leaks->fail_bytes && groups.objects > 0)
        return EXIT_LEAKS;
    return profile->knows_leaks ? 0 : EXIT_OWN_FAILURE;
}

/* ---- Programs ---- */

/* JSON is alone on standard output: the program's goes to standard error. */
static int run_program(struct leaks *leaks)
{
    fflush(stdout);
    int kept = leaks->view.json ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0) : -1;
    if (kept >= 0)
        dup2(STDERR_FILENO, STDOUT_FILENO);
    int code = gci_profiled_run(&leaks->profiled);
    if (kept >= 0) {
        dup2(kept, STDOUT_FILENO);
        close(kept);
    }
    return code;
}

static int record_program(struct leaks *leaks)
{
    static const char name[] = "/" PROFILE_PROCESS_MARK ".gcprof";
    int code = gci_scratch_make(leaks->directory, "leaks", "1234567890.gcprof");
    if (code != 0)
        return code;
    snprintf(leaks->pattern, sizeof leaks->pattern, "%.*s%s", LIBRARY_PATH_BYTES, leaks->directory, name);
    leaks->profiled.pattern = leaks->pattern;
    leaks->profiled.level = "full";
    code = gci_preload_setenv("GCALLOC_MODE", LEAKS_MODE);
    if (code == 0)
        code = gci_preload_setenv("GCALLOC_LEAKS_REPORT", "0"); /* ours comes instead */
    return code == 0 ? run_program(leaks) : code;
}

static struct profile *read_recorded(const struct leaks *leaks)
{
    char *path = gci_profiled_path(&leaks->profiled);
    struct profile *profile = NULL;
    if (access(path, F_OK) == 0)
        profile = gci_profile_follow(path, leaks->view.no_symbols);
    else
        gci_message_fail(0, leaks->profiled.launch.words[0],
                         "left no profile: did it start another program in its place?");
    if (profile && !profile->knows_leaks)
        gci_message_fail(0, leaks->profiled.launch.words[0],
                         "ended without a look for leaks: it was killed, or bypassed the C library");
    free(path);
    return profile;
}

/* What they have left: PID.gcprof, and PID.gcprof.NUMBER of what one was before exec. */
static size_t count_others(const struct leaks *leaks)
{
    DIR *folder = opendir(leaks->directory);
    size_t count = 0;
    for (const struct dirent *entry; folder && (entry = readdir(folder));) {
        const char *dot = strrchr(entry->d_name, '.');
        count += dot && strcmp(dot, ".gcprof") == 0 && strtol(entry->d_name, NULL, 10) != leaks->profiled.child;
    }
    if (folder)
        closedir(folder);
    return count;
}

static void print_others(const struct leaks *leaks)
{
    size_t count = leaks->view.json ? 0 : count_others(leaks);
    if (count > 0)
        printf("\n%zu process%s that it started %s not looked at: gcalloc record --level=full --mode=leaks\n"
               "leaves a profile of each.\n",
               count, count == 1 ? "" : "es", count == 1 ? "is" : "are");
}

static int show_recorded(struct leaks *leaks, const struct profile *profile)
{
    int code = show(leaks, profile);
    print_others(leaks);
    return gci_view_finish(code);
}

static int show_program(struct leaks *leaks)
{
    struct profile *profile = NULL;
    int code = record_program(leaks);
    if (leaks->profiled.child > 0 && code == 0) {
        profile = read_recorded(leaks);
        code = profile ? show_recorded(leaks, profile) : EXIT_OWN_FAILURE;
    }
    gci_profile_forget(profile);
    gci_scratch_remove(leaks->directory);
    if (profile && code != EXIT_LEAKS && leaks->profiled.status != 0)
        return gci_child_pass_on(leaks->profiled.status);
    return code;
}

static int show_file(const struct leaks *leaks)
{
    struct profile *profile = gci_view_read(&leaks->view, leaks->view.words[0]);
    if (profile && profile->is_complete && !profile->knows_leaks)
        gci_message_fail(0, leaks->view.words[0], "nobody has looked for leaks: it was ended before the process");
    int code = profile ? gci_view_finish(show(leaks, profile)) : EXIT_OWN_FAILURE;
    gci_profile_forget(profile);
    return code;
}

int gci_leaks_main(int argc, char **argv)
{
    struct leaks leaks = {.view = {.command = "leaks",
                                   .least = 1,
                                   .most = 1,
                                   .what = "a profile or a process, or -- and a program, is",
                                   .shows_objects = true},
                          .rows = ROWS_USUAL,
                          .profiled = {.launch = {.command = "leaks"}}};
    int code;
    if (!gci_view_parse(&gci_leaks_arguments, argc, argv, &leaks.view, &leaks, &code))
        return code;
    code = leaks.profiled.launch.words ? show_program(&leaks) : show_file(&leaks);
    gci_suppressions_forget(&leaks.suppressions);
    return code;
}
