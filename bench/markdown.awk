# SPDX-License-Identifier: MIT
# The README's tables: processor time and peak memory of each row, gcalloc's divided by the other's; collections; pauses.
# After figures.awk.

function rounded(number) {
    return number > 0 ? sprintf("%.2f", number) : "–"
}

function pair(first, second) {
    return first > 0 || second > 0 ? sprintf("%s · %s", rounded(first), rounded(second)) : ""
}

function row(text, title,    p, cell_text) {
    printf "| %s |", text
    for (p = 1; p <= peer_count; p++) {
        cell_text = pair(ratio(title, peer[p], "cpu_ms"), ratio(title, peer[p], "peak_kib"))
        printf " %s |", ((title, peer[p]) in failures ? "failed" : cell_text)
    }
    printf "\n"
}

function mean_row(    p, text) {
    printf "| **geometric mean** |"
    for (p = 1; p <= peer_count; p++) {
        text = pair(mean(peer[p], "cpu_ms", 0), mean(peer[p], "peak_kib", 0))
        printf " %s |", (text == "" ? "" : "**" text "**")
    }
    printf "\n"
}

function is_collection(title) {
    return has(title, "gcalloc", "collection_ms")
}

# A figure of one allocator; a dash where it has none.
function figure_cell(title, allocator, name, format) {
    return has(title, allocator, name) ? sprintf(format, median(title, allocator, name)) : "–"
}

function collection_row(title) {
    printf "| %s | %s ms | %s ms | **%s** | %s ns | %s | %s |\n", title,
        figure_cell(title, "gcalloc", "collection_ms", "%.1f"), figure_cell(title, "libgc", "collection_ms", "%.1f"),
        rounded(ratio(title, "libgc", "collection_ms")), figure_cell(title, "gcalloc", "ns_per_object", "%.1f"),
        figure_cell(title, "gcalloc", "random_limit", "%.2f"), figure_cell(title, "gcalloc", "sequential_share", "%.2f")
}

function collection_table(    g, r, any) {
    for (g = 1; g <= group_count; g++)
        for (r = 1; r <= rows[g]; r++)
            if (is_collection(row_of[g, r])) {
                if (!any++)
                    printf "\n| one collection, all lives | gcalloc | libgc | ratio | an object | in random loads | share of reading |\n" \
                        "|---|---|---|---|---|---|---|\n"
                collection_row(row_of[g, r])
            }
    if (any)
        print "\nAn object is compared with a load from a random line, the speed with reading in order, both measured in the same run."
}

function pause_table(title,    i, count, names) {
    if (!has(title, "gcalloc", "pause_max_us"))
        return
    printf "\n| an operation takes | gcalloc | libgc | mimalloc and free |\n|---|---|---|---|\n"
    count = split("p50 p99 p999 max", names, " ")
    for (i = 1; i <= count; i++)
        printf "| %s | %s µs | %s µs | %s µs |\n", names[i],
            figure_cell(title, "gcalloc", "pause_" names[i] "_us", "%.1f"),
            figure_cell(title, "libgc", "pause_" names[i] "_us", "%.1f"),
            figure_cell(title, "mimalloc", "pause_" names[i] "_us", "%.1f")
}

END {
    printf "| CPU · peak memory |"
    for (p = 1; p <= peer_count; p++)
        printf " %s |", peer[p]
    printf "\n|---|"
    for (p = 1; p <= peer_count; p++)
        printf "---|"
    printf "\n"
    for (g = 1; g <= group_count; g++)
        for (r = 1; r <= rows[g]; r++)
            if (group[g] != "start" && !is_collection(row_of[g, r]))
                row(group[g] ": " row_of[g, r], row_of[g, r])
    mean_row()
    printf "\nEach number is gcalloc's divided by the other's: below 1, gcalloc needs less. Medians of %d runs on %s (%s\n",
        round_count, machine, (processors == 1 ? "one processor)," : processors " processors),")
    sub(/[^0-9.].*/, "", kernel)
    printf "Linux %s, at revision %s. Made by `sh bench/run.sh` and `sh bench/readme.sh`.", kernel, revision
    print "\nThe mean leaves out `collect`, where the others run a program that frees, and `counted`, where they count by hand."
    collection_table()
    pause_table("latency")
}
