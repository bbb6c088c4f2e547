#!/bin/sh
# SPDX-License-Identifier: MIT
# Draws a results file of run.sh: SVG files in DIRECTORY. The same numbers make the same bytes.
#
#   charts.sh RESULTS DIRECTORY
#
#   overview.svg   means of processor time and peak memory for each group, the chart of the README
#   cpu.svg        processor time of each row
#   memory.svg     peak memory of each row
#   hot.svg        nanoseconds for an operation, where programs report it
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

# Columns of FILE as bars in groups, each of them through the function of gnuplot that is named.
bars() {
    awk -v file="$tmp/$1" -v through="$2" '{
        printf "plot"
        for (i = 2; i <= NF; i++)
            printf "%s \"%s\" using (%s(column(%d))):xtic(1) title \"%s\"", i > 2 ? "," : "", file, through, i, $i
        printf "\n"
        exit
    }' "$tmp/$1"
}

# Ratios go up and down from 1, as far for a half as for a double: logarithms on an axis that is labelled by hand.
ratio_axis() {
    cat <<'END'
half(x) = log(x) / log(2)
set ytics ("1/32" -5, "1/16" -4, "1/8" -3, "1/4" -2, "1/2" -1, "1" 0, "2" 1, "4" 2, "8" 3, "16" 4, "32" 5)
set yrange [-1:1]
set autoscale y
END
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
        ratio_axis
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
        ratio_axis
        echo "set output \"$directory/overview.svg\""
        echo "set multiplot layout 2,1"
        echo "set title \"processor time, means: gcalloc / other, below 1 gcalloc needs less\""
        bars cpu half
        echo "set title \"peak memory, means: gcalloc / other\""
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
