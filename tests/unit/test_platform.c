/* SPDX-License-Identifier: MIT */
/* Pages, mappings and threads as the platform layer tells of them. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "platform/env.h"
#include "platform/image.h"
#include "platform/pages.h"
#include "platform/thread.h"
#include "platform/vm.h"
#include "support.h"

#define PAGE 4096u

static char *map_pages(size_t pages)
{
    char *at = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(at, MAP_FAILED);
    madvise(at, pages * PAGE, MADV_NOHUGEPAGE); /* or a page that is written brings those around it */
    return at;
}

static void check_written_pages(struct page_reader *reader)
{
    char *at = map_pages(3000);
    at[5 * PAGE] = at[6 * PAGE] = at[2999 * PAGE] = 1;
    struct range found = gci_pages_next(reader, (uintptr_t)at, (uintptr_t)at + 3000 * PAGE, false);
    ck_assert_uint_eq(found.lo, (uintptr_t)at + 5 * PAGE);
    ck_assert_uint_eq(found.hi, (uintptr_t)at + 7 * PAGE);
    found = gci_pages_next(reader, found.hi, (uintptr_t)at + 3000 * PAGE, false);
    ck_assert_uint_eq(found.lo, (uintptr_t)at + 2999 * PAGE);
    found = gci_pages_next(reader, found.hi, (uintptr_t)at + 3000 * PAGE, false);
    ck_assert_uint_eq(range_bytes(found), 0);
    munmap(at, 3000 * PAGE);
}

START_TEST(written_pages_are_found)
{
    struct page_reader reader;
    ck_assert(gci_pages_open(&reader));
    check_written_pages(&reader);
    reader.has_scan = false; /* the way of older kernels */
    check_written_pages(&reader);
    gci_pages_close(&reader);
}
END_TEST

START_TEST(unreadable_memory_is_survived)
{
    struct page_reader reader;
    char copy[3 * PAGE];
    char *at = map_pages(3);
    memset(at, 'a', 3 * PAGE);
    mprotect(at + PAGE, PAGE, PROT_NONE);
    ck_assert(gci_pages_open(&reader));
    ck_assert(gci_pages_is_quick(&reader, (struct range){(uintptr_t)at, (uintptr_t)at + 3 * PAGE}));
    ck_assert_uint_eq(gci_pages_read(&reader, copy, (uintptr_t)at, 3 * PAGE), PAGE);
    ck_assert_uint_eq(gci_pages_read(&reader, copy, (uintptr_t)at + PAGE, PAGE), PAGE); /* nobody else may read it */
    ck_assert_mem_eq(copy, at, PAGE);
    ck_assert_uint_eq(gci_pages_read(&reader, copy, 16, PAGE), 0);
    errno = EDOM;
    ck_assert(gci_pages_is_readable((uintptr_t)at + PAGE - 1) && gci_pages_is_readable((uintptr_t)at + 2 * PAGE));
    ck_assert(!gci_pages_is_readable((uintptr_t)at + PAGE) && !gci_pages_is_readable(16));
    ck_assert(!gci_pages_is_readable(UINTPTR_MAX) && !gci_pages_is_readable(UINTPTR_MAX / 3));
    ck_assert_int_eq(errno, EDOM);
    munmap(at, 3 * PAGE);
    ck_assert_uint_eq(gci_pages_read(&reader, copy, (uintptr_t)at, PAGE), 0);
    gci_pages_close(&reader);
}
END_TEST

START_TEST(what_can_be_written_is_told_and_left_alone)
{
    char *at = map_pages(3);
    memset(at, 'a', PAGE);
    mprotect(at + PAGE, PAGE, PROT_READ);
    errno = EDOM;
    ck_assert(gci_pages_is_writable((uintptr_t)at) && gci_pages_is_writable((uintptr_t)at + PAGE - 1));
    ck_assert(!gci_pages_is_writable((uintptr_t)at + PAGE) && gci_pages_is_writable((uintptr_t)at + 2 * PAGE));
    ck_assert(!gci_pages_is_writable(16) && !gci_pages_is_writable(UINTPTR_MAX));
    for (size_t i = 0; i < PAGE; i++)
        ck_assert_int_eq(at[i], 'a');
    munmap(at, 3 * PAGE);
    ck_assert(!gci_pages_is_writable((uintptr_t)at));
    ck_assert_int_eq(errno, EDOM);
}
END_TEST

