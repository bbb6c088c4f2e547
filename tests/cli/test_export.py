#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gcalloc export and flamegraph: figures, names and structure of each format, by decoders of our own; what becomes of files."""
import json
import os
import pty
import re
import resource
import signal
import stat
import subprocess
import unittest
import xml.etree.ElementTree

import formats
import make_profile
from support import CommandTest

FORMATS = ("pprof", "speedscope", "collapsed", "dhat", "heapsnapshot", "json")
METRICS = ("live", "objects", "peak", "peak-objects", "allocated", "allocations", "leaked", "leaked-objects", "collected",
           "collected-objects", "temporary")
SVG = "{http://www.w3.org/2000/svg}"
MANUAL = os.path.join(os.path.dirname(__file__), "..", "..", "src", "cli", "man", "gcalloc-export.1")


def ended(profile):
    profile.end(1)
    return profile


class ExportTest(CommandTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.small = formats.Small(cls.tree)

    def export(self, kind, *words, profile=None):
        """What is written to standard output, as bytes."""
        done = subprocess.run([self.command, "export", "--format", kind, *words, profile or self.small.path],
                              env=self.environment(), capture_output=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout

    def flamegraph(self, *words, profile=None):
        done = self.gcalloc("flamegraph", *words, profile or self.small.path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return xml.etree.ElementTree.fromstring(done.stdout)


class Collapsed(ExportTest):
    def test_every_metric(self):
        for metric in METRICS:
            with self.subTest(metric):
                found = formats.collapsed(self.export("collapsed", "--metric", metric).decode())
                wanted = {}
                for stack, figures in self.small.figures.items():
                    if metric in figures:
                        names = [re.sub("[\x00-\x1f]", " ", name).replace(";", ":") for name in self.small.names(stack)]
                        wanted[tuple(names)] = figures[metric]
                self.assertEqual(found, wanted)


class Pprof(ExportTest):
    def setUp(self):
        super().setUp()
        self.pprof = formats.Pprof(self.export("pprof"))

    def test_facts(self):
        self.assertEqual(self.pprof.types, [
            ("leaked_objects", "count"), ("leaked_space", "bytes"), ("collected_objects", "count"), ("collected_space", "bytes"),
            ("temporary_objects", "count"), ("peak_objects", "count"), ("peak_space", "bytes"), ("alloc_objects", "count"),
            ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes")])
        self.assertEqual(self.pprof.default, "inuse_space")
        self.assertEqual((self.pprof.period_type, self.pprof.period), (("space", "bytes"), 1))
        self.assertEqual((self.pprof.time, self.pprof.duration), (make_profile.START + 9 * 10**9, 9 * 10**9))
        self.assertEqual(self.pprof.comments, [f"{self.small.elf.path} a b q\"\ufffd<&>"])

    def test_mappings(self):
        self.assertEqual([one["file"] for one in self.pprof.mappings],
                         [self.small.elf.path, self.small.inlined.path, "nowhere/libodd.so"])
        own, inlined, odd = self.pprof.mappings
        self.assertEqual(own["build_id"], self.small.elf.build_id.hex())
        self.assertEqual((odd["start"], odd["limit"], odd["offset"]), (0x7f1000000000, 0x7f1000010000, 0x2000))
        self.assertEqual((own["has"], inlined["has"], odd["has"]), ([1] * 4, [1] * 4, [0] * 4))

    def test_totals(self):
        names = {"leaked_objects": "leaked-objects", "leaked_space": "leaked", "collected_objects": "collected-objects",
                 "collected_space": "collected", "temporary_objects": "temporary", "peak_objects": "peak-objects",
                 "peak_space": "peak", "alloc_objects": "allocations", "alloc_space": "allocated", "inuse_objects": "objects",
                 "inuse_space": "live"}
        for kind, metric in names.items():
            self.assertEqual(sum(sample[kind] for sample in self.pprof.samples), self.small.total(metric), kind)

    def test_stacks(self):
        for stack in self.small.figures:
            names = [re.sub("[\x00-\x1f]", "\ufffd", name) for name in self.small.names(stack)[::-1]]
            found = [[line[0] for location in sample["locations"] for line in location["lines"]] for sample in self.pprof.samples]
            if stack == 5:
                names = names[1:]  # what has no name has no line
            self.assertIn(names, found)

    def test_inlined_functions_share_a_location(self):
        sample = next(one for one in self.pprof.samples if one["inuse_space"] == 1 << 40)
        unnamed, inlined, _ = sample["locations"]
        self.assertEqual((unnamed["address"], unnamed["lines"], unnamed["mapping"]), (0x7f1000000104, [], 3))
        self.assertEqual([(name, os.path.basename(file), line) for name, file, line in inlined["lines"]],
                         [("inner", "inlined.c", 9), ("outer", "inlined.c", 10)])

    def test_labels(self):
        self.assertEqual(sorted({(*sample["labels"].items(),)[0] for sample in self.pprof.samples}),
                         [("kind", "direct"), ("kind", "indirect"), ("thread", "main"), ("thread", "several"),
                          ("thread", "w;x")])


class Speedscope(ExportTest):
    def test_profiles(self):
        whole = json.loads(self.export("speedscope", "--metric=leaked"))
        frames = whole["shared"]["frames"]
        active = whole["profiles"][whole["activeProfileIndex"]]
        self.assertEqual((active["name"], active["unit"], active["endValue"]), ("leaked bytes", "bytes", 232))
        for profile in whole["profiles"]:
            self.assertEqual(len(profile["samples"]), len(profile["weights"]))
            self.assertEqual(sum(profile["weights"]), profile["endValue"])
        live = next(profile for profile in whole["profiles"] if profile["name"] == "live bytes")
        found = {tuple(frames[i]["name"] for i in sample): weight for sample, weight in zip(live["samples"], live["weights"])}
        self.assertEqual(found, {tuple(self.small.names(stack)): figures["live"]
                                 for stack, figures in self.small.figures.items() if "live" in figures})
        self.assertIn({"name": formats.ODD_SHOWN, "file": "src/a b.c", "line": 12}, frames)

    def test_a_metric_of_which_there_is_nothing(self):
        profile = make_profile.Profile()
        profile.moment(5, make_profile.EXIT, [{"stack": 0, "live_bytes": 1, "live_objects": 1}])
        path = ended(profile).write(os.path.join(self.scratch, "p"))
        whole = json.loads(self.export("speedscope", "--metric=peak", profile=path))
        self.assertEqual([one["endValue"] for one in whole["profiles"]], [1, 1, 0])
        self.assertEqual(whole["activeProfileIndex"], 2)


class Dhat(ExportTest):
    def test_points(self):
        whole = json.loads(self.export("dhat"))
        self.assertEqual((whole["dhatFileVersion"], whole["mode"], whole["te"], whole["tg"]), (2, "heap", 9_000_000, 4_000_000))
        points = {tuple(re.sub(r"^0x[0-9A-F]+: | \([^()]*\)$", "", whole["ftbl"][i]) for i in point["fs"][::-1]): point
                  for point in whole["pps"]}
        self.assertEqual(set(points), {tuple(self.small.names(stack)) for stack in self.small.figures})
        first = dict(points[tuple(self.small.names(1))])
        del first["fs"]
        self.assertEqual(first, {"tb": 1050, "tbk": 11, "mb": 900, "mbk": 9, "gb": 600, "gbk": 6, "eb": 350, "ebk": 4,
                                 "tl": 5 * 500 + 2 * 8000 + 3 * 2000})
        self.assertEqual(whole["ftbl"][0], "[root]")


class HeapSnapshot(ExportTest):
    def test_graph(self):
        snapshot = formats.HeapSnapshot(self.export("heapsnapshot").decode())
        by_name = {node["name"]: node for node in snapshot.nodes[:10]}
        objects = snapshot.nodes[10:]
        self.assertEqual([node["self_size"] for node in objects], [32, 64, 128, 16, 48, 80, 96, 112, (1 << 32) - 1])
        self.assertTrue(objects[0]["name"].startswith(f"{self.small.first} (example.c:"))
        self.assertEqual(objects[2]["name"], f"{formats.ODD_SHOWN} (a b.c:12)")
        self.assertEqual([(name, to - 10) for _, name, to in objects[0]["edges"]], [("+24", 1), ("+8", 2)])
        self.assertEqual([(name, to - 10) for _, name, to in objects[1]["edges"]], [("+0 to +8", 2)])
        self.assertEqual(by_name["(static data)"]["edges"], [("internal", "0x404080", 10)])
        self.assertEqual(by_name["(stacks)"]["edges"], [("internal", "0x7ffc00001000 of thread 100", 11)])
        heads = [to - 10 for _, _, to in by_name["(leaked)"]["edges"]]
        self.assertEqual(len(heads), 1)  # 5 and 7 hold each other, and all the rest of what is leaked
        self.assertIn(heads[0], (5, 7))
        self.assertEqual([to - 10 for _, _, to in by_name["(reachable, root unknown)"]["edges"]], [8])
        self.assertEqual(len(snapshot.reachable()), len(snapshot.nodes))

    def test_larger(self):
        path = os.path.join(self.scratch, "large.gcprof")
        make_profile.realistic(objects=5000)[0].write(path)
        snapshot = formats.HeapSnapshot(self.export("heapsnapshot", "--no-symbols", profile=path).decode())
        self.assertEqual((len(snapshot.reachable()), len(snapshot.nodes)), (5010, 5010))
        leaked = next(node for node in snapshot.nodes if node["name"] == "(leaked)")
        self.assertEqual(len(leaked["edges"]), 1)  # a chain

    def test_without_objects(self):
        path = ended(make_profile.Profile()).write(os.path.join(self.scratch, "none.gcprof"))
        done = self.gcalloc("export", "--format=heapsnapshot", path, "-o", "out")
        self.assertEqual(done.returncode, 125)
        self.assertIn("it holds no objects of the heap", done.stderr)
        self.assertEqual(os.listdir(self.scratch), ["none.gcprof"])


class Json(ExportTest):
    def test_figures(self):
        whole = json.loads(self.export("json"))
        self.assertEqual((whole["schema"], whole["level"], whole["is_complete"]), (1, "full", True))
        self.assertEqual(whole["words"][1:], ["a b", "q\"\n<&>"])
        self.assertEqual(whole["threads"], ["several", "main", "w;x"])
        last = whole["moments"][-1]
        self.assertEqual((last["reason"], len(last["rows"]), last["live_bytes"]), ("exit", 6, self.small.total("live")))
        self.assertEqual(last["rows"][0]["lifetimes"][:3], [5, 0, 2])
        self.assertEqual([leak["is_collected"] for leak in whole["leaks"]], [False, False, False, True])
        names = [whole["frames"][i]["function"] for i in whole["stacks"][1]]
        self.assertEqual(names[::-1], self.small.names(1))
        self.assertEqual((whole["objects"][0]["address"], whole["objects"][0]["flags"]), ("0x100000000000", ["reachable"]))
        self.assertEqual(whole["edges"][1], {"from": 0, "to": 1, "offset": 24, "to_offset": 0})
        self.assertEqual(whole["end"], {"time_ns": 9 * 10**9, "peak_bytes": 1600, "peak_time_ns": 4 * 10**9, "lost": 0})

    def test_every_key_is_in_the_manual(self):
        with open(MANUAL) as file:
            page = file.read()
        section = page.split(".Sh JSON\n")[1].split(".Sh ")[0]
        described = set(re.findall(r"\b[a-z_]+\b", " ".join(re.findall(r"^\.(?:It )?Li (.*)$", section, flags=re.M))))
        keys = set()

        def collect(value):
            if isinstance(value, dict):
                keys.update(value)
            for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
                collect(one)

        path = os.path.join(self.scratch, "all.gcprof")
        make_profile.realistic()[0].write(path)
        collect(json.loads(self.export("json", "--no-symbols", profile=path)))
        self.assertEqual(described, keys)

    def test_option_json(self):
        self.assertEqual(self.gcalloc("export", "--json", self.small.path).stdout.encode(), self.export("json"))


class Flamegraph(ExportTest):
    def frames(self, picture):
        found = []
        for group in picture.iter(SVG + "g"):
            if group.get("class"):
                rect = group.find(SVG + "rect")
                found.append((group.find(SVG + "title").text.split("\n"), *(float(rect.get(key)) for key in ("x", "y", "width"))))
        return found

    def test_widths_are_shares(self):
        for metric in ("allocations", "objects", "leaked"):
            with self.subTest(metric):
                frames = self.frames(self.flamegraph("--metric", metric))
                (_, left, top, whole), rest = frames[0], frames[1:]
                for stack, figures in self.small.figures.items():
                    shown = re.sub("[\x00-\x1f]", "\ufffd", self.small.names(stack)[-1])
                    wanted = figures.get(metric, 0) * whole / self.small.total(metric)
                    found = [width for words, _, _, width in rest if words[0] == shown]
                    self.assertAlmostEqual(sum(found), wanted, delta=0.02)
                for _, x, y, width in rest:  # each lies below one that is as wide
                    self.assertTrue(any(a <= x + 0.02 and x + width <= a + c + 0.02 and b == y - 18 for _, a, b, c in frames))
                self.assertTrue(all(y > top and x >= left for _, x, y, _ in rest))

    def test_text(self):
        picture = self.flamegraph()
        texts = "".join(picture.itertext())
        self.assertIn("example: live bytes", texts)
        self.assertIn("1.0 TiB", texts)
        self.assertIn("op<<;\"x\\\">\ufffd<y>&\ufffd \ufffd\u00e4", texts)

    def test_dash_is_standard_output(self):
        for words in (["flamegraph"], ["export", "--format=collapsed"]):
            plain, dash = (self.gcalloc(*words, *more, self.small.path) for more in ([], ["-o", "-"]))
            self.assertEqual((dash.returncode, dash.stderr, dash.stdout), (0, "", plain.stdout))
        self.assertNotIn("-", os.listdir(self.scratch))

    def test_nothing_to_draw(self):
        path = ended(make_profile.Profile()).write(os.path.join(self.scratch, "none.gcprof"))
        self.assertIn("the profile has none of these", "".join(self.flamegraph(profile=path).itertext()))

    def test_only_the_widest_are_drawn(self):
        path = os.path.join(self.scratch, "wide.gcprof")
        profile = make_profile.Profile()
        rows = [{"stack": profile.stack([], ("a.c", 1, f"f{i}")), "live_bytes": i, "live_objects": 1} for i in range(1, 21001)]
        profile.moment(1, make_profile.EXIT, rows)
        ended(profile).write(path)
        frames = self.frames(self.flamegraph(profile=path))
        self.assertLessEqual(len(frames), 20001)
        self.assertGreater(len(frames), 19990)
        self.assertNotIn("f1", [words[0] for words, _, _, _ in frames])

    def test_no_json(self):
        self.assert_fails(self.gcalloc("flamegraph", "--json", self.small.path), 125,
                          "gcalloc: flamegraph: a picture cannot be JSON; try 'gcalloc export --json'")


class Anonymous(ExportTest):
    def everything(self, *words):
        pprof = formats.Pprof(self.export("pprof", *words))
        texts = [self.export(kind, *words).decode() for kind in FORMATS if kind != "pprof"]
        picture = self.gcalloc("flamegraph", *words, self.small.path).stdout
        return pprof, [*texts, "\n".join(pprof.strings), re.sub("<(style|script)>.*?</", "", picture, flags=re.S)]

    def test_no_name_is_left(self):
        secrets = [self.small.first, self.small.middle, "example", "libodd", "a b", "w;x", "inlined.c", "outer",
                   self.small.elf.build_id.hex(), "nowhere", "55555555", "op<<", "op&lt;&lt;"]
        plain, open_texts = self.everything()
        pprof, texts = self.everything("--anonymize")
        for secret in secrets:
            self.assertTrue(any(secret in text for text in open_texts), secret)
            for text in texts:
                self.assertNotIn(secret, text)
        self.assertEqual([sample["inuse_space"] for sample in pprof.samples], [one["inuse_space"] for one in plain.samples])
        self.assertEqual({location["address"] for location in pprof.locations.values()}, {0})

    def test_tokens_are_stable(self):
        plain = formats.collapsed(self.export("collapsed").decode())
        first = formats.collapsed(self.export("collapsed", "--anonymize=one").decode())
        self.assertEqual(sorted(first.values()), sorted(plain.values()))
        self.assertEqual(first, formats.collapsed(self.export("collapsed", "--anonymize=one").decode()))
        tokens = {name for names in first for name in names}
        self.assertEqual(len(tokens), len({name for names in plain for name in names}))
        whole = json.loads(self.export("speedscope", "--anonymize=one"))
        self.assertLessEqual(tokens, {frame["name"] for frame in whole["shared"]["frames"]})
        other = formats.collapsed(self.export("collapsed", "--anonymize=two").decode())
        self.assertEqual(tokens & {name for names in other for name in names}, {"[unknown]"})


class Files(ExportTest):
    def path(self, name):
        return os.path.join(self.scratch, name)

    def test_usage_errors(self):
        names = "pprof|speedscope|collapsed|dhat|heapsnapshot|json"
        for words, line in (
                (["export"], "gcalloc: export: a profile or a process is needed; try 'gcalloc export --help'"),
                (["flamegraph"], "gcalloc: flamegraph: a profile or a process is needed; try 'gcalloc flamegraph --help'"),
                (["export", "x"], f"gcalloc: export: no --format given: one of {names}"),
                (["export", "--format=svg", "x"], f"gcalloc: --format=svg: not one of {names}"),
                (["export", "--json", "x", "y"], "gcalloc: export: y: one word too many; try 'gcalloc export --help'"),
                (["export", "--json", "--bogus"], "gcalloc: export: unrecognized option '--bogus'")):
            with self.subTest(words=words):
                self.assert_fails(self.gcalloc(*words), 125, line)
        done = self.gcalloc("flamegraph", "--metric=size", "x")
        self.assertEqual((done.returncode, done.stdout), (125, ""))
        self.assertEqual(done.stderr.split(" not one of ")[0], "gcalloc: --metric=size:")
        self.assertEqual(set(done.stderr.split(" not one of ")[1].strip().split("|")), set(METRICS))

    def test_missing_profile(self):
        done = self.gcalloc("export", "--json", "missing", "-o", "out")
        self.assertEqual((done.returncode, done.stdout), (125, ""))
        self.assertRegex(done.stderr, r"\Agcalloc: missing: .*No such file or directory\n\Z")
        self.assertEqual(os.listdir(self.scratch), [])

    def test_a_file_that_exists_stays(self):
        self.write("out", "old", 0o640)
        self.assert_fails(self.gcalloc("export", "--json", self.small.path, "-o", "out"), 125,
                          "gcalloc: out: cannot be written: it exists; -f replaces it")
        with open(self.path("out")) as file:
            self.assertEqual(file.read(), "old")

    def test_force(self):
        self.write("folder/out", "old", 0o640)
        os.symlink("folder/out", self.path("link"))
        self.assert_runs(self.gcalloc("export", "--json", "-f", self.small.path, "-o", "link"), "")
        self.assertTrue(os.path.islink(self.path("link")))
        self.assertEqual(stat.S_IMODE(os.stat(self.path("link")).st_mode), 0o640)
        with open(self.path("folder/out"), "rb") as file:
            self.assertEqual(file.read(), self.export("json"))
        self.assertEqual(os.listdir(self.path("folder")), ["out"])

    def test_bad_places(self):
        for place, cause in (("missing/out", "No such file or directory"), (".", "Is a directory")):
            with self.subTest(place):
                self.assert_fails(self.gcalloc("export", "--json", self.small.path, "-o", place), 125,
                                  f"gcalloc: {place}: cannot be written: {cause}")

    def test_full_disk(self):
        for words in (["export", "--format", kind] for kind in FORMATS):
            self.assert_fails(self.gcalloc(*words, self.small.path, "-o", "/dev/full"), 125,
                              "gcalloc: /dev/full: cannot be written: No space left on device")
        with open("/dev/full", "w") as full:
            done = subprocess.run([self.command, "flamegraph", self.small.path], stdout=full, stderr=subprocess.PIPE, text=True)
        self.assertEqual((done.returncode, done.stderr),
                         (125, "gcalloc: standard output: cannot be written: No space left on device\n"))

    def test_the_old_file_survives_a_failure(self):
        self.write("out", "old")

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

        for words in (["-f", "-o", "out"], ["-o", "new"]):
            done = subprocess.run([self.command, "export", "--json", *words, self.small.path], preexec_fn=limit, cwd=self.scratch,
                                  capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr),
                             (125, f"gcalloc: {words[-1]}: cannot be written: File too large\n"))
        self.assertEqual(os.listdir(self.scratch), ["out"])
        with open(self.path("out")) as file:
            self.assertEqual(file.read(), "old")

    def test_no_memory(self):
        """With ever more of it: one line and no file, or all of it."""
        path = make_profile.realistic(stacks=2000, objects=40000, elf=self.small.elf)[0].write(self.path("large.gcprof"))
        before = os.listdir(self.scratch)
        for words in (*(["export", "--format", kind] for kind in FORMATS), ["flamegraph"], ["report", "--html"]):
            seen = set()
            for mebibytes in (*range(10, 60, 8), 300):
                limited = ["prlimit", f"--as={mebibytes << 20}", self.command]
                done = subprocess.run([*limited, *words, "--no-symbols", path, "-o", "out"], cwd=self.scratch,
                                      capture_output=True, text=True)
                seen.add(done.returncode)
                if done.returncode == 125:
                    self.assertRegex(done.stderr, r"\Agcalloc: (.*: )?out of memory\n\Z")
                self.assertEqual(set(os.listdir(self.scratch)), {*before, "out"} if done.returncode == 0 else set(before))
                if done.returncode == 0:
                    os.remove(self.path("out"))
            self.assertLessEqual({0, 125}, seen, words)
            self.assertLessEqual(seen, {0, 125, 127}, words)  # 127: the loader had too little

    def begin(self, *words):
        """A command that has begun to write a file of some size."""
        path = self.path("large.gcprof")
        if not os.path.exists(path):
            make_profile.realistic(stacks=200, objects=60000, elf=self.small.elf)[0].write(path)
        running = subprocess.Popen([*words, self.command, "export", "--json", "--no-symbols", path, "-o", "out"],
                                   cwd=self.scratch, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while len(os.listdir(self.scratch)) == 1:
            self.assertIsNone(running.poll())
        return running

    def test_a_signal_in_the_middle(self):
        """Nothing is left of what was written so far, unless the signal was to be ignored."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number), self.begin() as running:
                running.send_signal(number)
                self.assertEqual(running.wait(), -number)
                self.assertEqual(os.listdir(self.scratch), ["large.gcprof"])
        with self.begin("nohup") as running:
            running.send_signal(signal.SIGHUP)
            self.assertEqual(running.wait(), 0)
        self.assertEqual(set(os.listdir(self.scratch)), {"large.gcprof", "out"})

    def test_a_file_that_came_meanwhile_stays(self):
        with self.begin() as running:
            running.send_signal(signal.SIGSTOP)
            self.write("out", "mine")
            running.send_signal(signal.SIGCONT)
            self.assertEqual((running.stderr.read(), running.wait()), ("gcalloc: out: cannot be written: File exists\n", 125))
        with open(self.path("out")) as file:
            self.assertEqual(file.read(), "mine")
        self.assertEqual(set(os.listdir(self.scratch)), {"large.gcprof", "out"})

    def test_a_new_file_has_the_usual_rights(self):
        before = os.umask(0o027)
        self.assert_runs(self.gcalloc("export", "--json", self.small.path, "-o", "out"), "")
        os.umask(before)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("out")).st_mode), 0o640)

    def test_a_reader_that_has_gone(self):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run([self.command, "export", "--json", self.small.path], stdout=writing, stderr=subprocess.PIPE,
                              text=True)
        os.close(writing)
        self.assertEqual((done.returncode, done.stderr), (125, "gcalloc: standard output: cannot be written: Broken pipe\n"))

    def test_a_terminal_gets_no_binary(self):
        leader, follower = pty.openpty()
        done = subprocess.run([self.command, "export", "--format=pprof", self.small.path], stdout=follower,
                              stderr=subprocess.PIPE, text=True)
        os.close(leader)
        os.close(follower)
        self.assertEqual((done.returncode, done.stderr), (
            125, "gcalloc: standard output: cannot be written: it is a terminal and this format is no text; use -o FILE\n"))

    def test_a_profile_that_breaks_off(self):
        with open(self.small.path, "rb") as file:
            content = file.read()
        torn = self.write("torn", content[:-20])
        for kind in FORMATS:
            done = subprocess.run([self.command, "export", "--format", kind, torn], capture_output=True)
            self.assertEqual((done.returncode, done.stderr.count(b"\n")), (0, 1), kind)
            self.assertTrue(done.stdout)
        empty = ended(make_profile.Profile()).write(self.path("empty"))
        for kind in FORMATS[:4] + FORMATS[5:]:
            self.assertTrue(self.gcalloc("export", "--format", kind, empty, "-o", kind).returncode == 0)


if __name__ == "__main__":
    unittest.main()
