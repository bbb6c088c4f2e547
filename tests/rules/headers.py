#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every public header compiles alone, and twice, without a warning: C99, C11, C17, C2x with extensions, C++11."""
import os
import shutil
import subprocess

import source_tree

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wundef", "-Wshadow", "-Werror"]
C_WARNINGS = ["-Wstrict-prototypes", "-Wmissing-prototypes", "-Wold-style-definition"]
C_STANDARDS = ["c99", "c11", "c17", "gnu2x"]
CXX_STANDARDS = ["c++11"]


def commands(arguments):
    """(title, words of the compiler) of each way; clang as well where it is installed."""
    for compiler in [arguments.cc] + [c for c in ("clang",) if shutil.which(c)]:
        for standard in C_STANDARDS:
            yield f"{compiler} {standard}", [compiler, *WARNINGS, *C_WARNINGS, f"-std={standard}", "-x", "c"]
    for compiler in [arguments.cxx] + [c for c in ("clang++",) if shutil.which(c)]:
        for standard in CXX_STANDARDS:
            yield f"{compiler} {standard}", [compiler, *WARNINGS, f"-std={standard}", "-x", "c++"]


def check(arguments):
    include = os.path.join(arguments.top, "include")
    headers = source_tree.files(include, ["."], (".h",))
    found = [] if headers else ["no public headers found"]
    for header in headers:
        source = f"#include <{header}>\n#include <{header}>\ntypedef int something;\n"
        for title, words in commands(arguments):
            done = subprocess.run([*words, "-fsyntax-only", "-I", include, "-"], input=source, capture_output=True, text=True)
            if done.returncode != 0:
                found.append(f"include/{header} as {title}:\n{done.stderr}")
    return found


if __name__ == "__main__":
    source_tree.run(__doc__, check, ("--cc", {"default": "cc"}), ("--cxx", {"default": "c++"}))
