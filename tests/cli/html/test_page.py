#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""report --html as a file: one that needs no other, what its policy allows, names that are no markup, and what goes wrong."""
import base64
import gzip
import hashlib
import html.parser
import json
import os
import re
import stat
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), ".."))
import make_profile  # noqa: E402
from support import CommandTest  # noqa: E402

PAGE_BYTES = 150_000  # without the data
HOSTILE = ("</script><script>document.title='taken'</script>", "<img src=x onerror=alert(1)>", "\"'`&amp;<!--", "\u202eexe.c",
           "a\x01b\x7f\tc\nd", b"\xff\xfe\xc0\xaf\xed\xa0\x80", "long_" * 2000, "=SUM(A1)", "@TITLE@", "")


def hostile_profile():
    """A profile whose every name is one of HOSTILE, with a stack and a leak for each."""
    profile = make_profile.Profile(executable=HOSTILE[0], words=HOSTILE, level=make_profile.SAMPLE, rate=524288)
    thread = profile.thread(HOSTILE[1])
    profile.mapping(HOSTILE[2], 0x1000, 0x2000)
    rows = []
    for i, name in enumerate(HOSTILE):
        stack = profile.stack([0x1100 + 16 * i], (HOSTILE[(i + 1) % len(HOSTILE)], i + 1, name))
        rows.append({"stack": stack, "thread": thread, "samples": 4, "allocated_objects": 10 + i, "allocated_bytes": 1000 + i,
                     "live_objects": 10 + i, "live_bytes": 1000 + i})
        profile.leak(stack, make_profile.DIRECT, 1, 100 + i, time=make_profile.SECOND)
    profile.moment(make_profile.SECOND, make_profile.EXIT, rows, 524288)
    profile.end(make_profile.SECOND, 5000, 1)
    return profile


