/* SPDX-License-Identifier: MIT */
/* Stands in for libgcalloc.so in the tests of the command: allocates nothing, and leaves a record when the process
 * exits, as the real library does. The record is fixed by the environment:
 *
 *   FAKE_RECORDS   this text, as it is, in place of a record
 *   FAKE_PEAK      heap_peak_bytes (1048576)
 *   FAKE_PROFILE   a file that is copied to where a profile is wanted (GCALLOC_PROFILE_FILE), unless one is there
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int build_record(char *record, size_t room)
{
    const char *raw = getenv("FAKE_RECORDS"), *peak = getenv("FAKE_PEAK");
    if (raw)
        return snprintf(record, room, "%s", raw);
    return snprintf(
        record, room,
        "pid=%d name=%s cycles=4 given_up=1 pause_total_ns=3210000 pause_longest_ns=1500000 heap_peak_bytes=%s "
        "live_bytes=2048 reclaimed_bytes=31562138 reclaimed_objects=1000 leaked_bytes=512 leaked_objects=1 "
        "released_bytes=4096\n",
        (int)getpid(), program_invocation_short_name, peak ? peak : "1048576");
}

/* As the library does: "%p" is the process, and what is there stays. */
__attribute__((destructor)) static void leave_profile(void)
{
    const char *source = getenv("FAKE_PROFILE"), *wanted = getenv("GCALLOC_PROFILE_FILE");
    const char *mark = wanted ? strstr(wanted, "%p") : NULL;
    char path[4096], bytes[4096];
    if (!source || !wanted)
        return;
    if (mark)
        snprintf(path, sizeof path, "%.*s%d%s", (int)(mark - wanted), wanted, (int)getpid(), mark + 2);
    else
        snprintf(path, sizeof path, "%s", wanted);
    int from = open(source, O_RDONLY | O_CLOEXEC), to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    for (ssize_t count; from >= 0 && to >= 0 && (count = read(from, bytes, sizeof bytes)) > 0;) {
        if (write(to, bytes, (size_t)count) != count)
            abort();
    }
    close(from);
    close(to);
}

__attribute__((destructor)) static void leave_record(void)
{
    char record[4096];
    const char *path = getenv("GCALLOC_STATS_FILE");
    if (!path)
        return;
    int length = build_record(record, sizeof record);
    int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0)
        return;
    if (write(file, record, (size_t)length) != length)
        abort();
    close(file);
}
