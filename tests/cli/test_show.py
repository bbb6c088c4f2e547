#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gcalloc report, leaks, diff and annotate on profiles whose figures are known."""
import json
import os
import unittest

import make_profile
from make_profile import DIRECT, EXIT, INDIRECT, PEAK, SAMPLE, SITE, TIMER, Profile
from support import CommandTest

MIB = 1 << 20
UTF8 = {"LC_ALL": "C.UTF-8"}


def row(stack, size, allocated, freed=0, reclaimed=0, **more):
    live = allocated - freed - reclaimed
    figures = {"allocated": allocated, "freed": freed, "reclaimed": reclaimed, "live": live}
    result = {"stack": stack, "samples": allocated, **more}
    for name, count in figures.items():
        result[f"{name}_objects"], result[f"{name}_bytes"] = count, count * size
    return result


class ShowTest(CommandTest):
    def save(self, profile, name="test.gcprof"):
        return self.write(name, profile.bytes(), 0o644)

    def shown(self, *words, error="", code=0, **changes):
        done = self.gcalloc(*words, **{**UTF8, **changes})
        self.assertEqual((done.returncode, done.stderr), (code, error))
        self.assertLessEqual(max(map(len, done.stdout.splitlines()), default=0), 80, done.stdout)
        self.assertNotIn("\x1b", done.stdout)
        return done.stdout

    def json(self, *words, **more):
        done = self.gcalloc(*words, "--json", **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout.count("\n"), 1)
        return json.loads(done.stdout)


def places(profile, *names):
    """Stacks of one place each, called by main."""
    return [profile.stack([], (f"src/{name}.c", 10 + i, name)) for i, name in enumerate(names)]


def example():
    """Three places: a cache that lives, a parser that frees, a reader that leaks."""
    profile = Profile(executable="/usr/bin/shop", words=["/usr/bin/shop", "--serve"])
    main, worker = profile.thread("main", 100), profile.thread("worker", 101)
    cache, parse, read = places(profile, "cache_put", "parse_text", "read_row")
    for second in range(1, 9):
        profile.usage(second * 10**9, second * 2 * MIB, 30 * MIB, second * MIB, second * 50 * MIB, second * 1000)
    profile.cycle(5 * 10**9, 2_000_000, 5 * MIB, 50, 4096, 4, 10 * MIB)
    profile.cycle(7 * 10**9, 4_000_000, 7 * MIB, 70, 8192, 8, 14 * MIB)
    profile.moment(4 * 10**9, TIMER, [row(cache, 1024, 10, thread=main)])
    profile.moment(6 * 10**9, PEAK, [row(cache, 1024, 3000, thread=main), row(parse, 100, 5, thread=worker)])
    profile.moment(8 * 10**9, EXIT, [
        row(cache, 1024, 4000, 1000, thread=main), row(parse, 100, 90000, 90000, thread=worker, temporary_objects=80000),
        row(read, 64, 600, 100, 200, thread=worker)])
    profile.leak(read, DIRECT, 90, 5760, first=10**9, last=7 * 10**9, time=8 * 10**9)
    profile.leak(cache, INDIRECT, 10, 10240, time=8 * 10**9)
    profile.leak(read, DIRECT, 200, 12800, collected=True, time=8 * 10**9)
    profile.end(8 * 10**9, 4 * MIB, 6 * 10**9)
    return profile


