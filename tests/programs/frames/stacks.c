/* SPDX-License-Identifier: MIT */
/* Walks on stacks of every kind: the main thread's, other threads', coroutines', alternate ones, small ones between pages that
 * cannot be read; through callbacks of the C library and libraries that come and go; each compared with the compiler's own
 * unwinder. Then what only must not crash: stacks that hold no frames. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "compare.h"

static int failures;
static int compared;

/* Whether this stack, from the caller on, is the same for both, and not a single frame. */
static NOINLINE void compare(const char *where)
{
    static __thread struct stack ours, theirs;
    errno = 12345;
    walk_ours(&ours);
    bool is_same = errno == 12345;
    walk_theirs(&theirs);
    theirs.addresses[0] = ours.addresses[0]; /* the place in this function */
    is_same = is_same && is_same_stack(&ours, &theirs) && ours.count >= 2;
    __atomic_add_fetch(&compared, 1, __ATOMIC_RELAXED);
    if (!is_same && __atomic_add_fetch(&failures, 1, __ATOMIC_RELAXED) < 6) {
        fprintf(stderr, "%s: ours (%zu), theirs (%zu), errno %d:\n", where, ours.count, theirs.count, errno);
        print_both(&ours, &theirs);
    }
}

/* ---- Functions ---------------------------------------------------------------------------------------------------- */

static NOINLINE int recurse(int n, const char *where)
{
    volatile int local = n;
    if (n == 0)
        compare(where);
    else
        local += recurse(n - 1, where);
    return local;
}

static NOINLINE void in_large_frame(void)
{
    volatile char bytes[3 << 20];
    bytes[0] = bytes[sizeof bytes - 1] = 1;
    compare("large frame");
    bytes[1] = bytes[0];
}

static NOINLINE void in_dynamic_frame(int n)
{
    volatile char bytes[n];
    bytes[n - 1] = 1;
    compare("dynamic frame");
    bytes[0] = bytes[n - 1];
}

static NOINLINE void in_aligned_frame(int n)
{
    volatile _Alignas(256) char bytes[512];
    volatile char more[n];
    bytes[0] = more[n - 1] = 1;
    recurse(3, "aligned frame");
    bytes[1] = more[0] = bytes[0];
}

static int by_value(const void *a, const void *b)
{
    compare("callback");
    return *(const int *)a - *(const int *)b;
}

static NOINLINE void call_back(void)
{
    int values[] = {3, 1, 2};
    qsort(values, 3, sizeof *values, by_value);
    bsearch(&values[1], values, 3, sizeof *values, by_value);
}

static jmp_buf back;

static NOINLINE __attribute__((noreturn)) void never_returns(void)
{
    compare("call at the end of a function");
    longjmp(back, 1);
}

static NOINLINE void end_with_call(void)
{
    never_returns();
}

static void call_all(void)
{
    recurse(0, "plain");
    recurse(400, "recursion");
    in_large_frame();
    in_dynamic_frame(100);
    in_aligned_frame(100);
    call_back();
    if (setjmp(back) == 0)
        end_with_call();
}

/* ---- The same words at other places ------------------------------------------------------------------------------- */

struct next {
    void (*call)(const struct next *rest);
};

