# SPDX-License-Identifier: MIT
# What charts.sh draws, as columns. After figures.awk. Set -v chart:
#   rows      ratio of the figure -v name, for each row:      TITLE RATIO...
#   groups    geometric mean of that ratio for each group:    GROUP RATIO...
#   absolute  the figure -v name itself, for each row of hot: TITLE GCALLOC PEER...
# The first line names the columns; `?` is a figure that is missing.

function value(number) {
    return number > 0 ? sprintf(" %.4f", number) : " ?"
}

function ratio_line(title,    p, line, found) {
    for (p = 1; p <= peer_count; p++) {
        line = line value(ratio(title, peer[p], name))
        found = found || ratio(title, peer[p], name) > 0
    }
    if (found)
        print title line
}

function mean_line(text, only,    p, line, found) {
    for (p = 1; p <= peer_count; p++) {
        line = line value(mean(peer[p], name, only))
        found = found || mean(peer[p], name, only) > 0
    }
    if (found)
        print text line
}

function absolute_line(title,    p, line) {
    if (!has(title, "gcalloc", name))
        return
    line = title value(median(title, "gcalloc", name))
    for (p = 1; p <= peer_count; p++)
        line = line (has(title, peer[p], name) ? value(median(title, peer[p], name)) : " ?")
    print line
}

END {
    printf "name%s", (chart == "absolute" ? " gcalloc" : "")
    for (p = 1; p <= peer_count; p++)
        printf " %s", peer[p]
    printf "\n"
    for (g = 1; g <= group_count; g++) {
        if (chart == "groups" && group[g] != "start")
            mean_line(group[g], g)
        for (r = 1; r <= rows[g]; r++)
            if (chart == "absolute" && group[g] == "hot")
                absolute_line(row_of[g, r])
            else if (chart == "rows" && group[g] != "start")
                ratio_line(row_of[g, r])
    }
    if (chart == "groups")
        mean_line("all", 0)
}