class Report(ShowTest):
    def test_summary(self):
        text = self.shown("report", self.save(example()))
        for line in (r"shop --serve   \(process 4711\)", r"ran 8\.0 s, from \d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
                     r"exact: each allocation was counted",
                     r"  peak             4\.0 MiB   after 6\.0 s", r"  live at end      2\.9 MiB   3,300 objects",
                     r"  allocated       12\.5 MiB   94,600 objects, 11,825 a second",
                     r"  temporary         84\.6 %   of the objects.*",
                     r"  leaked          15\.6 KiB   100 objects, unreachable and still there",
                     r"  collected       12\.5 KiB   200 objects, unreachable and given back",
                     r"  collections            2   paused 6\.00 ms in all, 4\.00 ms at the longest"):
            self.assertRegex(text, rf"(?m)^{line}$")

    def test_lists(self):
        text = self.shown("report", self.save(example()))
        for title in ("Live at the end", "At the peak", "Allocated in all", "Leaked: unreachable and not freed",
                      "Leaked and collected", "Temporary: freed right after"):
            self.assertIn(f"\n{title}: ", text)
        rows = self.shown("report", "--sort=live", self.save(example())).splitlines()
        self.assertEqual(rows[1], "Live at the end: 2.9 MiB in 3,300 objects")
        self.assertEqual([line.split() for line in rows[3:]],
                         [["2.9", "MiB", "3,000", "████████", "cache_put", "cache_put.c:10"],
                          ["18.8", "KiB", "300", "read_row", "read_row.c:12"]])

    def test_bars_without_blocks(self):
        self.assertIn(" ########  cache_put", self.shown("report", "--sort=live", self.save(example()), LC_ALL="C"))

    def test_json(self):
        shown = self.json("report", self.save(example()), "--threads")
        self.assertEqual({key: shown[key] for key in ("executable", "command", "process", "duration_ns", "level", "complete",
                                                   "figures")},
                         {"executable": "/usr/bin/shop", "command": ["/usr/bin/shop", "--serve"], "process": 4711,
                          "duration_ns": 8 * 10**9, "level": "full", "complete": True, "figures": True})
        self.assertEqual(shown["temporary"], {"bytes": 8_000_000, "objects": 80000})
        self.assertEqual(shown["collections"], {"count": 2, "pause_total_ns": 6_000_000, "pause_longest_ns": 4_000_000})
        top = shown["top"]["allocated"][0]
        self.assertEqual((top["bytes"], top["objects"]), (9_000_000, 90000))
        self.assertEqual(top["where"], {"function": "parse_text", "file": "src/parse_text.c", "line": 11, "module": None,
                                        "offset": None})
        self.assertEqual([(thread["name"], thread["live"]["objects"]) for thread in shown["threads"]],
                         [("several", 0), ("main", 3000), ("worker", 300)])

    def test_threads(self):
        text = self.shown("report", "--threads", self.save(example()))
        self.assertRegex(text, r"\nThreads\n.*\nmain +2\.9 MiB +3\.9 MiB +4,000 +0\.0 %\n"
                               r"worker +18\.8 KiB +8\.6 MiB +90,600 +88\.3 %\n")

    def test_rows_and_stacks(self):
        profile, _ = make_profile.realistic(60, elf=make_profile.Program(self.scratch, 60))
        path = self.save(profile)
        for rows in (1, 3, 1000):
            self.assertLessEqual(len(self.json("report", path, f"--top={rows}")["top"]["live"]), rows)
        self.assertRegex(self.shown("report", path, "--top=3", "--sort=allocated"), r"and \d+ more places\n\Z")
        self.assertIn(" objects by\n", self.shown("report", path, "--stacks=2"))
        for site in self.json("report", path, "--stacks=3")["top"]["live"]:
            self.assertTrue(1 <= len(site["stacks"]) <= 3)
            self.assertLessEqual(sum(stack["bytes"] for stack in site["stacks"]), site["bytes"])

    def test_samples_say_how_sure_they_are(self):
        profile = Profile(level=SAMPLE, rate=524288)
        stack, = places(profile, "work")
        profile.moment(1, EXIT, [row(stack, 100, 400)])
        profile.end(10**9)
        self.assertIn("estimates from 400 samples, one in 512.0 KiB: right to about 5.0 % in all\n",
                      self.shown("report", self.save(profile)))

    def test_places_are_samples_too(self):
        for samples, words in ((1, "estimates from 1 sample, one in 16.0 KiB: right to about 100.0 % in all"),
                               (0, "no samples, one in 16.0 KiB: too little was allocated for estimates")):
            profile = Profile(level=SITE, rate=16384)
            stack, = places(profile, "work")
            profile.moment(1, EXIT, [row(stack, 100, samples)])
            profile.end(10**9)
            self.assertIn(words + "\n", self.shown("report", self.save(profile)))

    def test_what_was_lost(self):
        profile = Profile()
        profile.end(1, lost=12345)
        self.assertIn("12,345 samples did not fit", self.shown("report", self.save(profile)))

    def test_nothing_at_all(self):
        text = self.shown("report", self.save(Profile()), error=f"gcalloc: {self.scratch}/test.gcprof: has no end: "
                          "the program still runs, was killed, or had no room to write it\n")
        self.assertIn("  no figures: none were written\n", text)

    def test_no_figures(self):
        """As where there was no memory for them: whole, and the zeros are not what was found."""
        profile = Profile()
        profile.end(1)
        path = self.save(profile)
        self.assertIn("  no figures: none were written\n", self.shown("report", path))
        self.assertEqual([self.json("report", path)[name] for name in ("complete", "figures")], [True, False])
        profile = Profile()
        profile.moment(1, EXIT, [])
        profile.end(1)
        path = self.save(profile)
        self.assertNotIn("no figures", self.shown("report", path))
        self.assertEqual([self.json("report", path)[name] for name in ("complete", "figures")], [True, True])

    def test_long_names_stay_in_their_line(self):
        profile = Profile(words=["prog", *["--a-very-long-option"] * 50])
        name = "void shop::basket<std::vector<int, std::allocator<int> > >::" + "add_" * 40 + "(std::vector<int> const&)"
        profile.moment(1, EXIT, [row(profile.stack([], ("a" * 300 + ".cpp", 4_000_000_000, name)), 10, 1)])
        profile.end(1)
        self.assertIn("..", self.shown("report", "--stacks=1", self.save(profile)))

    def test_usage(self):
        for words, line in ((["top"], "top: a profile or a process is needed; try 'gcalloc top --help'"),
                            (["report"], "report: a profile or a process is needed; try 'gcalloc report --help'"),
                            (["report", "a", "b"], "report: b: one word too many; try 'gcalloc report --help'"),
                            (["report", "--sort=x", "a"],
                             "--sort=x: not one of live|peak|allocated|leaked|collected|temporary"),
                            (["report", "--top=0", "a"], "--top: 0 is no number from 1 on"),
                            (["report", "--stacks=-1", "a"], "--stacks: -1 is no number from 0 on"),
                            (["report", "--bogus"], "report: unrecognized option '--bogus'"),
                            (["diff", "a"], "diff: two profiles are needed; try 'gcalloc diff --help'"),
                            (["leaks"],
                             "leaks: a profile or a process, or -- and a program, is needed; try 'gcalloc leaks --help'"),
                            (["leaks", "--fail-on=often", "a"],
                             "--fail-on: often is no number of bytes, such as 4096, 64K or 1M"),
                            (["annotate", "a"],
                             "annotate: a profile or a process, and a source file, are needed; try 'gcalloc annotate --help'"),
                            (["plot", "--of=x", "a"], "--of=x: not one of live|heap|resident")):
            self.assert_fails(self.gcalloc(*words), 125, f"gcalloc: {line}")


