#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The manual pages: every option, variable, function, macro, member and event is there, and the text is well-formed."""
import os
import re
import shutil
import subprocess
import unittest

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PAGES = {section: os.path.join(TOP, "src", "cli", "man", f"gcalloc.{section}") for section in "137"}
PAGES["export"] = os.path.join(TOP, "src", "cli", "man", "gcalloc-export.1")


def read(path):
    with open(path) as file:
        return file.read()


def shown_size(value):
    number, unit = int(value), 0
    while number and number % 1024 == 0:
        number, unit = number // 1024, unit + 1
    return f"{number}{' KMGT'[unit].strip()}"


def option_rows():
    """(kind, name, the row's other words up to the help text) of options.def."""
    text = re.sub(r"/\*.*?\*/", "", read(os.path.join(TOP, "src/base/options.def")), flags=re.S)
    rows = re.findall(r'^OPTION_(\w+)\((\w+), (.*), "', text, flags=re.M)
    return [(kind, name, [word.strip() for word in rest.split(",")]) for kind, name, rest in rows]


def item(page, variable):
    """The page's entry on one variable."""
    found = re.search(rf"^\.It Ev {variable}\b(.*?)^\.(?:It|El)", page, flags=re.M | re.S)
    return found.group(1) if found else ""


def wanted_words(kind, words):
    """The default, then what else the entry has to name."""
    if kind == "CHOICE":
        choices = words[2].strip('"').split("|")
        return [choices[int(words[0])], *choices]
    if kind == "TEXT":
        return ["none"]
    if kind == "FLAG":
        return [words[0], "0", "1"]
    if kind == "NUMBER":
        return words[:3]
    return [shown_size(value) for value in words[:2]]


class Options(unittest.TestCase):
    def test_every_row_is_described_with_its_default_and_bounds(self):
        page = read(PAGES["7"])
        rows = option_rows()
        self.assertGreaterEqual(len(rows), 10)
        for kind, name, words in rows:
            with self.subTest(name):
                entry = item(page, "GCALLOC_" + name.upper())
                self.assertTrue(entry, "no entry")
                head, body = entry.split("\n", 1)
                self.assertTrue(body.strip(), "no text")
                default, *bounds = wanted_words(kind, words)
                self.assertRegex(head, rf"default (Cm )?{default}\b")
                for bound in bounds:
                    self.assertRegex(head, rf"(Cm|\|) {bound}\b")
                self.assertEqual("No live" in head, "LIVE" in words, head)

    def test_no_entry_without_a_row(self):
        names = {"GCALLOC_" + name.upper() for _, name, _ in option_rows()}
        self.assertEqual(set(re.findall(r"^\.It Ev (GCALLOC_\w+)", read(PAGES["7"]), flags=re.M)), names)

    def test_variables_that_other_pages_name_are_described(self):
        names = {"GCALLOC_" + name.upper() for _, name, _ in option_rows()}
        named = {name for path in PAGES.values() for name in re.findall(r"\bGCALLOC_[A-Z]\w*", read(path))}
        self.assertLessEqual(named, names)

    def test_what_may_be_set_at_run_time(self):
        section = read(PAGES["3"]).split(".Ss Options\n")[1].split("\n.Ss")[0]
        live = {name for _, name, words in option_rows() if "LIVE" in words}
        self.assertEqual(set(re.findall(r"^\.Li (\w+)", section, flags=re.M)), live)


class Command(unittest.TestCase):
    """Options of the subcommands: those that their help shows, and those of the pages."""

    def shown(self, *words):
        done = subprocess.run([os.environ["CLI_TEST_COMMAND"], *words], capture_output=True, text=True, check=True)
        return done.stdout

    def options_of(self, name):
        return set(re.findall(r"^ +(?:-\w, )?--([\w-]+)", self.shown("help", name), flags=re.M)) - {"help"}

    def subcommands(self):
        names = re.findall(r"^  (\w+) ", self.shown("--help"), flags=re.M)
        self.assertGreaterEqual(len(names), 12)
        return [name for name in names if name != "help"]

    def test_every_option_is_described(self):
        for name in self.subcommands():
            page = read(PAGES["export" if name in ("export", "flamegraph") else "1"])
            described = set(re.findall(r"\bFl -([a-z][\w-]*)", page.split(".Sh DESCRIPTION", 1)[1]))
            with self.subTest(name):
                self.assertLessEqual(self.options_of(name), described)

    def test_no_option_is_described_that_is_not_there(self):
        known = {option for name in self.subcommands() for option in self.options_of(name)} | {"help", "version"}
        for page in ("1", "export"):
            self.assertLessEqual(set(re.findall(r"\bFl -([a-z][\w-]*)", read(PAGES[page]))), known)


class Functions(unittest.TestCase):
    def setUp(self):
        self.page = read(PAGES["3"])
        headers = [read(os.path.join(TOP, "include", name)) for name in ("gcalloc.h", "gcalloc/rc.h", "gcalloc/profile.h")]
        self.header = re.sub(r"/\*.*?\*/", "", "".join(headers), flags=re.S)
        self.functions = [(name, parameters) for name, parameters
                          in re.findall(r"^GCA_API .*?(\w+)\((.*?)\)", self.header, flags=re.M)
                          if not name.endswith("_")]  # for the header's own inline functions

    def assert_described(self, name, macro):
        synopsis, description = self.page.split(".Sh DESCRIPTION", 1)
        self.assertRegex(synopsis, rf"(?m)^\.{macro} {name}\b", "synopsis")
        self.assertRegex(description, rf"\b{name}\b", "description")

    def test_functions(self):
        names = [name for name, _ in self.functions]
        self.assertGreaterEqual(len(names), 28)
        for name in names:
            with self.subTest(name):
                self.assert_described(name, "Fn")
        known = set(names) | set(re.findall(r"#define (GCA_NEW\w*)", self.header))
        synopsis = self.page.split(".Sh DESCRIPTION", 1)[0]
        self.assertEqual(set(re.findall(r"^\.Fn (\w+)", synopsis, flags=re.M)), known)

    def test_macros(self):
        for name in re.findall(r"#define (GCA_NEW\w*)\(", self.header):
            with self.subTest(name):
                self.assert_described(name, "Fn")
        for name in re.findall(r"#define (GCA_VERSION_\w+)", self.header):
            self.assertIn(name, self.page)

    def test_parameters(self):
        """Names and order of the parameters are those of the header."""
        for name, parameters in self.functions:
            with self.subTest(name):
                shown = re.search(rf"^\.Fn {name} (.*)$", self.page, flags=re.M).group(1)
                self.assertEqual([p for p in re.findall(r'"([^"]*)"|(\S+)', shown) for p in p if p],
                                 [p.strip() for p in parameters.split(",")])

    def test_members_and_events(self):
        members = re.findall(r"^    uint64_t (\w+);", self.header, flags=re.M)
        events = re.findall(r"\b(GCA_EVENT_\w+)", self.header)
        for name in [name for name in members if not name.endswith("_")] + events:
            with self.subTest(name):
                self.assertRegex(self.page, rf"\b{name}\b")


class Form(unittest.TestCase):
    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_lint(self):
        for path in PAGES.values():
            done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_example_compiles(self):
        example = re.search(r"^\.Bd -literal.*?\n(.*?)^\.Ed", read(PAGES["3"]), flags=re.M | re.S).group(1)
        compiler = [os.environ.get("CC", "cc"), "-std=c99", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]
        done = subprocess.run([*compiler, "-I", os.path.join(TOP, "include"), "-x", "c", "-"], input=example,
                              capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
