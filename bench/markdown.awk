# SPDX-License-Identifier: MIT
# The README's table: processor time and peak memory of each row, gcalloc's divided by the other's. After figures.awk.

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
            if (group[g] != "start")
                row(group[g] ": " row_of[g, r], row_of[g, r])
    mean_row()
    printf "\nEach number is gcalloc's divided by the other's: below 1, gcalloc needs less. Medians of %d runs on %s (%s\n",
        round_count, machine, (processors == 1 ? "one processor)," : processors " processors),")
    sub(/[^0-9.].*/, "", kernel)
    printf "Linux %s, at revision %s. Made by `sh bench/run.sh` and `sh bench/readme.sh`.", kernel, revision
    print "\nThe mean leaves out `collect`, where the others run a program that frees."
}
