// SPDX-License-Identifier: MIT
// Row 48: every form of operator new and delete, the new-handler, and std::bad_alloc.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <new>
#include <string>
#include <vector>

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                       \
            std::exit(1);                                                                                              \
        }                                                                                                              \
    } while (0)

static int handled;

static void handler()
{
    if (++handled == 3)
        std::set_new_handler(nullptr);
}

static void use_every_form()
{
    const auto wide = std::align_val_t(256);
    ::operator delete(::operator new(10));
    ::operator delete(::operator new(10), std::size_t(10));
    ::operator delete[](::operator new[](10));
    ::operator delete[](::operator new[](10), std::size_t(10));
    ::operator delete(::operator new(10, std::nothrow), std::nothrow);
    ::operator delete[](::operator new[](10, std::nothrow), std::nothrow);
    void *aligned = ::operator new(1000, wide);
    CHECK(reinterpret_cast<std::uintptr_t>(aligned) % 256 == 0);
    ::operator delete(aligned, wide);
    ::operator delete(::operator new(1000, wide), std::size_t(1000), wide);
    ::operator delete[](::operator new[](1000, wide), wide);
    ::operator delete[](::operator new[](1000, wide), std::size_t(1000), wide);
    ::operator delete(::operator new(1000, wide, std::nothrow), wide, std::nothrow);
    ::operator delete[](::operator new[](1000, wide, std::nothrow), wide, std::nothrow);
    ::operator delete(nullptr);
}

int main()
{
    volatile std::size_t impossible = SIZE_MAX / 2 - 1000;
    bool thrown = false;
    use_every_form();
    CHECK(::operator new(impossible, std::nothrow) == nullptr);
    std::set_new_handler(handler);
    try {
        ::operator delete(::operator new(impossible));
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    CHECK(thrown && handled == 3);
    std::map<std::string, std::vector<int>> map;
    for (int i = 0; i < 20000; i++)
        map[std::to_string(i % 1000)].push_back(i);
    std::size_t total = 0;
    for (const auto &entry : map)
        total += entry.second.size();
    CHECK(total == 20000);
    return 0;
}
