/* SPDX-License-Identifier: MIT */
/* Row 58: no call that waits notices collections: not cut short, not failing with EINTR. A signal of the program's own
 * still interrupts it. Threads that block every signal can be stopped all the same. */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>

#include "conformance.h"

#define WAIT_MS 150

static volatile int done;
static const struct timespec wait_time = {0, WAIT_MS * 1000000};

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static struct timespec deadline(clockid_t clock)
{
    struct timespec at;
    clock_gettime(clock, &at);
    at.tv_nsec += WAIT_MS * 1000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

#define WAITS(call, expected_errno)                                                                                    \
    do {                                                                                                               \
        double start = now_ms();                                                                                       \
        errno = 0;                                                                                                     \
        (void)(call);                                                                                                  \
        int error = errno;                                                                                             \
        double waited = now_ms() - start;                                                                              \
        if (error != (expected_errno) || waited < WAIT_MS - 1 || waited > WAIT_MS + 1500) {                            \
            fprintf(stderr, "%s: %.1f ms, errno %d\n", #call, waited, error);                                          \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static void sleeps(void)
{
    struct timespec at = deadline(CLOCK_MONOTONIC);
    WAITS(nanosleep(&wait_time, NULL), 0);
    WAITS(usleep(WAIT_MS * 1000), 0);
    WAITS(clock_nanosleep(CLOCK_MONOTONIC, 0, &wait_time, NULL), 0);
    at = deadline(CLOCK_MONOTONIC);
    WAITS(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL), 0);
    WAITS(thrd_sleep(&wait_time, NULL), 0);
    double start = now_ms();
    CHECK(sleep(1) == 0 && now_ms() - start >= 999);
}

static void descriptors(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    struct pollfd descriptor = {ends[0], POLLIN, 0};
    struct timeval time = {0, WAIT_MS * 1000};
    struct epoll_event event;
    int epoll = epoll_create1(0);
    sigset_t none;
    sigemptyset(&none);
    WAITS(poll(&descriptor, 1, WAIT_MS), 0);
    WAITS(ppoll(&descriptor, 1, &wait_time, &none), 0);
    WAITS(select(0, NULL, NULL, NULL, &time), 0);
    WAITS(pselect(0, NULL, NULL, NULL, &wait_time, &none), 0);
    WAITS(epoll_wait(epoll, &event, 1, WAIT_MS), 0);
    WAITS(epoll_pwait(epoll, &event, 1, WAIT_MS, &none), 0);
}

static void sockets(void)
{
    int ends[2];
    char byte;
    struct timeval time = {0, WAIT_MS * 1000};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0);
    WAITS(recv(ends[0], &byte, 1, 0), EAGAIN);
    WAITS(recvfrom(ends[0], &byte, 1, 0, NULL, NULL), EAGAIN);
}

static void semaphores(void)
{
    sem_t semaphore;
    struct {
        long type;
        char text[10];
    } message;
    sem_init(&semaphore, 0, 0);
    struct timespec at = deadline(CLOCK_REALTIME);
    WAITS(sem_timedwait(&semaphore, &at), ETIMEDOUT);
    int set = semget(IPC_PRIVATE, 1, 0600);
    if (set >= 0) {
        struct sembuf take = {0, -1, 0};
        WAITS(semtimedop(set, &take, 1, &wait_time), EAGAIN);
        semctl(set, 0, IPC_RMID);
    }
    int queue = msgget(IPC_PRIVATE, 0600);
    if (queue < 0)
        return;
    if (fork() == 0) {
        usleep(WAIT_MS * 1000 + 20000);
        message.type = 1;
        _exit(msgsnd(queue, &message, sizeof message.text, 0) != 0);
    }
    WAITS(msgrcv(queue, &message, sizeof message.text, 0, 0), 0);
    msgctl(queue, IPC_RMID, NULL);
    wait(NULL);
}

static void signals(void)
{
    sigset_t set;
    sigfillset(&set);
    sigdelset(&set, SIGCHLD);
    WAITS(sigtimedwait(&set, NULL, &wait_time), EAGAIN);
}

static void others(void)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    struct timespec at = deadline(CLOCK_REALTIME);
    pthread_mutex_lock(&lock);
    WAITS(pthread_cond_timedwait(&condition, &lock, &at), 0);
    pthread_mutex_unlock(&lock);
}

static void *wait_for_everything(void *data)
{
    sleeps();
    descriptors();
    sockets();
    semaphores();
    signals();
    others();
    done = 1;
    return data;
}

static volatile sig_atomic_t signals_handled;

static void on_signal(int signal)
{
    (void)signal;
    signals_handled = 1;
}

int __xpg_sigpause(int signal); /* sigpause of X/Open */

/* The program's own signals: blocked but for the wait itself, so that none can be missed. */
static void *be_interrupted(void *data)
{
    sigset_t blocked;
    sigset_t before;
    sigset_t open;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    open = before;
    sigdelset(&open, SIGUSR1);
    for (int i = 0; i < 20; i++) {
        errno = 0;
        signals_handled = 0;
        CHECK(sigsuspend(&open) == -1 && errno == EINTR && signals_handled);
        errno = signals_handled = 0;
        CHECK(__xpg_sigpause(SIGUSR1) == -1 && errno == EINTR && signals_handled);
        struct timespec time = {60, 0};
        errno = 0;
        CHECK(ppoll(NULL, 0, &time, &open) == -1 && errno == EINTR);
    }
    __atomic_store_n((int *)data, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void *block_everything(void *data)
{
    sigset_t all;
    int signal;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sigwait(&all, &signal);
    return data;
}

static uint64_t given_up(void)
{
    static uint64_t stats[40];
    void (*get)(void *);
    void *symbol = dlsym(RTLD_DEFAULT, "gca_stats_get");
    if (symbol == NULL)
        return 0;
    memcpy(&get, &symbol, sizeof symbol);
    stats[0] = 7 * sizeof *stats; /* up to cycles_given_up */
    get(stats);
    return stats[6];
}

int main(void)
{
    static int was_interrupted;
    unsigned collections = 0;
    struct sigaction action = {.sa_handler = on_signal};
    pthread_t waiter;
    pthread_t interrupted;
    pthread_t deaf;
    sigaction(SIGUSR1, &action, NULL);
    CHECK(pthread_create(&deaf, NULL, block_everything, NULL) == 0);
    CHECK(pthread_create(&waiter, NULL, wait_for_everything, NULL) == 0);
    CHECK(pthread_create(&interrupted, NULL, be_interrupted, &was_interrupted) == 0);
    while (!done || !__atomic_load_n(&was_interrupted, __ATOMIC_ACQUIRE)) {
        collect();
        collections++;
        if (!was_interrupted)
            pthread_kill(interrupted, SIGUSR1);
        usleep(1000);
    }
    pthread_join(waiter, NULL);
    pthread_join(interrupted, NULL);
    CHECK(given_up() < 5 + collections / 4); /* a busy machine makes some late, the deaf thread would make all */
    pthread_kill(deaf, SIGUSR2);
    pthread_join(deaf, NULL);
    return 0;
}
