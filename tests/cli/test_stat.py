#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""gcalloc stat: the figures, the file that they come through, and that the program's end passes through."""
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
import unittest

from support import LIBRARY_NAME, CommandTest

RECORD = ("pid={pid} name={name} cycles=4 given_up=1 pause_total_ns=3210000 pause_longest_ns={longest} "
          "heap_peak_bytes={peak} live_bytes=2048 reclaimed_bytes=31562138 reclaimed_objects=1000 leaked_bytes=512 "
          "leaked_objects=1 released_bytes=4096")


def record(pid=10, name="prog", longest=1500000, peak=1048576):
    return RECORD.format(pid=pid, name=name, longest=longest, peak=peak)


class StatTest(CommandTest):
    def figures(self, records, **changes):
        """What --json says of these lines."""
        done = self.gcalloc("stat", "--json", "--", self.probe, "exit", "0", FAKE_RECORDS=records, **changes)
        self.assertEqual((done.returncode, done.stdout, done.stderr.count("\n")), (0, "", 1), done.stderr)
        return json.loads(done.stderr)

    def counted(self, records):
        figures = self.figures(records)
        return figures["processes"], figures["damaged_records"]


class Records(StatTest):
    def test_one(self):
        self.assertEqual(self.figures(record() + "\n"), {
            "processes": 1, "damaged_records": 0, "exit_status": 0, "signal": None,
            "heap_peak_process": {"name": "prog", "pid": 10}, "cycles": 4, "given_up": 1, "pause_total_ns": 3210000,
            "pause_longest_ns": 1500000, "heap_peak_bytes": 1048576, "live_bytes": 2048, "reclaimed_bytes": 31562138,
            "reclaimed_objects": 1000, "leaked_bytes": 512, "leaked_objects": 1, "released_bytes": 4096})

    def test_sums_and_maxima(self):
        lines = [record(10, "a", 5, 100), record(11, "b", 9, 300), record(12, "c", 7, 200)]
        figures = self.figures("\n".join(lines) + "\n")
        self.assertEqual((figures["processes"], figures["cycles"], figures["given_up"], figures["leaked_objects"]),
                         (3, 12, 3, 3))
        self.assertEqual((figures["pause_total_ns"], figures["pause_longest_ns"], figures["heap_peak_bytes"]),
                         (9630000, 9, 300))
        self.assertEqual(figures["heap_peak_process"], {"name": "b", "pid": 11})

    def test_unknown_keys_and_order(self):
        words = record().split(" ")
        self.assertEqual(self.counted(" ".join(reversed(words)) + " colour=blue x= y=1\n"), (1, 0))

    def test_torn_and_foreign_lines(self):
        good = record()
        cases = {
            "no newline at the end": good,
            "cut": good[:-20] + "\n",
            "two in one": good[:-20] + record(11) + "\n",
            "key twice": good + " cycles=4\n",
            "key missing": good.replace(" cycles=4", "") + "\n",
            "no number": good.replace("cycles=4", "cycles=four") + "\n",
            "negative": good.replace("cycles=4", "cycles=-4") + "\n",
            "empty number": good.replace("cycles=4", "cycles=") + "\n",
            "too large": good.replace("cycles=4", "cycles=18446744073709551616") + "\n",
            "much too large": good.replace("cycles=4", "cycles=99999999999999999999") + "\n",
            "bad name": record(name='a"b') + "\n",
            "long name": record(name="a" * 256) + "\n",
            "word without value": good + " word\n",
            "value without key": good + " =3\n",
            "text": "hello\n",
            "empty": "\n",
        }
        for what, line in cases.items():
            with self.subTest(what):
                self.assertEqual(self.counted(line), (0, 1))
                self.assertEqual(self.counted(record() + "\n" + line), (1, 1))

    def test_extremes(self):
        huge = record().replace("cycles=4", "cycles=18446744073709551615")
        self.assertEqual(self.figures(huge + "\n")["cycles"], 2**64 - 1)
        self.assertEqual(self.figures(huge + "\n" + huge + "\n")["cycles"], 2**64 - 1)
        self.assertEqual(self.counted(record(name="a" * 255) + "\n"), (1, 0))
        self.assertEqual(self.counted(record(name="a.b_c+d-e?") + "\n"), (1, 0))

    def test_tree_of_processes(self):
        done = self.gcalloc("stat", "--json", self.probe, "fork", "5", FAKE_PEAK="1000")
        figures = json.loads(done.stderr)
        self.assertEqual((figures["processes"], figures["heap_peak_bytes"], figures["heap_peak_process"]["name"]),
                         (6, 6 * 1048576, "probe"))


