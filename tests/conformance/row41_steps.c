/* SPDX-License-Identifier: MIT */
/* Row 41, step by step: a thread is stopped after each instruction of its free, and others free in the middle of it. Of two frees
 * of one block the process ends with the line about it, or no harm is done: no two of the blocks that are handed out afterwards
 * are one. Each step is a child. */
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/wait.h>

#include "../stepping.h"
#include "conformance.h"

#define BYTES_BEFORE 40000 /* made first, and freed when all is over, so that slots beside them are handed out */
#define BYTES_AFTER 200000 /* handed out then: the slot that is freed twice is among them twice, if it can be */
#define BLOCKS_AFTER_MIN 50
#define AROUND 32 /* which live, but for those that are freed */
#define NEWEST (AROUND - 1)
#define OLDEST 0
#define FREES_MAX 3
#define PAIRS 300        /* of steps of two threads, by chance: all would take minutes */
#define LOCKED_FROM 2048 /* a free of another's block may wake it, under a lock, in which nobody can stay */
#define UNREACHED 3
#define WHOLE INT32_MAX /* not stopped at all */

/* The frees of a child: each begins in the middle of the one before it, after so many instructions of that. */
struct stepped_free {
    int block; /* of `around` */
    int instructions;
    bool by_maker;
    bool stays; /* in the middle, till all is over */
    sem_t may_begin, may_go_on;
};

static struct stepped_free frees[FREES_MAX];
static int free_count;
static void *(*make)(size_t bytes) = malloc;
static char *around[AROUND];
static char *before[BYTES_BEFORE / 16];
static char *blocks[BYTES_AFTER / 16 + BLOCKS_AFTER_MIN];
static __thread struct stepped_free *own;
static __thread volatile int instructions_left;

static void wait_for(sem_t *semaphore)
{
    while (sem_wait(semaphore) != 0)
        CHECK(errno == EINTR);
}

static void let_next_run(void)
{
    struct stepped_free *next = own + 1;
    if (next < frees + free_count) {
        sem_post(&next->may_begin);
        wait_for(&own->may_go_on);
    }
    if (own->stays) {
        sem_post(&own[-1].may_go_on);
        for (;;)
            pause();
    }
}

static void on_trap(int signal, siginfo_t *info, void *data)
{
    (void)signal;
    (void)info;
    if (instructions_left-- > 0)
        return;
    end_steps_of(data);
    let_next_run();
}

static void *run_free(void *data)
{
    own = data;
    free(malloc(1)); /* the thread's first request makes what it needs */
    wait_for(&own->may_begin);
    instructions_left = own->instructions;
    if (own->instructions < WHOLE)
        begin_steps();
    free(around[own->block]);
    if (own->instructions < WHOLE)
        end_steps();
    if (own == frees && instructions_left >= 0)
        _exit(UNREACHED);
    if (instructions_left >= 0)
        let_next_run();
    if (own != frees)
        sem_post(&own[-1].may_go_on);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    const char *one = *(char *const *)a, *other = *(char *const *)b;
    return (one > other) - (one < other);
}

static void check_all_differ(size_t bytes)
{
    size_t count = BYTES_AFTER / bytes + BLOCKS_AFTER_MIN;
    for (size_t i = 0; i < count; i++) {
        CHECK((blocks[i] = make(bytes)) != NULL);
        for (size_t j = 0; i == 0 && j < BYTES_BEFORE / bytes; j++)
            free(before[j]);
    }
    qsort(blocks, count, sizeof *blocks, compare);
    for (size_t i = 1; i < count; i++)
        CHECK(blocks[i] - blocks[i - 1] >= (ptrdiff_t)bytes);
}

static void *free_block(void *block)
{
    free(block);
    return NULL;
}

