# SPDX-License-Identifier: MIT
# The tables that run.sh prints. After figures.awk.

function head(text, first, second, prefix,    p) {
    printf "\n%-22s %14s %8s", text, first, second
    for (p = 1; p <= peer_count; p++)
        printf " %12s", prefix peer[p]
    printf "\n"
}

function ratio_row(title, name, unit, divisor,    p) {
    printf "%-22s %10.1f %s %6.0f %%", title, median(title, "gcalloc", name) / divisor, unit, spread(title, "gcalloc", name)
    for (p = 1; p <= peer_count; p++)
        printf " %12s", cell(title, peer[p], ratio(title, peer[p], name), "%.2f")
    printf "\n"
}

function mean_row(text, name, only,    p, one) {
    printf "%-46s", text
    for (p = 1; p <= peer_count; p++) {
        one = mean(peer[p], name, only)
        printf " %12s", (one > 0 ? sprintf("%.2f", one) : "")
    }
    printf "\n"
}

function has_rows(name,    g, r) {
    for (g = 1; g <= group_count; g++)
        for (r = 1; group[g] != "start" && r <= rows[g]; r++)
            if (has(row_of[g, r], "gcalloc", name))
                return 1
    return 0
}

function ratio_table(text, name, unit, divisor,    g, r) {
    if (!has_rows(name))
        return
    head(text, "gcalloc", "spread", "/ ")
    for (g = 1; g <= group_count; g++) {
        if (group[g] == "start")
            continue
        for (r = 1; r <= rows[g]; r++)
            if (has(row_of[g, r], "gcalloc", name))
                ratio_row(row_of[g, r], name, unit, divisor)
        if (rows[g] > 1 && mean("glibc", name, g) + mean(peer[1], name, g) > 0)
            mean_row("  mean of " group[g], name, g)
    }
    mean_row("geometric mean of all" (is_partial ? " but start, counted and collect" : ""), name, 0)
}

# What a process costs that does nothing, beyond what it costs with glibc if that was measured.
function start_table(title,    p, who, cpu, wall, memory) {
    if (has(title, "glibc", "wall_ms")) {
        cpu = median(title, "glibc", "cpu_ms")
        wall = median(title, "glibc", "wall_ms")
        memory = median(title, "glibc", "peak_kib")
    }
    printf "\n%-30s %12s %12s %12s\n", title (memory > 0 ? ", added to glibc" : ""), "processor", "wall", "memory"
    for (p = 0; p <= peer_count; p++) {
        who = p == 0 ? "gcalloc" : peer[p]
        if (who != "glibc" && has(title, who, "wall_ms"))
            printf "%-30s %9.3f ms %9.3f ms %8.0f KiB\n", who, median(title, who, "cpu_ms") - cpu,
                median(title, who, "wall_ms") - wall, median(title, who, "peak_kib") - memory
    }
}

# Small numbers with their digits, large ones without.
function plain(value) {
    return value == 0 ? "0" : sprintf(value < 100 && value > -100 ? "%.2f" : "%.0f", value)
}

function reported_row(title, name,    p, who) {
    printf "%-22s %-22s", title, name
    for (p = 0; p <= peer_count; p++) {
        who = p == 0 ? "gcalloc" : peer[p]
        printf " %12s", ((title, who) in failures ? "failed" : has(title, who, name) ? plain(median(title, who, name)) : "")
    }
    printf "\n"
}

function is_reported(title, name,    p) {
    for (p = 1; p <= peer_count; p++)
        if (has(title, peer[p], name))
            return 1
    return has(title, "gcalloc", name)
}

function reported_head(    p) {
    printf "\n%-22s %-22s %12s", "reported, medians", "", "gcalloc"
    for (p = 1; p <= peer_count; p++)
        printf " %12s", peer[p]
    printf "\n"
}

function reported_table(    g, r, f, lines) {
    for (g = 1; g <= group_count; g++)
        for (r = 1; r <= rows[g]; r++)
            for (f = 1; f <= figure_count; f++) {
                if (figure[f] == "end_kib" || !is_reported(row_of[g, r], figure[f]))
                    continue
                if (lines++ == 0)
                    reported_head()
                reported_row(row_of[g, r], figure[f])
            }
}

END {
    for (g = 1; g <= group_count; g++)
        is_partial = is_partial || !is_in_mean(g)
    if (has_rows("cpu_ms"))
        print "\nMedians; a number under a peer is gcalloc's divided by the peer's: below 1, gcalloc needs less."
    ratio_table("processor time", "cpu_ms", "ms ", 1)
    ratio_table("wall time", "wall_ms", "ms ", 1)
    ratio_table("peak memory", "peak_kib", "MiB", 1024)
    ratio_table("memory at the end", "end_kib", "MiB", 1024)
    reported_table()
    for (g = 1; g <= group_count; g++)
        for (r = 1; group[g] == "start" && r <= rows[g]; r++)
            start_table(row_of[g, r])
    for (key in failures) {
        split(key, part, SUBSEP)
        printf "%s failed with %s: %s\n", part[1], part[2], failures[key]
    }
}