class Table(StatTest):
    def table(self, records, *words, **changes):
        done = self.gcalloc("stat", "--", self.probe, *(words or ("exit", "0")), FAKE_RECORDS=records, **changes)
        for line in done.stderr.splitlines():
            self.assertTrue(len(line) <= 80 or not line.startswith("  "), line)
        return done.stderr

    def test_rows(self):
        self.assertEqual(self.table(record() + "\n"), f"""\
gcalloc: {self.probe}: exit status 0
  processes                     1
  collections                   4   1 given up
  pauses                  3.21 ms   longest 1.50 ms
  peak heap               1.0 MiB   prog (pid 10)
  reclaimed              30.1 MiB   1,000 objects
  leaked at exit            512 B   1 object
  released                4.0 KiB   given back to the system
""")

    def test_units(self):
        for peak, shown in ((0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1048575, "1.0 MiB"), (1048576, "1.0 MiB"),
                            (3 << 30, "3.0 GiB"), (2**64 - 1, "16.0 EiB")):
            self.assertIn(f" {shown}   prog (pid", self.table(record(peak=peak) + "\n"))
        for longest, shown in ((0, "0 s"), (999000, "999.0 us"), (1500000, "1.50 ms"), (10000000000, "10.0 s")):
            self.assertIn(f"longest {shown}\n", self.table(record(longest=longest) + "\n"))

    def test_width_of_the_extreme(self):
        line = re.sub(r"=\d{2,}", "=18446744073709551615", record(pid=7, name="n" * 255))
        line = line.replace("pid=7", "pid=2147483647")
        self.assertIn("n" * 27 + " (pid 2147483647)\n", self.table(line + "\n"))
        self.assertEqual(self.counted(line.replace("2147483647", "2147483648") + "\n"), (0, 1))

    def test_left_out_records_are_told(self):
        self.assertTrue(self.table("junk\n" + record() + "\n").startswith(
            "gcalloc: 1 record left out: torn or not written by gcalloc\ngcalloc: /"))
        self.assertTrue(self.table("junk\njunk\n").startswith("gcalloc: 2 records left out: "))

    def test_death_is_told(self):
        done = self.gcalloc("stat", "/bin/sh", "-c", f'"{self.probe}" exit 0; kill -TERM $$')
        self.assertEqual(done.returncode, -signal.SIGTERM)
        self.assertTrue(done.stderr.startswith("gcalloc: /bin/sh: killed by signal 15 (Terminated)\n"), done.stderr)

    def test_no_record(self):
        self.assertEqual(self.table("", "exit", "3"),
                         f"gcalloc: {self.probe}: no figures: exit status 3; "
                         "it called _exit, or became a static or privileged program\n")
        done = self.gcalloc("stat", self.probe, "_exit", "3")
        self.assertIn(": no figures: exit status 3; ", done.stderr)
        done = self.gcalloc("stat", self.probe, "kill", "9")
        self.assertEqual(done.stderr, f"gcalloc: {self.probe}: no figures: killed by signal 9 (Killed)\n")
        done = self.gcalloc("stat", "--json", self.probe, "kill", "9")
        figures = json.loads(done.stderr)
        self.assertEqual([figures[key] for key in ("processes", "exit_status", "signal", "heap_peak_process")],
                         [0, None, 9, None])


