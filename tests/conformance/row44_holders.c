/* SPDX-License-Identifier: MIT */
/* Row 44: a block lives while its only pointer is in any of the places that a program has. */
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "conformance.h"

static char *in_data = (char *)1;
static char *in_bss;
static _Thread_local char *in_thread_local;

static __attribute__((noinline)) void fill_statics(void)
{
    in_data = make_held();
    in_bss = make_held();
    in_thread_local = make_held() + 30; /* inside */
}

static void check_statics(void)
{
    fill_statics();
    collect_and_reuse(HELD_BYTES);
    check_held(in_data);
    check_held(in_bss);
    check_held(in_thread_local - 30);
}

static void check_stack_and_register(void)
{
    char *volatile on_stack = make_held();
    register char *in_register __asm__("r12") = make_held();
    __asm__ volatile("" : "+r"(in_register));
    collect_and_reuse(HELD_BYTES);
    __asm__ volatile("" : "+r"(in_register));
    check_held(on_stack);
    check_held(in_register);
}

static __attribute__((noinline)) void fill_heap(char ***holder)
{
    *holder = malloc(100 * sizeof **holder);
    for (int i = 0; i < 100; i++)
        (*holder)[i] = make_held() + i % HELD_BYTES;
}

static void check_heap(void)
{
    char **holder;
    fill_heap(&holder);
    collect_and_reuse(HELD_BYTES);
    for (int i = 0; i < 100; i++)
        check_held(holder[i] - i % HELD_BYTES);
}

static void check_mapping(int flags)
{
    char **page = mmap(NULL, 65536, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    page[5000] = make_held();
    clear_stack();
    collect_and_reuse(HELD_BYTES);
    check_held(page[5000]);
    mprotect(page, 65536, PROT_READ);
    collect_and_reuse(HELD_BYTES);
    check_held(page[5000]);
    /* nobody may read it for the moment, as where a runtime moves its objects */
    mprotect(page, 65536, PROT_NONE);
    collect_and_reuse(HELD_BYTES);
    mprotect(page, 65536, PROT_READ);
    check_held(page[5000]);
    munmap(page, 65536);
}

static __attribute__((noinline)) void register_block(int epoll, int descriptor)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = make_held()};
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0);
    event.data.ptr = make_held(); /* refused: the kernel keeps what it has */
    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == -1 && errno == EEXIST);
    CHECK(epoll_ctl(epoll, EPOLL_CTL_MOD, epoll, &event) == -1 && errno == EINVAL);
}

static void check_epoll(void)
{
    int pipe_ends[2];
    int epoll = epoll_create1(0);
    struct epoll_event event;
    CHECK(pipe(pipe_ends) == 0);
    register_block(epoll, pipe_ends[0]);
    clear_stack();
    collect_and_reuse(HELD_BYTES);
    CHECK(write(pipe_ends[1], "x", 1) == 1);
    CHECK(epoll_wait(epoll, &event, 1, -1) == 1);
    check_held(event.data.ptr);
}

/* ---- Threads ------------------------------------------------------------------------------------------------------ */

static void *give_result(void *data)
{
    check_held(data);
    return make_held();
}

static void check_thread_values(void)
{
    pthread_t threads[20];
    for (int i = 0; i < 20; i++)
        CHECK(pthread_create(&threads[i], NULL, give_result, make_held()) == 0);
    usleep(20000);
    collect_and_reuse(HELD_BYTES);
    for (int i = 0; i < 20; i++) {
        void *result;
        pthread_join(threads[i], &result);
        check_held(result);
    }
}

static sem_t may_go;

static void *hold_and_wait(void *data)
{
    char *volatile mine = make_held();
    in_thread_local = make_held();
    (void)data;
    while (sem_wait(&may_go) != 0)
        ;
    check_held(mine);
    check_held(in_thread_local);
    return NULL;
}

static void check_other_threads(void)
{
    pthread_t threads[5];
    sem_init(&may_go, 0, 0);
    for (int i = 0; i < 5; i++)
        CHECK(pthread_create(&threads[i], NULL, hold_and_wait, NULL) == 0);
    usleep(20000);
    collect_and_reuse(HELD_BYTES);
    for (int i = 0; i < 5; i++)
        sem_post(&may_go);
    for (int i = 0; i < 5; i++)
        pthread_join(threads[i], NULL);
}

/* ---- Stacks of other kinds ---------------------------------------------------------------------------------------- */

static ucontext_t main_context;
static ucontext_t routine_context;

static void routine(void)
{
    char *volatile mine = make_held();
    swapcontext(&routine_context, &main_context);
    check_held(mine);
    collect_and_reuse(HELD_BYTES); /* runs on this stack now, and main's is the other one */
    check_held(mine);
    swapcontext(&routine_context, &main_context);
}

static void check_routine(void *stack, size_t bytes)
{
    char *volatile mine = make_held();
    CHECK(getcontext(&routine_context) == 0);
    routine_context.uc_stack = (stack_t){.ss_sp = stack, .ss_size = bytes};
    routine_context.uc_link = NULL;
    makecontext(&routine_context, routine, 0);
    swapcontext(&main_context, &routine_context);
    collect_and_reuse(HELD_BYTES);
    swapcontext(&main_context, &routine_context);
    check_held(mine);
}

static volatile int was_on_alternate_stack;

static void on_signal(int signal)
{
    char *volatile mine = make_held();
    (void)signal;
    collect_and_reuse(HELD_BYTES);
    check_held(mine);
    was_on_alternate_stack = 1;
}

static __attribute__((noinline)) void set_alternate_stack(void)
{
    stack_t stack = {.ss_sp = malloc(200000), .ss_size = 200000};
    CHECK(sigaltstack(&stack, NULL) == 0);
}

static void check_alternate_stack(void)
{
    char *volatile mine = make_held();
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    set_alternate_stack();
    clear_stack();
    collect_and_reuse(200000);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    raise(SIGUSR1);
    CHECK(was_on_alternate_stack);
    check_held(mine);
}

static void check_jump_buffer(void)
{
    static jmp_buf buffer;
    register char *in_register __asm__("rbx") = make_held();
    __asm__ volatile("" : "+r"(in_register));
    if (setjmp(buffer) == 0) {
        collect_and_reuse(HELD_BYTES);
        longjmp(buffer, 1);
    }
    __asm__ volatile("" : "+r"(in_register));
    check_held(in_register);
}

int main(void)
{
    check_statics();
    check_stack_and_register();
    check_heap();
    check_mapping(MAP_PRIVATE);
    check_mapping(MAP_SHARED);
    check_epoll();
    check_thread_values();
    check_other_threads();
    check_routine(mmap(NULL, 262144, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 262144);
    check_routine(malloc(262144), 262144);
    check_alternate_stack();
    check_jump_buffer();
    return 0;
}