class Elements(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.scripts, self.styles, self.policy, self.outside, self.kind = [], [], "", [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]
        self.outside += [value for name, value in attributes.items() if name in ("src", "srcset", "data", "action")]
        self.outside += [attributes["href"]] if not attributes.get("href", "#").startswith("#") else []
        self.outside += [name for name in attributes if name.startswith("on") or name == "style"]
        self.kind = (tag, attributes.get("type")) if tag in ("script", "style") else None

    def handle_data(self, text):
        if self.kind == ("script", None):
            self.scripts.append(text)
        elif self.kind == ("style", None):
            self.styles.append(text)
        self.kind = None


def unpack(text, element="data"):
    """The JSON of the page's data."""
    packed = re.search(rf'id="{element}">([^<]*)<', text).group(1)
    unpacked = gzip.decompress(base64.b64decode(packed))
    length = int(unpacked[-16:])
    return json.loads(unpacked[-16 - length:-16]), unpacked


def column(value, unpacked):
    """The numbers of a column."""
    at, count = value["@"]
    numbers = []
    for _ in range(count):
        number = shift = 0
        while True:
            byte = unpacked[at]
            at += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        numbers.append(number)
    return numbers


class Page(CommandTest):
    def page(self, profile, *more, name="one.gcprof"):
        path = profile.write(os.path.join(self.scratch, name))
        done = self.gcalloc("report", path, "--html", "--force", "--no-symbols", *more)
        self.assert_runs(done, name + ".html\n")
        with open(os.path.join(self.scratch, name + ".html"), encoding="utf-8") as file:
            return file.read()

    def test_one_file_with_its_own_policy(self):
        text = self.page(make_profile.realistic(stacks=5, objects=0, moments=2)[0])
        elements = Elements(text)
        self.assertEqual(elements.outside, [])
        self.assertEqual((len(elements.scripts), len(elements.styles)), (1, 1))
        for kind, content in (("script-src", elements.scripts[0]), ("style-src", elements.styles[0])):
            digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
            self.assertIn(f"{kind} 'sha256-{digest}'", elements.policy)
        self.assertIn("default-src 'none'", elements.policy)
        self.assertNotRegex(elements.scripts[0], r"\b(eval|innerHTML|insertAdjacentHTML|fetch|XMLHttpRequest|import)\b")
        self.assertLess(len(text.encode()) - len(re.search(r'id="data">([^<]*)<', text).group(1)), PAGE_BYTES)

    def test_the_same_profile_gives_the_same_page(self):
        profile, _ = make_profile.realistic(stacks=20)
        self.assertEqual(self.page(profile), self.page(profile))

    def test_figures_agree_with_the_profile(self):
        profile, facts = make_profile.realistic(stacks=40, threads=3, moments=5, seed=5)
        data, unpacked = unpack(self.page(profile))
        rows = {name: column(value, unpacked) for name, value in data["rows"].items() if "@" in value}
        for ours, theirs in (("allocated", "allocated_bytes"), ("allocations", "allocated_objects"), ("live", "live_bytes"),
                             ("objects", "live_objects"), ("reclaimed", "reclaimed_bytes"), ("temporary", "temporary_objects")):
            self.assertEqual(sum(rows[ours]), facts[theirs], ours)
        leaks = {name: column(value, unpacked) for name, value in data["leaks"].items()}
        self.assertEqual(sum(leaks["bytes"]), sum(leak[3] for leak in facts["leaks"]))
        for name in ("lifetimes", "ages"):
            bins = {part: column(value, unpacked) for part, value in data["rows"][name].items()}
            self.assertEqual(sum(bins["value"]), sum(sum(row[name]) for row in facts["rows"]))
            self.assertEqual(sum(bins["count"]), len(bins["bin"]))

    def test_moments_are_changes_that_add_up(self):
        profile, facts = make_profile.realistic(stacks=40, moments=6, seed=6)
        data, unpacked = unpack(self.page(profile))
        self.assertEqual(len(data["moments"]), 7)
        live, steps = {}, []
        for moment in data["moments"]:
            row = 0
            for step, value in zip(column(moment["row"], unpacked), column(moment["state"]["live"], unpacked)):
                row += step
                live[row] = value
            steps.append(sum(live.values()))
        self.assertEqual(steps[-1], facts["live_bytes"])
        self.assertEqual(sum(column(data["peak"][0]["state"]["live"], unpacked)), facts["peak_bytes"])

    def test_moments_without_all_their_rows(self):
        """They have no place in the course, unless nothing else is known."""
        profile = make_profile.Profile()
        rows = [{"stack": profile.stack([0x401005 + i]), "live_bytes": 9, "live_objects": 1} for i in range(2)]
        for time, written, expected in ((1, 0, []), (2, 1, [2]), (3, None, [3]), (4, 1, [3]), (5, 2, [3, 5]), (6, 1, [3, 5])):
            profile.moment(time, make_profile.TIMER, rows, written=written)
            path = profile.write(os.path.join(self.scratch, "torn.gcprof"))
            done = self.gcalloc("report", path, "--html", "--output=-", "--no-symbols")
            self.assertEqual(done.returncode, 0)
            self.assertEqual([moment["t"] for moment in unpack(done.stdout)[0]["moments"]], expected)

    def test_names_are_no_markup(self):
        text = self.page(hostile_profile())
        elements = Elements(text)
        self.assertEqual((len(elements.scripts), elements.outside), (1, []))
        self.assertNotIn("\u202e", text)
        texts = unpack(text)[0]["texts"]
        self.assertIn(HOSTILE[0], texts)
        self.assertIn("\\u202Eexe.c", texts)
        self.assertIn("a\\u0001b\\u007F\\u0009c\\u000Ad", texts)
        self.assertTrue(any(set(name) == {"\ufffd"} for name in texts))
        self.assertIn("long_" * 2000, texts)

    def test_a_profile_of_nothing(self):
        empty = make_profile.Profile()
        empty.end(0)
        data, _ = unpack(self.page(empty))
        self.assertEqual((data["moments"], data["peak"], data["complete"]), ([], [], 1))

    def test_comparing(self):
        base = make_profile.realistic(stacks=10, seed=2)[0].write(os.path.join(self.scratch, "base.gcprof"))
        text = self.page(make_profile.realistic(stacks=10, seed=3)[0], "--compare", base)
        self.assertTrue(unpack(text, "base")[0]["path"].endswith("base.gcprof"))
        self.assertNotEqual(unpack(text)[0]["peakBytes"], unpack(text, "base")[0]["peakBytes"])


class Files(CommandTest):
    def setUp(self):
        super().setUp()
        profile = make_profile.Profile(executable="/")  # which has no symbols that could be looked for
        profile.moment(5, make_profile.EXIT, [{"stack": profile.stack([], ("a.c", 1, "f")), "live_bytes": 9, "live_objects": 1}])
        profile.end(5, 9, 5)
        self.profile = profile.write(os.path.join(self.scratch, "one.gcprof"))

    def test_where_it_goes(self):
        self.assert_runs(self.gcalloc("report", "one.gcprof", "--html", "-o", "page.html"), "page.html\n")
        path = os.path.join(self.scratch, "page.html")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o666 & ~self.umask())
        self.assert_fails(self.gcalloc("report", "one.gcprof", "--html", "-o", "page.html"), 125,
                          "gcalloc: page.html: cannot be written: it exists; -f replaces it")
        self.assert_runs(self.gcalloc("report", "one.gcprof", "--html", "-f", "-o", "page.html"), "page.html\n")
        with open(path) as file:
            self.assertEqual(self.gcalloc("report", "one.gcprof", "--html", "-o", "-").stdout, file.read())
        self.assertEqual(sorted(os.listdir(self.scratch)), ["one.gcprof", "page.html"])

    def umask(self):
        mask = os.umask(0)
        os.umask(mask)
        return mask

    def test_a_full_disk(self):
        self.assert_fails(self.gcalloc("report", "one.gcprof", "--html", "-o", "/dev/full"), 125,
                          "gcalloc: /dev/full: cannot be written: No space left on device")
        shell = ["sh", "-c", 'ulimit -f 8; trap "" XFSZ; exec "$@"', "sh"]  # blocks of 512 bytes: far too few
        old = self.write("page.html", "the old page", mode=0o644)
        done = self.gcalloc("report", "one.gcprof", "--html", "-f", "-o", "page.html", before=shell)
        self.assert_fails(done, 125, "gcalloc: page.html: cannot be written: File too large")
        self.assertEqual(sorted(os.listdir(self.scratch)), ["one.gcprof", "page.html"])
        with open(old) as file:
            self.assertEqual(file.read(), "the old page")

    def test_never_onto_the_profile(self):
        before = os.stat(self.profile)
        os.link(self.profile, os.path.join(self.scratch, "other"))
        for name in ("one.gcprof", "other"):
            self.assert_fails(self.gcalloc("report", "one.gcprof", "--html", "-f", "-o", name), 125,
                              f"gcalloc: {name}: is the profile itself, which the page would overwrite")
        self.assertEqual(os.stat(self.profile).st_size, before.st_size)

    def test_wrong_usage(self):
        self.assert_fails(self.gcalloc("report", "one.gcprof", "-o", "x"), 125, "gcalloc: --output: only goes with --html")
        self.assert_fails(self.gcalloc("report", "one.gcprof", "--compare", "x"), 125,
                          "gcalloc: --compare: only goes with --html")
        self.assert_fails(self.gcalloc("report", "one.gcprof", "-f"), 125, "gcalloc: --force: only goes with --html")
        self.assert_fails(self.gcalloc("report", "one.gcprof", "--html", "--json"), 125,
                          "gcalloc: --html: does not go with --json")
        self.assert_fails(self.gcalloc("report", "one.gcprof", "--html", "-o", "none/x"), 125,
                          "gcalloc: none/x: cannot be written: No such file or directory")
        done = self.gcalloc("report", "one.gcprof", "--html", "--compare", "none.gcprof")
        self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (125, "", 1))
        self.assertIn("none.gcprof", done.stderr)


if __name__ == "__main__":
    unittest.main()
