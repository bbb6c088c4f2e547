#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Reading profiles: all that a file says is found, and no file, however damaged, does more than get one clear line."""
import json
import os
import random
import resource
import struct
import subprocess
import unittest

import make_profile
from make_profile import Profile
from support import CommandTest

ROW_BYTES = 8 + 8 + 34 * 8  # of a moment
DEPTH_MOST = 4096  # of a stack
SECONDS = 8  # of a processor, where half a one is enough
MEMORY = 1 << 30  # that the command may take for a small file, whatever the file says


class ProfileTest(CommandTest):
    def save(self, content, name="test.gcprof"):
        return self.write(name, content.bytes() if isinstance(content, Profile) else content, 0o644)

    def report(self, path, *words):
        done = self.gcalloc("report", "--json", "--no-symbols", path, *words)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)


class Whole(ProfileTest):
    def check(self, shown, facts):
        for name in ("live", "allocated", "temporary"):
            self.assertEqual(shown[name]["objects"], facts[f"{name}_objects"], name)
        for name in ("live", "allocated"):
            self.assertEqual(shown[name]["bytes"], facts[f"{name}_bytes"], name)
        self.assertEqual(shown["collected"]["bytes"], facts["reclaimed_bytes"])
        self.assertEqual(shown["peak"]["bytes"], facts["peak_bytes"])
        self.assertEqual(shown["peak_time_ns"], facts["peak_time"])
        left = [leak for leak in facts["leaks"] if not leak[4]]
        self.assertEqual(shown["leaked"], {"bytes": sum(leak[3] for leak in left), "objects": sum(leak[2] for leak in left)})

    def test_every_size(self):
        for stacks, threads, moments, objects in ((1, 1, 1, 2), (7, 3, 5, 100), (500, 12, 40, 5000), (20000, 2, 2, 20000)):
            with self.subTest(stacks=stacks):
                profile, facts = make_profile.realistic(stacks, threads, 60, moments, objects, seed=stacks)
                shown = self.report(self.save(profile), "--threads")
                self.check(shown, facts)
                self.assertTrue(shown["complete"])
                self.assertEqual(len(shown["threads"]), threads + 1)
                self.assertEqual(sum(thread["live"]["bytes"] for thread in shown["threads"]), facts["live_bytes"])
                self.assertEqual(shown["collections"]["count"], moments // 3)

    def test_moments_come_in_any_order(self):
        profile = Profile()
        stack = profile.stack([0x401005])
        for time, reason, live in ((50, make_profile.TIMER, 1), (90, make_profile.EXIT, 4), (70, make_profile.PEAK, 9),
                                   (30, make_profile.DUMP, 2)):
            profile.moment(time, reason, [{"stack": stack, "live_bytes": live, "live_objects": 1}])
        profile.end(90)
        shown = self.report(self.save(profile))
        self.assertEqual((shown["live"]["bytes"], shown["peak"]["bytes"]), (4, 9))

    def test_the_last_look_for_leaks_counts(self):
        profile = Profile()
        stack = profile.stack([0x401005])
        for time, objects in ((10, 3), (20, 5)):
            profile.leak(stack, make_profile.DIRECT, objects, 16 * objects, time=time)
            profile.leak(stack, make_profile.DIRECT, 2 * objects, 32 * objects, collected=True, time=time + 1)
        profile.end(30)
        self.assertEqual(self.report(self.save(profile))["leaked"], {"bytes": 80, "objects": 5})
        shown = json.loads(self.gcalloc("leaks", "--json", self.save(profile)).stdout)
        self.assertEqual((shown["total_bytes"], shown["total_objects"]), (240, 15))

    def test_what_is_unknown_is_passed_over(self):
        profile, facts = make_profile.realistic(20)
        whole = profile.bytes()
        head = 8 + struct.unpack_from("<I", whole, 4)[0]
        head += -head % 8
        newer = struct.pack("<II", 77, 5) + b"hello\0\0\0" + struct.pack("<II", 1000000, 0)
        self.check(self.report(self.save(whole[:head] + newer + whole[head:])), facts)

    def test_records_may_be_longer_than_they_are_known(self):
        profile = Profile()
        profile.stack([0x401005])
        profile.add(make_profile.USAGE, struct.pack("<6Q", 1, 2, 3, 4, 5, 6) + b"more")
        profile.end(7)
        self.assertEqual(self.report(self.save(profile))["duration_ns"], 7)

    def test_from_a_pipe(self):
        profile, facts = make_profile.realistic(30)
        done = subprocess.run([self.command, "report", "--json", "--no-symbols", "/dev/stdin"], input=profile.bytes(),
                              capture_output=True)
        self.check(json.loads(done.stdout), facts)

    def test_the_deepest_stack(self):
        profile = Profile()
        stack = profile.stack([0x401005] * DEPTH_MOST)
        profile.moment(1, make_profile.EXIT, [{"stack": stack, "live_bytes": 5, "live_objects": 1}])
        profile.end(1)
        done = self.gcalloc("report", "--json", "--no-symbols", self.save(profile))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(json.loads(done.stdout)["live"]["bytes"], 5)

    def test_command_line(self):
        words = ["/opt/x y/prog", "", "--flag", "\x1b[31mred", "ä"]
        path = self.save(Profile(executable="/opt/x y/prog", words=words, process=99))
        shown = self.gcalloc("report", "--json", path)
        self.assertEqual((json.loads(shown.stdout)["command"], json.loads(shown.stdout)["process"]), (words, 99))
        self.assertNotIn("\x1b", self.gcalloc("report", path).stdout)


class Moments(ProfileTest):
    """Moments whose rows did not all arrive."""

    def setUp(self):
        super().setUp()
        self.profile = Profile()
        self.profile.stack([0x401005])
        self.profile.stack([0x402005])

    def moment(self, time, reason, *objects, written=None):
        """Objects of 10 bytes, allocated and alive, of each stack."""
        rows = []
        for stack, (allocated, live) in enumerate(objects, 1):
            rows.append({"stack": stack})
            for name, count in (("allocated", allocated), ("freed", max(allocated - live, 0)), ("live", live)):
                rows[-1].update({f"{name}_objects": count, f"{name}_bytes": 10 * count})
        self.profile.moment(time, reason, rows, written=written)

    def assert_shown(self, content=None, **objects):
        """Of the file as it is so far, which has no end."""
        done = self.gcalloc("report", "--json", "--no-symbols", self.save(content or self.profile))
        self.assertEqual(done.returncode, 0)
        shown = json.loads(done.stdout)
        self.assertEqual({name: shown[name] for name in objects},
                         {name: {"bytes": 10 * count, "objects": count} for name, count in objects.items()})

    def test_the_end_of_a_file(self):
        """Cut behind the first row: the other one did not arrive, which is not to say that its objects were freed."""
        for reason in (make_profile.TIMER, make_profile.DUMP, make_profile.PEAK):
            with self.subTest(reason=reason):
                self.setUp()
                self.moment(1, make_profile.PEAK, (0, 7), (0, 3))
                self.moment(2, make_profile.DUMP, (5, 3), (4, 2))
                self.moment(3, reason, (90, 80), (70, 60))
                whole = self.profile.bytes()
                for missing in (ROW_BYTES, ROW_BYTES - 8, 8):
                    self.assert_shown(whole[:-missing], live=5, allocated=9, peak=10)

    def test_in_the_middle_of_a_file(self):
        """The disk was full for a while. The rows that are there are right."""
        self.moment(1, make_profile.DUMP, (5, 5), (4, 4))
        self.moment(2, make_profile.TIMER, (90, 80), (80, 80), written=1)
        self.assert_shown(live=9, allocated=9)
        self.moment(3, make_profile.TIMER)
        self.assert_shown(live=0, allocated=94)
        self.moment(4, make_profile.TIMER, (95, 1))
        self.assert_shown(live=1, allocated=99)

    def test_nothing_else(self):
        """A part is better than nothing; no row at all is nothing."""
        self.moment(1, make_profile.TIMER, (6, 5), (9, 8), written=1)
        self.moment(1, make_profile.PEAK, (0, 7), (0, 3), written=1)
        self.assert_shown(live=5, allocated=6, peak=7)
        self.moment(2, make_profile.TIMER, (7, 4), (9, 8), written=1)
        self.assert_shown(live=4, allocated=7, peak=7)
        self.moment(3, make_profile.DUMP, (90, 90), written=0)
        self.moment(3, make_profile.PEAK, (0, 90), written=0)
        self.assert_shown(live=4, allocated=7, peak=7)
        self.moment(4, make_profile.EXIT, (5, 2))
        self.moment(4, make_profile.PEAK, (0, 4))
        self.assert_shown(live=2, allocated=5, peak=4)

    def test_freed_meanwhile(self):
        """What a moment of the timer leaves out was freed, and what comes back counts as it is then."""
        self.moment(1, make_profile.DUMP, (5, 5), (4, 4))
        self.moment(2, make_profile.TIMER, (5, 2))
        self.moment(3, make_profile.TIMER, (5, 1), (9, 3))
        self.moment(4, make_profile.TIMER, (5, 1))
        self.assert_shown(live=1, allocated=14)


class Bad(ProfileTest):
    def fails(self, content, cause, name="bad.gcprof"):
        path = self.save(content, name)
        for command in ("report", "leaks", "why", "plot", "top"):
            self.assert_fails(self.gcalloc(command, path), 125, f"gcalloc: {path}: {cause}")

    def test_not_a_profile(self):
        self.fails(b"", "empty")
        self.fails(b"x", "not a profile of gcalloc")
        self.fails(b"hello, this is some text that is long enough for any header to be in it" * 10, "not a profile of gcalloc")
        self.fails(bytes(4096), "not a profile of gcalloc")
        with open(self.probe, "rb") as file:
            self.fails(file.read(), "not a profile of gcalloc")
        self.fails(Profile().bytes().replace(b"\r\n", b"\n"), "not a profile of gcalloc")

    def test_header(self):
        whole = Profile().bytes()
        self.fails(whole[:20], "breaks off in its header")
        self.fails(whole[:-8], "breaks off in its header")
        self.fails(Profile(version=2).bytes(), "its format, 2, is newer than this command's, 1")
        swapped = struct.pack(">II", *struct.unpack_from("<II", whole)) + whole[8:]
        self.fails(swapped, "not a profile of this machine's order of bytes")
        lying = bytearray(whole)
        struct.pack_into("<I", lying, 4, 0xfffffff0)
        self.fails(bytes(lying), "breaks off in its header")
        words = bytearray(whole)
        struct.pack_into("<I", words, 8 + 36, 0xffffffff)
        self.fails(bytes(words), "breaks off in its header")

    def test_not_there(self):
        for command in ("report", "leaks", "why", "plot", "top"):
            path = os.path.join(self.scratch, "nothing")
            self.assert_fails(self.gcalloc(command, path), 125, f"gcalloc: {path}: cannot be opened: No such file or directory")
            self.assert_fails(self.gcalloc(command, self.scratch), 125,
                              f"gcalloc: {self.scratch}: cannot be read: Is a directory")
        self.assert_fails(self.gcalloc("report", "/dev/zero"), 125, "gcalloc: /dev/zero: not a profile of gcalloc")

    def test_processes(self):
        gone = subprocess.Popen(["true"])
        gone.wait()
        self.assert_fails(self.gcalloc("top", str(gone.pid)), 125,
                          f"gcalloc: {gone.pid}: no such process, and no file of this name")
        own = os.getpid()
        self.assert_fails(self.gcalloc("top", str(own)), 125,
                          f"gcalloc: process {own}: does not have gcalloc's library loaded")
        for command in ("report", "leaks", "why"):
            done = self.gcalloc(command, str(gone.pid))
            self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (125, "", 1))
            self.assertIn(f"gcalloc: process {gone.pid}: no such process\n", done.stderr)

    def test_torn_anywhere(self):
        profile, facts = make_profile.realistic(8, moments=3, objects=20)
        whole = profile.bytes()
        ends, at = set(), 0
        while at < len(whole):
            ends.add(at)
            at += 8 + struct.unpack_from("<I", whole, at + 4)[0]
            at += -at % 8
        first = sorted(ends)[1]
        for length in sorted({*range(first, len(whole), 97), *ends} - {0}):
            path = self.save(whole[:length])
            done = self.gcalloc("report", "--json", "--no-symbols", path)
            cause = "has no end: the program still runs, was killed, or had no room to write it" if length in ends else \
                f"breaks off in a record at byte {max(end for end in ends if end < length)}: what was whole is shown"
            lost = [line for line in done.stderr.splitlines() if "pointers from or to no object" not in line]
            self.assertEqual((done.returncode, lost), (0, [f"gcalloc: {path}: {cause}"]), length)
            self.assertFalse(json.loads(done.stdout)["complete"])

    def damaged(self, kind, payload):
        """A profile in which a record is wrong: what stands in front of it is read, what follows is not."""
        profile = Profile()
        profile.thread("main")
        stack = profile.stack([0x401005])
        profile.moment(1, make_profile.TIMER, [{"stack": stack, "live_bytes": 5, "live_objects": 1}])
        offset = len(profile.bytes())
        profile.add(kind, payload)
        profile.moment(2, make_profile.EXIT, [{"stack": stack, "live_bytes": 6, "live_objects": 1}])
        path = self.save(profile)
        done = self.gcalloc("report", "--json", "--no-symbols", path)
        line = f"gcalloc: {path}: damaged at byte {offset}: what follows is left out\n"
        self.assertEqual((done.returncode, done.stderr), (0, line))
        self.assertEqual(json.loads(done.stdout)["live"]["bytes"], 5)

    def test_damaged_records(self):
        figures = [0] * 34
        for kind, payload in (
                (0, b""), (make_profile.HEADER, b"x" * 100), (make_profile.MAPPING, b"x"),
                (make_profile.MAPPING, struct.pack("<QQQI20s", 2, 1, 0, 0, b"") + b"/a\0"),
                (make_profile.MAPPING, struct.pack("<QQQI20s", 1, 2, 0, 21, b"") + b"/a\0"),
                (make_profile.MAPPING, struct.pack("<QQQI20s", 1, 2, 0, 20, b"") + b"/endless"),
                (make_profile.THREAD, struct.pack("<II", 0, 1) + b"a\0"),
                (make_profile.THREAD, struct.pack("<II", 0xffffffff, 1) + b"a\0"),
                (make_profile.STACK, struct.pack("<II", 2, 2) + bytes(8)),
                (make_profile.STACK, struct.pack("<II", 2, 0xffffffff) + bytes(8)),
                (make_profile.STACK, struct.pack("<II", 2, DEPTH_MOST + 1) + bytes(8 * (DEPTH_MOST + 1))),
                (make_profile.STACK, struct.pack("<II", 0, 0)), (make_profile.STACK, struct.pack("<II", 0x7fffffff, 0)),
                (make_profile.PLACE, struct.pack("<II", 1, 1) + b"file.c\0function"),
                (make_profile.FIGURES, struct.pack("<II34Q", 2, 0, *figures)),
                (make_profile.FIGURES, struct.pack("<II34Q", 1, 2, *figures)),
                (make_profile.FIGURES, struct.pack("<II33Q", 1, 1, *figures[1:])),
                (make_profile.LEAK, struct.pack("<II6QII", 9, 1, 0, 0, 0, 0, 0, 0, 0, 0)),
                (make_profile.LEAK, struct.pack("<II6QII", 1, 3, 0, 0, 0, 0, 0, 0, 0, 0)),
                (make_profile.OBJECTS, struct.pack("<QQII", 1, 1, 9, 0)), (make_profile.OBJECTS, b"x"),
                (make_profile.EDGES, b"x" * 15), (make_profile.ROOTS, b"x" * 25), (make_profile.SIZES, b"x" * 8),
                (make_profile.END, b"x")):
            with self.subTest(kind=kind, payload=payload[:16]):
                self.damaged(kind, payload)

    def test_figures_before_any_moment(self):
        profile = Profile()
        profile.add(make_profile.FIGURES, struct.pack("<II34Q", 0, 0, *[0] * 34))
        self.assertIn("damaged at byte", self.gcalloc("report", self.save(profile)).stderr)

    def test_edges_and_roots_of_no_object(self):
        profile = Profile()
        profile.edges([(0, 1, 0, 0), (1, 0, 0, 0), (0, 5, 0, 0)])
        profile.roots([(0, 0, 0, make_profile.STATIC, 0), (0, 0xffffffff, 0, make_profile.STATIC, 0)])
        profile.objects([(0x1000, 16, 0, 1), (0x2000, 16, 0, 1)])
        profile.end(1)
        path = self.save(profile)
        done = self.gcalloc("why", "--json", path)
        self.assertEqual(done.stderr, f"gcalloc: {path}: 2 pointers from or to no object are left out\n")
        self.assertEqual(json.loads(done.stdout)["reachable"]["objects"], 2)

    def test_random_damage(self):
        """Never a crash, never endless memory; always an end within the time that tests have."""
        chance = random.Random(7)
        profile, _ = make_profile.realistic(6, moments=2, objects=30)
        whole = profile.bytes()
        commands = (["report", "--stacks=2", "--threads"], ["leaks"], ["why"], ["top"], ["plot"], ["report", "--json"])
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        for round_number in range(150):
            broken = bytearray(whole)
            for _ in range(chance.choice([1, 1, 2, 8])):
                at = chance.randrange(len(broken))
                value = chance.choice([0, 1, 0x7f, 0xff, chance.randrange(256)])
                width = min(chance.choice([1, 1, 4, 8]), len(broken) - at)
                broken[at:at + width] = bytes([value]) * width
            path = self.save(bytes(broken))
            words = chance.choice(commands)
            done = subprocess.run([self.command, *words, "--no-symbols", path], env=self.environment(), timeout=60,
                                  capture_output=True, preexec_fn=limit)
            self.assertIn(done.returncode, (0, 125), (round_number, words, done.stderr))

    def test_many_of_everything(self):
        """What a file holds much of takes its time once, not once for each of the rest."""
        count, code = 60_000, 1 << 20
        profile = Profile()
        for i in range(count):  # the first one alone has the addresses
            profile.mapping(f"/{i}", *((code, code + count + 1) if i == 0 else (code * i * 8, code * i * 8 + 1)))
        for i in range(0, count, 1000):
            profile.stack([code + i + k + 1 for k in range(1000)])
        for _ in range(count):
            profile.thread("one of many")
        for time in (1, 2):
            profile.moment(time, make_profile.TIMER, [{"stack": 1, "thread": i + 1, "live_bytes": 10, "live_objects": 1}
                                                      for i in range(count)])
        for i in range(count // 3):
            profile.moment(3 + i, make_profile.TIMER, [])
        profile.end(count)
        limit = ["prlimit", f"--cpu={SECONDS}"]
        done = self.gcalloc("report", "--html", "--no-symbols", "-o", "page.html", self.save(profile), before=limit)
        self.assertEqual((done.returncode, done.stdout), (0, "page.html\n"), done.stderr)

    def test_full_disk(self):
        path = self.save(make_profile.realistic(5)[0])
        for words in (["report"], ["report", "--json"], ["leaks"], ["why"], ["plot"], ["top"], ["diff", path]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([self.command, *words, "--no-symbols", path], stdout=full, stderr=subprocess.PIPE,
                                      text=True)
            self.assertEqual((done.returncode, done.stderr),
                             (125, "gcalloc: standard output: cannot be written: No space left on device\n"), words)


if __name__ == "__main__":
    unittest.main()
