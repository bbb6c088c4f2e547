#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What every source file has to look like: licence line, length, short functions, no system macros in src/, no leftovers.
And src/README.md names what is there."""
import ast
import os
import re
import statistics

import source_tree

FILE_LINES = 600
FUNCTION_LINES = 60
MEDIAN_LINES = 10  # of all functions of src/ and platform/
COLUMNS = 130  # comments included; clang-format holds code to 120
TOP_LEVEL = {"CMakeLists.txt", "include", "src", "platform", "tests", "bench", "README.md", "LICENSE", "CMakePresets.json"}
MAP = "src/README.md"
MAPPED_ENDINGS = (".c", ".h", ".S", ".def", ".js", ".cmake", ".sh", ".py")
INPUTS = "tests/integration/inputs/"  # made to be fed to programs, not to be read

# Systems and processors; names of compilers and of sanitizers may appear, in base/attributes.h.
SYSTEM_MACRO = re.compile(
    r"\b_*(linux|gnu_linux|unix|APPLE|MACH|WIN32|WIN64|MSC_VER|FreeBSD|OpenBSD|NetBSD|sun|ANDROID|GLIBC|UCLIBC|MUSL|"
    r"x86_64|amd64|i386|aarch64|ARM\w*|arm|riscv|powerpc\w*|s390x?|mips\w*|SSE\d?\w*|AVX\w*|BMI\d?|POPCNT)_*\b")
OWN_FILE = re.compile(r"(?<![\w/])(?:base|platform|heap|world|mark|collect|alloc|profile|api|cli)/[\w/]+\.(?:[chS]|def)\b")
LEFTOVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX|HA" r"CK|st" r"ub)\b")


def check_head(path, text):
    head = text.split("\n")[:2]
    return [] if any("SPDX-License-Identifier: MIT" in line for line in head) else [f"{path}:1: no SPDX line"]


def check_lines(path, text):
    lines = text.split("\n")
    found = [f"{path}: {len(lines) - 1} lines, more than {FILE_LINES}"] if len(lines) - 1 > FILE_LINES else []
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS:
            found.append(f"{path}:{number}: {len(line)} columns, more than {COLUMNS}")
        if LEFTOVER.search(line):
            found.append(f"{path}:{number}: left over: {LEFTOVER.search(line).group(0)}")
    return found


def functions(path, text):
    if path.endswith((".c", ".h", ".cpp")):
        return source_tree.functions(text)
    if path.endswith(".py"):
        nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
        return [(node.name, node.lineno, node.end_lineno) for node in nodes]
    return []


def check_functions(path, text):
    return [f"{path}:{first}: {name}: {last - first + 1} lines, more than {FUNCTION_LINES}"
            for name, first, last in functions(path, text) if last - first + 1 > FUNCTION_LINES]


def check_lengths(top, paths):
    """The median is short, and the map's table of sizes says what is."""
    lengths = sorted(last - first + 1 for path in paths if path.startswith(("src/", "platform/"))
                     for _, first, last in functions(path, source_tree.read(top, path)))
    if not lengths:
        return []
    median = statistics.median(lengths)
    found = [f"src, platform: the median function has {median} lines, more than {MEDIAN_LINES}"] \
        if median > MEDIAN_LINES else []
    row = re.search(r"^\| gcalloc \|.*$", source_tree.read(top, MAP), re.M) if os.path.isfile(os.path.join(top, MAP)) else None
    true = f"| gcalloc | {median:g} | {lengths[len(lengths) * 9 // 10]} | {lengths[-1]} |"
    return found + ([f"{MAP}: {row.group(0)}: it is {true}"] if row and row.group(0) != true else [])


def check_system_macros(path, text):
    """Preprocessor conditions of src/ and include/; platform/ is where they belong."""
    text = source_tree.without_comments(text)
    found = []
    for match in re.finditer(r"^[ \t]*#[ \t]*(?:if|ifdef|ifndef|elif)\b(?:\\\n|[^\n])*", text, flags=re.M):
        if SYSTEM_MACRO.search(match.group(0)):
            found.append(f"{path}:{source_tree.line_of(text, match.start())}: a system or processor is named: "
                         f"{match.group(0).strip()}")
    return found


def check_atomics(path, text):
    """The parts of libatomic_ops under another licence are not used, not even by tests."""
    return [f"{path}: {name}: not under the MIT licence"
            for name in ("atomic_ops_" + "stack", "atomic_ops_" + "malloc", "AO_stack_" + "push", "AO_" + "malloc")
            if name in text and not path.startswith("tests/rules/")]


def check_top_level(top):
    extra = [name for name in sorted(os.listdir(top))
             if name not in TOP_LEVEL and not name.startswith((".", "build"))]
    return [f"{name}: not in the list of top-level names" for name in extra]


def check_references(top, path, text):
    """Files of the source that comments of it name are there."""
    return [f"{path}:{source_tree.line_of(text, match.start())}: {match.group(0)}: no such file"
            for match in OWN_FILE.finditer(text)
            if not any(os.path.isfile(os.path.join(top, folder, match.group(0))) for folder in ("src", "."))]


def check_map(top):
    """Files that src/README.md names, and what it names in them, are there: `heap/block.h` or `heap/block.c: block_expect`."""
    if not os.path.isfile(os.path.join(top, MAP)):
        return []
    text, found = source_tree.read(top, MAP), []
    paths = source_tree.files(top, ["src", "platform", "include", "bench", "tests"], MAPPED_ENDINGS)
    for match in re.finditer(r"`((?:\.\./)?[\w/]+\.[a-z]+)(?::\s+([a-z_]\w+)[^`]*)?`", text):
        name, inside = match.group(1).removeprefix("../"), match.group(2)
        meant = [path for path in paths if ("/" + path).endswith("/" + name)]
        place = f"{MAP}:{source_tree.line_of(text, match.start())}"
        if name.endswith(MAPPED_ENDINGS) and not meant:
            found.append(f"{place}: {name}: no such file")
        elif inside and meant and not any(re.search(rf"\b{inside}\b", source_tree.read(top, path)) for path in meant):
            found.append(f"{place}: {name}: has no {inside}")
    return found


def check(arguments):
    top = arguments.top
    paths = [path for path in source_tree.files(top) if not path.startswith(INPUTS)]
    found = check_top_level(top) + check_lengths(top, paths) + check_map(top)
    for path in paths:
        text = source_tree.read(top, path)
        found += check_head(path, text) + check_lines(path, text) + check_functions(path, text) + check_atomics(path, text)
        if path.startswith(("src/", "include/", "platform/")) and path.endswith(source_tree.C_ENDINGS):
            found += check_references(top, path, text)
        if path.startswith(("src/", "include/")) and path.endswith(source_tree.C_ENDINGS):
            found += check_system_macros(path, text)
    return found


if __name__ == "__main__":
    source_tree.run(__doc__, check)
