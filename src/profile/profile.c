/* SPDX-License-Identifier: MIT */
/* Implementation of profile/profile.h. */
#include "profile/profile.h"

#include <errno.h>
#include <string.h>

#include "heap/region.h"
#include "platform/stop.h"
#include "platform/sync.h"
#include "platform/thread.h"
#include "profile/age.h"
#include "profile/look/graph_file.h"
#include "profile/look/sizes.h"
#include "profile/moment.h"
#include "profile/sampler.h"
#include "world/critical.h"
#include "world/request.h"

#define SAMPLE_RATE_BYTES (UINT64_C(512) << 10)
#define SITE_RATE_BYTES (UINT64_C(16) << 10)

/* Rows of usage: one in 10 ms, and later in the 256th part of the time so far; some thousand a day. Moments: one in a second, and
 * later in a tenth of the time: a hundred in the first day. */
#define USAGE_NS_MIN UINT64_C(10000000)
#define USAGE_SHARE 256
#define MOMENT_NS_MIN UINT64_C(1000000000)
#define MOMENT_SHARE 10

/* Times of files and of processes are known to so much: two ticks of the kernel's slowest clock. */
#define FILE_TIME_NS UINT64_C(20000000)

/* Programs that one process is by turns and that have profiles: enough for shims, and an end for one that starts itself anew. */
#define IMAGES_MAX 999

/* Guarded by the lock of the file; is_on and is_ending are read without. */
static struct lock file_lock;
static volatile u32_shared is_on, is_ending; /* nothing is recorded any more, but the file is not complete yet */
static struct writer writer;
static struct writer copier;
static struct growing_file file;
static struct growing_file copy;
static const char *library_version;
static char pattern[sizeof file.path];
static bool needs_file;       /* fork child: its own, when there is something to write */
static bool error_is_told;    /* one line for a file */
static uint64_t moment_ns;    /* when the next moment is due */
static uint64_t peak_written; /* gci_session.peak_most of the last PEAK in the file */

uint64_t gci_profile_default_rate(enum profile_level level)
{
    return level == PROFILE_LEVEL_FULL ? 1 : level == PROFILE_LEVEL_SITE ? SITE_RATE_BYTES : SAMPLE_RATE_BYTES;
}

/* What is to be given back with the lock of the file. A handler of the program that forks, or whose request makes a cycle run,
 * must not find the lock held below it: signals are blocked. But it may itself have interrupted a sample, which goes on
 * afterwards. */
struct file_hold {
    uint64_t blocked;
    bool has_entered;
};

static bool try_file(struct file_hold *hold, bool may_wait)
{
    hold->blocked = gci_stop_block_signals();
    if (may_wait)
        gci_lock_acquire(&file_lock);
    if (may_wait || gci_lock_try(&file_lock)) {
        hold->has_entered = gci_sampler_enter();
        return true;
    }
    gci_stop_restore_signals(hold->blocked);
    return false;
}

static struct file_hold lock_file(void)
{
    struct file_hold hold;
    try_file(&hold, true);
    return hold;
}

/* After the lock was let go: an order that came meanwhile has found it taken, or finds it free (profile/look/request.c). */
static void serve_orders(void)
{
    fence_full();
    if (LIKELY(gci_request_orders() == 0))
        return;
    gci_request_note();
    gci_request_serve_now();
}

/* Who serves requests looks for orders himself. */
static void release_file(struct file_hold hold, bool is_serving)
{
    if (hold.has_entered)
        gci_sampler_leave();
    gci_lock_release(&file_lock);
    gci_stop_restore_signals(hold.blocked);
    if (!is_serving)
        serve_orders();
}

static void unlock_file(struct file_hold hold)
{
    release_file(hold, false);
}

/* ---- The file ----------------------------------------------------------------------------------------------------- */

