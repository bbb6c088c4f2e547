#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Mode leaks: planted leaks are reported exactly, and nothing else.

Arguments: the library, planted, planted_cxx, planted's library, reports.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import records
import support

LIBRARY, PLANTED, PLANTED_CXX, HELPER, REPORTS = (os.path.abspath(path) for path in sys.argv[1:6])


def cases(program):
    return subprocess.run([program], capture_output=True, text=True, check=True).stdout.split()


class Planted(unittest.TestCase):
    def check(self, program, case):
        result = support.run([program, case, HELPER], LIBRARY)
        expected = tuple(int(word) for word in result.stdout.split())
        self.assertEqual(0, result.returncode, result.stderr)
        self.assertEqual(4, len(expected), result.stdout)
        self.assertEqual([expected] if any(expected) else [], support.totals(result.stderr), result.stderr)

    def test_planted(self):
        for case in cases(PLANTED):
            with self.subTest(case=case):
                self.check(PLANTED, case)

    def test_planted_in_cxx(self):
        for case in cases(PLANTED_CXX):
            with self.subTest(case=case):
                self.check(PLANTED_CXX, case)

    def test_again_and_again(self):
        """What is found does not depend on addresses, which are different each time."""
        for case in ("indirect", "cycle_with_tails", "moved", "thread_detached", "thread_local_data"):
            for _ in range(10):
                with self.subTest(case=case):
                    self.check(PLANTED, case)


class Reports(unittest.TestCase):
    def test_stacks(self):
        """Objects of one place are one group; frames are in the program."""
        result = support.run([PLANTED, "direct"], LIBRARY)
        self.assertEqual([("Direct", "640", "10")], support.GROUP.findall(result.stderr))
        self.assertRegex(result.stderr, r"\n    #\d+ 0x[0-9a-f]+ \S*planted\w*\+0x[0-9a-f]+\n")

    def test_long_path(self):
        """Of a program in the report: whole, up to what the system allows."""
        with tempfile.TemporaryDirectory() as top:
            for length in (300, 1000, 3500):
                folder = top
                while len(folder) < length:
                    folder = os.path.join(folder, "x" * 200)
                os.makedirs(folder, exist_ok=True)
                name = shutil.copy(PLANTED, os.path.join(os.path.realpath(folder), "planted"))
                result = support.run([name, "direct"], LIBRARY)
                self.assertRegex(result.stderr, rf"\n    #\d+ 0x[0-9a-f]+ {name}\+0x[0-9a-f]+\n")

    def test_exit_code(self):
        for case, given, expected in (("direct", "23", 23), ("direct", "0", 0), ("nothing", "23", 0)):
            with self.subTest(case=case, given=given):
                result = support.run([PLANTED, case], LIBRARY, GCALLOC_LEAKS_EXIT_CODE=given)
                self.assertEqual(expected, result.returncode)
                self.assertTrue(result.stdout) # written before the end

    def test_closed_error_stream(self):
        """Many programs close standard error before they end."""
        script = "import os; os.close(1); os.close(2)"
        result = support.run(["/usr/bin/python3", "-S", "-c", script], LIBRARY, PYTHONMALLOC="malloc")
        self.assertEqual(0, result.returncode)

    def test_no_memory(self):
        """For the stacks, from the start, or for the search, at the end: one line, and the program runs."""
        result = support.run(["prlimit", "--as=40000000", "/bin/echo", "runs"], LIBRARY)
        self.assertEqual((0, "runs\n"), (result.returncode, result.stdout))
        self.assertRegex(result.stderr, r"\A(.*\n)?gcalloc: no profile for the report of leaks: Cannot allocate memory\n")
        script = "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 20, 1 << 20))"
        result = support.run(["/usr/bin/python3", "-S", "-c", script], LIBRARY, PYTHONMALLOC="malloc")
        self.assertEqual((0, "gcalloc: leaks are not known: Cannot allocate memory\n"), (result.returncode, result.stderr))

    def test_children(self):
        """Who forks and who is forked tell of their own."""
        result = support.run(["/bin/sh", "-c", f"{PLANTED} direct; {PLANTED} self_loop & wait"], LIBRARY)
        found = [entry for entry in support.totals(result.stderr) if entry in ((640, 10, 640, 10), (64, 1, 64, 1))]
        self.assertEqual(2, len(found), result.stderr)

    def test_asked_for(self):
        """By the program itself, in any mode."""
        for mode in ("gc", "free", "leaks"):
            with self.subTest(mode=mode), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "graph")
                result = support.run([REPORTS, path], None, GCALLOC_MODE=mode)
                self.assertEqual((0, ""), (result.returncode, result.stderr))
                found = records.read(path)
                self.assertEqual({records.DIRECT}, {leak.kind for leak in found[records.LEAK]})
                self.assertEqual(15, sum(leak.objects for leak in found[records.LEAK]))
                self.assertTrue(found[records.OBJECTS] and found[records.ROOTS])

    def test_in_profile(self):
        """The same goes into the profile's file at exit, whatever the mode."""
        for mode in ("gc", "leaks"):
            with self.subTest(mode=mode), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "profile")
                support.run([PLANTED, "indirect"], LIBRARY, GCALLOC_MODE=mode, GCALLOC_PROFILE="full",
                            GCALLOC_PROFILE_FILE=path)
                leaks = records.read(path)[records.LEAK]
                self.assertEqual([(records.DIRECT, 1, 64), (records.INDIRECT, 99, 99 * 64)],
                                 [(leak.kind, leak.objects, leak.bytes) for leak in leaks])
                self.assertTrue(all(leak.stack != 0 and 0 < leak.first_ns <= leak.last_ns for leak in leaks))

    def test_nothing_allocated(self):
        """A program that never asks for memory has leaked nothing, and its profile is whole."""
        for mode in ("gc", "leaks"):
            with self.subTest(mode=mode), tempfile.TemporaryDirectory() as folder:
                path = os.path.join(folder, "profile")
                result = support.run(["/bin/true"], LIBRARY, GCALLOC_MODE=mode, GCALLOC_PROFILE="full",
                                     GCALLOC_PROFILE_GRAPH="1", GCALLOC_PROFILE_FILE=path)
                self.assertEqual((0, "", ""), (result.returncode, result.stdout, result.stderr))
                self.assertEqual([], records.read(path)[records.LEAK])

    def test_programs(self):
        """What leaks in common programs is not much, and they do what they do."""
        jobs = {"/usr/bin/python3": ["-c", "import json, re; print(json.dumps({'a': [1, 2]}))"],
                "/usr/bin/sqlite3": [":memory:", "create table t(a); insert into t values(1); select * from t;"],
                "/bin/bash": ["-c", "a=(1 2 3); f() { local x=$1; echo $x; }; f 2; echo `f 3`"]}
        for program, words in jobs.items():
            if not os.path.exists(program):
                continue
            with self.subTest(program=program):
                plain = subprocess.run([program, *words], capture_output=True, text=True)
                result = support.run([program, *words], LIBRARY, PYTHONMALLOC="malloc")
                self.assertEqual((plain.returncode, plain.stdout), (result.returncode, result.stdout))
                self.assertEqual("", re.sub(r"(?s)==\d+== gcalloc: .*", "", result.stderr))
                self.assertLess(sum(entry[0] for entry in support.totals(result.stderr)), 8192, result.stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
