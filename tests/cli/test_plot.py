#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gcalloc plot, top and report --sizes on profiles whose figures are known: what is shown over time, and at the end of it."""
import json
import os
import pty
import re
import select
import signal
import termios
import time
import unittest
import xml.etree.ElementTree

import make_profile
from make_profile import PEAK, TIMER, Profile
from test_show import MIB, ShowTest, example, places, row


class Plot(ShowTest):
    def test_text(self):
        lines = self.shown("plot", self.save(example())).splitlines()
        self.assertEqual(lines[:2], ["shop --serve   (process 4711)", "live objects, at most 8.0 MiB"])
        self.assertTrue(lines[3].startswith("   8.0 MiB │") and lines[3].endswith("█"), lines[3])
        self.assertTrue(lines[15].startswith("   2.0 MiB │"))
        self.assertTrue(lines[-2].endswith("8.0 s"))
        self.assertEqual(lines[-1].count("^"), 2)
        plain = self.shown("plot", "--of=heap", self.save(example()), LC_ALL="C")
        self.assertTrue(plain.isascii())
        self.assertIn("heap, at most 16.0 MiB\n", plain)

    def test_ends(self):
        """What comes first is in the first column, what comes last in the last."""
        profile = Profile()
        profile.usage(0, MIB, MIB, 1, 1, 1)
        profile.usage(10**9, MIB, MIB, MIB, 1, 1)
        for time_ns in (0, 10**9):
            profile.cycle(time_ns, 1, 1, 1, 1, 1, MIB)
        profile.end(10**9)
        lines = self.shown("plot", self.save(profile)).splitlines()
        self.assertEqual(lines[-1], " collected  ^" + " " * 65 + "^")
        self.assertEqual(lines[3], "   1.0 MiB │" + " " * 66 + "█")

    def test_heights(self):
        """The area of the plot is that of the figures."""
        lines = self.shown("plot", self.save(example())).splitlines()[3:19]
        columns = [sum(1 for line in lines if line[12 + at:13 + at] == "█") for at in range(67)]
        self.assertEqual(columns, sorted(columns))
        self.assertEqual((columns[-1], columns[30]), (16, 6))

    def test_picture(self):
        path = os.path.join(self.scratch, "plot.svg")
        profile = example()
        self.assertEqual(self.shown("plot", "--svg", path, self.save(profile)), "")
        picture = xml.etree.ElementTree.parse(path).getroot()
        name = "{http://www.w3.org/2000/svg}"
        lines = picture.findall(f"{name}polyline")
        self.assertEqual([len(line.get("points").split()) for line in lines], [8, 8, 8])
        heights = [float(point.split(",")[1]) for point in lines[0].get("points").split()]
        self.assertEqual(heights, sorted(heights, reverse=True))
        self.assertEqual(len(picture.findall(f"{name}line[@class='collection']")), 2)
        self.assertIn("/usr/bin/shop --serve", "".join(picture.itertext()))

    def test_picture_with_markup_in_names(self):
        profile = Profile(words=["a<b>&\"c\"", "\x01\xff"])
        profile.usage(1, 1, 1, 1, 1, 1)
        profile.end(1)
        path = os.path.join(self.scratch, "plot.svg")
        self.shown("plot", "--svg", path, self.save(profile))
        self.assertIn('a<b>&"c"', "".join(xml.etree.ElementTree.parse(path).getroot().itertext()))

    def test_where_the_picture_goes(self):
        """As an export does: a file that exists stays, unless that is wanted, and - is no file."""
        path, picture = self.save(example()), os.path.join(self.scratch, "plot.svg")
        text = self.gcalloc("plot", "--svg=-", path, cwd=self.scratch).stdout
        self.assertEqual(xml.etree.ElementTree.fromstring(text).tag, "{http://www.w3.org/2000/svg}svg")
        self.assertFalse(os.path.exists(os.path.join(self.scratch, "-")))
        self.write("plot.svg", "precious")
        self.assert_fails(self.gcalloc("plot", "--svg", picture, path), 125,
                          f"gcalloc: {picture}: cannot be written: it exists; -f replaces it")
        with open(picture, encoding="utf-8") as file:
            self.assertEqual(file.read(), "precious")
        self.assertEqual(self.shown("plot", "-f", "--svg", picture, path), "")
        with open(picture, encoding="utf-8") as file:
            self.assertEqual(file.read(), text)
        self.assert_fails(self.gcalloc("plot", "-f", path), 125, "gcalloc: --force: only goes with --svg")

    def test_failures(self):
        self.assert_fails(self.gcalloc("plot", "--svg=/dev/full", self.save(example())), 125,
                          "gcalloc: /dev/full: cannot be written: No space left on device")
        self.assert_fails(self.gcalloc("plot", "--svg=/nothing/x", self.save(example())), 125,
                          "gcalloc: /nothing/x: cannot be written: No such file or directory")
        profile = Profile()
        profile.end(1)
        path = self.save(profile)
        self.assert_fails(self.gcalloc("plot", path), 125, f"gcalloc: {path}: has no figures over time")

    def test_json(self):
        shown = self.json("plot", self.save(example()))
        self.assertEqual([usage["live_bytes"] for usage in shown["usage"]], [second * MIB for second in range(1, 9)])
        self.assertEqual([cycle["pause_ns"] for cycle in shown["collections"]], [2_000_000, 4_000_000])


