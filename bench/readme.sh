#!/bin/sh
# SPDX-License-Identifier: MIT
# Puts a results file of run.sh into the README, between the lines <!-- bench --> and <!-- /bench -->, and its chart beside
# this script as results.svg: no number there is typed by hand.
#
#   readme.sh [--build DIR] [RESULTS]    RESULTS: the newest file in DIR/bench/results without it
set -eu
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
readme=$here/../README.md
build=$here/../build
results=

die() {
    echo "readme: $*" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
    --build) [ -n "${2:-}" ] && build=$2 && shift ;;
    -*) die "usage: readme.sh [--build DIR] [RESULTS]" ;;
    *) results=$1 ;;
    esac
    shift
done

# Their names begin with the time, so the last one is the newest; those of profile.sh do not.
[ -n "$results" ] || for results in "$build"/bench/results/[0-9]*.jsonl; do :; done
[ -f "$results" ] || die "no results; sh bench/run.sh makes some"
head -n 1 "$results" | grep -q '"share": "1/1"' || die "$results: part of the work only, not fit to be shown"
command -v gnuplot >/dev/null || die "gnuplot is not installed"
[ "$(grep -c -x -e '<!-- bench -->' -e '<!-- /bench -->' "$readme")" -eq 2 ] || die "$readme: the two marks are not there"

tmp=$(mktemp -d "${TMPDIR:-/tmp}/gcalloc-readme.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
{
    printf '![means of processor time and peak memory](bench/results.svg)\n\n'
    awk -f "$here/figures.awk" -f "$here/markdown.awk" "$results"
} >"$tmp/section"
sh "$here/charts.sh" "$results" "$tmp" >/dev/null
[ -f "$tmp/overview.svg" ] || die "$results: nothing to draw"

awk -v section="$tmp/section" '
    $0 == "<!-- /bench -->" { inside = 0 }
    !inside { print }
    $0 == "<!-- bench -->" { inside = 1; while ((getline text <section) > 0) print text }
' "$readme" >"$tmp/readme"
cat "$tmp/readme" >"$readme"
cp "$tmp/overview.svg" "$here/results.svg"
echo "README.md and bench/results.svg show ${results##*/}"
