#!/bin/sh
# SPDX-License-Identifier: MIT
# Draws a results file of run.sh: SVG files in DIRECTORY. The same numbers make the same bytes.
#
#   charts.sh RESULTS DIRECTORY
#
#   overview.svg   means of processor time and peak memory for each group, the chart of the README
#   cpu.svg        processor time of each row
#   memory.svg     peak memory of each row
#   hot.svg        nanoseconds for an operation of the group hot, where programs report it
set -eu
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
[ $# -eq 2 ] || {
    echo "usage: charts.sh RESULTS DIRECTORY" >&2
    exit 2
}
results=$1 directory=$2
command -v gnuplot >/dev/null || {
    echo "gnuplot: not installed, no charts"
    exit 0
}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/gcalloc-charts.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$directory"

# figures FILE CHART NAME: columns for gnuplot; false when there is no row.
figures() {
    awk -v chart="$2" -v name="$3" -f "$here/figures.awk" -f "$here/charts.awk" "$results" >"$tmp/$1"
    [ "$(wc -l <"$tmp/$1")" -gt 1 ]
}

# Columns of FILE as bars in groups, each of them through the function of gnuplot that is named; none for an empty column.
bars() {
    awk -v file="$tmp/$1" -v through="$2" '
    NR == 1 { columns = split($0, head, " ") }
    NR > 1 { for (i = 2; i <= columns; i++) is_used[i] = is_used[i] || $i != "?" }
    END {
        between = "plot"
        peers_from = head[2] == "gcalloc" ? 3 : 2 # a peer has the same colour in all charts
        for (i = 2; i <= columns; i++) {
            if (!is_used[i])
                continue
            printf "%s \"%s\" using (%s(column(%d))):xtic(1) title \"%s\" lt %d", between, file, through, i, head[i],
                (i < peers_from ? 7 : i - peers_from + 1)
            between = ","
        }
        printf "\n"
    }' "$tmp/$1"
}

# ratio_axis FILE: ratios go up and down from 1, as far for a half as for a double. These are logarithms on an axis that is
# labelled by hand, as bars on a logarithmic one begin at its bottom.
ratio_axis() {
    awk '
    function outward(x) { return x < 0 ? -int(-2 * x + 0.999) / 2 : int(2 * x + 0.999) / 2 }
    NR > 1 { for (i = 2; i <= NF; i++) if ($i != "?") {
        x = log($i) / log(2)
        low = x < low ? x : low
        high = x > high ? x : high
    } }
    END {
        low = outward(low < -0.5 ? low : -0.5)
        high = outward(high > 0.5 ? high : 0.5)
        step = high - low > 4 ? 1 : 0.5
        print "half(x) = log(x) / log(2)"
        printf "set yrange [%.1f:%.1f]\nset ytics (\"1\" 0", low, high
        for (at = step; at <= high; at += step)
            printf ", \"%.3g\" %.1f", 2 ^ at, at
        for (at = -step; at >= low; at -= step)
            printf ", \"%.2g\" %.1f", 2 ^ at, at
        print ")"
    }' "$tmp/$1"
}

# style WIDTH HEIGHT: what all charts share.
style() {
    cat <<END
set terminal svg size $1,$2 font "sans-serif,11" background "white" noenhanced
set datafile missing "?"
set style data histograms
set style histogram clustered gap 1
set style fill solid 0.9 noborder
set key outside right top
set grid ytics lt 1 lc rgb "#dddddd"
set xtics nomirror scale 0 rotate by -40
set xzeroaxis lt 1 lc rgb "#000000"
set tics font ",10"
set key autotitle columnhead
set linetype 1 lc rgb "#4477aa"
set linetype 2 lc rgb "#ee6677"
set linetype 3 lc rgb "#228833"
set linetype 4 lc rgb "#ccbb44"
set linetype 5 lc rgb "#66ccee"
set linetype 6 lc rgb "#aa3377"
set linetype 7 lc rgb "#333333"
END
}

# The width that so many rows need.
width_for() {
    echo $((200 + $(wc -l <"$tmp/$1") * 42))
}

# ratio_chart OUTPUT NAME TITLE
ratio_chart() {
    figures "$1" rows "$2" || return 0
    {
        style "$(width_for "$1")" 420
        ratio_axis "$1"
        echo "set output \"$directory/$1.svg\""
        echo "set title \"$3: gcalloc / other, below 1 gcalloc needs less\""
        bars "$1" half
    } | gnuplot
    echo "$directory/$1.svg"
}

overview_chart() {
    figures cpu groups cpu_ms || return 0
    figures memory groups peak_kib || return 0
    {
        style 860 520
        echo "set output \"$directory/overview.svg\""
        echo "set xtics rotate by 0"
        echo "set multiplot layout 2,1"
        echo "set title \"processor time, means: gcalloc / other, below 1 gcalloc needs less\""
        ratio_axis cpu
        bars cpu half
        echo "set title \"peak memory, means: gcalloc / other\""
        ratio_axis memory
        bars memory half
        echo "unset multiplot"
    } | gnuplot
    echo "$directory/overview.svg"
}

hot_chart() {
    figures hot absolute ns_per_operation || return 0
    {
        style "$(width_for hot)" 420
        echo "set output \"$directory/hot.svg\""
        echo "set title \"nanoseconds for an operation\""
        echo "set yrange [0:*]"
        echo "same(x) = x"
        bars hot same
    } | gnuplot
    echo "$directory/hot.svg"
}

overview_chart
ratio_chart cpu cpu_ms "processor time"
ratio_chart memory peak_kib "peak memory"
hot_chart
