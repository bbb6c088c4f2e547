/* SPDX-License-Identifier: MIT */
/* Threads that end by the system call alone, as those of some language runtimes do: no destructor of thread-local storage
 * runs, and what the library has noted of them stays until it finds that they are gone. Their stacks go back to the system at
 * once when they are joined, thread-local storage with them, and the addresses are used again.
 */
#include "check.h"

#include <gcalloc/rc.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)64 << 20) /* more than the C library keeps for later threads */
#define THREADS 8
#define STEPS 1000 /* more than it takes to be known as a thread that counts this object */
#define PAGE 4096u
#define AROUND (16 * PAGE) /* bytes in front of a page of thread-local storage, and that page */

static const gca_type type = {.name = "shared"};
static _Thread_local char local;
static char *volatile local_address;

/* The object is another thread's, and has a reference for this one. */
static void *count_and_vanish(void *object)
{
    local_address = &local;
    for (int i = 0; i < STEPS; i++) {
        gca_release(object);
        gca_retain(object);
    }
    syscall(SYS_exit, 0);
    return NULL;
}

static void run_vanishing_thread(void *object)
{
    pthread_t thread;
    pthread_attr_t attributes;
    CHECK(pthread_attr_init(&attributes) == 0 && pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
    CHECK(pthread_create(&thread, &attributes, count_and_vanish, gca_retain(object)) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    gca_release(object);
}

static void test_release(void)
{
    for (int i = 0; i < THREADS; i++) {
        void *object = gca_rc_new(100, &type);
        run_vanishing_thread(object);
        gca_release(object);
    }
}

static void test_collection(void)
{
    void *volatile object = gca_rc_new(100, &type);
    for (int i = 0; i < THREADS; i++)
        run_vanishing_thread(object);
    gca_collect();
    gca_release(object);
}

/* Other memory where the thread-local storage was. */
static void test_other_memory(void (*use)(void *object))
{
    void *volatile object = gca_rc_new(100, &type);
    run_vanishing_thread(object);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    char *begin = local_address - (uintptr_t)local_address % PAGE + PAGE - AROUND;
    char *block = mmap(begin, AROUND, PROT_READ | PROT_WRITE, flags, -1, 0);
    CHECK(block == begin);
    if (block != begin)
        return;
    /* Each word may be taken for the name of the object. */
    for (size_t i = 0; i < AROUND; i += sizeof object)
        memcpy(block + i, (const void *)&object, sizeof object);
    use(object);
    for (size_t i = 0; i < AROUND; i += sizeof object)
        CHECK(memcmp(block + i, (const void *)&object, sizeof object) == 0);
    munmap(block, AROUND);
}

static void collect(void *object)
{
    gca_collect();
    gca_release(object);
}

int main(void)
{
    test_release();
    test_collection();
    test_other_memory(gca_release);
    test_other_memory(collect);
    return check_result();
}
