#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Names for addresses: real programs are compiled here in every way, and profiles hold addresses behind calls whose functions,
files and lines are known from the sources."""
import json
import os
import shutil
import subprocess
import unittest

import make_profile
from make_profile import Elf, Profile
from support import CommandTest

SOURCE = """
#include <stdlib.h>
extern void *volatile kept;
void *volatile kept;
static inline __attribute__((always_inline)) void *innermost(int size)
{
    return malloc(size);                              /* line 7 */
}
static inline __attribute__((always_inline)) void *middle(int size)
{
    return innermost(size + 1);                       /* line 11 */
}
__attribute__((noinline)) void outer(int size)
{
    kept = middle(size);                              /* line 15 */
    kept = kept;
}
static __attribute__((noinline)) void hidden(int size)
{
    outer(size + 2);                                  /* line 20 */
    kept = kept;
}
int main(int count, char **words)
{
    (void)words;
    hidden(count);                                    /* line 26 */
    return kept == 0;
}
"""
CXX_SOURCE = """
#include <vector>
#include <string>
namespace shop {
struct item {
    int price;
    template <class T> __attribute__((noinline)) void add(std::vector<T> &list, T value);
};
template <class T> void item::add(std::vector<T> &list, T value)
{
    list.push_back(value);
    price++;
}
__attribute__((noinline)) int sum(const std::vector<int> &list)
{
    auto add_up = [&]() __attribute__((noinline)) { int all = 0; for (int x : list) all += x; return new int(all); };
    int *result = add_up();
    return *result;
}
}
int main(int count, char **)
{
    std::vector<int> list;
    shop::item item{};
    item.add(list, count);
    return shop::sum(list);
}
"""
NESTED_SOURCE = r"""
int main(void)
{
    return 0;
}
__asm__(".pushsection .debug_abbrev, \"\", @progbits\n"
        ".Labbrev: .byte 1, 0x11, 1, 0x11, 0x01, 0x12, 0x07, 0, 0\n" /* a unit, from main on, so many bytes */
        ".byte 2, 0x39, 1, 0, 0, 0\n"                                /* a namespace in it */
        ".section .debug_info, \"\", @progbits\n"
        ".long .Lend - .Lstart\n"
        ".Lstart: .short 4\n"
        ".long .Labbrev\n"
        ".byte 8\n"
        ".byte 1; .quad main, 4096\n"
        ".fill DEPTH, 1, 2\n"
        ".fill DEPTH + 1, 1, 0\n"
        ".Lend: .popsection\n");
