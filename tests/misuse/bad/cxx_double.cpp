// SPDX-License-Identifier: MIT
// What operator new gave and operator delete took: 0 an object, 1 an array, 2 over-aligned, 3 without exceptions.
#include "misuse.h"

#include <new>

struct alignas(64) wide {
    char bytes[64];
};

extern "C" void make_bad_pointer(uintptr_t which)
{
    void *p = nullptr;
    if (which == 0) {
        int *object = new int(1);
        p = object;
        delete static_cast<int *>(unknown(object));
    } else if (which == 1) {
        int *array = new int[100];
        p = array;
        delete[] static_cast<int *>(unknown(array));
    } else if (which == 2) {
        wide *object = new wide;
        p = object;
        delete static_cast<wide *>(unknown(object));
    } else {
        p = ::operator new(48, std::nothrow);
        ::operator delete(unknown(p), std::nothrow);
    }
    bad_is(p);
}
