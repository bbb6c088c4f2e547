# SPDX-License-Identifier: MIT
"""job.py ROUNDS: dictionaries, lists, strings, JSON and regular expressions, made and dropped."""
import json
import re
import sys


def records(seed):
    made = []
    for number in range(1500):
        seed = seed * 16807 % 2147483647
        made.append({"id": number, "name": f"name-{seed:x}", "tags": [f"tag{seed % k}" for k in range(2, 8)],
                     "nested": {"price": seed % 9973 / 7, "text": "lorem ipsum " * (seed % 30)}})
    return made


def one_round(number):
    text = json.dumps(records(number + 1))
    back = json.loads(text)
    groups = {}
    for record in back:
        groups.setdefault(record["tags"][0] + record["tags"][3], []).append(record)
    found = re.findall(r"name-([0-9a-f]{4})", text)
    ordered = sorted(back, key=lambda record: (record["nested"]["price"], record["name"]))
    return len(found) + len(groups) + len(ordered[0]["name"]), groups


def main():
    total, kept = 0, []
    for number in range(int(sys.argv[1])):
        count, groups = one_round(number)
        kept = kept[-7:] + [groups]
        total += count
    print(total)


if __name__ == "__main__":
    main()
