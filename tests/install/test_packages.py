#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The packages for Debian: made by cpack, looked at by Debian's own tools, installed, used as a user would, and removed.

One set of them is used by all tests. Roots to install them into are folders: one for users, without development files, one
for developers.
"""
import filecmp
import glob
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

from support import BUILD, CC, CMAKE, EVERYTHING, HERE, NOTHING, OWN_SOURCES, TOP, VERSION, needed, run

CPACK = os.environ["INSTALL_TEST_CPACK"]
NAMES = ("libgcalloc0", "libgcalloc-dev", "gcalloc")
LIBRARIES = ("libgcalloc", "libgcalloc_core")
SKIPPED = 77


def make_packages(name):
    """{package: file}, made by cpack in a new folder."""
    folder = os.path.join(scratch, name)
    run(CPACK, "--config", os.path.join(BUILD, "CPackConfig.cmake"), "-B", folder)
    return {os.path.basename(path).split("_")[0]: path for path in glob.glob(os.path.join(folder, "*.deb"))}


def setUpModule():
    global scratch, packages, users, developers
    scratch = os.path.realpath(tempfile.mkdtemp(prefix="gcalloc-packages-"))
    unittest.addModuleCleanup(shutil.rmtree, scratch)
    packages = make_packages("made")
    users, developers = (os.path.join(scratch, name) for name in ("users", "developers"))
    for root, names in ((users, ("libgcalloc0", "gcalloc")), (developers, NAMES)):
        for name in names:
            run("dpkg-deb", "-x", packages[name], root)


def multiarch():
    return run("dpkg-architecture", "-q", "DEB_HOST_MULTIARCH").strip()


def folder_of_libraries(root):
    return os.path.join(root, "usr/lib", multiarch())


def field(package, name):
    return run("dpkg-deb", "-f", packages[package], name).strip()


def control_file(package, name):
    return run("dpkg-deb", "-I", packages[package], name)


def contents(package):
    """{path: (mode, owner)} of all that is no folder."""
    rows = [line.split(None, 5) for line in run("dpkg-deb", "-c", packages[package]).splitlines()]
    return {row[5].split(" -> ")[0].removeprefix("./"): (row[0], row[1]) for row in rows if not row[0].startswith("d")}


def elf_files(root):
    paths = [os.path.join(folder_of_libraries(root), f"{library}.so.{VERSION}") for library in LIBRARIES]
    return [os.path.join(root, "usr/bin/gcalloc"), *paths]


class Made(unittest.TestCase):
    def test_fields(self):
        self.assertEqual(set(packages), set(NAMES))
        version = run("dpkg-parsechangelog", "-l", os.path.join(TOP, "platform/debian/changelog"), "-S", "Version").strip()
        self.assertEqual(version.rsplit("-", 1)[0], VERSION)
        for name in NAMES:
            with self.subTest(name):
                self.assertEqual(field(name, "Package"), name)
                self.assertEqual(field(name, "Version"), version)
                self.assertRegex(field(name, "Maintainer"), r"^gcalloc developers <")
                self.assertGreater(len(field(name, "Description").splitlines()), 3)
        self.assertRegex(field("libgcalloc0", "Depends"), r"^libc6 \(>= [\d.]+\)$")
        self.assertEqual(field("libgcalloc-dev", "Depends"), f"libgcalloc0 (= {version}), libc6-dev | libc-dev")
        used = ", ".join(rf"{name} \(>= [\d.:]+\)" for name in ("libc6", "libdw1", "libelf1", r"libstdc\+\+6", "zlib1g"))
        self.assertRegex(field("gcalloc", "Depends"), rf"^libgcalloc0 \(= {re.escape(version)}\), {used}$")

    def test_contents(self):
        libraries = f"usr/lib/{multiarch()}"
        wanted = {name: {f"usr/share/doc/{name}/{file}" for file in ("changelog.Debian.gz", "copyright")} for name in NAMES}
        wanted["gcalloc"] |= {"usr/bin/gcalloc", "usr/share/bash-completion/completions/gcalloc",
                              "usr/share/man/man1/gcalloc.1.gz",
                              "usr/share/man/man1/gcalloc-export.1.gz", "usr/share/man/man7/gcalloc.7.gz"}
        major = VERSION.split(".")[0]
        wanted["libgcalloc0"] |= {f"{libraries}/{name}.so.{end}" for name in LIBRARIES for end in (major, VERSION)}
        wanted["libgcalloc-dev"] |= {f"{libraries}/{name}.{end}" for name in LIBRARIES for end in ("so", "a")}
        wanted["libgcalloc-dev"] |= {f"{libraries}/pkgconfig/gcalloc{end}.pc" for end in ("", "-core", "-replace")}
        wanted["libgcalloc-dev"] |= {"usr/share/man/man3/gcalloc.3.gz"}
        headers = glob.glob("**/*.h", root_dir=os.path.join(TOP, "include"), recursive=True)
        wanted["libgcalloc-dev"] |= {f"usr/include/{header}" for header in headers}
        for name in NAMES:
            with self.subTest(name):
                found = contents(name)
                self.assertEqual({path for path in found if "/cmake/" not in path}, wanted[name])
                self.assertEqual({owner for _, owner in found.values()}, {"root/root"})
                for path, (mode, _) in found.items():
                    self.assertIn(mode, ("-rwxr-xr-x" if "/bin/" in path else "-rw-r--r--", "lrwxrwxrwx"), path)
        self.assertTrue(any(path.endswith("cmake/gcalloc/gcallocConfig.cmake") for path in contents("libgcalloc-dev")))

    def test_pages_are_the_sources(self):
        for section in "137":
            with gzip.open(os.path.join(developers, f"usr/share/man/man{section}/gcalloc.{section}.gz"), "rt") as page, \
                 open(os.path.join(TOP, f"src/cli/man/gcalloc.{section}")) as source:
                self.assertEqual(page.read(), source.read())

    def test_symbols_are_what_the_libraries_export(self):
        described = {}
        for line in control_file("libgcalloc0", "symbols").splitlines():
            if line.startswith("lib"):
                names = described.setdefault(line.split(".so.")[0], set())
            elif line.startswith(" "):
                names.add(line.split("@")[0].strip())
                self.assertRegex(line, r"@Base \d+\.\d+\.\d+$")
        for library in LIBRARIES:
            rows = run("nm", "-D", "--defined-only", os.path.join(folder_of_libraries(users), f"{library}.so.{VERSION}"))
            self.assertEqual(described.pop(library), {row.split()[-1] for row in rows.splitlines()})
        self.assertEqual(described, {})

    def test_the_loader_is_told(self):
        self.assertIn("\nactivate-noawait ldconfig\n", "\n" + control_file("libgcalloc0", "triggers"))
        for library in LIBRARIES:
            line = f"{library} {VERSION.split('.')[0]} libgcalloc0 (>= {VERSION})\n"
            self.assertIn(line, control_file("libgcalloc0", "shlibs"))

    def test_hardening(self):
        for path in elf_files(users):
            with self.subTest(os.path.basename(path)):
                shown = run("readelf", "-lhdW", path)
                self.assertRegex(shown, r"GNU_STACK .* RW  ")
                self.assertIn("GNU_RELRO", shown)
                self.assertRegex(shown, r"FLAGS_1.*\bNOW\b")
                self.assertRegex(shown, r"Type: +DYN ")  # of a program: it has no fixed place
                self.assertIn("__stack_chk_fail", run("nm", "-D", path))

    def test_no_path_of_the_build(self):
        for folder, _, names in os.walk(developers):
            for name in names:
                with open(os.path.join(folder, name), "rb") as file:
                    text = file.read()
                for foreign in (scratch, TOP):
                    self.assertNotIn(foreign.encode(), text, name)

    def test_made_again_they_are_the_same(self):
        for name, path in make_packages("made again").items():
            self.assertTrue(filecmp.cmp(path, packages[name], shallow=False), name)

    @unittest.skipUnless(shutil.which("lintian"), "lintian is not installed")
    def test_lintian(self):
        done = subprocess.run(["lintian", "--fail-on", "error,warning", *packages.values()], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)


class Used(unittest.TestCase):
    def assert_prints(self, wanted, *words):
        shown = run(*words, LD_LIBRARY_PATH=folder_of_libraries(users))
        self.assertEqual(shown.rstrip("\n"), wanted, words)

    def compile(self, name, *words):
        """The consumer, by pkg-config alone."""
        path = os.path.join(folder_of_libraries(developers), "pkgconfig")
        flags = run("pkg-config", "--cflags", "--libs", *words, name, PKG_CONFIG_LIBDIR=path).split()
        program = os.path.join(scratch, name)
        run(CC, "-O2", "-D_GNU_SOURCE", os.path.join(HERE, "consumer", "consumer.c"), "-o", program, *flags)
        return program

    def test_command(self):
        """It finds the library where only users' packages are."""
        command = os.path.join(users, "usr/bin/gcalloc")
        self.assertEqual(run(command, "--version"), f"gcalloc {VERSION}\n")
        program = self.compile("gcalloc-core")
        self.assert_prints(f"{VERSION} {NOTHING}", program)
        self.assert_prints(f"{VERSION} {EVERYTHING}", command, "run", "--", program)

    def test_pkg_config(self):
        for name, wanted in (("gcalloc", EVERYTHING), ("gcalloc-core", NOTHING), ("gcalloc-replace", OWN_SOURCES)):
            with self.subTest(name):
                self.assert_prints(f"{VERSION} {wanted}", self.compile(name))

    def test_cmake(self):
        folder = os.path.join(scratch, "consumer")
        run(CMAKE, "-S", os.path.join(HERE, "consumer"), "-B", folder, f"-DCMAKE_PREFIX_PATH={developers}/usr",
            f"-DCMAKE_C_COMPILER={CC}", f"-DWANTED_VERSION={VERSION}", "-DCMAKE_BUILD_TYPE=Release")
        run(CMAKE, "--build", folder)
        for target, wanted in (("gcalloc", EVERYTHING), ("gcalloc_static", EVERYTHING),
                               ("core", NOTHING), ("core_static", NOTHING)):
            with self.subTest(target):
                program = os.path.join(folder, f"consumer_{target}")
                self.assertEqual(len(needed(program)), 0 if target.endswith("static") else 1)
                self.assert_prints(f"{VERSION} {wanted}", program)

    def test_packages_of_other_programs_depend_on_the_library(self):
        program = self.compile("gcalloc")
        folder = os.path.join(scratch, "dependent")
        os.makedirs(os.path.join(folder, "debian"))
        with open(os.path.join(folder, "debian/control"), "w") as file:
            file.write("Source: dependent\n\nPackage: dependent\nArchitecture: any\n")
        raw = os.path.join(scratch, "raw")
        run("dpkg-deb", "-R", packages["libgcalloc0"], raw)
        shown = run("sh", "-c", 'cd "$1" && dpkg-shlibdeps -O -S"$2" "$3"', "sh", folder, raw, program)
        self.assertRegex(shown, rf"Depends=.*\blibgcalloc0 \(>= {re.escape(VERSION)}\)")

    @unittest.skipUnless(shutil.which("bash"), "bash is not installed")
    def test_completion(self):
        path = os.path.join(users, "usr/share/bash-completion/completions/gcalloc")
        self.assertIn("gcalloc", run("bash", "-c", '. "$1" && complete -p gcalloc', "bash", path))


