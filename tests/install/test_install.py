#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The installed tree: what is in it, that it may be moved, and that programs find it by pkg-config and by CMake.

The tree is installed once and then moved, so that no path of the build or of the first place can be in use. A second copy
without shared libraries shows that the static ones serve.
"""
import glob
import os
import shutil
import tempfile
import unittest

from support import BUILD, CC, CMAKE, EVERYTHING, HERE, LIBDIR, NOTHING, OWN_SOURCES, TOP, VERSION, needed, run


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.mkdtemp(prefix="gcalloc-install-")
        cls.addClassCleanup(shutil.rmtree, cls.scratch)
        first, cls.shared, cls.static = (os.path.join(cls.scratch, name) for name in ("first", "shared", "static"))
        run(CMAKE, "--install", BUILD, "--prefix", first)
        os.rename(first, cls.shared)
        shutil.copytree(cls.shared, cls.static, symlinks=True)
        for path in glob.glob(os.path.join(cls.static, LIBDIR, "*.so*")):
            os.remove(path)

    def program(self, name):
        return os.path.join(self.scratch, name)

    def assert_prints(self, wanted, program, *words, prefix=None, before=()):
        library_path = os.path.join(prefix or self.shared, LIBDIR)
        self.assertEqual(run(*before, program, *words, LD_LIBRARY_PATH=library_path).rstrip("\n"), wanted)


class Tree(Installed):
    def test_files(self):
        headers = glob.glob("**/*.h", root_dir=os.path.join(TOP, "include"), recursive=True)
        names = {"bin/gcalloc", "share/bash-completion/completions/gcalloc"}
        names |= {f"share/man/man{section}/gcalloc.{section}" for section in "137"} | {"share/man/man1/gcalloc-export.1"}
        names |= {f"include/{header}" for header in headers}
        for library in ("libgcalloc", "libgcalloc_core"):
            names |= {f"{LIBDIR}/{library}{ending}" for ending in (".a", ".so", f".so.{VERSION.split('.')[0]}", f".so.{VERSION}")}
        names |= {f"{LIBDIR}/pkgconfig/{name}.pc" for name in ("gcalloc", "gcalloc-core", "gcalloc-replace")}
        found = {os.path.relpath(os.path.join(folder, name), self.shared)
                 for folder, _, files in os.walk(self.shared) for name in files}
        package = {name for name in found if name.startswith(f"{LIBDIR}/cmake/gcalloc/")}
        self.assertEqual(found - package, names)
        self.assertLess({f"{LIBDIR}/cmake/gcalloc/gcallocConfig{ending}.cmake" for ending in ("", "Version")}, package)

    def test_no_path_of_the_build(self):
        for path in glob.glob(os.path.join(self.shared, LIBDIR, "**", "*"), recursive=True):
            if path.endswith((".pc", ".cmake")):
                with open(path) as file:
                    text = file.read()
                for foreign in (BUILD, TOP, os.path.join(self.scratch, "first")):
                    self.assertNotIn(foreign, text, path)

    def test_command(self):
        """It finds the library beside it, for a program that knows of none."""
        program = self.program("plain")
        source = os.path.join(HERE, "consumer", "consumer.c")
        flags = [f"-I{self.shared}/include", "-D_GNU_SOURCE"]
        run(CC, *flags, source, "-o", program, f"-L{self.shared}/{LIBDIR}", "-lgcalloc_core")
        self.assert_prints(f"{VERSION} {NOTHING}", program)
        self.assert_prints(f"{VERSION} {EVERYTHING}", program, before=(os.path.join(self.shared, "bin/gcalloc"), "run", "--"))

    def test_archive_by_path(self):
        """Named on the command line, beside shared ones that stay unused; malloc comes along as the program names it."""
        source = os.path.join(HERE, "consumer", "consumer.c")
        for library, wanted in (("libgcalloc", EVERYTHING), ("libgcalloc_core", NOTHING)):
            with self.subTest(library):
                program = self.program(f"by-path-{library}")
                run(CC, f"-I{self.shared}/include", "-D_GNU_SOURCE", source, "-o", program,
                    f"{self.shared}/{LIBDIR}/{library}.a", "-pthread", "-ldl")
                self.assertEqual(needed(program), [])
                self.assert_prints(f"{VERSION} {wanted}", program)


class PkgConfig(Installed):
    def flags(self, prefix, name, *words):
        path = os.path.join(prefix, LIBDIR, "pkgconfig")
        return run("pkg-config", *words, name, PKG_CONFIG_PATH=path, PKG_CONFIG_LIBDIR=path).split()

    def compile(self, prefix, name, source, *words):
        program = self.program(f"{os.path.basename(prefix)}-{name}-{source}")
        path = os.path.join(HERE, "consumer", source + ".c")
        run(CC, "-std=c11", "-O2", "-D_GNU_SOURCE", *self.flags(prefix, name, "--cflags"), path, "-o", program,
            *self.flags(prefix, name, "--libs", *words))
        return program

    def test_version(self):
        for name in ("gcalloc", "gcalloc-core", "gcalloc-replace"):
            self.assertEqual(self.flags(self.shared, name, "--modversion"), [VERSION])

    def test_shared(self):
        for name, library, wanted in (("gcalloc", "libgcalloc", EVERYTHING), ("gcalloc-core", "libgcalloc_core", NOTHING),
                                      ("gcalloc-replace", "libgcalloc_core", OWN_SOURCES)):
            with self.subTest(name):
                program = self.compile(self.shared, name, "consumer")
                self.assertEqual(needed(program), [f"{library}.so.{VERSION.split('.')[0]}"])
                self.assert_prints(f"{VERSION} {wanted}", program)

    def test_static(self):
        for name, wanted in (("gcalloc", EVERYTHING), ("gcalloc-core", NOTHING), ("gcalloc-replace", OWN_SOURCES)):
            with self.subTest(name):
                program = self.compile(self.static, name, "consumer", "--static")
                self.assertEqual(needed(program), [])
                self.assert_prints(f"{VERSION} {wanted}", program)

    def test_program_that_never_names_malloc(self):
        for prefix, words in ((self.shared, ()), (self.static, ("--static",))):
            with self.subTest(os.path.basename(prefix)):
                self.assert_prints("library=1", self.compile(prefix, "gcalloc", "nameless", *words))
                self.assert_prints("library=0", self.compile(prefix, "gcalloc-core", "nameless", *words))


class CMakePackage(Installed):
    def build(self, version):
        folder = tempfile.mkdtemp(dir=self.scratch)
        run(CMAKE, "-S", os.path.join(HERE, "consumer"), "-B", folder, f"-DCMAKE_PREFIX_PATH={self.shared}",
            f"-DCMAKE_C_COMPILER={CC}", f"-DWANTED_VERSION={version}", "-DCMAKE_BUILD_TYPE=Release")
        run(CMAKE, "--build", folder)
        return folder

    def test_targets(self):
        folder = self.build(VERSION)
        for target, is_shared, wanted in (("gcalloc", True, EVERYTHING), ("gcalloc_static", False, EVERYTHING),
                                          ("core", True, NOTHING), ("core_static", False, NOTHING)):
            with self.subTest(target):
                program = os.path.join(folder, f"consumer_{target}")
                self.assertEqual(len(needed(program)), int(is_shared))
                self.assert_prints(f"{VERSION} {wanted}", program)
                self.assert_prints("library=" + wanted[-1], os.path.join(folder, f"nameless_{target}"))

    def test_other_version_is_refused(self):
        major, minor, _ = VERSION.split(".")
        with self.assertRaisesRegex(AssertionError, "compatible with requested version"):
            self.build(f"{major}.{int(minor) + 1}")


if __name__ == "__main__":
    unittest.main()
