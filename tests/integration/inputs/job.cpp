// SPDX-License-Identifier: MIT
// Work for the C++ library's allocations; the argument multiplies it.
#include <algorithm>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <future>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <queue>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

namespace
{

struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
};

struct Box : Shape {
    explicit Box(double side) : side(side), name(std::string(40, 'b') + std::to_string(side))
    {
    }
    double area() const override
    {
        return side * side;
    }
    double side;
    std::string name;
};

struct alignas(128) Wide : Shape {
    double area() const override
    {
        return reinterpret_cast<std::uintptr_t>(this) % 128 == 0 ? 1 : 1e9;
    }
    char space[200] = {};
};

// An object with two bases: a pointer to the second one points inside the block.
struct Named {
    virtual ~Named() = default;
    std::string title = "a title that is longer than the short form of a string";
};

struct Both : Box, Named {
    using Box::Box;
};

void containers()
{
    std::map<std::string, std::vector<int>> table;
    std::unordered_map<int, std::shared_ptr<std::string>> hash;
    std::list<std::set<int>> sets;
    for (int i = 0; i < 60000; i++) {
        table["key " + std::to_string(i * 7919 % 2003)].push_back(i);
        hash[i % 5000] = std::make_shared<std::string>(static_cast<size_t>(i % 100), 'h');
        if (i % 100 == 0)
            sets.emplace_back(std::initializer_list<int>{i, i % 7, -i});
    }
    for (auto it = table.begin(); it != table.end();)
        it = it->second.size() % 2 ? table.erase(it) : std::next(it);
    long sum = 0;
    for (const auto &[key, list] : table)
        sum = std::accumulate(list.begin(), list.end(), sum + static_cast<long>(key.size()));
    for (const auto &entry : hash)
        sum += static_cast<long>(entry.second->size());
    for (const auto &set : sets)
        sum += *set.rbegin();
    std::printf("containers %zu %zu %ld\n", table.size(), hash.size(), sum);
}

void shapes()
{
    std::vector<std::unique_ptr<Shape>> list;
    std::vector<std::unique_ptr<Named>> second_base;
    for (int i = 0; i < 20000; i++) {
        if (i % 3)
            list.push_back(std::make_unique<Box>(i % 10));
        else
            list.push_back(std::make_unique<Wide>());
        if (i % 10 == 0)
            second_base.push_back(std::make_unique<Both>(i));
    }
    double sum = 0;
    for (const auto &shape : list)
        sum += shape->area();
    for (const auto &named : second_base)
        sum += dynamic_cast<Box &>(*named).area() + static_cast<double>(named->title.size());
    std::printf("shapes %.0f\n", sum);
}

int thrower(int depth)
{
    std::string local(static_cast<size_t>(depth + 20), 'e');
    if (depth == 0)
        throw std::runtime_error("from the depth " + local);
    auto kept = std::make_unique<std::vector<std::string>>(3, local);
    return thrower(depth - 1) + static_cast<int>(kept->size());
}

void exceptions()
{
    size_t length = 0;
    std::exception_ptr stored;
    for (int i = 0; i < 3000; i++) {
        try {
            thrower(i % 40);
        } catch (const std::exception &e) {
            length += std::strlen(e.what());
            if (i == 1500)
                stored = std::current_exception();
        }
    }
    try {
        std::rethrow_exception(stored);
    } catch (const std::runtime_error &e) {
        length += std::strlen(e.what());
    }
    try {
        std::vector<char> big;
        big.reserve(static_cast<size_t>(1) << 62);
    } catch (const std::bad_alloc &) {
        length++;
    }
    void *huge = ::operator new(static_cast<size_t>(1) << 60, std::nothrow);
    std::printf("exceptions %zu %s\n", length, huge ? "a huge block" : "null");
}

// Four consumers, one producer; the items travel through one queue and are freed by other threads.
void threads()
{
    std::mutex mutex;
    std::condition_variable ready;
    std::queue<std::unique_ptr<std::string>> items;
    bool done = false;
    std::vector<size_t> totals(4);
    std::vector<std::thread> workers;
    for (size_t w = 0; w < 4; w++)
        workers.emplace_back([&, w] {
            thread_local std::map<size_t, std::string> seen;
            for (;;) {
                std::unique_lock lock(mutex);
                ready.wait(lock, [&] { return done || !items.empty(); });
                if (items.empty())
                    return;
                auto item = std::move(items.front());
                items.pop();
                lock.unlock();
                seen[item->size()] = *item;
                totals[w] += item->size();
            }
        });
    for (int i = 0; i < 40000; i++) {
        std::lock_guard lock(mutex);
        items.push(std::make_unique<std::string>(static_cast<size_t>(i % 700), 'q'));
        ready.notify_one();
    }
    {
        std::lock_guard lock(mutex);
        done = true;
    }
    ready.notify_all();
    for (auto &worker : workers)
        worker.join();
    std::vector<std::future<std::string>> futures;
    for (int i = 0; i < 200; i++)
        futures.push_back(std::async(std::launch::async, [i] { return std::string(static_cast<size_t>(i), 'f'); }));
    size_t sum = std::accumulate(totals.begin(), totals.end(), static_cast<size_t>(0));
    for (auto &future : futures)
        sum += future.get().size();
    std::printf("threads %zu\n", sum);
}

void functions()
{
    using Value = std::variant<int, std::string, std::vector<double>>;
    std::deque<std::function<size_t(const Value &)>> list;
    for (int i = 0; i < 5000; i++)
        list.push_back([i, text = std::string(static_cast<size_t>(30 + i % 20), 't')](const Value &v) {
            return text.size() + v.index() + static_cast<size_t>(i % 3);
        });
    std::ostringstream out;
    size_t sum = 0;
    for (const auto &function : list) {
        sum += function(Value(std::string(50, 'v'))) + function(Value(std::vector<double>(20, 1.0)));
        out << sum << ' ';
    }
    std::printf("functions %zu %zu\n", sum, out.str().size());
}

} // namespace

int main(int argc, char **argv)
{
    if (argc > 1 && std::strcmp(argv[1], "uncaught") == 0)
        thrower(5);
    int factor = argc > 1 ? std::atoi(argv[1]) : 1;
    for (int i = 0; i < factor; i++) {
        containers();
        shapes();
        exceptions();
        threads();
        functions();
    }
    return 0;
}
