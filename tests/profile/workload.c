/* SPDX-License-Identifier: MIT */
/* workload WHAT [FILE]: allocates known numbers of blocks in functions of known names; test_profile.py counts them. */
#include <dlfcn.h>
#include <errno.h>
#include <gcalloc/profile.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))
#define KEEP(block) __asm__ volatile("" : : "r"(block) : "memory")
#define COUNT 1000
#define MIB ((size_t)1 << 20)

static void *kept[8 * COUNT];
static size_t kept_count;

static void keep(void *block)
{
    if (block == NULL)
        exit(3);
    kept[kept_count++] = block;
}

/* Each makes COUNT blocks and frees half of them. */
static NOINLINE void from_malloc(void)
{
    for (int i = 0; i < COUNT; i++)
        keep(malloc(24));
}

static NOINLINE void from_calloc(void)
{
    for (int i = 0; i < COUNT; i++)
        keep(calloc(3, 50));
}

static NOINLINE void from_aligned(void)
{
    for (int i = 0; i < COUNT; i++)
        keep(aligned_alloc(256, 300));
}

static NOINLINE void from_strdup(void)
{
    for (int i = 0; i < COUNT; i++)
        keep(strdup("0123456789"));
}

static NOINLINE void from_large(void)
{
    for (int i = 0; i < 20; i++)
        keep(malloc(MIB + 1));
}

static NOINLINE void from_nothing(void)
{
    for (int i = 0; i < COUNT; i++)
        keep(malloc(0));
}

/* Grows in its place and moves, shrinks in its place, large in its place: five allocations for each block, four frees. */
static NOINLINE void from_realloc(void)
{
    for (int i = 0; i < 100; i++) {
        void *block = realloc(NULL, 100);
        block = realloc(block, 110);
        block = realloc(block, 10000);
        block = realloc(block, 100000);
        block = realloc(block, 90000);
        keep(block);
    }
}

static void *allocate_beside(void *data)
{
    (void)data;
    void *blocks[250];
    for (int i = 0; i < 250; i++)
        blocks[i] = malloc(80);
    for (int i = 0; i < 125; i++)
        free(blocks[i]);
    void **left = malloc(125 * sizeof *left);
    memcpy(left, blocks + 125, 125 * sizeof *left);
    return left;
}

/* Half is freed by the thread that made it, the rest by another. */
static NOINLINE void from_threads(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, allocate_beside, NULL);
    for (int i = 0; i < 4; i++) {
        void *left;
        pthread_join(threads[i], &left);
        for (int k = 0; k < 125; k++)
            free(((void **)left)[k]);
        keep(left);
    }
}

static NOINLINE void free_half(size_t from)
{
    for (size_t i = from; i < kept_count; i += 2)
        free(kept[i]);
}

static NOINLINE void drop(void)
{
    for (int i = 0; i < COUNT; i++) {
        void *volatile block = malloc(700);
        KEEP(block);
    }
}

static NOINLINE void drop_nothing(void)
{
    for (int i = 0; i < COUNT; i++) {
        void *volatile block = malloc(0);
        KEEP(block);
    }
}

/* Nothing of what was called before has left on the stack stays there. */
static NOINLINE void clear_stack(void)
{
    char bytes[16 * 1024];
    memset(bytes, 0, sizeof bytes);
    KEEP(bytes);
}

static void exact(void)
{
    static void (*const sources[])(void) = {from_malloc, from_calloc,  from_aligned, from_strdup,
                                            from_large,  from_nothing, from_realloc};
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        size_t from = kept_count;
        sources[i]();
        free_half(from);
    }
    from_threads();
}

#define LIVES 20000
#define LIFE_NS 8000000

static void wait_ns(long ns)
{
    const struct timespec time = {0, ns};
    nanosleep(&time, NULL);
}

/* LIVES blocks of each live for no time, and for longer than LIFE_NS; a tenth of those lives on. */
static NOINLINE void live_briefly(void)
{
    for (int i = 0; i < LIVES; i++) {
        void *volatile block = malloc(40);
        free(block);
    }
}

