#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Profiles of a program whose allocations are known: counts by function, what becomes of the file in bad times.

PROFILE_TEST_PROGRAM is the program, PROFILE_TEST_MODULE what it opens."""
import math
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import profile_file

PROGRAM = os.environ["PROFILE_TEST_PROGRAM"]
MODULE = os.environ["PROFILE_TEST_MODULE"]
COUNT = 1000
MIB = 1 << 20
ESTIMATED_BYTES = 16 * MIB
RUNS = 100


def functions():
    """(start, end, name) of the program's functions, by address in the file."""
    found = []
    for line in subprocess.run(["nm", "-nS", "--defined-only", PROGRAM], capture_output=True, text=True,
                               check=True).stdout.splitlines():
        words = line.split()
        if len(words) == 4 and words[2] in "tT":
            found.append((int(words[0], 16), int(words[0], 16) + int(words[1], 16), words[3]))
    return found


FUNCTIONS = functions()


class ProfileTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def run_program(self, *words, level="full", code=0, name="profile", **options):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GCALLOC_")}
        environment["GCALLOC_PROFILE_FILE"] = self.path(name)
        if level:
            environment["GCALLOC_PROFILE"] = level
        environment.update({f"GCALLOC_{key.upper()}": str(value) for key, value in options.items()})
        done = subprocess.run([PROGRAM, *words], env=environment, capture_output=True, text=True, timeout=100,
                              check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def read(self, name="profile", is_whole=True):
        profile = profile_file.read(self.path(name))
        profile.check()
        self.assertEqual(profile.words[0], os.path.realpath(PROGRAM))
        self.assertEqual(profile.end is not None, is_whole)
        return profile

    @staticmethod
    def name_of(profile, address):
        for start, end, offset, _, path in profile.mappings:
            if start <= address - 1 < end and path == profile.words[0]:
                place = address - 1 - start + offset
                for low, high, name in FUNCTIONS:
                    if low <= place < high:
                        return name
        return "?"

    def by_function(self, profile, moment, function):
        """Sums of the rows whose stack has the function."""
        sums = {}
        for row in moment.rows:
            if function in [self.name_of(profile, address) for address in profile.stacks[row["stack"]]]:
                for key, value in row.items():
                    sums[key] = sums.get(key, 0) + (sum(value) if isinstance(value, list) else value)
        return sums

    def expect(self, profile, function, objects, size, freed, freed_bytes=None):
        sums = self.by_function(profile, profile.last("EXIT"), function)
        freed_bytes = freed * size if freed_bytes is None else freed_bytes
        self.assertEqual((sums["samples"], sums["allocated_objects"]), (objects, objects), function)
        self.assertEqual((sums["freed_objects"], sums["freed_bytes"]), (freed, freed_bytes), function)
        self.assertEqual(sums["live_objects"], objects - freed, function)
        self.assertEqual(sums["ages"], objects - freed, function)
        self.assertEqual(sums["reclaimed_objects"], 0, function)
        return sums

    def test_exact_counts(self):
        self.run_program("exact", mode="free")
        profile = self.read()
        self.assertEqual(profile.header["level"], 3)
        self.expect(profile, "from_malloc", COUNT, 24, COUNT // 2)
        self.expect(profile, "from_calloc", COUNT, 150, COUNT // 2)
        self.expect(profile, "from_aligned", COUNT, 300, COUNT // 2)
        self.expect(profile, "from_strdup", COUNT, 11, COUNT // 2)
        self.expect(profile, "from_large", 20, MIB + 1, 10)
        self.expect(profile, "from_nothing", COUNT, 0, COUNT // 2)
        sizes = [100, 110, 10000, 100000, 90000]
        sums = self.expect(profile, "from_realloc", 500, 0, 450, 100 * sum(sizes[:4]) + 50 * sizes[4])
        self.assertEqual(sums["allocated_bytes"], 100 * sum(sizes))
        self.assertEqual(sums["live_bytes"], 50 * sizes[4])
        self.assertEqual(profile.end[3], 0, "samples were lost")

    def test_lifetimes(self):
        """One birth of 32 is timed and stands for the others: there are as many lifetimes as objects that are gone."""
        self.run_program("lives", mode="free")
        profile = self.read()
        for function, gone, oldest_first in (("live_briefly", 20000, 0), ("live_on", 18000, 2)):
            rows = [row for row in profile.last("EXIT").rows
                    if function in [self.name_of(profile, address) for address in profile.stacks[row["stack"]]]]
            lifetimes = [sum(classes) for classes in zip(*(row["lifetimes"] for row in rows))]
            self.assertEqual(sum(row["freed_objects"] for row in rows), gone)
            self.assertLessEqual(abs(sum(lifetimes) - gone), 12 * len(rows), function)
            self.assertGreater(sum(lifetimes[oldest_first:]), 0.9 * gone, (function, lifetimes))
            self.assertTrue(oldest_first > 0 or lifetimes[0] > 0.9 * gone, (function, lifetimes))
            ages = [sum(classes) for classes in zip(*(row["ages"] for row in rows))]
            self.assertEqual((sum(ages[:3]), sum(ages)), (0, 20000 - gone), (function, ages))

    def test_sizes(self):
        """All objects of the heap by the size of their slots, at any level."""
        for level in ("full", "sample"):
            self.run_program("exact", name=level, level=level, mode="free")
            profile = self.read(level)
            sizes = {slot: rest for slot, *rest in profile.sizes}
            self.assertEqual(list(sizes), sorted(sizes, key=lambda slot: slot or 1 << 40))
            self.assertGreaterEqual(sizes[32][1], COUNT // 2)  # 24 bytes
            self.assertGreaterEqual(sizes[160][1], COUNT // 2)  # 150 bytes
            self.assertEqual(sizes[0][1], 10 + 50)  # from_large, and from_realloc
            for slot, (blocks, objects, live, committed) in sizes.items():
                self.assertTrue(0 < blocks and live <= committed and (slot == 0 or live == objects * slot), slot)

    def test_threads(self):
        self.run_program("exact", mode="free")
        profile = self.read()
        sums = self.by_function(profile, profile.last("EXIT"), "allocate_beside")
        self.assertEqual(sums["allocated_objects"], 4 * 251)
        self.assertEqual(sums["freed_objects"], 4 * 250)
        self.assertEqual(sums["freed_bytes"], 4 * 250 * 80)
        rows = [row for row in profile.last("EXIT").rows
                if "allocate_beside" in [self.name_of(profile, a) for a in profile.stacks[row["stack"]]]]
        self.assertEqual(len({row["thread"] for row in rows}), 4)
        self.assertEqual(len({profile.threads[row["thread"]][0] for row in rows}), 4)

    def test_more_threads_than_have_rows(self):
        """Those that share rows come by the same caches, and know nothing of one another's stacks."""
        self.run_program("crowd", mode="free")
        profile = self.read()
        sums = self.by_function(profile, profile.last("EXIT"), "from_crowd")
        self.assertEqual((sums["allocated_objects"], sums["freed_objects"]), (1102 * COUNT, 1102 * COUNT))

    def test_stacks_begin_in_the_program(self):
        self.run_program("exact", mode="free")
        profile = self.read()
        for row in profile.last("EXIT").rows:
            if row["allocated_objects"] == COUNT:
                names = [self.name_of(profile, address) for address in profile.stacks[row["stack"]]]
                self.assertTrue("from_strdup" in names or names[0].startswith("from_"), names)
        self.assertTrue(all(len(mapping[3]) == 40 for mapping in profile.mappings if mapping[4] == profile.words[0]))

    def test_what_is_collected(self):
        self.run_program("reclaimed")
        profile = self.read()
        sums = self.by_function(profile, profile.last("EXIT"), "drop")
        self.assertEqual(sums["allocated_objects"], COUNT)
        self.assertGreaterEqual(sums["reclaimed_objects"], COUNT - 100)
        self.assertEqual(sums["reclaimed_bytes"], 700 * sums["reclaimed_objects"])
        self.assertEqual(sums["freed_objects"], 0)
        self.assertGreaterEqual(len(profile.cycles), 2)
        self.assertGreaterEqual(sum(cycle[7] for cycle in profile.cycles), sums["reclaimed_objects"])
        for function in ("drop", "drop_nothing"):
            told = sum(leak.objects for leak in profile.leaks if leak.is_collected and
                       function in [self.name_of(profile, address) for address in profile.stacks[leak.stack]])
            self.assertGreaterEqual(told, COUNT - 100, function)

    def test_fork(self):
        done = self.run_program("forks", name="forked.%p", mode="free")
        child = self.read(f"forked.{int(done.stdout)}")
        names = os.listdir(self.folder.name)
        self.assertEqual(len(names), 2, names)
        parent = self.read([name for name in names if name != f"forked.{int(done.stdout)}"][0])
        self.expect(child, "in_child", 300, 64, 0)
        self.expect(child, "from_malloc", COUNT, 24, 0)
        self.expect(parent, "from_malloc", COUNT, 24, 0)
        self.assertEqual(self.by_function(parent, parent.last("EXIT"), "in_child"), {})

    def test_fork_without_a_name_of_its_own(self):
        self.run_program("forks", mode="free")
        self.assertEqual(os.listdir(self.folder.name), ["profile"])
        self.expect(self.read(), "from_malloc", COUNT, 24, 0)

    def test_killed(self):
        self.run_program("killed", code=-signal.SIGKILL)
        profile = self.read(is_whole=False)
        self.assertGreater(len(profile.usage), 10)
        self.assertGreater(len(profile.mappings), 2)
        self.assertGreaterEqual(len([moment for moment in profile.moments if moment.reason == "TIMER"]), 1)

    def test_ends_without_exit(self):
        """The functions that end a process at once end its profile, leaks and all; of exit nothing is left to do."""
        for how in ("_exit", "_Exit", "quick_exit", "beside", "in_handler", "exec_fails",
                    "vfork"):
            with self.subTest(how):
                self.run_program("ends", how, name=how)
                profile = self.read(how)
                self.assertTrue(profile.knows_leaks)
                self.expect(profile, "from_malloc", COUNT, 24, 0)
                leaks = [(leak.kind, leak.objects, leak.bytes) for leak in profile.leaks]
                self.assertEqual(sorted(leaks), [(1, COUNT, 40 * COUNT), (2, COUNT, 60 * COUNT)])

    def test_ends_on_a_small_stack(self):
        """Nor where several threads do it at once. Stacks that a handler has left behind, and those of others, may hide a few."""
        for how in ("small_stack", "exit_small_stack", "together"):
            with self.subTest(how):
                self.run_program("ends", how, name=how, mode="leaks", leaks_report=0)
                profile = self.read(how)
                self.assertTrue(profile.knows_leaks)
                self.expect(profile, "from_malloc", COUNT, 24, 0)
                self.assertGreater(sum(leak.objects for leak in profile.leaks), 1.9 * COUNT)

    def test_ends_without_its_end(self):
        """Figures are there up to the exec, and up to the last second of a process that did nothing any more."""
        for how, code, options in (("exec", 0, {}), ("idle", -signal.SIGKILL, {}),
                                   ("idle", -signal.SIGKILL, {"mode": "free"})):
            with self.subTest(how, **options):
                name = how + options.get("mode", "")
                self.run_program("ends", how, name=name, code=code, **options)
                profile = self.read(name, is_whole=False)
                self.assertFalse(profile.knows_leaks)
                moment = profile.moments[-1]
                self.assertEqual(self.by_function(profile, moment, "from_malloc")["live_objects"], COUNT)
                self.assertEqual(self.by_function(profile, moment, "leak")["live_objects"], 2 * COUNT)

    def test_module_that_is_gone(self):
        """It was there between two moments: what it allocated is still its own, by its build id."""
        for mode in ("gc", "free"):
            self.run_program("module", MODULE, mode=mode, name=mode)
            profile = self.read(mode)
            mappings = [mapping for mapping in profile.mappings if mapping[4] == os.path.realpath(MODULE)]
            self.assertTrue(mappings and all(len(mapping[3]) == 40 for mapping in mappings))
            rows = [row for row in profile.last("EXIT").rows if row["allocated_bytes"] == 77 * row["allocated_objects"] and
                    any(start <= profile.stacks[row["stack"]][0] - 1 < end for start, end, *_ in mappings)]
            self.assertEqual(sum(row["live_objects"] for row in rows), 50)

    def test_module_in_the_place_of_another(self):
        """Each stack comes behind the mapping of the module that it was in, and in front of those that came later."""
        other = os.path.realpath(shutil.copy(MODULE, self.path("other.so")))
        self.run_program("modules", MODULE, other, mode="free")
        profile, sums = self.read(), {}
        for row in profile.last("EXIT").rows:
            address = profile.stacks[row["stack"]][0] - 1
            paths = [path for start, end, _, _, path in profile.mappings[:profile.mappings_in_front[row["stack"]]]
                     if start <= address < end]
            if row["allocated_bytes"] == 77 * row["allocated_objects"] and paths:
                sums[paths[-1]] = sums.get(paths[-1], 0) + row["live_objects"]
        self.assertEqual((sums.get(os.path.realpath(MODULE)), sums.get(other)), (50, 30))

    def test_full_disk(self):
        done = self.run_program("full_disk", mode="free")
        self.assertEqual(done.stdout, "goes on\n")
        self.assertEqual(done.stderr, f"gcalloc: profile {os.path.realpath(self.path('profile'))}: File too large; "
                                      "nothing more is written there for now\n")
        profile = self.read(is_whole=False)
        self.assertFalse(profile.is_torn)

    def test_full_disk_for_a_while(self):
        """What was lost is told at the end, the peak too."""
        self.run_program("full_for_a_while", mode="free")
        profile = self.read()
        self.assertGreater(profile.last("PEAK").live_bytes, profile.last("EXIT").live_bytes)
        self.expect(profile, "from_malloc", COUNT, 24, COUNT // 2)

    def test_long_paths(self):
        """Names of modules are whole, up to what the system allows."""
        folder = self.folder.name
        while len(folder) < 3500:
            folder = os.path.join(folder, "x" * 200)
        name = os.path.join(folder, "program")
        os.makedirs(folder)
        shutil.copy(PROGRAM, name)
        environment = {"GCALLOC_PROFILE": "full", "GCALLOC_PROFILE_FILE": self.path("profile"), "GCALLOC_MODE": "free",
                       "LD_LIBRARY_PATH": os.environ["PROFILE_TEST_LIBRARIES"]}
        subprocess.run([name, "exact"], env=environment, check=True, timeout=100)
        profile = profile_file.read(self.path("profile"))
        self.assertEqual(profile.words[0], os.path.realpath(name))
        self.assertIn(os.path.realpath(name), [mapping[4] for mapping in profile.mappings])
        shutil.rmtree(os.path.join(self.folder.name, "x" * 200))

    def test_name_of_its_own(self):
        """Without GCALLOC_PROFILE_FILE, in the current folder: the same name as `gcalloc record` gives."""
        for program, name in (("program", "program"), ("a%pb", "a_pb"), ("p" * 200, "p" * 60)):
            folder = self.path(f"in {name}")
            os.mkdir(folder)
            shutil.copy(PROGRAM, os.path.join(folder, program))
            environment = {"GCALLOC_PROFILE": "full", "GCALLOC_MODE": "free",
                           "LD_LIBRARY_PATH": os.environ["PROFILE_TEST_LIBRARIES"]}
            with subprocess.Popen([f"./{program}", "exact"], cwd=folder, env=environment) as process:
                self.assertEqual(process.wait(100), 0)
            self.assertEqual(set(os.listdir(folder)), {program, f"gcalloc.{name}.{process.pid}.gcprof"})

    def test_no_overwriting(self):
        with open(self.path("profile"), "w", encoding="ascii") as file:
            file.write("precious")
        done = self.run_program("exact")
        self.assertEqual(done.stderr, f"gcalloc: no profile: {self.path('profile')}: File exists\n")
        with open(self.path("profile"), encoding="ascii") as file:
            self.assertEqual(file.read(), "precious")
        os.mkdir(self.path("folder"))
        done = self.run_program("exact", name="folder")
        self.assertEqual(done.stderr, f"gcalloc: no profile: {self.path('folder')}: Is a directory\n")

    def check_estimates(self, level, rate):
        """Within six deviations, which a count of n samples has 1 / sqrt(n) of."""
        self.run_program("many", level=level, profile_rate=rate)
        profile = self.read()
        sums = self.by_function(profile, profile.last("EXIT"), "sampled")
        samples = sums["samples"]
        self.assertGreater(samples, 100)
        self.assertLess(abs(sums["allocated_bytes"] / (400 * MIB) - 1), 6 / math.sqrt(samples))
        return profile

    def test_sampling(self):
        profile = self.check_estimates("sample", 0)
        self.assertEqual((profile.header["level"], profile.header["rate"]), (1, 512 << 10))
        self.check_estimates("sample", 65536)

    def is_inside(self, profile, function):
        """Whether the truth is inside the interval of 95 %: n samples that stand for w objects each make an estimate of n w
        with a variance of n w (w - 1)."""
        sums = self.by_function(profile, profile.last("EXIT"), function)
        weight = sums["allocated_objects"] / sums["samples"]
        deviation = math.sqrt(sums["samples"] * weight * max(weight - 1, 0)) * sums["allocated_bytes"] / sums[
            "allocated_objects"]
        return abs(sums["allocated_bytes"] - ESTIMATED_BYTES) <= 1.96 * deviation

    def test_confidence(self):
        """Of 300 such intervals 285 hold the truth, give or take 3.8: fewer than 268 or more than 298 do so once in 30,000."""
        inside = 0
        for run in range(RUNS):
            name = f"profile{run}"
            self.run_program("estimated", level="sample", profile_rate=32 << 10, name=name)
            profile = self.read(name)
            inside += sum(self.is_inside(profile, function) for function in ("of_small", "of_middle", "of_large"))
        self.assertTrue(268 <= inside <= 298, f"{inside} of {3 * RUNS} intervals hold the truth")

    def test_sites(self):
        profile = self.check_estimates("site", 0)
        self.assertEqual(profile.header["level"], 2)
        self.assertTrue(all(len(stack) <= 1 for stack in profile.stacks.values()))

    def test_places(self):
        with open(os.environ["PROFILE_TEST_SOURCE"], encoding="ascii") as file:
            lines = {line.split("line: ")[1].split()[0]: number
                     for number, line in enumerate(file, 1) if "/* line: " in line}
        for level in ("full", "site"):
            subprocess.run([os.environ["PROFILE_TEST_SITES"]], check=True, timeout=100, env={
                "GCALLOC_PROFILE": level, "GCALLOC_PROFILE_RATE": "64", "GCALLOC_PROFILE_FILE": self.path(level)})
            profile = profile_file.read(self.path(level))
            profile.check()
            places = {line: (file, function) for file, line, function in profile.places.values()}
            self.assertEqual(set(places), set(lines.values()) if level == "full" else set(places) & set(lines.values()))
            self.assertTrue(all(place == (os.environ["PROFILE_TEST_SOURCE"], "main") for place in places.values()))
            counts = {profile.places[row["stack"]][1]: row["allocated_objects"] for row in profile.last("EXIT").rows
                      if row["stack"] in profile.places}
            if level == "full":
                self.assertEqual(counts, {number: 100 for number in lines.values()})

    def test_orders(self):
        """A signal ends the profile and begins the next, in a file of its own, whatever other threads are at."""
        done = self.run_program("ordered", profile_signal="USR2", profile_graph=1)
        path = os.path.realpath(self.path("profile"))
        names = [path] + [f"{path}.{number}" for number in range(2, 13)]
        lines = [f"gcalloc: the profile is complete: {name}\ngcalloc: a profile has begun: {after}\n"
                 for name, after in zip(names, names[1:])]
        self.assertEqual(done.stderr, "".join(lines))
        self.assertEqual(len(os.listdir(self.folder.name)), 12)
        first, second = self.read("profile"), self.read("profile.2")
        for profile in [first, second] + [self.read(f"profile.{number}") for number in range(3, 13)]:
            self.assertEqual(profile.header["level"], 3)
            self.assertTrue(profile.objects and profile.roots)
        self.expect(first, "from_malloc", COUNT, 24, 0)
        self.expect(second, "from_strdup", COUNT, 11, 0)
        for profile, function in ((first, "from_calloc"), (first, "from_strdup"), (second, "from_malloc"),
                                  (second, "from_calloc")):
            self.assertEqual(self.by_function(profile, profile.last("EXIT"), function), {}, function)

    def test_order_of_the_first_profile(self):
        """Until then nothing is recorded; the level is that of samples."""
        self.run_program("ordered_once", level=None, profile_signal="USR2", mode="free")
        profile = self.read()
        self.assertEqual(profile.header["level"], 1)
        self.assertFalse(profile.objects)

    def test_program_with_a_handler_of_its_own(self):
        done = self.run_program("takes_signal", level=None, profile_signal="USR2", code=signal.SIGUSR2)
        self.assertEqual(done.stderr, "gcalloc: GCALLOC_PROFILE_SIGNAL: the program takes this signal for itself\n")
        self.assertEqual(os.listdir(self.folder.name), [])

    def test_signals_that_cannot_be_had(self):
        """The program's handler then takes it without a word."""
        for cause, options in (("in mode leaks only where GCALLOC_PROFILE is set", {"mode": "leaks"}),
                               ("GCALLOC_STOP_SIGNAL is the same", {"stop_signal": int(signal.SIGUSR2)}),
                               ("there is no signal to stop threads with", {"stop_signal": int(signal.SIGKILL)})):
            done = self.run_program("takes_signal", level=None, profile_signal="USR2", code=signal.SIGUSR2, **options)
            self.assertEqual(done.stderr.splitlines()[-1], f"gcalloc: GCALLOC_PROFILE_SIGNAL: {cause}; ignored")

    def test_graph(self):
        """All objects and their stacks; those that the profile says are live are there."""
        self.run_program("exact", mode="free", profile_graph=1)
        profile = self.read()
        self.assertGreater(len(profile.roots), 0)
        stacks = {}
        for _, size, stack, _ in profile.objects:
            stacks.setdefault(stack, []).append(size)
        self.assertEqual([], [stack for stack in stacks if stack and stack not in profile.stacks])
        found = [sizes for stack, sizes in stacks.items() if stack and
                 "from_malloc" in [self.name_of(profile, address) for address in profile.stacks[stack]]]
        self.assertEqual([[24] * (COUNT // 2)], found)
        for start, end, _, _ in profile.edges:
            self.assertTrue(start < len(profile.objects) and end < len(profile.objects))

    def test_by_hand(self):
        self.run_program("by_hand", self.folder.name, level=None, mode="free")
        whole, dump, second = self.read("hand0"), self.read("hand1"), self.read("hand2")
        self.assertFalse(whole.knows_leaks or dump.knows_leaks, "nobody has looked for leaks")
        self.assertEqual(self.by_function(whole, whole.last("EXIT"), "from_malloc"), {})
        self.expect(whole, "from_calloc", 2 * COUNT, 150, 0)
        sums = self.by_function(dump, dump.last("DUMP"), "from_calloc")
        self.assertEqual((sums["allocated_objects"], sums["live_objects"], sums["ages"]), (COUNT, COUNT, COUNT))
        self.assertEqual(self.by_function(whole, whole.last("DUMP"), "from_calloc")["allocated_objects"], COUNT)
        self.expect(second, "from_strdup", COUNT, 11, 0)
        self.assertEqual(self.by_function(second, second.last("EXIT"), "from_calloc"), {})


if __name__ == "__main__":
    unittest.main()