@unittest.skipUnless(os.geteuid() == 0, "dpkg installs for root alone")
class Installed(unittest.TestCase):
    """With a data base of dpkg's own, in which nothing else is installed."""

    def dpkg(self, *words):
        path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
        return run("dpkg", f"--root={self.root}", "--force-depends", *words, PATH=path)

    def listing(self):
        """All that is on disk but dpkg's own accounts."""
        found = set()
        for folder, folders, names in os.walk(self.root):
            if folder == os.path.join(self.root, "var/lib/dpkg"):
                folders[:], names = ["info"], []
            found.update(os.path.relpath(os.path.join(folder, name), self.root) for name in (*folders, *names))
        return found - {"var/lib/dpkg/info/format"}

    def install(self):
        self.dpkg("-i", *packages.values())
        for name in NAMES:
            self.assertIn("Status: install ok installed", self.dpkg("-s", name))
            self.assertEqual(self.dpkg("-V", name), "")

    def test_install_and_remove(self):
        self.root = os.path.join(scratch, "root")
        for folder in ("updates", "info", "triggers"):
            os.makedirs(os.path.join(self.root, "var/lib/dpkg", folder))
        with open(os.path.join(self.root, "var/lib/dpkg/status"), "w"):
            pass
        before = self.listing()
        for ways in (("-r", "-P"), ("-P",)):  # removed and then purged; purged at once
            with self.subTest(ways[0]):
                self.install()
                self.assertGreater(self.listing(), before)
                self.assertEqual(run(os.path.join(self.root, "usr/bin/gcalloc"), "run", "echo", "runs"), "runs\n")
                for way in ways:
                    self.dpkg(way, *NAMES)
                    self.assertEqual(self.listing(), before)
                self.assertEqual(self.dpkg("--get-selections"), "")


if __name__ == "__main__":
    if not shutil.which("dpkg-shlibdeps"):
        print("no tools here that make packages for Debian (dpkg-dev)")
        sys.exit(SKIPPED)
    unittest.main()