class Leaks(ShowTest):
    def test_json_is_exactly_this(self):
        profile = Profile()
        stack = profile.stack([0x401105, 0x401205])
        profile.mapping("/usr/bin/shop", 0x401000, 0x500000, 0x1000)
        profile.leak(stack, DIRECT, 3, 48)
        profile.end(1)
        done = self.gcalloc("leaks", "--json", "--no-symbols", self.save(profile))
        frame = '{"function":null,"file":null,"line":null,"module":"/usr/bin/shop","offset":%d}'
        self.assertEqual(done.stdout, '{"known":true,"total_bytes":48,"total_objects":3,"leaks":['
                                      '{"kind":"direct","bytes":48,"objects":3,'
                                      f'"collected":false,"stack":[{frame % 0x1104},{frame % 0x1204}]}}]}}\n')

    def test_modules_in_one_place(self):
        """A stack belongs to the last one in front of it, if there is any."""
        profile = Profile()
        stacks = [profile.stack([0x401105])]
        for path, address in (("/a", 0x401105), ("/b", 0x401105), ("/a", 0x401205)):
            profile.mapping(path, 0x401000, 0x402000, 0x1000)
            stacks.append(profile.stack([address]))
        for i, stack in enumerate(stacks):
            profile.leak(stack, DIRECT, 1, 100 - i)
        profile.end(1)
        leaks = self.json("leaks", "--no-symbols", self.save(profile))["leaks"]
        frames = [leak["stack"][0] for leak in leaks]
        self.assertEqual([(frame["module"], frame["offset"]) for frame in frames],
                         [("/a", 0x1104), ("/a", 0x1104), ("/b", 0x1104), ("/a", 0x1204)])

    def test_groups(self):
        shown = self.json("leaks", self.save(example()))
        self.assertEqual((shown["total_bytes"], shown["total_objects"]), (28800, 300))
        self.assertEqual([(leak["kind"], leak["bytes"], leak["objects"], leak["collected"], leak["stack"][0]["function"])
                          for leak in shown["leaks"]],
                         [("direct", 5760, 90, False, "read_row"), ("indirect", 10240, 10, False, "cache_put"),
                          ("direct", 12800, 200, True, "read_row")])

    def test_text(self):
        self.assertEqual(self.shown("leaks", self.save(example())), """leaked: 28.1 KiB in 300 objects
  direct         5.6 KiB in 90 objects from 1 stack
  indirect      10.0 KiB in 10 objects from 1 stack
  collected     12.5 KiB in 200 objects from 1 stack

Direct leak of 5.6 KiB in 90 objects, after 1.0 s to 7.0 s
    read_row  read_row.c:12

Indirect leak of 10.0 KiB in 10 objects
    cache_put  cache_put.c:10

Direct leak of 12.5 KiB in 200 objects, collected
    read_row  read_row.c:12
""")

    def test_stacks_that_read_alike_are_one(self):
        profile = Profile()
        first, second, other = places(profile, "a", "b", "c")
        profile.stack([], ("src/a.c", 10, "a"))
        for stack in (first, second, first, 4):
            profile.leak(stack, DIRECT, 1, 16)
        profile.end(1)
        shown = self.json("leaks", self.save(profile))
        self.assertEqual([(leak["objects"], leak["stack"][0]["function"]) for leak in shown["leaks"]], [(3, "a"), (1, "b")])

    def test_what_direct_leaks_hold(self):
        profile = Profile()
        heads, tails = places(profile, "head", "tail")
        profile.leak(heads, DIRECT, 2, 32)
        profile.leak(tails, INDIRECT, 5, 500)
        profile.objects([(0x1000 * i, 16 if i < 3 else 100, heads if i < 3 else tails, 0) for i in range(1, 8)])
        profile.edges([(0, 2, 0, 0), (2, 3, 0, 0), (3, 2, 0, 0), (1, 4, 8, 0), (1, 5, 0, 0), (0, 6, 8, 0), (1, 6, 0, 0)])
        profile.end(1)
        text = self.shown("leaks", self.save(profile))
        self.assertIn("Direct leak of 32 B in 2 objects\n  which hold 400 B in 4 objects more\n    head  head.c:10\n", text)

    def test_no_leaks(self):
        profile = Profile()
        profile.end(1)
        path = self.save(profile)
        self.assertEqual(self.shown("leaks", path, "--fail-on=any"), "no leaks\n")
        self.assertEqual(self.json("leaks", path), {"known": True, "total_bytes": 0, "total_objects": 0, "leaks": []})

    def test_nobody_has_looked(self):
        """No leaks are told then, which is not to say that there are none."""
        ended = Profile()
        ended.end(1, leaks_known=False)
        for profile, line in ((ended, "nobody has looked for leaks: it was ended before the process"),
                              (Profile(), "has no end: the program still runs, was killed, or had no room to write it")):
            path = self.save(profile)
            done = self.gcalloc("leaks", path)
            self.assertEqual((done.returncode, done.stdout, done.stderr),
                             (125, "leaks are not known\n", f"gcalloc: {path}: {line}\n"))
            self.assertEqual(self.gcalloc("leaks", "--fail-on=any", path).returncode, 125)
            done = self.gcalloc("leaks", "--json", path)
            self.assertEqual((done.returncode, json.loads(done.stdout)["known"]), (125, False))
            done = self.gcalloc("report", path)
            self.assertRegex(done.stdout, r"(?m)^  leaked      +unknown   nobody has looked$")
            self.assertFalse(json.loads(self.gcalloc("report", "--json", path).stdout)["leaks_known"])

    def test_not_all_are_known(self):
        profile = Profile()
        profile.leak(places(profile, "a")[0], DIRECT, 3, 48)
        path = self.save(profile)
        for option, code in ((["--fail-on=any"], 1), ([], 125), (["--fail-on=1K"], 125)):
            done = self.gcalloc("leaks", *option, path)
            self.assertEqual((done.returncode, done.stdout.splitlines()[0]),
                             (code, "leaked: 48 B in 3 objects, and not all is known"))

    def test_exit_codes(self):
        path = self.save(example())
        for limit, code in (("any", 1), ("28800", 1), ("28801", 0), ("28K", 1), ("29K", 0), ("1G", 0), ("0", 1)):
            self.assertEqual(self.gcalloc("leaks", f"--fail-on={limit}", path).returncode, code, limit)
        self.assertEqual(self.gcalloc("leaks", path).returncode, 0)

    def test_suppressions(self):
        path = self.save(example())
        for pattern, left in (("read_row", 1), ("cache_put", 2), ("put", 2), ("^cache", 2), ("^put", 3), ("put$", 2),
                              ("cache$", 3), ("^cache_put$", 2), ("c*e_*t$", 2), ("src/read", 1), ("*.c$", 0), ("^*$", 0),
                              ("x*", 3), ("row*w", 3)):
            file = self.write("suppressions", f"# ours\n\n  leak:{pattern}\nleak:nothing_at_all\n")
            shown = self.json("leaks", f"--suppressions={file}", path)
            self.assertEqual(len(shown["leaks"]), left, pattern)
        text = self.shown("leaks", f"--suppressions={self.write('s', 'leak:read_row')}", "--fail-on=11K", path)
        self.assertTrue(text.startswith("leaked: 10.0 KiB in 10 objects\n"))
        self.assertIn("suppressed: 18.1 KiB in 290 objects\n", text)

    def test_bad_suppressions(self):
        path = self.save(example())
        for content, line in (("race:x", "line 1 is not leak:PATTERN"), ("leak:x\nleak:\n", "line 2 is not leak:PATTERN")):
            file = self.write("bad", content)
            self.assert_fails(self.gcalloc("leaks", f"--suppressions={file}", path), 125, f"gcalloc: {file}: {line}")
        self.assert_fails(self.gcalloc("leaks", "--suppressions=/nothing", path), 125,
                          "gcalloc: /nothing: cannot be opened: No such file or directory")


