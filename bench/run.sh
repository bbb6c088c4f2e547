#!/bin/sh
# SPDX-License-Identifier: MIT
# Measures gcalloc against every other allocator that is installed, in the same programs, and prints tables.
#
#   sh bench/run.sh [--quick] [--smoke] [--peers LIST] [--build DIR] [--rounds N] [GROUP...]
#
#   --quick   a tenth of the work, three rounds: a first impression
#   --smoke   a hundredth, one round: shows that everything runs, says nothing about speed
#   --peers   some of "glibc mimalloc jemalloc tcmalloc libgc floor", in quotes or with commas; all of them without it
#   --build   where gcalloc is built; build/ of this tree without it
#   GROUP     some of the groups of workloads.txt; all of them without it
#
# Allocators take turns, so that a change of the machine's mood meets all of them. Every run is one line of JSON in
# BUILD/bench/results/; the first line names the machine. The tables are kept beside it, charts in BUILD/bench/charts/.
# A peer that fails is named and left out of its row; when gcalloc fails everything ends, with code 1.
set -euf

here=$(cd "$(dirname "$0")" && pwd)
build=$here/../build
peers="glibc mimalloc jemalloc tcmalloc libgc floor"
groups=
rounds=7
rounds_wanted=
share=1 # of the work: 1 / share
seconds_max=600 # for one run

me=bench
synopsis="run.sh [--quick] [--smoke] [--peers LIST] [--build DIR] [--rounds N] [GROUP...]"
# shellcheck source=bench/shared.sh
. "$here/shared.sh"

# The workloads without their comments.
workloads() {
    grep -v -e '^ *#' -e '^ *$' "$here/workloads.txt"
}

while [ $# -gt 0 ]; do
    case $1 in
    --quick) rounds=3 share=10 ;;
    --smoke) rounds=1 share=100 ;;
    --peers | --build | --rounds)
        [ -n "${2:-}" ] || usage "$1 wants a value"
        case $1 in
        --peers) peers=$(echo "$2" | tr ',' ' ') ;;
        --build) build=$2 ;;
        --rounds) rounds_wanted=$2 ;;
        esac
        shift
        ;;
    -*) usage "$1: no such option" ;;
    *) groups="$groups $1" ;;
    esac
    shift
done
choose_rounds "$rounds_wanted"
for group in $groups; do
    workloads | grep -q "^$group " ||
        usage "$group: no such group; there are: $(workloads | cut -d ' ' -f 1 | uniq | tr '\n' ' ')"
done

enter_build

present=
for peer in $peers; do
    library=$(library_of "$peer") || exit
    if [ -n "$library" ]; then
        present="$present $peer"
        echo "$peer: $library"
    else
        echo "$peer: not installed, skipped"
    fi
done
present=${present# }
[ -n "$present" ] || die "no peer is installed"
env | grep '^GCALLOC_' || : # whoever sets options wants to see that they were set

make_tmp

# Leaves in `program` what a word of workloads.txt names in the group; empty if there is no such program.
find_program() {
    case $1 in
    real | start) program=$(command -v "$2") || program= ;;
    *) program=$build/bench/$2 && [ -x "$program" ] || program= ;;
    esac
}

# Whether a line's program is there. Those of the system may be absent, and so may what needs libgc or GLib.
is_there() {
    group=$1
    shift 2
    while :; do
        case $1 in
        \** | *=*) shift ;;
        *) break ;;
        esac
    done
    find_program "$group" "${1##*:}"
    [ "$1" != redis-server ] || command -v redis-benchmark >/dev/null || program=
    [ -z "$program" ] || return 0
    case "$group $1" in
    real\ * | start\ * | *\ libgc:* | *_gobject) echo "${1##*:}: not installed, skipped" && return 1 ;;
    esac
    die "$build/bench/${1##*:} is not built"
}

while read -r line; do
    # shellcheck disable=SC2086
    set -- $line
    case " ${groups:-$1} " in *" $1 "*) ;; *) continue ;; esac
    # shellcheck disable=SC2086
    ! is_there $line || echo "$line" >>"$tmp/plan"
done <<END
$(workloads)
END
[ -f "$tmp/plan" ] || die "nothing to measure"
twice=$(workloads | awk '($2 in group) && group[$2] != $1 { print $2 } { group[$2] = $1 }')
[ -z "$twice" ] || die "workloads.txt: two groups have the title" "$twice"

