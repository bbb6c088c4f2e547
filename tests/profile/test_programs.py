#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Profiles of real programs: what is known of their work is what the profile says, and all that shows it adds up.

Argument: the command. Programs are those of Debian's packages, without debug files; one that is not installed is skipped.
"""
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

COMMAND = os.path.abspath(sys.argv[1])
KIB, MIB = 1 << 10, 1 << 20


class Programs(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="gcalloc-programs-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("GCALLOC_")}
        self.environment["LC_ALL"] = "C.UTF-8"

    def program(self, name):
        path = os.path.join("/usr/bin", name)
        if not os.path.exists(path):
            self.skipTest(f"{name} is not installed")
        return path

    def gcalloc(self, *words, code=0, **more):
        done = subprocess.run([COMMAND, *words], cwd=self.folder, env=self.environment, capture_output=True, text=True,
                              timeout=100, check=False, **more)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def record(self, *words, **changes):
        self.environment.update(changes)
        self.gcalloc("record", "--level=full", "-o", "profile", "--", *words)
        return self.check("profile")

    def check(self, path):
        """The report, and that it agrees with itself and with what is exported."""
        shown = json.loads(self.gcalloc("report", "--json", "--top=100000", "--stacks=1", path).stdout)
        self.assertTrue(shown["complete"])
        self.assertEqual(shown["lost"], 0)
        self.assertLessEqual(shown["live"]["bytes"], shown["peak"]["bytes"])
        self.assertLessEqual(shown["peak"]["bytes"], shown["allocated"]["bytes"])
        for kind, places in shown["top"].items():
            self.assertEqual(sum(place["objects"] for place in places), shown[kind]["objects"], kind)
            self.assertEqual(sum(place["bytes"] for place in places), shown[kind]["bytes"], kind)
        for metric in ("allocated", "live"):
            lines = self.gcalloc("export", "--format=collapsed", f"--metric={metric}", path).stdout.splitlines()
            self.assertEqual(sum(int(line.rsplit(" ", 1)[1]) for line in lines), shown[metric]["bytes"], metric)
        xml.etree.ElementTree.fromstring(self.gcalloc("flamegraph", "--metric=peak", path).stdout)
        self.gcalloc("export", "--format=pprof", "-o", "pprof", path)
        with gzip.open(os.path.join(self.folder, "pprof")) as file:
            self.assertGreater(len(file.read()), 1000)
        os.remove(os.path.join(self.folder, "pprof"))
        return shown

    def expect_place(self, shown, kind, bytes_least, pattern, rank=3):
        """One of the first places allocated so much, called from a function or module of that pattern."""
        for place in shown["top"][kind][:rank]:
            names = " ".join(f"{frame['function']} {frame['module']}" for frame in place["stacks"][0]["stack"])
            if re.search(pattern, names) and place["bytes"] >= bytes_least:
                return
        self.fail(f"{kind}: no {pattern} of {bytes_least} in {shown['top'][kind][:rank]}")

    def test_python(self):
        """A list of strings that lives to the end of the script."""
        script = "kept = [bytes(1000) for _ in range(20000)]"
        shown = self.record(self.program("python3"), "-S", "-c", script, PYTHONMALLOC="malloc")
        self.assertTrue(20 * MIB <= shown["peak"]["bytes"] <= 40 * MIB, shown["peak"])
        self.expect_place(shown, "peak", 20000 * 1000, r"\bPy\w+ ", rank=1)
        self.assertTrue(19000 <= shown["top"]["peak"][0]["objects"] <= 25000, shown["top"]["peak"][0]["objects"])
        self.assertLess(shown["leaked"]["bytes"], 8 * KIB)

    def test_sqlite3(self):
        """A table in memory: most of it in pages of the cache; freed when the connection is closed."""
        script = ("create table t(a, b); with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000) "
                  "insert into t select i, hex(randomblob(500)) from n; select count(*) from t;")
        shown = self.record(self.program("sqlite3"), ":memory:", script)
        self.assertTrue(10 * MIB <= shown["peak"]["bytes"] <= 20 * MIB, shown["peak"])
        self.expect_place(shown, "peak", 9 * MIB, r"libsqlite3\.so", rank=1)
        self.assertLess(shown["live"]["bytes"], MIB)

    def test_git(self):
        """It packs many small objects, reads a file of 200 KB and frees little of what it has read."""
        git = self.program("git")
        self.environment.update(HOME=self.folder, GIT_CONFIG_NOSYSTEM="1", GIT_AUTHOR_NAME="a", GIT_AUTHOR_EMAIL="a@b",
                                GIT_COMMITTER_NAME="a", GIT_COMMITTER_EMAIL="a@b")
        def do(*words):
            subprocess.run([git, *words], cwd=self.folder, env=self.environment, check=True, timeout=100, capture_output=True)
        do("init", "-q")
        for i in range(8):
            with open(os.path.join(self.folder, "file"), "w", encoding="ascii") as file:
                file.write(f"{i}\n" * 100000)
            do("add", "file")
            do("commit", "-q", "-m", str(i))
        shown = self.record(git, "rev-list", "--all", "--objects")
        self.expect_place(shown, "allocated", KIB, r"git\b", rank=1)
        shown_of_log = self.check(self.record_as("log", git, "-c", "core.pager=cat", "log", "-p", "--all"))
        self.expect_place(shown_of_log, "peak", 150 * KIB, r"git\b", rank=1)
        self.assertGreater(shown_of_log["allocated"]["bytes"], 8 * 150 * KIB)

    def record_as(self, name, *words):
        self.gcalloc("record", "--level=full", "-o", name, "--", *words)
        return name

    def test_gcc(self):
        """The driver starts the compiler proper and the assembler: a profile of each."""
        source = os.path.join(self.folder, "many.c")
        with open(source, "w", encoding="ascii") as file:
            file.write("".join(f"int f{i}(int *a) {{ int s = {i}; for (int i = 0; i < a[0]; i++) s += a[i]; return s; }}\n"
                               for i in range(300)))
        self.gcalloc("record", "--level=full", "-o", "gcc", "--", self.program("gcc"), "-O2", "-c", source, "-o", "many.o")
        found = {}
        for name in os.listdir(self.folder):
            if name == "gcc" or name.startswith("gcc."):
                shown = self.check(name)
                found[os.path.basename(shown["executable"])] = shown
        self.assertTrue({"cc1"} <= found.keys(), found.keys())
        self.expect_place(found["cc1"], "allocated", MIB, r"cc1\b", rank=1)
        self.assertTrue(any(re.search(r"gcc|as\b", name) for name in found), found.keys())

    def test_redis(self):
        """A server with 20,000 values of 1,000 bytes; its report is that of the process, asked while it runs."""
        server = self.program("redis-server")
        command = self.program("redis-cli")
        socket = os.path.join(self.folder, "socket")
        with subprocess.Popen([COMMAND, "record", "--level=full", "-o", "profile", "--", server, "--port", "0",
                               "--unixsocket", socket, "--save", ""], cwd=self.folder, env=self.environment,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
            self.addCleanup(process.kill)
            self.wait_for(socket)
            subprocess.run([command, "-s", socket, "eval",
                            "for i = 1, 20000 do redis.call('set', 'key:' .. i, string.rep('x', 1000)) end", "0"],
                           check=True, timeout=100, capture_output=True)
            subprocess.run([command, "-s", socket, "shutdown", "nosave"], check=False, timeout=100, capture_output=True)
            said = process.communicate(timeout=100)[1]
        self.assertEqual(process.returncode, 0, said)
        shown = self.check("profile")
        self.assertTrue(20 * MIB <= shown["peak"]["bytes"] <= 60 * MIB, shown["peak"])
        self.expect_place(shown, "peak", 20000 * 1000, r"redis-(server|check-rdb)\b", rank=1)
        self.assertLess(shown["leaked"]["bytes"], 64 * KIB)

    def wait_for(self, path):
        end = time.monotonic() + 60
        while not os.path.exists(path):
            self.assertLess(time.monotonic(), end, "the server does not come up")
            time.sleep(0.02)

    def test_signal(self):
        """A program that never ends by itself: its profile begins and ends by a signal, at no cost until then."""
        python = self.program("python3")
        self.environment.update(GCALLOC_PROFILE_SIGNAL="USR2", GCALLOC_PROFILE_FILE=os.path.join(self.folder, "x"),
                                GCALLOC_PROFILE="off", PYTHONMALLOC="malloc", GCALLOC_PROFILE_GRAPH="1",
                                GCALLOC_PROFILE_RATE="4K")
        script = "import sys, time; print('ready', flush=True); sys.stdin.readline(); k = [bytes(9000) for _ in range(999)]; " \
                 "print('done', flush=True); time.sleep(1000)"
        with subprocess.Popen([COMMAND, "run", "--", python, "-S", "-c", script], env=self.environment, text=True,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            self.addCleanup(process.kill)
            self.assertEqual(process.stdout.readline(), "ready\n")
            self.assertEqual(os.listdir(self.folder), [])
            process.send_signal(signal.SIGUSR2)
            self.assertRegex(process.stderr.readline(), r"\Agcalloc: a profile has begun: /.*/x\n\Z")
            process.stdin.write("\n")
            process.stdin.flush()
            self.assertEqual(process.stdout.readline(), "done\n")
            process.send_signal(signal.SIGUSR2)
            self.assertRegex(process.stderr.readline(), r"\Agcalloc: the profile is complete: /.*/x\n\Z")
            process.kill()
        shown = json.loads(self.gcalloc("report", "--json", "x").stdout)
        self.assertTrue(shown["complete"])
        self.assertTrue(6 * MIB <= shown["live"]["bytes"] <= 12 * MIB, shown["live"])
        self.assertGreater(json.loads(self.gcalloc("why", "--json", "x").stdout)["reachable"]["bytes"], 8 * MIB)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
