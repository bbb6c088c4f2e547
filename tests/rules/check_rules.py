#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The rules themselves: each finds the violation that is planted for it in a small tree, and nothing in a clean one."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.realpath(__file__))
HEAD = "/* SPDX-License-Identifier: MIT */\n"
LIST = "/* names */\n{\n global:\n  gca_one;\n local:\n  *;\n};\n"
OPTIONS = 'OPTION_FLAG(verbose, 0, LIVE, "h")\nOPTION_BYTES(limit, 33554432, 0, 9, START, "h")\n' \
          'OPTION_CHOICE(mode, 1, LIVE, "gc|free", "h")\nOPTION_TEXT(file, START, "h")\n'
README = "| `GCALLOC_VERBOSE` | `0` | more; *live* |\n| `GCALLOC_LIMIT` | `32M` | least |\n" \
         "| `GCALLOC_MODE` | `free` | which; *live* |\n| `GCALLOC_FILE` | | where |\n"
CLEAN = {
    "README.md": README,
    "CMakeLists.txt": 'option(GCALLOC_X "x" ON)\n',
    "include/gcalloc.h": HEAD + "#ifndef G\n#define G\n#define GCA_API\nGCA_API int gca_one(void);\n#endif\n",
    "src/base/bits.h": HEAD + "#include <stdint.h>\n",
    "src/base/atomic.h": HEAD + "#include <atomic_ops.h>\n",
    "src/base/options.def": HEAD + OPTIONS,
    "src/heap/size.h": HEAD,
    "src/heap/heap.h": HEAD + '#include "base/bits.h"\n#include "platform/vm.h"\n',
    "src/world/world.c": HEAD + '#include "heap/heap.h"\n',
    "src/mark/mark.h": HEAD + '#include "heap/heap.h"\n',
    "src/collect/cycle.c": HEAD + '#include "mark/mark.h"\n',
    "src/api/gcalloc.c": HEAD + '#include "mark/mark.h"\n#include <gcalloc.h>\n#include <stdio.h>\n'
                                "extern int x;\nint gca_one(void)\n{\n    return 1;\n}\n",
    "src/api/one.exports": LIST,
    "src/cli/cli.h": HEAD,
    "src/cli/print/print.h": HEAD + '#include "cli/symbols/frame.h"\n',
    "src/cli/symbols/frame.h": HEAD,
    "src/cli/html/page.h": HEAD,
    "src/cli/main.c": HEAD + '#include "base/options.def"\n#include "cli/cli.h"\n#include <gcalloc.h>\n#include <unistd.h>\n',
    "platform/vm.h": HEAD + '#include "base/bits.h"\n',
    "platform/cpu.h": HEAD + '#include "cpu_arch.h"\n',
    "platform/arch/x86_64/cpu_arch.h": HEAD,
    "platform/linux/vm.c": HEAD + '#include "platform/vm.h"\n#if defined(__x86_64__)\n#endif\n',
}


