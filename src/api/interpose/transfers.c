/* SPDX-License-Identifier: MIT */
/* Calls that move bytes through descriptors.
 *
 * The kernel resumes one that has moved nothing when a signal comes, except on a socket with a timeout. One that has
 * moved a part returns short, though on a blocking descriptor it would have moved everything: when only our stop signal
 * did that, the rest is moved here. What goes wrong with the rest is for the program's next call to find.
 *
 * A signal of the program that comes between two moves runs its handler and ends neither, as it would have just before the
 * first. read and its kin may return short at any time; only MSG_WAITALL asks for all.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "api/interpose/real.h"

#define BYTES_MAX 0x7ffff000 /* that one call moves: read(2) */

// NOLINTBEGIN(bugprone-reserved-identifier)
/* In the headers with _FORTIFY_SOURCE only. */
ssize_t __read_chk(int descriptor, void *buffer, size_t bytes, size_t room);
ssize_t __recv_chk(int socket, void *buffer, size_t bytes, size_t room, int flags);
ssize_t __recvfrom_chk(int socket, void *restrict buffer, size_t bytes, size_t room, int flags, __SOCKADDR_ARG from,
                       socklen_t *restrict length);
extern void __chk_fail(void) NORETURN;
// NOLINTEND(bugprone-reserved-identifier)

DECLARE_NEXT_OR_SYSTEM(ssize_t, read, (int d, void *to, size_t n), SYS_read, d, to, n)
DECLARE_NEXT_OR_SYSTEM(ssize_t, readv, (int d, const struct iovec *v, int n), SYS_readv, d, v, n)
DECLARE_NEXT_OR_SYSTEM(ssize_t, write, (int d, const void *from, size_t n), SYS_write, d, from, n)
DECLARE_NEXT_OR_SYSTEM(ssize_t, writev, (int d, const struct iovec *v, int n), SYS_writev, d, v, n)
DECLARE_NEXT_OR_SYSTEM(ssize_t, recv, (int s, void *to, size_t n, int flags), SYS_recvfrom, s, to, n, flags, NULL, NULL)
DECLARE_NEXT_OR_SYSTEM(ssize_t, recvfrom,
                       (int s, void *to, size_t n, int flags, __SOCKADDR_ARG from, socklen_t *length), SYS_recvfrom, s,
                       to, n, flags, from.__sockaddr__, length)
DECLARE_NEXT_OR_SYSTEM(ssize_t, recvmsg, (int s, struct msghdr *m, int flags), SYS_recvmsg, s, m, flags)
DECLARE_NEXT_OR_SYSTEM(int, recvmmsg, (int s, struct mmsghdr *m, unsigned n, int flags, struct timespec *t),
                       SYS_recvmmsg, s, m, n, flags, t)
DECLARE_NEXT_OR_SYSTEM(ssize_t, send, (int s, const void *from, size_t n, int flags), SYS_sendto, s, from, n, flags,
                       NULL, 0)
DECLARE_NEXT_OR_SYSTEM(ssize_t, sendto,
                       (int s, const void *from, size_t n, int flags, __CONST_SOCKADDR_ARG to, socklen_t length),
                       SYS_sendto, s, from, n, flags, to.__sockaddr__, length)
DECLARE_NEXT_OR_SYSTEM(ssize_t, sendmsg, (int s, const struct msghdr *m, int flags), SYS_sendmsg, s, m, flags)
DECLARE_NEXT_OR_SYSTEM(int, sendmmsg, (int s, struct mmsghdr *m, unsigned n, int flags), SYS_sendmmsg, s, m, n, flags)

/* Makes the call until something else than our signal ends it: `result` is what it returned. */
#define CALL_UNTIL_DONE(result, descriptor, option, start, call)                                                       \
    do {                                                                                                               \
        interpose_begin();                                                                                             \
        gci_stop_watched_frame = (uintptr_t)__builtin_frame_address(0);                                                \
        (result) = (call);                                                                                             \
    } while (UNLIKELY((result) < 0) && interpose_must_repeat() && !gci_interpose_times_out(descriptor, option, start));

/* Whether a stop came during that call. In the same function. */
#define WAS_STOPPED() UNLIKELY(gci_stop_watched_frame == ((uintptr_t)__builtin_frame_address(0) | GCI_STOP_CAME))

/* ---- The rest of what a stop has cut short ------------------------------------------------------------------------ */

struct transfer {
    ssize_t (*move)(struct transfer *transfer, char *at, size_t bytes);
    int descriptor;
    int flags;
    int64_t start;
    bool was_stopped; /* during the last move */
};

