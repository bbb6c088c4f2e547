# SPDX-License-Identifier: MIT
"""Work for python3; the argument multiplies it."""
import array
import collections
import contextlib
import ctypes
import decimal
import functools
import gc
import hashlib
import heapq
import itertools
import json
import multiprocessing
import queue
import re
import sqlite3
import subprocess
import sys
import threading
import weakref
import zlib

FACTOR = int(sys.argv[1])


def digest(value):
    return hashlib.sha1(repr(value).encode()).hexdigest()[:12]


def check_containers():
    table = collections.defaultdict(list)
    for i in range(60000):
        table[f"key{i * 7919 % 1511}"].append((i, str(i)))
    for key in sorted(table)[::3]:
        del table[key]
    chosen = heapq.nlargest(5, table.items(), key=lambda item: (len(item[1]), item[0]))
    deque = collections.deque(maxlen=500)
    for i in range(20000):
        deque.append({i, i * 2, -i})
    print("containers", len(table), digest(chosen), sum(map(sum, deque)))
    numbers = array.array("q", range(200000))
    print("array", sum(numbers[::7]), digest(sorted(numbers, key=lambda n: n * 7919 % 10007)[:1000]))


class Node:
    __slots__ = ("name", "links", "__weakref__")

    def __init__(self, name):
        self.name = name
        self.links = []


def check_cycles():
    kept = []
    weak = []
    for start in range(300):
        nodes = [Node(start * 100 + i) for i in range(100)]
        for i, node in enumerate(nodes):
            node.links += [nodes[(i * 7 + 1) % 100], nodes[i * 13 % 100], node]
        weak.append(weakref.ref(nodes[0]))
        if start % 10 == 0:
            kept.append(nodes[50])
    del node, nodes
    gc.collect()
    seen = set()
    todo = list(kept)
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo.extend(node.links)
    print("cycles", len(seen), sum(node.name for node in seen), sum(ref() is not None for ref in weak))


def check_threads():
    inbox = queue.Queue(50)
    results = {}

    def work(number):
        total = 0
        for item in iter(inbox.get, None):
            total += len(json.dumps(item)) + len(zlib.compress(repr(item).encode()))
        results[number] = total

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for i in range(3000):
        inbox.put({"id": i, "list": list(range(i % 50)), "text": "x" * (i % 200)})
    for _ in threads:
        inbox.put(None)
    for thread in threads:
        thread.join()
    local = threading.local()

    def short(i):
        local.value = ["t"] * i
        results[i] = len(local.value)

    for first in range(10, 210, 20):
        group = [threading.Thread(target=short, args=(i,)) for i in range(first, first + 20)]
        [thread.start() for thread in group]
        [thread.join() for thread in group]
    print("threads", sum(results.values()))


def check_generators():
    def numbers(n):
        for i in range(n):
            got = yield i, "v" * (i % 20)
            if got:
                yield got

    @contextlib.contextmanager
    def context(log):
        log.append("in")
        try:
            yield log
        finally:
            log.append("out")

    log = []
    with contextlib.suppress(ValueError), context(log):
        raise ValueError("expected")
    pairs = itertools.islice(itertools.chain.from_iterable(zip(numbers(9000), numbers(9000))), 15000)
    print("generators", sum(n + len(v) for n, v in pairs), log)

    @functools.lru_cache(maxsize=2000)
    def collatz(n):
        return 1 if n == 1 else 1 + collatz(n // 2 if n % 2 == 0 else 3 * n + 1)

    print("cache", sum(collatz(n) for n in range(1, 5000)))


def check_text():
    data = {"rows": [{"id": i, "name": f"näme {i}", "nested": [i, [i * 1.5, None, True]]} for i in range(5000)]}
    text = json.dumps(data, ensure_ascii=False)
    assert json.loads(text) == data
    words = re.findall(r"n(.)me (\d+)", text)
    changed = re.sub(r"(\d+)\.5", lambda match: str(int(match[1]) * 2), text)
    decimal.getcontext().prec = 200
    root = decimal.Decimal(2).sqrt() * 3 ** 500
    print("text", len(text), len(words), digest(changed), digest(root), digest(7 ** 20000 % 10 ** 3000))
    buffer = ctypes.create_string_buffer(b"from c" * 1000)
    kinds = [type(f"Generated{i}", (Node,), {"n": i}) for i in range(300)]
    print("types", len(buffer.value), sum(kind.n for kind in kinds), ctypes.sizeof(ctypes.c_long))


def check_database():
    base = sqlite3.connect(":memory:")
    base.create_function("twist", 1, lambda s: s[::-1])
    base.execute("create table t(a integer, b text)")
    with base:
        base.executemany("insert into t values (?, ?)", ((i * 7919 % 1009, f"text {i}") for i in range(20000)))
    rows = base.execute("select a, count(*), max(twist(b)) from t group by a order by a").fetchall()
    print("database", len(rows), digest(rows))
    base.close()


def square(n):
    return n * n, "x" * (n % 10), [n] * (n % 7)


def check_processes():
    command = [sys.executable, "-c", "print(sum(range(10 ** 5)))"]
    out = subprocess.run(command, capture_output=True, text=True, check=True)
    pipe = subprocess.Popen(["sort", "-rn"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    text, _ = pipe.communicate("\n".join(map(str, range(5000))))
    print("subprocess", out.stdout.strip(), digest(text), subprocess.call(["false"]))
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print("pool", digest(pool.map(square, range(5000), chunksize=100)))


if __name__ == "__main__":
    for _ in range(FACTOR):
        check_containers()
        check_cycles()
        check_threads()
        check_generators()
        check_text()
        check_database()
        check_processes()