class Output(StatTest):
    def test_file(self):
        for options in (["--json"], []):
            done = self.gcalloc("stat", *options, "--output", "figures", self.probe, "exit", "2")
            self.assert_runs(done, "", 2)
            with open(os.path.join(self.scratch, "figures")) as file:
                text = file.read()
            self.assertIn('"exit_status":2' if options else "exit status 2", text)

    def test_what_is_there_stays_until_the_program_has_ended(self):
        path = self.write("figures", "of the run before\n")
        os.chmod(path, 0o640)
        done = self.gcalloc("stat", "--output=figures", "sh", "-c", "cat figures; ls -A", LC_ALL="C")
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"\Aof the run before\n\.gcalloc\.\w{6}\nfigures\n\Z")
        with open(path) as file:
            self.assertIn("exit status 0", file.read())
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o640)
        self.assertEqual(os.listdir(self.scratch), ["figures"])

    def test_what_is_there_stays_where_nothing_ran(self):
        path = self.write("figures", "of the run before\n")
        done = self.gcalloc("stat", "--output=figures", "sh", "-c", "echo ran", TMPDIR="/no/such/folder")
        self.assertEqual((done.returncode, done.stdout), (125, ""), done.stderr)
        with open(path) as file:
            self.assertEqual(file.read(), "of the run before\n")
        self.assertEqual(os.listdir(self.scratch), ["figures"])

    def test_standard_output(self):
        done = self.gcalloc("stat", "--json", "--output=-", self.probe, "exit", "0")
        self.assertEqual((json.loads(done.stdout)["exit_status"], done.stderr), (0, ""))

    def test_signals_of_the_program_are_those_of_the_command(self):
        words = ["grep", "-E", "^Sig(Ign|Cgt)", "/proc/self/status"]
        with_file = self.gcalloc("stat", "--output=figures", *words).stdout
        self.assertEqual(with_file, self.gcalloc("stat", *words).stdout)
        self.assertNotEqual(with_file, "")

    def test_file_that_cannot_be_made_stops_before_the_program(self):
        self.assert_fails(self.gcalloc("stat", "--output", "/no/such/file", "sh", "-c", "echo ran"), 125,
                          "gcalloc: /no/such/file: cannot be written: No such file or directory")

    def test_no_name(self):
        for words in (["--output="], ["--output", ""]):
            self.assert_fails(self.gcalloc("stat", *words, "sh", "-c", "echo ran"), 125,
                              "gcalloc: '': a file's name cannot be empty")

    def test_link_to_what_is_not_there_stays_one(self):
        """Also through another link, and relative to where each lies."""
        os.mkdir(os.path.join(self.scratch, "sub"))
        os.symlink("sub/second", os.path.join(self.scratch, "first"))
        os.symlink("../figures", os.path.join(self.scratch, "sub", "second"))
        self.assert_runs(self.gcalloc("stat", "--output=first", self.probe, "exit", "0"), "", 0)
        self.assertEqual(os.readlink(os.path.join(self.scratch, "first")), "sub/second")
        self.assertEqual(sorted(os.listdir(self.scratch)), ["figures", "first", "sub"])
        self.assertEqual(os.listdir(os.path.join(self.scratch, "sub")), ["second"])
        with open(os.path.join(self.scratch, "figures")) as file:
            self.assertIn("exit status 0", file.read())

    def test_circle_of_links(self):
        os.symlink("b", os.path.join(self.scratch, "a"))
        os.symlink("a", os.path.join(self.scratch, "b"))
        self.assert_fails(self.gcalloc("stat", "--output=a", "sh", "-c", "echo ran"), 125,
                          "gcalloc: a: cannot be written: Too many levels of symbolic links")

    def test_file_that_may_be_written_in_a_folder_that_may_not(self):
        folder = os.path.join(self.scratch, "folder")
        os.mkdir(folder)
        path = self.write("folder/figures", "of the run before, " * 100)
        os.chmod(path, 0o666)
        os.chmod(folder, 0o555)
        os.chmod(self.scratch, 0o755)
        command = [self.command, "stat", f"--output={path}", "sh", "-c", f"head -c 17 {path}"]
        user = {"user": 65534} if os.geteuid() == 0 else {}
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, cwd="/", **user)
        os.chmod(folder, 0o755)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "of the run before", ""))
        with open(path) as file:
            self.assertRegex(file.read(), r"\Agcalloc: sh: exit status 0\n(  .*\n)+\Z|\Agcalloc: sh: no figures: .*\n\Z")

    def test_full_disk(self):
        line = "gcalloc: /dev/full: cannot be written: No space left on device"
        self.assert_fails(self.gcalloc("stat", "--output=/dev/full", self.probe, "exit", "0"), 125, line)
        self.assert_fails(self.gcalloc("stat", "--output=/dev/full", self.probe, "exit", "7"), 7, line)

    def test_options_reach_the_program(self):
        done = self.gcalloc("stat", "--mode=free", "--verbose", "--output=/dev/null", self.probe, "environment",
                            "GCALLOC_MODE", "GCALLOC_VERBOSE", "LD_PRELOAD")
        self.assert_runs(done, f"GCALLOC_MODE=free\nGCALLOC_VERBOSE=1\nLD_PRELOAD={self.library}\n")


