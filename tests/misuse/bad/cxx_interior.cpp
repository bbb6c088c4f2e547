// SPDX-License-Identifier: MIT
// Into what operator new gave.
#include "misuse.h"

extern "C" void make_bad_pointer(uintptr_t offset)
{
    char *array = new char[100];
    bad_is_inside(array + offset, array);
}
