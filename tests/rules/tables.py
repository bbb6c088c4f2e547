#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The tables of the benchmarks say the medians of what was measured, whatever number of digits that has."""
import json
import os
import subprocess
import tempfile
import unittest

BENCH = os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "bench")
HEAD = {"machine": "m", "processors": 1, "kernel": "k", "revision": "r", "rounds": 3, "share": "1/1", "peers": "glibc"}


def table(results, *words):
    """What awk says, with these words, of a file of such results: lists of figures by group and allocator."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        print(json.dumps(HEAD), file=file)
        for (group, allocator), figures in results.items():
            for figure in figures:
                line = {"group": group, "title": group, "allocator": allocator, "runs": 1, "cpu_ms": figure,
                        "wall_ms": figure, "peak_kib": figure, "said": ""}
                print(json.dumps(line), file=file)
        file.flush()
        return subprocess.run(["awk", *words, file.name], capture_output=True, text=True, check=True).stdout


class Tables(unittest.TestCase):
    def test_profile(self):
        said = table({("planted", "glibc"): [100], ("planted", "gcalloc_full"): [1020, 1010, 880, 890, 900]},
                     "-v", "bytes=1", "-v", "objects=1", "-f", os.path.join(BENCH, "profile.awk"))
        self.assertIn("| gcalloc, level `full` | 9.00 | 0.9 MB |", said)

    def test_readme(self):
        said = table({("hot", "gcalloc"): [1020, 1010, 880, 890, 900], ("hot", "glibc"): [1000, 90, 2000]},
                     "-f", os.path.join(BENCH, "figures.awk"), "-f", os.path.join(BENCH, "markdown.awk"))
        self.assertIn("0.90 · 0.90", said)


if __name__ == "__main__":
    unittest.main()