"""
TOOLS = [name for name in ("objcopy", "strip", "objdump") if not shutil.which(name)]


def calls(path):
    """(function, callee, address behind the call in the file) of each call, by the disassembler."""
    text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
    found, function, pending = [], None, None
    for line in text.splitlines():
        if line.endswith(">:"):
            function, pending = line.split("<")[1][:-2], None
        words = line.split()
        if len(words) > 1 and words[0].endswith(":"):
            if pending:
                found.append((function, pending, int(words[0][:-1], 16)))
            pending = words[-1].strip("<>").split("@")[0] if words[1].startswith("call") else None
    return found


@unittest.skipIf(TOOLS, f"not installed: {' '.join(TOOLS)}")
class SymbolsTest(CommandTest):
    def compile(self, *flags, source=SOURCE, name="prog", compiler=None):
        ending = ".cpp" if source is CXX_SOURCE else ".c"
        text = self.write(f"source-{name}{ending}", source, 0o644)
        path = os.path.join(self.scratch, name)
        usual = os.environ.get("CXX", "c++") if ending == ".cpp" else os.environ.get("CC", "cc")
        subprocess.run([compiler or usual, "-o", path, text, "-Wl,--build-id=sha1", *flags], check=True)
        return path

    def profile(self, path, addresses, base=0x555555554000, **header):
        """A profile with one stack of addresses of the file."""
        profile = Profile(executable=path, **header)
        bias = Elf(path).map(profile, base)
        stack = profile.stack([bias + address for address in addresses])
        profile.leak(stack, make_profile.DIRECT, 1, 16)
        profile.end(1)
        return profile.write(os.path.join(self.scratch, "test.gcprof"))

    def frames(self, profile, *words, error=""):
        done = self.gcalloc("leaks", "--json", profile, *words)
        self.assertEqual((done.returncode, done.stderr), (0, error))
        return [(frame["function"], frame["file"] and os.path.basename(frame["file"]), frame["line"])
                for frame in json.loads(done.stdout)["leaks"][0]["stack"]]

    def stack_of(self, path):
        """Addresses of malloc < outer < hidden < main."""
        places = {(function, callee): address for function, callee, address in calls(path)}
        return [places["outer", "malloc"], places["hidden", "outer"], places["main", "hidden"]]

    def full(self, name="prog"):
        file = f"source-{name}.c"
        return [("innermost", file, 7), ("middle", file, 11), ("outer", file, 15), ("hidden", file, 20), ("main", file, 26)]


class Compiled(SymbolsTest):
    def test_inlined_functions(self):
        flags = {"pie": ["-fPIE", "-pie"], "fixed": ["-fno-pie", "-no-pie"], "dwarf4": ["-gdwarf-4"], "compressed": ["-gz"],
                 "sections": ["-ffunction-sections", "-Wl,--gc-sections"], "split": ["-gsplit-dwarf"], "lto": ["-flto"]}
        for name, more in flags.items():
            with self.subTest(name):
                path = self.compile("-g", "-O2", *more, name=name)
                self.assertEqual(self.frames(self.profile(path, self.stack_of(path))), self.full(name))

    @unittest.skipUnless(shutil.which("clang"), "clang is not installed")
    def test_clang(self):
        """Which writes no table of the units' addresses."""
        path = self.compile("-g", "-O2", name="clang", compiler="clang")
        self.assertEqual(self.frames(self.profile(path, self.stack_of(path))), self.full("clang"))

    def test_other_places_in_memory(self):
        path = self.compile("-g", "-O2")
        for base in (0x10000, 0x7f1234567000):
            self.assertEqual(self.frames(self.profile(path, self.stack_of(path), base)), self.full())

    def test_last_byte_of_a_call(self):
        """The return address of a call at the end of a function is the next function's."""
        path = self.compile("-g", "-O2", source="void stop(void) __attribute__((noreturn)); void exit(int) "
                            "__attribute__((noreturn));\nvoid stop(void)\n{\n    exit(1);\n}\nvoid next(void) {}\n"
                            "int main(void) { next(); stop(); }\n")
        behind = [address for function, callee, address in calls(path) if (function, callee) == ("stop", "exit")]
        start, size = Elf(path).symbols["stop"]
        self.assertEqual(self.frames(self.profile(path, behind or [start + size]))[0], ("stop", "source-prog.c", 4))

    def test_symbol_tables_alone(self):
        path = self.compile("-O2", "-rdynamic")
        stack = self.stack_of(path)
        outer, main, unknown = ("outer", None, None), ("main", None, None), (None, None, None)
        self.assertEqual(self.frames(self.profile(path, stack)), [outer, ("hidden", None, None), main])
        hidden = Elf(path).symbols["hidden"][0]
        subprocess.run(["strip", path], check=True)
        self.assertEqual(self.frames(self.profile(path, stack)), [outer, unknown, main])
        done = self.gcalloc("leaks", self.profile(path, [hidden + 5]))
        self.assertIn(f"    prog+0x{hidden + 4:x}\n", done.stdout)

    def test_no_symbols(self):
        path = self.compile("-g", "-O2")
        stack = self.stack_of(path)
        self.assertEqual(self.frames(self.profile(path, stack), "--no-symbols"), [(None, None, None)] * 3)
        offsets = [frame["offset"] for frame in
                   json.loads(self.gcalloc("leaks", "--json", self.profile(path, stack)).stdout)["leaks"][0]["stack"]]
        self.assertEqual(offsets, [address - 1 for address in (stack[0],) * 3 + tuple(stack[1:])])

    def test_no_module(self):
        profile = Profile()
        profile.leak(profile.stack([0x1235, 0]), make_profile.DIRECT, 1, 16)
        profile.mapping("[vdso]", 0x5000, 0x6000)
        profile.leak(profile.stack([0x5011]), make_profile.DIRECT, 1, 8)
        profile.end(1)
        shown = self.gcalloc("leaks", self.write("x.gcprof", profile.bytes()))
        self.assertEqual(shown.stderr, "")
        self.assertIn("    0x1234\n", shown.stdout)
        self.assertIn("    [vdso]+0x10\n", shown.stdout)


