# SPDX-License-Identifier: MIT
"""Decoders of exported profiles, written from the formats' specifications and not from what gcalloc writes, and profiles to
export whose figures are known."""
import collections
import gzip
import json
import os
import re
import subprocess

import make_profile
from make_profile import DIRECT, EXIT, INDIRECT, ON_STACK, PEAK, REACHABLE, STATIC, TIMER

ODD_FUNCTION = b'op<<;"x\\">\n<y>&\x01 \xff\xc3\xa4'
ODD_SHOWN = 'op<<;"x\\">\n<y>&\x01 \ufffd\u00e4'  # as JSON can say it

INLINED = r"""
#include <stdio.h>
extern char __executable_start;
__attribute__((noinline)) void leaf(void)
{
    printf("%lx\n", (unsigned long)((char *)__builtin_return_address(0) - &__executable_start));
    fflush(stdout);
}
static inline __attribute__((always_inline)) void inner(void) { leaf(); __asm__ volatile("" ::: "memory"); }
__attribute__((noinline)) int outer(void) { inner(); return 1; }
int main(void) { return outer() == 0; }
"""


# ---- Profiles ----

class Small:
    """A profile of five stacks, with everything that a name can do wrong; `figures` is {stack: {metric: value}}."""

    def __init__(self, folder):
        self.elf = make_profile.Program(folder, 20)
        names = [name for name in self.elf.names if name != "main"]
        self.first, self.second, self.middle = names[:3]
        self.inlined, offset = self.compile_inlined(folder)
        self.path = os.path.join(folder, "small.gcprof")
        profile = make_profile.Profile(executable=self.elf.path, words=(self.elf.path, "a b", "q\"\n<&>"), rate=1)
        bias = self.elf.map(profile)
        inlined_bias = self.inlined.map(profile, 0x7f0000000000)
        profile.mapping("nowhere/libodd.so", 0x7f1000000000, 0x7f1000010000, 0x2000, bytes(range(20)))
        profile.thread("main", 100)
        profile.thread("w;x", 101)
        outer = [bias + self.elf.address(self.middle), bias + self.elf.address("main")]
        profile.stack([bias + self.elf.address(self.first), *outer])
        profile.stack([bias + self.elf.address(self.second), *outer])
        profile.stack([outer[1]], place=("src/a b.c", 12, ODD_FUNCTION))
        profile.stack([])
        profile.stack([0x7f1000000105, inlined_bias + offset, outer[1]])
        self.add_moments(profile)
        self.add_graph(profile)
        profile.end(9_000_000_000, 1600, 4_000_000_000)
        profile.write(self.path)

    def compile_inlined(self, folder):
        source, path = os.path.join(folder, "inlined.c"), os.path.join(folder, "inlined")
        with open(source, "w") as file:
            file.write(INLINED)
        subprocess.run([os.environ.get("CC", "cc"), "-g", "-O2", "-o", path, source], check=True)
        return make_profile.Elf(path), int(subprocess.run([path], capture_output=True, text=True, check=True).stdout, 16)

    def add_moments(self, profile):
        lifetimes, ages = [5, 0, 2] + [0] * 9, [0, 3] + [0] * 10
        profile.moment(2_000_000_000, TIMER, [{"stack": 1, "thread": 1, "live_bytes": 900, "live_objects": 9}])
        profile.moment(4_000_000_000, PEAK, [{"stack": 1, "thread": 1, "live_bytes": 600, "live_objects": 6},
                                             {"stack": 2, "thread": 2, "live_bytes": 1000, "live_objects": 1}])
        profile.moment(9_000_000_000, EXIT, [
            {"stack": 1, "thread": 1, "allocated_objects": 10, "allocated_bytes": 1000, "freed_objects": 7, "freed_bytes": 700,
             "live_objects": 3, "live_bytes": 300, "temporary_objects": 4, "samples": 10, "lifetimes": lifetimes, "ages": ages},
            {"stack": 1, "thread": 2, "allocated_objects": 1, "allocated_bytes": 50, "live_objects": 1, "live_bytes": 50},
            {"stack": 2, "thread": 2, "allocated_objects": 5, "allocated_bytes": 5000, "reclaimed_objects": 5,
             "reclaimed_bytes": 5000},
            {"stack": 3, "thread": 0, "allocated_objects": 2, "allocated_bytes": 64, "live_objects": 2, "live_bytes": 64},
            {"stack": 4, "thread": 0, "allocated_objects": 1, "allocated_bytes": 8, "live_objects": 1, "live_bytes": 8},
            {"stack": 5, "thread": 1, "allocated_objects": 1, "allocated_bytes": 1 << 40, "live_objects": 1,
             "live_bytes": 1 << 40}])
        profile.leak(1, DIRECT, 1, 100, time=3_000_000_000)  # of an earlier look
        profile.leak(1, DIRECT, 2, 200, time=9_000_000_000)
        profile.leak(3, INDIRECT, 1, 32, time=9_000_000_000)
        profile.leak(2, DIRECT, 5, 5000, collected=True, time=9_000_000_000)
        self.figures = {
            1: {"live": 350, "objects": 4, "allocated": 1050, "allocations": 11, "temporary": 4, "peak": 600, "peak-objects": 6,
                "leaked": 200, "leaked-objects": 2},
            2: {"allocated": 5000, "allocations": 5, "collected": 5000, "collected-objects": 5, "peak": 1000, "peak-objects": 1},
            3: {"live": 64, "objects": 2, "allocated": 64, "allocations": 2, "leaked": 32, "leaked-objects": 1},
            4: {"live": 8, "objects": 1, "allocated": 8, "allocations": 1},
            5: {"live": 1 << 40, "objects": 1, "allocated": 1 << 40, "allocations": 1}}

    def add_graph(self, profile):
        """0 -> 1 -> 2, 0 -> 2; leaked: 3 -> 4; 7 <-> 5 -> 6, and 6 -> 3. Reachable without a root: 8."""
        at = 0x100000000000
        sizes = [32, 64, 128, 16, 48, 80, 96, 112, 1 << 33]
        flags = [REACHABLE] * 3 + [0] * 5 + [REACHABLE]
        profile.objects([(at + 1024 * i, size, 1 + i % 4, flag) for i, (size, flag) in enumerate(zip(sizes, flags))])
        profile.edges([(3, 4, 0, 0), (0, 1, 24, 0), (1, 2, 0, 8), (0, 2, 8, 0), (7, 5, 8, 0), (5, 7, 0, 0), (5, 6, 16, 0),
                       (6, 3, 0, 0)])
        profile.roots([(0x404080, 0, 0, STATIC, 0), (0x7ffc00001000, 1, 0, ON_STACK, 100)])

    def names(self, stack):
        """What a person sees of a stack, outermost first."""
        odd = ["main", ODD_SHOWN]
        return {1: ["main", self.middle, self.first], 2: ["main", self.middle, self.second], 3: odd, 4: ["[unknown]"],
                5: ["main", "outer", "inner", "libodd.so+0x2104"]}[stack]

    def total(self, metric):
        return sum(figures.get(metric, 0) for figures in self.figures.values())