class Planted(unittest.TestCase):
    def setUp(self):
        self.top = tempfile.mkdtemp(prefix="gcalloc-rules-")
        self.addCleanup(shutil.rmtree, self.top)
        for path, text in CLEAN.items():
            self.write(path, text)

    def write(self, path, text):
        path = os.path.join(self.top, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def rule(self, name, *words):
        done = subprocess.run([sys.executable, os.path.join(HERE, name), "--top", self.top, *words],
                              capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def assert_clean(self, name, *words):
        self.assertEqual(self.rule(name, *words), (0, "no violations\n"))

    def assert_found(self, name, wanted, *words):
        """Exactly one violation, and its text begins with `wanted`."""
        code, text = self.rule(name, *words)
        self.assertEqual((code, text.splitlines()[-1]), (1, "1 violations"), text)
        self.assertTrue(text.startswith(wanted), text)

    def plant(self, name, path, text, wanted):
        with self.subTest(path=path, text=text[-60:]):
            self.write(path, HEAD.replace("/*", "#").replace("*/", "") + text if path.endswith(".py") else HEAD + text)
            try:
                self.assert_found(name, wanted)
            finally:
                os.remove(os.path.join(self.top, path))
                if path in CLEAN:
                    self.write(path, CLEAN[path])


class Layers(Planted):
    def include(self, path, name):
        self.plant("layers.py", path, f"\n\n#include {name}\n", f"{path}:4: ")

    def test_arrows(self):
        self.assert_clean("layers.py")
        self.include("src/base/x.h", '"heap/heap.h"')
        self.include("src/base/x.h", '"platform/vm.h"')
        self.include("src/heap/x.h", '"mark/mark.h"')
        self.include("src/world/x.h", '"mark/mark.h"')
        self.include("src/mark/x.c", '"api/x.h"')
        self.include("src/heap/x.c", '"platform/arch/x86_64/cpu_arch.h"')
        self.include("src/heap/x.c", '"cpu_arch.h"')
        self.include("src/cli/x.c", '"heap/heap.h"')
        self.include("src/cli/x.c", '"platform/vm.h"')
        self.include("src/cli/x.c", '"base/bits.h"')
        self.include("src/cli/print/x.c", '"cli/cli.h"')
        self.include("src/cli/base/x.c", '"cli/print/print.h"')
        self.include("src/cli/launch/x.c", '"cli/symbols/frame.h"')
        self.include("src/cli/html/data/x.c", '"cli/html/page.h"')
        self.include("src/cli/other/x.c", '"cli/print/print.h"')
        self.include("src/api/x.c", '"cli/cli.h"')
        self.include("src/api/x.c", '"gcalloc.h"')
        self.include("platform/x.h", '"heap/size.h"')
        self.include("platform/linux/x.c", '"heap/heap.h"')
        self.include("platform/posix/x.c", '"platform/linux/vm.h"')
        self.include("platform/x.h", '"platform/linux/vm.c"')

    def test_a_comment_includes_nothing(self):
        self.write("src/base/x.h", HEAD + '// #include "heap/heap.h"\n/*\n#include "heap/heap.h"\n*/\n')
        self.assert_clean("layers.py")

    def test_system_headers(self):
        self.include("src/heap/x.c", "<pthread.h>")
        self.include("src/alloc/x.c", "<gcalloc.h>")
        self.include("src/heap/x.c", "<atomic_ops.h>")
        self.include("platform/linux/x.c", "<atomic_ops.h>")
        self.include("src/base/atomic.h", "<atomic_ops_" + "stack.h>")

    def test_circles(self):
        self.write("src/heap/x.h", HEAD + '#include "heap/y.h"\n')
        self.write("src/heap/y.h", HEAD + '#include "heap/x.h"\n')
        self.assert_found("layers.py", "circle: src/heap/x.h -> src/heap/y.h -> src/heap/x.h")

    def test_circles_of_modules(self):
        for folder in ("heap", "mark"):  # headers of the first may be used both ways by its sources
            self.write(f"src/{folder}/x.h", HEAD)
            self.write(f"src/{folder}/x.c", HEAD + f'#include "{folder}/x.h"\n#include "{folder}/y.h"\n')
            self.write(f"src/{folder}/y.h", HEAD + f'#include "{folder}/x.h"\n')
        self.assert_found("layers.py", "circle: src/mark/x -> src/mark/y -> src/mark/x")

    def test_folders(self):
        for number in range(6):
            self.write(f"src/heap/m{number}.c", HEAD)
            self.write(f"src/heap/m{number}.h", HEAD)
        self.write("src/heap/m6.c", HEAD)
        self.assert_clean("layers.py")
        self.plant("layers.py", "src/heap/m7.c", "", "src/heap: 10 modules")
        self.plant("layers.py", "src/extra/x.c", "", "src/extra/x.c: no folder of a layer")
        self.plant("layers.py", "src/x.c", "", "src/x.c: no folder of a layer")
        self.plant("layers.py", "platform/vm.c", "", "platform/vm.c: only contracts")
        for number in range(8):
            self.write(f"platform/c{number}.h", HEAD)
        self.plant("layers.py", "platform/c8.h", "", "platform: 11 modules")


class Text(Planted):
    def setUp(self):
        super().setUp()
        self.body = "    call();\n"

    def function(self, lines, head="static int f(int a,\n             int b)"):
        return f"{head}\n{{\n" + self.body * (lines - head.count("\n") - 3) + "}\n"

    def test_functions(self):
        self.assert_clean("text_rules.py")
        heads = ["int f(void)", "static int f(int a,\n             int b)", '#if 1\n#define A {\n#endif\nint f(char *s)',
                 "struct s { int a; };\nstatic struct s t = {1};\n__attribute__((cold)) void f(void (*g)(int))"]
        for head in heads:
            self.write("tests/x.c", HEAD + self.function(60, head.rsplit("\n", 1)[-1]))
            self.assert_clean("text_rules.py")
            text = head.rsplit("\n", 1)[0] + "\n" + self.function(61, head.rsplit("\n", 1)[-1])
            self.plant("text_rules.py", "tests/x.c", text, "tests/x.c:")
        self.plant("text_rules.py", "tests/x.h", 'extern "C" {\n' + self.function(61) + "}\n", "tests/x.h:3: f: 61 lines")
        self.plant("text_rules.py", "tests/x.c", self.function(61).replace("call();", "call('{', \"{\"); // {", 1),
                   "tests/x.c:2: f: 61 lines")
        self.plant("text_rules.py", "tests/x.py", "\ndef f():\n" + "    call()\n" * 60, "tests/x.py:3: f: 61 lines")

    def test_tables_are_no_functions(self):
        for opening in ("static int t[] = {", "static struct s t = (struct s){", "static int (*t[])(void) = {"):
            self.write("tests/x.c", HEAD + opening + "\n" + "    1,\n" * 100 + "};\n")
            self.assert_clean("text_rules.py")

    def test_median(self):
        self.body = "    x();\n"
        self.write("src/heap/x.c", HEAD + self.function(12) + self.function(12))
        self.assert_found("text_rules.py", "src, platform: the median function has 12 lines")

    def test_table_of_sizes(self):
        self.write("src/heap/x.c", HEAD + self.function(4) + self.function(8) * 8 + self.function(9))
        rows = {"| gcalloc | 8 | 8 | 9 |": True, "| gcalloc | 8 | 9 | 9 |": False, "| other | 1 | 1 | 1 |": True}
        for row, is_true in rows.items():
            self.write("src/README.md", f"| | median | nine of ten | longest |\n{row}\n")
            if is_true:
                self.assert_clean("text_rules.py")
            else:
                self.assert_found("text_rules.py", f"src/README.md: {row}: it is | gcalloc | 8 | 8 | 9 |")

    def test_references(self):
        self.write("src/heap/x.c", HEAD + "/* heap/heap.h, platform/vm.h: lock; /usr/heap/gone.h */\n")
        self.assert_clean("text_rules.py")
        self.plant("text_rules.py", "src/heap/x.c", "/* see heap/gone.h */\n", "src/heap/x.c:2: heap/gone.h: no such file")

    def test_map(self):
        for text, wanted in (("`heap/heap.h`, `heap.h: bits`, `../platform/vm.h`, `mark/mark.h: heap\n`", None),
                             ("\n`heap/gone.c`", "src/README.md:2: heap/gone.c: no such file"),
                             ("`heap/heap.h: gone`", "src/README.md:1: heap/heap.h: has no gone")):
            self.write("src/README.md", text)
            if wanted:
                self.assert_found("text_rules.py", wanted)
            else:
                self.assert_clean("text_rules.py")

    def test_files(self):
        self.write("src/heap/x.c", HEAD + "\n" * 599)
        self.assert_clean("text_rules.py")
        self.plant("text_rules.py", "src/heap/x.c", "\n" * 600, "src/heap/x.c: 601 lines")
        self.plant("text_rules.py", "tests/x.sh", "#" * 131, "tests/x.sh:2: 131 columns")
        self.plant("text_rules.py", "src/heap/x.c", "/* TO" + "DO */", "src/heap/x.c:2: left over")
        self.write("src/heap/x.c", "int x;\n")
        self.assert_found("text_rules.py", "src/heap/x.c:1: no SPDX line")

    def test_system_macros(self):
        path = "src/heap/x.c"
        for line in ("#ifdef __linux__", "#if 1 || \\\n defined(__x86_64__)", "# elif __AVX2__", "#ifndef __GLIBC__"):
            self.plant("text_rules.py", path, f"#if 1\n{line}\n", f"{path}:3: a system")
        self.plant("text_rules.py", "include/x.h", "#ifdef _WIN32\n", "include/x.h:2: a system")
        self.write(path, HEAD + "#ifdef __SANITIZE_ADDRESS__\n#if __GNUC__ // __linux__\n")
        self.assert_clean("text_rules.py")

    def test_other(self):
        self.plant("text_rules.py", "bench/x.c", "#include <atomic_ops_" + "malloc.h>\n", "bench/x.c: ")
        self.plant("text_rules.py", "docs", "", "docs: not in the list")


class Options(Planted):
    def change(self, path, old, new, wanted):
        self.write(path, CLEAN[path].replace(old, new))
        self.assert_found("options.py", wanted)
        self.write(path, CLEAN[path])

    def test_table(self):
        self.assert_clean("options.py")
        self.change("README.md", "`32M`", "`64M`", "README.md: GCALLOC_LIMIT: (default, live) ('64M', False)")
        self.change("README.md", "more; *live*", "more", "README.md: GCALLOC_VERBOSE: ")
        self.change("README.md", README.splitlines()[2], "", "README.md: GCALLOC_MODE is not in the table")
        self.change("README.md", "`GCALLOC_FILE` | | where |", "`GCALLOC_FILE` | | where |\n| `GCALLOC_X` | | y |",
                    "README.md: GCALLOC_X is no option")

    def test_build(self):
        self.change("CMakeLists.txt", "GCALLOC_X", "OTHER", "build option OTHER")
        self.write("src/CMakeLists.txt", "".join(f'set(GCALLOC_{n} "" CACHE STRING "s")\n' for n in range(7)))
        self.assert_clean("options.py")
        self.write("tests/CMakeLists.txt", 'option(GCALLOC_8 "s" ON)\n')
        self.assert_found("options.py", "9 build options")


@unittest.skipUnless(shutil.which("apt-cache") and shutil.which("dpkg-query"), "no apt here")
class Packages(Planted):
    def bootstrap(self, names):
        self.write("platform/bootstrap.sh", f'#!/bin/sh\npackages="{names}"\n')

    def test_names(self):
        self.bootstrap("dpkg\n  apt")
        self.assert_clean("packages.py")
        for names, wanted in (("dpkg dpkg", "dpkg: twice"), ("dpkg -y", "-y: no name of a package"), ("", "not one list")):
            self.bootstrap(names)
            self.assert_found("packages.py", "platform/bootstrap.sh: " + wanted)

    def test_unknown(self):
        self.bootstrap("dpkg gcalloc-no-such-package")
        code, text = self.rule("packages.py")
        if code == 77:
            self.skipTest("apt has no lists here")
        self.assertEqual(text.splitlines()[0], "platform/bootstrap.sh: gcalloc-no-such-package: apt knows no such package")
        self.assertEqual(code, 1)


@unittest.skipUnless(shutil.which("clang-format"), "clang-format is not installed")
class Format(Planted):
    def test_style(self):
        self.assert_clean("format.py")
        self.plant("format.py", "src/heap/x.c", "int f(void) {\n    return 1;\n}\n", "src/heap/x.c:2: clang-format would")
        self.plant("format.py", "tests/x.cpp", "int  x;\n", "tests/x.cpp:2: clang-format would")
        self.plant("format.py", "bench/x.h", f"int x{'x' * 80}, y{'y' * 80};\n", "bench/x.h:2: clang-format would")
        self.write("tests/integration/inputs/x.c", "int  x;\n")
        self.assert_clean("format.py")


class Headers(Planted):
    def test_standards(self):
        self.assert_clean("headers.py")
        for text in ("size_t x;\n", "int f();\n", "static int x;\n", "inline int f(void) { return 1; }\n", "int x;\n",
                     "#error no\n", "#if UNKNOWN\n#endif\nint x[__COUNTER__ ? 2 : 1];\n", "class x;\n", "extern void class;\n"):
            with self.subTest(text):
                self.write("include/gcalloc/x.h", HEAD + text)
                code, output = self.rule("headers.py")
                self.assertEqual(code, 1, output)
                self.assertIn("include/gcalloc/x.h as ", output)


class Symbols(Planted):
    FLAGS = ("-Wl,-z,now", "-Wl,-z,nodelete")

    def build(self, source="int gca_one;\nint gci_two;\n", script=LIST, flags=FLAGS):
        """The rule's arguments for a library of that source."""
        path = self.write("build/one.c", source)
        wide = self.write("build/script", script)
        shared, static, object_file = (os.path.join(self.top, "build", name) for name in ("one.so", "one.a", "one.o"))
        subprocess.run(["cc", "-w", "-fPIC", "-c", path, "-o", object_file], check=True)
        subprocess.run(["cc", "-shared", object_file, "-o", shared, f"-Wl,--version-script={wide}", *flags], check=True)
        subprocess.run(["ar", "rcs", static, object_file], check=True)
        return "gcalloc_core", os.path.join(self.top, "src/api/one.exports"), shared, static

    def test_clean(self):
        self.assert_clean("symbols.py", *self.build())

    def test_libraries(self):
        exports_two = LIST.replace("gca_one;", "gca_one; gci_two;")
        self.assert_found("symbols.py", "one.so: gci_two: exported, not in the list", *self.build(script=exports_two))
        self.assert_found("symbols.py", "one.so: gca_one@@V_1: has a version",
                          *self.build(script=LIST.replace("\n{", "\nV_1 {")))
        self.assert_found("symbols.py", "one.so: no flag NODELETE", *self.build(flags=self.FLAGS[:1]))
        self.assert_found("symbols.py", "one.so: no flag NOW", *self.build(flags=self.FLAGS[1:]))
        self.assert_found("symbols.py", "one.so: needs libm", *self.build(flags=(*self.FLAGS, "-Wl,--no-as-needed", "-lm")))
        self.assert_found("symbols.py", "one.a: two: an internal name", *self.build("int gca_one;\nint two;\n"))

    def test_missing(self):
        code, output = self.rule("symbols.py", *self.build("int gci_two;\n"))
        self.assertEqual((code, output), (1, "one.so: gca_one: in the list, not exported\n"
                                             "one.a: gca_one: in the list, not defined\n2 violations\n"))

    def test_list(self):
        arguments = self.build()
        for names, wanted in (("gca_one; gca_new;", "gca_new: in the list, in no public header"),
                              ("gca_one; gca_one;", "gca_one: twice"),
                              ("", "gca_one: in a public header, not in the list"), ("gca_*;", "gca_*: no plain name")):
            self.write("src/api/one.exports", LIST.replace("gca_one;", names))
            code, output = self.rule("symbols.py", *arguments)
            self.assertIn("src/api/one.exports: " + wanted, output)
            self.assertEqual(code, 1)
        for name in ("malloc", "free_sized", "__libc_valloc", "malloc_usable_size", "_ZnwmSt11align_val_t", "_ZdaPvm"):
            self.write("src/api/one.exports", LIST.replace("gca_one;", f"gca_one; {name};"))
            self.assertIn(f"src/api/one.exports: {name}: belongs to libgcalloc\n", self.rule("symbols.py", *arguments)[1])
        self.write("src/api/one.exports", LIST.replace("\n{", "\nV_1 {"))
        self.assertIn("not one anonymous node", self.rule("symbols.py", *arguments)[1])


class Behaviours(Planted):
    """Two behaviours at the least that a table must have are not enough; all of them are shown by one test."""
    LISTING = {"tests": [{"name": "conformance.row01_sizes.gcalloc", "command": ["/b/conformance_row01_sizes_gcalloc"]},
                         {"name": "programs.gca_api_with_gcalloc", "command": ["/b/programs_gca_api"]},
                         {"name": "unit.heap", "command": ["/b/unit_tests"]}]}

    def table(self, first, count=68):
        rows = "".join(f"| {number} | what | {first if number == 1 else '`row01_sizes`'} |\n" for number in range(1, count + 1))
        self.write("tests/README.md", "## Behaviours and what shows them\n\n| no. | b | s |\n|---|---|---|\n" + rows)
        return "--listing", self.write("listing.json", json.dumps(self.LISTING))

    def test_table(self):
        self.write("tests/unit/test_heap.c", HEAD + "START_TEST(slots_are_found)\n")
        self.write("tests/programs/gca_api.c", HEAD)
        for shown in ("`row01_sizes`", "`gca_api`", "`programs/gca_api.c`", "unit `slots_are_found`", "-, there is no such thing",
                      "`row01_sizes`, `GCALLOC_STATS_FILE`"):
            self.assert_clean("behaviours.py", *self.table(shown))
        for shown, wanted in (("`row02_none`", "row02_none is no test"), ("nothing", "no test, and no reason"),
                              ("`programs/gone.c`", "programs/gone.c is no test"),
                              ("`row01_sizes`, unit `slots`", "slots is no test")):
            self.assert_found("behaviours.py", f"tests/README.md: 1: {wanted}", *self.table(shown))
        self.assert_found("behaviours.py", "tests/README.md: the behaviours are not numbered", *self.table("`gca_api`", 67))


if __name__ == "__main__":
    unittest.main()
