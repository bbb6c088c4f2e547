#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The README's table of options is options.def; the build has at most eight options of its own."""
import os
import re

import source_tree

BUILD_OPTIONS = 8
UNITS = " KMGT"


def shown_size(number):
    unit = 0
    while number and number % 1024 == 0 and unit < len(UNITS) - 1:
        number, unit = number // 1024, unit + 1
    return f"{number}{UNITS[unit].strip()}"


def default_of(kind, words):
    """As a reader would write the default of a row of options.def; '' for none."""
    if kind == "TEXT":
        return ""
    if kind == "CHOICE":
        return words[2].strip('"').split("|")[int(words[0])]
    return shown_size(int(words[0])) if kind == "BYTES" else words[0]


def table_rows(text):
    """{variable: (default, is live)} of options.def."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    rows = {}
    for kind, name, rest in re.findall(r'^OPTION_(\w+)\((\w+), (.*), "', text, flags=re.M):
        words = [word.strip() for word in rest.split(",")]
        rows["GCALLOC_" + name.upper()] = (default_of(kind, words), "LIVE" in words)
    return rows


def readme_rows(text):
    rows = {}
    for name, default, meaning in re.findall(r"^\| `(GCALLOC_\w+)` \|([^|\n]*)\|([^\n]*)\|$", text, flags=re.M):
        rows[name] = (default.strip().strip("`"), "*live*" in meaning)
    return rows


def check_readme(top):
    table = table_rows(source_tree.read(top, "src/base/options.def"))
    shown = readme_rows(source_tree.read(top, "README.md"))
    found = [] if table else ["src/base/options.def: no rows found"]
    found += [f"README.md: {name} is not in the table" for name in table if name not in shown]
    found += [f"README.md: {name} is no option" for name in shown if name not in table]
    for name in sorted(table.keys() & shown.keys()):
        if table[name] != shown[name]:
            found.append(f"README.md: {name}: (default, live) {shown[name]}, but {table[name]} in options.def")
    return found


def check_build(top):
    paths = ["CMakeLists.txt"] + source_tree.files(top, endings=("CMakeLists.txt", ".cmake"))
    text = re.sub(r"#.*", "", "".join(source_tree.read(top, path) for path in paths))
    names = re.findall(r"^\s*option\(\s*(\w+)", text, flags=re.M)
    names += re.findall(r"^\s*set\(\s*(\w+)[^()]*\bCACHE\b", text, flags=re.M)
    own = sorted(set(names) - {"CMAKE_BUILD_TYPE"})
    found = [f"build option {name}: not GCALLOC_..." for name in own if not name.startswith("GCALLOC_")]
    if len(own) > BUILD_OPTIONS:
        found.append(f"{len(own)} build options, more than {BUILD_OPTIONS}: {' '.join(own)}")
    if not own:
        found.append("no build options found")
    return found


def check(arguments):
    return check_readme(os.path.realpath(arguments.top)) + check_build(arguments.top)


if __name__ == "__main__":
    source_tree.run(__doc__, check)
