/* SPDX-License-Identifier: MIT */
/* A sandbox that permits all that the library calls changes nothing: garbage is collected, on threads that come later too, memory
 * goes back, profiles and reports are written. One that may forbid a single call of them ends collections, as any other.
 *
 * The argument says what the filter permits: "needed", exactly the calls that the library is known to make; "all_but_ptrace";
 * "all_but_one", without one that collections make; "nothing_certain", what it calculates; "nothing", no filter at all.
 */
#include "check.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../platform/linux/sandbox/calls.h"

#define MIB ((size_t)1 << 20)
#define THREADS 3
#define ROUNDS 15
#define PAUSE_US 150000 /* several times what memory has to be unused for in this test */

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
#define IF(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define KILL BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)

/* The library's list in the words of filters. */
#define CALL(name) IF(SYS_##name, 0, 1), ALLOW,
#define CALL_WITH(name, argument, value)                                                                               \
    IF(SYS_##name, 0, 5), LOAD(args[argument]), IF((unsigned)(value), 0, 3),                                           \
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[argument]) + 4), IF(0, 0, 1), ALLOW,     \
        LOAD(nr),

/* clang-format off */
static const struct sock_filter needed[] = {
    LOAD(arch), IF(AUDIT_ARCH_X86_64, 1, 0), KILL, LOAD(nr),
#include "../../platform/linux/sandbox/calls.def"
    CALL(clock_nanosleep) /* the program's own, these two */
    CALL(exit_group)
    KILL,
};
/* clang-format on */
static const struct sock_filter all_but_ptrace[] = {LOAD(nr), IF(SYS_ptrace, 0, 1), KILL, ALLOW};
static const struct sock_filter all_but_one[] = {LOAD(nr), IF(SYS_process_vm_readv, 0, 1), KILL, ALLOW};
static const struct sock_filter nothing_certain[] = {LOAD(nr), BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0),
                                                     BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ALLOW),
                                                     BPF_STMT(BPF_RET | BPF_A, 0)};

#define FILTER(name, is_enough)                                                                                        \
    {                                                                                                                  \
#name, name, sizeof name / sizeof name[0], is_enough                                                           \
    }
static const struct filter {
    const char *name;
    const struct sock_filter *code;
    size_t count;
    bool is_enough;
} filters[] = {FILTER(needed, true), FILTER(all_but_ptrace, true), FILTER(all_but_one, false),
               FILTER(nothing_certain, false)};

static bool install(const struct filter *filter)
{
    struct sock_fprog program = {(unsigned short)filter->count, (struct sock_filter *)(uintptr_t)filter->code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) == 0;
}

static void *lose_much(void *data)
{
    for (size_t i = 0; i < ROUNDS; i++) {
        for (size_t k = 0; k < MIB / 256; k++)
            memset(malloc(k % 512 + 1), 1, k % 512 + 1);
        memset(malloc(MIB), 2, MIB);
    }
    return data;
}

static void check_collections(bool is_enough)
{
    size_t freed = 0;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, lose_much, NULL) == 0);
    lose_much(NULL);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    for (int i = 0; i < 3; i++) {
        lose_much(NULL);
        freed += gca_collect();
        usleep(PAUSE_US);
    }
    const char *mode = getenv("GCALLOC_MODE");
    if (mode == NULL || strcmp(mode, "gc") == 0)
        CHECK(is_enough ? freed > MIB : freed == 0);
    if (is_enough)
        CHECK(gca_leaks_report(STDERR_FILENO) >= 0);
}

int main(int count, char **arguments)
{
    const char *name = count > 1 ? arguments[1] : "needed";
    const struct filter *filter = NULL;
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++)
        if (strcmp(filters[i].name, name) == 0)
            filter = &filters[i];
    CHECK(filter != NULL || strcmp(name, "nothing") == 0);
    CHECK(filter == NULL || install(filter));
    check_collections(filter == NULL || filter->is_enough);
    return check_result();
}