static ssize_t move_by_write(struct transfer *transfer, char *at, size_t bytes)
{
    ssize_t result;
    CALL_UNTIL_DONE(result, transfer->descriptor, SO_SNDTIMEO, &transfer->start,
                    call_write(transfer->descriptor, at, bytes))
    transfer->was_stopped = WAS_STOPPED();
    return result;
}

/* The first part has opened the connection, if that was asked for. */
static ssize_t move_by_send(struct transfer *transfer, char *at, size_t bytes)
{
    ssize_t result;
    CALL_UNTIL_DONE(result, transfer->descriptor, SO_SNDTIMEO, &transfer->start,
                    call_send(transfer->descriptor, at, bytes, transfer->flags & ~MSG_FASTOPEN))
    transfer->was_stopped = WAS_STOPPED();
    return result;
}

static ssize_t move_by_recv(struct transfer *transfer, char *at, size_t bytes)
{
    ssize_t result;
    CALL_UNTIL_DONE(result, transfer->descriptor, SO_RCVTIMEO, &transfer->start,
                    call_recv(transfer->descriptor, at, bytes, transfer->flags))
    transfer->was_stopped = WAS_STOPPED();
    return result;
}

static bool is_stream(int socket)
{
    int type;
    socklen_t bytes = sizeof type;
    return getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &bytes) == 0 && type == SOCK_STREAM;
}

static bool is_blocking(int descriptor)
{
    int flags = fcntl(descriptor, F_GETFL);
    return flags >= 0 && !(flags & O_NONBLOCK);
}

/* A send with MSG_ZEROCOPY is one notification, a peek begins at the start again, and there is one byte out of band. */
static bool may_go_on(const struct transfer *transfer)
{
    if (transfer->flags & (MSG_DONTWAIT | MSG_PEEK | MSG_OOB | MSG_ERRQUEUE | MSG_ZEROCOPY))
        return false;
    if (transfer->move == move_by_recv && (!(transfer->flags & MSG_WAITALL) || !is_stream(transfer->descriptor)))
        return false;
    return is_blocking(transfer->descriptor);
}

/* Moves the rest of one element. Whether that is all of it. */
static bool move_rest(struct transfer *transfer, char *at, size_t bytes, size_t *done)
{
    int option = transfer->move == move_by_recv ? SO_RCVTIMEO : SO_SNDTIMEO;
    while (bytes > 0 && transfer->was_stopped) {
        if (gci_interpose_times_out(transfer->descriptor, option, &transfer->start))
            return false;
        ssize_t result = transfer->move(transfer, at, bytes);
        if (result <= 0)
            return false;
        *done += (size_t)result;
        at += result;
        bytes -= (size_t)result;
    }
    return bytes == 0;
}

/* After a stop during a call that returned `result`: what the call is to return. The elements that follow are moved one by
 * one: a copy of the array that could be changed may be too large for the stack. */
static COLD ssize_t go_on(struct transfer *transfer, const struct iovec *vector, size_t count, ssize_t result)
{
    int saved = errno;
    size_t done = (size_t)result;
    size_t end = 0; /* of the element, counted from the start of the first */
    if (result > 0 && may_go_on(transfer)) {
        transfer->was_stopped = true;
        for (size_t i = 0; i < count; i++) {
            size_t begin = end;
            end = vector[i].iov_len < BYTES_MAX - begin ? begin + vector[i].iov_len : BYTES_MAX;
            if (done < end && !move_rest(transfer, (char *)vector[i].iov_base + (done - begin), end - done, &done))
                break;
            transfer->was_stopped = true; /* an element that was moved whole ends no call */
        }
    }
    errno = saved;
    return (ssize_t)done;
}

static COLD ssize_t go_on_in(struct transfer *transfer, const void *buffer, size_t bytes, ssize_t result)
{
    struct iovec element = {.iov_len = bytes};
    __builtin_memcpy(&element.iov_base, &buffer, sizeof buffer);
    return go_on(transfer, &element, 1, result);
}

/* ---- Any descriptor ----------------------------------------------------------------------------------------------- */

EXPORT ssize_t read(int descriptor, void *buffer, size_t bytes)
{
    int64_t start = NOT_STARTED;
    ssize_t result;
    CALL_UNTIL_DONE(result, descriptor, SO_RCVTIMEO, &start, call_read(descriptor, buffer, bytes))
    return result;
}