static NOINLINE void live_on(void)
{
    enum { BATCH = 5000 };
    static void *blocks[BATCH];
    for (int done = 0; done < LIVES; done += BATCH) {
        for (int i = 0; i < BATCH; i++)
            blocks[i] = malloc(56);
        wait_ns(LIFE_NS);
        for (int i = 0; i < BATCH; i++)
            if (i % 10 == 0)
                kept[kept_count++] = blocks[i];
            else
                free(blocks[i]);
    }
}

static void lives(void)
{
    live_briefly();
    live_on();
    wait_ns(8 * LIFE_NS); /* all that is left is as old */
}

/* More threads than have rows of their own, so that the last ones share some. */
#define CROWD 1100
#define STACK_BYTES ((size_t)256 << 10)

static NOINLINE void *from_crowd(void *data)
{
    for (int i = 0; i < COUNT; i++) {
        void *volatile block = malloc(24);
        free(block);
    }
    return data;
}

/* So far below the stack's top. */
static void *from_depth(void *bytes)
{
    return from_crowd(__builtin_alloca(*(size_t *)bytes));
}

static void run_thread(void *stack, size_t stack_bytes, void *(*start)(void *data), void *data)
{
    pthread_t thread;
    pthread_attr_t attributes;
    if (stack == MAP_FAILED || pthread_attr_init(&attributes) != 0 ||
        pthread_attr_setstack(&attributes, stack, stack_bytes) != 0 ||
        pthread_create(&thread, &attributes, start, data) != 0)
        exit(3);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
}

/* The last two allocate at one place: above what is all of the second's stack, the first's had callers. */
static void crowd(void)
{
    char *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t depth = STACK_BYTES / 2 + 4096;
    for (int i = 0; i < CROWD; i++)
        run_thread(stack, STACK_BYTES, from_crowd, NULL);
    run_thread(stack, STACK_BYTES, from_depth, &depth);
    depth = 4096;
    if (mprotect(stack + STACK_BYTES / 2, STACK_BYTES / 2, PROT_NONE) != 0)
        exit(3);
    run_thread(stack, STACK_BYTES / 2, from_depth, &depth);
}

static void reclaimed(void)
{
    drop();
    drop_nothing();
    clear_stack();
    gca_collect();
    gca_collect();
}

static NOINLINE void in_child(void)
{
    for (int i = 0; i < 300; i++)
        keep(malloc(64));
}

static void forks(void)
{
    from_malloc();
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        in_child();
        exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (status != 0)
        exit(4);
    printf("%ld\n", (long)child);
}

static void killed(void)
{
    for (;;) {
        from_malloc();
        for (size_t i = 0; i < kept_count; i++)
            free(kept[i]);
        kept_count = 0;
        if (clock() > 3 * CLOCKS_PER_SEC / 2)
            kill(getpid(), SIGKILL);
    }
}

static NOINLINE void leak(void)
{
    for (int i = 0; i < COUNT; i++) {
        void **block = malloc(40);
        if (block != NULL)
            *block = malloc(60);
        KEEP(block);
    }
}

static void end_now(int signal)
{
    (void)signal;
    _exit(0);
}

static void exit_now(int signal)
{
    (void)signal;
    exit(0);
}

/* In a handler on an alternate stack of the usual size, most of which the signal's frame takes: 8 KiB on machines whose frames
 * are of 3.5 KiB. */
#define HANDLERS_SHARE_BYTES 4608
static void end_on_small_stack(void (*handler)(int signal))
{
    const struct sigaction action = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
    size_t bytes = getauxval(AT_MINSIGSTKSZ) + HANDLERS_SHARE_BYTES;
    char *memory = mmap(NULL, 1 << 17, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = {.ss_sp = memory + (1 << 16), .ss_size = bytes};
    if (memory != MAP_FAILED && mprotect(memory, 1 << 16, PROT_NONE) == 0 && sigaltstack(&stack, NULL) == 0 &&
        sigaction(SIGUSR1, &action, NULL) == 0)
        raise(SIGUSR1);
}

static void *end_beside(void *data)
{
    _exit(data != NULL);
}

static void end_on_another_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, end_beside, NULL) == 0)
        pthread_join(thread, NULL);
}