/* That others have freed something of the block before is known to it. */
static void make_blocks(size_t bytes, bool knows_others)
{
    pthread_t thread;
    for (size_t i = 0; i < BYTES_BEFORE / bytes; i++)
        CHECK((before[i] = make(bytes)) != NULL);
    for (int i = 0; i < AROUND; i++)
        CHECK((around[i] = make(bytes)) != NULL);
    CHECK(pthread_create(&thread, NULL, free_block,
                         knows_others ? around[frees[0].block == OLDEST ? OLDEST + 1 : NEWEST - 1] : NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* A child's life. The calling thread is the maker. */
static void free_all(size_t bytes, bool knows_others)
{
    pthread_t threads[FREES_MAX];
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGTRAP, &action, NULL) == 0);
    make_blocks(bytes, knows_others);
    for (int i = 0; i < free_count; i++) {
        CHECK(sem_init(&frees[i].may_begin, 0, 0) == 0 && sem_init(&frees[i].may_go_on, 0, 0) == 0);
        if (!frees[i].by_maker)
            CHECK(pthread_create(&threads[i], NULL, run_free, &frees[i]) == 0);
    }
    sem_post(&frees[0].may_begin);
    for (int i = 0; i < free_count; i++)
        if (frees[i].by_maker)
            run_free(&frees[i]);
    for (int i = 0; i < free_count; i++)
        if (!frees[i].by_maker && !frees[i].stays)
            CHECK(pthread_join(threads[i], NULL) == 0);
    check_all_differ(bytes);
    _exit(0);
}

static int seen, harmless;

/* False: the first free has fewer instructions. */
static bool try_once(size_t bytes, bool knows_others)
{
    int status;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(60); /* instead of waiting for ever */
        close(STDERR_FILENO);
        free_all(bytes, knows_others);
    }
    CHECK(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == UNREACHED)
        return false;
    bool is_seen = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
    if (!is_seen && !(WIFEXITED(status) && WEXITSTATUS(status) == 0)) {
        fprintf(stderr,
                "%zu bytes, block %d, others %sknown, %d instructions of %s, %d frees, %d of the second: status 0x%x\n",
                bytes, frees[0].block, knows_others ? "" : "not ", frees[0].instructions,
                frees[0].by_maker ? "its maker" : "another", free_count, frees[1].instructions, status);
        exit(1);
    }
    seen += is_seen;
    harmless += !is_seen;
    return true;
}

#define SIZES 4
static const size_t sizes[SIZES] = {16, 100, 3000, 20000};

/* The maker frees in the middle of another's free, or another in the middle of the maker's. The first one's instructions. */
static int try_each_step(size_t bytes, int block, bool knows_others, bool maker_is_first)
{
    int instructions = 0;
    free_count = 2;
    frees[0] = (struct stepped_free){.block = block, .by_maker = maker_is_first};
    frees[1] = (struct stepped_free){.block = block, .instructions = WHOLE, .by_maker = !maker_is_first};
    do
        frees[0].instructions = instructions++;
    while (try_once(bytes, knows_others));
    return instructions;
}

/* The maker frees; in the middle of that another begins to free another block, and stays in the middle of that; a third frees
 * what the maker frees. */
static void try_with_bystander(size_t bytes, int maker, int bystander)
{
    free_count = 3;
    frees[0] = (struct stepped_free){.block = NEWEST, .instructions = maker, .by_maker = true};
    frees[1] = (struct stepped_free){.block = NEWEST - 1, .instructions = bystander, .stays = true};
    frees[2] = (struct stepped_free){.block = NEWEST, .instructions = WHOLE};
    try_once(bytes, false);
}

static void try_all_of(size_t bytes, uint64_t *seed)
{
    int steps[2];
    for (int is_first = 0; is_first < 2; is_first++)
        for (int knows_others = 1; knows_others >= 0; knows_others--) {
            try_each_step(bytes, OLDEST, knows_others, is_first);
            steps[is_first] = try_each_step(bytes, NEWEST, knows_others, is_first);
        }
    for (int i = 0; i < PAIRS && bytes < LOCKED_FROM; i++)
        try_with_bystander(bytes, (int)(next_random(seed) % (uint64_t)steps[1]),
                           (int)(next_random(seed) % (uint64_t)steps[0]));
}

/* gca_layout of an array of such pairs: the program is linked without the library as well. */
static const size_t offset_of_pointer = 8;
static const struct {
    size_t bytes, count;
    const size_t *offsets;
} layout = {16, 1, &offset_of_pointer};

static void *(*malloc_typed)(size_t bytes, const void *layout);

/* It has a header, so that a free goes the long way. */
static void *make_typed(size_t bytes)
{
    return malloc_typed(bytes, &layout);
}

#define TYPED_BYTES 96

/* With TEST_SIZES=N, only the first N of the sizes. */
int main(void)
{
    const char *given = getenv("TEST_SEED"), *chosen = getenv("TEST_SIZES");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : (uint64_t)getpid() << 20 | 1;
    if (!collect())
        return 0;    /* the C library promises nothing of this */
    free(malloc(1)); /* the dynamic linker looks it up */
    printf("TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    for (int i = 0; i < (chosen != NULL ? atoi(chosen) : SIZES); i++)
        try_all_of(sizes[i], &seed);
    void *symbol = dlsym(RTLD_DEFAULT, "gca_malloc_typed");
    memcpy(&malloc_typed, &symbol, sizeof malloc_typed);
    make = make_typed;
    for (int is_first = 0; is_first < 2 && chosen == NULL; is_first++)
        try_each_step(TYPED_BYTES, NEWEST, true, is_first);
    printf("%d were seen, %d did no harm\n", seen, harmless);
    CHECK(seen != 0);
    return 0;
}
