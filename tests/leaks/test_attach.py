#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A running process is asked what it has lost, and told apart from those that cannot be asked.

Arguments: the library, attached, ask.
"""
import concurrent.futures
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import records
import support

LIBRARY, ATTACHED, ASK = (os.path.abspath(path) for path in sys.argv[1:4])
LOST = [(records.DIRECT, 100, 6400)]


def ask(process, what="leaks", path=None):
    words = [ASK, str(process), what] + ([path] if path else [])
    return subprocess.run(words, capture_output=True, text=True, timeout=100)


def is_alive(process):
    with open(f"/proc/{process}/status") as file:
        return "\nState:\tZ" not in file.read()


class Attach(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "profile")

    @contextlib.contextmanager
    def process(self, what="sleep", count=1, before=(), library=LIBRARY, **settings):
        """The numbers of the processes that have said that they are ready."""
        started = subprocess.Popen([*before, ATTACHED, what], env=support.environment(library, **settings),
                                   stdout=subprocess.PIPE, text=True)
        self.started = started
        found = []
        try:
            found += [int(started.stdout.readline().split()[1]) for _ in range(count)]
            time.sleep(0.05)  # from "ready" to its sleep
            yield found
        finally:
            for process in found:
                os.kill(process, signal.SIGKILL)
            started.kill()
            started.wait()
            started.stdout.close()

    def skip_without_mounts(self):
        """Only root may mount, and only where its root is a mount itself."""
        if subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no mounts of its own can be had here")
        if os.path.realpath(ATTACHED).startswith("/tmp/"):
            self.skipTest("the build lies below /tmp, which is mounted over")

    def assert_refused(self, process, cause, what="leaks"):
        result = ask(process, what)
        self.assertEqual((125, f"gcalloc: process {process}: {cause}\n"), (result.returncode, result.stderr))

    def leaks(self, process, what="leaks"):
        result = ask(process, what, self.path)
        self.assertEqual((0, ""), (result.returncode, result.stderr))
        self.found = records.read(self.path)
        self.assertEqual(1, len(self.found[records.HEADER]))
        return [(leak.kind, leak.objects, leak.bytes) for leak in self.found[records.LEAK]]

    def test_sleeping(self):
        with self.process() as (process,):
            for _ in range(10):
                self.assertEqual(LOST, self.leaks(process))
            left = [name for name in os.listdir(f"/tmp/gcalloc-{os.geteuid()}") if name.startswith(f"{process}.")]
            self.assertEqual([], left)

    def test_sleep_goes_on(self):
        with self.process("nap") as (process,):
            for _ in range(8):
                self.assertEqual(LOST, self.leaks(process))
                time.sleep(0.1)
            self.assertEqual("slept 1\n", self.started.stdout.readline())

    def test_stacks(self):
        with self.process(GCALLOC_PROFILE="full", GCALLOC_PROFILE_FILE=self.path + ".own") as (process,):
            self.assertEqual(LOST, self.leaks(process))
            self.assertNotEqual(0, self.found[records.LEAK][0].stack)

    def test_profile_on_and_off(self):
        with self.process("threads") as (process,):
            self.assert_refused(process, "no profile is on", "stop")
            self.assertEqual(0, ask(process, "start 1 4096").returncode)
            self.assert_refused(process, "a profile is on already", "start 1 4096")
            time.sleep(0.3)
            self.assertEqual(0, ask(process, "profile", self.path).returncode)
            figures = records.read(self.path)[records.FIGURES]
            self.assertGreater(len(figures), 0)
            self.assertEqual(0, ask(process, "stop").returncode)
            self.assertEqual(0, ask(process, "start 3 0").returncode)
            self.assertEqual(0, ask(process, "stop").returncode)
            self.assert_refused(process, "no such level of a profile", "start 4 0")
            self.assertTrue(is_alive(process))

    def test_graph(self):
        with self.process() as (process,):
            self.assertEqual(LOST, self.leaks(process, "graph"))
        objects, edges, roots = (self.found[kind] for kind in (records.OBJECTS, records.EDGES, records.ROOTS))
        nodes = {number for number, entry in enumerate(objects) if entry.bytes == 64 and entry.flags & records.REACHABLE}
        self.assertEqual(1000, len(nodes))
        self.assertEqual(100, sum(not entry.flags & records.REACHABLE for entry in objects))
        within = [edge for edge in edges if edge.source in nodes]
        self.assertEqual(999, len(within))
        self.assertTrue(all(edge[2:] == (0, 0) and edge.target in nodes for edge in within))
        head = (nodes - {edge.target for edge in within}).pop()
        self.assertIn(records.STATIC, [root.kind for root in roots if root.object == head])
        reached = {root.object for root in roots}
        while True:
            more = {edge.target for edge in edges if edge.source in reached} - reached
            if not more:
                break
            reached |= more
        self.assertEqual({number for number, entry in enumerate(objects) if entry.flags & records.REACHABLE}, reached)

    def test_busy_threads(self):
        """Ten times a second; nothing is reported of what four threads are being given and give back.

        Beside other tests they wait for a processor longer than a stop usually may."""
        with self.process("threads", GCALLOC_STOP_DEADLINE_MS="5000") as (process,):
            for _ in range(40):
                self.assertEqual(LOST, self.leaks(process))
                time.sleep(0.05)
            self.leaks(process, "graph")
            self.assertTrue(is_alive(process))

    def test_several_at_once(self):
        patient = self.process("threads", GCALLOC_STOP_DEADLINE_MS="5000")
        with patient as (process,), concurrent.futures.ThreadPoolExecutor() as pool:
            results = list(pool.map(lambda i: ask(process, "leaks", f"{self.path}.{i}"), range(12)))
            self.assertEqual([(0, "")] * 12, [(result.returncode, result.stderr) for result in results])
            for i in range(12):
                self.assertTrue(records.read(f"{self.path}.{i}")[records.END])

    def test_forked(self):
        with self.process("fork", 2) as processes:
            found = sorted(self.leaks(process) for process in processes)
            self.assertEqual([LOST, [(records.DIRECT, 200, 12800)]], [entry[:1] for entry in found])

    def test_refused(self):
        with self.process() as (process,):
            self.assert_refused(process, "the library in the process does not know this request", "nonsense")
        self.assert_refused(process, "no such process")
        with self.process(library=None) as (process,):
            self.assert_refused(process, "does not have gcalloc's library loaded")
        for what, settings in (("sleep", {"GCALLOC_MODE": "free"}), ("take", {})):
            with self.process(what, **settings) as (process,):
                self.assert_refused(process, "has the library, but no signal for it: GCALLOC_MODE=free, or taken")
                self.assertTrue(is_alive(process))

    def test_deaf_for_a_while(self):
        """As a process is that still answers another request."""
        with self.process("block_for_a_while") as (process,):
            self.assertEqual(LOST, self.leaks(process))

    def test_deaf(self):
        with self.process("block") as (process,):
            result = ask(process)
            self.assertRegex(result.stderr, rf"^gcalloc: process {process}: blocks signal \d+ in every thread\n$")
        with self.process() as (process,):
            os.kill(process, signal.SIGSTOP)
            time.sleep(0.1)
            self.assert_refused(process, "is stopped: it answers when it goes on")
            os.kill(process, signal.SIGCONT)
            self.assertEqual(LOST, self.leaks(process))

    def test_result_cannot_be_written(self):
        with self.process() as (process,):
            result = ask(process, "leaks", "/dev/full")
            self.assertEqual((125, "gcalloc: /dev/full: No space left on device\n"), (result.returncode, result.stderr))
            self.assertEqual(LOST, self.leaks(process))

    def test_own_file_system(self):
        """A process that sees another /tmp is asked there; one that has none says so."""
        self.skip_without_mounts()
        mount = ["unshare", "--mount", "sh", "-c"]
        with self.process(before=[*mount, 'mount -t tmpfs none /tmp && exec "$0" "$@"']) as (process,):
            self.assertEqual(LOST, self.leaks(process))
        with self.process(before=[*mount, 'mount -t tmpfs -o ro none /tmp && exec "$0" "$@"']) as (process,):
            self.assert_refused(process, "its /tmp cannot be used: Read-only file system")

    def test_directory_of_another(self):
        """A directory that others may look into is not trusted, by either side."""
        self.skip_without_mounts()
        script = 'mount -t tmpfs none /tmp && mkdir -m 777 /tmp/gcalloc-0 && exec "$0" "$@"'
        with self.process(before=["unshare", "--mount", "sh", "-c", script]) as (process,):
            self.assert_refused(process, "the directory /tmp/gcalloc-* in its /tmp is not its user's alone")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
