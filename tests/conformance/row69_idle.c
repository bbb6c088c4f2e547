/* SPDX-License-Identifier: MIT */
/* Row 69: a process that sleeps gives back what it has freed, without another call; calls that wait notice nothing. Each
 * scene but the first runs in a child of its own, all at once; the first shows it without fork. */
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "conformance.h"

#define BURST_BYTES ((size_t)200 << 20)
#define SMALL_BURST_BYTES ((size_t)64 << 20)
#define BLOCKS 400000
#define PAGE 4096
#define SECOND 1000000000LL
#define GIVEN_BACK_MS 2500

static int is_tested; /* under gcalloc; else only the calls are looked at */

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static void sleep_ms(long ms)
{
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    struct timespec left = {7, 7};
    long long began = now_ns();
    errno = 77;
    CHECK(nanosleep(&time, &left) == 0);
    CHECK(errno == 77 && left.tv_sec == 7 && left.tv_nsec == 7);
    CHECK(now_ns() - began >= ms * 1000000LL);
}

/* ---- A burst ------------------------------------------------------------------------------------------------------ */

struct burst {
    unsigned char **blocks;
    size_t count;
    uint64_t random;
    size_t before;
    size_t full;
};

static size_t mixed_size(uint64_t random)
{
    return (random >> 20) % ((size_t)64 << random % (random % 64 == 0 ? 14 : 8)) + 1;
}

static size_t small_size(uint64_t random)
{
    return 16 + (random >> 20) % 200;
}

