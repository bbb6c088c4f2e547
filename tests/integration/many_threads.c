/* SPDX-License-Identifier: MIT */
/* Stopping the world with many threads in every state: 160 threads compute, sleep, wait for a lock or a condition,
 * read a pipe, come and go, while the main thread collects without pause. Argument: seconds (5). Each thread holds
 * memory in its own way (local variable, thread-local, pthread key) and verifies it; no system call may notice the
 * stops. */
#include "program.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define THREADS 160
#define BLOCKS 20

struct holder {
    size_t id;
    void *block[BLOCKS];
};

static atomic_bool done;
static atomic_ulong rounds, born;
static _Thread_local struct holder *of_thread;
static pthread_key_t key;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int pipe_ends[2];

static struct holder *make(size_t id)
{
    struct holder *h = need(malloc(sizeof *h));
    h->id = id;
    for (size_t i = 0; i < BLOCKS; i++) {
        h->block[i] = need(malloc(16 + i * 24));
        memset(h->block[i], (int)(id + i), 16 + i * 24);
    }
    return h;
}

static void verify(const struct holder *h, size_t id)
{
    if (h->id != id)
        fail("thread %zu has the memory of %zu", id, h->id);
    for (size_t i = 0; i < BLOCKS; i++) {
        const unsigned char *bytes = h->block[i];
        for (size_t k = 0; k < 16 + i * 24; k++) {
            if (bytes[k] != (unsigned char)(id + i))
                fail("thread %zu: block %zu has changed", id, i);
        }
    }
}

static void sleep_exactly(void)
{
    struct timespec t = {0, 20000000};
    double began = now_seconds();
    if (nanosleep(&t, NULL) != 0)
        fail("nanosleep: %s", strerror(errno));
    if (now_seconds() - began < 0.02)
        fail("nanosleep came back early");
}

static void read_pipe(void)
{
    char byte;
    ssize_t got = read(pipe_ends[0], &byte, 1);
    if (got != 1)
        fail("read: %zd %s", got, strerror(errno));
}

static void wait_condition(void)
{
    struct timespec until;
    int result;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 30000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&lock);
    result = pthread_cond_timedwait(&condition, &lock, &until);
    pthread_mutex_unlock(&lock);
    if (result != 0 && result != ETIMEDOUT)
        fail("pthread_cond_timedwait: %s", strerror(result));
}

static void *short_thread(void *arg)
{
    struct holder *h = make((size_t)arg);
    sched_yield();
    verify(h, (size_t)arg);
    atomic_fetch_add(&born, 1);
    return h;
}

static void start_short_thread(size_t id)
{
    pthread_t thread;
    void *result;
    if (pthread_create(&thread, NULL, short_thread, (void *)id) != 0)
        fail("pthread_create");
    if (pthread_join(thread, &result) != 0)
        fail("pthread_join");
    verify(result, id);
}

static void one_round(size_t id)
{
    switch (id % 6) {
    case 0:
        sleep_exactly();
        break;
    case 1:
        read_pipe();
        break;
    case 2:
        wait_condition();
        break;
    case 3:
        start_short_thread(id + 1000);
        break;
    case 4:
        sched_yield();
        break;
    default:
        verify(make(id), id);
        break;
    }
}

static void *run(void *arg)
{
    size_t id = (size_t)arg;
    struct holder *local = make(id);
    of_thread = make(id + 1);
    pthread_setspecific(key, make(id + 2));
    while (!atomic_load(&done)) {
        one_round(id);
        verify(local, id);
        verify(of_thread, id + 1);
        verify(pthread_getspecific(key), id + 2);
        atomic_fetch_add(&rounds, 1);
    }
    return local;
}

int main(int argc, char **argv)
{
    double seconds = argc > 1 ? strtod(argv[1], NULL) : 5, began;
    static pthread_t threads[THREADS];
    unsigned long collections = 0;
    check_library();
    if (pthread_key_create(&key, NULL) != 0 || pipe(pipe_ends) != 0)
        fail("set-up: %s", strerror(errno));
    for (size_t i = 0; i < THREADS; i++) {
        if (pthread_create(&threads[i], NULL, run, (void *)i) != 0)
            fail("pthread_create");
    }
    for (began = now_seconds(); now_seconds() - began < seconds; collections++) {
        collect();
        if (write(pipe_ends[1], "xxxxxxxxxx", 10) != 10)
            fail("write: %s", strerror(errno));
        pthread_cond_signal(&condition);
        usleep(1000);
    }
    atomic_store(&done, true);
    static const char enough[THREADS];
    if (write(pipe_ends[1], enough, THREADS) != THREADS)
        fail("write: %s", strerror(errno));
    for (size_t i = 0; i < THREADS; i++) {
        void *result;
        if (pthread_join(threads[i], &result) != 0)
            fail("end of thread %zu", i);
        verify(result, i);
    }
    printf("many_threads: %d threads, %lu rounds, %lu short threads, %lu collections asked for\n", THREADS, rounds,
           born, under_gcalloc() ? collections : 0);
    if (rounds < THREADS)
        fail("some threads did not get on");
    return 0;
}
