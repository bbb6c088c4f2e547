#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The page of report --html in a browser: what is shown, what clicks and keys do, in both colour schemes, on paper, without
scripts, with hostile names, and with very many stacks.

Without chromium it ends with 77, which ctest shows as skipped. PAGE_TEST_PICTURES names a folder for pictures to look at.
"""
import math
import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
import devtools  # noqa: E402
import make_profile  # noqa: E402
from make_profile import DIRECT, EXIT, FULL, INDIRECT, SAMPLE, SECOND, TIMER  # noqa: E402
from support import CommandTest  # noqa: E402
from test_page import HOSTILE, hostile_profile  # noqa: E402

PICTURES = os.environ.get("PAGE_TEST_PICTURES")
MIB = 1 << 20
MANY_STACKS = int(os.environ.get("PAGE_TEST_STACKS", "50000"))
MANY_SECONDS = 20  # to open such a page: a machine that does something else besides may take many times the usual


class Small:
    """A program of which all is known: a cache that grows, a parser that leaks, a reader whose buffers are short-lived.

    Stacks are one place each, as they are at level site. Times are 10, 20 and 30 s."""

    def __init__(self, cache=30 * MIB, level=FULL, **header):
        words = ("server", "--port", "80")
        self.profile = profile = make_profile.Profile(executable="/opt/shop/server", words=words, level=level,
                                                      rate=1 if level == FULL else 524288, **header)
        main, worker = profile.thread("main", 100), profile.thread("worker", 101)
        self.cache = profile.stack([], ("src/cache.c", 10, "cache_put"))
        self.parse = profile.stack([], ("src/parse.c", 20, "parse_header"))
        self.node = profile.stack([], ("src/parse.c", 30, "node_new"))
        self.read = profile.stack([], ("src/read.c", 40, "read_block"))
        for i in range(1, 31):
            live = cache * i // 30 + MIB
            profile.usage(i * SECOND, live + MIB, live + 7 * MIB, live, 20 * MIB * i, 500 * i)
        for i in range(1, 7):
            profile.cycle(i * 5 * SECOND, i * MIB, cache * i // 6, 100 * i, 1000, 10, 40 * MIB, 0, 2)
        for i in range(1, 4):
            profile.moment(i * 10 * SECOND, EXIT if i == 3 else TIMER, self.rows(cache * i // 3, i, main, worker), 1)
        at_peak = {"stack": self.cache, "thread": main, "live_bytes": cache, "live_objects": 30}
        profile.moment(25 * SECOND, make_profile.PEAK, [at_peak])
        profile.leak(self.parse, DIRECT, 9, 900 * 1024, False, SECOND, 2 * SECOND, 0x7f00dead0010, 30 * SECOND)
        profile.leak(self.node, INDIRECT, 90, 100 * 1024, False, SECOND, 29 * SECOND, 0x7f00dead0020, 30 * SECOND)
        profile.leak(self.read, DIRECT, 5, 5 * 1024, True, SECOND, 2 * SECOND, 0, 20 * SECOND)
        self.graph()
        profile.sizes([(64, 2, 1024, 65536, 131072)])
        profile.end(30 * SECOND, cache, 25 * SECOND)

    def rows(self, cache, step, main, worker):
        return [
            {"stack": self.cache, "thread": main, "samples": 30, "allocated_objects": 10 * step, "allocated_bytes": cache,
             "live_objects": 10 * step, "live_bytes": cache, "ages": [0] * 8 + [10 * step, 0, 0, 0]},
            {"stack": self.parse, "thread": worker, "samples": 9, "allocated_objects": 9, "allocated_bytes": 900 * 1024,
             "live_objects": 9, "live_bytes": 900 * 1024},
            {"stack": self.node, "thread": worker, "samples": 90, "allocated_objects": 90, "allocated_bytes": 100 * 1024,
             "live_objects": 90, "live_bytes": 100 * 1024},
            {"stack": self.read, "thread": worker, "samples": 100 * step, "allocated_objects": 1000 * step,
             "allocated_bytes": 50 * MIB * step, "freed_objects": 1000 * step, "freed_bytes": 50 * MIB * step,
             "temporary_objects": 990 * step, "lifetimes": [1000 * step] + [0] * 11},
        ] if step == 3 else [
            {"stack": self.cache, "thread": main, "samples": 10, "allocated_objects": 10 * step, "allocated_bytes": cache,
             "live_objects": 10 * step, "live_bytes": cache},
        ]

    def graph(self):
        """A static word holds a table, which holds a list of three; a word on a stack points oddly into a lone object."""
        sizes = [1000, 100, 100, 100, 5000]
        stacks = [self.cache, self.node, self.node, self.node, self.read]
        self.profile.objects([(0x7f0000000000 + 8192 * i, sizes[i], stacks[i], 1) for i in range(5)])
        self.profile.edges([(0, 1, 16, 0), (1, 2, 8, 0), (2, 3, 8, 0)])
        self.profile.roots([(0x404080, 0, 0, 1, 0), (0x7ffc00001000, 4, 13, 2, 100)])


class BrowserTest(CommandTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.browser = devtools.Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        super().setUp()
        self.pages = []

    def open(self, profile, base=None, **more):
        """The page of a profile, in the browser."""
        path = profile.write(os.path.join(self.scratch, "now.gcprof"))
        words = ["--compare", base.write(os.path.join(self.scratch, "base.gcprof"))] if base else []
        self.assert_runs(self.gcalloc("report", path, "--html", "--force", "--no-symbols", *words), "now.gcprof.html\n")
        page = self.browser.open(path + ".html", **more)
        self.pages.append(page)
        if more.get("scripts", True):
            page.settle()
        return page

    def tearDown(self):
        for page in self.pages:
            self.assertEqual(page.complaints, [])
            self.assertEqual([url for url in page.requests if not url.startswith(("file:", "blob:", "about:"))], [])
            page.call("Page.close")

    def picture(self, page, name):
        if PICTURES:
            page.screenshot(os.path.join(PICTURES, name + ".png"))

    def rows(self, page, section):
        """The cells of a table, without what open rows say."""
        return page.run(f"""Array.from(document.querySelectorAll('#{section} tbody tr:not(.inner)'),
            row => Array.from(row.cells, cell => cell.innerText.trim()))""")


class Shown(BrowserTest):
    def test_summary(self):
        page = self.open(Small().profile)
        text = page.text(".verdict")
        for words in ("It leaks 1000.0 KiB.", "99 objects, 1000.0 KiB in 2 groups", "took back 5.0 KiB in 5 objects", "grows by",
                      "Most was alive after 25.0 s: 30.0 MiB, of which cache_put (cache.c:10) had 100 %", "6 collections",
                      "parse_header (parse.c:20) is the largest leak: 900.0 KiB in 9 objects (90 %)", "every allocation"):
            self.assertIn(words, text)
        self.assertIn("server", page.text("#head h1"))
        self.assertIn("server --port 80", page.text("#head .command"))
        cards = dict(card.split("\n")[:2] for card in page.texts(".cards .card"))
        self.assertEqual((cards["Leaked"], cards["Leaked and collected"], cards["Collections"]), ("1000.0 KiB", "5.0 KiB", "6"))
        self.assertEqual(cards["Unused in blocks"], "50 %")
        self.picture(page, "summary")

    def test_estimates_say_so(self):
        page = self.open(Small(level=SAMPLE).profile)
        text = page.text(".verdict")
        self.assertIn("estimated from 429 samples", text)
        self.assertNotIn("every allocation", text)
        error = 0
        for count, size in ((30, MIB), (9, 900 * 1024 / 9), (90, 100 * 1024 / 90)):
            chance = 1 - math.exp(-size / 524288)
            error += count * size * size * (1 - chance) / chance
        wanted = f"±{100 * math.sqrt(error) / (30 * MIB + 1000 * 1024):.1f} %"
        self.assertIn(f"what is alive to about {wanted}", text)
        self.assertIn(f"estimate, {wanted}", page.text("#flame-sum"))
        chance = 1 - math.exp(-2)
        row = next(row for row in self.rows(page, "places") if "cache_put" in row[0])
        self.assertEqual(row[7], f"{100 * math.sqrt((1 - chance) / chance / 30):.1f} %")

    def test_no_leak(self):
        profile = make_profile.Profile()
        profile.moment(SECOND, EXIT, [{"stack": profile.stack([], ("a.c", 1, "f")), "live_bytes": 9, "live_objects": 1}])
        profile.end(SECOND)
        page = self.open(profile)
        self.assertIn("No leak was found.", page.text(".verdict"))
        self.assertEqual(page.count(".verdict.good"), 1)
        self.assertIn("Nothing has leaked.", page.text("#leaks"))
        self.assertIn("does not have the heap as a graph", page.text("#alive"))

    def test_leaks_that_no_sample_saw(self):
        profile = make_profile.Profile(level=SAMPLE, rate=524288)
        known = profile.stack([], ("a.c", 1, "seen"))
        profile.moment(SECOND, EXIT, [{"stack": known, "samples": 1, "live_bytes": 9, "live_objects": 1}])
        profile.leak(0, DIRECT, 1000, 9000)
        profile.leak(known, DIRECT, 1, 1000)
        profile.end(SECOND)
        page = self.open(profile)
        text = page.text(".verdict")
        self.assertIn("seen (a.c:1) is the largest leak", text)
        self.assertIn("who allocated 90 % of it is not known", text)
        self.assertIn("Of the leaked bytes 10 % could be told", text)
        self.assertEqual(self.rows(page, "leaks")[0][0], "unknown stack: no sample saw these")
        page.click("#leaks td button", "unknown")
        self.assertIn("No stack is known.", page.text("#leaks tr.inner"))
        self.assertEqual(page.count("#leaks .suppression"), 0)

    def test_a_file_that_breaks_off(self):
        small = Small()
        small.profile.content = small.profile.bytes()[:-40]  # without its last record
        path = os.path.join(self.scratch, "torn.gcprof")
        with open(path, "wb") as file:
            file.write(small.profile.content)
        self.gcalloc("report", path, "--html", "--no-symbols")
        page = self.browser.open(path + ".html")
        self.pages.append(page)
        self.assertIn("The file has no end", page.text(".verdict"))

    def test_nothing_at_all(self):
        profile = make_profile.Profile()
        profile.end(0)
        page = self.open(profile)
        self.assertIn("No leak was found.", page.text(".verdict"))
        self.assertIn("no course of the run", page.text("#timeline"))

    def test_threads_sizes_collections(self):
        page = self.open(Small().profile)
        rows = {row[0].split(" ")[0]: row for row in self.rows(page, "threads")}
        self.assertEqual(rows["main"][1:3], ["30.0 MiB", "30.0 MiB"])
        self.assertEqual(rows["worker"][1:4], ["1000.0 KiB", "151.0 MiB", "3,099"])
        self.assertEqual(self.rows(page, "sizes"), [["64 B", "2", "1,024", "64.0 KiB", "128.0 KiB", "64.0 KiB", "50 %"]])
        self.assertIn("up to 1 ms", page.text("#sizes"))
        cycles = self.rows(page, "collections")
        self.assertEqual((len(cycles), cycles[0][0], cycles[0][1], cycles[0][2]), (6, "30.0 s", "growth", "6.3 ms"))

    def test_without_scripts(self):
        page = self.open(Small().profile, scripts=False)
        self.assertIn("parse_header (src/parse.c:20)", page.text("noscript"))
        self.assertIn(["900.0 KiB", "9", "parse_header (src/parse.c:20)"], page.run(
            "Array.from(document.querySelectorAll('noscript tr'), row => Array.from(row.cells, cell => cell.innerText.trim()))"))
        self.picture(page, "without_scripts")

    def test_paper(self):
        page = self.open(Small().profile)
        path = os.path.join(PICTURES or self.scratch, "paper.pdf")
        page.print(path)
        self.assertGreater(os.path.getsize(path), 20000)


class Done(BrowserTest):
    def test_flame_graph(self):
        page = self.open(make_profile.realistic(stacks=60, objects=0)[0])
        labels = page.run("Array.from(document.querySelectorAll('.frame'), e => e.getAttribute('aria-label'))")
        self.assertTrue(labels[0].startswith("all, "))
        before = page.count(".frame")
        page.click('.frame[aria-level="3"]')
        self.assertIn("zoomed into", page.text("#flame-sum"))
        self.assertLess(page.count(".frame"), before)
        self.assertIn("Called by", page.text("#detail"))
        self.assertIn("Calls", page.text("#detail"))
        page.click("#reset-zoom")
        self.assertEqual(page.count(".frame"), before)
        total = page.text("#flame-sum")
        page.click("#option-inverted")
        self.assertEqual(page.text("#flame-sum"), total)
        page.click("#option-inverted")
        page.click("#icicle")
        tops = page.run("Array.from(document.querySelectorAll('.frame'), e => [+e.getAttribute('aria-level'), e.offsetTop])")
        self.assertEqual(max(tops, key=lambda top: top[1])[0], 1)  # the root is lowest
        self.picture(page, "flame")

    def widths(self, page):
        """Percent of the graph that each box is wide, by its function."""
        return dict(page.run("""Array.from(document.querySelectorAll('.frame'),
            box => [box.getAttribute('aria-label').split(',')[0], parseFloat(box.style.width)])"""))

    def test_boxes_are_as_wide_as_their_figures(self):
        page = self.open(Small().profile)
        widths = self.widths(page)
        self.assertAlmostEqual(widths["cache_put"], 100 * 30 / (30 + 1000 / 1024), 2)
        page.choose("#metric", "leaked")
        widths = self.widths(page)
        self.assertEqual(widths, {"all": 100, "parse_header": 90, "node_new": 10})

    def test_search(self):
        page = self.open(Small().profile)
        page.choose("#metric", "leaked")
        page.click("#search")
        page.type("PARSE_H")
        self.assertEqual(page.text("#matched"), "matched: 90 %")
        self.assertEqual(page.count(".frame.hit"), 1)
        page.key("Escape")
        self.assertEqual((page.text("#matched"), page.count(".frame.hit")), ("", 0))
        page.type("parse.c")
        self.assertEqual(page.text("#matched"), "matched: 100 %")

    def test_keys(self):
        page = self.open(make_profile.realistic(stacks=60, objects=0)[0])
        page.run("document.querySelector('.frame').focus()")
        focused = "document.activeElement.getAttribute('aria-level')"
        page.key("ArrowDown")
        self.assertEqual(page.run(focused), "2")
        page.key("ArrowDown")
        page.key("Enter")
        self.assertIn("zoomed into", page.text("#flame-sum"))
        page.key("ArrowUp")
        self.assertEqual(page.run(focused), "2")
        page.key("Escape")
        self.assertNotIn("zoomed into", page.text("#flame-sum"))

    def test_choosing_a_moment(self):
        page = self.open(Small().profile)
        row = lambda: next(row for row in self.rows(page, "places") if "cache_put" in row[0])  # noqa: E731
        self.assertEqual(row()[1], "30.0 MiB")
        x, y, width, _ = page.place("#timeline .plot")
        at = x - width / 2 + width * 0.66
        page.mouse("mousePressed", at, y, 1, button="left", clickCount=1)
        page.mouse("mouseReleased", at, y, button="left", clickCount=1)
        page.settle()
        self.assertEqual(page.text("#what"), "From the start until 20.0 s")
        self.assertEqual((row()[1], row()[3]), ("20.0 MiB", "20.0 MiB"))
        page.drag("#timeline .plot", 0.34, 0.99)
        self.assertEqual(page.text("#what"), "From 10.0 s until the end")
        self.assertEqual((row()[1], row()[3]), ("30.0 MiB", "20.0 MiB"))
        page.choose("#metric", "grown")
        self.assertIn("Grown in the window: 21.0 MiB", page.text("#flame-sum"))
        self.picture(page, "window")
        page.click("#reset")
        self.assertEqual((page.text("#what"), row()[3]), ("The whole run", "30.0 MiB"))
        page.run("document.querySelector('#to').focus()")
        page.key("ArrowLeft")
        self.assertEqual(page.text("#what"), "From the start until 20.0 s")
        page.key("ArrowLeft")
        page.key("ArrowLeft")
        self.assertEqual(page.text("#what"), "From the start until 10.0 s")

    def test_filters(self):
        page = self.open(Small().profile)
        page.choose("#thread", "2")
        names = " ".join(row[0] for row in self.rows(page, "places"))
        self.assertNotIn("cache_put", names)
        self.assertIn("read_block", names)
        page.choose("#metric", "allocated")
        self.assertIn("Allocated: 151.0 MiB", page.text("#flame-sum"))
        page.choose("#thread", "-1")
        page.click(".frame", "read_block")
        page.click("#focus-here")
        self.assertIn("stacks through read_block", page.text("#what"))
        self.assertEqual([row[0].split()[0] for row in self.rows(page, "places")], ["read_block"])
        self.assertEqual(len(self.rows(page, "leaks")[0]), 1)  # none, said in one cell
        page.click("#reset")
        self.assertEqual(len(self.rows(page, "leaks")), 2)

    def test_leaks(self):
        page = self.open(Small().profile)
        self.assertEqual([row[:5] for row in self.rows(page, "leaks")],
                         [["parse_header parse.c:20", "still there direct", "900.0 KiB", "–", "9"],
                          ["node_new parse.c:30", "still there indirect", "100.0 KiB", "100.0 KiB", "90"]])
        self.assertEqual(self.rows(page, "leaks")[0][5:], ["29.0 s", "28.0 s"])
        page.click("#leaks button", "Collected")
        self.assertEqual([row[0] for row in self.rows(page, "leaks")], ["read_block read.c:40"])
        page.click("#leaks button", "All")
        self.assertEqual(len(self.rows(page, "leaks")), 3)
        page.click("#leaks td button", "parse_header")
        self.assertEqual(page.text("#leaks .suppression"), "leak:parse_header")
        self.assertIn("0x7f00dead0010", page.text("#leaks tr.inner"))
        page.click("#leaks tr.inner button", "Copy")
        self.assertEqual(page.text("#said"), "Copied")
        self.picture(page, "leaks")
        page.click("#leaks tr.inner button", "Show in the flame graph")
        self.assertEqual(page.run("document.querySelector('#metric').value"), "leaked")
        page.click("#leaks th button", "Objects")
        self.assertEqual([row[4] for row in self.rows(page, "leaks")], ["90", "9", "5"])
        page.click("#leaks th button", "Objects")
        self.assertEqual([row[4] for row in self.rows(page, "leaks")], ["5", "9", "90"])
        self.assertEqual(page.run("document.querySelectorAll('#leaks th')[4].getAttribute('aria-sort')"), "ascending")

    def test_from_the_summary_to_the_leak(self):
        page = self.open(Small().profile)
        page.click(".verdict button", "parse_header")
        self.assertIn("leak:parse_header", page.text("#leaks tr.inner"))
        page.click(".tops button", "cache_put")
        self.assertIn("src/cache.c:10", page.text("#places tr.inner"))

    def test_why_alive(self):
        page = self.open(Small().profile)
        rows = {row[0].split()[0]: row[1:] for row in self.rows(page, "alive")}
        self.assertEqual(rows["cache_put"], ["1.3 KiB", "1000 B", "1", "1.3 KiB", "–"])
        self.assertEqual(rows["node_new"], ["300 B", "300 B", "3", "300 B", "–"])
        self.assertEqual(rows["read_block"][4], "4.9 KiB")
        page.click("#alive td button", "node_new")
        path = page.texts("#alive .path li")
        self.assertIn("static data at 0x404080", path[0])
        self.assertIn("cache_put", path[1])
        self.assertIn("+16: node_new", path[2])
        page.click("#alive td button", "read_block")
        self.assertIn("stack of thread 100", page.text("#alive .path li"))
        self.assertIn("points 13 bytes into it", page.text("#alive"))
        page.click("#alive summary")
        self.assertIn("node_new", page.text("#alive details"))

    def test_places(self):
        page = self.open(Small().profile)
        page.choose("#grouping", "file")
        rows = {row[0]: row for row in self.rows(page, "places")}
        self.assertEqual(rows["src/parse.c"][1], "1000.0 KiB")
        self.assertEqual(rows["src/parse.c"][6], "1000.0 KiB")
        page.click("#inclusive")
        self.assertEqual({row[0]: row[1] for row in self.rows(page, "places")}["src/parse.c"], "1000.0 KiB")

    def test_with_what_is_called_counts_once(self):
        """Of a recursive function each stack counts once: nobody has more than all."""
        page = self.open(make_profile.realistic(stacks=60, objects=0)[0])
        everything = page.run("document.querySelector('.frame').getAttribute('aria-label')").split(", ")[1]
        page.choose("#grouping", "function")
        page.click("#inclusive")
        self.assertEqual(self.rows(page, "places")[0][1], everything)

    def test_help(self):
        page = self.open(Small().profile)
        page.click("#open-help")
        self.assertTrue(page.run("document.querySelector('#help').open"))
        self.assertIn("Why resident and heap differ", page.text("#help"))
        page.key("Escape")
        self.assertFalse(page.run("document.querySelector('#help').open"))

    def test_comparing(self):
        page = self.open(Small().profile, Small(cache=10 * MIB).profile)
        self.assertEqual(self.rows(page, "compare"),
                         [["cache_put cache.c:10", "more", "10.0 MiB", "30.0 MiB", "+20.0 MiB", "+200 %"]])
        self.assertIn("Alive: 11.0 MiB before, 31.0 MiB now, +20.0 MiB", page.text("#compare-sum"))
        page.click("#compare button", "Gone")
        self.assertIn("Nothing differs here.", page.text("#compare"))
        page.choose("#compare-metric", "leaked")
        self.assertIn("1000.0 KiB before, 1000.0 KiB now", page.text("#compare-sum"))
        self.assertEqual(page.count(".frame.more"), 2)  # all, and cache_put
        page.click("#compared")
        self.assertEqual(page.count(".frame.more"), 0)
        self.picture(page, "compare")


class Hard(BrowserTest):
    def test_hostile_names(self):
        page = self.open(hostile_profile())
        self.assertNotIn("taken", page.run("document.title").split("–")[1])
        self.assertEqual(page.count("img"), 0)
        self.assertEqual(page.count("script"), 3)
        names = " ".join(row[0] for row in self.rows(page, "places"))
        self.assertIn(HOSTILE[1], names)
        self.assertIn("\\u202Eexe.c", names)
        for _ in range(3):
            page.click("#leaks td button", "script")
            page.click("#places td button", "long_")
        page.click(".frame", "long_")
        self.assertEqual(page.run("document.documentElement.scrollWidth"), 1280)
        self.picture(page, "hostile")

    def test_narrow_wide_dark(self):
        profile = make_profile.realistic(stacks=60)[0]
        for width in (400, 1280, 2200):
            for dark in (False, True):
                page = self.open(profile, width=width, height=900, dark=dark, touch=width < 500)
                self.assertEqual(page.run("document.documentElement.scrollWidth"), width)
                colour = page.run("getComputedStyle(document.body).backgroundColor")
                self.assertEqual(int(re.search(r"\d+", colour).group(0)) < 128, dark)
                self.picture(page, f"{width}{'_dark' if dark else ''}")

    def test_every_control_has_a_name(self):
        page = self.open(make_profile.realistic(stacks=60)[0], make_profile.realistic(stacks=60, seed=2)[0])
        nameless = page.run("""Array.from(
            document.querySelectorAll('button, select, input, a, [role=tree], [role=region], [tabindex="0"]'))
            .filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels && e.labels.length || e.title))
            .map(e => e.outerHTML)""")
        self.assertEqual(nameless, [])
        ids = page.run("Array.from(document.querySelectorAll('[id]'), e => e.id)")
        self.assertEqual(len(ids), len(set(ids)))

    def test_very_many_stacks(self):
        page = self.open(make_profile.realistic(stacks=MANY_STACKS, moments=4, objects=1000)[0])
        opened = page.run("performance.getEntriesByName('ready')[0].startTime") / 1000
        self.assertLess(opened, MANY_SECONDS)
        self.assertGreater(page.count(".frame"), 50)
        self.assertLess(page.count("*"), 20000)
        begun = page.run("performance.now()")
        page.choose("#thread", "1")
        self.assertLess(page.run("performance.now()") - begun, MANY_SECONDS * 1000)
        self.assertNotEqual(page.text("#what"), "")


if __name__ == "__main__":
    if not devtools.find():
        print("no chromium here: install the package chromium to test the page in a browser")
        sys.exit(77)
    unittest.main()