static pthread_barrier_t together;

static void *end_with_others(void *data)
{
    pthread_barrier_wait(&together);
    _exit(data != NULL);
}

/* Who comes second must not end the process while the first one completes the file. */
static void end_on_all_threads(void)
{
    pthread_barrier_init(&together, NULL, 5);
    for (int i = 0; i < 4; i++) {
        pthread_t thread;
        pthread_create(&thread, NULL, end_with_others, NULL);
    }
    end_with_others(NULL);
}

/* All that is there has been allocated at once: nothing comes afterwards that could tell of it. */
static void ends(const char *how)
{
    from_malloc();
    leak();
    clear_stack();
    if (strcmp(how, "_exit") == 0)
        _exit(0);
    else if (strcmp(how, "_Exit") == 0)
        _Exit(0);
    else if (strcmp(how, "quick_exit") == 0)
        quick_exit(0);
    else if (strcmp(how, "beside") == 0)
        end_on_another_thread();
    else if (strcmp(how, "together") == 0)
        end_on_all_threads();
    else if (strcmp(how, "in_handler") == 0 && signal(SIGUSR1, end_now) != SIG_ERR)
        raise(SIGUSR1);
    else if (strcmp(how, "small_stack") == 0)
        end_on_small_stack(end_now);
    else if (strcmp(how, "exit_small_stack") == 0)
        end_on_small_stack(exit_now);
    else if (strcmp(how, "exec") == 0)
        execl("/bin/true", "true", (char *)NULL);
    else if (strcmp(how, "exec_fails") == 0 && execl("/no/such/program", "program", (char *)NULL) != 0)
        return;
    else if (strcmp(how, "idle") == 0 && usleep(1800000) == 0)
        kill(getpid(), SIGKILL);
    else if (strcmp(how, "vfork") == 0 && vfork() == 0)
        _exit(0);
}

static void *(*module_function(void *module))(void)
{
    void *symbol = module == NULL ? NULL : dlsym(module, "module_allocates");
    void *(*function)(void);
    memcpy(&function, &symbol, sizeof function);
    if (symbol == NULL)
        exit(11);
    return function;
}

/* The module is gone when the next moment is written. */
static void use_module(const char *path)
{
    for (int i = 0; i < 50; i++) {
        void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        keep(module_function(module)());
        dlclose(module);
    }
}

static NOINLINE void use_other_module(const char *path)
{
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *(*allocate)(void) = module_function(module);
    for (int i = 0; i < 30; i++)
        keep(allocate());
    dlclose(module);
}

static void full_disk(void)
{
    struct rlimit limit = {6000, 6000};
    setrlimit(RLIMIT_FSIZE, &limit);
    exact();
    puts("goes on");
}

/* When the peak is told of there is no room, and at the end there is again. */
static void full_for_a_while(void)
{
    struct rlimit limit = {6000, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    exact();
    gca_profile_dump(NULL);
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
}

/* ---- Orders by a signal ------------------------------------------------------------------------------------------- */

static volatile int is_over;

static void *churn(void *unused)
{
    while (!is_over) {
        void *block = malloc(100);
        KEEP(block);
        free(block);
    }
    return unused;
}

/* Who is just writing the profile makes the order wait. */
static void order(int is_on)
{
    kill(getpid(), SIGUSR2);
    while ((gca_profile_set_rate(0) == 0) != is_on)
        usleep(1000);
}

/* In the first profile from_malloc, in the second from_strdup, while other threads are in the middle of samples. */
static void ordered(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, churn, NULL);
    from_malloc();
    order(0);
    from_calloc();
    order(1);
    from_strdup();
    for (int i = 0; i < 10; i++) {
        order(0);
        order(1);
    }
    is_over = 1;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

static void own_handler(int signal)
{
    _exit(signal);
}

static void takes_signal(void)
{
    signal(SIGUSR2, own_handler);
    raise(SIGUSR2);
}

static NOINLINE void sampled(size_t bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        void *block = malloc(bytes);
        KEEP(block);
        free(block);
    }
}

