#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gcalloc run, help and version: each error line with its exit code, and what a program sees of being run."""
import os
import shutil
import signal
import struct
import subprocess
import unittest

from support import LIBRARY_NAME, NOBODY, CommandTest

needs_root = unittest.skipUnless(os.geteuid() == 0, "needs root, to make a privileged program and to run as nobody")


class Arguments(CommandTest):
    def test_usage_errors(self):
        run_help = "gcalloc: run: no program given; try 'gcalloc run --help'"
        cases = [
            ([], "gcalloc: no subcommand; try 'gcalloc --help'"),
            (["--"], "gcalloc: no subcommand; try 'gcalloc --help'"),
            (["--bogus"], "gcalloc: unrecognized option '--bogus'"),
            (["frob", "x"],
             "gcalloc: frob: no such subcommand; 'gcalloc --help' lists them, 'gcalloc run' runs a program"),
            (["run"], run_help),
            (["run", "--"], run_help),
            (["run", "--stats"], run_help),
            (["run", "--mode"], "gcalloc: run: option '--mode' requires an argument"),
            (["run", "--mode", "banana", "true"], "gcalloc: --mode=banana: not one of gc|free|leaks"),
            (["run", "--mode=", "true"], "gcalloc: --mode=: not one of gc|free|leaks"),
            (["run", "--mode=g", "true"], "gcalloc: --mode=g: not one of gc|free|leaks"),
            (["run", "--mode=xx", "true"], "gcalloc: --mode=xx: not one of gc|free|leaks"),
            (["run", "--mode=gc|free", "true"], "gcalloc: --mode=gc|free: not one of gc|free|leaks"),
            (["run", "--bogus", "true"], "gcalloc: run: unrecognized option '--bogus'"),
            (["run", "-z", "true"], "gcalloc: run: invalid option -- 'z'"),
            (["run", "--json", "true"], "gcalloc: run: unrecognized option '--json'"),
            (["stat"], "gcalloc: stat: no program given; try 'gcalloc stat --help'"),
            (["stat", "--stats", "true"], "gcalloc: stat: unrecognized option '--stats'"),
            (["help", "frob"],
             "gcalloc: frob: no such subcommand; 'gcalloc --help' lists them, 'gcalloc run' runs a program"),
            (["help", "run", "stat"], "gcalloc: help: one subcommand at a time"),
        ]
        for words, line in cases:
            with self.subTest(words=words):
                self.assert_fails(self.gcalloc(*words), 125, line)

    def test_help_names_every_subcommand_and_option(self):
        overview = self.gcalloc("--help")
        self.assertEqual((overview.returncode, overview.stderr), (0, ""))
        self.assertEqual(self.gcalloc("help").stdout, overview.stdout)
        for name, options in (("run", "--mode --stats --verbose --help"), ("stat", "--mode --json --output --verbose")):
            self.assertIn(f"\n  {name} ", overview.stdout)
            text = self.gcalloc("help", name)
            self.assertEqual((text.returncode, text.stderr), (0, ""))
            self.assertTrue(text.stdout.startswith(f"Usage: gcalloc {name} "), text.stdout)
            self.assertIn("gc|free", text.stdout)
            for option in options.split():
                self.assertIn(option, text.stdout)
            self.assertEqual(self.gcalloc(name, "--help").stdout, text.stdout)
            self.assertLessEqual(max(map(len, text.stdout.splitlines())), 80)

    def test_version(self):
        self.assertRegex(self.gcalloc("--version").stdout, r"\Agcalloc \d+\.\d+\.\d+\n\Z")

    def test_full_disk_is_no_success(self):
        for words in (["--help"], ["--version"], ["help", "run"]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([self.command, *words], stdout=full, stderr=subprocess.PIPE, text=True)
            self.assertEqual((done.returncode, done.stderr),
                             (125, "gcalloc: standard output: No space left on device\n"))

    def test_words_after_the_program_are_its_own(self):
        expected = f"[{self.probe}][arguments][--mode][--][--help][]\n"
        for front in (["run"], ["run", "--"], ["run", "--stats", "--"], ["run", "--mode=gc"]):
            with self.subTest(front=front):
                done = self.gcalloc(*front, self.probe, "arguments", "--mode", "--", "--help", "")
                self.assert_runs(done, expected)

    def test_program_named_with_dashes(self):
        os.symlink(self.probe, os.path.join(self.scratch, "--mode"))
        done = self.gcalloc("run", "--", "--mode", "arguments", PATH=self.scratch)
        self.assert_runs(done, "[--mode][arguments]\n")

    def test_message_stays_one_line(self):
        self.assert_fails(self.gcalloc("run", "a\nb\x1b[1m"), 127, "gcalloc: a?b?[1m: not found in PATH")


class Programs(CommandTest):
    def test_not_found(self):
        self.assert_fails(self.gcalloc("run", "no-such-program"), 127, "gcalloc: no-such-program: not found in PATH")
        self.assert_fails(self.gcalloc("run", "./no-such-program"), 127, "gcalloc: ./no-such-program: not found")
        self.assert_fails(self.gcalloc("run", ""), 127, "gcalloc: '': a program's name cannot be empty")
        os.symlink("nowhere", os.path.join(self.scratch, "dangling"))
        self.assert_fails(self.gcalloc("run", "./dangling"), 127, "gcalloc: ./dangling: not found")

    def test_no_program_file(self):
        os.mkfifo(os.path.join(self.scratch, "fifo"))
        os.symlink("loop", os.path.join(self.scratch, "loop"))
        self.write("plain", "text", 0o644)
        for name, cause in (("/", "is a directory"), ("./fifo", "not a regular file"), 
                            ("/dev/null", "not a regular file"), ("./plain", "no permission to execute it"),
                            ("./plain/x", "Not a directory"),
                            ("./loop", "Too many levels of symbolic links")):
            with self.subTest(name=name):
                self.assert_fails(self.gcalloc("run", name), 126, f"gcalloc: {name}: {cause}")

    def test_unreadable(self):
        program = shutil.copy(self.probe, self.scratch)
        os.chmod(program, 0o111)
        user = NOBODY if os.geteuid() == 0 else None
        self.assert_fails(self.gcalloc("run", "./probe", user=user), 126,
                          "gcalloc: ./probe: cannot be read, so it cannot be checked: Permission denied")

    def test_search(self):
        first = os.path.join(self.scratch, "first")
        os.makedirs(os.path.join(first, "folder"))
        self.write("first/blocked", "text", 0o644)
        self.write("first/tool", "text", 0o644)
        self.write("second/tool", "#!/bin/sh\necho second\n")
        path = f"{first}:{self.scratch}/missing:{self.scratch}/second:/usr/bin:/bin"
        self.assert_runs(self.gcalloc("run", "tool", PATH=path), "second\n")
        self.assert_fails(self.gcalloc("run", "blocked", PATH=path), 126,
                          f"gcalloc: {first}/blocked: no permission to execute it")
        self.assert_fails(self.gcalloc("run", "folder", PATH=path), 126, f"gcalloc: {first}/folder: is a directory")

    def test_search_passes_by_a_closed_directory(self):
        closed = os.path.join(self.scratch, "closed")
        self.write("closed/tool", "#!/bin/sh\necho closed\n")
        self.write("open/other", "#!/bin/sh\necho open\n")
        os.chmod(closed, 0o000)
        self.addCleanup(os.chmod, closed, 0o755)
        path, user = f"{closed}:{self.scratch}/open", NOBODY if os.geteuid() == 0 else None
        self.assert_runs(self.gcalloc("run", "other", user=user, PATH=path), "open\n")
        self.assert_fails(self.gcalloc("run", "tool", user=user, PATH=path), 127, "gcalloc: tool: not found in PATH")

    def test_search_of_the_working_directory(self):
        self.write("here", "#!/bin/sh\necho here\n")
        for path in (":/nowhere", "/nowhere:", "/nowhere::/nowhere", ""):
            with self.subTest(path=path):
                self.assert_runs(self.gcalloc("run", "here", PATH=path), "here\n")
        self.assert_fails(self.gcalloc("run", "here", PATH="/nowhere"), 127, "gcalloc: here: not found in PATH")

    def test_search_without_path(self):
        self.assert_runs(self.gcalloc("run", "sh", "-c", "echo found", PATH=None), "found\n")

    def test_static(self):
        line = f"gcalloc: {self.static_probe}: statically linked, so libgcalloc.so cannot be preloaded into it"
        self.assert_fails(self.gcalloc("run", self.static_probe), 126, line)
        self.assert_fails(self.gcalloc("stat", self.static_probe), 126, line)

    def test_loader_as_program(self):
        with open(self.probe, "rb") as file:
            loader = file.read().split(b"/ld-linux")[0].rsplit(b"\0", 1)[-1]  # its directory
        name = next(n for n in os.listdir(loader) if n.startswith(b"ld-linux"))
        done = self.gcalloc("run", os.path.join(loader, name).decode(), self.probe, "environment", "LD_PRELOAD")
        self.assert_runs(done, f"LD_PRELOAD={self.library}\n")

    def test_foreign_elf(self):
        with open(self.probe, "rb") as file:
            machine = struct.unpack_from("<H", file.read(20), 18)[0]
        own = {62: "x86-64", 183: "aarch64"}[machine]

        def as_machine(width, order, number):
            def change(image):
                image[4], image[5] = width, order
                struct.pack_into("<H" if order == 1 else ">H", image, 18, number)
                return image
            return change

        for name, change, built_for in (("i386", as_machine(1, 1, 3), "32-bit x86"),
                                        ("x32", as_machine(1, 1, 62), "x32"),
                                        ("riscv", as_machine(2, 1, 243), "riscv64"),
                                        ("s390", as_machine(2, 2, 22), "s390 (big-endian)"),
                                        ("odd", as_machine(1, 1, 999), "32-bit ELF machine 999")):
            with self.subTest(name=name):
                self.patched_probe(name, change)
                self.assert_fails(self.gcalloc("run", "./" + name), 126,
                                  f"gcalloc: ./{name}: built for {built_for}; libgcalloc.so is for {own}")

    def test_broken_elf(self):
        self.patched_probe("cut", lambda image: image[:40])
        self.patched_probe("cut-segments", lambda image: image[:64])
        self.patched_probe("object", lambda image: image[:16] + struct.pack("<H", 1) + image[18:])
        self.assert_fails(self.gcalloc("run", "./cut"), 126, "gcalloc: ./cut: damaged ELF file")
        self.assert_fails(self.gcalloc("run", "./cut-segments"), 126, "gcalloc: ./cut-segments: damaged ELF file")
        self.assert_fails(self.gcalloc("run", "./object"), 126, "gcalloc: ./object: an ELF file, but no program")

    def test_loaders(self):
        self.patched_probe("lost", lambda image: image.replace(b"/ld-linux", b"/ld-lost-", 1))
        self.patched_probe("musl", lambda image: image.replace(b"/ld-linux", b"/ld-musl-", 1))
        lost = self.gcalloc("run", "./lost")
        self.assertEqual(lost.returncode, 127)
        self.assertRegex(lost.stderr,
                         r"\Agcalloc: \./lost: its loader /\S+ cannot be used: No such file or directory\n\Z")
        self.assert_fails(self.gcalloc("run", "./musl"), 126,
                          "gcalloc: ./musl: built for the C library musl; libgcalloc.so needs glibc")

    def test_text_is_run_by_the_shell(self):
        self.write("text", "echo \"$0 $1\"\nexit 3\n")
        self.assert_runs(self.gcalloc("run", "./text", "a b"), "./text a b\n", 3)
        self.assert_runs(self.gcalloc("stat", "--output=/dev/null", "./text", "a b"), "./text a b\n", 3)
        self.write("empty", "")
        self.assert_runs(self.gcalloc("run", "./empty"), "")

    def test_binary_garbage(self):
        self.write("garbage", b"ab\0c\nexit 0\n")
        for name in ("run", "stat"):
            self.assert_fails(self.gcalloc(name, "./garbage"), 126,
                              "gcalloc: ./garbage: cannot be executed: Exec format error")


class Scripts(CommandTest):
    def fails(self, content, code, rest):
        self.write("script", content)
        self.assert_fails(self.gcalloc("run", "./script"), code, f"gcalloc: ./script (interpreter {rest}")
        direct = subprocess.run(["/bin/sh", "-c", "./script"], cwd=self.scratch, capture_output=True)
        return direct.returncode

    def test_runs(self):
        self.write("script", f"#! \t{self.probe} arguments \n")
        self.assert_runs(self.gcalloc("run", "./script", "x"), f"[{self.probe}][arguments][./script][x]\n")
        self.write("outer", "#!./script")
        done = self.gcalloc("run", "./outer")
        self.assert_runs(done, f"[{self.probe}][arguments][./script][./outer]\n")

    def test_interpreter_missing_or_unusable_as_the_shell_has_it(self):
        self.write("plain", "text", 0o644)
        self.assertEqual(self.fails("#!/no/such\n", 127, "/no/such): not found"), 127)
        self.assertEqual(self.fails("#!./plain\n", 126, "./plain): no permission to execute it"), 126)
        self.assertEqual(self.fails("#!/\n", 126, "/): is a directory"), 126)

    def test_interpreter_static(self):
        self.fails(f"#!{self.static_probe}\n", 126,
                   f"{self.static_probe}): statically linked, so libgcalloc.so cannot be preloaded into it")

    def test_interpreter_of_interpreter(self):
        self.write("inner", "#!/no/such\n")
        self.fails("#!./inner\n", 127, "./inner) (interpreter /no/such): not found")

    def test_interpreter_that_is_text(self):
        self.write("inner", "echo\n")
        self.fails("#!./inner\n", 126, "./inner): neither an ELF program nor a script")

    def test_endless(self):
        self.write("script", "#!./script\n")
        done = self.gcalloc("run", "./script")
        self.assertEqual(done.returncode, 126)
        self.assertTrue(done.stderr.endswith("): too many interpreters that are scripts themselves\n"), done.stderr)

    def test_deepest_chain_that_the_kernel_takes(self):
        target = "/bin/true"
        for depth in range(1, 8):
            self.write(f"script{depth}", f"#!{target}\n")
            target = f"./script{depth}"
            try:
                kernel = subprocess.run([target], cwd=self.scratch).returncode == 0
            except OSError:
                kernel = False
            done = self.gcalloc("run", target)
            self.assertEqual(done.returncode, 0 if kernel else 126, f"chain of {depth}")
            self.assertEqual("too many interpreters" in done.stderr, not kernel, f"chain of {depth}")


class Privileges(CommandTest):
    """Whether gcalloc refuses is compared with what the kernel says in AT_SECURE for the same program and caller."""

    def privileged(self, owner=0, group=0, mode=0o4755, capabilities=None):
        program = shutil.copy(self.probe, os.path.join(self.scratch, "program"))
        os.chown(program, owner, group)
        os.chmod(program, mode)
        if capabilities:
            os.setxattr(program, "security.capability", capabilities)
        return program

    def check(self, reason, user=NOBODY, before=(), **kind):
        program = self.privileged(**kind)
        more = {"user": user, "group": user, "extra_groups": []}
        secure = subprocess.run([*before, program, "secure"], capture_output=True, text=True, **more).stdout
        self.assertEqual(secure, "1\n" if reason else "0\n", "the kernel's view")
        done = self.gcalloc("run", program, "secure", user=user, before=before)
        if reason:
            self.assert_fails(done, 126, f"gcalloc: {program}: {reason}, so the loader ignores LD_PRELOAD")
        else:
            self.assert_runs(done, "0\n")

    @needs_root
    def test_set_user(self):
        self.check("set-user-ID to another user")
        self.check(None, owner=NOBODY, group=NOBODY)
        self.check(None, user=0)

    @needs_root
    def test_set_group(self):
        self.check("set-group-ID to another group", mode=0o2755)
        self.check(None, mode=0o2755, group=NOBODY)
        self.check(None, mode=0o2745)  # without the group's x bit it means locking, not privilege

    @needs_root
    def test_no_new_privileges(self):
        self.check(None, before=(self.probe, "without-new-privileges"))

    @needs_root
    def test_file_capabilities(self):
        net_raw = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0)
        not_effective = struct.pack("<IIIII", 0x02000000, 1 << 13, 0, 0, 0)
        high = struct.pack("<IIIII", 0x02000000, 0, 0, 1 << 2, 0)  # 34: syslog
        effective_alone = struct.pack("<IIIII", 0x02000001, 0, 0, 0, 0)
        none = struct.pack("<IIIII", 0x02000000, 0, 0, 0, 0)
        reason = "it carries file capabilities"
        self.check(reason, mode=0o755, capabilities=net_raw)
        self.check(reason, mode=0o755, capabilities=not_effective)
        self.check(reason, mode=0o755, capabilities=high)
        self.check(reason, mode=0o755, capabilities=effective_alone)
        self.check(None, mode=0o755, capabilities=none)
        self.check(None, mode=0o755, capabilities=net_raw, user=0)
        self.check(reason, mode=0o755, capabilities=net_raw, before=(self.probe, "without-new-privileges"))

    @needs_root
    def test_interpreter_with_privileges(self):
        program = self.privileged()
        self.write("script", f"#!{program}\n")
        self.assert_fails(self.gcalloc("run", "./script", user=NOBODY), 126,
                          f"gcalloc: ./script (interpreter {program}): set-user-ID to another user, "
                          "so the loader ignores LD_PRELOAD")

    @needs_root
    def test_privileges_of_a_script_are_nothing(self):
        self.write("script", "#!/bin/sh\necho ran\n", 0o6755)
        self.assert_runs(self.gcalloc("run", "./script", user=NOBODY), "ran\n")

    def test_set_user_to_oneself(self):
        program = shutil.copy(self.probe, self.scratch)
        os.chmod(program, 0o4755)
        self.assert_runs(self.gcalloc("run", program, "secure"), "0\n")