EXPORT ssize_t readv(int descriptor, const struct iovec *vector, int count)
{
    int64_t start = NOT_STARTED;
    ssize_t result;
    CALL_UNTIL_DONE(result, descriptor, SO_RCVTIMEO, &start, call_readv(descriptor, vector, count))
    return result;
}

EXPORT ssize_t write(int descriptor, const void *buffer, size_t bytes)
{
    struct transfer transfer = {.move = move_by_write, .descriptor = descriptor, .start = NOT_STARTED};
    ssize_t result;
    CALL_UNTIL_DONE(result, descriptor, SO_SNDTIMEO, &transfer.start, call_write(descriptor, buffer, bytes))
    return WAS_STOPPED() ? go_on_in(&transfer, buffer, bytes, result) : result;
}

EXPORT ssize_t writev(int descriptor, const struct iovec *vector, int count)
{
    struct transfer transfer = {.move = move_by_write, .descriptor = descriptor, .start = NOT_STARTED};
    ssize_t result;
    CALL_UNTIL_DONE(result, descriptor, SO_SNDTIMEO, &transfer.start, call_writev(descriptor, vector, count))
    return WAS_STOPPED() ? go_on(&transfer, vector, (size_t)count, result) : result;
}

EXPORT ssize_t __read_chk(int descriptor, void *buffer, size_t bytes, size_t room)
{
    if (bytes > room)
        __chk_fail();
    return read(descriptor, buffer, bytes);
}

/* ---- Sockets ------------------------------------------------------------------------------------------------------ */

EXPORT ssize_t recv(int socket, void *buffer, size_t bytes, int flags)
{
    struct transfer transfer = {move_by_recv, socket, flags, gci_interpose_start(), false};
    ssize_t result;
    CALL_UNTIL_DONE(result, socket, SO_RCVTIMEO, &transfer.start, call_recv(socket, buffer, bytes, flags))
    return WAS_STOPPED() ? go_on_in(&transfer, buffer, bytes, result) : result;
}

EXPORT ssize_t recvfrom(int socket, void *restrict buffer, size_t bytes, int flags, __SOCKADDR_ARG from,
                        socklen_t *restrict length)
{
    struct transfer transfer = {move_by_recv, socket, flags, gci_interpose_start(), false};
    ssize_t result;
    CALL_UNTIL_DONE(result, socket, SO_RCVTIMEO, &transfer.start,
                    call_recvfrom(socket, buffer, bytes, flags, from, length))
    return WAS_STOPPED() ? go_on_in(&transfer, buffer, bytes, result) : result;
}

/* With room for ancillary data the rest may bring some, which must not be lost: then short is what it stays. */
EXPORT ssize_t recvmsg(int socket, struct msghdr *message, int flags)
{
    struct transfer transfer = {move_by_recv, socket, flags, gci_interpose_start(), false};
    ssize_t result;
    CALL_UNTIL_DONE(result, socket, SO_RCVTIMEO, &transfer.start, call_recvmsg(socket, message, flags))
    if (WAS_STOPPED() && result > 0 && message->msg_control == NULL)
        return go_on(&transfer, message->msg_iov, message->msg_iovlen, result);
    return result;
}

EXPORT ssize_t __recv_chk(int socket, void *buffer, size_t bytes, size_t room, int flags)
{
    if (bytes > room)
        __chk_fail();
    return recv(socket, buffer, bytes, flags);
}

EXPORT ssize_t __recvfrom_chk(int socket, void *restrict buffer, size_t bytes, size_t room, int flags,
                              __SOCKADDR_ARG from, socklen_t *restrict length)
{
    if (bytes > room)
        __chk_fail();
    return recvfrom(socket, buffer, bytes, flags, from, length);
}

EXPORT ssize_t send(int socket, const void *buffer, size_t bytes, int flags)
{
    struct transfer transfer = {move_by_send, socket, flags, gci_interpose_start(), false};
    ssize_t result;
    CALL_UNTIL_DONE(result, socket, SO_SNDTIMEO, &transfer.start, call_send(socket, buffer, bytes, flags))
    return WAS_STOPPED() ? go_on_in(&transfer, buffer, bytes, result) : result;
}

EXPORT ssize_t sendto(int socket, const void *buffer, size_t bytes, int flags, __CONST_SOCKADDR_ARG to,
                      socklen_t length)
{
    struct transfer transfer = {move_by_send, socket, flags, gci_interpose_start(), false};
    ssize_t result;
    CALL_UNTIL_DONE(result, socket, SO_SNDTIMEO, &transfer.start, call_sendto(socket, buffer, bytes, flags, to, length))
    return WAS_STOPPED() ? go_on_in(&transfer, buffer, bytes, result) : result;
}

