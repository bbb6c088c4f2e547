#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check.py bad [--core] CAUSE PROGRAM [PARAMETER]: each function of the allocator, given the program's bad pointer,
    must die of SIGABRT after exactly one line on standard error, the one for CAUSE.
check.py legal PROGRAM [ARGUMENT...]: must exit with 0 and print nothing, in every environment below."""
import os
import resource
import signal
import subprocess
import sys
import tempfile

FREEING = ["free", "cfree", "free_sized", "free_aligned_sized", "_ZdlPv", "_ZdaPv", "_ZdlPvm", "_ZdlPvSt11align_val_t"]
OTHERS = ["realloc", "realloc:zero", "realloc:large", "reallocarray", "malloc_usable_size"]
CORE_FREEING = ["gca_free"]
CORE_OTHERS = ["gca_realloc", "gca_realloc:zero", "gca_reallocarray", "gca_usable_size"]
ENVIRONMENTS = [{}, {"GCALLOC_MIN_HEADROOM": "64K"}, {"GCALLOC_MODE": "free"}]
# What a profiler knows of blocks must not change what is said of bad pointers.
FULL_PROFILE = {"GCALLOC_PROFILE": "full"}
SOME_PROFILE = {"GCALLOC_PROFILE": "sample", "GCALLOC_PROFILE_RATE": "64"}
TIMEOUT = 120


def environment(folder, changes=()):
    changes = {**dict(changes), "GCALLOC_PROFILE_FILE": os.path.join(folder, "%p")}
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GCALLOC_") or k == "GCALLOC_TORTURE"}
    return {**kept, **changes}


def no_core_file():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run_with_report(words, changes):
    """The finished process and what it wrote to file 3."""
    reader, writer = os.pipe()

    def keep_as_three():
        no_core_file()
        os.dup2(writer, 3)

    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(words, env=environment(folder, changes), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, close_fds=False,
                                   preexec_fn=keep_as_three)
        os.close(writer)
        out, err = process.communicate(timeout=TIMEOUT)
    with open(reader, encoding="ascii") as file:
        return process.returncode, out, err, file.read().split()


def cause_text(cause, call, start):
    return {
        "freed": "double free" if call in FREEING + CORE_FREEING else "already freed",
        "reclaimed": "already reclaimed by the collector",
        "inside": f"inside the block at {start}, not its start",
        "unknown": "not allocated",
        "foreign": "not from gcalloc",
    }[cause]


def function_name(call):
    return "operator delete" if call.startswith("_Zd") else call.partition(":")[0]


def check_bad(arguments):
    is_core = arguments[0] == "--core"
    cause, *words = arguments[1:] if is_core else arguments
    calls = CORE_FREEING + CORE_OTHERS + ([] if is_core else FREEING + OTHERS)
    failures = 0
    runs = [(call, changes) for call in calls for changes in ({}, FULL_PROFILE)] + [(calls[0], SOME_PROFILE)]
    for call, changes in runs:
        code, out, err, addresses = run_with_report([words[0], call, *words[1:]], changes)
        address, start = addresses if len(addresses) == 2 else ("?", "?")
        wanted = (-signal.SIGABRT, "", f"gcalloc: {function_name(call)}({address}): {cause_text(cause, call, start)}\n")
        if (code, out, err) != wanted:
            failures += 1
            print(f"{call} {changes}: wanted {wanted}\n{' ' * len(call)}  got    {(code, out, err)}")
    return failures


def check_legal(words):
    failures = 0
    for changes in [*ENVIRONMENTS, FULL_PROFILE]:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(words, env=environment(folder, changes), stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=TIMEOUT, check=False,
                                  preexec_fn=no_core_file)
        if (done.returncode, done.stdout, done.stderr) != (0, "", ""):
            failures += 1
            print(f"{changes}: exit {done.returncode}, output {done.stdout!r}, errors {done.stderr!r}")
    return failures


if __name__ == "__main__":
    check = {"bad": check_bad, "legal": check_legal}[sys.argv[1]]
    sys.exit(1 if check(sys.argv[2:]) else 0)
