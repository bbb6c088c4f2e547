#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""C and C++ files look as clang-format 14 leaves them; other versions differ in places, so this is no ctest.

`cmake --build build --target format-check` and .ci/run call it. To mend: clang-format -i FILE...
"""
import os
import re
import subprocess

import source_tree

STYLE = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", ".clang-format")
ROOTS = ("include", "src", "platform", "tests", "bench")
INPUTS = "tests/integration/inputs/"  # made to be fed to programs, not to be read


def check(arguments):
    paths = [path for path in source_tree.files(arguments.top, ROOTS, (".c", ".h", ".cpp")) if not path.startswith(INPUTS)]
    if not paths:
        return ["no sources found"]
    done = subprocess.run(["clang-format", f"--style=file:{STYLE}", "--dry-run", *paths], cwd=arguments.top,
                          capture_output=True, text=True)
    found = re.findall(r"^(\S+?:\d+):\d+: warning: code should be clang-formatted", done.stderr, flags=re.M)
    if done.returncode != 0 or (done.stderr and not found):
        return [f"clang-format failed ({done.returncode}):\n{done.stderr}"]
    return [f"{place}: clang-format would change this" for place in dict.fromkeys(found)]


if __name__ == "__main__":
    source_tree.run(__doc__.split("\n", 1)[0], check)
