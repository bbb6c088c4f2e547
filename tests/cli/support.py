# SPDX-License-Identifier: MIT
"""A private tree with the command, the fake library and the probes, and short ways to run them.

The tree is made in a new temporary directory that every user may enter, because some tests run the command as nobody.
"""
import os
import shutil
import subprocess
import tempfile
import unittest

NOBODY = 65534
LIBRARY_NAME = os.environ["CLI_TEST_LIBRARY_NAME"]  # by which the loader, and so the command, knows the library


class CommandTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.tree = os.path.realpath(tempfile.mkdtemp(prefix="gcalloc-cli-"))
        os.chmod(cls.tree, 0o755)
        cls.addClassCleanup(shutil.rmtree, cls.tree)
        cls.command = cls.install("CLI_TEST_COMMAND", "bin/gcalloc")
        cls.library = cls.install("CLI_TEST_LIBRARY", "lib/" + LIBRARY_NAME)
        cls.probe = cls.install("CLI_TEST_PROBE", "programs/probe")
        cls.static_probe = cls.install("CLI_TEST_STATIC_PROBE", "programs/static-probe")

    @classmethod
    def install(cls, variable, name):
        path = os.path.join(cls.tree, name)
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        shutil.copy(os.environ[variable], path)
        os.chmod(path, 0o755)
        return path

    def setUp(self):
        self.scratch = tempfile.mkdtemp(dir=self.tree)
        os.chmod(self.scratch, 0o755)

    def write(self, name, content, mode=0o755):
        """A file in the scratch directory; its path."""
        path = os.path.join(self.scratch, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return path

    def patched_probe(self, name, change):
        """A copy of the probe whose bytes `change` has worked on."""
        with open(self.probe, "rb") as file:
            return self.write(name, bytes(change(bytearray(file.read()))))

    def environment(self, **changes):
        """Our own without what the tests look at; None takes a variable away."""
        hidden = ("GCALLOC_", "LD_PRELOAD", "FAKE_", "CLI_TEST_")
        result = {k: v for k, v in os.environ.items() if not k.startswith(hidden)}
        result.update(changes)
        return {k: v for k, v in result.items() if v is not None}

    def gcalloc(self, *words, command=None, user=None, cwd=None, before=(), **changes):
        """Runs the command (behind the words of `before`); the finished process."""
        more = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        return subprocess.run([*before, command or self.command, *words], env=self.environment(**changes), timeout=60,
                              cwd=cwd or self.scratch, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              errors="surrogateescape", **more)

    def assert_fails(self, done, code, line):
        """Exit status `code`, nothing on standard output, exactly this one line on standard error."""
        self.assertEqual((done.returncode, done.stdout, done.stderr), (code, "", line + "\n"))

    def assert_runs(self, done, output, code=0):
        self.assertEqual((done.returncode, done.stdout, done.stderr), (code, output, ""))
