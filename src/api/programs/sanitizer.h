/* SPDX-License-Identifier: MIT */
/* Programs that are built with a sanitizer, which replaces malloc itself. gcc's come as libraries, behind a malloc that is put in
 * front of the program, and cannot work there; clang's are part of the program, with a malloc in front of ours. */
#ifndef GCI_API_SANITIZER_H
#define GCI_API_SANITIZER_H

#include <stdbool.h>

/* At the beginning of our constructor. False, after a line: nothing of this library may be used, as the sanitizer's functions
 * stand in front of the C library's and are not ready yet. Ends a program that cannot run. Where malloc is replaced only. */
bool gci_sanitizer_lets_start(void) __attribute__((weak));

#endif