# ---- Decoders ----

def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data):
    """(number, value) of a message; values are integers and bytes."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        else:
            assert key & 7 == 2, f"wire type {key & 7}"
            length, at = read_varint(data, at)
            value = data[at:at + length]
            assert len(value) == length
            at += length
        yield key >> 3, value


def message(data):
    found = collections.defaultdict(list)
    for number, value in fields(data):
        found[number].append(value)
    return found


def number(found, field):
    return found[field][-1] if found[field] else 0


def packed(found, field):
    values = []
    for value in found[field]:
        at = 0
        while isinstance(value, bytes) and at < len(value):
            one, at = read_varint(value, at)
            values.append(one)
        values += [] if isinstance(value, bytes) else [value]
    return values


class Pprof:
    """profile.proto, with every reference followed."""

    def __init__(self, compressed):
        found = message(gzip.decompress(compressed))
        self.strings = [text.decode() for text in found[6]]
        assert self.strings[0] == ""
        self.types = [tuple(self.text(message(one), field) for field in (1, 2)) for one in found[1]]
        self.mappings = [self.mapping(message(one)) for one in found[3]]
        self.functions = {number(one, 1): (self.text(one, 2), self.text(one, 4)) for one in map(message, found[5])}
        self.locations = dict(self.location(message(one)) for one in found[4])
        self.samples = [self.sample(message(one)) for one in found[2]]
        self.period_type = tuple(self.text(message(number(found, 11)), field) for field in (1, 2))
        self.time, self.duration, self.period = (number(found, field) for field in (9, 10, 12))
        self.comments = [self.strings[one] for one in packed(found, 13)]
        self.default = self.text(found, 14)

    def text(self, found, field):
        return self.strings[number(found, field)]

    def mapping(self, found):
        return {"id": number(found, 1), "start": number(found, 2), "limit": number(found, 3), "offset": number(found, 4),
                "file": self.text(found, 5), "build_id": self.text(found, 6), "has": [number(found, i) for i in (7, 8, 9, 10)]}

    def location(self, found):
        lines = [(*self.functions[number(line, 1)], number(line, 2)) for line in map(message, found[4])]
        mapping = number(found, 2)
        assert mapping == 0 or mapping in [one["id"] for one in self.mappings]
        return number(found, 1), {"mapping": mapping, "address": number(found, 3), "lines": lines}

    def sample(self, found):
        values, locations = packed(found, 2), [self.locations[one] for one in packed(found, 1)]
        assert len(values) == len(self.types)
        labels = {self.text(label, 1): self.text(label, 2) for label in map(message, found[3])}
        return {"locations": locations, "labels": labels, **{kind: value for (kind, _), value in zip(self.types, values)}}


def collapsed(text):
    """{(names): value}; a line that is none fails."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"(.*) (\d+)", line)
        assert match, line
        names = tuple(match.group(1).split(";"))
        assert names not in found and int(match.group(2)) > 0, line
        found[names] = int(match.group(2))
    return found