class Diff(ShowTest):
    def pair(self):
        before, after = Profile(), Profile()
        names = ("kept", "gone", "grown", "shrunk")
        before.moment(1, EXIT, [row(stack, 10, count) for stack, count in zip(places(before, *names), (5, 6, 7, 90))])
        before.end(2 * 10**9)
        numbers = dict(zip(("fresh", "shrunk", "kept", "grown"), places(after, "fresh", "shrunk", "kept", "grown")))
        after.moment(1, EXIT, [row(numbers[name], 10, count)
                               for name, count in (("fresh", 1), ("shrunk", 40), ("kept", 5), ("grown", 700))])
        after.end(4 * 10**9)
        return self.save(before, "before"), self.save(after, "after")

    def test_changes(self):
        shown = self.json("diff", *self.pair())
        self.assertEqual([(change["change"], change["before"]["bytes"], change["after"]["objects"],
                           change["stack"][0]["function"]) for change in shown["changes"]],
                         [("grown", 70, 700, "grown"), ("shrunk", 900, 40, "shrunk"), ("gone", 60, 0, "gone"),
                          ("new", 0, 1, "fresh"), ("same", 50, 5, "kept")])
        self.assertEqual((shown["before"]["live"]["bytes"], shown["after"]["live"]["bytes"]), (1080, 7460))

    def test_text(self):
        text = self.shown("diff", *self.pair())
        self.assertRegex(text, r"(?m)^live +1\.1 KiB +7\.3 KiB +\+6\.2 KiB +\+590\.7 %$")
        self.assertIn("Live at the end, by stack: 1 new, 1 gone, 1 grown, 1 shrunk, 1 same\n", text)
        self.assertRegex(text, r"(?m)^    \+6\.8 KiB +\+693  grown   grown  grown\.c:13$")
        self.assertIn("and 3 more stacks\n", self.shown("diff", "--top=1", *self.pair()))

    def test_per_second(self):
        shown = self.json("diff", "--per-second", "--sort=allocated", *self.pair())
        self.assertEqual(shown["before"]["allocated"]["bytes"], 540)
        self.assertEqual(shown["after"]["allocated"]["bytes"], 1865)
        self.assertEqual({change["stack"][0]["function"]: change["change"] for change in shown["changes"]}["kept"], "shrunk")

    def test_other_addresses_are_the_same_stacks(self):
        program = make_profile.Program(self.scratch, 60)
        bases = {}
        for name, base in (("one", 0x555555554000), ("two", 0x7f0000000000)):
            profile = Profile()
            bias = program.map(profile, base)
            stack = profile.stack([bias + program.address(function) for function in program.names[:5]])
            profile.moment(1, EXIT, [row(stack, 10, 3 if name == "one" else 4)])
            profile.end(1)
            bases[name] = self.save(profile, name)
        for words in ((), ("--no-symbols",)):
            shown = self.json("diff", bases["one"], bases["two"], *words)
            self.assertEqual([(change["change"], change["before"]["objects"], change["after"]["objects"])
                              for change in shown["changes"]], [("grown", 3, 4)])

    def test_itself(self):
        path = self.save(make_profile.realistic(200)[0])
        self.assertEqual({change["change"] for change in self.json("diff", "--no-symbols", path, path)["changes"]}, {"same"})


