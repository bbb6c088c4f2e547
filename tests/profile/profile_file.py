# SPDX-License-Identifier: MIT
"""Reads a profile file (src/base/profile_format.h) for the tests: every record, or as far as they are whole.

    profile = profile_file.read(path)
    profile.last("EXIT").total("allocated_objects")
"""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "leaks"))
import records  # noqa: E402

KINDS = {1: "HEADER", 2: "MAPPING", 3: "THREAD", 4: "STACK", 5: "PLACE", 6: "USAGE", 7: "CYCLE", 8: "MOMENT",
         9: "FIGURES", 10: "LEAK", 11: "OBJECTS", 12: "EDGES", 13: "ROOTS", 14: "SIZES", 15: "END",
         16: "LEAKS_KNOWN"}
REASONS = {1: "TIMER", 2: "PEAK", 3: "DUMP", 4: "EXIT"}
LIFETIMES = 12
FIGURES = ("stack thread samples allocated_objects allocated_bytes freed_objects freed_bytes reclaimed_objects "
           "reclaimed_bytes live_objects live_bytes temporary_objects").split()
ARRAYS = {KINDS[kind]: layout for kind, layout in records.FORMATS.items()}
LAYOUT = struct.Struct(f"<II{len(FIGURES) - 2 + 2 * LIFETIMES}Q")


class Torn(Exception):
    """The file breaks off, or is none."""


class Moment:
    def __init__(self, time_ns, reason, rows_expected, rate_bytes, live_bytes, live_objects):
        self.time_ns, self.reason, self.rows_expected = time_ns, reason, rows_expected
        self.rate_bytes, self.live_bytes, self.live_objects = rate_bytes, live_bytes, live_objects
        self.rows = []

    def total(self, name):
        return sum(sum(row[name]) if isinstance(row[name], list) else row[name] for row in self.rows)

    def check(self):
        """What must hold of every moment."""
        assert len(self.rows) == self.rows_expected, (self.reason, len(self.rows), self.rows_expected)
        assert self.total("live_bytes") == self.live_bytes and self.total("live_objects") == self.live_objects
        for row in self.rows:
            if self.reason != "PEAK":
                gone = row["freed_objects"] + row["reclaimed_objects"]
                assert row["allocated_objects"] == gone + row["live_objects"], row
                assert row["allocated_bytes"] == row["freed_bytes"] + row["reclaimed_bytes"] + row["live_bytes"], row
                known = sum(row["lifetimes"])  # none, where few are gone and none of those was timed
                assert abs(known - gone) <= LIFETIMES or (known == 0 and row["samples"] > 64), row


class Profile:
    def __init__(self):
        self.header, self.words, self.end = None, [], None
        self.mappings, self.threads, self.stacks, self.places = [], {}, {}, {}
        self.mappings_in_front = {}  # how many, of each stack
        self.usage, self.cycles, self.moments = [], [], []
        self.leaks, self.objects, self.edges, self.roots, self.sizes = [], [], [], [], []
        self.knows_leaks = self.is_torn = False

    def last(self, reason):
        return [moment for moment in self.moments if moment.reason == reason][-1]

    def check(self):
        for moment in self.moments:
            if moment is not self.moments[-1] or not self.is_torn:
                moment.check()
            for row in moment.rows:
                assert row["stack"] in self.stacks, "a row names a stack that has not come"
                assert row["thread"] == 0 or row["thread"] in self.threads, "a row names a thread that has not come"
        times = [row[0] for row in self.usage]
        assert times == sorted(times)


def strings(payload):
    return [part.decode() for part in payload.split(b"\0")[:-1]]


def take(profile, kind, payload):
    if kind == "HEADER":
        magic, version, process, start, rate, level, words, library = struct.unpack_from("<8sIIQQII16s", payload)
        assert magic == b"gcprof\r\n" and version == 1
        profile.header = {"process": process, "start": start, "rate": rate, "level": level,
                          "library": library.rstrip(b"\0").decode()}
        profile.words = strings(payload[56:])
        assert len(profile.words) == words + 1, (profile.words, words)
    elif kind == "MAPPING":
        start, end, offset, id_bytes = struct.unpack_from("<QQQI", payload)
        profile.mappings.append((start, end, offset, payload[28:28 + id_bytes].hex(), strings(payload[48:])[0]))
    elif kind == "THREAD":
        number, system_id = struct.unpack_from("<II", payload)
        profile.threads[number] = (system_id, strings(payload[8:])[0])
    elif kind == "STACK":
        number, depth = struct.unpack_from("<II", payload)
        profile.stacks[number] = struct.unpack_from(f"<{depth}Q", payload, 8)
        profile.mappings_in_front[number] = len(profile.mappings)
    elif kind == "PLACE":
        number, line = struct.unpack_from("<II", payload)
        file, function = strings(payload[8:])
        profile.places[number] = (file, line, function)
    elif kind == "USAGE":
        profile.usage.append(struct.unpack("<6Q", payload))
    elif kind == "CYCLE":
        profile.cycles.append(struct.unpack("<9QII", payload))
    elif kind == "MOMENT":
        time_ns, reason, rows, rate, live_bytes, live_objects = struct.unpack("<QIIQQQ", payload)
        profile.moments.append(Moment(time_ns, REASONS[reason], rows, rate, live_bytes, live_objects))
    elif kind == "FIGURES":
        values = LAYOUT.unpack(payload)
        row = dict(zip(FIGURES, values))
        row["lifetimes"] = list(values[len(FIGURES):len(FIGURES) + LIFETIMES])
        row["ages"] = list(values[len(FIGURES) + LIFETIMES:])
        profile.moments[-1].rows.append(row)
    elif kind in ARRAYS:
        make, layout = ARRAYS[kind]
        found = profile.leaks if kind == "LEAK" else getattr(profile, kind.lower())
        found += [make(*entry) for entry in struct.iter_unpack(layout, payload)]
    elif kind == "LEAKS_KNOWN":
        profile.knows_leaks = struct.unpack("<Q", payload)[0] >= max([leak.time_ns for leak in profile.leaks], default=0)
    elif kind == "END":
        profile.end = struct.unpack("<4Q", payload)


def read(path):
    with open(path, "rb") as file:
        data = file.read()
    profile, at = Profile(), 0
    while at < len(data):
        if at + 8 > len(data):
            profile.is_torn = True
            break
        kind, count = struct.unpack_from("<II", data, at)
        padded = (count + 7) // 8 * 8
        if at + 8 + padded > len(data):
            profile.is_torn = True
            break
        take(profile, KINDS.get(kind, "OTHER"), data[at + 8:at + 8 + count])
        at += 8 + padded
    if profile.header is None:
        raise Torn(path)
    return profile


def main():
    for path in sys.argv[1:]:
        profile = read(path)
        profile.check()
        print(path, profile.header, profile.words, "torn" if profile.is_torn else "whole", "end:", profile.end)
        print(f"  {len(profile.mappings)} mappings, {len(profile.threads)} threads, {len(profile.stacks)} stacks, "
              f"{len(profile.usage)} usage, {len(profile.cycles)} cycles")
        for moment in profile.moments:
            names = ["samples", "allocated_objects", "allocated_bytes", "freed_objects", "reclaimed_objects",
                     "live_objects", "live_bytes", "temporary_objects"]
            print(f"  {moment.reason} {moment.time_ns / 1e9:.3f}:", {name: moment.total(name) for name in names})


if __name__ == "__main__":
    main()