/* Ancillary data has gone with the first byte. */
EXPORT ssize_t sendmsg(int socket, const struct msghdr *message, int flags)
{
    struct transfer transfer = {move_by_send, socket, flags, gci_interpose_start(), false};
    ssize_t result;
    CALL_UNTIL_DONE(result, socket, SO_SNDTIMEO, &transfer.start, call_sendmsg(socket, message, flags))
    if (WAS_STOPPED() && result > 0)
        return go_on(&transfer, message->msg_iov, message->msg_iovlen, result);
    return result;
}

/* ---- Several messages --------------------------------------------------------------------------------------------- */

/* When recvmmsg is interrupted after the first message, Linux keeps the interruption as an error of the socket, one that
 * has no name outside the kernel even (ERESTARTSYS, 512): the next call would fail with it. */
static void forget_interruption(int socket)
{
    int error;
    socklen_t bytes = sizeof error;
    (void)getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &bytes);
}

static bool has_time_left(const struct timespec *time)
{
    return time == NULL || time->tv_sec != 0 || time->tv_nsec != 0;
}

/* After a stop when `done` messages had come. The kernel keeps *time. */
static COLD int receive_more(int socket, struct mmsghdr *messages, unsigned count, int flags, struct timespec *time,
                             unsigned done)
{
    int saved = errno;
    int64_t start = NOT_STARTED;
    bool was_stopped = is_blocking(socket) && !(flags & (MSG_DONTWAIT | MSG_WAITFORONE));
    while (done < count && was_stopped) {
        forget_interruption(socket);
        if (!has_time_left(time) || gci_interpose_times_out(socket, SO_RCVTIMEO, &start))
            break;
        int result;
        CALL_UNTIL_DONE(result, socket, SO_RCVTIMEO, &start,
                        call_recvmmsg(socket, messages + done, count - done, flags, time))
        was_stopped = WAS_STOPPED() && result > 0;
        done += result > 0 ? (unsigned)result : 0;
    }
    errno = saved;
    return (int)done;
}

EXPORT int recvmmsg(int socket, struct mmsghdr *messages, unsigned count, int flags, struct timespec *time)
{
    int64_t start = gci_interpose_start();
    int result;
    CALL_UNTIL_DONE(result, socket, SO_RCVTIMEO, &start, call_recvmmsg(socket, messages, count, flags, time))
    if (WAS_STOPPED() && result > 0)
        return receive_more(socket, messages, count, flags, time, (unsigned)result);
    return result;
}

/* Whether the message is sent whole; on a stream its last part may be missing. */
static bool send_rest(int socket, struct mmsghdr *message, int flags)
{
    struct transfer transfer = {move_by_send, socket, flags, NOT_STARTED, false};
    const struct msghdr *header = &message->msg_hdr;
    size_t bytes = 0;
    for (size_t i = 0; i < header->msg_iovlen; i++)
        bytes += header->msg_iov[i].iov_len;
    message->msg_len = (unsigned)go_on(&transfer, header->msg_iov, header->msg_iovlen, (ssize_t)message->msg_len);
    return message->msg_len == bytes;
}

static COLD int send_more(int socket, struct mmsghdr *messages, unsigned count, int flags, unsigned done)
{
    int saved = errno;
    int64_t start = NOT_STARTED;
    bool was_stopped = is_blocking(socket) && !(flags & MSG_DONTWAIT);
    while (was_stopped && send_rest(socket, &messages[done - 1], flags) && done < count &&
           !gci_interpose_times_out(socket, SO_SNDTIMEO, &start)) {
        int result;
        CALL_UNTIL_DONE(result, socket, SO_SNDTIMEO, &start,
                        call_sendmmsg(socket, messages + done, count - done, flags))
        was_stopped = WAS_STOPPED() && result > 0;
        done += result > 0 ? (unsigned)result : 0;
    }
    errno = saved;
    return (int)done;
}

EXPORT int sendmmsg(int socket, struct mmsghdr *messages, unsigned count, int flags)
{
    int64_t start = gci_interpose_start();
    int result;
    CALL_UNTIL_DONE(result, socket, SO_SNDTIMEO, &start, call_sendmmsg(socket, messages, count, flags))
    if (WAS_STOPPED() && result > 0)
        return send_more(socket, messages, count, flags, (unsigned)result);
    return result;
}
