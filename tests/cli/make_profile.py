#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes profile files (src/base/profile_format.h) for tests: record by record, or a whole one of any size as a program would
leave it, with figures that agree with each other and are the same for the same seed.

    make_profile.py FILE [--stacks N] [--threads N] [--seconds N] [--objects N] [--moments N] [--seed N] [--program ELF]

`Profile` is the file; `realistic` fills one; `Program` is a real executable, compiled on the spot, whose addresses have names.
"""
import argparse
import os
import random
import struct
import subprocess

MAGIC = b"gcprof\r\n"
(HEADER, MAPPING, THREAD, STACK, PLACE, USAGE, CYCLE, MOMENT, FIGURES, LEAK, OBJECTS, EDGES, ROOTS, SIZES, END,
 LEAKS_KNOWN) = range(1, 17)
SAMPLE, SITE, FULL = 1, 2, 3
TIMER, PEAK, DUMP, EXIT = 1, 2, 3, 4
DIRECT, INDIRECT = 1, 2
REACHABLE, ATOMIC, UNCOLLECTABLE, COUNTED, FROZEN = 1, 2, 4, 8, 16
STATIC, ON_STACK, REGISTER, IN_MAPPING, KERNEL, ADDED, OWN = range(1, 8)
LIFETIMES = 12
SECOND = 1_000_000_000
START = 4_000_000_000 * SECOND  # of profiles that say nothing else: later than any file that a test compiles

FIGURE_NAMES = ("samples", "allocated_objects", "allocated_bytes", "freed_objects", "freed_bytes", "reclaimed_objects",
                "reclaimed_bytes", "live_objects", "live_bytes", "temporary_objects")


def text(words):
    return b"".join((word if isinstance(word, bytes) else word.encode()) + b"\0" for word in words)


class Profile:
    """The bytes of a profile, record by record, in the order in which the methods are called."""

    def __init__(self, executable="/usr/bin/example", words=("example", "--fast"), process=4711, level=FULL, rate=1,
                 start=START, version=1, library=b"0.1.0"):
        self.content = b""
        self.parts = []
        self.stacks = 0
        self.threads = 0
        self.add(HEADER, struct.pack("<8sIIQQII16s", MAGIC, version, process, start, rate, level, len(words), library)
                 + text([executable, *words]))

    def add(self, kind, payload):
        self.parts.append(struct.pack("<II", kind, len(payload)) + payload + b"\0" * (-len(payload) % 8))

    def bytes(self):
        self.content += b"".join(self.parts)
        self.parts = []
        return self.content

    def write(self, path):
        with open(path, "wb") as file:
            file.write(self.bytes())
        return path

    def mapping(self, path, start, end, file_offset=0, build_id=b""):
        self.add(MAPPING, struct.pack("<QQQI20s", start, end, file_offset, len(build_id), build_id) + text([path]))

    def thread(self, name, system_id=0):
        self.threads += 1
        self.add(THREAD, struct.pack("<II", self.threads, system_id) + text([name]))
        return self.threads

    def stack(self, addresses=(), place=None):
        """Return addresses, innermost first, and (file, line, function) of the innermost call; the number."""
        self.stacks += 1
        self.add(STACK, struct.pack(f"<II{len(addresses)}Q", self.stacks, len(addresses), *addresses))
        if place:
            self.add(PLACE, struct.pack("<II", self.stacks, place[1]) + text([place[0], place[2]]))
        return self.stacks

    def usage(self, time, heap, resident, live, allocated_bytes, allocated_objects):
        self.add(USAGE, struct.pack("<6Q", time, heap, resident, live, allocated_bytes, allocated_objects))

    def cycle(self, time, pause, live_bytes, live_objects, freed_bytes, freed_objects, heap, reason=0, threads=1):
        self.add(CYCLE, struct.pack("<9QII", time, pause, pause * 6 // 10, pause * 2 // 10, live_bytes, live_objects,
                                    freed_bytes, freed_objects, heap, reason, threads))

    def moment(self, time, reason, rows, rate=1, written=None):
        """Rows are dictionaries with stack, thread, FIGURE_NAMES, lifetimes and ages; what is left out is 0. `written`: so many
        of them are there, as a full disk or a kill leaves it."""
        live = [sum(row.get(name, 0) for row in rows) for name in ("live_bytes", "live_objects")]
        self.add(MOMENT, struct.pack("<QIIQQQ", time, reason, len(rows), rate, *live))
        for row in rows[:written]:
            self.add(FIGURES, struct.pack("<II34Q", row["stack"], row.get("thread", 0),
                                          *(row.get(name, 0) for name in FIGURE_NAMES),
                                          *row.get("lifetimes", [0] * LIFETIMES), *row.get("ages", [0] * LIFETIMES)))

    def leak(self, stack, kind, objects, size, collected=False, first=0, last=0, address=0, time=0):
        self.add(LEAK, struct.pack("<II6QII", stack, kind, objects, size, first, last, address, time, collected, 0))

    def objects(self, rows):
        """(address, bytes, stack, flags) each."""
        self.add(OBJECTS, b"".join(struct.pack("<QQII", *row) for row in rows))

    def edges(self, rows):
        """(from, to, offset, to_offset) each."""
        self.add(EDGES, b"".join(struct.pack("<4I", *row) for row in rows))

    def roots(self, rows):
        """(address, object, to_offset, kind, thread) each."""
        self.add(ROOTS, b"".join(struct.pack("<Q4I", *row) for row in rows))

    def sizes(self, rows):
        """(slot_bytes, blocks, live_objects, live_bytes, committed_bytes) each."""
        self.add(SIZES, b"".join(struct.pack("<5Q", *row) for row in rows))

    def end(self, time, peak_bytes=0, peak_time=0, lost=0, leaks_known=True):
        if leaks_known:
            self.add(LEAKS_KNOWN, struct.pack("<Q", time))
        self.add(END, struct.pack("<4Q", time, peak_bytes, peak_time, lost))


class Elf:
    """What a profile says of a 64-bit little-endian file, and where its functions and data are."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.data = file.read()
        self.path = os.path.realpath(path)
        self.is_fixed = struct.unpack_from("<H", self.data, 16)[0] == 2
        headers, sections, = struct.unpack_from("<QQ", self.data, 32)
        size, count, section_size, section_count = struct.unpack_from("<4H", self.data, 54)
        self.segments = [struct.unpack_from("<II6Q", self.data, headers + i * size) for i in range(count)]
        self.sections = [struct.unpack_from("<IIQQQQIIQQ", self.data, sections + i * section_size) for i in range(section_count)]
        self.build_id = self.find_build_id()
        self.symbols = self.find_symbols()

    def find_build_id(self):
        for kind, _, offset, _, _, size, _, _ in self.segments:
            at, end = offset, offset + size
            while kind == 4 and at + 12 <= end:
                name, body, note = struct.unpack_from("<3I", self.data, at)
                start = at + 12 + (name + 3 & ~3)
                if note == 3 and self.data[at + 12:at + 16] == b"GNU\0":
                    return self.data[start:start + body]
                at = start + (body + 3 & ~3)
        return b""

    def find_symbols(self):
        """name: (address in the file's own terms, size)"""
        found = {}
        for _, kind, _, _, offset, size, link, _, _, entry in self.sections:
            if kind != 2:
                continue
            names = self.sections[link][4]
            for at in range(offset, offset + size, entry):
                name, _, _, section, value, length = struct.unpack_from("<IBBHQQ", self.data, at)
                if section and length:
                    start = names + name
                    found[self.data[start:self.data.index(b"\0", start)].decode()] = (value, length)
        return found

    def code(self):
        return next(segment for segment in self.segments if segment[0] == 1 and segment[1] & 1)

    def map(self, profile, base=0x555555554000):
        """Adds the mapping of its code to a profile; returns what to add to addresses of the file."""
        _, _, offset, address, _, size, _, _ = self.code()
        bias = 0 if self.is_fixed else base
        profile.mapping(self.path, bias + (address & ~0xfff), bias + ((address + size + 0xfff) & ~0xfff), offset & ~0xfff,
                        self.build_id)
        return bias