struct search {
    uintptr_t address;
    struct mapping found;
};

static void look(const struct mapping *mapping, void *data)
{
    struct search *search = data;
    if (range_contains(mapping->range, search->address))
        search->found = *mapping;
}

static struct mapping mapping_of(const void *address)
{
    struct search search = {.address = (uintptr_t)address};
    ck_assert(gci_image_each(look, &search));
    return search.found;
}

static int initialised = 1;

START_TEST(mappings_are_told_apart)
{
    int local;
    char *shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *closed = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_int_eq(mapping_of(&local).kind, MAPPING_STACK);
    ck_assert_int_eq(mapping_of(&initialised).kind, MAPPING_PRIVATE);
    ck_assert(mapping_of(&initialised).is_readable);
    ck_assert_int_eq(mapping_of(shared).kind, MAPPING_SHARED);
    ck_assert(!mapping_of(closed).is_readable);
}
END_TEST

static void *compare_stack(void *data)
{
    pthread_attr_t attributes;
    void *low;
    size_t bytes;
    struct range found = gci_thread_stack(data);
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &low, &bytes);
    pthread_attr_destroy(&attributes);
    /* Ours may include the guard below, which holds nothing. */
    return (void *)(uintptr_t)(found.hi == (uintptr_t)low + bytes && found.lo <= (uintptr_t)low);
}

START_TEST(stacks_of_threads_are_found)
{
    for (size_t kib = 64; kib <= 16384; kib *= 4) {
        pthread_t thread;
        pthread_attr_t attributes;
        void *agrees;
        bool is_kept = false;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, kib << 10);
        ck_assert_int_eq(pthread_create(&thread, &attributes, compare_stack, &is_kept), 0);
        pthread_join(thread, &agrees);
        ck_assert_ptr_nonnull(agrees);
        ck_assert(is_kept);
    }
    bool is_kept = true;
    ck_assert_uint_eq(gci_thread_stack(&is_kept).hi, 0); /* the main thread */
    ck_assert(range_contains(gci_thread_main_stack(), (uintptr_t)&is_kept));
    ck_assert(range_contains(gci_thread_main_stack(), getauxval(AT_RANDOM)));
    ck_assert(!is_kept);
}
END_TEST

START_TEST(a_stack_of_the_programs_is_not_kept)
{
    static char stack[1 << 20] __attribute__((aligned(4096)));
    pthread_t thread;
    pthread_attr_t attributes;
    void *agrees;
    bool is_kept = true;
    pthread_attr_init(&attributes);
    ck_assert_int_eq(pthread_attr_setstack(&attributes, stack, sizeof stack), 0);
    ck_assert_int_eq(pthread_create(&thread, &attributes, compare_stack, &is_kept), 0);
    pthread_join(thread, &agrees);
    ck_assert_ptr_nonnull(agrees);
    ck_assert(!is_kept);
}
END_TEST

static bool read_directly(void *to, uintptr_t from, size_t bytes)
{
    memcpy(to, (const void *)from, bytes);
    return true;
}

static void *tell_block(void *data)
{
    *(uintptr_t *)data = gci_thread_control_block();
    ck_assert_int_eq(gci_thread_block_owner(*(uintptr_t *)data, read_directly), BLOCK_OWNER_ALIVE);
    return NULL;
}