/* The same bytes in sizes of which a sample stands for many, for some, and for hardly more than one. */
#define ESTIMATED_BYTES (16 * MIB)

static NOINLINE void of_small(void)
{
    sampled(64, ESTIMATED_BYTES / 64);
}

static NOINLINE void of_middle(void)
{
    sampled(4096, ESTIMATED_BYTES / 4096);
}

static NOINLINE void of_large(void)
{
    sampled(MIB / 32, ESTIMATED_BYTES / (MIB / 32));
}

static void estimated(void)
{
    of_small();
    KEEP(kept);
    of_middle();
    KEEP(kept);
    of_large();
    KEEP(kept);
}

static void many(void)
{
    static const size_t sizes[] = {16, 200, 5000, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        sampled(sizes[i], 400 * MIB / 4 / sizes[i]);
}

/* Starts, stops and dumps by itself. */
static void by_hand(const char *folder)
{
    char path[3][4096];
    for (int i = 0; i < 3; i++)
        snprintf(path[i], sizeof path[i], "%s/hand%d", folder, i);
    struct gca_profile_options options = {
        .size = sizeof options, .level = GCA_PROFILE_FULL, .rate_bytes = 0, .path = path[0]};
    if (gca_profile_stop() != ESRCH || gca_profile_dump(path[1]) != ESRCH || gca_profile_set_rate(1) != ESRCH)
        exit(5);
    from_malloc();
    if (gca_profile_start(&options) != 0 || gca_profile_start(&options) != EBUSY)
        exit(6);
    from_calloc();
    if (gca_profile_dump(path[1]) != 0 || gca_profile_dump(path[1]) != EEXIST || gca_profile_dump(NULL) != 0)
        exit(7);
    from_calloc();
    if (gca_profile_stop() != 0 || gca_profile_start(&options) != EEXIST)
        exit(8);
    from_calloc();
    free_half(0);
    options.path = path[2];
    if (gca_profile_start(&options) != 0)
        exit(9);
    for (size_t i = 1; i < kept_count; i += 2)
        free(kept[i]);
    kept_count = 0;
    from_strdup();
    options.level = 77;
    if (gca_profile_start(&options) != EINVAL || gca_profile_stop() != 0)
        exit(10);
}

int main(int count, char **words)
{
    const char *what = count > 1 ? words[1] : "";
    if (strcmp(what, "exact") == 0)
        exact();
    else if (strcmp(what, "lives") == 0)
        lives();
    else if (strcmp(what, "crowd") == 0)
        crowd();
    else if (strcmp(what, "reclaimed") == 0)
        reclaimed();
    else if (strcmp(what, "forks") == 0)
        forks();
    else if (strcmp(what, "killed") == 0)
        killed();
    else if (strcmp(what, "full_disk") == 0)
        full_disk();
    else if (strcmp(what, "full_for_a_while") == 0)
        full_for_a_while();
    else if (strcmp(what, "ordered") == 0)
        ordered();
    else if (strcmp(what, "ordered_once") == 0)
        order(1);
    else if (strcmp(what, "takes_signal") == 0)
        takes_signal();
    else if (strcmp(what, "many") == 0)
        many();
    else if (strcmp(what, "estimated") == 0)
        estimated();
    else if (strcmp(what, "ends") == 0 && count > 2)
        ends(words[2]);
    else if (strcmp(what, "module") == 0 && count > 2)
        use_module(words[2]);
    else if (strcmp(what, "modules") == 0 && count > 3)
        use_module(words[2]), use_other_module(words[3]); /* where the first one was */
    else if (strcmp(what, "by_hand") == 0 && count > 2)
        by_hand(words[2]);
    else
        return 2;
    return 0;
}
