#!/bin/sh
# SPDX-License-Identifier: MIT
# Measures gcalloc against every other malloc that is installed, preloaded into the same programs, and prints tables.
#
#   sh bench/run.sh [--smoke] [--peers LIST] [--build DIR]
#
#   --smoke   a second or two in all: shows that everything runs, says nothing about speed
#   --peers   some of "glibc mimalloc jemalloc tcmalloc", in quotes; all of them without it
#   --build   where gcalloc is built; build/ of this tree without it
#
# Allocators take turns, so that a change of the machine's mood meets all of them. Every run is one line of JSON in
# BUILD/bench/results/; its first line names the machine.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$here/../build
peers="glibc mimalloc jemalloc tcmalloc"
rounds=7
share=1 # of the work

die() {
    echo "bench: $*" >&2
    exit 1
}

while [ $# -gt 0 ]; do
    case $1 in
    --smoke) rounds=1 share=100 ;;
    --peers) peers=${2:?"--peers wants a list"} && shift ;;
    --build) build=${2:?"--build wants a directory"} && shift ;;
    *) die "usage: run.sh [--smoke] [--peers LIST] [--build DIR]" ;;
    esac
    shift
done

build=$(cd "$build" 2>/dev/null && pwd) || die "no build directory; cmake -S . -B build && cmake --build build"
[ -x "$build/bench/measure" ] || die "$build/bench is not built"

# The library of an allocator, or nothing.
library_of() {
    case $1 in
    gcalloc) set -- "$build/lib/libgcalloc.so" ;;
    glibc) set -- /lib/*-linux-gnu*/libc.so.6 /usr/lib*/libc.so.6 ;;
    mimalloc) set -- /usr/lib/*-linux-gnu*/libmimalloc.so* /usr/local/lib/libmimalloc.so* ;;
    jemalloc) set -- /usr/lib/*-linux-gnu*/libjemalloc.so* /usr/local/lib/libjemalloc.so* ;;
    tcmalloc) set -- /usr/lib/*-linux-gnu*/libtcmalloc_minimal.so* /usr/local/lib/libtcmalloc_minimal.so* ;;
    *) die "$1: no such peer" ;;
    esac
    for file; do
        [ -e "$file" ] && readlink -f "$file" && return
    done
    return 0
}

present=
for peer in $peers; do
    library=$(library_of "$peer") || exit 1
    if [ -n "$library" ]; then
        present="$present $peer"
        echo "$peer: $library"
    else
        echo "$peer: not installed, skipped"
    fi
done
[ -n "$(library_of gcalloc)" ] || die "$build/lib/libgcalloc.so is not built"
[ -n "$present" ] || die "no peer is installed"

mkdir -p "$build/bench/results"
results=$build/bench/results/$(date -u +%Y%m%dT%H%M%SZ)-$$.jsonl
processor=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1 | tr -cd '[:alnum:] ()@.-')
revision=$(git -C "$here" rev-parse --short HEAD 2>/dev/null || echo unknown)
printf '{"machine": "%s", "processors": %s, "kernel": "%s", "revision": "%s", "rounds": %s, "share": "1/%s"}\n' \
    "$processor" "$(nproc)" "$(uname -r)" "$revision" "$rounds" "$share" >"$results"

# one TITLE REPEAT PROGRAM ARGS...: each allocator once
one() {
    title=$1 repeat=$2
    shift 2
    for allocator in gcalloc $present; do
        library=$(library_of "$allocator")
        preload=$library
        [ "$allocator" != glibc ] || preload=-
        BENCH_ALLOCATOR=$library "$build/bench/measure" "$title" "$allocator" "$preload" "$repeat" "$@" >>"$results" ||
            die "$title failed with $allocator"
    done
}

unset LD_PRELOAD
round=1
while [ $round -le $rounds ]; do
    echo "round $round of $rounds"
    one churn_ring 1 "$build/bench/alloc_churn" ring 65536 $((20000000 / share))
    one churn_random 1 "$build/bench/alloc_churn" random 65536 $((20000000 / share))
    one churn_small 1 "$build/bench/alloc_churn" random 1000 $((40000000 / share))
    one pairs_16 1 "$build/bench/alloc_pairs" 16 1 $((100000000 / share))
    one pairs_2000 1 "$build/bench/alloc_pairs" 2000 1 $((50000000 / share))
    one batch_64 1 "$build/bench/alloc_pairs" 64 1000 $((100000 / share))
    one stack 1 "$build/bench/alloc_shapes" stack $((40000000 / share))
    one grow 1 "$build/bench/alloc_shapes" grow $((3000000 / share))
    one large 1 "$build/bench/alloc_shapes" large $((20000 / share))
    one aligned 1 "$build/bench/alloc_shapes" aligned $((10000000 / share))
    one drift 1 "$build/bench/alloc_shapes" drift $((10000000 / share))
    one remote 1 "$build/bench/alloc_remote" 1 $((80000 / share))
    one threads 1 "$build/bench/alloc_threads" $((10000 / share)) 500
    one startup $((200 / share)) /bin/true
    round=$((round + 1))
done

awk -v peers="$present" -f "$here/table.awk" "$results"
echo
echo "$results"
[ $share -eq 1 ] || echo "smoke: the numbers above mean nothing"
