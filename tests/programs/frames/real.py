#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Real programs with the library of preload.c in them: of the stacks that are compared, 999 in 1000 have to be the same.

    real.py LIBRARY
"""
import os
import subprocess
import sys
import tempfile

SAME_OF_THOUSAND = 999
HERE = os.path.dirname(os.path.abspath(__file__))

PYTHON = """
import ctypes, email, json, re, sqlite3, threading
print(len(json.dumps([{str(i): [i, re.sub('1', '2', str(i))]} for i in range(3000)])))
database = sqlite3.connect(':memory:')
database.create_function('double', 1, lambda x: 2 * x)
database.execute('create table t(x)')
database.executemany('insert into t values(?)', [(i,) for i in range(500)])
print(database.execute('select sum(double(x)) from t').fetchone())
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
values = (ctypes.c_int * 50)(*range(50, 0, -1))
ctypes.CDLL(None).qsort(values, 50, 4, compare(lambda a, b: len(str(a[0])) and a[0] - b[0]))
threads = [threading.Thread(target=lambda: [json.loads('[1, [2]]') for _ in range(2000)]) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""
SQL = "create table t(a, b); with recursive c(x) as (select 1 union all select x + 1 from c where x < 3000) " \
      "insert into t select x, hex(x) from c; select count(*), max(b) from (select * from t order by b);"
PERL = "my %h; $h{$_} = [1 .. $_ % 9] for 1 .. 3000; print scalar(map { sort { $a <=> $b } @$_ } values %h), qq(\n)"


def programs(folder):
    """Name that a line of results begins with, and the command."""
    source = os.path.join(folder, "one.c")
    with open(source, "w", encoding="utf-8") as file:
        file.write("#include <stdio.h>\n#include <string.h>\n")
        file.writelines(f"int f{n}(int *a, int b) {{ for (int i = 0; i < b; i++) a[i] += a[i / 2] * {n}; return a[b]; }}\n"
                        for n in range(200))
    repository = os.path.join(folder, "repository")
    return [("python3", ["/usr/bin/python3", "-c", PYTHON]),
            ("git", ["git", "init", "--quiet", repository]),
            ("git", ["git", "--work-tree", HERE, "--git-dir", repository + "/.git", "add", "--all"]),
            ("git", ["git", "--work-tree", HERE, "--git-dir", repository + "/.git", "diff", "--cached", "--stat", "-C"]),
            ("sqlite3", ["sqlite3", ":memory:", SQL]),
            ("perl", ["perl", "-e", PERL]),
            ("cc1", ["gcc", "-O2", "-c", source, "-o", os.path.join(folder, "one.o")])]


def main():
    with tempfile.TemporaryDirectory() as folder:
        results = os.path.join(folder, "results")
        environment = {**os.environ, "LD_PRELOAD": sys.argv[1], "FRAMES_RESULT": results}
        for name, command in programs(folder):
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        with open(results, encoding="utf-8") as file:
            lines = [line.split() for line in file]
        failed = False
        for name in dict(programs(folder)):
            mallocs, compared, same = (sum(int(line[i]) for line in lines if line[0].startswith(name)) for i in (1, 2, 3))
            is_good = compared > 0 and same * 1000 >= compared * SAME_OF_THOUSAND
            failed |= not is_good
            print(f"{name}: {mallocs} mallocs, {compared} stacks compared, {same} the same{'' if is_good else ': too few'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
