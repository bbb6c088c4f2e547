# SPDX-License-Identifier: MIT
"""What the tests of leaks share: running programs in mode leaks, and reading reports."""
import os
import re
import subprocess

TOTALS = re.compile(r"^==\d+== gcalloc: (\S+) has leaked (?:nothing|(\d+) byte\(s\) in (\d+) object\(s\), "
                    r"directly (\d+) byte\(s\) in (\d+) object\(s\))$", re.M)
GROUP = re.compile(r"^(Direct|Indirect) leak of (\d+) byte\(s\) in (\d+) object\(s\) allocated from:$", re.M)


def environment(library=None, **settings):
    found = {name: value for name, value in os.environ.items() if not name.startswith("GCALLOC_")}
    found.update(settings)
    if library:
        found["LD_PRELOAD"] = library
    return found


def run(words, library=None, timeout=60, **settings):
    settings.setdefault("GCALLOC_MODE", "leaks")
    return subprocess.run(words, env=environment(library, **settings), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", timeout=timeout)


def totals(report):
    """[(bytes, objects, direct bytes, direct objects)] of all reports in the text; the sums of the groups agree with them."""
    found = []
    parts = re.split(r"(?m)^(?===\d+== gcalloc: )", report)
    for part in parts:
        head = TOTALS.search(part)
        if head is None:
            continue
        figures = tuple(int(word or 0) for word in head.groups()[1:])
        groups = [(kind, int(count), int(objects)) for kind, count, objects in GROUP.findall(part)]
        sums = (sum(g[1] for g in groups), sum(g[2] for g in groups),
                sum(g[1] for g in groups if g[0] == "Direct"), sum(g[2] for g in groups if g[0] == "Direct"))
        if sums != figures:
            raise ValueError(f"totals {figures}, groups {sums}")
        found.append(figures)
    return found
