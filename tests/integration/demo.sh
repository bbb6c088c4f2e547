#!/bin/sh
# SPDX-License-Identifier: MIT
# The main job on a real program: jq as Debian 12 packages it (1.6) loses memory, and under gcalloc it does not grow.
#
#   demo.sh [--prove] [BUILD_DIR]        BUILD_DIR: build/ of this tree; --prove: also show the leak with valgrind
#
# The leak: ltrimstr asks startswith, which makes an error message when the input is no string; ltrimstr looks only at
# whether the answer is "true" and forgets to free it. Each number that passes through ltrimstr
# costs two blocks, 76 bytes and the allocator's share, that nothing points to any more: valgrind calls them
# "definitely lost". The job is an everyday one: turn a feed of JSON records into CSV, without the dollar signs.
#
# Both runs read the same file at the same time and must write the same bytes. Memory is the resident size in
# /proc/PID/statm, sampled four times a second. Exit code 0: same output, and the growth is gone.
set -u
here=$(cd "$(dirname "$0")" && pwd)
prove=0
if [ "${1:-}" = --prove ]; then prove=1; shift; fi
build=$(cd "${1:-$here/../../build}" 2>/dev/null && pwd) || build=
records=120000 fields=40 width=30 full_mib=480
filter='[.[] | ltrimstr("$")] | @csv'

die() {
    echo "demo: $*" >&2
    exit 1
}

command -v jq >/dev/null || die "jq is not installed (apt-get install jq)"
[ -n "$build" ] && [ -x "$build/bin/gcalloc" ] || die "build gcalloc first: cmake -S . -B build && cmake --build build"
page_kib=$(($(getconf PAGESIZE) / 1024))
tmp=$(mktemp -d "${TMPDIR:-/tmp}/gcalloc-demo.XXXXXX") || exit 1

# Ends only the two processes that were started here.
clean_up() {
    for name in plain gcalloc; do
        [ -f "$tmp/$name.code" ] || { [ -f "$tmp/$name.pid" ] && kill "$(cat "$tmp/$name.pid")" 2>/dev/null; }
    done
    wait
    rm -rf "$tmp"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP PIPE

make_feed() {
    awk -v n="$1" -v fields="$fields" 'BEGIN { for (i = 0; i < n; i++) {
        printf "{\"id\":%d,\"price\":\"$%d.%02d\"", i, i % 500, i % 100
        for (k = 0; k < fields; k++) printf ",\"q%d\":%d", k, (i * 7 + k * 13) % 1000
        print "}" } }'
}

valgrind_proof() {
    command -v valgrind >/dev/null || die "valgrind is not installed"
    for n in 200 400 800; do
        make_feed "$n" >"$tmp/small.json"
        valgrind --leak-check=full jq -r "$filter" "$tmp/small.json" 2>&1 >/dev/null |
            awk -v n="$n" '
                /(definitely|indirectly) lost: / { t = t sprintf(" %s lost %s bytes in %s blocks;", $2, $4, $7) }
                END { sub(/;$/, "", t); print "  valgrind, " n " records:" t }'
    done
}

# start NAME COMMAND...: in the background; leaves NAME.pid, NAME.csv, NAME.code and NAME.end.
start() {
    name=$1
    shift
    (
        sh -c 'echo $$ >"$0"; exec "$@"' "$tmp/$name.pid" "$@" >"$tmp/$name.csv"
        code=$?
        date +%s%N >"$tmp/$name.end"
        echo "$code" >"$tmp/$name.code"
    ) &
}

# Resident size in KiB into `rss`, "done" when the process has ended; the peak so far into the file NAME.peak.
sample() {
    rss="done"
    [ ! -f "$tmp/$1.end" ] || return 0
    rss=0
    pid=$(cat "$tmp/$1.pid" 2>/dev/null) || return 0
    { read -r _ rss _ <"/proc/$pid/statm"; } 2>/dev/null || rss=0
    rss=$((${rss:-0} * page_kib))
    high=$(awk '/^VmHWM:/ { print $2 }' "/proc/$pid/status" 2>/dev/null)
    [ -z "$high" ] || echo "$high" >"$tmp/$1.peak"
}

bar() {
    cells=$(($1 * width / (full_mib * 1024)))
    [ "$cells" -le "$width" ] || cells=$width
    printf '%-*s' "$width" "$(printf '%*s' "$cells" '' | tr ' ' '#')"
}

cell() {
    if [ "$1" = "done" ]; then
        printf ' |%-*s' $((width + 9)) "  done"
    else
        printf ' |%s %4d MiB' "$(bar "$1")" $(($1 / 1024))
    fi
}

chart() {
    printf '\n    time  %-*s %s\n' $((width + 10)) "plain malloc" "gcalloc"
    while [ ! -f "$tmp/plain.code" ] || [ ! -f "$tmp/gcalloc.code" ]; do
        sample plain
        plain=$rss
        sample gcalloc
        elapsed=$((($(date +%s%N) - began) / 100000000))
        printf ' %3d.%d s  %s%s\n' $((elapsed / 10)) $((elapsed % 10)) "$(cell "$plain")" "$(cell "$rss")"
        sleep 0.25
    done
    echo
}

# The process's own figures: "cycles longest-pause-ms reclaimed-MiB".
own_figures() {
    awk '{ for (i = 1; i <= NF; i++) { split($i, kv, "="); v[kv[1]] = kv[2] } }
        END { printf "%d %.1f %d\n", v["cycles"], v["pause_longest_ns"] / 1e6, v["reclaimed_bytes"] / 1048576 }' \
        "$tmp/stats"
}

tenths() {
    awk -v from="$began" -v to="$(cat "$tmp/$1.end")" 'BEGIN { printf "%.1f", (to - from) / 1e9 }'
}

version=$(dpkg-query -W -f '${Version}' jq 2>/dev/null || jq --version)
make_feed "$records" >"$tmp/feed.json"
echo "jq $version turns a feed of $records records, $((fields + 2)) fields each, into CSV:"
echo "  jq -r '$filter' feed.json"
echo "Its ltrimstr loses an error message for every field that is a number: $((records * (fields + 1))) of them here."
[ "$prove" = 0 ] || valgrind_proof

began=$(date +%s%N)
start plain jq -r "$filter" "$tmp/feed.json"
start gcalloc env GCALLOC_STATS_FILE="$tmp/stats" "$build/bin/gcalloc" run -- jq -r "$filter" "$tmp/feed.json"
chart
wait

for name in plain gcalloc; do
    [ "$(cat "$tmp/$name.code")" = 0 ] || die "jq left with code $(cat "$tmp/$name.code") in the run '$name'"
done
cmp "$tmp/plain.csv" "$tmp/gcalloc.csv" || die "the two outputs differ"
[ -s "$tmp/stats" ] || die "the second run left no figures: gcalloc was not loaded"
plain=$(($(cat "$tmp/plain.peak") / 1024)) ours=$(($(cat "$tmp/gcalloc.peak") / 1024))
set -- $(own_figures)
[ "$plain" -ge 200 ] || die "this jq does not leak ($plain MiB at the end): nothing to show"
echo "jq grew to $plain MiB on plain malloc and stayed within $ours MiB under gcalloc, with the same" \
    "$(wc -c <"$tmp/plain.csv") bytes of output, in $(tenths plain) s and $(tenths gcalloc) s:" \
    "$1 collections of at most $2 ms took back $3 MiB that jq had lost."
[ "$((ours * 3))" -le "$plain" ] || die "more than a third of the growth is left"
