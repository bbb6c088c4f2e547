#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The include graph: arrows point downwards only, folders stay small, lower layers know no operating system.

    base < platform < heap < world | mark < collect < alloc < profile < api        cli stands apart: another process,
                                                                                   the table of options and the formats
                                                                                   of profiles and requests are shared

In cli the folders are the layers. A module is a header with its source: no two of them need each other, but in KNIT.
"""
import collections
import os
import posixpath
import re

import source_tree

CLI_LEVELS = {"base": 0, "attach": 1, "launch": 1, "symbols": 1, "profile": 2, "print": 3, "output": 4, "html/data": 5,
              "export": 6, "flamegraph": 6, "html": 6, "show": 7, "start": 8, "": 9}
KNIT = "src/heap"  # src/README.md says why
LEVELS = {"base": 0, "platform": 1, "heap": 2, "world": 3, "mark": 3, "collect": 4, "alloc": 5, "profile": 6, "api": 7}
MODULES_IN_A_FOLDER = 9
CONTRACTS = 10  # platform/ itself: the headers of the contracts and nothing else
# Below api and profile everything that a system does comes through platform/.
FREESTANDING = {"errno.h", "limits.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h"}
ATOMICS_DOOR = "src/base/atomic.h"
SHARED_WITH_CLI = ("src/base/options.def", "src/base/profile_format.h", "src/base/request_format.h")


def layer_of(path):
    """base, heap, ..., cli; platform for a contract, platform/<folder> for what implements it."""
    words = path.split("/")
    if words[0] == "platform":
        return "platform" if len(words) == 2 else "platform/" + words[1]
    return words[1] if len(words) > 2 else ""


def resolve(top, path, name):
    """The file that #include "name" in `path` means, or None."""
    if "/" not in name:  # the one door to the folder of a processor
        found = [file for file in source_tree.files(top, ["platform/arch"]) if posixpath.basename(file) == name]
        return found[0] if found and layer_of(path).startswith("platform") else None
    file = name if name.startswith("platform/") else "src/" + name
    return file if os.path.isfile(os.path.join(top, file)) else None


def is_allowed_in_cli(path, file):
    """Both are folders of the command: the same, or one that stands lower."""
    source, target = (posixpath.dirname(name)[len("src/cli/"):] for name in (path, file))
    if source not in CLI_LEVELS or target not in CLI_LEVELS:
        return False
    return source == target or CLI_LEVELS[target] < CLI_LEVELS[source]


def is_allowed(path, file):
    """Whether a file may include another one, by their layers."""
    source, target = layer_of(path), layer_of(file)
    if source == "cli":
        return is_allowed_in_cli(path, file) if target == "cli" else file in SHARED_WITH_CLI
    if source.startswith("platform/"):
        return target == source or target in ("platform", "base")
    if target.startswith("platform/"):
        return source == "platform" and target == "platform/arch"
    if source not in LEVELS or target not in LEVELS:
        return False
    return source == target or LEVELS[target] < LEVELS[source]


def check_system_include(path, name):
    layer = layer_of(path)
    if name.startswith("atomic_ops"):
        return None if path == ATOMICS_DOOR and name == "atomic_ops.h" else f"only {ATOMICS_DOOR} includes <atomic_ops.h>"
    if name.startswith("gcalloc"):
        return None if layer in ("api", "cli") else "public headers belong to api and cli"
    if layer in LEVELS and LEVELS[layer] <= LEVELS["alloc"] and path.startswith("src/") and name not in FREESTANDING:
        return f"<{name}>: what the system gives comes through platform/"
    return None


def check_includes(top, paths):
    found, graph = [], collections.defaultdict(list)
    for path in paths:
        text = source_tree.without_comments(source_tree.read(top, path))
        for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', text, flags=re.M):
            place, name = f"{path}:{source_tree.line_of(text, match.start())}", match.group(2)
            if match.group(1) == "<":
                problem = check_system_include(path, name)
                found += [f"{place}: {problem}"] if problem else []
                continue
            target = resolve(top, path, name)
            if target is None:
                found.append(f'{place}: "{name}" is no file here')
            elif not is_allowed(path, target):
                found.append(f"{place}: {layer_of(path) or 'src'} must not include {target}")
            graph[path].append(target)
    return found + (check_circles(graph) or check_circles(modules_of(graph)))


def modules_of(graph):
    """The same of headers with their sources."""
    modules = collections.defaultdict(list)
    for path, targets in graph.items():
        if path.startswith("src/") and not path.startswith(KNIT + "/"):
            module = posixpath.splitext(path)[0]
            modules[module] += [name for target in targets if target
                                for name in [posixpath.splitext(target)[0]] if name != module]
    return modules


def check_circles(graph):
    found, done = [], set()

    def visit(path, trail):
        if path in trail:
            found.append("circle: " + " -> ".join([*trail[trail.index(path):], path]))
        elif path not in done:
            for target in graph.get(path, []):
                visit(target, [*trail, path])
            done.add(path)

    for path in sorted(graph):
        visit(path, [])
    return found


def check_folders(paths):
    modules = collections.defaultdict(set)
    for path in paths:
        modules[posixpath.dirname(path)].add(posixpath.splitext(posixpath.basename(path))[0])
    limits = {folder: CONTRACTS if folder == "platform" else MODULES_IN_A_FOLDER for folder in modules}
    return [f"{folder}: {len(stems)} modules, more than {limits[folder]}"
            for folder, stems in sorted(modules.items()) if len(stems) > limits[folder]]


def check(arguments):
    paths = source_tree.files(arguments.top, ["src", "platform"], source_tree.C_ENDINGS)
    found = [f"{path}: no folder of a layer" for path in paths
             if layer_of(path) not in (*LEVELS, "cli", "platform/posix", "platform/linux", "platform/arch")]
    if not paths:
        found.append("no sources found")
    found += [f"{path}: only contracts, that is headers, belong here"
              for path in paths if layer_of(path) == "platform" and not path.endswith(".h")]
    return found + check_includes(arguments.top, paths) + check_folders(paths)


if __name__ == "__main__":
    source_tree.run(__doc__, check)