class Top(ShowTest):
    def test_once(self):
        text = self.shown("top", self.save(example()))
        self.assertRegex(text, r"\Ashop --serve .*\nended after 8\.0 s\n  live 8\.0 MiB   heap 16\.0 MiB   resident 30\.0 MiB\n"
                               r"  allocated 400\.0 MiB in 8,000 objects, now 1,000 a second\n"
                               r"  collections 2, the last paused 4\.00 ms and freed 8\.0 KiB\n.*8\.0 MiB\n"
                               r"Live at the end\n.*\n *2\.9 MiB .*cache_put")
        self.assertEqual(self.json("top", self.save(example()), "--sort=allocated")["allocated"][0]["objects"], 90000)

    def test_sizes(self):
        profile = Profile()
        profile.sizes([(16, 1, 3000, 48000, 65536), (32, 1, 0, 0, 65536), (48, 2, 0, 0, 131072), (0, 2, 2, 1 << 20, 1 << 21)])
        profile.end(1)
        path = self.save(profile)
        text = self.shown("report", "--sizes", path)
        self.assertRegex(text, r"\n +16 +3,000 +46\.9 KiB +64\.0 KiB +73\.2 %\n +large +2 +1\.0 MiB +2\.0 MiB +50\.0 %\n"
                               r" +and empty 192\.0 KiB of blocks of 2 other sizes\n")
        self.assertEqual(self.json("report", "--sizes", path)["sizes"][3],
                         {"slot_bytes": 0, "blocks": 2, "objects": 2, "bytes": 1 << 20, "committed_bytes": 1 << 21})
        self.assertIn("\nSizes: the profile does not have them\n", self.shown("report", "--sizes", self.save(example(), "y")))

    def test_the_last_moment_is_the_end(self):
        """For all that is shown, of programs that run or were killed too."""
        profile = Profile()
        stack, = places(profile, "work")
        for time_ns, reason, count in ((1, make_profile.DUMP, 5), (2, TIMER, 8), (3, PEAK, 7)):
            profile.moment(time_ns, reason, [row(stack, 1, count)])
        path = self.save(profile)
        self.assertEqual(self.json("top", path)["live"][0]["bytes"], 8)
        self.assertEqual(json.loads(self.gcalloc("report", "--json", path).stdout)["live"]["bytes"], 8)

    def test_what_the_last_moment_leaves_out(self):
        """The timer's moments have what lives; the rest of what was allocated is known from before, and has been freed."""
        profile = Profile()
        work, gone, new = places(profile, "work", "gone", "new")
        profile.moment(1, make_profile.DUMP, [row(work, 10, 5, 2), row(gone, 100, 4, 2)])
        profile.moment(2, TIMER, [row(work, 10, 9, 2), row(new, 1, 1)])
        profile.moment(3, PEAK, [row(gone, 1000, 1)])
        path = self.save(profile)
        shown = json.loads(self.gcalloc("report", "--json", path).stdout)
        self.assertEqual(shown["live"], {"bytes": 71, "objects": 8})
        self.assertEqual(shown["allocated"], {"bytes": 491, "objects": 14})
        self.assertEqual({one["where"]["function"]: one["bytes"] for one in shown["top"]["live"]}, {"work": 70, "new": 1})
        page = os.path.join(self.scratch, "page.html")
        self.gcalloc("report", "--html", "-o", page, path)
        with open(page, encoding="utf-8") as file:
            plain = file.read().split("<noscript>")[1].split("</noscript>")[0]
        self.assertIn("70 B", plain)
        self.assertNotIn("200 B", plain)
        folded = self.gcalloc("export", "--format=collapsed", "--metric=live", path).stdout
        self.assertEqual(sorted(folded.split()), ["1", "70", "new", "work"])

    def read_screen(self, terminal, wanted):
        shown, deadline = "", time.monotonic() + 30
        while not re.search(wanted, shown) and time.monotonic() < deadline:
            if select.select([terminal], [], [], 0.1)[0]:
                try:
                    shown += os.read(terminal, 65536).decode(errors="replace")
                except OSError:
                    break
        self.assertRegex(shown, wanted)
        return shown

    def test_on_a_terminal(self):
        """It grows with the file, torn records and all; s sorts, q quits and leaves the terminal as it was."""
        profile = Profile(words=["shop"])
        first, second = places(profile, "first_place", "second_place")
        profile.usage(10**9, MIB, MIB, MIB, MIB, 1)
        profile.moment(10**9, TIMER, [row(first, 10, 3)])
        path = self.save(profile)
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(self.command, ["gcalloc", "top", path], self.environment(LC_ALL="C.UTF-8"))
        self.addCleanup(os.close, terminal)
        self.read_screen(terminal, r"running for 1\.0 s[^\x1b]*first_place")
        length = len(profile.bytes())
        profile.usage(3 * 10**9, MIB, MIB, MIB, MIB, 1)
        profile.moment(3 * 10**9, TIMER, [row(second, 10, 3)])
        with open(path, "ab") as file:
            file.write(profile.bytes()[length:length + 70])
            file.flush()
            self.read_screen(terminal, r"running for 3\.0 s")
            file.write(profile.bytes()[length + 70:])
        self.read_screen(terminal, r"running for 3\.0 s[^\x1b]*second_place")
        os.write(terminal, b"s")
        self.read_screen(terminal, r"At the peak")
        os.write(terminal, b"q")
        self.read_screen(terminal, r"\x1b\[\?25h\x1b\[\?1049l")
        self.assertEqual(os.waitpid(pid, 0)[1], 0)

    def test_signals_leave_the_terminal_as_it_was(self):
        path = self.save(example())
        usual = pty.openpty()
        before = termios.tcgetattr(usual[0])
        for end in usual:
            os.close(end)
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
            pid, terminal = pty.fork()
            if pid == 0:
                os.execve(self.command, ["gcalloc", "top", path], self.environment())
            self.addCleanup(os.close, terminal)
            self.read_screen(terminal, "q quits")
            self.assertNotEqual(termios.tcgetattr(terminal), before)
            os.kill(pid, number)
            self.read_screen(terminal, r"\x1b\[\?1049l")
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
            self.assertEqual(termios.tcgetattr(terminal), before)


if __name__ == "__main__":
    unittest.main()