NOUNS = "cache list tree table string buffer node token page row index stream packet session image font shape queue".split()
VERBS = "make insert grow parse copy read load decode append split merge build clone resize lookup open".split()


def function_names(count):
    """As a large C program would have them, all different."""
    names = [f"{noun}_{verb}" for noun in NOUNS for verb in VERBS]
    random.Random(1).shuffle(names)
    return [names[i % len(names)] + (f"_{i // len(names)}" if i >= len(names) else "") for i in range(count)]


class Program(Elf):
    """A C program with so many functions, compiled in a folder; each calls the next, so that none is left out."""

    def __init__(self, folder, functions=200, flags=("-g", "-O0")):
        names = function_names(functions)
        source, path = os.path.join(folder, "example.c"), os.path.join(folder, "example")
        with open(source, "w") as file:
            for name, callee in zip(names, [None, *names]):
                call = f"{callee}(size + 1) + 1" if callee else "size"
                file.write(f"int {name}(int size)\n{{\n    int result = {call};\n    return result;\n}}\n\n")
            file.write(f"int table_of_everything[100] = {{1}};\n\nint main(void)\n{{\n    return {names[-1]}(0) == 0;\n}}\n")
        subprocess.run([os.environ.get("CC", "cc"), *flags, "-o", path, source], check=True)
        super().__init__(path)
        self.source = source
        self.names = names

    def address(self, function):
        """Behind the call in a function."""
        start, size = self.symbols[function]
        return start + size - 6  # before what returns


