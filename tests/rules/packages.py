#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Each package that platform/bootstrap.sh installs is one that apt knows; exits 77 where that cannot be told.

What is installed already needs no asking: a machine that has run the bootstrap answers for itself, without lists of apt.
"""
import re
import shutil
import subprocess
import sys

import source_tree

BOOTSTRAP = "platform/bootstrap.sh"
SKIPPED = 77


def package_names(text):
    lists = " ".join(re.findall(r'^(?:[a-z]+_)?packages="([^"]*)"', text, flags=re.M)).split()
    return [word for word in lists if not re.fullmatch(r"\$[a-z]+_packages", word)]  # a list in another


def run(*words):
    return subprocess.run(words, capture_output=True, text=True)


def is_installed(name):
    done = run("dpkg-query", "-W", "-f", "${db:Status-Status}", name)
    return done.returncode == 0 and done.stdout == "installed"


def is_known(name):
    """A package of the distribution; of a name that other packages provide, `show` prints nothing."""
    return run("apt-cache", "--quiet", "show", "--no-all-versions", name).stdout.startswith("Package:")


def has_lists():
    """Whether apt knows where packages come from, shown by one that every system has."""
    done = run("apt-cache", "policy", "base-files")
    return bool(re.search(r"^\s+-?\d+ (https?|file|cdrom|mirror|copy|ftp)\S*:", done.stdout, flags=re.M))


def check(arguments):
    names = package_names(source_tree.read(arguments.top, BOOTSTRAP))
    found = [] if names else [f'{BOOTSTRAP}: not one list packages="..." with names in it']
    found += [f"{BOOTSTRAP}: {name}: twice" for name in sorted(set(names)) if names.count(name) > 1]
    found += [f"{BOOTSTRAP}: {name}: no name of a package" for name in names if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name)]
    if not found and not (shutil.which("dpkg-query") and shutil.which("apt-cache")):
        print("no apt here: the names of packages were not checked")
        sys.exit(SKIPPED)
    missing = [] if found else [name for name in names if not is_installed(name)]
    if missing and not has_lists():
        print(f"apt has no lists here (apt-get update): not checked: {' '.join(missing)}")
        sys.exit(SKIPPED)
    return found + [f"{BOOTSTRAP}: {name}: apt knows no such package" for name in missing if not is_known(name)]


if __name__ == "__main__":
    source_tree.run(__doc__.split("\n", 1)[0], check)
