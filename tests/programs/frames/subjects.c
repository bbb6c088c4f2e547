/* SPDX-License-Identifier: MIT */
/* Functions with frames of many shapes, for steps.c; compiled with several options and by several compilers. */
#include <alloca.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#define NOINLINE __attribute__((noinline))

int subjects(int n);

static NOINLINE int leaf(int n)
{
    return n * 3 + 1;
}

static NOINLINE int saves_registers(int a, int b, int c, int d, int e, int f)
{
    int g = leaf(a) + leaf(b);
    int h = leaf(c) - leaf(d);
    int i = leaf(e) * leaf(f);
    int j = leaf(g + h);
    return a + b * c + d * e + f + g + h + i * leaf(j) + j;
}

static NOINLINE int large_frame(int n)
{
    volatile char bytes[20000];
    bytes[n] = (char)n;
    return leaf(n) + bytes[n];
}

static NOINLINE int dynamic_frame(int n)
{
    volatile char *bytes = alloca((size_t)n * 16 + 16);
    bytes[n] = (char)leaf(n);
    return leaf(bytes[n]) + bytes[n];
}

static NOINLINE int aligned_frame(int n)
{
    volatile _Alignas(128) char bytes[256];
    bytes[n] = (char)leaf(n);
    return saves_registers(n, bytes[n], 1, 2, 3, (int)((size_t)bytes % 128));
}

static NOINLINE int aligned_dynamic_frame(int n)
{
    volatile _Alignas(64) char bytes[64];
    volatile char *more = alloca((size_t)n * 8 + 8);
    bytes[n] = more[n] = (char)leaf(n);
    return saves_registers(bytes[n], more[n], 1, 2, 3, 4) + bytes[n];
}

static NOINLINE int early_return(int n, int *to)
{
    if (n == 0)
        return 7;
    int m = leaf(n) + leaf(n + 1);
    *to = leaf(m);
    return *to + m;
}

static NOINLINE int tail_call(int n)
{
    return early_return(n + 1, &(int){n});
}

static NOINLINE int recursive(int n)
{
    return n == 0 ? 1 : recursive(n - 1) + leaf(n);
}

static int by_value(const void *a, const void *b)
{
    return leaf(*(const int *)a) - leaf(*(const int *)b);
}

static NOINLINE int called_back(void)
{
    int values[] = {5, 1, 4, 2};
    int wanted = 2;
    qsort(values, 4, sizeof *values, by_value);
    int *found = bsearch(&wanted, values, 4, sizeof *values, by_value);
    return found != NULL ? *found : 0;
}

static jmp_buf back;

static NOINLINE __attribute__((noreturn)) void jump_back(int n)
{
    longjmp(back, leaf(n));
}

static NOINLINE int ends_with_a_call(int n)
{
    int m = leaf(n);
    jump_back(m);
}

static NOINLINE int jumps(int n)
{
    return setjmp(back) == 0 ? ends_with_a_call(n) : leaf(n);
}

/* The first calls of these go through the loader. */
static NOINLINE int calls_libraries(int n)
{
    char text[64];
    memset(text, 'a', sizeof text);
    text[n] = '\0';
    return (int)strtol("12", NULL, 10) + (int)strlen(text) + abs(n) + atoi("3") + (int)strcspn(text, "b");
}

int subjects(int n)
{
    int m = saves_registers(n, 1, 2, 3, 4, 5) + large_frame(n) + dynamic_frame(n) + aligned_frame(n);
    m += aligned_dynamic_frame(n) + early_return(0, &m) + early_return(n, &m) + tail_call(n) + recursive(n);
    return m + called_back() + jumps(n) + calls_libraries(n);
}
