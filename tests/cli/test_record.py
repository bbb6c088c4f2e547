#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gcalloc record, and leaks of a program that is run: what the program gets to see, where files come to lie, and what is said;
beside a library that leaves a ready profile. Some tests run the real library, where it can write profiles."""
import json
import os
import re
import resource
import subprocess
import time
import unittest

import make_profile
from make_profile import DIRECT, EXIT, Profile
from support import LIBRARY_NAME, CommandTest

VARIABLES = ("GCALLOC_PROFILE", "GCALLOC_PROFILE_RATE", "GCALLOC_PROFILE_FILE", "GCALLOC_MODE", "GCALLOC_PROFILE_GRAPH")


class RecordTest(CommandTest):
    def setUp(self):
        super().setUp()
        profile = Profile(words=["probe"])
        stack = profile.stack([], ("src/probe.c", 5, "leak"))
        profile.moment(1, EXIT, [{"stack": stack, "live_bytes": 48, "live_objects": 3, "allocated_bytes": 48,
                                  "allocated_objects": 3}])
        profile.leak(stack, DIRECT, 3, 48, time=1)
        profile.end(2)
        self.made = self.write("made", profile.bytes(), 0o644)
        self.folder = os.path.join(self.scratch, "here")
        os.mkdir(self.folder)

    def run_it(self, *words, **changes):
        return self.gcalloc(*words, cwd=self.folder, **{"FAKE_PROFILE": self.made, "LC_ALL": "C.UTF-8", **changes})

    def files(self):
        return sorted(os.listdir(self.folder))


class Record(RecordTest):
    def test_what_the_program_sees(self):
        done = self.run_it("record", self.probe, "environment", *VARIABLES, "LD_PRELOAD")
        name, = self.files()
        pattern = os.path.join(os.path.realpath(self.folder), "gcalloc.probe.%p.gcprof")
        self.assertEqual(done.stdout, f"GCALLOC_PROFILE=sample\nGCALLOC_PROFILE_RATE=0\nGCALLOC_PROFILE_FILE={pattern}\n"
                                      f"GCALLOC_MODE=(unset)\nGCALLOC_PROFILE_GRAPH=(unset)\nLD_PRELOAD={self.library}\n")
        self.assertRegex(name, r"\Agcalloc\.probe\.\d+\.gcprof\Z")
        done = self.run_it("record", "--level=full", "--rate=64K", "--mode=free", "--graph", "-o", "/dev/shm/x.%p", "--",
                           self.probe, "environment", *VARIABLES)
        self.assertEqual(done.stdout, "GCALLOC_PROFILE=full\nGCALLOC_PROFILE_RATE=65536\nGCALLOC_PROFILE_FILE=/dev/shm/x.%p\n"
                                      "GCALLOC_MODE=free\nGCALLOC_PROFILE_GRAPH=1\n")
        os.remove(re.search(r"/dev/shm/x\.\d+", done.stderr).group(0))

    def test_what_is_said(self):
        done = self.run_it("record", self.probe, "arguments", "a")
        name, = self.files()
        self.assertEqual((done.returncode, done.stdout), (0, "[" + self.probe + "][arguments][a]\n"))
        lines = done.stderr.splitlines()
        self.assertLessEqual(len(lines), 12)
        self.assertEqual(lines[0], "probe   (process 4711)")
        self.assertIn("  leaked              48 B   3 objects, unreachable and still there", lines)
        self.assertEqual(lines[-2:], [f"profile: {name}", f"next: gcalloc report {name}"])

    def test_status_is_the_programs(self):
        self.assertEqual(self.run_it("record", self.probe, "exit", "7").returncode, 7)
        self.assertEqual(self.run_it("record", self.probe, "kill", "15").returncode, -15)

    def test_named_file(self):
        done = self.run_it("record", "-o", "mine.gcprof", self.probe, "arguments")
        self.assertEqual((done.returncode, self.files()), (0, ["mine.gcprof"]))
        self.assertIn("profile: mine.gcprof\n", done.stderr)
        path = os.path.join(os.path.realpath(self.folder), "mine.gcprof")
        again = self.run_it("record", "-o", "mine.gcprof", self.probe, "arguments")
        self.assert_fails(again, 125, f"gcalloc: {path}: is there already; --force overwrites it")
        with open(path, "w") as file:
            file.write("old")
        self.assertEqual(self.run_it("record", "-f", "-o", "mine.gcprof", self.probe, "arguments").returncode, 0)
        self.assertEqual((self.files(), os.path.getsize(path)), (["mine.gcprof"], os.path.getsize(self.made)))

    def test_no_name(self):
        self.assert_fails(self.run_it("record", "-o", "", self.probe, "arguments"), 125,
                          "gcalloc: '': a file's name cannot be empty")

    def test_old_file_stays_when_nothing_new_comes(self):
        self.write("here/mine.gcprof", "old")
        done = self.run_it("record", "-f", "-o", "mine.gcprof", self.probe, "arguments", FAKE_PROFILE=None)
        self.assertEqual(done.returncode, 125)
        self.assertRegex(done.stderr, r"\Agcalloc: .*/mine\.gcprof\.\d+: the program left no profile\n\Z")
        self.assertEqual(self.files(), ["mine.gcprof"])
        self.assertEqual(self.run_it("record", self.probe, "exit", "3", FAKE_PROFILE=None).returncode, 3)

    def test_children_have_files_of_their_own(self):
        done = self.run_it("record", self.probe, "fork", "3")
        self.assertEqual(len(self.files()), 4)
        self.assertIn("and 3 more of processes that it started, beside it\n", done.stderr)
        self.run_it("record", "-o", "x.gcprof", self.probe, "fork", "2")
        self.assertEqual([bool(re.fullmatch(r"x\.gcprof(\.\d+)?", name)) for name in self.files()], [False] * 4 + [True] * 3)

    def test_failures_before_anything_runs(self):
        long = "x" * 250
        folder = os.path.realpath(self.folder)
        os.mkdir(os.path.join(folder, "folder"))
        for words, line in ((["--level=all"], "--level=all: not one of sample|site|full"),
                            (["--rate=17179869184G"], "--rate: 17179869184G is no number of bytes, such as 4096, 64K or 1M"),
                            (["--rate=often"], "--rate: often is no number of bytes, such as 4096, 64K or 1M"),
                            (["-o", "/nothing/x"], "/nothing/x: cannot be written: No such file or directory"),
                            (["-o", long], f"{long}: its whole path is too long"),
                            (["-f", "-o", "folder"], f"{folder}/folder: is no plain file")):
            self.assert_fails(self.run_it("record", *words, self.probe, "arguments"), 125, f"gcalloc: {line}")
        self.assert_fails(self.run_it("record"), 125, "gcalloc: record: no program given; try 'gcalloc record --help'")
        self.assert_fails(self.run_it("record", "no-such-program"), 127, "gcalloc: no-such-program: not found in PATH")
        self.assertEqual(self.files(), ["folder"])

    def test_percent_in_the_programs_name(self):
        os.symlink(self.probe, os.path.join(self.folder, "a%pb"))
        self.run_it("record", "./a%pb", "arguments")
        self.assertRegex(self.files()[-1], r"\Agcalloc\.a_pb\.\d+\.gcprof\Z")


class Leaks(RecordTest):
    def test_what_the_program_sees(self):
        done = self.run_it("leaks", "--", self.probe, "environment", *VARIABLES, TMPDIR=self.folder)
        lines = done.stdout.splitlines()
        lines.remove("GCALLOC_PROFILE_GRAPH=(unset)")
        self.assertEqual((lines[0], lines[1], lines[3]), ("GCALLOC_PROFILE=full", "GCALLOC_PROFILE_RATE=0", "GCALLOC_MODE=leaks"))
        folder = re.escape(os.path.realpath(self.folder))
        self.assertRegex(lines[2], rf"\AGCALLOC_PROFILE_FILE={folder}/gcalloc-leaks\.\w+/%p\.gcprof\Z")
        self.assertEqual(lines[4:], ["leaked: 48 B in 3 objects", "  direct            48 B in 3 objects from 1 stack", "",
                                     "Direct leak of 48 B in 3 objects", "    leak  probe.c:5"])
        self.assertEqual(self.files(), [], "nothing is left behind")

    def test_json_is_alone_on_standard_output(self):
        done = self.run_it("leaks", "--json", "--", self.probe, "arguments", "--json")
        self.assertEqual(done.stderr, f"[{self.probe}][arguments][--json]\n")
        self.assertEqual(json.loads(done.stdout)["total_objects"], 3)

    def test_exit_codes(self):
        self.assertEqual(self.run_it("leaks", "--", self.probe, "exit", "7").returncode, 7)
        self.assertEqual(self.run_it("leaks", "--fail-on=any", "--", self.probe, "exit", "7").returncode, 1)
        self.assertEqual(self.run_it("leaks", "--fail-on=49", "--", self.probe, "exit", "7").returncode, 7)
        self.assertEqual(self.run_it("leaks", "--", self.probe, "kill", "9").returncode, 125)  # it left no profile
        self.assertEqual(self.run_it("leaks", "--", "no-such-program").returncode, 127)

    def test_children_do_not_count(self):
        done = self.run_it("leaks", "--json", "--", self.probe, "fork", "3", TMPDIR=self.folder)
        self.assertEqual(json.loads(done.stdout)["total_objects"], 3)
        self.assertEqual(self.files(), [])
        for count, line in (("1", "1 process that it started is not looked at"),
                            ("3", "3 processes that it started are not looked at")):
            done = self.run_it("leaks", "--", self.probe, "fork", count)
            self.assertTrue(done.stdout.endswith(
                f"\n\n{line}: gcalloc record --level=full --mode=leaks\nleaves a profile of each.\n"), done.stdout)

    def test_no_profile(self):
        done = self.run_it("leaks", "--", self.probe, "arguments", FAKE_PROFILE=None)
        self.assertEqual((done.returncode, done.stderr), (125, f"gcalloc: {self.probe}: left no profile: did it start another "
                                                               "program in its place?\n"))
        self.assert_fails(self.run_it("leaks", "--", self.probe, TMPDIR="/nothing"), 125,
                          "gcalloc: /nothing: no temporary directory: No such file or directory")

    def test_words_without_the_dashes_are_files(self):
        self.assert_fails(self.run_it("leaks", self.probe), 125, f"gcalloc: {self.probe}: not a profile of gcalloc")


class Process(RecordTest):
    def test_profile_that_a_process_writes(self):
        """Found by what it has open, or by what it was told."""
        for name, changes in (("open", {}), ("told", {"GCALLOC_PROFILE_FILE": self.made})):
            with open(self.made, "rb") as file:
                process = subprocess.Popen(["sleep", "60"], stdin=file if name == "open" else subprocess.DEVNULL,
                                           env=self.environment(**changes))
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            done = self.gcalloc("top", "--json", str(process.pid))
            self.assertEqual((done.returncode, json.loads(done.stdout)["live"][0]["objects"]), (0, 3))

    def test_process_without_the_library(self):
        process = subprocess.Popen(["sleep", "60"], env=self.environment())
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        for words in (["report"], ["leaks"], ["why"], ["record", "--pid"]):
            done = self.run_it(*words, str(process.pid), TMPDIR=self.folder)
            self.assertEqual((done.returncode, done.stdout), (125, ""))
            self.assertRegex(done.stderr, rf"\Agcalloc: process {process.pid}: .+\n\Z")
        self.assertEqual(self.files(), [])

    def test_usage(self):
        for words, line in ((["--pid=x"], "--pid: x is no process"),
                            (["--stop", "true"], "--stop: of which process? --pid says it"),
                            (["--duration=3", "true"], "--duration: of which process? a program is recorded to its end"),
                            (["--graph", "--pid=1"], "--graph: --pid leaves no file; 'gcalloc why 1' shows the heap"),
                            (["--pid=1", "true"], "--pid: a process or a program, not both")):
            self.assert_fails(self.run_it("record", *words), 125, f"gcalloc: {line}")

    def test_a_file_of_that_name_comes_first(self):
        own = str(os.getpid())
        os.rename(self.made, os.path.join(self.folder, own))
        self.assertEqual(self.run_it("report", own).returncode, 0)


def writes_profiles():
    path = os.environ.get("CLI_TEST_REAL_LIBRARY")
    if not path:
        return False
    with open(path, "rb") as file:
        return b"profile_file" in file.read()


@unittest.skipUnless(writes_profiles(), "no real library that writes profiles was built")
class RealLibrary(RecordTest):
    def setUp(self):
        super().setUp()
        self.install("CLI_TEST_REAL_LIBRARY", "lib/" + LIBRARY_NAME)

    def test_leaks(self):
        done = self.gcalloc("leaks", "--json", "--", self.probe, "leak", "1000")
        shown = json.loads(done.stdout)
        self.assertTrue(995 <= shown["total_objects"] <= 1001, shown["total_objects"])
        self.assertEqual({leak["collected"] for leak in shown["leaks"]}, {False})

    def test_record(self):
        done = self.gcalloc("record", "--level=full", "-o", "x.gcprof", "--", self.probe, "leak", "1000")
        self.assertEqual(done.returncode, 0)
        shown = json.loads(self.gcalloc("report", "--json", "x.gcprof").stdout)
        self.assertGreaterEqual(shown["allocated"]["objects"], 1000)
        self.assertTrue(shown["complete"])

    def test_full_disk(self):
        """The program goes on; what was written before is there, and a line of each says why no more is."""
        self.run_it("record", "--level=full", "-o", "x", "--", self.probe, "leak", "9")
        whole = os.path.getsize(os.path.join(self.folder, "x"))
        # The piece at the end has 900 bytes; how many records of usage stand before it, of 56 bytes each, depends on the time.
        for bytes_most, what in ((whole - 600, "no figures: none were written"), (100, None)):
            with self.subTest(bytes_most=bytes_most):
                done = subprocess.run([self.command, "record", "--level=full", "-f", "-o", "x", "--", self.probe, "leak", "9"],
                                      cwd=self.folder, env=self.environment(), capture_output=True, text=True, timeout=60,
                                      preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_most, bytes_most)))
                path = os.path.join(os.path.realpath(self.folder), "x")
                self.assertRegex(done.stderr, rf"\Agcalloc: profile {path}\.\d+: File too large; nothing more is written there "
                                              r"for now\ngcalloc: ")
                if what:
                    self.assertEqual(done.returncode, 0)
                    self.assertIn(f"gcalloc: {path}: has no end: the program still runs, was killed, or had no room to "
                                  "write it\n", done.stderr)
                    self.assertIn(what, done.stderr)
                    self.assertEqual(self.run_it("report", "x").returncode, 0)
                else:
                    self.assertEqual((done.returncode, done.stderr.count("\n")), (125, 2))
                    self.assertTrue(done.stderr.endswith(": empty\n"), done.stderr)

    def test_graph(self):
        """gcalloc why reads what record --graph leaves, and says so where that is missing."""
        done = self.run_it("record", "--graph", "--level=full", "-o", "x", "--", self.probe, "leak", "1000")
        self.assertEqual(done.returncode, 0, done.stderr)
        shown = json.loads(self.run_it("why", "--json", "x").stdout)
        self.assertTrue(995 <= shown["unreachable"]["objects"] <= 1001, shown["unreachable"])
        one = json.loads(self.run_it("why", "--json", "x", "main").stdout)
        self.assertEqual((one["reachable"], one["stack"][0]["function"]), (False, "main"))
        self.run_it("record", "-o", "y", "--", self.probe, "leak", "1000")
        self.assert_fails(self.run_it("why", "y"), 125, "gcalloc: y: has no graph of the heap: gcalloc record --graph writes one")

    def test_program_in_the_programs_place(self):
        """The last program that the process has become is the one that counts; what it was before lies beside it."""
        shim = f"exec sh -c 'exec env {self.probe} leak 1000'"
        for words, name, earlier in ((["env", self.probe, "leak", "1000"], "x.gcprof", 1), (["sh", "-c", shim], "x.%p", 3)):
            with self.subTest(words=words):
                done = self.gcalloc("record", "-f", "--level=full", "-o", name, "--", *words, cwd=self.folder)
                self.assertEqual((done.returncode, done.stdout), (0, ""))
                self.assertRegex(done.stderr, rf"\nand {earlier} of what the process was before exec, beside it, from \S+ on\n")
                self.assertNotIn("processes that it started", done.stderr)
                path = re.search(r"\nprofile: (.*)\n", done.stderr).group(1)
                shown = json.loads(self.gcalloc("report", "--json", path, cwd=self.folder).stdout)
                self.assertTrue(1000 <= shown["allocated"]["objects"] <= 1010, shown["allocated"])
                self.assertEqual(len(self.files()), earlier + 1)
                for file in self.files():
                    os.remove(os.path.join(self.folder, file))

    def test_leaks_of_a_program_behind_shells(self):
        done = self.gcalloc("leaks", "--json", "--", "sh", "-c", f"exec sh -c 'exec {self.probe} leak 1000'")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(995 <= json.loads(done.stdout)["total_objects"] <= 1001)

    def in_process(self, before):
        """A process with one fixed name for its profile, in which `before` runs first."""
        path = os.path.join(self.folder, "fixed")
        done = subprocess.run([self.command, "run", self.probe, "leak", "9"], capture_output=True, text=True, cwd=self.folder,
                              env=self.environment(GCALLOC_PROFILE="full", GCALLOC_PROFILE_FILE=path),
                              preexec_fn=lambda: before(path))
        self.assertEqual((done.returncode, done.stdout), (0, ""))
        return done.stderr.replace(path, "FIXED")

    def test_files_of_this_process_and_of_others(self):
        """Only a program that went before in the same process makes room; nothing is ever overwritten."""
        def begun(process, later):
            return lambda path: Profile(process=process or os.getpid(), start=time.time_ns() + later).write(path) and None
        def aged(before):
            return lambda path: before(path) or os.utime(path, (1, 1))
        refused = "gcalloc: no profile: FIXED: File exists\n"
        for what, before, line, files in (
                ("nothing there", lambda path: None, "", ["fixed"]),
                ("this process", begun(None, 0), "", ["fixed", "fixed.2"]),
                ("this process's number, used before", aged(begun(None, 0)), refused, ["fixed"]),
                ("this process, which fork has made", begun(None, -10 ** 12), "", ["fixed", "fixed.2"]),
                ("another process", begun(4194305, 10 ** 12), refused, ["fixed"]),
                ("no profile", lambda path: self.write("here/fixed", "x") and None, refused, ["fixed"])):
            with self.subTest(what):
                self.assertEqual(self.in_process(before), line)
                self.assertEqual(self.files(), files)
                for file in files:
                    os.remove(os.path.join(self.folder, file))

    def test_running_process(self):
        """Recording begins and ends while it runs, and everything is shown of it meanwhile."""
        with subprocess.Popen([self.command, "run", self.probe, "wait"], stdout=subprocess.PIPE, text=True,
                              env=self.environment()) as process:
            self.addCleanup(process.kill)
            self.assertEqual(process.stdout.readline().split()[0], "ready")
            pid = str(process.pid)
            for words in (["report"], ["top"], ["plot"], ["flamegraph"], ["export", "--format=collapsed"]):
                self.assert_fails(self.gcalloc(*words, pid), 125, f"gcalloc: {pid}: no profile is on in this process; "
                                                                  f"'gcalloc record {pid}' records it")
            for words in (["leaks"], ["why"]):
                self.assertEqual(self.gcalloc(*words, pid).returncode, 0, words)
            started = self.gcalloc("record", f"--pid={pid}", "--level=full")
            self.assertEqual((started.returncode, started.stderr),
                             (0, f"next: gcalloc report {pid}, and gcalloc record --pid={pid} --stop\n"))
            again = self.gcalloc("record", f"--pid={pid}")
            self.assertEqual((again.returncode, again.stderr), (125, f"gcalloc: process {pid}: a profile is on already\n"))
            self.assertTrue(json.loads(self.gcalloc("top", "--json", pid).stdout)["running"])
            for words in (["report", "--json"], ["leaks", "--json"], ["why", "--json"], ["plot", "--json"]):
                done = self.gcalloc(*words, pid)
                self.assertEqual((done.returncode, done.stderr), (0, ""), words)
                json.loads(done.stdout)
            self.assertEqual(self.gcalloc("record", f"--pid={pid}", "--stop").returncode, 0)
            with open(f"/proc/{pid}/comm") as file:
                program = file.read().strip()
            for words in (["--level", "full", "--graph", "--duration=1", "-o", "y.gcprof"], ["--duration", "1"]):
                done = self.run_it("record", pid, *words)
                self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
                name = re.search(r"\nprofile: (.*)\nnext: gcalloc report \1\n\Z", done.stderr).group(1)
                self.assertEqual(self.run_it("report", name).returncode, 0)
            self.assertEqual(self.files(), [f"gcalloc.{program}.{pid}.gcprof", "y.gcprof"])
            self.assertEqual(self.run_it("why", "y.gcprof").returncode, 0)
            with subprocess.Popen([self.command, "record", pid, "-o", "z"], stderr=subprocess.PIPE, text=True, cwd=self.folder,
                                  env=self.environment()) as waiting:
                while "z" not in self.files():
                    time.sleep(0.01)
                process.terminate()
                self.assertEqual(process.wait(), 55)
                self.assertIn("profile: z\n", waiting.communicate(timeout=60)[1])
                self.assertEqual(waiting.returncode, 0)


if __name__ == "__main__":
    unittest.main()