class DebugFiles(SymbolsTest):
    def setUp(self):
        super().setUp()
        self.path = self.compile("-g", "-O2")
        self.stack = self.stack_of(self.path)
        self.build_id = Elf(self.path).build_id.hex()
        self.debug = os.path.join(self.scratch, "prog.debug")
        subprocess.run(["objcopy", "--only-keep-debug", self.path, self.debug], check=True)

    def install_by_id(self):
        folder = os.path.join(self.scratch, "debug", ".build-id", self.build_id[:2])
        os.makedirs(folder)
        shutil.move(self.debug, os.path.join(folder, self.build_id[2:] + ".debug"))
        return "--debug-path=" + os.path.join(self.scratch, "debug")

    def test_beside_the_program(self):
        subprocess.run(["strip", self.path], check=True)
        subprocess.run(["objcopy", f"--add-gnu-debuglink={self.debug}", self.path], check=True)
        profile = self.profile(self.path, self.stack)
        self.assertEqual(self.frames(profile), self.full())
        os.mkdir(os.path.join(self.scratch, ".debug"))
        shutil.move(self.debug, os.path.join(self.scratch, ".debug"))
        self.assertEqual(self.frames(profile), self.full())

    def test_by_build_id(self):
        subprocess.run(["strip", self.path], check=True)
        profile, option = self.profile(self.path, self.stack), self.install_by_id()
        self.assertEqual(self.frames(profile)[0], (None, None, None))
        self.assertEqual(self.frames(profile, option), self.full())
        self.assertEqual(self.frames(profile, "--debug-path=debug"), self.full(), "relative to the working directory")

    def test_folder_that_is_not_there(self):
        path = self.profile(self.path, self.stack)
        for folder, name in (("/no/such", "/no/such"), ("", "''")):
            self.assert_fails(self.gcalloc("report", f"--debug-path={folder}", path), 125,
                              f"gcalloc: {name}: cannot be looked in: No such file or directory")

    def test_of_another_program_is_not_used(self):
        other = self.compile("-g", "-O2", source=SOURCE.replace("hidden", "another"), name="other")
        subprocess.run(["objcopy", "--only-keep-debug", other, self.debug], check=True)
        subprocess.run(["strip", self.path], check=True)
        subprocess.run(["objcopy", f"--add-gnu-debuglink={self.debug}", self.path], check=True)
        self.assertEqual(self.frames(self.profile(self.path, self.stack)), [(None, None, None)] * 3)

    def test_program_that_was_replaced(self):
        profile = self.profile(self.path, self.stack)
        self.compile("-g", "-O1", source=SOURCE.replace("size + 2", "size + 3"))
        line = f"gcalloc: {os.path.realpath(self.path)}: is not the file that ran (another build id), so its functions " \
               "have no names\n"
        self.assertEqual(self.frames(profile, error=line), [(None, None, None)] * 3)
        self.assertEqual(self.frames(profile, self.install_by_id()), self.full())

    def test_program_that_is_gone(self):
        profile = self.profile(self.path, self.stack)
        os.rename(self.path, self.path + ".old")
        line = f"gcalloc: {os.path.realpath(self.path)}: cannot be read any more, so its functions have no names\n"
        self.assertEqual(self.frames(profile, error=line), [(None, None, None)] * 3)
        self.assertEqual(self.frames(profile, self.install_by_id()), self.full())

    def test_deleted_but_there_again(self):
        """A program that is installed anew while it runs is "(deleted)" for the kernel; here it is the same file."""
        profile = Profile()
        _, _, offset, address, _, size, _, _ = Elf(self.path).code()
        profile.mapping(self.path + " (deleted)", 0x555555554000 + (address & ~0xfff), 0x555555554000 + address + size,
                        offset & ~0xfff, bytes.fromhex(self.build_id))
        profile.leak(profile.stack([0x555555554000 + address for address in self.stack]), make_profile.DIRECT, 1, 8)
        profile.end(1)
        self.assertEqual(self.frames(self.write("x.gcprof", profile.bytes())), self.full())

    def test_without_build_id_the_time_tells(self):
        path = self.compile("-g", "-O2", "-Wl,--build-id=none", name="plain")
        stack = self.stack_of(path)
        self.assertEqual(self.frames(self.profile(path, stack)), self.full("plain"))
        line = f"gcalloc: {os.path.realpath(path)}: has changed since it ran, so its functions have no names\n"
        self.assertEqual(self.frames(self.profile(path, stack, start=1_000_000_000_000_000_000), error=line),
                         [(None, None, None)] * 3)

    def test_no_elf_any_more(self):
        profile = self.profile(self.path, self.stack)
        self.write("prog", b"#!/bin/sh\n")
        line = f"gcalloc: {os.path.realpath(self.path)}: is no ELF file, so its functions have no names\n"
        self.assertEqual(self.frames(profile, error=line), [(None, None, None)] * 3)

    def test_damaged_debug_information(self):
        """Whatever stands there, there is an end, and no crash."""
        with open(self.path, "rb") as file:
            whole = file.read()
        elf = Elf(self.path)
        for section in elf.sections:
            offset, size = section[4], section[5]
            if section[1] != 1 or section[2] & 2 or size < 16:  # what is not loaded: debug information
                continue
            for at, value in ((offset, 0xff), (offset + size // 2, 0), (offset + size // 3, 0x81)):
                broken = bytearray(whole)
                broken[at:at + 8] = bytes([value]) * 8
                self.write("prog", bytes(broken))
                done = self.gcalloc("leaks", "--json", self.profile(self.path, self.stack))
                self.assertIn(done.returncode, (0, 125))


    def test_scopes_without_end(self):
        """Namespaces in namespaces, more than any stack has room for if each is a call."""
        path = self.compile(source=NESTED_SOURCE.replace("DEPTH", "200000"), name="nested")
        start, _ = Elf(path).symbols["main"]
        self.assertEqual(self.frames(self.profile(path, [start + 1])), [("main", None, None)])


class Cxx(SymbolsTest):
    def test_names(self):
        path = self.compile("-g", "-O1", source=CXX_SOURCE)
        places = calls(path)
        addresses = [next(address for function, _, address in places if wanted in function)
                     for wanted in ("realloc_insert", "3addIiEE", "3sum", "main")]
        self.assertEqual(len(set(addresses)), 4)
        shown = [frame[0] for frame in self.frames(self.profile(path, addresses))]
        self.assertIn("void shop::item::add<int>(std::vector<int, std::allocator<int> >&, int)", shown)
        self.assertTrue(any(name.startswith("shop::sum(std::vector<int, std::allocator<int> > const&)") for name in shown), shown)
        self.assertEqual(shown[-1], "main")
        self.assertTrue(any(name.startswith("std::vector<int, std::allocator<int> >::") for name in shown), shown)

    def test_functions_in_functions(self):
        path = self.compile("-g", "-O1", source=CXX_SOURCE)
        address = next(address for function, callee, address in calls(path) if callee == "_Znwm" and "sum" in function)
        shown = self.frames(self.profile(path, [address]))
        self.assertEqual((shown[0][1], shown[0][2]), ("source-prog.cpp", 16))
        self.assertIn("shop::sum(std::vector<int, std::allocator<int> > const&)", shown[0][0])

    def test_symbol_table_alone(self):
        path = self.compile("-O1", source=CXX_SOURCE)
        address = next(address for function, _, address in calls(path) if "3sum" in function)
        self.assertIn("shop::sum(std::vector<int, std::allocator<int> > const&)",
                      self.frames(self.profile(path, [address]))[0][0])


class Allocators(SymbolsTest):
    def test_left_out(self):
        """What only hands on a request, wherever it is in the stack; alone it is shown."""
        path = self.compile("-g", "-O2", "-fno-builtin", source=SOURCE.replace("hidden", "wcsdup"), name="wrap")
        places = {(function, callee): address for function, callee, address in calls(path)}
        stack = [places["outer", "malloc"], places["wcsdup", "outer"], places["main", "wcsdup"]]
        self.assertEqual([frame[0] for frame in self.frames(self.profile(path, stack))],
                         ["innermost", "middle", "outer", "main"])
        self.assertEqual([frame[0] for frame in self.frames(self.profile(path, stack[1:2]))], ["wcsdup"])

    def test_library_of_our_own(self):
        profile = Profile()
        profile.mapping("/usr/lib/libgcalloc.so.0", 0x1000, 0x2000)
        profile.mapping("/usr/lib/other.so", 0x5000, 0x6000)
        profile.leak(profile.stack([0x1100, 0x1200, 0x5100, 0x1300, 0x5200]), make_profile.DIRECT, 1, 8)
        profile.end(1)
        shown = self.gcalloc("leaks", "--no-symbols", self.write("x.gcprof", profile.bytes())).stdout
        self.assertTrue(shown.endswith("    other.so+0xff\n    other.so+0x1ff\n"), shown)


class Large(SymbolsTest):
    def test_a_hundred_thousand_addresses(self):
        """In a program of many functions: nowhere near the time that a lookup for each would take."""
        program = make_profile.Program(self.scratch, 3000)
        profile = Profile(executable=program.path)
        bias = program.map(profile)
        starts = sorted(program.symbols[name] for name in program.names)
        first, last = starts[0][0], starts[-1][0] + starts[-1][1]
        step = max(1, (last - first) // 100000)
        addresses = range(bias + first + 1, bias + last, step)
        for at in range(0, len(addresses), 50):
            profile.stack(addresses[at:at + 50])
        profile.end(1)
        path = self.write("large.gcprof", profile.bytes())
        done = subprocess.run([self.command, "report", "--json", path], capture_output=True, text=True, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertGreater(len(addresses), 90000)
        shown = json.loads(done.stdout)
        self.assertEqual(shown["complete"], True)


if __name__ == "__main__":
    unittest.main()