static struct burst make_burst(size_t bytes, size_t (*size_of)(uint64_t), uint64_t seed)
{
    struct burst burst = {.random = seed * 2654435761u + 1};
    burst.blocks = mmap(NULL, BLOCKS * sizeof *burst.blocks, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    CHECK(burst.blocks != MAP_FAILED);
    burst.before = resident_bytes();
    for (size_t total = 0; total < bytes && burst.count < BLOCKS; burst.count++) {
        size_t size = size_of(next_random(&burst.random));
        burst.blocks[burst.count] = malloc(size);
        CHECK(burst.blocks[burst.count] != NULL);
        memset(burst.blocks[burst.count], (int)(burst.count % 255 + 1), size);
        total += size;
    }
    burst.full = resident_bytes();
    return burst;
}

/* Leaves one block in `share`, at random; 0: none. */
static void free_burst(struct burst *burst, uint64_t share)
{
    for (size_t i = 0; i < burst->count; i++) {
        if (share != 0 && next_random(&burst->random) % share == 0)
            continue;
        free(burst->blocks[i]);
        burst->blocks[i] = NULL;
    }
}

static void check_given_back(const char *scene, const struct burst *burst, size_t left)
{
    size_t after = resident_bytes();
    printf("%s: %zu KiB before, %zu full, %zu after; %zu allowed\n", scene, burst->before / 1024, burst->full / 1024,
           after / 1024, (burst->before + left) / 1024);
    fflush(stdout);
    if (is_tested)
        CHECK(after <= burst->before + left);
}

static void check_all_given_back(const char *scene, const struct burst *burst)
{
    check_given_back(scene, burst, (burst->full - burst->before) / 20);
}

/* ---- Scenes ------------------------------------------------------------------------------------------------------- */

static void all_freed(void)
{
    struct burst burst = make_burst(BURST_BYTES, mixed_size, 1);
    free_burst(&burst, 0);
    sleep_ms(GIVEN_BACK_MS);
    check_all_given_back("all freed", &burst);
}

static void child_after_burst(void)
{
    struct burst burst = make_burst(BURST_BYTES / 4, mixed_size, 2);
    free_burst(&burst, 0);
    pid_t child = fork();
    if (child == 0) {
        struct burst own = make_burst(BURST_BYTES / 4, mixed_size, 3);
        own.before = burst.before + BLOCKS * sizeof *own.blocks; /* what the parent has freed is there still */
        free_burst(&own, 0);
        sleep_ms(GIVEN_BACK_MS);
        check_all_given_back("child of fork", &own);
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    check_all_given_back("parent", &burst);
}

static int compare(const void *a, const void *b)
{
    uintptr_t left = *(const uintptr_t *)a;
    uintptr_t right = *(const uintptr_t *)b;
    return (left > right) - (left < right);
}

/* Pages that hold something of a block. */
static size_t live_pages(const struct burst *burst, uintptr_t *pages)
{
    size_t count = 0;
    size_t different = 0;
    for (size_t i = 0; i < burst->count; i++) {
        uintptr_t at = (uintptr_t)burst->blocks[i];
        if (at == 0)
            continue;
        pages[count++] = at / PAGE;
        pages[count++] = (at + malloc_usable_size(burst->blocks[i]) - 1) / PAGE;
    }
    qsort(pages, count, sizeof *pages, compare);
    for (size_t i = 0; i < count; i++)
        different += i == 0 || pages[i] != pages[i - 1];
    return different;
}

static void few_left(void)
{
    size_t bytes = 2 * BLOCKS * sizeof(uintptr_t);
    uintptr_t *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    CHECK(pages != MAP_FAILED);
    struct burst burst = make_burst(SMALL_BURST_BYTES, small_size, 4);
    free_burst(&burst, 100);
    size_t live = live_pages(&burst, pages) * PAGE;
    sleep_ms(GIVEN_BACK_MS);
    check_given_back("one in a hundred left", &burst, live + live / 5);
    for (size_t i = 0; i < burst.count; i++)
        CHECK(burst.blocks[i] == NULL || burst.blocks[i][0] == (unsigned char)(i % 255 + 1));
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int idle_threads;
static int may_end;
static struct burst bursts[2];

static void *burst_and_wait(void *number)
{
    struct burst *burst = &bursts[(uintptr_t)number];
    *burst = make_burst(BURST_BYTES / 4, small_size, 5 + (uintptr_t)number);
    free_burst(burst, 0);
    pthread_mutex_lock(&mutex);
    idle_threads++;
    pthread_cond_broadcast(&condition);
    while (!may_end)
        pthread_cond_wait(&condition, &mutex);
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void threads_wait(void)
{
    pthread_t threads[2];
    struct burst both = {.before = resident_bytes() + 2 * BLOCKS * sizeof(void *)};
    for (uintptr_t i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, burst_and_wait, (void *)i) == 0);
    pthread_mutex_lock(&mutex);
    while (idle_threads < 2)
        pthread_cond_wait(&condition, &mutex);
    pthread_mutex_unlock(&mutex);
    both.full = both.before + BURST_BYTES / 2;
    sleep_ms(GIVEN_BACK_MS);
    check_all_given_back("two threads wait", &both);
    pthread_mutex_lock(&mutex);
    may_end = 1;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

static int ends[2];

/* Behind the C library's back, as some libraries' own threads do. */
static void *block_all(void *data)
{
    uint64_t all = ~UINT64_C(0);
    char byte;
    free(malloc(100));
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof all);
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x');
    return data;
}

static void *write_later(void *descriptor)
{
    sleep_ms(GIVEN_BACK_MS);
    CHECK(write(*(int *)descriptor, "x", 1) == 1);
    return NULL;
}

static void beside_deaf_thread(void)
{
    pthread_t thread;
    CHECK(pipe(ends) == 0);
    CHECK(pthread_create(&thread, NULL, block_all, NULL) == 0);
    struct burst burst = make_burst(BURST_BYTES / 4, mixed_size, 7);
    free_burst(&burst, 0);
    sleep_ms(GIVEN_BACK_MS);
    check_all_given_back("beside a thread that blocks signals", &burst);
    CHECK(write(ends[1], "x", 1) == 1);
    pthread_join(thread, NULL);
}

/* Ticks come while the one thread is in each of the calls. */
static void calls_notice_nothing(void)
{
    struct burst burst = make_burst(BURST_BYTES / 4, mixed_size, 8);
    int descriptors[2];
    char byte;
    pthread_t writer;
    CHECK(pipe(descriptors) == 0);
    struct pollfd wanted = {.fd = descriptors[0], .events = POLLIN};
    free_burst(&burst, 2);
    long long began = now_ns();
    errno = 77;
    CHECK(poll(&wanted, 1, GIVEN_BACK_MS) == 0 && errno == 77);
    CHECK(now_ns() - began >= GIVEN_BACK_MS * 1000000LL);
    free_burst(&burst, 0);
    CHECK(pthread_create(&writer, NULL, write_later, &descriptors[1]) == 0);
    errno = 77;
    CHECK(read(descriptors[0], &byte, 1) == 1 && byte == 'x' && errno == 77);
    pthread_join(writer, NULL);
    check_all_given_back("poll and read", &burst);
}

/* A tick is due when the program, as many do, gives every signal its default back: that would end it. */
static void signals_are_reset(void)
{
    struct burst burst = make_burst(BURST_BYTES / 4, mixed_size, 9);
    free_burst(&burst, 0);
    for (int number = 1; number <= SIGRTMAX; number++)
        signal(number, SIG_DFL);
    sleep_ms(GIVEN_BACK_MS);
}

int main(void)
{
    static void (*const scenes[])(void) = {child_after_burst,    few_left,         threads_wait, beside_deaf_thread,
                                           calls_notice_nothing, signals_are_reset};
    enum { SCENES = sizeof scenes / sizeof scenes[0] };
    pid_t children[SCENES];
    is_tested = collect();
    for (size_t i = 0; i < SCENES; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0) {
            scenes[i]();
            _exit(0);
        }
    }
    all_freed();
    for (size_t i = 0; i < SCENES; i++) {
        int status;
        CHECK(waitpid(children[i], &status, 0) == children[i] && status == 0);
    }
    return 0;
}