static int expand(char *to, size_t limit, const char *from)
{
    struct text process;
    size_t used = 0;
    gci_text_init(&process);
    gci_text_add_decimal(&process, gci_process_id());
    while (*from != '\0') {
        bool is_process = from[0] == '%' && from[1] == 'p';
        const char *part = is_process ? process.bytes : from;
        size_t count = is_process ? process.length : 1;
        if (used + count >= limit)
            return ENAMETOOLONG;
        memcpy(to + used, part, count);
        used += count;
        from += is_process ? 2 : 1;
    }
    to[used] = '\0';
    return 0;
}

static void tell_error(const char *path, int error)
{
    struct text text;
    const char *cause = strerrordesc_np(error);
    gci_text_init(&text);
    gci_text_add(&text, "profile ");
    gci_text_add(&text, path);
    gci_text_add(&text, ": ");
    gci_text_add(&text, cause != NULL ? cause : "cannot be written");
    gci_text_add(&text, "; nothing more is written there for now");
    gci_env_report(&text);
}

/* What could not be written is not known to the file; the figures go on in memory, and the end is tried once more. */
static void flush(void)
{
    gci_writer_flush(&writer);
    if (writer.error == 0)
        return;
    gci_writer_forget_known();
    peak_written = 0;
    if (!error_is_told)
        tell_error(file.path, writer.error);
    error_is_told = true;
}

static int create_file(struct writer *to, struct growing_file *made, const char *path)
{
    char expanded[sizeof made->path];
    int error = expand(expanded, sizeof expanded, path);
    if (error == 0)
        error = gci_env_file_create(made, expanded);
    to->file = error == 0 ? made : NULL;
    to->used = to->record_at = 0;
    to->error = 0;
    return error;
}

/* Whether this process has begun the file, as another program, before exec, or by an earlier order. A number of a process that is
 * used again does not deceive: that file was last changed before this process came. The header's time would not do, as a child
 * of fork goes on with its parent's. Nor does one of another namespace do harm: nothing is overwritten. */
static bool is_of_this_process(const char *path)
{
    struct profile_head head;
    uint64_t changed_ns = 0;
    return gci_env_file_head(path, &head, sizeof head, &changed_ns) == sizeof head && profile_head_is_right(&head) &&
           head.header.process == gci_process_id() && changed_ns + FILE_TIME_NS >= gci_env_process_start_ns();
}

/* The first of PATH.2, PATH.3 ... that is not there. */
static int create_numbered(struct writer *to, struct growing_file *made, const char *path)
{
    struct text name;
    int error = EEXIST;
    for (uint64_t number = 2; error == EEXIST && number <= IMAGES_MAX; number++) {
        gci_text_init(&name);
        gci_text_add(&name, path);
        gci_text_add(&name, ".");
        gci_text_add_decimal(&name, number);
        error = create_file(to, made, name.bytes);
    }
    return error;
}

static int create_first(struct writer *to, struct growing_file *made, const char *path, bool may_number)
{
    char expanded[sizeof made->path];
    int error = create_file(to, made, path);
    if (error != EEXIST || !may_number || expand(expanded, sizeof expanded, path) != 0 || !is_of_this_process(expanded))
        return error;
    return create_numbered(to, made, path);
}

static void begin_file(struct writer *to)
{
    gci_moment_header(to, library_version);
    gci_writer_mappings(to);
}

/* A child's file begins when it has something to say: most children are about to become another program. */
static void begin_own_file(void)
{
    needs_file = false;
    int error = create_file(&writer, &file, pattern);
    if (error != 0)
        tell_error(pattern, error);
    gci_writer_forget_known();
    error_is_told = false;
    begin_file(&writer);
}

static void write_peak(struct writer *to)
{
    if (word_load(&gci_session.live_most) > gci_session.peak_most &&
        gci_session.peak_bytes <= word_load(&gci_session.live_bytes))
        gci_sampler_take_peak();
    if (gci_session.peak_most == 0 || (!to->is_copy && gci_session.peak_most == peak_written))
        return;
    gci_moment_write(to, PROFILE_PEAK);
    if (!to->is_copy)
        peak_written = gci_session.peak_most;
}

