#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The README is followed: its programs are compiled and run, its commands for profiles are typed in, what it names is there.

Commands are run as they stand there, with the process id, the profile and the program of the example put in their places.
"""
import glob
import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

from support import BUILD, CC, TOP, run

COMMAND = os.path.join(BUILD, "bin", "gcalloc")
PROCESS = "4711"  # of all examples
# What the examples leave out: a type, a variable.
BEFORE = {"struct node *n": "struct node { struct node *next; };"}
IN_MAIN = {"&child->parent, parent": "GCA_AUTO(struct element) parent = gca_rc_new(sizeof *parent, &element_type);"}
SERVER = """
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static char *volatile kept[1000];
int main(int argc, char **argv)
{
    for (int i = 0; i < 4000; i++)
        memset(kept[i % 1000] = malloc(1000), 1, 1000);
    if (argc > 1 && strcmp(argv[1], "stays") == 0 && write(1, "ready\\n", 6) == 6)
        sleep(100);
    return 0;
}
"""

with open(os.path.join(TOP, "README.md"), encoding="utf-8") as file:
    README = file.read()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.M | re.S)


def commands():
    """The words of each line of a shell's block that runs gcalloc, from the subcommand on; what it is piped into is left out."""
    found = []
    for line in "".join(blocks("sh")).splitlines():
        words = shlex.split(line, comments=True)
        if "gcalloc" in (os.path.basename(word) for word in words[:2]):
            at = next(i for i, word in enumerate(words) if os.path.basename(word) == "gcalloc")
            found.append(words[at + 1:words.index("|")] if "|" in words else words[at + 1:])
    return found


def own_words(words):
    return words[:words.index("--")] if "--" in words else words


def as_program(block):
    """Definitions first, as they come; the statements behind the last of them are those of main."""
    lines = block.splitlines()
    last = max(i for i, line in enumerate(lines) if re.match(r"#|static|struct \w+ \{|[{}]|    ", line))
    definitions, statements = "\n".join(lines[:last + 1]), "\n".join(lines[last + 1:])
    before = [text for part, text in BEFORE.items() if part in statements]
    in_main = [text for part, text in IN_MAIN.items() if part in statements]
    return "\n".join([definitions, *before, "int main(void)", "{", *in_main, statements, "return 0;", "}", ""])


class Programs(unittest.TestCase):
    def test_are_compiled_and_run(self):
        self.assertEqual(len(blocks("c")), 2)
        with tempfile.TemporaryDirectory() as folder:
            source, program = os.path.join(folder, "example.c"), os.path.join(folder, "example")
            for block in blocks("c"):
                with open(source, "w") as file:
                    file.write(as_program(block))
                library = os.path.join(BUILD, "lib")
                run(CC, "-Wall", "-Wno-unused-variable", "-Werror", f"-I{TOP}/include", source, "-o", program, f"-L{library}",
                    "-lgcalloc", f"-Wl,-rpath,{library}")
                self.assertEqual(run(program), "")


class Commands(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="gcalloc-readme-")
        self.addCleanup(shutil.rmtree, self.folder)
        with open(os.path.join(self.folder, "server.c"), "w") as file:
            file.write(SERVER)
        run(CC, "-g", os.path.join(self.folder, "server.c"), "-o", os.path.join(self.folder, "server"))
        for name in ("test", "program"):
            shutil.copy(os.path.join(self.folder, "server"), os.path.join(self.folder, name))

    def type_in(self, words, codes=(0,)):
        done = subprocess.run([COMMAND, *words], cwd=self.folder, capture_output=True, text=True, timeout=60)
        self.assertIn(done.returncode, codes, (words, done.stderr))
        return done.stdout

    def test_options_are_there(self):
        for words in commands():
            helped = run(COMMAND, words[0], "--help")
            for word in own_words(words)[1:]:
                if word.startswith("-"):
                    with self.subTest(words=words, option=word):
                        self.assertRegex(helped, rf"(^|[\[\s]){re.escape(word.split('=')[0])}\b")

    def test_profiles(self):
        wanted = [words for words in commands() if words[0] in ("record", "report", "flamegraph", "export")]
        wanted = [words for words in wanted if PROCESS not in " ".join(words).replace(f".{PROCESS}.gcprof", "")]
        self.assertGreater(len(wanted), 5)
        self.type_in(["record", "--graph", "-o", "graph.gcprof", "--", "./server"])
        for words in wanted:
            profile = (glob.glob(os.path.join(self.folder, "gcalloc.server.*.gcprof")) or [""])[0]
            needs_graph = any("heapsnapshot" in word for word in words)
            self.type_in([word.replace("PROFILE", "graph.gcprof" if needs_graph else profile)
                          .replace(f"gcalloc.server.{PROCESS}.gcprof", profile) for word in words])

    def test_leaks(self):
        tested = [words for words in commands() if words[0] == "leaks" and "--" in words]
        self.assertGreater(len(tested), 0)
        for words in tested:
            self.assertRegex(self.type_in(words, codes=(0, 1)), r"^leaked: 2\.9 MiB in 3,000 objects")

    def test_processes(self):
        server = subprocess.Popen([COMMAND, "run", "--", "./server", "stays"], cwd=self.folder, stdout=subprocess.PIPE)
        try:
            self.assertEqual(server.stdout.readline(), b"ready\n")
            for words in (words for words in commands() if PROCESS in " ".join(words) and "gcprof" not in " ".join(words)):
                if words[0] != "top":  # goes on for as long as the process
                    own = [word.replace(PROCESS, str(server.pid)).replace("=60", "=1") for word in words]
                    with self.subTest(words=words):
                        self.type_in(own)
        finally:
            server.kill()
            server.wait()
            server.stdout.close()


    @unittest.skipUnless(shutil.which("jq"), "jq is not installed")
    def test_consoles(self):
        """What is typed behind the dollar signs prints what stands below, among other lines."""
        self.assertEqual(run("jq", "--version"), "jq-1.6\n")
        self.assertGreater(len(blocks("console")), 0)
        for block in blocks("console"):
            typed = "\n".join(line[2:] for line in block.splitlines() if line.startswith("$ "))
            shown = "".join(line for line in block.splitlines(keepends=True) if not line.startswith("$ "))
            path = os.path.dirname(COMMAND) + os.pathsep + os.environ["PATH"]
            self.assertIn(shown, run("sh", "-ec", f"cd '{self.folder}'\n{typed}", PATH=path))


class Names(unittest.TestCase):
    def test_files_are_there(self):
        names = set(re.findall(r"(?<![\w/])((?:src|tests|bench|platform|include)/[\w./-]*\w)", README))
        self.assertGreater(len(names), 5)
        self.assertEqual([name for name in names if not os.path.exists(os.path.join(TOP, name))], [])


if __name__ == "__main__":
    unittest.main()