inputs=$build/bench/inputs/$share
made=$(cksum <"$here/real/inputs.sh")
if grep -q '^real ' "$tmp/plan" && [ "$(cat "$inputs/made" 2>/dev/null)" != "$made" ]; then
    sh "$here/real/inputs.sh" "$inputs" "$share"
    echo "$made" >"$inputs/made"
fi

mkdir -p "$build/bench/results" "$build/bench/charts"
results=$build/bench/results/$(date -u +%Y%m%dT%H%M%SZ)-$$.jsonl
machine_line "\"peers\": \"$present\"" >"$results"

# A word of a line as this run means it, in `word`.
expand() {
    word=$1
    case $word in
    @[0-9]*)
        word=$((${word#@} / share))
        [ "$word" -gt 0 ] || word=1
        ;;
    *"{inputs}"*) word=${word%%"{inputs}"*}$inputs${word#*"{inputs}"} ;;
    *"{jobs}"*) word=${word%%"{jobs}"*}$here/real${word#*"{jobs}"} ;;
    *"{tmp}"*) word=${word%%"{tmp}"*}$tmp${word#*"{tmp}"} ;;
    esac
}

# The allocators that run a line, by its WHO. Each round another one is the first, who may find files that are not cached.
allocators_for() {
    who=$1
    # shellcheck disable=SC2086
    set -- gcalloc $present
    turn=1
    while [ $turn -lt $round ]; do
        first=$1
        shift
        set -- "$@" "$first"
        turn=$((turn + 1))
    done
    for one; do
        case $who/$one in
        /libgc | /floor | malloc/libgc | malloc/floor | malloc/gcalloc) ;;
        "/$one" | "malloc/$one" | "$one/$one") echo "$one" ;;
        esac
    done
}

# measure_with ALLOCATOR WORDS...: once; the row has `group` and `title`, `repeat` and `settings`.
failed=
measure_with() {
    allocator=$1
    shift
    case " $failed " in *" $title/$allocator "*) return 0 ;; esac
    library=$(library_of "$allocator")
    preload=$build/bench/bench_end.so
    case $allocator in
    libgc) library=$(library_of glibc) ;; # programs call it by name, malloc stays the C library's
    *) preload="$preload $library" ;; # glibc's too: some programs are linked with another malloc
    esac
    code=0
    # In the background, as a shell looks at signals only between commands and while it waits.
    # shellcheck disable=SC2086
    env $settings BENCH_ALLOCATOR="$library" BENCH_REPORT="$tmp/report" "$build/bench/measure" "$group" "$title" \
        "$allocator" "$preload" "$repeat" "$seconds_max" "$@" >>"$results" 2>"$tmp/messages" &
    measuring=$!
    wait "$measuring" || code=$?
    measuring=
    [ $code -ne 0 ] || return 0
    tail -n 5 "$tmp/messages" >&2
    [ $code -ne 4 ] || die "$title: malloc is not that of $allocator ($library)"
    [ $code -eq 3 ] || die "$title could not be measured with $allocator (code $code)"
    reason=$(tail -n 1 "$results" | sed 's/.*"failed": "\(.*\)"}/\1/')
    [ "$allocator" != gcalloc ] || die "$title failed with gcalloc: $reason"
    echo "$title failed with $allocator, which is left out of it: $reason"
    failed="$failed $title/$allocator"
}

# run_line GROUP TITLE WORDS...: a line of workloads.txt with each of its allocators
run_line() {
    group=$1 title=$2 repeat=1 settings=
    shift 2
    while :; do
        case $1 in
        \**) expand "${1#\*}" && repeat=$word ;;
        *=*) settings="$settings $1" ;;
        *) break ;;
        esac
        shift
    done
    who=
    case $1 in *:*) who=${1%%:*} ;; esac
    find_program "$group" "${1##*:}"
    shift
    left=$#
    while [ $left -gt 0 ]; do
        expand "$1"
        set -- "$@" "$word"
        shift
        left=$((left - 1))
    done
    for allocator in $(allocators_for "$who"); do
        measure_with "$allocator" "$program" "$@"
    done
}

round=1
while [ $round -le "$rounds" ]; do
    echo "round $round of $rounds"
    while read -r line; do
        # shellcheck disable=SC2086
        run_line $line
    done <"$tmp/plan"
    round=$((round + 1))
done

awk -f "$here/figures.awk" -f "$here/table.awk" "$results" >"${results%.jsonl}.txt"
cat "${results%.jsonl}.txt"
echo
echo "$results"
sh "$here/charts.sh" "$results" "$build/bench/charts"
[ $share -eq 1 ] || echo "1/$share of the work: the numbers above mean little"
