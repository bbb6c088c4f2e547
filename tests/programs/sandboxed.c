/* SPDX-License-Identifier: MIT */
/* A program that locks itself into a sandbox which ends it at every call that is not on a short list, as sshd's does before
 * somebody has logged in, and goes on to work with its heap: far more garbage than starts a collection, large blocks and small
 * ones, beside threads that were there before.
 *
 * Arguments: by which call (prctl, seccomp, tsync), or "strict": the mode in which read, write and exit are all there is, and
 * memory ends where no more is mapped; or "refused": what cannot be installed leaves collections as they were; or "together":
 * threads each install a filter of their own at once.
 */
#include "check.h"

#include <errno.h>
#include <gcalloc.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define ROUNDS 40 /* MiB of each: several times what starts a collection, and past where huge pages are asked for */
#define THREADS 3
#define KEPT 400 /* blocks of up to 400 KB, 80 MB in all: more than is made ready beforehand */
#define PIECE 50000
#define ALLOW(call) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_##call, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static pthread_barrier_t all_here; /* twice: before the filter, and with it */

static int install(const char *how)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(read),
        ALLOW(write),
        ALLOW(close),
        ALLOW(brk),
        ALLOW(mmap),
        ALLOW(munmap),
        ALLOW(mprotect),
        ALLOW(futex),
        ALLOW(clock_gettime),
        ALLOW(rt_sigprocmask),
        ALLOW(rt_sigreturn),
        ALLOW(madvise), /* the C library's own, when a thread ends */
        ALLOW(exit),
        ALLOW(exit_group),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return -1;
    if (strcmp(how, "prctl") == 0)
        return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    unsigned flags = strcmp(how, "tsync") == 0 ? SECCOMP_FILTER_FLAG_TSYNC : 0;
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static void churn(void)
{
    for (size_t i = 0; i < ROUNDS; i++) {
        for (size_t k = 0; k < MIB / 256; k++)
            memset(malloc(k % 512 + 1), 1, k % 512 + 1);
        memset(malloc(MIB), 2, MIB);
        void *volatile block = malloc(3 * MIB);
        free(block);
        block = malloc(5000);
        block = realloc(block, 90000);
        free(block);
        gca_collect();
    }
    malloc_trim(0);
}

static void keep_much(void)
{
    char *kept[KEPT];
    for (size_t i = 0; i < KEPT; i++) {
        kept[i] = malloc(i * 1000 + 1);
        memset(kept[i], (int)i, i * 1000 + 1);
    }
    for (size_t i = 0; i < KEPT; i++) {
        CHECK(kept[i][i * 1000] == (char)i);
        free(kept[i]);
    }
}

static void *work_beside(void *data)
{
    void *volatile first = malloc(100); /* known from here on */
    free(first);
    pthread_barrier_wait(&all_here);
    pthread_barrier_wait(&all_here);
    churn();
    return data;
}

static void test_filter(const char *how)
{
    pthread_t threads[THREADS];
    pthread_barrier_init(&all_here, NULL, THREADS + 1);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, work_beside, NULL) == 0);
    void *volatile large = malloc(8 * MIB);
    free(large); /* a timer is set */
    pthread_barrier_wait(&all_here);
    CHECK(install(how) == 0);
    pthread_barrier_wait(&all_here);
    churn();
    keep_much();
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void *install_and_work(void *data)
{
    void *volatile first = malloc(100); /* known from here on */
    free(first);
    pthread_barrier_wait(&all_here);
    CHECK(install("prctl") == 0);
    for (size_t i = 0; i < 2000; i++)
        memset(malloc(i % 512 + 1), 1, i % 512 + 1);
    return data;
}

static void *collect(void *data)
{
    pthread_barrier_wait(&all_here);
    for (int i = 0; i < 5; i++)
        gca_collect();
    return data;
}

/* Each thread for itself, all at once, in the middle of a collection. */
static void test_together(void)
{
    pthread_t threads[THREADS + 1];
    void **kept = NULL; /* so that a collection takes its time */
    for (int i = 0; i < 100000; i++) {
        void **block = malloc(100);
        *block = (void *)kept;
        kept = block;
    }
    pthread_barrier_init(&all_here, NULL, THREADS + 1);
    for (int i = 0; i <= THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, i == THREADS ? collect : install_and_work, NULL) == 0);
    for (int i = 0; i <= THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(kept != NULL);
}

static void test_together_often(void)
{
    for (int i = 0; i < 20; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            test_together();
            _exit(check_result());
        }
        CHECK(waitpid(child, &status, 0) == child && status == 0);
    }
}

/* Everything until memory ends, which it does. */
static void use_up(void)
{
    size_t bytes = 0;
    void **last = NULL;
    void **block;
    errno = 0;
    while (bytes < 1024 * MIB && (block = malloc(PIECE)) != NULL) {
        memset(block, 1, PIECE);
        *block = (void *)last;
        last = block;
        bytes += PIECE;
    }
    CHECK(errno == ENOMEM && bytes > 8 * MIB && bytes < 1024 * MIB);
    while (last != NULL) {
        void **next = *last;
        free((void *)last);
        last = next;
    }
}

static void test_strict(void)
{
    pid_t child = fork();
    if (child == 0) {
        CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
        use_up();
        syscall(SYS_exit, check_result());
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* What is no block of ours is told of by a line, and ends the process, with no call before that but write. */
static void test_strict_misuse(void)
{
    int ends[2];
    char line[200] = {0};
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        void *volatile block = malloc(100);
        free(block);
        CHECK(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO && prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) == 0);
        free(block);
        syscall(SYS_exit, 0);
    }
    close(ends[1]);
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    CHECK(read(ends[0], line, sizeof line - 1) > 0 && strstr(line, "double free") != NULL);
    close(ends[0]);
}

/* A filter that all other threads ought to get is for none of them if one has another. */
static void *stay_apart(void *data)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {1, &allow};
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
    pthread_barrier_wait(&all_here);
    pthread_barrier_wait(&all_here);
    return data;
}

static void test_refused_by_thread(void)
{
    pthread_t thread;
    pthread_barrier_init(&all_here, NULL, 2);
    CHECK(pthread_create(&thread, NULL, stay_apart, NULL) == 0);
    pthread_barrier_wait(&all_here);
    CHECK(install("tsync") > 0);
    pthread_barrier_wait(&all_here);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void test_refused(void)
{
    test_refused_by_thread();
    struct sock_fprog none = {0, NULL};
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &none) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, NULL) == -1 && errno == EFAULT);
    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL) == -1 && errno == EINVAL);
    CHECK(syscall(SYS_seccomp, 1234, 0, NULL) == -1 && errno == EINVAL);
    for (int i = 0; i < 10; i++) /* so few requests that hardly any collection comes between them */
        memset(malloc(MIB), 1, MIB);
    CHECK(gca_collect() > 5 * MIB);
}

int main(int count, char **arguments)
{
    const char *how = count > 1 ? arguments[1] : "prctl";
    if (strcmp(how, "strict") == 0) {
        test_strict();
        test_strict_misuse();
    } else if (strcmp(how, "refused") == 0)
        test_refused();
    else if (strcmp(how, "together") == 0)
        test_together_often();
    else
        test_filter(how);
    return check_result();
}
