# SPDX-License-Identifier: MIT
"""Records of a profile (src/base/profile_format.h), as tuples, for tests."""
import collections
import struct

HEADER, FIGURES, LEAK, OBJECTS, EDGES, ROOTS, SIZES, END = 1, 9, 10, 11, 12, 13, 14, 15
DIRECT, INDIRECT = 1, 2
REACHABLE, ATOMIC, UNCOLLECTABLE, COUNTED, FROZEN = 1, 2, 4, 8, 16
STATIC, STACK, REGISTER, MAPPING, KERNEL, ADDED, OWN = range(1, 8)

Leak = collections.namedtuple("Leak", "stack kind objects bytes first_ns last_ns address time_ns is_collected reserved")
Object = collections.namedtuple("Object", "address bytes stack flags")
Edge = collections.namedtuple("Edge", "source target offset to_offset")
Root = collections.namedtuple("Root", "address object to_offset kind thread")
Size = collections.namedtuple("Size", "slot_bytes blocks live_objects live_bytes committed_bytes")

FORMATS = {LEAK: (Leak, "<IIQQQQQQII"), OBJECTS: (Object, "<QQII"), EDGES: (Edge, "<IIII"), ROOTS: (Root, "<QIIII"),
           SIZES: (Size, "<5Q")}


def read(path):
    """{kind: [payload or tuple]} of the whole file; an exception where it is not well formed."""
    with open(path, "rb") as file:
        data = file.read()
    found = collections.defaultdict(list)
    at = 0
    while at < len(data):
        kind, count = struct.unpack_from("<II", data, at)
        payload = data[at + 8:at + 8 + count]
        if len(payload) != count:
            raise ValueError(f"{path}: breaks off at {at}")
        if kind in FORMATS:
            make, layout = FORMATS[kind]
            found[kind] += [make(*entry) for entry in struct.iter_unpack(layout, payload)]
        else:
            found[kind].append(payload)
        at += 8 + (count + 7) // 8 * 8
    if not found[HEADER] or not found[END]:
        raise ValueError(f"{path}: no header, or no end")
    return found
