/* SPDX-License-Identifier: MIT */
/* Frees at the very end: atexit, destructors before and after every library's, on_exit, a thread still running. */
#include "legal.h"

#include <stdatomic.h>

static struct filled *for_atexit[100];
static struct filled *for_early[100];
static struct filled *for_late[100];
static atomic_bool is_running;

static void make_all(struct filled **blocks)
{
    for (uint32_t i = 0; i < 100; i++)
        blocks[i] = make_filled(i * 60, (uint8_t)i);
}

static void free_all(struct filled **blocks)
{
    for (size_t i = 0; i < 100; i++)
        free_filled(blocks[i]);
}

static void at_exit(void)
{
    free_all(for_atexit);
    free(malloc(100));
}

__attribute__((destructor(65535))) static void early(void)
{
    free_all(for_early);
}

__attribute__((destructor(101))) static void late(void)
{
    free_all(for_late);
    free(malloc(100000));
}

static void *run_on(void *data)
{
    for (;;) {
        free(malloc(200));
        atomic_store(&is_running, true);
    }
    return data;
}

int main(void)
{
    make_all(for_atexit);
    make_all(for_early);
    make_all(for_late);
    REQUIRE(atexit(at_exit) == 0);
    start_thread(run_on, NULL);
    while (!atomic_load(&is_running))
        usleep(100);
    exit(0);
}
