#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Torture for hours: every test of a torture build again and again, in random order, each time with random settings.

    long.py [--build DIR] [--hours H | --until HH:MM] [--seed S] [--first N] [--tests REGEX] [--output DIR]
    long.py ... --seed S --run N       run N of that seed alone, as it was

Settings: a collection at every n-th allocation, delays at the edges of protocols, one refused call for memory, 1 to 8
markers, each set of instructions, checking mode, and sometimes a profile or an early return of memory. All follow from
seed and number of the run. One line a run in DIR/log, and the whole output of what did not pass in DIR/SEED-N.txt.
RUN_PREFIX in the environment: words that are put in front of each run's command, such as `taskset 1`.

Verdicts: ok; skipped; FAILED; HUNG (out of time, and nothing of it was computing); slow (out of time, but computing);
refused (it failed, but a call was refused and it said so). The end is 1 if anything FAILED or HUNG.
"""
import argparse
import datetime
import json
import os
import random
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
JOBS = os.path.join(HERE, "..", "integration", "jobs")
LABELS = {"unit", "misuse", "conformance", "integration"}
NAMES = re.compile(r"^(unit|misuse|conformance|programs)\.|^integration_|^leaks\.leaks_planted")
# What compares times, looks at what is collected when nothing else collects, or is a control on the C library's malloc.
LEFT_OUT = re.compile(r"\.libc$|_control$|_never_collected$|integration_(footprint|demo|driver)$|unknown_suite_fails$|"
                      r"^conformance\.row(67|69)_|^programs\.frames_")
# These say themselves when to collect: everything but more collections.
OWN_COLLECTIONS = re.compile(r"reclaimed|unit\.(cycle|own_collections)|gca_api_(kinds|collect|pressure)|hidden|"
                             r"replace_(garbage|two_worlds)|wholly_static|example_|row40_|row53_|leak_sizes$|cyclic_threads$|"
                             r"rss_return|leaks\.")
# These fill a heap to its limit, and count on what the next request gets: samples lie in blocks of their own.
FULL_HEAPS = re.compile(r"gca_api_pressure|row35_")
DEADLINE_MS = 5000     # of a stop: on a busy machine a collection is given up otherwise, which some tests take for a failure
LIMIT_S = 240          # of one run; more is not waited for
LOOK_S = 3             # how long a run that is out of time is watched, and
COMPUTES_S = 0.3       # what it must compute meanwhile to be slow and not hung
OUTPUT_BYTES = 200000  # kept of a run
REFUSAL = re.compile(r"memory|ENOMEM|NULL|alloc", re.I)


# ---- Settings ------------------------------------------------------------------------------------------------------

def instruction_sets():
    with open("/proc/cpuinfo", encoding="ascii") as file:
        flags = file.read().split()
    return ["scalar"] + [name for name, flag in (("avx2", "avx2"), ("avx512", "avx512f")) if flag in flags]


def job_interval(test):
    """Allocations between two collections that the job itself has chosen for such builds; 200 for other tests."""
    path = os.path.join(JOBS, re.sub(r"^integration_|_ticked$", "", test) + ".sh")
    if not os.path.exists(path):
        return 200
    with open(path, encoding="utf-8") as file:
        found = re.search(r"^torture=(\d+)", file.read(), re.M)
    return int(found.group(1)) if found else 100


def torture_switches(test, rng):
    switches = []
    if not OWN_COLLECTIONS.search(test) and rng.random() < 0.85:
        switches.append(f"collect={max(1, int(job_interval(test) * 2 ** rng.uniform(-3, 3)))}")
    if rng.random() < 0.6:
        switches.append(f"delay={rng.randrange(1, 2**31)}")
    if rng.random() < 0.1:
        switches.append(f"mmap-fail={int(2 ** rng.uniform(3, 12))}")
    return ",".join(switches)


def settings(test, rng):
    chosen = {"GCALLOC_TORTURE": torture_switches(test, rng)}
    chosen["GCALLOC_STOP_DEADLINE_MS"] = str(DEADLINE_MS)
    chosen["GCALLOC_MARKERS"] = str(rng.choice([0, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 8]))
    chosen["GCALLOC_SIMD"] = rng.choice(instruction_sets())
    if rng.random() < 0.4:
        chosen["GCALLOC_VERIFY"] = "1"
    if rng.random() < 0.2:
        chosen["GCALLOC_RELEASE_MS"] = str(rng.choice([0, 1, 10, 100]))
    if rng.random() < 0.1 and not test.startswith(("unit.", "leaks.")) and not FULL_HEAPS.search(test):
        chosen["GCALLOC_PROFILE"] = rng.choice(["sample", "site", "full"])
        chosen["GCALLOC_PROFILE_RATE"] = str(int(2 ** rng.uniform(6, 16)))
    return {name: value for name, value in chosen.items() if value}


# ---- Tests ---------------------------------------------------------------------------------------------------------

class Test:
    def __init__(self, entry):
        self.name = entry["name"]
        self.command = entry.get("command", [])
        self.properties = {item["name"]: item["value"] for item in entry.get("properties", [])}

    def is_for_torture(self):
        labels = set(self.properties.get("LABELS", []))
        return bool(self.command) and bool(labels & LABELS) and "slow" not in labels and \
            bool(NAMES.search(self.name)) and not LEFT_OUT.search(self.name)

    def environment(self, chosen, folder):
        """What the test needs wins, so that it is still that test. Jobs clear the environment and take words."""
        own = dict(item.split("=", 1) for item in self.properties.get("ENVIRONMENT", []))
        if "GCALLOC_PROFILE" in chosen:
            chosen = {**chosen, "GCALLOC_PROFILE_FILE": os.path.join(folder, "profile.%p")}
        if not self.name.startswith("integration_"):
            own = {**chosen, **own}
        else:
            own = {**own, **chosen, "INTEGRATION_LIMIT": str(2 * LIMIT_S),
                   "INTEGRATION_OPTIONS": " ".join(f"{k}={v}" for k, v in chosen.items())}
        return {**os.environ, **own, "TMPDIR": folder}

    def is_passed(self, code, output):
        pattern = self.properties.get("PASS_REGULAR_EXPRESSION")
        if pattern:
            return any(re.search(one, output) for one in pattern)
        return (code != 0) == bool(self.properties.get("WILL_FAIL", False))


def tests_of(build, pattern):
    done = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1"], capture_output=True, text=True, check=True)
    found = [Test(entry) for entry in json.loads(done.stdout)["tests"]]
    return [test for test in found if test.is_for_torture() and re.search(pattern, test.name)]


def planned(tests, seed, number):
    """The test of run `number`: all of them, then all in another order, and so on."""
    turn, at = divmod(number, len(tests))
    order = sorted(tests, key=lambda test: test.name)
    random.Random(f"{seed} {turn}").shuffle(order)
    return order[at]


# ---- One run -------------------------------------------------------------------------------------------------------

def members(session):
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and os.getsid(int(name)) == session:
                found.append(int(name))
        except OSError:
            pass
    return found


def computed(processes):
    """Seconds of processor time of these and of the children they have waited for."""
    ticks = 0
    for process in processes:
        try:
            with open(f"/proc/{process}/stat", encoding="utf-8", errors="replace") as file:
                ticks += sum(int(word) for word in file.read().rsplit(")", 1)[1].split()[11:15])
        except OSError:
            pass
    return ticks / os.sysconf("SC_CLK_TCK")


def stacks(processes):
    """Where each thread stands, for who looks at it later."""
    text = ""
    for process in processes:
        try:
            done = subprocess.run(["gdb", "-batch", "-nx", "-p", str(process), "-ex", "thread apply all bt 25"],
                                  capture_output=True, text=True, errors="replace", timeout=60, check=False)
            text += f"\n==== process {process}\n{done.stdout}"
        except (OSError, subprocess.TimeoutExpired) as failure:
            text += f"\n==== process {process}: {failure}\n"
    return text


def out_of_time(process):
    """Verdict and stacks; then all of it is ended."""
    before = computed(members(process.pid))
    time.sleep(LOOK_S)
    processes = members(process.pid)
    verdict = "slow" if computed(processes) - before > COMPUTES_S else "HUNG"
    text = stacks(processes) if verdict == "HUNG" else ""
    for one in members(process.pid):
        try:
            os.kill(one, signal.SIGKILL)
        except OSError:
            pass
    process.wait()
    return verdict, text


def run_test(test, chosen):
    """(verdict, seconds, output)"""
    with tempfile.TemporaryDirectory(prefix="gcalloc-torture-") as folder, \
            tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as file:
        begin, added = time.monotonic(), ""
        process = subprocess.Popen(test.command, env=test.environment(chosen, folder), stdin=subprocess.DEVNULL, stdout=file,
                                   stderr=file, start_new_session=True,
                                   cwd=test.properties.get("WORKING_DIRECTORY", folder))
        try:
            code = process.wait(LIMIT_S)
            verdict = ""
        except subprocess.TimeoutExpired:
            code = None
            verdict, added = out_of_time(process)
        seconds = time.monotonic() - begin
        file.seek(0)
        output = file.read(OUTPUT_BYTES) + added
    return verdict or judge(test, chosen, code, output), seconds, f"exit code {code}\n{output}"


def judge(test, chosen, code, output):
    if code == test.properties.get("SKIP_RETURN_CODE"):
        return "skipped"
    if test.is_passed(code, output):
        return "ok"
    # A refused call may be answered with NULL, which a test that has not asked for it takes for a failure.
    is_answer = "mmap-fail" in chosen.get("GCALLOC_TORTURE", "") and code > 0 and "gcalloc:" not in output
    return "refused" if is_answer and REFUSAL.search(output) else "FAILED"


def one_run(options, tests):
    test = planned(tests, options.seed, options.run)
    chosen = settings(test.name, random.Random(f"{options.seed} {options.run} {test.name}"))
    verdict, seconds, output = run_test(test, chosen)
    words = " ".join(f"{name.removeprefix('GCALLOC_')}={value}" for name, value in chosen.items())
    line = f"{options.seed} {options.run} {verdict} {seconds:.1f} s {test.name} {words}"
    print(line, flush=True)
    with open(os.path.join(options.output, "log"), "a", encoding="utf-8") as file:
        file.write(line + "\n")
    if verdict not in ("ok", "skipped"):
        with open(os.path.join(options.output, f"{options.seed}-{options.run}.txt"), "w", encoding="utf-8") as file:
            file.write(line + "\n" + output)
    return verdict


# ---- Many runs -----------------------------------------------------------------------------------------------------

def end_time(options):
    if not options.until:
        return time.time() + options.hours * 3600
    now = datetime.datetime.now()
    hour, minute = map(int, options.until.split(":"))
    end = now.replace(hour=hour, minute=minute, second=0)
    return (end if end > now else end + datetime.timedelta(days=1)).timestamp()


def many_runs(options):
    """Each is a process of its own: what RUN_PREFIX does before it begins is not its time."""
    prefix = shlex.split(os.environ.get("RUN_PREFIX", ""))
    words = [sys.executable, "-B", os.path.realpath(__file__), "--build", options.build, "--output", options.output,
             "--tests", options.tests, "--seed", str(options.seed), "--run"]
    end, number, begin = end_time(options), options.first, time.time()
    is_bad = False
    while time.time() < end:
        is_bad |= subprocess.run(prefix + words + [str(number)], check=False).returncode != 0
        number += 1
    print(f"seed {options.seed}: {number - options.first} runs in {(time.time() - begin) / 3600:.2f} hours", flush=True)
    return 1 if is_bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build-torture")
    parser.add_argument("--hours", type=float, default=1)
    parser.add_argument("--until", help="HH:MM")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--run", type=int, help="this one alone")
    parser.add_argument("--tests", default="", metavar="REGEX")
    parser.add_argument("--output", default=None)
    options = parser.parse_args()
    options.build = os.path.realpath(options.build)
    options.output = os.path.realpath(options.output or os.path.join(options.build, "torture"))
    os.makedirs(options.output, exist_ok=True)
    if options.run is None:
        return many_runs(options)
    tests = tests_of(options.build, options.tests)
    if not tests:
        sys.exit("no tests: is this a torture build?")
    return 1 if one_run(options, tests) in ("FAILED", "HUNG") else 0


if __name__ == "__main__":
    sys.exit(main())
