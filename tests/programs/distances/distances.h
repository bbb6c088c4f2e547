/* SPDX-License-Identifier: MIT */
/* What library.c offers: a set of blocks that are held by distances. */
#ifndef GCALLOC_TESTS_PROGRAMS_DISTANCES_H
#define GCALLOC_TESTS_PROGRAMS_DISTANCES_H

#include <stddef.h>

void *distances_new(void);
size_t distances_count(void);
size_t distances_count_whole(const void *handle);
void distances_free(void *handle);

#endif
