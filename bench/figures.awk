# SPDX-License-Identifier: MIT
# Reads the lines of a results file: medians and spreads of each figure by row and allocator. Tables, charts and the
# README's text are made of these by a second file that follows this one, in its END.
#
#   peer[1..peer_count]       allocators beside gcalloc that ran something
#   group[1..group_count]     groups; row_of[g, 1..rows[g]] the titles in each
#   figure[1..figure_count]   names of what programs report of themselves

function field(name,    at, rest) {
    at = index($0, "\"" name "\": ")
    if (at == 0)
        return ""
    rest = substr($0, at + length(name) + 4)
    if (sub(/^"/, "", rest))
        sub(/".*/, "", rest)
    else
        sub(/[,}].*/, "", rest)
    return rest
}

# Values are kept sorted as they come.
function keep(key, value,    at) {
    for (at = ++number[key]; at > 1 && values[key, at - 1] > value; at--)
        values[key, at] = values[key, at - 1]
    values[key, at] = value
}

function has(title, allocator, name) {
    return (title, allocator, name) in number && !((title, allocator) in failures)
}

function median(title, allocator, name,    key, half) {
    key = title SUBSEP allocator SUBSEP name
    half = int((number[key] + 1) / 2)
    return number[key] % 2 ? values[key, half] : (values[key, half] + values[key, half + 1]) / 2
}

# The whole range, in percent of the median.
function spread(title, allocator, name,    key, middle) {
    key = title SUBSEP allocator SUBSEP name
    middle = median(title, allocator, name)
    return middle > 0 ? 100 * (values[key, number[key]] - values[key, 1]) / middle : 0
}

# gcalloc's figure divided by the peer's; 0 where one of them is missing.
function ratio(title, allocator, name) {
    if (!has(title, "gcalloc", name) || !has(title, allocator, name) || median(title, allocator, name) <= 0)
        return 0
    return median(title, "gcalloc", name) / median(title, allocator, name)
}

# The figure of a cell as text: "failed", "" or with `format`.
function cell(title, allocator, value, format) {
    if ((title, allocator) in failures)
        return "failed"
    return value > 0 ? sprintf(format, value) : ""
}

# A start is measured by what it adds, a collector is compared with programs that free, and a count of ours with one written by
# hand: none enters a mean.
function is_in_mean(g) {
    return group[g] != "start" && group[g] != "collect" && group[g] != "counted"
}

# Geometric mean of a ratio over all rows, or over those of group `only`; 0 without any.
function mean(allocator, name, only,    g, r, one, sum, count) {
    for (g = 1; g <= group_count; g++)
        for (r = 1; r <= rows[g]; r++) {
            one = ratio(row_of[g, r], allocator, name)
            if (one > 0 && (only ? g == only : is_in_mean(g))) {
                sum += log(one)
                count++
            }
        }
    return count > 0 ? exp(sum / count) : 0
}

function note_row(name, title,    g) {
    if (title in seen_row)
        return
    seen_row[title] = 1
    for (g = 1; g <= group_count && group[g] != name; g++)
        ;
    if (g > group_count)
        group[++group_count] = name
    row_of[g, ++rows[g]] = title
}

# What follows the peak in a line is what the program reports.
function keep_reported(title, allocator,    rest, parts, count, i, pair) {
    rest = $0
    if (!sub(/.*"peak_kib": [^,}]*,? ?/, "", rest))
        return
    gsub(/["}]/, "", rest)
    count = split(rest, parts, ", ")
    for (i = 1; i <= count; i++) {
        split(parts[i], pair, ": ")
        keep(title SUBSEP allocator SUBSEP pair[1], pair[2] + 0)
        if (!(pair[1] in seen_figure)) {
            seen_figure[pair[1]] = 1
            figure[++figure_count] = pair[1]
        }
    }
}

/^\{"machine"/ {
    machine = field("machine")
    processors = field("processors")
    kernel = field("kernel")
    revision = field("revision")
    round_count = field("rounds")
    share = field("share")
    peer_count = split(field("peers"), peer, " ")
}

/^\{"group"/ {
    title = field("title")
    allocator = field("allocator")
    note_row(field("group"), title)
    seen_allocator[allocator] = 1
    if (field("failed") != "") {
        failures[title, allocator] = field("failed")
        next
    }
    keep(title SUBSEP allocator SUBSEP "cpu_ms", field("cpu_ms") + 0)
    keep(title SUBSEP allocator SUBSEP "wall_ms", field("wall_ms") + 0)
    keep(title SUBSEP allocator SUBSEP "peak_kib", field("peak_kib") + 0)
    keep_reported(title, allocator)
}

# A peer that ran nothing that was chosen has no column.
END {
    for (p = 1; p <= peer_count; p++)
        if (peer[p] in seen_allocator)
            peer[++peers_kept] = peer[p]
    peer_count = peers_kept + 0
}
