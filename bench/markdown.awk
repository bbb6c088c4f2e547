# SPDX-License-Identifier: MIT
# The README's table: processor time and peak memory of each row, gcalloc's divided by the other's. After figures.awk.

function pair(first, second) {
    return first > 0 || second > 0 ? sprintf("%s · %s", first > 0 ? sprintf("%.2f", first) : "–",
        second > 0 ? sprintf("%.2f", second) : "–") : ""
}

function line(text, g, r,    p, title) {
    printf "| %s |", text
    title = row_of[g, r]
    for (p = 1; p <= peer_count; p++)
        printf " %s |", (title, peer[p]) in failures ? "failed" : pair(ratio(title, peer[p], "cpu_ms"), ratio(title, peer[p], "peak_kib"))
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
                line(group[g] ": " row_of[g, r], g, r)
    printf "| **geometric mean** |"
    for (p = 1; p <= peer_count; p++)
        printf " %s |", mean(peer[p], "cpu_ms", 0) > 0 ? "**" pair(mean(peer[p], "cpu_ms", 0), mean(peer[p], "peak_kib", 0)) "**" : ""
    printf "\n\nEach number is gcalloc's divided by the other's: below 1, gcalloc needs less. Medians of %s runs on %s (%s\n", round_count,
        machine, processors == 1 ? "one processor)," : processors " processors),"
    printf "Linux %s, at revision %s. Made by `sh bench/run.sh` and `sh bench/readme.sh`; the mean leaves out what starts", kernel, revision
    printf "\nand what collects.\n"
}
