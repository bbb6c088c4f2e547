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

/* Every byte of a page and the seams of larger pieces are met: operands lie 2,611 bytes apart. */
#define OPERAND_STEP 2611

/* Before it can run it is data, in which pointers are aligned: who generates it has them elsewhere, too. */
static __attribute__((noinline)) void make_code(unsigned char *code)
{
    static char *volatile operands[CODE_BYTES / OPERAND_STEP + 1];
    for (size_t at = 1; at + sizeof(char *) <= CODE_BYTES; at += OPERAND_STEP) {
        char *block = make_held();
        operands[at / OPERAND_STEP] = block;
        memcpy(code + at, &block, sizeof block);
    }
    __asm__ volatile("" : : "r"(operands) : "memory");
    CHECK(mprotect(code, CODE_BYTES, PROT_READ | PROT_EXEC) == 0);
    for (size_t i = 0; i < CODE_BYTES / OPERAND_STEP + 1; i++)
        operands[i] = NULL;
}

static __attribute__((noinline)) void check_code(const unsigned char *code)
{
    for (size_t at = 1; at + sizeof(char *) <= CODE_BYTES; at += OPERAND_STEP) {
        char *block;
        memcpy(&block, code + at, sizeof block);
        check_held(block);
        free(block);
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