/* A frame of a fixed size that calls the next function of a list. */
#define FRAME_ON_THE_WAY(name, bytes)                                                                                  \
    void name(const struct next *next) __attribute__((visibility("hidden")));                                          \
    __asm__(".text\n\t"                                                                                                \
            ".type " #name ", @function\n" #name ":\n\t"                                                               \
            ".cfi_startproc\n\t"                                                                                       \
            "endbr64\n\t"                                                                                              \
            "subq $" #bytes ", %rsp\n\t"                                                                               \
            ".cfi_adjust_cfa_offset " #bytes "\n\t"                                                                    \
            "movq (%rdi), %rax\n\t"                                                                                    \
            "addq $8, %rdi\n\t"                                                                                        \
            "call *%rax\n\t"                                                                                           \
            "addq $" #bytes ", %rsp\n\t"                                                                               \
            ".cfi_adjust_cfa_offset -" #bytes "\n\t"                                                                   \
            "ret\n\t"                                                                                                  \
            ".cfi_endproc\n\t"                                                                                         \
            ".size " #name ", . - " #name)

FRAME_ON_THE_WAY(small_frame, 24);
FRAME_ON_THE_WAY(other_small_frame, 24);
FRAME_ON_THE_WAY(large_frame, 56); /* as much as both small ones and a return address */

static void compare_at_end(const struct next *rest)
{
    (void)rest;
    compare("the same words at other places");
}

static NOINLINE void call_list(const struct next *list)
{
    list->call(list + 1);
    __asm__ volatile("" : : : "memory");
}

/* The third stack begins where the second did, and has the words of the first where that had its own. */
static void find_same_words(void)
{
    static const struct next lists[][3] = {{{small_frame}, {compare_at_end}},
                                           {{large_frame}, {compare_at_end}},
                                           {{other_small_frame}, {small_frame}, {compare_at_end}}};
    for (volatile int i = 0; i < 3; i++)
        call_list(lists[i]);
}

/* ---- Stacks ------------------------------------------------------------------------------------------------------- */

static void *in_thread(void *data)
{
    recurse(20, "thread");
    in_aligned_frame(30);
    call_back();
    return data;
}

static void run_threads(void)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, in_thread, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

/* A stack between two pages that cannot be read. */
static char *make_stack(size_t bytes)
{
    const size_t page = 4096;
    char *at = mmap(NULL, bytes + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || mprotect(at + page, bytes, PROT_READ | PROT_WRITE) != 0)
        abort();
    return at + page;
}

static void in_coroutine(void)
{
    recurse(10, "coroutine");
    in_aligned_frame(10);
}

static void run_coroutine(void)
{
    static ucontext_t here, there;
    const size_t bytes = 128 << 10;
    getcontext(&there);
    there.uc_stack.ss_sp = make_stack(bytes);
    there.uc_stack.ss_size = bytes;
    there.uc_link = &here;
    makecontext(&there, in_coroutine, 0);
    swapcontext(&here, &there);
}

static void on_signal(int signal)
{
    recurse(2, "signal handler");
    if (signal == SIGUSR1)
        raise(SIGUSR2);
}

static void set_handler(int signal, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    if (__sigaction(signal, &action, NULL) != 0)
        abort();
}

static NOINLINE void raise_signals(void)
{
    stack_t stack = {.ss_sp = make_stack(64 << 10), .ss_size = 64 << 10};
    set_handler(SIGUSR1, on_signal, 0);
    set_handler(SIGUSR2, on_signal, 0);
    raise(SIGUSR1);
    sigaltstack(&stack, NULL);
    set_handler(SIGUSR1, on_signal, SA_ONSTACK);
    raise(SIGUSR1);
    set_handler(SIGUSR2, on_signal, SA_ONSTACK);
    raise(SIGUSR1);
}

static void *raise_in_thread(void *data)
{
    raise_signals();
    return data;
}

static NOINLINE void in_child(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        call_all();
        _exit(failures != 0);
    }
    waitpid(child, &status, 0);
    failures += status != 0;
}

/* ---- Libraries ---------------------------------------------------------------------------------------------------- */

#ifdef LIBRARY_A
static void from_library(void)
{
    compare("library");
}

static void *call_library(const char *path)
{
    void *library = dlopen(path, RTLD_NOW);
    if (library == NULL)
        abort();
    void (*call)(void (*)(void)) = (void (*)(void (*)(void)))dlsym(library, "call");
    void *where = (void *)call;
    for (int i = 0; i < 3; i++)
        call(from_library);
    dlclose(library);
    return where;
}

/* The two differ in one constant, the size of a frame: their functions are at the same places. */
static void replace_library(void)
{
    int at_same_place = 0;
    for (int i = 0; i < 20; i++)
        at_same_place += call_library(LIBRARY_A) == call_library(LIBRARY_B);
    failures += at_same_place == 0;
}

static void *load_always(void *is_done)
{
    while (!__atomic_load_n((int *)is_done, __ATOMIC_RELAXED))
        replace_library();
    return NULL;
}

static void run_beside_loading(void)
{
    pthread_t threads[3];
    int is_done = 0;
    pthread_create(&threads[0], NULL, load_always, &is_done);
    for (int i = 0; i < 200; i++) {
        for (int k = 1; k < 3; k++)
            pthread_create(&threads[k], NULL, in_thread, NULL);
        for (int k = 1; k < 3; k++)
            pthread_join(threads[k], NULL);
    }
    __atomic_store_n(&is_done, 1, __ATOMIC_RELAXED);
    pthread_join(threads[0], NULL);
}
#endif

/* ---- Stacks without frames ---------------------------------------------------------------------------------------- */

#define PIECES 2000
static uint64_t seed = 88172645463325252u;

static uint64_t random_next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

