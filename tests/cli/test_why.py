#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gcalloc why: ways from roots, what retains what (against the definition, on many random graphs), and doubtful words."""
import json
import os
import random
import subprocess
import unittest

import make_profile
from make_profile import Elf, Profile
from support import CommandTest

FIRST = 0x100000000000
STEP = 4096


class WhyTest(CommandTest):
    def save(self, profile):
        return self.write("test.gcprof", profile.bytes(), 0o644)

    def why(self, path, *words):
        done = self.gcalloc("why", "--json", path, *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""), words)
        return json.loads(done.stdout)

    def text(self, path, *words):
        done = self.gcalloc("why", path, *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertLessEqual(max(map(len, done.stdout.splitlines())), 80, done.stdout)
        return done.stdout


class Graph:
    """A heap by numbers; roots and edges may point anywhere in an object."""

    def __init__(self, count, edges, roots):
        self.count, self.edges, self.roots = count, edges, roots
        self.live = self.reached([root for root, _ in roots])

    def reached(self, starts, without=None, sure=False):
        found, pending = set(), [start for start in starts if start != without]
        while pending:
            here = pending.pop()
            if here not in found:
                found.add(here)
                pending += [to for start, to, into in self.edges
                            if start == here and to != without and not (sure and into % 8)]
        return found

    def profile(self):
        profile = Profile()
        stacks = [profile.stack([], (f"{name}.c", 1, name)) for name in ("alpha", "beta", "gamma")]
        profile.objects([(FIRST + STEP * i, 16 * (i + 1), stacks[i % 3], i in self.live) for i in range(self.count)])
        profile.edges([(start, to, 8 * at, into) for at, (start, to, into) in enumerate(self.edges)])
        profile.roots([(0x7ffc0000 + 8 * at, to, into, make_profile.ON_STACK, 100) for at, (to, into) in enumerate(self.roots)])
        profile.end(1)
        return profile


class Definition(WhyTest):
    def check(self, graph):
        path = self.save(graph.profile())
        shown = self.why(path, "--top=1000")
        numbers = [root for root, _ in graph.roots]
        wanted = {}
        for here in graph.live:
            held = graph.live - graph.reached(numbers, without=here)
            wanted[here] = (sum(16 * (i + 1) for i in held), len(held))
        self.assertEqual({(row["address"] - FIRST) // STEP: (row["retained_bytes"], row["retained_objects"])
                          for row in shown["objects"]}, wanted)
        sure = graph.reached([root for root, into in graph.roots if into % 8 == 0], sure=True)
        self.assertEqual((shown["reachable"]["objects"], shown["unreachable"]["objects"], shown["doubtful"]["objects"]),
                         (len(graph.live), graph.count - len(graph.live), len(graph.live - sure)))
        self.check_sites(graph, shown, numbers)
        return path

    def check_sites(self, graph, shown, numbers):
        """What would go if nothing of one place could be reached any more, except what has other places above it alone."""
        for row in shown["sites"]:
            kind = ("alpha", "beta", "gamma").index(row["where"]["function"])
            held = set()
            for here in graph.live:
                if here % 3 == kind:
                    held |= graph.live - graph.reached(numbers, without=here)
            self.assertEqual((row["retained_objects"], row["retained_bytes"]),
                             (len(held), sum(16 * (i + 1) for i in held)))

    def check_ways(self, graph, path):
        """As short as can be; the least number of heads for what is not reachable."""
        dead = set(range(graph.count)) - graph.live
        from_there = {here: graph.reached([here]) & dead for here in dead}
        sources = {frozenset(other for other in dead if other in from_there[here] and here in from_there[other])
                   for here in dead if all(other in from_there[here] for other in dead if here in from_there[other])}
        heads = 0
        for here in range(graph.count):
            shown = self.why(path, hex(FIRST + STEP * here + 5))
            steps = [(row["address"] - FIRST) // STEP for row in shown["path"]]
            self.assertEqual((steps[-1], shown["reachable"]), (here, here in graph.live))
            for start, to in zip(steps, steps[1:]):
                self.assertIn((start, to), [(a, b) for a, b, _ in graph.edges])
            if here in graph.live:
                self.assertEqual(graph.roots[(shown["root"]["address"] - 0x7ffc0000) // 8][0], steps[0])
            heads += not shown["reachable"] and len(steps) == 1
        self.assertEqual(heads, len(sources))

    def test_random_graphs(self):
        for seed in range(120):
            chance = random.Random(seed)
            count = chance.randint(1, 16)
            edges = [(chance.randrange(count), chance.randrange(count), chance.choice([0, 0, 8, 12, 13]))
                     for _ in range(chance.randint(0, 2 * count + 2))]
            roots = [(chance.randrange(count), chance.choice([0, 0, 0, 5])) for _ in range(chance.randint(0, 3))]
            with self.subTest(seed=seed):
                graph = Graph(count, edges, roots)
                path = self.check(graph)
                if seed % 6 == 0:
                    self.check_ways(graph, path)

    def test_textbook(self):
        """The example of Lengauer and Tarjan's paper: R A B C D E F G H I J K L."""
        edges = "RA RB RC AD BA BD BE CF CG DL EH FI GI GJ HE HK IK JI KR KI LH"
        numbers = {name: at for at, name in enumerate("RABCDEFGHIJKL")}
        self.check(Graph(13, [(numbers[start], numbers[to], 0) for start, to in edges.split()], [(0, 0)]))

    def test_long_list(self):
        """Nothing is done by recursion: a million links, each retaining the rest."""
        count = 1_000_000
        profile = Profile()
        stack = profile.stack([], ("list.c", 1, "push"))
        profile.objects([(FIRST + 16 * i, 16, stack, 1) for i in range(count)])
        profile.edges([(i, i + 1, 0, 0) for i in range(count - 1)])
        profile.roots([(0x1000, 0, 0, make_profile.ON_STACK, 1)])
        profile.end(1)
        path = self.save(profile)
        shown = self.why(path, "push")
        self.assertEqual((shown["object"]["retained_objects"], len(shown["path"])), (count, 1))
        text = self.text(path, hex(FIRST + 16 * (count - 1)))
        self.assertIn(f"{count - 32} objects more\n", text)
        self.assertEqual(self.why(path)["sites"][0]["retained_bytes"], 16 * count)

    def test_long_ways(self):
        """Up to 32 steps are shown; of more, what lies in the middle is left out."""
        for count, left_out in ((32, ""), (33, "           .. 1 object more\n"), (40, "           .. 8 objects more\n")):
            profile = Profile()
            profile.objects([(FIRST + 16 * i, 16, 0, 1) for i in range(count)])
            profile.edges([(i, i + 1, 0, 0) for i in range(count - 1)])
            profile.roots([(0x1000, 0, 0, make_profile.ON_STACK, 1)])
            profile.end(1)
            text = self.text(self.save(profile), hex(FIRST + 16 * (count - 1)))
            self.assertEqual((text.count(" -> "), "".join(line + "\n" for line in text.splitlines() if " more" in line)),
                             (32, left_out))

    def test_flags_where_no_root_is_listed(self):
        profile = Profile()
        profile.objects([(0x1000, 16, 0, 1), (0x2000, 32, 0, 0)])
        profile.end(1)
        path = self.save(profile)
        self.assertEqual(self.why(path)["reachable"], {"bytes": 16, "objects": 1})
        self.assertIn("kept by a root that the profile does not list\n", self.text(path, "0x1000"))


class Words(WhyTest):
    SOURCE = """
    #include <stdlib.h>
    struct { long counter; void *items[4]; } registry = {1, {0}};
    static void *hidden_cache[8];
    void *tail;
    int main(void) { hidden_cache[2] = malloc(1); return hidden_cache[1] == registry.items[0]; }
    """

    def program(self, *flags):
        path = os.path.join(self.scratch, "prog")
        source = self.write("prog.c", self.SOURCE)
        subprocess.run([os.environ.get("CC", "cc"), "-g", *flags, "-Wl,--build-id=sha1", "-o", path, source], check=True)
        return Elf(path)

    def test_static_data_has_names(self):
        for flags in (["-fPIE", "-pie"], ["-fno-pie", "-no-pie"]):
            elf = self.program(*flags)
            profile = Profile()
            bias = elf.map(profile)
            profile.objects([(0x1000 * i, 64, 0, 1) for i in range(1, 4)])
            where = {name: bias + elf.symbols[name][0] for name in ("registry", "hidden_cache")}
            profile.roots([(where["registry"] + 16, 0, 0, make_profile.STATIC, 0),
                           (where["hidden_cache"] + 40, 1, 0, make_profile.STATIC, 0), (0x10, 2, 0, make_profile.STATIC, 0)])
            profile.end(1)
            path = self.save(profile)
            self.assertIn("kept by static data: registry+16 of prog\n", self.text(path, "0x1000"))
            self.assertIn("kept by static data: hidden_cache+40 of prog\n", self.text(path, "0x2000"))
            self.assertIn("kept by static data at 0x10\n", self.text(path, "0x3000"))
            root = self.why(path, "0x1000")["root"]
            self.assertEqual((root["kind"], root["symbol"], root["symbol_offset"], root["module"]),
                             ("static", "registry", 16, elf.path))

    def test_other_roots(self):
        kinds = {make_profile.ON_STACK: "the stack of thread worker, 77, at 0x7ffc0000",
                 make_profile.KERNEL: "the kernel: epoll, a timer",
                 make_profile.IN_MAPPING: "other memory of the process, at 0x7ffc0000", make_profile.OWN: "itself: uncollectable",
                 make_profile.ADDED: "a root that the program added, at 0x7ffc0000", 99: "a root"}
        for kind, words in kinds.items():
            profile = Profile()
            profile.thread("worker", 77)
            profile.objects([(0x1000, 16, 0, 1)])
            profile.roots([(0 if kind == make_profile.KERNEL else 0x7ffc0000, 0, 0, kind, 77)])
            profile.end(1)
            self.assertIn(f"kept by {words}", self.text(self.save(profile), "4096"))
        profile = Profile()
        profile.objects([(0x1000, 16, 0, 1)])
        profile.roots([(0, 0, 8, make_profile.REGISTER, 5)])
        profile.end(1)
        text = self.text(self.save(profile), "0x1008")
        self.assertIn("kept by a register of thread 5\n           -> 0x1000+8  16 B  (not known)\n", text)

    def chain(self, into=0):
        profile = Profile()
        names = [profile.stack([], (f"src/{name}.c", 7, name)) for name in ("table_new", "row_new", "shop::cell<int>::make(int)")]
        profile.thread("main", 1)
        profile.objects([(0x1000, 64, names[0], 1), (0x2000, 32, names[1], 1), (0x3000, 4096, names[2], 1),
                         (0x5000, 8, names[2], 0)])
        profile.edges([(0, 1, 24, 0), (1, 2, 8, into)])
        profile.roots([(0x7ffc0000, 0, 0, make_profile.ON_STACK, 1)])
        profile.end(1)
        return self.save(profile)

    def test_way(self):
        self.assertEqual(self.text(self.chain(16), "make"), """0x3000: 4.0 KiB, retains 4.0 KiB in 1 object
allocated by
    shop::cell<int>::make(int)  shop::cell<int>::make(int).c:7
kept by the stack of thread main, 1, at 0x7ffc0000
           -> 0x1000  64 B  table_new  table_new.c:7
       +24 -> 0x2000  32 B  row_new  row_new.c:7
        +8 -> 0x3000+16  4.0 KiB  shop::cell<>::make  shop::cell<int>::mak..

All ways lead through 0x2000: without it, this object would go.
""")

    def test_doubtful_word(self):
        text = self.text(self.chain(13), "0x3000")
        self.assertRegex(text, r"-> 0x3000\+13 .* \?\n")
        self.assertIn("a word points to an odd place", text)
        overview = self.text(self.chain(13))
        self.assertIn("doubtful         4.0 KiB in 1 object that only odd words keep\n", overview)
        self.assertIn("\nKept by doubtful words\n", overview)
        self.assertNotIn("doubtful", self.text(self.chain(16)))

    def test_functions(self):
        path = self.chain()
        for word, address in (("table_new", 0x1000), ("row_new", 0x2000), ("shop::cell<int>::make", 0x3000),
                              ("shop::cell<int>::make(int)", 0x3000), ("make", 0x3000), ("cell", 0x3000)):
            self.assertEqual(self.why(path, word)["object"]["address"], address, word)
        for word in ("mak", "new", "0x6000", "0xfff", "1", ""):
            self.assert_fails(self.gcalloc("why", path, word), 125,
                              f"gcalloc: {word}: no object of this address or function in {path}")

    def test_objects_that_are_no_samples(self):
        profile = Profile(level=make_profile.SAMPLE)
        profile.objects([(0x1000, 16, profile.stack([0x401005]), 1), (0x2000, 99, 0, 1), (0x3000, 99, 0, 1)])
        profile.roots([(0, i, 0, 2, 1) for i in range(3)])
        profile.end(1)
        path = self.save(profile)
        how = "gcalloc record --graph --level=full knows where each comes from"
        self.assertIn(f"not known              2 of 3 objects are no samples: {how}\n", self.gcalloc("why", path).stdout)
        self.assert_fails(self.gcalloc("why", path, "row_new"), 125, f"gcalloc: row_new: no object of this address or "
                          f"function in {path}, which has samples alone: {how}")
        self.assertNotIn("no samples", self.text(self.chain()))

    def test_callers_are_found_where_no_place_has_the_name(self):
        program = make_profile.Program(self.scratch, 60)
        profile = Profile()
        bias = program.map(profile)
        addresses = [bias + program.address(name) for name in program.names]
        profile.objects([(0x1000, 16, profile.stack(addresses[:2]), 1), (0x2000, 99, profile.stack(addresses[2:4]), 1)])
        profile.roots([(0, 0, 0, 2, 1), (0, 1, 0, 2, 1)])
        profile.end(1)
        path = self.save(profile)
        self.assertEqual(self.why(path, program.names[1])["object"]["address"], 0x1000)
        self.assertEqual(self.why(path, program.names[3])["object"]["address"], 0x2000)

    def test_who_allocates_comes_before_who_calls(self):
        program = make_profile.Program(self.scratch, 60)
        profile = Profile()
        bias = program.map(profile)
        inner, outer, other = (bias + program.address(name) for name in program.names[:3])
        profile.objects([(0x1000, 16, profile.stack([outer]), 1), (0x2000, 99, profile.stack([inner, outer]), 1),
                         (0x3000, 32, profile.stack([outer, other]), 1), (0x4000, 99, profile.stack([other, outer]), 1)])
        profile.roots([(0, i, 0, 2, 1) for i in range(4)])
        profile.end(1)
        self.assertEqual(self.why(self.save(profile), program.names[1])["object"]["address"], 0x3000)

    def test_leaked(self):
        self.assertIn("leaked: nothing points there\n           -> 0x5000", self.text(self.chain(), "0x5000"))

    def test_without_a_graph(self):
        profile = Profile()
        profile.end(1)
        path = self.save(profile)
        self.assert_fails(self.gcalloc("why", path), 125,
                          f"gcalloc: {path}: has no graph of the heap: gcalloc record --graph writes one")


if __name__ == "__main__":
    unittest.main()