static void write_last(struct writer *to, enum profile_reason reason)
{
    gci_moment_usage(to);
    write_peak(to);
    gci_moment_write(to, reason);
}

/* ---- While it is on ----------------------------------------------------------------------------------------------- */

static uint64_t later(uint64_t now_ns, uint64_t least_ns, uint64_t share)
{
    return now_ns + (now_ns / share > least_ns ? now_ns / share : least_ns);
}

static void set_due(uint64_t now_ns)
{
    gci_sampler_set_due(later(now_ns, USAGE_NS_MIN, USAGE_SHARE) - now_ns);
}

/* If no sample comes by then, the next moment is written all the same. */
static void expect_moment(uint64_t now_ns)
{
    if (writer.file != NULL)
        gci_request_after(moment_ns > now_ns ? moment_ns - now_ns : 0);
}

static void do_due(uint64_t now_ns, bool must_have_moment)
{
    if (needs_file)
        begin_own_file();
    gci_moment_usage(&writer);
    if (must_have_moment || now_ns >= moment_ns) {
        write_peak(&writer);
        gci_moment_write(&writer, PROFILE_TIMER);
        moment_ns = later(now_ns, MOMENT_NS_MIN, MOMENT_SHARE);
    }
    flush();
    set_due(now_ns);
    if (!must_have_moment)
        expect_moment(now_ns);
}

static void work(void) /* on a thread that is about to sample */
{
    struct file_hold hold;
    if (!try_file(&hold, false))
        return;
    if (u32_load(&is_on) != 0)
        do_due(gci_age_now_ns(), false);
    unlock_file(hold);
}

void gci_profile_note_cycle(const struct cycle_report *report)
{
    if (u32_load(&is_on) == 0 || report->is_given_up)
        return;
    struct file_hold hold = lock_file();
    struct profile_cycle cycle = {.time_ns = gci_age_now_ns(),
                                  .pause_ns = report->pause_ns,
                                  .mark_ns = report->roots_ns + report->mark_ns,
                                  .sweep_ns = report->sweep_ns,
                                  .live_bytes = report->census.live_bytes,
                                  .live_objects = report->census.live_objects,
                                  .freed_bytes = report->census.freed_bytes,
                                  .freed_objects = report->census.freed_objects,
                                  .heap_bytes = region_used_bytes(&gci_heap),
                                  .reason = report->reason,
                                  .threads = report->threads};
    if (u32_load(&is_on) != 0 && !needs_file)
        gci_writer_record(&writer, PROFILE_CYCLE, &cycle, sizeof cycle);
    unlock_file(hold);
}

/* ---- On and off --------------------------------------------------------------------------------------------------- */

static int take_memory(void)
{
    critical_enter();
    int error = gci_sample_reserve(&gci_heap);
    if (error == 0)
        error = gci_sites_init(&gci_heap, SITE_ROWS_MAX);
    if (writer.buffer == NULL)
        writer.buffer = gci_heap_take_meta(&gci_heap, WRITER_BUFFER_BYTES);
    if (copier.buffer == NULL)
        copier.buffer = gci_heap_take_meta(&gci_heap, WRITER_BUFFER_BYTES);
    critical_leave();
    return writer.buffer == NULL || copier.buffer == NULL ? ENOMEM : error;
}

static int prepare(const struct profile_plan *plan)
{
    writer.file = NULL;
    writer.error = 0;
    writer.used = writer.record_at = 0;
    pattern[0] = '\0';
    int error = take_memory();
    if (error != 0 || plan->path == NULL)
        return error;
    size_t length = strlen(plan->path);
    if (length >= sizeof pattern)
        return ENAMETOOLONG;
    memcpy(pattern, plan->path, length + 1);
    return create_first(&writer, &file, pattern, plan->may_number);
}

