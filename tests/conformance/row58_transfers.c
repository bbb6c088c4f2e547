/* SPDX-License-Identifier: MIT */
/* Row 58: collections make no sleep longer, no call that moves bytes fail, and none move less than it would otherwise. A
 * signal of the program's own still cuts such a call short. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>

#include "conformance.h"

#define MOST_EXTRA_MS 150 /* of a sleep */
#define TRIES 6           /* a busy machine makes one late now and then; collections would make each one late */
#define WAIT_MS 200
#define LARGE (512 * 1024)
#define PIECE 4096
#define WIDE (8 * PIECE)
#define PARTS 4

/* What glibc's headers call with _FORTIFY_SOURCE. */
int __poll_chk(struct pollfd *descriptors, nfds_t count, int milliseconds, size_t room);
int __ppoll_chk(struct pollfd *descriptors, nfds_t count, const struct timespec *time, const sigset_t *mask,
                size_t room);
ssize_t __read_chk(int descriptor, void *buffer, size_t bytes, size_t room);
ssize_t __recv_chk(int socket, void *buffer, size_t bytes, size_t room, int flags);
ssize_t __recvfrom_chk(int socket, void *buffer, size_t bytes, size_t room, int flags, struct sockaddr *from,
                       socklen_t *length);
int epoll_pwait2(int epoll, struct epoll_event *events, int limit, const struct timespec *time, const sigset_t *mask)
    __attribute__((weak));

static int done;
static int collections;
static char sent[LARGE];
static char received[LARGE];

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void pause_us(long microseconds)
{
    struct timespec time = {0, microseconds * 1000};
    nanosleep(&time, NULL);
}

static void *collect_all_the_time(void *data)
{
    while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
        collect();
        __atomic_fetch_add(&collections, 1, __ATOMIC_RELAXED);
        pause_us(300);
    }
    return data;
}

/* ---- Sleeps ------------------------------------------------------------------------------------------------------- */

#define SLEEPS(call, sleep_ms)                                                                                         \
    do {                                                                                                               \
        double slept = 2 * (sleep_ms) + MOST_EXTRA_MS;                                                                 \
        for (int i = 0; i < TRIES && slept > (sleep_ms) + MOST_EXTRA_MS; i++) {                                        \
            double start = now_ms();                                                                                   \
            selected = (struct timeval){0, WAIT_MS * 1000};                                                            \
            int result = (int)(call);                                                                                  \
            slept = now_ms() - start;                                                                                  \
            if (result != 0 || slept < (sleep_ms)-1 || (i + 1 == TRIES && slept > (sleep_ms) + MOST_EXTRA_MS)) {       \
                fprintf(stderr, "%s: %d, %.1f ms\n", #call, result, slept);                                            \
                _exit(1);                                                                                              \
            }                                                                                                          \
        }                                                                                                              \
    } while (0)

static void sleeps(void)
{
    struct timespec time = {0, WAIT_MS * 1000000};
    struct timeval selected;
    SLEEPS(nanosleep(&time, NULL), WAIT_MS);
    SLEEPS(clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL), WAIT_MS);
    SLEEPS(clock_nanosleep(CLOCK_BOOTTIME, 0, &time, NULL), WAIT_MS);
    SLEEPS(thrd_sleep(&time, NULL), WAIT_MS);
    SLEEPS(usleep(WAIT_MS * 1000), WAIT_MS);
    SLEEPS(sleep(1), 1000);
    SLEEPS(select(0, NULL, NULL, NULL, &selected), WAIT_MS);
    CHECK(selected.tv_sec == 0 && selected.tv_usec == 0);
    SLEEPS(pselect(0, NULL, NULL, NULL, &time, NULL), WAIT_MS);
}

static void on_signal(int signal)
{
    (void)signal;
}

