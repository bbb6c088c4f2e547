/* SPDX-License-Identifier: MIT */
/* bench_end.so, preloaded in front of every allocator alike, glibc's too: says whose malloc the program got, and at its end
 * how much memory is resident. Appends to BENCH_REPORT, and allocates nothing. Only the process that `measure` started
 * reports, BENCH_PID, not its children, which inherit the preload.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_BYTES 128
#define BYTES_PER_KIB 1024

static char report_path[PATH_MAX]; /* the program may change its environment; empty: this process does not report */
static pid_t reporter;

static void report(const char *name, long value)
{
    char line[LINE_BYTES];
    int length = snprintf(line, sizeof line, "%s %ld\n", name, value);
    int file = open(report_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (file < 0)
        return;
    /* A line that is lost is missed by who reads the report. */
    ssize_t written = write(file, line, (size_t)length);
    (void)written;
    close(file);
}

/* A program that is not position-independent and takes the address of malloc gives it one inside itself: that of a jump to
 * the real one, which is then what follows this library. */
static void *real_malloc(Dl_info *found)
{
    ElfW(Sym) *entry = NULL;
    void *symbol = dlsym(RTLD_DEFAULT, "malloc");
    if (symbol == NULL || dladdr1(symbol, found, (void **)&entry, RTLD_DL_SYMENT) == 0)
        return NULL;
    if (entry == NULL || entry->st_shndx != SHN_UNDEF)
        return symbol;
    symbol = dlsym(RTLD_NEXT, "malloc");
    return symbol != NULL && dladdr(symbol, found) != 0 ? symbol : NULL;
}

/* Files are compared, not their names: the same library has several. */
static int is_malloc_of(const char *wanted)
{
    Dl_info found;
    struct stat wanted_file;
    struct stat found_file;
    return real_malloc(&found) != NULL && stat(found.dli_fname, &found_file) == 0 && stat(wanted, &wanted_file) == 0 &&
           found_file.st_dev == wanted_file.st_dev && found_file.st_ino == wanted_file.st_ino;
}

__attribute__((constructor)) static void bench_begins(void)
{
    const char *process = getenv("BENCH_PID");
    const char *path = getenv("BENCH_REPORT");
    const char *wanted = getenv("BENCH_ALLOCATOR");
    reporter = getpid();
    if (process == NULL || path == NULL || wanted == NULL || strtol(process, NULL, 10) != (long)reporter)
        return;
    snprintf(report_path, sizeof report_path, "%s", path);
    report(is_malloc_of(wanted) ? "right_allocator" : "wrong_allocator", 1);
}

static long resident_pages(void)
{
    char text[LINE_BYTES];
    int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    if (length <= 0)
        return -1;
    text[length] = '\0';
    const char *second = strchr(text, ' ');
    return second == NULL ? -1 : strtol(second, NULL, 10);
}

__attribute__((destructor)) static void bench_ends(void)
{
    if (report_path[0] == '\0' || getpid() != reporter)
        return;
    long pages = resident_pages();
    if (pages > 0)
        report("end_kib", pages * (sysconf(_SC_PAGESIZE) / BYTES_PER_KIB));
}