/* Words that look like something: addresses on the stack, in code, near the ends of what can be read. */
static uintptr_t plausible(char *stack, size_t bytes)
{
    switch (random_next() % 5) {
    case 0:
        return (uintptr_t)stack + random_next() % (bytes + 64) / 8 * 8;
    case 1:
        return (uintptr_t)compare + random_next() % 8192;
    case 2:
        return (uintptr_t)qsort + random_next() % 8192;
    case 3:
        return random_next() % 64;
    default:
        return random_next();
    }
}

/* A handler that finds its own context on a stack with nothing but plausible words, and registers that point anywhere. */
static void on_trap(int signal, siginfo_t *info, void *data)
{
    (void)signal;
    (void)info;
    static struct stack ours;
    ucontext_t *context = data;
    mcontext_t saved = context->uc_mcontext;
    static char *stack;
    const size_t bytes = 4 * 4096;
    if (stack == NULL)
        stack = make_stack(bytes);
    for (int i = 0; i < PIECES; i++) {
        for (size_t k = 0; k < bytes; k += sizeof(uintptr_t))
            *(uintptr_t *)(stack + k) = plausible(stack, bytes);
        for (int k = 0; k < NGREG; k++)
            context->uc_mcontext.gregs[k] = (greg_t)plausible(stack, bytes);
        walk_ours(&ours);
        compared++;
    }
    context->uc_mcontext = saved;
}

static void walk_noise(void)
{
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    __sigaction(SIGTRAP, &action, NULL);
    raise(SIGTRAP);
}

/* Calls and returns at random, as a program does between two requests: a trail has to see each frame that is another. */
#define WANDER_STEPS 4000
#define WANDER_DEPTH 200  /* more than a trail keeps, less than FRAMES_MAX: two frames each */
#define WANDER_COMPARED 4 /* one step in so many */
static unsigned wander_steps;
static uint64_t wander_state = 88172645463325252u;

static unsigned wander_random(unsigned limit)
{
    wander_state ^= wander_state << 13;
    wander_state ^= wander_state >> 7;
    wander_state ^= wander_state << 17;
    return (unsigned)(wander_state >> 33) % limit;
}

static void wander(int depth);

static NOINLINE void wander_plainly(int depth)
{
    volatile int local = depth;
    wander(depth);
    local++;
}

static NOINLINE void wander_on_dynamic_frame(int depth)
{
    volatile char bytes[16 + wander_random(4) * 16];
    bytes[0] = 1;
    wander(depth);
    bytes[1] = bytes[0];
}

static NOINLINE void wander_on_aligned_frame(int depth)
{
    volatile _Alignas(64) char bytes[64];
    bytes[0] = 1;
    wander(depth);
    bytes[1] = bytes[0];
}

static NOINLINE void wander_with_registers(int depth)
{
    int kept[6];
    for (int i = 0; i < 6; i++)
        kept[i] = (int)wander_random(100);
    wander(depth);
    __asm__ volatile("" : : "r"(kept[0]), "r"(kept[1]), "r"(kept[2]), "r"(kept[3]), "r"(kept[4]), "r"(kept[5]));
}

/* Deeper or back, now and then far. */
static NOINLINE void wander(int depth)
{
    unsigned calls = 1 + wander_random(3);
    for (unsigned i = 0; i < calls && wander_steps < WANDER_STEPS; i++) {
        wander_steps++;
        if (wander_random(WANDER_COMPARED) == 0)
            compare("wandering");
        if (depth == 0)
            return;
        switch (wander_random(8)) {
        case 0:
            wander_on_dynamic_frame(depth - 1);
            break;
        case 1:
            wander_on_aligned_frame(depth - 1);
            break;
        case 2:
            wander_with_registers(depth - 1);
            break;
        default:
            wander_plainly(depth - 1);
        }
    }
}

static void wander_about(void)
{
    static const int depths[] = {3, 20, 40, 90, WANDER_DEPTH};
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++)
        for (wander_steps = 0; wander_steps < WANDER_STEPS;)
            wander(depths[i]);
}

/* Of which all but the first may go by trails. */
#define SAME_WALKS 50

int main(void)
{
    gci_context_callers_init();
    for (int i = 0; i < SAME_WALKS; i++)
        call_all();
    find_same_words();
    wander_about();
    run_threads();
    run_coroutine();
    raise_signals();
    pthread_t thread;
    pthread_create(&thread, NULL, raise_in_thread, NULL);
    pthread_join(thread, NULL);
    in_child();
#ifdef LIBRARY_A
    replace_library();
    run_beside_loading();
#endif
    walk_noise();
    printf("%d stacks, %d failures, %lu trails\n", compared, failures, trails_followed);
    return failures != 0 || compared < 2000 || trails_followed < 100 ? EXIT_FAILURE : EXIT_SUCCESS;
}
