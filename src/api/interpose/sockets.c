/* SPDX-License-Identifier: MIT */
/* Timeouts of sockets (SO_RCVTIMEO, SO_SNDTIMEO): a call on a socket that has one is not resumed by the kernel, it fails with
 * EINTR. When only our stop signal did that, it goes on until the timeout. Transfers are in transfers.c.
 */
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "api/interpose/real.h"

#define US_PER_SECOND 1000000
#define US_PER_MS 1000
#define TICK_US 10000 /* of the coarse clock, at most */

int64_t gci_interpose_start(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

bool gci_interpose_times_out(int descriptor, int option, int64_t *start)
{
    struct timeval timeout;
    socklen_t bytes = sizeof timeout;
    int saved = errno;
    int64_t now = gci_interpose_start();
    if (*start == NOT_STARTED)
        *start = now;
    bool has_timeout = getsockopt(descriptor, SOL_SOCKET, option, &timeout, &bytes) == 0 &&
                       (timeout.tv_sec != 0 || timeout.tv_usec != 0);
    errno = saved;
    if (!has_timeout)
        return false;
    int64_t left = (int64_t)timeout.tv_sec * US_PER_SECOND + timeout.tv_usec + TICK_US - (now - *start);
    struct pollfd socket = {descriptor, option == SO_RCVTIMEO ? POLLIN : POLLOUT, 0};
    if (left / US_PER_MS > INT32_MAX || poll(&socket, 1, left <= 0 ? 0 : (int)(left / US_PER_MS)) > 0)
        return false;
    if (errno != EINTR)
        errno = EAGAIN;
    return true;
}

/* A body that makes the call until something else than our signal ends it. */
#define CALL_UNTIL_DONE(type, descriptor, option, call)                                                                \
    int64_t start = gci_interpose_start();                                                                             \
    for (;;) {                                                                                                         \
        interpose_begin();                                                                                             \
        type result = call;                                                                                            \
        if (LIKELY(result >= 0) || !interpose_must_repeat() || gci_interpose_times_out(descriptor, option, &start))    \
            return result;                                                                                             \
    }

DECLARE_NEXT(accept)
DECLARE_NEXT(accept4)
DECLARE_NEXT(connect)

EXPORT int accept(int socket, __SOCKADDR_ARG from, socklen_t *restrict length)
{
    CALL_UNTIL_DONE(int, socket, SO_RCVTIMEO, next_accept()(socket, from, length))
}

EXPORT int accept4(int socket, __SOCKADDR_ARG from, socklen_t *restrict length, int flags)
{
    CALL_UNTIL_DONE(int, socket, SO_RCVTIMEO, next_accept4()(socket, from, length, flags))
}

EXPORT int connect(int socket, __CONST_SOCKADDR_ARG to, socklen_t length)
{
    CALL_UNTIL_DONE(int, socket, SO_SNDTIMEO, next_connect()(socket, to, length))
}
