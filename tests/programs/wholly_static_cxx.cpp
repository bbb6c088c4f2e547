/* SPDX-License-Identifier: MIT */
/* A C++ program without any shared library: exceptions, threads and thread-local objects, whose parts of the C++ library name
 * what only the dynamic loader has. */
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gcalloc.h>

static thread_local std::vector<std::string> names;

static size_t work(int seed)
{
    size_t length = 0;
    for (int i = 0; i < 1000; i++) {
        names.push_back(std::string(100, static_cast<char>('a' + (seed + i) % 26)));
        try {
            throw std::runtime_error(names.back());
        } catch (const std::exception &error) {
            length += std::string(error.what()).size();
        }
    }
    gca_collect();
    return length + names.size();
}

int main()
{
    size_t results[4] = {};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.push_back(std::thread([&results, i] { results[i] = work(i); }));
    for (std::thread &thread : threads)
        thread.join();
    gca_stats stats = {};
    stats.size = sizeof stats;
    gca_stats_get(&stats);
    bool is_right = stats.cycles > 0;
    for (size_t result : results)
        is_right = is_right && result == 101000;
    if (!is_right)
        std::fprintf(stderr, "wrong results, or no collection (%llu)\n", static_cast<unsigned long long>(stats.cycles));
    return is_right ? 0 : 1;
}
