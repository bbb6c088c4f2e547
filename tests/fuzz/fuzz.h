/* SPDX-License-Identifier: MIT */
/* What a fuzzer of this folder gives and may use. The names are libFuzzer's, so that it, or AFL++ in its place, can drive a
 * fuzzer; driver.c does what is needed of it where neither is there.
 *
 * A fuzzer takes any bytes at all, gives the same answer to the same bytes, leaves nothing behind, and aborts where something
 * is wrong.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *count, char ***words); /* optional */

/* Changes the bytes in place, up to `room`; the new size. Optional: for input of which most changes would make nothing. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned seed);

/* What is done without one: single bytes, parts, numbers that are at some edge. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#endif
