// SPDX-License-Identifier: MIT
// As planted.c, in C++.
#include <cstdio>
#include <cstring>
#include <list>
#include <memory>
#include <string>
#include <vector>

namespace
{

void *known(void *block)
{
    asm volatile("" : "+r"(block) : : "memory");
    return block;
}

struct base {
    virtual ~base() = default;
    long number = 0;
};

struct other {
    virtual ~other() = default;
    long number = 0;
};

// A pointer to the second base points inside the object.
struct both : base, other {
    char rest[32] = {};
};

struct ring {
    std::shared_ptr<ring> next;
    char rest[48] = {};
};

__attribute__((noinline)) void plain_new()
{
    known(new long[10]);
    known(new both);
}

// The vector, its elements' memory, and texts that are longer than what a string holds itself.
__attribute__((noinline)) void container()
{
    auto *texts = new std::vector<std::string>;
    texts->reserve(4);
    for (int i = 0; i < 4; i++)
        texts->push_back(std::string(99, 'x'));
    known(texts);
}

__attribute__((noinline)) void shared_cycle()
{
    auto a = std::make_shared<ring>();
    auto b = std::make_shared<ring>();
    a->next = b;
    b->next = a;
    known(a.get());
}

other *second_base;
std::list<std::string> kept;

void held()
{
    second_base = new both;
    for (int i = 0; i < 10; i++)
        kept.push_back(std::string(50, 'y'));
    known(&second_base);
}

void thrown()
{
    for (int i = 0; i < 100; i++) {
        try {
            throw std::string(60, 'z');
        } catch (const std::string &) {
        }
    }
}

struct planted {
    const char *name;
    void (*run)();
    unsigned bytes, objects, direct_bytes, direct_objects;
};

// A control block in front of what make_shared makes: two words, and a pointer to its functions.
const unsigned ring_bytes = 16 + sizeof(ring);

const planted cases[] = {
    {"plain_new", plain_new, 80 + sizeof(both), 2, 80 + sizeof(both), 2},
    {"container", container, 24 + 4 * 32 + 4 * 100, 6, 24, 1},
    {"shared_cycle", shared_cycle, 2 * ring_bytes, 2, ring_bytes, 1},
    {"held", held, 0, 0, 0, 0},
    {"thrown", thrown, 0, 0, 0, 0},
};

} // namespace

int main(int argc, char **argv)
{
    for (const planted &one : cases) {
        if (argc == 1)
            std::puts(one.name);
        else if (std::strcmp(argv[1], one.name) == 0) {
            std::printf("%u %u %u %u\n", one.bytes, one.objects, one.direct_bytes, one.direct_objects);
            std::fflush(stdout);
            one.run();
        }
    }
}