START_TEST(an_ended_thread_shows_in_its_block)
{
    pthread_t thread;
    uintptr_t block;
    char other[4096] = {0};
    pthread_create(&thread, NULL, tell_block, &block);
    pthread_join(thread, NULL);
    ck_assert_int_eq(gci_thread_block_owner(block, read_directly), BLOCK_OWNER_JOINED);
    ck_assert_int_eq(gci_thread_block_owner((uintptr_t)other, read_directly), BLOCK_OWNER_GONE);
}
END_TEST

static bool count_thread(uint32_t id, void *data)
{
    (void)id;
    ++*(uint32_t *)data;
    return true;
}

static void *wait_for_lock(void *lock)
{
    pthread_mutex_lock(lock);
    pthread_mutex_unlock(lock);
    return NULL;
}

START_TEST(all_threads_are_listed)
{
    pthread_t threads[50];
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    uint32_t count = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < 50; i++)
        pthread_create(&threads[i], NULL, wait_for_lock, &lock);
    ck_assert(gci_thread_each(count_thread, &count));
    ck_assert_uint_eq(count, 51);
    ck_assert_uint_eq(gci_thread_count(), 51);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < 50; i++)
        pthread_join(threads[i], NULL);
    ck_assert(gci_thread_is_alive(gci_thread_id()));
}
END_TEST

/* ---- Limits of groups --------------------------------------------------------------------------------------------- */

static char group_folder[64];
static char group_self[128];

static void write_file(const char *name, const char *content)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", group_folder, name);
    for (char *at = path + strlen(group_folder) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(path, 0777);
        *at = '/';
    }
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(content, file);
    fclose(file);
}

