/* SPDX-License-Identifier: MIT */
/* Row 36: the system refuses the k-th call about memory, that one alone or every one from there on, for every k.
 * Requests get NULL with ENOMEM, or memory; contents stay, free keeps errno, nothing aborts. The parent decides about
 * each mmap, mprotect, madvise, munmap and mremap of the child, by a filter that the child installs on itself. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "conformance.h"

#define BLOCKS 60
#define NOT_POSSIBLE 77

/* ---- The child --------------------------------------------------------------------------------------------------- */

static char *blocks[BLOCKS];
static int refused;

static size_t bytes_of(int i)
{
    return i % 9 == 0 ? 50000 + (size_t)i * 9000 : 1 + (size_t)i * 61;
}

static char *take(int i)
{
    size_t bytes = bytes_of(i);
    errno = 0;
    char *block = i % 3 == 0 ? malloc(bytes) : i % 3 == 1 ? calloc(1, bytes) : memalign(256, bytes);
    if (block == NULL) {
        CHECK(errno == ENOMEM);
        refused++;
        return NULL;
    }
    for (size_t k = 0; i % 3 == 1 && k < bytes; k++)
        CHECK(block[k] == 0);
    memset(block, i + 1, bytes);
    return block;
}

static void resize_and_check(int i)
{
    if (blocks[i] == NULL)
        return;
    errno = 0;
    char *moved = realloc(blocks[i], bytes_of(i) * 3);
    if (moved == NULL) {
        CHECK(errno == ENOMEM);
        refused++;
    } else {
        blocks[i] = moved;
    }
    for (size_t k = 0; k < bytes_of(i); k++)
        CHECK(blocks[i][k] == (char)(i + 1));
}

static void *use_heap(void *data)
{
    for (int i = 0; i < BLOCKS; i++)
        blocks[i] = take(i);
    collect();
    for (int i = 0; i < BLOCKS; i++)
        resize_and_check(i);
    collect();
    errno = 1789;
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    CHECK(errno == 1789);
    malloc_trim(0);
    return data;
}

/* gcalloc ends its collections where the C library's call would install a filter: see programs/sandboxed.c. */
static long install_unseen(unsigned flags, const struct sock_fprog *program)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_seccomp), "D"(SECCOMP_SET_MODE_FILTER), "S"(flags), "d"(program)
                     : "rcx", "r11", "memory");
    return result;
}

static void be_refused(int to_parent)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 5, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 4, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_munmap, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mremap, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    pthread_t thread;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int file = (int)install_unseen(SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
    CHECK(write(to_parent, &file, sizeof file) == sizeof file);
    if (file < 0)
        _exit(NOT_POSSIBLE);
    use_heap(NULL);
    if (pthread_create(&thread, NULL, use_heap, NULL) == 0)
        pthread_join(thread, NULL);
}

/* ---- The parent -------------------------------------------------------------------------------------------------- */

/* Answers until the child is gone; returns how many calls there were. */
static int decide(int listener, int k, int is_lasting)
{
    struct pollfd event = {listener, POLLIN, 0};
    int calls = 0;
    for (;;) {
        struct seccomp_notif call = {0};
        if (poll(&event, 1, -1) == 1 && !(event.revents & POLLIN))
            return calls;
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0)
            continue;
        calls++;
        int must_fail = is_lasting ? calls >= k : calls == k;
        struct seccomp_notif_resp answer = {
            .id = call.id, .error = must_fail ? -ENOMEM : 0, .flags = must_fail ? 0 : SECCOMP_USER_NOTIF_FLAG_CONTINUE};
        ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
    }
}

static int run_child(int k, int is_lasting)
{
    int ends[2];
    int file = -1;
    int status;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        be_refused(ends[1]);
        _exit(!is_lasting && refused > 5); /* the system has memory again */
    }
    CHECK(read(ends[0], &file, sizeof file) == sizeof file);
    int process = (int)syscall(SYS_pidfd_open, child, 0);
    int listener = file < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, file, 0);
    if (listener < 0)
        kill(child, SIGKILL);
    int calls = listener < 0 ? 0 : decide(listener, k, is_lasting);
    CHECK(waitpid(child, &status, 0) == child);
    if (listener >= 0 && status != 0) {
        fprintf(stderr, "k = %d%s: status %x\n", k, is_lasting ? " and later" : "", (unsigned)status);
        _exit(1);
    }
    close(listener);
    close(process);
    close(ends[0]);
    close(ends[1]);
    return calls;
}

int main(void)
{
    for (int is_lasting = 0; is_lasting < 2; is_lasting++)
        for (int k = 1; run_child(k, is_lasting) >= k; k++) /* with fewer calls, none was refused */
            ;
    return 0;
}
