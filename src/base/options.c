/* SPDX-License-Identifier: MIT */
/* The instance of the options, with the defaults of options.def. */
#include "base/options.h"

struct options gci_options = {
#define OPTION_CHOICE(name, default_value, when, choices, help) .name = (default_value),
#define OPTION_FLAG(name, default_value, when, help) .name = (default_value),
#define OPTION_BYTES(name, default_value, low, high, when, help) .name = (default_value),
#define OPTION_NUMBER(name, default_value, low, high, when, help) .name = (default_value),
#define OPTION_TEXT(name, when, help) .name = {0},
#include "base/options.def"
};