static void begin_group(const char *self)
{
    strcpy(group_folder, "/tmp/gcalloc-group.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(group_folder));
    write_file("self", self);
    snprintf(group_self, sizeof group_self, "%s/self", group_folder);
    gci_vm_group_files(group_self, group_folder);
}

static void end_group(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", group_folder);
    ck_assert_int_eq(system(command), 0);
}

START_TEST(the_tightest_of_nested_groups_counts)
{
    begin_group("0::/outer/inner\n");
    write_file("outer/memory.max", "1000000\n");
    write_file("outer/memory.stat", "anon 300000\nfile 500000\n");
    write_file("outer/inner/memory.max", "max\n");
    write_file("outer/inner/memory.stat", "anon 1\n");
    ck_assert_uint_eq(gci_vm_group_memory_left(), 600000);
    write_file("outer/inner/memory.max", "500000\n");
    write_file("outer/inner/memory.stat", "file 7\nanon 100000\n");
    ck_assert_uint_eq(gci_vm_group_memory_left(), 350000);
    write_file("outer/inner/memory.stat", "anon 600000\n");
    ck_assert_uint_eq(gci_vm_group_memory_left(), 0);
    end_group();
}
END_TEST

START_TEST(groups_of_the_first_version_count)
{
    begin_group("5:cpu,cpuacct:/x\n4:blkio,memory:/a/b\n0::/\n");
    write_file("memory/a/b/memory.stat", "rss 5\nhierarchical_memory_limit 2000000\ntotal_rss 800000\n");
    ck_assert_uint_eq(gci_vm_group_memory_left(), 1000000);
    write_file("memory/a/b/memory.stat", "hierarchical_memory_limit 9223372036854771712\ntotal_rss 800000\n");
    ck_assert_uint_eq(gci_vm_group_memory_left(), UINT64_MAX);
    end_group();
    begin_group("4:memory:/hidden\n");
    write_file("memory/memory.stat", "hierarchical_memory_limit 1000000\ntotal_rss 0\n");
    ck_assert_uint_eq(gci_vm_group_memory_left(), 900000);
    end_group();
}
END_TEST

START_TEST(without_groups_there_is_no_limit)
{
    begin_group("");
    ck_assert_uint_eq(gci_vm_group_memory_left(), UINT64_MAX);
    write_file("self", "nonsense\n:::\n0::\n7:memory\n0::/none\n");
    ck_assert_uint_eq(gci_vm_group_memory_left(), UINT64_MAX);
    end_group();
    gci_vm_group_files("/no/such/file", "/no/such/folder");
    ck_assert_uint_eq(gci_vm_group_memory_left(), UINT64_MAX);
}
END_TEST

/* A signal of writing would end the test. */
static void check_signals(const sigset_t *mask_before)
{
    sigset_t mask, pending;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    sigpending(&pending);
    for (int i = 1; i < SIGRTMIN; i++) {
        ck_assert_int_eq(sigismember(&mask, i), sigismember(mask_before, i));
        ck_assert_int_eq(sigismember(&pending, i), 0);
    }
}

START_TEST(what_cannot_be_written_sends_no_signal)
{
    int ends[2];
    sigset_t before;
    struct rlimit none = {0, RLIM_INFINITY}, any = {RLIM_INFINITY, RLIM_INFINITY};
    ck_assert(signal(SIGPIPE, SIG_DFL) != SIG_ERR && signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    ck_assert(!gci_env_write(ends[1], "line\n", 5) && errno == EPIPE);
    check_signals(&before);
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    setrlimit(RLIMIT_FSIZE, &none); /* Check writes files as well: nothing of its own until the limit is gone */
    bool is_refused = !gci_env_write(fileno(file), "line\n", 5) && errno == EFBIG;
    bool is_line_refused = !gci_env_append_line("too_large_for_its_limit", "line\n", 5);
    setrlimit(RLIMIT_FSIZE, &any);
    ck_assert(is_refused && is_line_refused);
    unlink("too_large_for_its_limit");
    check_signals(&before);
    fclose(file);
    close(ends[1]);
}
END_TEST

#define PIPE_BYTES 4096

static void *close_when_full(void *end)
{
    int bytes = 0;
    while (ioctl(*(int *)end, FIONREAD, &bytes) == 0 && bytes < PIPE_BYTES)
        sched_yield();
    close(*(int *)end);
    return NULL;
}

/* The kernel tells of the part, and sends the signal all the same. */
START_TEST(what_is_written_in_part_sends_no_signal)
{
    static const char bytes[3 * PIPE_BYTES];
    int ends[2];
    sigset_t before;
    pthread_t thread;
    ck_assert(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_ge(fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES), PIPE_BYTES);
    ck_assert_int_eq(pthread_create(&thread, NULL, close_when_full, &ends[0]), 0);
    ck_assert(!gci_env_write(ends[1], bytes, sizeof bytes) && errno == EPIPE);
    pthread_join(thread, NULL);
    check_signals(&before);
    close(ends[1]);
}
END_TEST

/* In a thread that blocks them, as ours do in a collection, one is left only where it was there before. */
START_TEST(signals_of_the_program_stay)
{
    int ends[2];
    sigset_t blocked, pending;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    ck_assert_int_eq(pipe(ends), 0);
    close(ends[0]);
    for (int is_sent = 0; is_sent <= 1; is_sent++) {
        if (is_sent != 0)
            raise(SIGPIPE);
        ck_assert(!gci_env_write(ends[1], "line\n", 5));
        sigpending(&pending);
        ck_assert_int_eq(sigismember(&pending, SIGPIPE), is_sent);
    }
    close(ends[1]);
}
END_TEST

MAKE_SUITE(env, what_cannot_be_written_sends_no_signal, what_is_written_in_part_sends_no_signal,
           signals_of_the_program_stay)
MAKE_SUITE(group, the_tightest_of_nested_groups_counts, groups_of_the_first_version_count,
           without_groups_there_is_no_limit)
MAKE_SUITE(pages, written_pages_are_found, unreadable_memory_is_survived, what_can_be_written_is_told_and_left_alone)
MAKE_SUITE(image, mappings_are_told_apart)
MAKE_SUITE(thread, stacks_of_threads_are_found, a_stack_of_the_programs_is_not_kept, an_ended_thread_shows_in_its_block,
           all_threads_are_listed)