class RecordFile(StatTest):
    def test_private_and_gone_at_the_end(self):
        for ending in (["stats-file"], ["kill", "9"], ["no-such-program"]):
            words = [self.probe, *ending] if ending != ["no-such-program"] else ["./none"]
            done = self.gcalloc("stat", "--output=/dev/null", *words, TMPDIR=self.scratch)
            if ending == ["stats-file"]:
                self.assertRegex(done.stdout, rf"\A{self.scratch}/gcalloc-stat\.\w{{6}} 600 700 0\n\Z")
            self.assertEqual(os.listdir(self.scratch), [])

    def test_default_directory(self):
        for value in (None, ""):
            done = self.gcalloc("stat", self.probe, "stats-file", TMPDIR=value)
            self.assertTrue(done.stdout.startswith("/tmp/gcalloc-stat."), done.stdout)

    def test_relative_directory_becomes_absolute(self):
        os.mkdir(os.path.join(self.scratch, "t"))
        done = self.gcalloc("stat", self.probe, "stats-file", TMPDIR="t")
        self.assertTrue(done.stdout.startswith(f"{self.scratch}/t/gcalloc-stat."), done.stdout)

    def test_bad_directories(self):
        self.assert_fails(self.gcalloc("stat", self.probe, "id", TMPDIR="/no/such"), 125,
                          "gcalloc: /no/such: no temporary directory: No such file or directory")
        self.assert_fails(self.gcalloc("stat", self.probe, "id", TMPDIR="/proc"), 125,
                          "gcalloc: /proc: cannot create a temporary directory: No such file or directory")
        long = os.path.join(self.scratch, "d" * 200)
        os.mkdir(long)
        self.assert_fails(self.gcalloc("stat", self.probe, "id", TMPDIR=long), 125,
                          f"gcalloc: {long}: the temporary directory's name is too long")

    def test_longest_directory(self):
        """The library takes 255 bytes: one less of them must do, one more must not."""
        fixed = len(self.scratch) + len("/") + len("/gcalloc-stat.XXXXXX/records")
        for length, code in ((255 - fixed, 0), (256 - fixed, 125)):
            folder = os.path.join(self.scratch, "d" * length)
            os.mkdir(folder)
            self.assertEqual(self.gcalloc("stat", self.probe, "exit", "0", TMPDIR=folder).returncode, code)

    def test_process_that_outlives_us_leaves_nothing(self):
        environment = self.environment(TMPDIR=self.scratch)
        with subprocess.Popen([self.command, "stat", self.probe, "orphan"], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
            self.assertEqual(process.wait(timeout=60), 0)
            process.stdin.close()
            self.assertEqual(process.stdout.read(), b"")  # until the orphan has gone too
        self.assertEqual(os.listdir(self.scratch), [])

    def test_own_file_of_the_user_is_left_alone(self):
        own = os.path.join(self.scratch, "own")
        self.gcalloc("stat", self.probe, "exit", "0", GCALLOC_STATS_FILE=own)
        self.assertFalse(os.path.exists(own))


class PassingThrough(StatTest):
    def test_exit_status(self):
        for code in (0, 1, 7, 125, 126, 127, 255):
            self.assertEqual(self.gcalloc("stat", self.probe, "exit", str(code)).returncode, code)

    def test_death_by_signal(self):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGQUIT, signal.SIGSEGV, signal.SIGPIPE,
                       signal.SIGRTMIN + 3):
            self.assertEqual(self.gcalloc("stat", self.probe, "kill", str(int(number))).returncode, -number)

    def test_shell_sees_the_signal(self):
        done = subprocess.run(["/bin/sh", "-c", '"$0" stat "$1" kill 15; echo $?', self.command, self.probe],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.assertEqual(done.stdout, "143\n")

    def test_no_core_file_of_ours(self):
        import resource
        def unlimited():
            resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
        with subprocess.Popen([self.command, "stat", self.probe, "kill", str(int(signal.SIGABRT))], cwd=self.scratch,
                              stderr=subprocess.DEVNULL, env=self.environment(), preexec_fn=unlimited) as process:
            _, status = os.waitpid(process.pid, 0)
            process.returncode = -os.WTERMSIG(status)
        self.assertEqual((os.WTERMSIG(status), os.WCOREDUMP(status)), (signal.SIGABRT, False))

    def test_signals_of_the_program_are_as_they_were(self):
        done = self.gcalloc("stat", self.probe, "signals")
        self.assertEqual(done.stdout, "2:default:open 3:default:open 15:default:open 1:default:open 17:default:open \n")
        done = self.gcalloc("stat", self.probe, "signals", before=(self.probe, "with-ignored"))
        self.assertEqual(done.stdout, "2:ignored:open 3:default:open 15:ignored:open 1:ignored:open 17:ignored:open \n")

    def test_status_where_child_signals_are_ignored(self):
        done = self.gcalloc("stat", self.probe, "exit", "7", before=(self.probe, "with-ignored"))
        self.assertEqual(done.returncode, 7)


class Signals(StatTest):
    """The program waits for a signal and answers with exit status 40 + its number."""

    def start(self, *before):
        process = subprocess.Popen([*before, self.command, "stat", "--output=/dev/null", self.probe, "wait"], text=True,
                                   stdout=subprocess.PIPE, env=self.environment(), start_new_session=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        ready, child, group = process.stdout.readline().split()
        self.assertEqual((ready, int(group)), ("ready", process.pid))
        return process, int(child)

    def finish(self, process, number):
        self.assertEqual(process.stdout.read(), f"signal {number}, 1 time\n")
        self.assertEqual(process.wait(timeout=60), 40 + number)

    def test_terminate_and_hang_up_are_handed_on(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            process, _ = self.start()
            process.send_signal(number)
            self.finish(process, int(number))

    def test_interrupt_and_quit_are_not(self):
        for number in (signal.SIGINT, signal.SIGQUIT):
            process, child = self.start()
            process.send_signal(number)
            self.assertEqual(select.select([process.stdout], [], [], 0.2)[0], [])
            self.assertIsNone(process.poll())
            os.kill(child, number)
            self.finish(process, int(number))

    def test_group_gets_each_once(self):
        for number in (signal.SIGINT, signal.SIGQUIT):
            process, _ = self.start()
            os.killpg(process.pid, number)
            self.finish(process, int(number))

    def test_ignored_stay_ignored(self):
        process, child = self.start(self.probe, "with-ignored")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(select.select([process.stdout], [], [], 0.2)[0], [])
        os.kill(child, signal.SIGHUP)
        self.finish(process, int(signal.SIGHUP))

    def test_control_c_at_a_terminal(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(self.command, ["gcalloc", "stat", "--output=/dev/null", self.probe, "wait"], self.environment())
        self.addCleanup(os.close, terminal)
        shown = b""
        deadline = time.monotonic() + 60
        while b"ready" not in shown and time.monotonic() < deadline:
            shown += os.read(terminal, 1000)
        os.write(terminal, b"\x03")
        _, status = os.waitpid(pid, 0)
        self.assertEqual(os.waitstatus_to_exitcode(status), 40 + signal.SIGINT)


@unittest.skipUnless("CLI_TEST_REAL_LIBRARY" in os.environ, "no real library was built")
class RealLibrary(StatTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.install("CLI_TEST_REAL_LIBRARY", "lib/" + LIBRARY_NAME)

    def stat(self, *words, **changes):
        done = self.gcalloc("stat", "--json", "--", self.probe, *words, **changes)
        return done.returncode, json.loads(done.stderr)

    def test_leak_is_counted(self):
        code, figures = self.stat("leak", "1000")
        self.assertEqual((code, figures["processes"], figures["damaged_records"], figures["cycles"]), (0, 1, 0, 0))
        self.assertEqual(figures["heap_peak_process"]["name"], "probe")
        self.assertTrue(950 <= figures["leaked_objects"] <= 1010, figures)
        self.assertGreaterEqual(figures["leaked_bytes"], 1000 * figures["leaked_objects"] * 0.95)
        self.assertGreater(figures["heap_peak_bytes"], 1000 * 1000)

    def test_no_leak_is_counted(self):
        self.assertLess(self.stat("leak", "0")[1]["leaked_objects"], 50)

    def test_collections_are_counted(self):
        figures = self.stat("leak", "300000")[1]
        self.assertGreater(figures["cycles"], 0)
        self.assertGreater(figures["pause_total_ns"], 0)
        self.assertGreaterEqual(figures["reclaimed_objects"], 200000)

    def test_mode(self):
        done = self.gcalloc("stat", "--json", "--mode=free", self.probe, "leak", "300000")
        self.assertEqual(json.loads(done.stderr)["cycles"], 0)

    def test_tree_of_processes(self):
        self.assertEqual(self.stat("fork", "3")[1]["processes"], 4)

    def test_longest_name(self):
        program = shutil.copy(self.probe, os.path.join(self.scratch, "n" * 255))
        figures = json.loads(self.gcalloc("stat", "--json", program, "leak", "300000").stderr)
        self.assertEqual((figures["processes"], figures["damaged_records"]), (1, 0))
        self.assertEqual(figures["heap_peak_process"]["name"], "n" * 255)


if __name__ == "__main__":
    unittest.main()