class Heap:
    """A program's life in figures: per stack and thread what was allocated, freed, reclaimed and lives, growing over time."""

    def __init__(self, chance, stacks, threads, rate):
        self.chance = chance
        self.rate = rate
        self.rows = {}
        for stack in stacks:
            weight = chance.paretovariate(0.9)
            self.rows[stack] = {
                "stack": stack, "thread": chance.choice(threads), "weight": min(weight, 500.0),
                "size": chance.choice([16, 24, 32, 48, 64, 100, 128, 256, 512, 1000, 4096, 65536]),
                "freed_share": chance.choice([1.0, 1.0, 0.99, 0.9, 0.5, 0.0]), "lost_share": chance.choice([0, 0, 0, 0, 0.02]),
                "age": chance.randrange(LIFETIMES), **dict.fromkeys(FIGURE_NAMES, 0),
                "lifetimes": [0] * LIFETIMES, "ages": [0] * LIFETIMES}

    def step(self):
        """Some time passes."""
        for row in self.rows.values():
            objects = int(row["weight"] * self.chance.uniform(0.5, 1.5) * 8)
            row["allocated_objects"] += objects
            live = row["live_objects"] + objects
            freed = min(live, int(live * row["freed_share"]))
            lost = min(live - freed, int(live * row["lost_share"]))
            row["freed_objects"] += freed
            row["reclaimed_objects"] += lost
            row["live_objects"] = live - freed - lost
            row["temporary_objects"] += freed // 2 if row["age"] < 2 else 0
            row["lifetimes"][row["age"]] += freed + lost
            self.derive(row)

    def derive(self, row):
        for kind in ("allocated", "freed", "reclaimed", "live"):
            row[f"{kind}_bytes"] = row[f"{kind}_objects"] * row["size"]
        row["samples"] = row["allocated_bytes"] // self.rate if self.rate > 1 else row["allocated_objects"]
        row["ages"] = [0] * LIFETIMES
        row["ages"][row["age"]] = row["live_objects"]

    def figures(self, everything):
        return [dict(row) for row in self.rows.values() if everything or row["live_bytes"]]

    def sum(self, name):
        return sum(row[name] for row in self.rows.values())


