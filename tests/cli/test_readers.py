#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Exported profiles in the programs that they are made for: pprof, speedscope, dh_view, the developer tools of Chromium; and
pictures in a browser. Packages from npm (readers/package-lock.json) go to the folder READERS_FOLDER, once for each list."""
import base64
import fcntl
import filecmp
import json
import os
import re
import shutil
import subprocess
import unittest

import browser
import formats
import make_profile
from test_export import ExportTest

READERS = os.path.join(os.path.dirname(os.path.realpath(__file__)), "readers")
DHAT_VIEWER = "/usr/libexec/valgrind/dh_view.html"

needs_browser = unittest.skipUnless(browser.PROGRAM, "chromium is not installed")


def packages():
    """The folder with the packages and our scripts; None and why not."""
    if not shutil.which("npm") or not shutil.which("node"):
        return None, "npm is not installed"
    folder = os.environ["READERS_FOLDER"]
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lists = [os.path.join(READERS, "package-lock.json"), os.path.join(folder, "installed.json")]
        for name in os.listdir(READERS):
            shutil.copy(os.path.join(READERS, name), folder)
        if os.path.exists(lists[1]) and filecmp.cmp(*lists, shallow=False):
            return folder, None
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, capture_output=True,
                              text=True)
        if done.returncode != 0:
            return None, f"npm cannot install the readers: {done.stderr.strip()[:300]}"
        shutil.copy(*lists)
    return folder, None


class ReaderTest(ExportTest):
    def exported(self, kind, *words, name=None, profile=None):
        """The path of a new file."""
        path = os.path.join(self.scratch, name or f"profile.{kind}")
        with open(path, "wb") as file:
            file.write(self.export(kind, *words, profile=profile))
        return path

    def tool(self, *words):
        done = subprocess.run(words, capture_output=True, text=True, timeout=100, cwd=self.scratch,
                              env={**os.environ, "HOME": self.scratch, "PPROF_TMPDIR": self.scratch})
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout


class PackageTest(ReaderTest):
    @classmethod
    def setUpClass(cls):
        cls.folder, reason = packages()
        if not cls.folder:
            raise unittest.SkipTest(reason)
        super().setUpClass()

    def script(self, name, *words):
        return self.tool("node", os.path.join(self.folder, name), *words)


@unittest.skipUnless(shutil.which("go"), "go is not installed")
class GoPprof(ReaderTest):
    def test_top(self):
        shown = self.tool("go", "tool", "pprof", "-top", "-unit=bytes", "-nodefraction=0", self.exported("pprof"))
        self.assertIn("Type: inuse_space\n", shown)
        self.assertIn(f"Build ID: {self.small.elf.build_id.hex()}\n", shown)
        rows = {" ".join(line.split()[5:]): line.split()[0] for line in shown.splitlines() if re.match(r"\s*\d+B?\s", line)}
        self.assertEqual(rows[self.small.first], "350B")
        self.assertEqual(rows["inner (inline)"], "0")

    def test_every_type(self):
        path = self.exported("pprof")
        for kind, metric, unit in (("leaked_space", "leaked", "B"), ("leaked_objects", "leaked-objects", ""),
                                   ("collected_space", "collected", "B"), ("peak_space", "peak", "B"),
                                   ("alloc_objects", "allocations", "")):
            shown = self.tool("go", "tool", "pprof", "-top", *(["-unit=bytes"] if unit else []), f"-sample_index={kind}", path)
            self.assertIn(f" of {self.small.total(metric)}{unit} total\n", shown)

    def test_difference(self):
        path = self.exported("pprof")
        shown = self.tool("go", "tool", "pprof", "-top", "-diff_base", path, path)
        self.assertIn("Showing nodes accounting for 0", shown)

    def test_raw(self):
        shown = self.tool("go", "tool", "pprof", "-raw", self.exported("pprof"))
        self.assertIn("PeriodType: space bytes\nPeriod: 1\n", shown)
        self.assertRegex(shown, r"M=\d inner .*inlined\.c:9 s=0\n\s+outer .*inlined\.c:10 s=0")


class Pprof(PackageTest):
    def test_small(self):
        found = json.loads(self.script("pprof.mjs", self.exported("pprof")))
        self.assertEqual(found["defaultSampleType"], "inuse_space")
        self.assertEqual(found["sums"]["inuse_space/bytes"], self.small.total("live"))
        self.assertEqual(found["sums"]["leaked_space/bytes"], self.small.total("leaked"))
        self.assertIn(self.small.names(1)[::-1], found["stacks"])
        self.assertEqual(found["buildIds"][0], self.small.elf.build_id.hex())

    def test_large(self):
        path = os.path.join(self.scratch, "large.gcprof")
        profile, facts = make_profile.realistic(stacks=3000, elf=self.small.elf)
        found = json.loads(self.script("pprof.mjs", self.exported("pprof", "--no-symbols", profile=profile.write(path))))
        self.assertEqual(found["sums"]["inuse_space/bytes"], facts["live_bytes"])
        self.assertEqual(found["sums"]["alloc_objects/count"], facts["allocated_objects"])
        self.assertEqual(found["sums"]["peak_space/bytes"], facts["peak_bytes"])


class Speedscope(PackageTest):
    def test_schema(self):
        self.script("schema.mjs", self.exported("speedscope"))
        self.script("schema.mjs", self.exported("speedscope", "--metric=peak-objects", "--anonymize"))

    @needs_browser
    def test_viewer(self):
        path = self.exported("speedscope")
        with open(path, "rb") as file:
            content = base64.b64encode(file.read()).decode()
        script = self.write("load.js", f'speedscope.loadFileFromBase64("profile.json", "{content}")')
        index = os.path.join(self.folder, "node_modules", "speedscope", "dist", "release", "index.html")
        page = browser.document(f"file://{index}#localProfilePath={script}")
        for name, shown in (("live bytes", "1024.00 GB"), ("bytes at the peak", "1.56 KB"), ("leaked bytes", "232 B")):
            self.assertRegex(page, rf'<tr title="{name}".*?>{re.escape(shown)}</td></tr>')


@needs_browser
@unittest.skipUnless(os.path.exists(DHAT_VIEWER), "valgrind's dh_view.html is not installed")
class DhatViewer(ReaderTest):
    def test_viewer(self):
        for name in ("dh_view.css", "dh_view.js"):
            shutil.copy(os.path.join(os.path.dirname(DHAT_VIEWER), name), self.scratch)
        with open(self.exported("dhat"), "rb") as file:
            content = base64.b64encode(file.read()).decode()
        with open(DHAT_VIEWER) as file:
            page = file.read()
        script = f"""window.addEventListener('load', () => setTimeout(() => {{
            const bytes = Uint8Array.from(atob('{content}'), (one) => one.charCodeAt(0)), files = new DataTransfer();
            files.items.add(new File([bytes], 'profile.json'));
            gInput.files = files.files;
            loadFile();
        }}, 0));"""
        page = browser.document(browser.run_in(page, script, os.path.join(self.scratch, "view.html")))
        text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", re.sub(r"<script.*?</script>", "", page, flags=re.S)))
        self.assertIn("t-gmax: 4,000,000 us (44.44% of program duration)", text)
        total, blocks = self.small.total("allocated"), self.small.total("allocations")
        self.assertRegex(text, rf"PP 1/1 \(5 children\) \{{ Total: {total:,} bytes \(100%, [\d,.]+/s\) in {blocks} blocks \(100%")
        self.assertRegex(text, rf"Total: 1,050 bytes .*?Max: 900 bytes in 9 blocks.*?At t-gmax: 600 bytes .*?At t-end: 350 bytes")
        self.assertRegex(text, rf"#1: 0x[0-9A-F]+: {self.small.first} \(\S+/example\.c:\d+\)")


class HeapSnapshot(PackageTest):
    def test_small(self):
        found = json.loads(self.script("heapsnapshot.mjs", self.exported("heapsnapshot")))
        sizes = [32, 64, 128, 16, 48, 80, 96, 112, (1 << 32) - 1]
        self.assertEqual(found["total"], sum(sizes))
        self.assertEqual(sum(one["count"] for one in found["classes"].values()), len(sizes))
        # Objects 2 and 6 are of the third stack. 2 holds nothing; 6 holds 3, which holds 4.
        third = found["classes"][f"{formats.ODD_SHOWN} (a b.c:12)"]
        self.assertEqual((third["count"], third["self"], third["retained"]), (2, 128 + 96, 128 + 96 + 16 + 48))
        # Of the second are 1, which holds nothing alone, and 5, which holds all that is leaked.
        second = next(one for name, one in found["classes"].items() if name.startswith(self.small.second))
        self.assertEqual(second["retained"], 64 + 16 + 48 + 80 + 96 + 112)
        self.assertLess(third["distance"], 10)

    def test_two_are_compared(self):
        paths = []
        for i in range(2):
            profile = make_profile.Profile()
            stacks = [profile.stack([], ("a.c", 1, name)) for name in ("stays", "comes", "goes")]
            at = 0x7f0000000000
            rows = [(at, 16, stacks[0]), (at + 160, 16, stacks[1]) if i else (at + 320, 16, stacks[2]), (at + 480, 16, stacks[0])]
            profile.objects([(*row, make_profile.REACHABLE) for row in rows])
            profile.roots([(0x404000 + 8 * k, k, 0, make_profile.STATIC, 0) for k in range(3)])
            profile.end(1)
            paths.append(self.exported("heapsnapshot", name=f"{i}.heapsnapshot",
                                       profile=profile.write(os.path.join(self.scratch, f"{i}.gcprof"))))
        found = json.loads(self.script("heapsnapshot.mjs", *paths))["difference"]
        self.assertEqual({name: counts for name, counts in found.items() if not name.startswith("(")},
                         {"comes (a.c:1)": {"added": 1, "removed": 0}, "goes (a.c:1)": {"added": 0, "removed": 1}})

    def test_large(self):
        path = os.path.join(self.scratch, "large.gcprof")
        make_profile.realistic(objects=20000)[0].write(path)
        found = json.loads(self.script("heapsnapshot.mjs", self.exported("heapsnapshot", "--no-symbols", profile=path)))
        self.assertEqual(sum(one["count"] for name, one in found["classes"].items()), 20000)


@needs_browser
class Picture(ReaderTest):
    def after(self, actions):
        """What a script writes after actions on the picture."""
        script = f"""window.addEventListener('load', () => {{
            const all = () => [...document.querySelectorAll('.f')];
            const frame = (name) => all().find((one) => one.children[0].textContent.startsWith(name));
            const shown = () => all().filter((one) => getComputedStyle(one).display !== 'none')
                .map((one) => [one.children[2].textContent, Math.round(one.children[1].getAttribute('width'))]);
            const press = (key, more) => window.dispatchEvent(new KeyboardEvent('keydown', {{key, ...more}}));
            const note = () => document.querySelector('.note').textContent;
            const input = document.querySelector('input');
            const type = (text) => {{ input.value = text; input.dispatchEvent(new Event('input')); }};
            const results = [];
            {actions}
            const result = document.createElementNS('http://www.w3.org/2000/svg', 'desc');
            result.textContent = 'RESULT' + JSON.stringify(results) + 'RESULT';
            document.documentElement.append(result);
        }});"""
        done = self.gcalloc("flamegraph", "--metric=allocations", self.small.path)
        page = browser.document(browser.run_in(done.stdout, script, os.path.join(self.scratch, "picture.svg")), 2000)
        shown = page.split("RESULT")[-2]
        return json.loads(shown.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))

    def test_zoom(self):
        middle, first, second = self.small.middle, self.small.first, self.small.second
        whole, zoomed, back = self.after(f"""
            results.push(shown());
            frame('{middle}').dispatchEvent(new MouseEvent('click', {{bubbles: true}}));
            results.push(shown());
            press('Escape');
            results.push(shown());""")
        self.assertEqual(whole, back)
        self.assertIn([middle, round(1180 * 16 / 20)], whole)
        self.assertEqual(sorted(zoomed), sorted([["all", 1180], ["main", 1180], [middle, 1180], [first, round(1180 * 11 / 16)],
                                                 [second, round(1180 * 5 / 16)]]))

    def test_search(self):
        notes = self.after(f"""
            results.push(note());
            type('{self.small.first.upper()}');
            results.push(note(), document.querySelectorAll('.hit').length);
            press('Escape');
            results.push(note(), document.querySelectorAll('.hit').length);
            press('/');
            results.push(document.activeElement === input);""")
        self.assertEqual(notes, ["20 objects in 9 calls", "1 calls match: 55.00 % of 20 objects in 9 calls", 1,
                                 "20 objects in 9 calls", 0, True])

    def test_hover(self):
        notes = self.after(f"""
            frame('{self.small.first}').dispatchEvent(new MouseEvent('mouseenter'));
            results.push(note());
            frame('{self.small.first}').dispatchEvent(new MouseEvent('mouseleave'));
            results.push(note());""")
        self.assertRegex(notes[0], rf"\A{self.small.first}   11 objects, 55\.00 %   .*/example\.c   .*/example\Z")
        self.assertEqual(notes[1], "20 objects in 9 calls")


if __name__ == "__main__":
    unittest.main()
