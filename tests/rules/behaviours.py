#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The table of behaviours in tests/README.md: none is left out, and each test that it names is one that ctest runs.

In the column "shown by", what stands in backquotes is the name of a test or of a program of conformance/ (rowNN_NAME) or
programs/ (gca_NAME), of a test within a unit suite, or a path below tests/ (with `*` for several). A behaviour that is not
shown says why behind a dash."""
import glob
import json
import os
import re
import subprocess

import source_tree

BEHAVIOURS = 68  # at least; the numbers that conformance/ has in its names
NO_TEST = re.compile(r"GCALLOC_\w+|torture|_long")  # backquoted and no test: options, presets, ends of names


def table(text):
    """[(number, shown by)]"""
    text = text.split("## Behaviours and what shows them", 1)[-1]
    return [(int(number), shown) for number, shown in re.findall(r"^\| (\d+) \|[^|]*\|([^|]*)\|$", text, flags=re.M)]


def unit_tests(top):
    found = set()
    for path in source_tree.files(top, roots=("tests/unit",), endings=(".c",)):
        found |= set(re.findall(r"^START_TEST\((\w+)\)", source_tree.read(top, path), flags=re.M))
    return found


class Tests:
    def __init__(self, top, listing):
        self.top, self.unit = top, unit_tests(top)
        self.commands = {test["name"]: " ".join(test.get("command", [])) for test in listing["tests"]}

    def has_path(self, pattern):
        """Whether the files are there, and each is the source or the script of some test."""
        found = glob.glob(os.path.join(self.top, "tests", pattern))
        if pattern.endswith("/"):
            found = glob.glob(os.path.join(self.top, "tests", pattern, "*.c"))
        return bool(found) and all(self.is_run(os.path.basename(path)) for path in found)

    def is_run(self, name):
        stem = os.path.splitext(name)[0]
        return any(re.search(rf"(^|[/._]){re.escape(stem)}(_|\.|$)", test) or name in command or
                   re.search(rf"[/_]{re.escape(stem)}(_|\s|$)", command) for test, command in self.commands.items())

    def has(self, name):
        if "/" in name:
            return self.has_path(name)
        whole = {name, f"conformance.{name}.gcalloc", f"programs.{name}", f"programs.{name}_with_gcalloc", f"unit.{name}"}
        return bool(whole & self.commands.keys()) or name in self.unit


def violations(top, listing):
    path = "tests/README.md"
    rows, tests = table(source_tree.read(top, path)), Tests(top, listing)
    wanted = list(range(1, max([BEHAVIOURS, *(number for number, _ in rows)]) + 1))
    found = [] if [number for number, _ in rows] == wanted else [f"{path}: the behaviours are not numbered from 1 on"]
    for number, shown in rows:
        names = [name for name in re.findall(r"`([^`]+)`", shown) if not NO_TEST.fullmatch(name)]
        if not names and not re.match(r"\s*-[, ]", shown):
            found.append(f"{path}: {number}: no test, and no reason")
        found += [f"{path}: {number}: {name} is no test" for name in names if not tests.has(name)]
    return found


def listing_of(arguments):
    if arguments.listing:
        with open(arguments.listing, encoding="utf-8") as file:
            return json.load(file)
    words = ["ctest", "--test-dir", arguments.build, "--show-only=json-v1"]
    return json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def check(arguments):
    return violations(arguments.top, listing_of(arguments))


if __name__ == "__main__":
    source_tree.run(__doc__, check, ("--build", {"help": "the build folder"}),
                    ("--listing", {"help": "what `ctest --show-only=json-v1` says, in place of a build folder"}))