def add_stacks(profile, chance, count, elf, bias):
    """Stacks as trees of calls have them: the outer frames are shared by many. Every twentieth has a place, one is unknown."""
    if elf:
        names = [name for name in elf.names if name != "main"]
        addresses = [bias + elf.address(name) for name in names]
        outermost = bias + elf.address("main")
    else:
        addresses = [0x401000 + 64 * i + 5 for i in range(max(20, min(count * 2, 20000)))]
        outermost = 0x401005
    numbers = []
    for i in range(count):
        depth = chance.randint(2, 24)
        path = [outermost]
        walk = random.Random(chance.randrange(max(2, count // 3)))  # a third of the outer paths
        while len(path) < depth:
            path.append((walk if len(path) < depth * 2 // 3 else chance).choice(addresses))
        place = ("src/cache.c", 10 + i, "cache_put") if i % 20 == 7 else None
        numbers.append(profile.stack([] if i == count - 1 else path[::-1], place))
    return numbers


def add_graph(profile, chance, stacks, count):
    """A heap of chains, trees and hubs; the last tenth is not reachable. Returns the reachable ones."""
    reachable = count * 9 // 10
    address, rows = 0x100000000000, []
    for i in range(count):
        size = chance.choice([16, 32, 48, 64, 128, 1024])
        rows.append((address, size, chance.choice(stacks), (REACHABLE if i < reachable else 0) | (ATOMIC if size == 1024 else 0)))
        address += size
    edges = []
    for i in range(1, reachable):
        parent = chance.randrange(max(0, i - 50), i) if i % 3 else chance.randrange(i)
        edges.append((parent, i, 8 * chance.randrange(max(1, min(rows[parent][1] // 8, 8))), 0))
        if i % 7 == 0:
            edges.append((chance.randrange(i), i, 8, chance.choice([0, 8, 13])))
    edges += [(i, i + 1, 0, 0) for i in range(reachable, count - 1)]
    for at in range(0, len(rows), 100000):
        profile.objects(rows[at:at + 100000])
    for at in range(0, len(edges), 100000):
        profile.edges(edges[at:at + 100000])
    if reachable:
        profile.roots([(0x404080, 0, 0, STATIC, 0), (0x7ffc00001000, min(1, reachable - 1), 0, ON_STACK, 4711),
                       (0, min(2, reachable - 1), 0, REGISTER, 4711), (0x7f0000000100, min(3, reachable - 1), 16, IN_MAPPING, 0)])
    return reachable


def add_leaks(profile, chance, heap, time):
    """Some stacks leak now, in part indirectly; what was reclaimed was leaked too. Returns the rows."""
    leaks = []
    for i, row in enumerate(list(heap.rows.values())):
        if row["reclaimed_objects"]:
            leaks.append((row["stack"], DIRECT, row["reclaimed_objects"], row["reclaimed_bytes"], True))
        if i % 5 == 0 and row["live_objects"] > 4:
            lost = max(1, row["live_objects"] // 4)
            leaks.append((row["stack"], INDIRECT if i % 10 == 0 else DIRECT, lost, lost * row["size"], False))
    for i, (stack, kind, objects, size, collected) in enumerate(leaks):
        profile.leak(stack, kind, objects, size, collected, time // 10, time // 2, 0x100000000000 + 64 * i, time)
    return leaks


def realistic(stacks=50, threads=3, seconds=60, moments=12, objects=1000, seed=1, level=FULL, elf=None, **header):
    """A whole profile with every kind of record; (profile, facts): what a reader must find."""
    chance = random.Random(seed)
    rate = 1 if level == FULL else 524288
    profile = Profile(level=level, rate=rate, **({"executable": elf.path} if elf else {}), **header)
    bias = elf.map(profile) if elf else profile.mapping("/usr/bin/example", 0x401000, 0x600000, 0x1000, bytes(range(20))) or 0
    profile.mapping("/usr/lib/x86_64-linux-gnu/libc.so.6", 0x7ffff7c00000, 0x7ffff7e00000, 0x28000)
    numbers = [profile.thread(f"worker {i}" if i else "main", 4711 + i) for i in range(threads)]
    numbers_of_stacks = add_stacks(profile, chance, stacks, elf, bias)
    heap = Heap(chance, numbers_of_stacks, [0, *numbers], rate)
    peak = (0, 0, [])
    for step in range(moments):
        time = (step + 1) * seconds * SECOND // (moments + 1)
        heap.step()
        live = heap.sum("live_bytes")
        profile.usage(time, live * 5 // 4, live * 3 // 2 + (1 << 21), live, heap.sum("allocated_bytes"),
                      heap.sum("allocated_objects"))
        if step % 3 == 2:
            profile.cycle(time, 1_200_000 + 100_000 * step, live, heap.sum("live_objects"), heap.sum("reclaimed_bytes") // 3,
                          heap.sum("reclaimed_objects") // 3, live * 5 // 4, step % 3, threads)
        profile.moment(time, TIMER, heap.figures(False), rate)
        if live > peak[0]:
            peak = (live, time, heap.figures(False))
    end = seconds * SECOND
    profile.moment(peak[1], PEAK, peak[2], rate)
    profile.moment(end, EXIT, heap.figures(True), rate)
    leaks = add_leaks(profile, chance, heap, end)
    reachable = add_graph(profile, chance, numbers_of_stacks, objects)
    profile.sizes([(size, 10, 3000, 3000 * size, 10 * 65536) for size in (16, 32, 64, 128, 1024)] + [(0, 3, 3, 1 << 20, 1 << 21)])
    profile.end(end, peak[0], peak[1])
    names = [name for name in FIGURE_NAMES if name != "samples"]
    facts = {"peak_bytes": peak[0], "peak_time": peak[1], "end": end, "rows": heap.figures(True), "leaks": leaks,
             "reachable": reachable, **{name: heap.sum(name) for name in names}}
    return profile, facts


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("file")
    for name, value in (("stacks", 50), ("threads", 3), ("seconds", 60), ("objects", 1000), ("moments", 12), ("seed", 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--program", metavar="FOLDER", help="compile a program there, so that addresses have names")
    arguments = parser.parse_args()
    elf = Program(arguments.program, max(20, min(arguments.stacks, 5000))) if arguments.program else None
    profile, _ = realistic(arguments.stacks, arguments.threads, arguments.seconds, arguments.moments, arguments.objects,
                           arguments.seed, elf=elf)
    profile.write(arguments.file)


if __name__ == "__main__":
    main()