static int start(const struct profile_plan *plan)
{
    int error = u32_load(&is_on) != 0 ? EBUSY : prepare(plan);
    if (error != 0)
        return error;
    library_version = plan->version;
    needs_file = error_is_told = false;
    moment_ns = MOMENT_NS_MIN;
    peak_written = 0;
    gci_sampler_work = work;
    gci_sampler_start(plan->level, plan->rate_bytes != 0 ? plan->rate_bytes : gci_profile_default_rate(plan->level));
    gci_writer_forget_known();
    set_due(0);
    begin_file(&writer);
    gci_moment_usage(&writer);
    flush();
    u32_store_release(&is_on, 1);
    expect_moment(0);
    return 0;
}

int gci_profile_start(const struct profile_plan *plan)
{
    struct file_hold hold = lock_file();
    int error = start(plan);
    unlock_file(hold);
    return error;
}

static void tell_missing(int failure)
{
    struct text text;
    const char *cause = failure == EAGAIN ? "not every thread could be stopped" : strerrordesc_np(failure);
    gci_text_init(&text);
    gci_text_add(&text, "profile ");
    gci_text_add(&text, file.path);
    gci_text_add(&text, ": ends without all of its figures, leaks and objects: ");
    gci_text_add(&text, cause != NULL ? cause : "unknown");
    gci_env_report(&text);
}

static int add_extra(struct writer *to, const struct profile_extra *extra)
{
    int failure = 0;
    if (extra->leaks)
        failure = gci_graph_file_add_leaks(to, extra->caller);
    if (extra->leaks && failure == 0)
        gci_graph_file_add_collected(to);
    if (extra->leaks && failure == 0 && to->missing == 0)
        gci_graph_file_add_leaks_known(to);
    if (extra->graph && failure == 0)
        failure = gci_graph_file_add_graph(to, extra->caller);
    return failure;
}

/* ESRCH: there is no profile. `extra`: what its file tells at its end. */
static int end(const struct profile_extra *extra)
{
    if (u32_load(&is_on) == 0)
        return ESRCH;
    gci_sampler_stop();
    u32_store(&is_ending, 1);
    u32_store(&is_on, 0);
    if (needs_file)
        begin_own_file();
    writer.error = writer.missing = 0; /* there may be room again */
    write_last(&writer, PROFILE_EXIT);
    int failure = writer.file != NULL ? add_extra(&writer, extra) : 0;
    if (writer.file != NULL && failure == 0)
        failure = writer.missing;
    gci_sizes_write(&writer);
    gci_moment_end(&writer);
    flush();
    u32_store(&is_ending, 0);
    if (failure != 0)
        tell_missing(failure);
    return writer.error;
}

static const struct profile_extra nothing_more = {0};

int gci_profile_stop(void)
{
    struct file_hold hold = lock_file();
    int error = end(&nothing_more);
    unlock_file(hold);
    return error;
}

void gci_profile_at_exit(const struct roots_caller *caller, bool with_graph)
{
    const struct profile_extra extra = {.leaks = true, .graph = with_graph, .caller = caller};
    struct file_hold hold = lock_file();
    end(&extra);
    unlock_file(hold);
}

static int dump_to(const char *path, const struct profile_extra *extra)
{
    int error = create_file(&copier, &copy, path);
    if (error != 0)
        return error;
    if (extra->version != NULL)
        library_version = extra->version;
    copier.is_copy = true;
    copier.missing = 0;
    copier.stacks_known = 0;
    begin_file(&copier);
    write_last(&copier, PROFILE_DUMP);
    error = add_extra(&copier, extra);
    gci_sizes_write(&copier);
    gci_moment_end(&copier);
    gci_writer_flush(&copier);
    error = error == 0 ? copier.missing : error;
    return error != 0 ? error : copier.error;
}

static int dump_here(void)
{
    if (needs_file)
        begin_own_file();
    writer.missing = 0;
    write_last(&writer, PROFILE_DUMP);
    flush();
    return writer.error != 0 ? writer.error : writer.missing;
}

