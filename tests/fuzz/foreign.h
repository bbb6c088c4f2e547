/* SPDX-License-Identifier: MIT */
/* For fuzzers that collect in their own process: which of its memory is theirs. */
#ifndef TESTS_FUZZ_FOREIGN_H
#define TESTS_FUZZ_FOREIGN_H

/* Once, before the first input. What is mapped by then, or kept free for later, belongs to whoever drives the fuzzer, to a
 * sanitizer and to the C library: tens of megabytes that hold none of our blocks, and took nine tenths of the time of a
 * collection. They are no roots from here on. What remains is stacks, and what the fuzzer adds itself.
 */
void exclude_foreign_memory(void);

#endif
