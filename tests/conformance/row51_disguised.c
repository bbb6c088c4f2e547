/* SPDX-License-Identifier: MIT */
/* Row 51: a block lives while its only pointer carries a tag in the bits that addresses do not use, at either end, or is
 * an operand of generated code. */
#include <sys/mman.h>

#include "conformance.h"

#define BLOCKS 100
#define TAG_SHIFT 48
#define CODE_BYTES ((size_t)1 << 18)

static volatile uintptr_t tagged[BLOCKS];

static __attribute__((noinline)) void make_tagged(void)
{
    for (uintptr_t i = 0; i < BLOCKS; i++)
        tagged[i] = ((uintptr_t)make_held() | (i & 7)) + ((i * 655 + 1) << TAG_SHIFT);
}

static __attribute__((noinline)) void check_tagged(void)
{
    for (uintptr_t i = 0; i < BLOCKS; i++) {
        uintptr_t address = tagged[i] & (((uintptr_t)1 << TAG_SHIFT) - 1) & ~(uintptr_t)7;
        check_held((char *)address);
        free((char *)address);
    }
}

/* So close that operands lie across the seams of whatever pieces the code is looked at in: 7 of 13 places do. */
#define OPERAND_STEP 13

/* Before it can run it is data, in which pointers are aligned: who generates it has them elsewhere, too. */
static __attribute__((noinline)) void make_code(unsigned char *code)
{
    static char *volatile operands[CODE_BYTES / OPERAND_STEP + 1];
    for (size_t at = 1; at + sizeof(char *) <= CODE_BYTES; at += OPERAND_STEP) {
        char *inside = make_held() + 1; /* its first byte might be held as the end of the block in front */
        operands[at / OPERAND_STEP] = inside;
        memcpy(code + at, &inside, sizeof inside);
    }
    __asm__ volatile("" : : "r"(operands) : "memory");
    CHECK(mprotect(code, CODE_BYTES, PROT_READ | PROT_EXEC) == 0);
    for (size_t i = 0; i < CODE_BYTES / OPERAND_STEP + 1; i++)
        operands[i] = NULL;
}

static __attribute__((noinline)) void check_code(const unsigned char *code)
{
    for (size_t at = 1; at + sizeof(char *) <= CODE_BYTES; at += OPERAND_STEP) {
        char *inside;
        memcpy(&inside, code + at, sizeof inside);
        check_held(inside - 1);
        free(inside - 1);
    }
}

int main(void)
{
    unsigned char *code = mmap(NULL, CODE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(code != MAP_FAILED);
    make_code(code);
    make_tagged();
    clear_stack();
    collect_and_reuse(HELD_BYTES);
    check_tagged();
    check_code(code);
    return 0;
}
