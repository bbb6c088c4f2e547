// SPDX-License-Identifier: MIT
// gcalloc.h in C++11: links, and the typed forms give pointers of their type.
#include "check.h"

#include <type_traits>

struct node {
    node *next;
    long value;
};

static_assert(std::is_same<decltype(GCA_NEW(node)), node *>::value, "GCA_NEW has the type's pointer");
static_assert(std::is_same<decltype(GCA_NEW_ARRAY(node, 2)), node *>::value, "GCA_NEW_ARRAY too");
static_assert(std::is_same<decltype(GCA_NEW_ATOMIC(long)), long *>::value, "GCA_NEW_ATOMIC too");
static_assert(std::is_same<decltype(GCA_NEW_ATOMIC_ARRAY(long, 2)), long *>::value, "GCA_NEW_ATOMIC_ARRAY too");

int main()
{
    node *one = GCA_NEW(node);
    node *many = GCA_NEW_ARRAY(node, 10);
    long *number = GCA_NEW_ATOMIC(long);
    long *numbers = GCA_NEW_ATOMIC_ARRAY(long, 10);
    CHECK(one->next == nullptr && many[9].value == 0 && number != nullptr && numbers != nullptr);
    one->next = many;
    gca_collect();
    CHECK(gca_base(many + 3) == many && gca_is_reachable(one));
    gca_stats stats{};
    stats.size = sizeof stats;
    gca_stats_get(&stats);
    CHECK(stats.cycles >= 1);
    gca_free(one);
    gca_free(many);
    gca_free(number);
    gca_free(numbers);
    return check_result();
}
