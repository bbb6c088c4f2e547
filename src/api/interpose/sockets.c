/* SPDX-License-Identifier: MIT */
/* Calls on descriptors that the kernel resumes after a signal, except on a socket with a timeout (SO_RCVTIMEO,
 * SO_SNDTIMEO): there they fail with EINTR. When only our stop signal did that, they go on until the timeout. */
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "api/interpose/real.h"

#define US_PER_SECOND 1000000

static int64_t coarse_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (int64_t)now.tv_sec * US_PER_SECOND + now.tv_nsec / 1000;
}

/* Whether the socket's timeout since `start` has passed; then errno is what the call fails with. */
static bool has_timed_out(int descriptor, int option, int64_t start)
{
    struct timeval timeout;
    socklen_t bytes = sizeof timeout;
    if (getsockopt(descriptor, SOL_SOCKET, option, &timeout, &bytes) != 0)
        return false;
    int64_t limit = (int64_t)timeout.tv_sec * US_PER_SECOND + timeout.tv_usec;
    if (limit == 0 || coarse_us() - start < limit)
        return false;
    errno = EAGAIN;
    return true;
}

/* A body that makes the call until something else than our signal ends it. */
#define CALL_UNTIL_DONE(type, descriptor, option, call)                                                                \
    int64_t start = coarse_us();                                                                                       \
    for (;;) {                                                                                                         \
        interpose_begin();                                                                                             \
        type result = call;                                                                                            \
        if (LIKELY(result >= 0) || !interpose_must_repeat() || has_timed_out(descriptor, option, start))               \
            return result;                                                                                             \
    }

DECLARE_NEXT(recv)
DECLARE_NEXT(recvfrom)
DECLARE_NEXT(recvmsg)
DECLARE_NEXT(send)
DECLARE_NEXT(sendto)
DECLARE_NEXT(sendmsg)
DECLARE_NEXT(accept)
DECLARE_NEXT(accept4)
DECLARE_NEXT(connect)

EXPORT ssize_t recv(int socket, void *buffer, size_t bytes, int flags)
{
    CALL_UNTIL_DONE(ssize_t, socket, SO_RCVTIMEO, next_recv()(socket, buffer, bytes, flags))
}

EXPORT ssize_t recvfrom(int socket, void *restrict buffer, size_t bytes, int flags, __SOCKADDR_ARG from,
                        socklen_t *restrict length)
{
    CALL_UNTIL_DONE(ssize_t, socket, SO_RCVTIMEO, next_recvfrom()(socket, buffer, bytes, flags, from, length))
}

EXPORT ssize_t recvmsg(int socket, struct msghdr *message, int flags)
{
    CALL_UNTIL_DONE(ssize_t, socket, SO_RCVTIMEO, next_recvmsg()(socket, message, flags))
}

EXPORT ssize_t send(int socket, const void *buffer, size_t bytes, int flags)
{
    CALL_UNTIL_DONE(ssize_t, socket, SO_SNDTIMEO, next_send()(socket, buffer, bytes, flags))
}

EXPORT ssize_t sendto(int socket, const void *buffer, size_t bytes, int flags, __CONST_SOCKADDR_ARG to,
                      socklen_t length)
{
    CALL_UNTIL_DONE(ssize_t, socket, SO_SNDTIMEO, next_sendto()(socket, buffer, bytes, flags, to, length))
}

EXPORT ssize_t sendmsg(int socket, const struct msghdr *message, int flags)
{
    CALL_UNTIL_DONE(ssize_t, socket, SO_SNDTIMEO, next_sendmsg()(socket, message, flags))
}

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
