/* SPDX-License-Identifier: MIT */
/* Forks children that allocate, collect, verify and exit while other threads of the parent allocate and collect.
 * Argument: number of forks (200). Every fourth child forks a grandchild, every fifth starts a thread, every other
 * one leaves by exit(). A child that hangs is ended by its alarm and counts as failed. */
#include "program.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define WORKERS 3

struct link {
    struct link *next;
    uint64_t value;
};

static atomic_bool done;
static struct link *inherited; /* built before the forks, verified in every child */

static struct link *build_list(uint64_t count)
{
    struct link *list = NULL;
    for (uint64_t i = 0; i < count; i++) {
        struct link *link = need(malloc(sizeof *link));
        link->next = list;
        link->value = i;
        list = link;
    }
    return list;
}

static void verify_list(const struct link *list, uint64_t count)
{
    while (count-- > 0) {
        if (!list || list->value != count)
            fail("a list has changed at element %llu", (unsigned long long)count);
        list = list->next;
    }
}

static void free_list(struct link *list)
{
    while (list) {
        struct link *next = list->next;
        free(list);
        list = next;
    }
}

/* Dropped under gcalloc; freed on the C library, where the parent would become too big to fork quickly. */
static void drop_list(struct link *list)
{
    if (!under_gcalloc())
        free_list(list);
}

/* Drops two lists, frees one. */
static void churn(uint64_t count)
{
    struct link *kept = build_list(count);
    drop_list(build_list(count));
    free_list(build_list(count));
    verify_list(kept, count);
    drop_list(kept);
    free(need(malloc(300 * 1024)));
}

static void *work(void *arg)
{
    uint64_t state = (uintptr_t)arg + 99;
    while (!atomic_load(&done)) {
        churn(200 + next_random(&state) % 500);
        if (next_random(&state) % 16 == 0)
            collect();
        usleep(300); /* leaves the processors to the children */
    }
    return NULL;
}

static void *work_once(void *arg)
{
    churn(500);
    collect();
    return arg;
}

static void wait_for(pid_t child, const char *what)
{
    int status;
    pid_t got;
    do {
        got = waitpid(child, &status, 0);
    } while (got < 0 && errno == EINTR);
    if (got != child)
        fail("waitpid: %s", strerror(errno));
    if (WIFSIGNALED(status))
        fail("a %s died of signal %d%s", what, WTERMSIG(status), WTERMSIG(status) == SIGALRM ? " (it hung)" : "");
    if (WEXITSTATUS(status) != 0)
        fail("a %s left with code %d", what, WEXITSTATUS(status));
}

static void child(unsigned number)
{
    alarm(30);
    churn(1000);
    verify_list(inherited, 5000);
    collect();
    verify_list(inherited, 5000);
    if (number % 4 == 0) {
        pid_t pid = fork();
        if (pid < 0)
            fail("fork in a child: %s", strerror(errno));
        if (pid == 0) {
            alarm(30);
            churn(300);
            collect();
            _exit(0);
        }
        wait_for(pid, "grandchild");
    }
    if (number % 5 == 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, work_once, NULL) != 0 || pthread_join(thread, NULL) != 0)
            fail("a thread in a child");
    }
    churn(1000);
    if (number % 2)
        exit(0);
    _exit(0);
}

int main(int argc, char **argv)
{
    unsigned forks = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 200;
    pthread_t workers[WORKERS];
    check_library();
    inherited = build_list(5000);
    for (uintptr_t i = 0; i < WORKERS; i++) {
        if (pthread_create(&workers[i], NULL, work, (void *)i) != 0)
            fail("pthread_create");
    }
    for (unsigned i = 0; i < forks; i++) {
        pid_t pid = fork();
        if (pid < 0)
            fail("fork %u: %s", i, strerror(errno));
        if (pid == 0)
            child(i);
        if (i % 10 == 0)
            collect();
        wait_for(pid, "child");
        verify_list(inherited, 5000);
    }
    atomic_store(&done, true);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(workers[i], NULL);
    printf("fork_collect: %u forks, every child verified its memory\n", forks);
    return 0;
}
