#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the libraries export: exactly the list, without versions; and what the list itself has to be.

    symbols.py NAME LIST SHARED STATIC

Shared: the dynamic names are those of the list, none has a version (a version on malloc keeps the loader from putting it
in front of the C library's), nothing is bound lazily, dlclose leaves the library where it is. Static: names that are not in
the list begin with gci_. Each function and thread-local variable of the public headers is in the list, and no other gca_ name.
"""
import os
import re
import subprocess

import source_tree

# Names that the core never takes: the malloc family of every C library, and C++'s operators new and delete.
MALLOC_NAME = re.compile(r"(__libc_)?(malloc|calloc|realloc|free|cfree|memalign|p?valloc)|malloc_\w+|mallopt|mallinfo2?|"
                         r"reallocarray|aligned_alloc|(__)?posix_memalign|free_(aligned_)?sized|strn?dup|_Z(nw|na|dl|da)\w+")


# An archive cannot stand in front of these: they are of the shared libraries alone.
SHARED_ONLY = {"__libc_start_main", "exit", "_exit", "_Exit"}


def output(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def listed_names(text):
    """Names of a version script with one anonymous node, and what is wrong with it."""
    body = source_tree.without_comments(text).strip()
    match = re.fullmatch(r"\{\s*global:(.*?)local:\s*\*;\s*\};", body, flags=re.S)
    if not match:
        return [], ["not one anonymous node that ends with local: *;"]
    names = [name.strip() for name in match.group(1).split(";") if name.strip()]
    twice = sorted({name for name in names if names.count(name) > 1})
    odd = [name for name in names if not re.fullmatch(r"\w+", name)]
    return names, [f"{name}: twice" for name in twice] + [f"{name}: no plain name" for name in odd]


def public_functions(top):
    text = "".join(source_tree.read(top, path) for path in source_tree.files(top, ["include"], (".h",)))
    text = source_tree.without_comments(text)
    declarations = re.findall(r"^[ \t]*GCA_API\b[^;]*?\b(\w+)\s*\(", text, flags=re.M)
    return set(declarations) | set(re.findall(r"^[ \t]*GCA_API extern __thread\b[^;(]*?\b(gca_\w+)", text, flags=re.M))


def check_list(top, names):
    public = public_functions(top)
    listed = {name for name in names if name.startswith("gca_")}
    found = [f"{name}: in a public header, not in the list" for name in sorted(public - listed)]
    return found + [f"{name}: in the list, in no public header" for name in sorted(listed - public)]


def check_shared(library, names):
    rows = [row.split() for row in output("nm", "-D", "--defined-only", library).splitlines()]
    exported = [row[2] for row in rows if row[1] != "A"]  # A: the name of a version
    plain = {name.split("@")[0] for name in exported}
    found = [f"{name}: has a version" for name in exported if "@" in name]
    found += [f"{name}: exported, not in the list" for name in sorted(plain - set(names))]
    found += [f"{name}: in the list, not exported" for name in sorted(set(names) - plain)]
    dynamic = output("readelf", "-dW", library)
    for tag, reason in (("NODELETE", "dlclose would take the collector away"), ("NOW", "names are bound lazily")):
        if not re.search(rf"\bFLAGS_1\b.*\b{tag}\b", dynamic):
            found.append(f"no flag {tag}: {reason}")
    return found + [f"needs {name}" for name in re.findall(r"NEEDED.*\[(.*?)\]", dynamic)
                    if not re.match(r"(libc\.so|libpthread\.so|libdl\.so|ld-linux)", name)]


def check_static(library, names):
    rows = [row.split() for row in output("nm", "-g", "--defined-only", library).splitlines()]
    defined = {row[2] for row in rows if len(row) == 3}
    found = [f"{name}: an internal name without gci_" for name in sorted(defined - set(names)) if not name.startswith("gci_")]
    return found + [f"{name}: in the list, not defined" for name in sorted(set(names) - defined - SHARED_ONLY)]


def check(arguments):
    path = os.path.relpath(arguments.list, arguments.top)
    names, found = listed_names(source_tree.read(arguments.top, path))
    found = [f"{path}: {line}" for line in found + check_list(arguments.top, names)]
    if arguments.name.endswith("core"):
        found += [f"{path}: {name}: belongs to libgcalloc" for name in names if MALLOC_NAME.fullmatch(name)]
    for library, check_one in ((arguments.shared, check_shared), (arguments.static, check_static)):
        found += [f"{os.path.basename(library)}: {line}" for line in check_one(library, names)]
    return found


if __name__ == "__main__":
    source_tree.run(__doc__.split("\n", 1)[0], check, ("name", {}), ("list", {}), ("shared", {}), ("static", {}))
