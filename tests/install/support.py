# SPDX-License-Identifier: MIT
"""What the tests of installed trees share: where things are, running commands, what the consumers print."""
import os
import re
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.realpath(os.path.join(HERE, "..", ".."))
BUILD = os.environ["INSTALL_TEST_BUILD"]
LIBDIR = os.environ["INSTALL_TEST_LIBDIR"]
VERSION = os.environ["INSTALL_TEST_VERSION"]
CMAKE = os.environ["INSTALL_TEST_CMAKE"]
CC = os.environ["INSTALL_TEST_CC"]

# What a program's memory is: its malloc, its strdup, what functions of the C library allocate.
EVERYTHING = "malloc=1 strdup=1 library=1"
OWN_SOURCES = "malloc=1 strdup=1 library=0"
NOTHING = "malloc=0 strdup=0 library=0"


def run(*words, **changes):
    """Standard output of a command that must succeed."""
    hidden = ("GCALLOC_", "LD_", "PKG_CONFIG", "DESTDIR", "CFLAGS", "LDFLAGS", "CMAKE_PREFIX_PATH")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    done = subprocess.run(words, env={**environment, **changes}, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def needed(program):
    return re.findall(r"NEEDED.*\[(libgcalloc[^]]*)\]", run("readelf", "-dW", program))