class Annotate(ShowTest):
    def setUp(self):
        super().setUp()
        self.source = self.write("code/shop.c", "int a;\nint b;\n\tint c;\n", 0o644)
        profile = Profile()
        self.calls = make_profile.Program(self.scratch, 60)
        bias = self.calls.map(profile)
        stacks = [profile.stack([bias + self.calls.address(name) for name in names])
                  for names in (self.calls.names[:3], self.calls.names[1:3], self.calls.names[:1] * 3)]
        own = profile.stack([], (self.source, 2, "b"))
        late = profile.stack([], (self.source, 9, "c"))
        profile.moment(1, PEAK, [row(own, 1000, 3)])
        profile.moment(2, EXIT, [row(stacks[0], 10, 5), row(stacks[1], 100, 7, 7), row(stacks[2], 1, 9), row(own, 1000, 3, 2),
                                 row(late, 1, 1)])
        profile.leak(stacks[0], DIRECT, 2, 20)
        profile.end(3)
        self.profile = self.save(profile)

    def lines(self, *words):
        names = ("allocations", "allocated_bytes", "live_bytes", "peak_bytes", "leaked_bytes")
        return {line["line"]: tuple(line[name] for name in names)
                for line in self.json("annotate", self.profile, *words)["lines"]}

    def line_of(self, name):
        """Where the function returns, which is where its calls seem to come from."""
        with open(self.calls.source) as file:
            text = file.read()
        return text[:text.index(f"int {name}(")].count("\n") + 1

    def test_lines(self):
        first, second, third = (self.line_of(name) for name in self.calls.names[:3])
        found = {next(start for start in (third, second, first) if start <= line < start + 5): figures
                 for line, figures in self.lines(self.calls.source).items()}
        self.assertEqual(found, {first: (14, 59, 59, 0, 20), second: (12, 750, 50, 0, 20), third: (12, 750, 50, 0, 20)})
        own = self.lines(self.calls.source, "--self")
        self.assertEqual(sum(figures[0] for figures in own.values()), 21)

    def test_places(self):
        self.assertEqual(self.lines(self.source), {2: (3, 3000, 1000, 3000, 0), 9: (1, 1, 1, 0, 0)})

    def test_a_place_stands_for_its_own_frame(self):
        """The caller's frame, which debug information names too, is there once: as the place."""
        profile = Profile()
        program = make_profile.Program(self.scratch, 60)
        bias = program.map(profile)
        addresses = [bias + program.address(name) for name in program.names[:3]]
        for name in (program.names[0], "another"):
            profile.leak(profile.stack(addresses, (self.source, 2, name)), DIRECT, 1, 10)
        profile.end(3)
        found = {tuple(frame["function"] for frame in leak["stack"])
                 for leak in self.json("leaks", self.save(profile, "places"))["leaks"]}
        self.assertEqual(found, {tuple(program.names[:3]), ("another", *program.names[:3])})

    def test_text(self):
        done = self.gcalloc("annotate", self.profile, self.source)
        self.assertEqual(done.stdout.splitlines()[2:], [
            "                                       1  int a;",
            "     3   3000   1000   3000            2  int b;",
            "                                       3          int c;",
            "     1      1      1                   9  (the file has no such line)"])

    def test_units(self):
        """In six columns, and with a decimal where there is room for it."""
        bytes_each = (9999, 10000, 10240, 102300, MIB, 150 * MIB, 2 << 40, 1 << 63)
        profile = Profile()
        rows = [row(profile.stack([], (self.source, 1 + at, "b")), size, 1) for at, size in enumerate(bytes_each)]
        rows.append(row(profile.stack([], (self.source, 9, "b")), 1, 123_456_789))
        profile.moment(2, EXIT, rows)
        profile.end(3)
        shown = self.shown("annotate", self.save(profile, "units"), self.source).splitlines()[2:]
        self.assertEqual([line.split()[1] for line in shown],
                         ["9999", "9.8K", "10.0K", "99.9K", "1.0M", "150M", "2.0T", "8.0E", "118M"])
        self.assertEqual(shown[-1].split()[0], "123M")

    def test_which_file(self):
        self.assertEqual(self.lines("shop.c"), self.lines(self.source))
        self.assertEqual(self.lines("code/shop.c"), self.lines(self.source))
        path = self.profile
        self.assert_fails(self.gcalloc("annotate", path, "other.c"), 125,
                          f"gcalloc: other.c: no function of this file is in {path}, or it was built without -g")
        os.remove(self.source)
        self.assert_fails(self.gcalloc("annotate", path, "shop.c"), 125,
                          "gcalloc: shop.c: cannot be opened: No such file or directory")

    def test_two_files_of_one_name(self):
        profile = Profile()
        profile.moment(1, EXIT, [row(profile.stack([], (f"/src/{folder}/x.c", 1, folder)), 1, 1) for folder in "ab"])
        profile.end(1)
        path = self.save(profile, "two")
        done = self.gcalloc("annotate", "--json", path, "x.c")
        self.assertEqual(done.returncode, 125)
        self.assertRegex(done.stderr, r"\Agcalloc: x\.c: may be /src/./x\.c or /src/./x\.c: say more of its path\n\Z")
        self.assertEqual(self.json("annotate", path, "b/x.c")["source"], "/src/b/x.c")


if __name__ == "__main__":
    unittest.main()