static bool take_copier(void)
{
    critical_enter();
    if (copier.buffer == NULL)
        copier.buffer = gci_heap_take_meta(&gci_heap, WRITER_BUFFER_BYTES);
    critical_leave();
    return copier.buffer != NULL;
}

int gci_profile_dump(const char *path)
{
    struct file_hold hold = lock_file();
    int error = u32_load(&is_on) == 0 ? ESRCH : path != NULL ? dump_to(path, &nothing_more) : dump_here();
    unlock_file(hold);
    return error;
}

/* The next may be called in a handler: what that has interrupted may hold the lock. */

int gci_profile_dump_with(const char *path, const struct profile_extra *extra)
{
    struct file_hold hold;
    if (!try_file(&hold, extra->may_wait))
        return EINPROGRESS;
    int error = take_copier() ? dump_to(path, extra) : ENOMEM;
    release_file(hold, !extra->may_wait);
    return error;
}

int gci_profile_try_start(const struct profile_plan *plan)
{
    struct file_hold hold;
    if (!try_file(&hold, false))
        return EINPROGRESS;
    int error = start(plan);
    release_file(hold, true);
    return error;
}

int gci_profile_try_stop(const struct profile_extra *extra)
{
    struct file_hold hold;
    if (!try_file(&hold, false))
        return EINPROGRESS;
    int error = end(extra);
    release_file(hold, true);
    return error;
}

bool gci_profile_has_begun_file(void)
{
    return (u32_load(&is_on) | u32_load(&is_ending)) != 0 && writer.file != NULL && !needs_file;
}

/* After a moment the next sample has work to do, so that another is expected whatever comes. */
static void note(enum profile_note what)
{
    uint64_t now_ns = gci_age_now_ns();
    if (what == PROFILE_NOTE_MODULES) {
        gci_writer_mappings(&writer);
        gci_writer_stacks(&writer); /* they belong to the modules in front of them */
    } else if (what == PROFILE_NOTE_WHEN_DUE && now_ns < moment_ns) {
        expect_moment(now_ns);
    } else {
        do_due(now_ns, true);
        gci_sampler_set_due(0);
    }
}

int gci_profile_try_note(enum profile_note what)
{
    struct file_hold hold;
    if (!gci_profile_has_begun_file())
        return ESRCH;
    if (critical_is_inside() || !try_file(&hold, false))
        return EINPROGRESS;
    if (gci_profile_has_begun_file())
        note(what);
    release_file(hold, what == PROFILE_NOTE_WHEN_DUE);
    return 0;
}

const char *gci_profile_path(void)
{
    return writer.file != NULL ? writer.file->path : "";
}

int gci_profile_set_rate(uint64_t rate_bytes)
{
    struct file_hold hold = lock_file();
    bool is_there = u32_load(&is_on) != 0;
    if (is_there)
        gci_sampler_set_rate(rate_bytes != 0 ? rate_bytes : gci_profile_default_rate(gci_session.level));
    unlock_file(hold);
    return is_there ? 0 : ESRCH;
}

/* ---- Fork --------------------------------------------------------------------------------------------------------- */

void gci_profile_lock(void)
{
    gci_lock_acquire(&file_lock);
}

void gci_profile_unlock(void)
{
    gci_lock_release(&file_lock);
    serve_orders();
}

void gci_profile_reset(void)
{
    gci_lock_reset(&file_lock);
    gci_sites_reset_lock();
    gci_sampler_reset_lock();
    if (u32_load(&is_on) == 0)
        return;
    bool has_own_name = strstr(pattern, "%p") != NULL;
    if (!has_own_name && pattern[0] != '\0') {
        gci_sampler_stop();
        u32_store(&is_on, 0);
        return;
    }
    writer.used = writer.record_at = 0;
    writer.error = 0;
    needs_file = has_own_name;
}