class Library(CommandTest):
    def tree_with(self, folder, library):
        """A second installation under the scratch directory; the command's path."""
        root = os.path.join(self.scratch, folder)
        os.makedirs(os.path.join(root, "bin"))
        os.makedirs(os.path.join(root, "lib"))
        if library:
            shutil.copy(self.library, os.path.join(root, "lib"))
        return shutil.copy(self.command, os.path.join(root, "bin"))

    def test_missing(self):
        command = self.tree_with("bare", library=False)
        done = self.gcalloc("run", "true", command=command)
        self.assertEqual(done.returncode, 125)
        self.assertTrue(done.stderr.startswith(
            f"gcalloc: {LIBRARY_NAME}: not found in {os.path.dirname(command)}/../lib"), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1)

    def test_path_that_ld_preload_cannot_hold(self):
        for folder, what in (("a b", "a space"), ("a:b", "a colon"), ("a$b", "a dollar sign")):
            with self.subTest(folder=folder):
                command = self.tree_with(folder, library=True)
                self.assert_fails(self.gcalloc("run", "true", command=command), 125,
                                  f"gcalloc: {self.scratch}/{folder}/lib/{LIBRARY_NAME}: "
                                  f"LD_PRELOAD cannot hold a path with {what}")

    def test_no_library_at_all(self):
        command = self.tree_with("text", library=False)
        library = self.write("text/lib/" + LIBRARY_NAME, "GROUP ( libgcalloc.so.0 )\n")
        self.assert_fails(self.gcalloc("run", "true", command=command), 125,
                          f"gcalloc: {library}: cannot be read as a shared library")

    def test_command_reached_through_a_link(self):
        link = os.path.join(self.scratch, "link")
        os.symlink(self.command, link)
        done = self.gcalloc("run", self.probe, "environment", "LD_PRELOAD", command=link)
        self.assert_runs(done, f"LD_PRELOAD={self.library}\n")

    def test_link_to_a_versioned_file_keeps_its_name(self):
        command = self.tree_with("versioned", library=False)
        folder = os.path.join(self.scratch, "versioned", "lib")
        os.rename(shutil.copy(self.library, folder), os.path.join(folder, "libgcalloc.so.0.1.0"))
        os.symlink("libgcalloc.so.0.1.0", os.path.join(folder, LIBRARY_NAME))
        done = self.gcalloc("run", self.probe, "environment", "LD_PRELOAD", command=command)
        self.assert_runs(done, f"LD_PRELOAD={folder}/{LIBRARY_NAME}\n")


