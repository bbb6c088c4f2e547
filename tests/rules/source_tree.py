# SPDX-License-Identifier: MIT
"""Reading a source tree: which files there are, C text without comments, where its functions are."""
import argparse
import os
import re
import sys

OWN_ROOTS = ("include", "src", "platform", "tests", "bench", ".ci")
C_ENDINGS = (".c", ".h", ".S", ".def", ".cpp", ".hpp")
SOURCE_ENDINGS = (*C_ENDINGS, ".py", ".sh", ".bash", ".cmake", "CMakeLists.txt")


def files(top, roots=OWN_ROOTS, endings=SOURCE_ENDINGS):
    """Paths below `top`, with '/' between folders, sorted."""
    found = []
    for root in roots:
        for folder, folders, names in os.walk(os.path.join(top, root)):
            folders[:] = [name for name in folders if name != "__pycache__"]
            found += [os.path.relpath(os.path.join(folder, name), top) for name in names if name.endswith(endings)]
    return sorted(found)


def read(top, path):
    with open(os.path.join(top, path), encoding="utf-8") as file:
        return file.read()


def _blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def without_comments(text):
    """The same lines and columns, comments blank; strings stay."""
    pattern = r'("(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\')|(/\*.*?\*/|//[^\n]*)'
    return re.sub(pattern, lambda match: match.group(1) or _blank(match), text, flags=re.S)


def _bare(text):
    """Only what has braces that count: no comments, no text in quotes, no preprocessor lines."""
    text = without_comments(text)
    text = re.sub(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', _blank, text)
    text = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", _blank, text, flags=re.M)
    return re.sub(r"\bextern\s+(?=\{)", lambda match: " " * len(match.group(0)), text)


def functions(text):
    """(name, first line, last line) of each function definition of C text."""
    text, found, depth, item = _bare(text), [], 0, 0
    opened = None  # where the current top-level item's outermost brace is
    for match in re.finditer(r"[{};]", text):
        at, mark = match.start(), match.group(0)
        if mark == "{":
            if depth == 0 and not text[item:at].strip():
                item = at + 1  # extern "C" {
                continue
            if depth == 0 and opened is None:
                opened = at
            depth += 1
        elif mark == "}" and depth > 0:
            depth -= 1
            head = text[item:opened]
            if depth == 0 and head.rstrip().endswith(")") and "=" not in re.sub(r"\(.*\)", "", head, flags=re.S):
                start = item + len(head) - len(head.lstrip())
                found.append((_name(head), text.count("\n", 0, start) + 1, text.count("\n", 0, at) + 1))
                item, opened = at + 1, None
        elif depth == 0:
            item, opened = at + 1, None
    return found


def _name(head):
    """The word before the last pair of parentheses of a definition's head."""
    depth = 0
    for at in range(len(head.rstrip()) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(head[at], 0)
        if depth == 0:
            return re.search(r"(\w+)?\s*$", head[:at]).group(1) or "?"
    return "?"


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def run(description, check, *arguments):
    """Command line of a rule: prints what `check` finds and exits 1 if that is anything."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--top", default=os.path.realpath(os.path.join(os.path.dirname(__file__), "..", "..")))
    for name, more in arguments:
        parser.add_argument(name, **more)
    found = check(parser.parse_args())
    for line in found:
        print(line)
    print(f"{len(found)} violations" if found else "no violations")
    sys.exit(1 if found else 0)