class HeapSnapshot:
    """V8's: nodes with their edges in order; edge ends are indexes into the flat array of nodes."""

    def __init__(self, text):
        whole = json.loads(text)
        meta = whole["snapshot"]["meta"]
        width, edge_width = len(meta["node_fields"]), len(meta["edge_fields"])
        assert len(whole["nodes"]) == width * whole["snapshot"]["node_count"]
        assert len(whole["edges"]) == edge_width * whole["snapshot"]["edge_count"]
        assert max(whole["nodes"] + whole["edges"]) < 1 << 32
        self.nodes, at = [], 0
        for first in range(0, len(whole["nodes"]), width):
            node = dict(zip(meta["node_fields"], whole["nodes"][first:first + width]))
            node["type"] = meta["node_types"][0][node["type"]]
            node["name"] = whole["strings"][node["name"]]
            node["edges"] = []
            for _ in range(node["edge_count"]):
                kind, name, to = whole["edges"][at:at + edge_width]
                assert to % width == 0
                kind = meta["edge_types"][0][kind]
                node["edges"].append((kind, name if kind == "element" else whole["strings"][name], to // width))
                at += edge_width
            self.nodes.append(node)
        assert at == len(whole["edges"])
        assert len({node["id"] for node in self.nodes}) == len(self.nodes)

    def reachable(self):
        seen, waiting = {0}, [0]
        while waiting:
            new = {to for _, _, to in self.nodes[waiting.pop()]["edges"]} - seen
            seen |= new
            waiting += new
        return seen