/* A signal after WAIT_MS, and more of them: one that comes just before a call waits ends it in no system. */
static void arm_timer(void)
{
    struct itimerval timer = {{0, WAIT_MS * 1000}, {0, WAIT_MS * 1000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void disarm_timer(void)
{
    struct itimerval timer = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static bool is_rest_of_second(long seconds, long microseconds)
{
    return seconds == 0 && microseconds > 400000 && microseconds < 1010000 - WAIT_MS * 1000;
}

/* The program's own signal ends a sleep of a second after WAIT_MS; what is left is told. False: not what it should be, as it also
 * is when a busy machine lets the thread wait before its sleep, or behind it. */
static bool sleep_is_ended(void)
{
    struct timespec second = {1, 0};
    struct timespec left;
    struct timeval selected = {1, 0};
    arm_timer();
    CHECK(nanosleep(&second, &left) == -1 && errno == EINTR);
    bool is_right = is_rest_of_second(left.tv_sec, left.tv_nsec / 1000);
    arm_timer();
    CHECK(clock_nanosleep(CLOCK_MONOTONIC, 0, &second, &left) == EINTR);
    is_right = is_rest_of_second(left.tv_sec, left.tv_nsec / 1000) && is_right;
    arm_timer();
    CHECK(select(0, NULL, NULL, NULL, &selected) == -1 && errno == EINTR);
    disarm_timer();
    return is_rest_of_second(selected.tv_sec, selected.tv_usec) && is_right;
}

/* ---- Calls that wait ---------------------------------------------------------------------------------------------- */

#define WAITS(call, expected_result, expected_errno)                                                                   \
    do {                                                                                                               \
        double start = now_ms();                                                                                       \
        errno = 0;                                                                                                     \
        long result = (long)(call);                                                                                    \
        double waited = now_ms() - start;                                                                              \
        if (result != (expected_result) || errno != (expected_errno) || waited < WAIT_MS - 10) {                       \
            fprintf(stderr, "%s: %ld, errno %d, %.1f ms\n", #call, result, errno, waited);                             \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static void waits(void)
{
    int ends[2];
    struct timespec time = {0, WAIT_MS * 1000000};
    struct epoll_event event;
    int epoll = epoll_create1(0);
    CHECK(pipe(ends) == 0);
    struct pollfd descriptor = {ends[0], POLLIN, 0};
    WAITS(__poll_chk(&descriptor, 1, WAIT_MS, sizeof descriptor), 0, 0);
    WAITS(__ppoll_chk(&descriptor, 1, &time, NULL, sizeof descriptor), 0, 0);
    if (epoll_pwait2 != NULL && (epoll_pwait2(epoll, &event, 1, &(struct timespec){0, 0}, NULL) == 0))
        WAITS(epoll_pwait2(epoll, &event, 1, &time, NULL), 0, 0);
    close(epoll);
    close(ends[0]);
    close(ends[1]);
}

static void fill(int socket)
{
    while (send(socket, sent, PIECE, MSG_DONTWAIT) > 0)
        ;
}

/* Nothing comes, and nothing more goes out: each call waits for the timeout. */
static void timeouts(void)
{
    int ends[2];
    char byte;
    struct timeval time = {0, WAIT_MS * 1000};
    struct iovec vector = {&byte, 1};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0);
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time) == 0);
    WAITS(read(ends[0], &byte, 1), -1, EAGAIN);
    WAITS(readv(ends[0], &vector, 1), -1, EAGAIN);
    WAITS(recvmmsg(ends[0], &message, 1, 0, NULL), -1, EAGAIN);
    WAITS(__read_chk(ends[0], &byte, 1, 1), -1, EAGAIN);
    WAITS(__recv_chk(ends[0], &byte, 1, 1, 0), -1, EAGAIN);
    WAITS(__recvfrom_chk(ends[0], &byte, 1, 1, 0, NULL, NULL), -1, EAGAIN);
    fill(ends[0]);
    WAITS(write(ends[0], sent, PIECE), -1, EAGAIN);
    vector = (struct iovec){sent, PIECE};
    WAITS(writev(ends[0], &vector, 1), -1, EAGAIN);
    WAITS(sendmmsg(ends[0], &message, 1, 0), -1, EAGAIN);
    close(ends[0]);
    close(ends[1]);
}

/* ---- Calls that move everything ----------------------------------------------------------------------------------- */

/* Takes LARGE bytes out, or puts them in, slowly, so that stops come when a part has been moved. */
static void *take_slowly(void *end)
{
    for (size_t have = 0; have < LARGE;) {
        ssize_t bytes = read(*(int *)end, received + have, LARGE - have < PIECE ? LARGE - have : PIECE);
        CHECK(bytes > 0);
        have += (size_t)bytes;
        pause_us(500);
    }
    return end;
}

static void *put_slowly(void *end)
{
    for (size_t have = 0; have < LARGE; have += PIECE) {
        CHECK(write(*(int *)end, sent + have, PIECE) == PIECE);
        pause_us(500);
    }
    return end;
}

/* With elements of many sizes, some empty, and a large one last. */
static size_t divide(struct iovec *vector, size_t count, char *at)
{
    size_t left = LARGE;
    for (size_t i = 0; i < count; i++) {
        size_t bytes = i + 1 == count ? left : i % 3 == 0 ? 0 : i * 777;
        vector[i] = (struct iovec){at, bytes};
        at += bytes;
        left -= bytes;
    }
    return count;
}

#define MOVES_ALL(other_end, other, call)                                                                              \
    do {                                                                                                               \
        pthread_t thread;                                                                                              \
        memset(received, 0, sizeof received);                                                                          \
        CHECK(pthread_create(&thread, NULL, other, &(other_end)) == 0);                                                \
        errno = 0;                                                                                                     \
        long moved = (long)(call);                                                                                     \
        if (moved != LARGE || errno != 0) {                                                                            \
            fprintf(stderr, "%s: %ld of %d, errno %d\n", #call, moved, LARGE, errno);                                  \
            _exit(1);                                                                                                  \
        }                                                                                                              \
        pthread_join(thread, NULL);                                                                                    \
        CHECK(memcmp(sent, received, LARGE) == 0);                                                                     \
    } while (0)

static void pipes(void)
{
    int ends[2];
    struct iovec vector[24];
    CHECK(pipe(ends) == 0);
    MOVES_ALL(ends[0], take_slowly, write(ends[1], sent, LARGE));
    int count = (int)divide(vector, 24, sent);
    MOVES_ALL(ends[0], take_slowly, writev(ends[1], vector, count));
    close(ends[0]);
    close(ends[1]);
}

static void streams(void)
{
    int ends[2];
    struct iovec vector[24];
    struct msghdr message = {.msg_iov = vector, .msg_iovlen = divide(vector, 24, sent)};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    MOVES_ALL(ends[1], take_slowly, write(ends[0], sent, LARGE));
    MOVES_ALL(ends[1], take_slowly, send(ends[0], sent, LARGE, 0));
    MOVES_ALL(ends[1], take_slowly, sendto(ends[0], sent, LARGE, 0, NULL, 0));
    MOVES_ALL(ends[1], take_slowly, sendmsg(ends[0], &message, 0));
    MOVES_ALL(ends[1], put_slowly, recv(ends[0], received, LARGE, MSG_WAITALL));
    MOVES_ALL(ends[1], put_slowly, recvfrom(ends[0], received, LARGE, MSG_WAITALL, NULL, NULL));
    message.msg_iovlen = divide(vector, 24, received);
    MOVES_ALL(ends[1], put_slowly, recvmsg(ends[0], &message, MSG_WAITALL));
    close(ends[0]);
    close(ends[1]);
}

/* The end of the stream ends what asked for all; so does a descriptor that never blocks. */
static void parts(void)
{
    int ends[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(write(ends[1], sent, PIECE) == PIECE && close(ends[1]) == 0);
    CHECK(recv(ends[0], received, LARGE, MSG_WAITALL) == PIECE);
    close(ends[0]);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    ssize_t bytes = send(ends[0], sent, LARGE, MSG_DONTWAIT);
    CHECK(bytes > 0 && bytes < LARGE);
    close(ends[0]);
    close(ends[1]);
}

static void *put_messages(void *end)
{
    for (int i = 0; i < PARTS; i++) {
        pause_us(50000);
        CHECK(send(*(int *)end, &sent[i], 1, 0) == 1);
    }
    return end;
}

/* An interrupted recvmmsg leaves an error behind on the socket, too. */
static void messages(void)
{
    int ends[2];
    struct iovec vectors[PARTS - 1];
    struct mmsghdr headers[PARTS - 1] = {{{0}, 0}};
    pthread_t thread;
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
    for (int i = 0; i < PARTS - 1; i++) {
        vectors[i] = (struct iovec){&received[i], PIECE};
        headers[i].msg_hdr = (struct msghdr){.msg_iov = &vectors[i], .msg_iovlen = 1};
    }
    CHECK(pthread_create(&thread, NULL, put_messages, &ends[1]) == 0);
    CHECK(recvmmsg(ends[0], headers, PARTS - 1, 0, NULL) == PARTS - 1);
    CHECK(recv(ends[0], received + PARTS - 1, PIECE, MSG_WAITALL) == 1);
    pthread_join(thread, NULL);
    CHECK(memcmp(sent, received, PARTS) == 0);
    close(ends[0]);
    close(ends[1]);
}

/* ---- A signal of the program -------------------------------------------------------------------------------------- */

/* Nobody takes what does not fit into the pipe or the socket. */
static void transfer_is_ended(void)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    arm_timer();
    ssize_t bytes = write(ends[1], sent, LARGE);
    disarm_timer();
    CHECK(bytes > 0 && bytes < LARGE);
    CHECK(read(ends[0], received, PIECE) == PIECE);
    arm_timer();
    CHECK(write(ends[1], sent, WIDE) == PIECE);
    arm_timer();
    CHECK(write(ends[1], sent, PIECE) == -1 && errno == EINTR);
    disarm_timer();
    close(ends[0]);
    close(ends[1]);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 && write(ends[1], sent, PIECE) == PIECE);
    arm_timer();
    CHECK(recv(ends[0], received, LARGE, MSG_WAITALL) == PIECE);
    arm_timer();
    bytes = send(ends[0], sent, LARGE, 0);
    disarm_timer();
    CHECK(bytes > 0 && bytes < LARGE);
    close(ends[0]);
    close(ends[1]);
}

static void calls_that_wait(void)
{
    sleeps();
    waits();
    timeouts();
}

static void calls_that_move(void)
{
    pipes();
    streams();
    parts();
    messages();
}

static void calls_that_end(void)
{
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
    for (int i = 0; i < 3; i++) {
        for (int tries = 0; !sleep_is_ended(); tries++)
            CHECK(tries < TRIES);
        transfer_is_ended();
    }
}

static void run_beside_collections(void (*calls)(void))
{
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t alarm_only;
    pthread_t collector;
    sigaction(SIGALRM, &action, NULL);
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
    CHECK(pthread_create(&collector, NULL, collect_all_the_time, NULL) == 0);
    calls();
    __atomic_store_n(&done, 1, __ATOMIC_RELAXED);
    pthread_join(collector, NULL);
    CHECK(collections > 100);
}

/* In processes of their own, as most of the time is waiting. */
int main(void)
{
    static void (*const all[])(void) = {calls_that_wait, calls_that_move, calls_that_end};
    for (size_t i = 0; i < LARGE; i++)
        sent[i] = (char)(i * 7 + i / 251);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (fork() == 0) {
            run_beside_collections(all[i]);
            _exit(0);
        }
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        int status = -1;
        CHECK(wait(&status) > 0 && status == 0);
    }
    return 0;
}
