// SPDX-License-Identifier: MIT
// A C++ file that gets the flag too: nothing is swapped, and gca_ functions are there.
#include "check.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#if defined(malloc) || defined(free) || defined(realloc) || defined(strdup) || defined(getline) || defined(calloc)
#error "names are swapped in C++"
#endif

struct allocator {
    void *malloc(std::size_t bytes)
    {
        return std::malloc(bytes);
    }
    void free(void *block)
    {
        std::free(block);
    }
};

int main()
{
    allocator own;
    void *p = own.malloc(100);
    CHECK(p != nullptr && gca_base(unknown(p)) == nullptr);
    own.free(p);
    char *text = ::strdup("text");
    CHECK(gca_base(text) == nullptr);
    std::free(text);
    std::unique_ptr<std::string> string(new std::string(1000, 'x'));
    CHECK(gca_base(string.get()) == nullptr && gca_base(string->data()) == nullptr);
    int *ours = GCA_NEW(int);
    CHECK(gca_base(ours) == ours);
    gca_free(ours);
    return check_result();
}