class Environment(CommandTest):
    NAMES = ("LD_PRELOAD", "GCALLOC_MODE", "GCALLOC_STATS", "GCALLOC_VERBOSE")

    def seen(self, *options, **changes):
        done = self.gcalloc("run", *options, "--", self.probe, "environment", *self.NAMES, **changes)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return dict(line.split("=", 1) for line in done.stdout.splitlines())

    def test_nothing_but_the_library(self):
        self.assertEqual(self.seen(), {"LD_PRELOAD": self.library, "GCALLOC_MODE": "(unset)",
                                       "GCALLOC_STATS": "(unset)", "GCALLOC_VERBOSE": "(unset)"})

    def test_options(self):
        self.assertEqual(self.seen("--mode", "free", "--stats", "--verbose"),
                         {"LD_PRELOAD": self.library, "GCALLOC_MODE": "free", "GCALLOC_STATS": "1",
                          "GCALLOC_VERBOSE": "1"})

    def test_option_wins_over_environment(self):
        self.assertEqual(self.seen("--mode=gc", GCALLOC_MODE="free")["GCALLOC_MODE"], "gc")
        self.assertEqual(self.seen(GCALLOC_MODE="free")["GCALLOC_MODE"], "free")

    def test_preload_is_prepended(self):
        other = shutil.copy(self.library, os.path.join(self.scratch, "libother.so"))
        self.assertEqual(self.seen(LD_PRELOAD=other)["LD_PRELOAD"], f"{self.library}:{other}")
        self.assertEqual(self.seen(LD_PRELOAD="")["LD_PRELOAD"], self.library)

    def test_library_is_loaded(self):
        records = os.path.join(self.scratch, "records")
        self.gcalloc("run", self.probe, "exit", "0", GCALLOC_STATS_FILE=records)
        with open(records) as file:
            self.assertIn(" name=probe ", file.read())


class PassingThrough(CommandTest):
    def test_exit_status(self):
        for code in (0, 1, 7, 125, 126, 127, 255):
            self.assert_runs(self.gcalloc("run", self.probe, "exit", str(code)), "", code)

    def test_death_by_signal(self):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGUSR1):
            self.assert_runs(self.gcalloc("run", self.probe, "kill", str(int(number))), "", -number)

    def test_same_process_and_group(self):
        with subprocess.Popen([self.command, "run", self.probe, "id"], stdout=subprocess.PIPE, text=True,
                              env=self.environment()) as process:
            output = process.communicate(timeout=60)[0]
        self.assertEqual(output, f"{process.pid} {os.getpgrp()}\n")

    def test_standard_input(self):
        done = subprocess.run([self.command, "run", "cat"], input=b"a\0b", stdout=subprocess.PIPE, timeout=60)
        self.assertEqual(done.stdout, b"a\0b")

    def test_inherited_dispositions(self):
        done = self.gcalloc("run", self.probe, "signals", before=(self.probe, "with-ignored"))
        self.assertEqual(done.stdout, "2:ignored:open 3:default:open 15:ignored:open 1:ignored:open 17:ignored:open \n")


if __name__ == "__main__":
    unittest.main()
