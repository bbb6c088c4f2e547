/* SPDX-License-Identifier: MIT */
/* The options as plain data, generated from options.def. The one instance is `gci_options`; api/options.c fills it at
 * start and on gca_option_set, everybody reads it. Numbers are read without a lock: each is one aligned word.
 */
#ifndef GCI_BASE_OPTIONS_H
#define GCI_BASE_OPTIONS_H

#include <stdint.h>

#define OPTION_TEXT_BYTES 256

enum option_when { START, LIVE };
enum mode { MODE_GC = 0, MODE_FREE = 1, MODE_LEAKS = 2 };

struct options {
#define OPTION_CHOICE(name, default_value, when, choices, help) uint64_t name;
#define OPTION_FLAG(name, default_value, when, help) uint64_t name;
#define OPTION_BYTES(name, default_value, low, high, when, help) uint64_t name;
#define OPTION_NUMBER(name, default_value, low, high, when, help) uint64_t name;
#define OPTION_TEXT(name, when, help) char name[OPTION_TEXT_BYTES];
#include "base/options.def"
#undef OPTION_CHOICE
#undef OPTION_FLAG
#undef OPTION_BYTES
#undef OPTION_NUMBER
#undef OPTION_TEXT
};

extern struct options gci_options;

#endif
