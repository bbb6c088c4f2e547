# SPDX-License-Identifier: MIT
# Tables from the lines that `measure` writes: medians, and gcalloc's share of each peer's. Set -v peers="glibc ...".

function field(name,    rest) {
    rest = substr($0, index($0, "\"" name "\": ") + length(name) + 4)
    sub(/^"/, "", rest)
    sub(/[",}].*/, "", rest)
    return rest
}

# Values are kept sorted as they come.
function keep(key, value,    at) {
    for (at = ++number[key]; at > 1 && values[key, at - 1] > value; at--)
        values[key, at] = values[key, at - 1]
    values[key, at] = value
}

function median(key,    half) {
    half = int((number[key] + 1) / 2)
    return number[key] % 2 ? values[key, half] : (values[key, half] + values[key, half + 1]) / 2
}

function spread(key) {
    return median(key) > 0 ? 100 * (values[key, number[key]] - values[key, 1]) / median(key) : 0
}

function ratio_table(measure, unit, divisor,    i, p, own, key) {
    printf "\n%-16s %12s %8s", (measure == "cpu_ms" ? "processor time" : "peak memory"), "gcalloc", "spread"
    for (p = 1; p <= peer_count; p++)
        printf " %12s", "/ " peer[p]
    printf "\n"
    for (i = 1; i <= program_count; i++) {
        if (programs[i] == "startup")
            continue
        own = programs[i] SUBSEP "gcalloc" SUBSEP measure
        printf "%-16s %8.1f %s %6.0f %%", programs[i], median(own) / divisor, unit, spread(own)
        for (p = 1; p <= peer_count; p++) {
            key = programs[i] SUBSEP peer[p] SUBSEP measure
            printf " %12.2f", (median(key) > 0 ? median(own) / median(key) : 0)
        }
        printf "\n"
    }
}

function startup_table(    p, name, base) {
    base = "startup" SUBSEP "glibc" SUBSEP
    printf "\n%-16s %12s %12s\n", "startup, added", "wall", "memory"
    for (p = 0; p <= peer_count; p++) {
        name = "startup" SUBSEP (p == 0 ? "gcalloc" : peer[p]) SUBSEP
        if (peer[p] != "glibc")
            printf "%-16s %9.3f ms %8.0f KiB\n", (p == 0 ? "gcalloc" : peer[p]),
                median(name "wall_ms") - median(base "wall_ms"), median(name "peak_kib") - median(base "peak_kib")
    }
}

BEGIN { peer_count = split(peers, peer, " ") }

/^\{"program"/ {
    program = field("program")
    if (!(program in seen)) {
        seen[program] = 1
        programs[++program_count] = program
    }
    split("cpu_ms wall_ms peak_kib", measures, " ")
    for (m = 1; m <= 3; m++)
        keep(program SUBSEP field("allocator") SUBSEP measures[m], field(measures[m]) + 0)
}

END {
    print "\nMedians; a number under a peer is gcalloc's divided by the peer's: below 1, gcalloc needs less."
    ratio_table("cpu_ms", "ms ", 1)
    ratio_table("peak_kib", "MiB", 1024)
    if (("startup", "glibc", "wall_ms") in number)
        startup_table()
}
