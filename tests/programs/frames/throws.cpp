// SPDX-License-Identifier: MIT
// Walks while an exception passes: in constructors, in destructors that its unwinding runs, in handlers, and in a function
// object that the standard library calls.
#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

extern "C" {
#include "compare.h"
}

static int failures, compared;

static NOINLINE void compare(const char *where)
{
    static struct stack ours, theirs;
    walk_ours(&ours);
    walk_theirs(&theirs);
    theirs.addresses[0] = ours.addresses[0];
    compared++;
    if (is_same_stack(&ours, &theirs) && ours.count > 3)
        return;
    fprintf(stderr, "%s: ours (%zu), theirs (%zu):\n", where, ours.count, theirs.count);
    print_both(&ours, &theirs);
    failures++;
}

struct guard {
    std::string text = std::string(100, 'g');
    guard()
    {
        compare("constructor");
    }
    ~guard()
    {
        compare("destructor");
    }
};

static NOINLINE int throw_at(int depth)
{
    guard local;
    if (depth == 0)
        throw std::runtime_error(local.text);
    return throw_at(depth - 1) + static_cast<int>(local.text.size());
}

static NOINLINE void catch_and_rethrow()
{
    try {
        throw_at(5);
    } catch (const std::exception &error) {
        compare("handler");
        throw std::logic_error(error.what());
    }
}

int main()
{
    gci_context_callers_init();
    for (int i = 0; i < 3; i++) {
        try {
            catch_and_rethrow();
        } catch (const std::logic_error &) {
            compare("outer handler");
        }
    }
    std::vector<int> values{5, 2, 9, 1};
    std::sort(values.begin(), values.end(), [](int a, int b) {
        compare("function object");
        return a < b;
    });
    std::printf("%d stacks, %d failures\n", compared, failures);
    return failures != 0 || compared < 40 ? EXIT_FAILURE : EXIT_SUCCESS;
}
