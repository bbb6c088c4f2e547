// SPDX-License-Identifier: MIT
// C++: containers, exceptions, thread_local and static objects whose destructors free, blocks from malloc in both.
#include "legal.h"

#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace
{

struct holder {
    std::map<int, std::string> entries;
    std::unique_ptr<int[]> numbers{new int[1000]};

    holder()
    {
        for (int i = 0; i < 500; i++)
            entries[i] = std::string(static_cast<size_t>(i), 'x');
    }
    ~holder()
    {
        for (const auto &entry : entries)
            REQUIRE(entry.second.size() == static_cast<size_t>(entry.first));
    }
};

struct alignas(128) wide {
    char bytes[256];
};

holder at_exit;
thread_local holder at_thread_exit;

void work()
{
    REQUIRE(at_thread_exit.entries.size() == 500);
    std::vector<std::unique_ptr<wide>> wides;
    for (int i = 0; i < 100; i++)
        wides.emplace_back(new wide);
    try {
        throw std::runtime_error(std::string(1000, 'e'));
    } catch (const std::exception &error) {
        REQUIRE(std::string(error.what()).size() == 1000);
    }
}

} // namespace

int main()
{
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; i++)
        threads.emplace_back(work);
    for (auto &thread : threads)
        thread.join();
    work();
    delete static_cast<int *>(nullptr);
    return 0;
}
