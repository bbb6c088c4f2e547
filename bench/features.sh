#!/bin/sh
# SPDX-License-Identifier: MIT
# What each optional part of gcalloc costs a program that does not use it, and one that does: instructions for an allocation and
# its free, counted by callgrind, which no other load disturbs. What a program costs to start and to end cancels: each
# figure is the difference of two runs.
#
#   sh bench/features.sh [--build DIR] [--beside DIR]...
#
#   --build    where gcalloc is built; build/ of this tree without it
#   --beside   another build, of other options or another revision: one more line each
#
# A line for each setting, as markdown; alloc_pairs' own loop is counted too. Samples are taken by chance: those of the rarest
# kind cost a tenth more or less in each run.
set -euf

here=$(cd "$(dirname "$0")" && pwd)
build=$here/../build
me=features
synopsis="features.sh [--build DIR] [--beside DIR]..."
# shellcheck source=bench/shared.sh
. "$here/shared.sh"

beside=
while [ $# -gt 0 ]; do
    case $1 in
    --build | --beside)
        [ -n "${2:-}" ] || usage "$1 wants a value"
        case $1 in
        --build) build=$2 ;;
        --beside) beside="$beside $2" ;;
        esac
        shift
        ;;
    *) usage "$1: no such option" ;;
    esac
    shift
done
enter_build
pairs=$build/bench/alloc_pairs
[ -e "$pairs" ] || die "$pairs is not built"
command -v valgrind >/dev/null || die "valgrind is not installed"
make_tmp

# count LIBRARY BYTES BATCH ROUNDS [NAME=VALUE...]: instructions of one run.
count() {
    library=$1
    shift
    work="$1 $2 $3"
    shift 3
    # shellcheck disable=SC2086 # words of their own
    env "LD_PRELOAD=$library" "BENCH_ALLOCATOR=$library" "GCALLOC_PROFILE_FILE=$tmp/profile.%p" "$@" \
        valgrind --tool=callgrind --callgrind-out-file=/dev/null "$pairs" $work >"$tmp/log" 2>&1 ||
        { cat "$tmp/log" >&2 && die "alloc_pairs failed under valgrind"; }
    counted=$(sed -n 's/.*Collected : \([0-9]*\)$/\1/p' "$tmp/log")
    [ -n "$counted" ] || die "callgrind has counted nothing"
}

# each LIBRARY BYTES BATCH [NAME=VALUE...]: for one allocation and its free, of `least` and three times as many.
each() {
    library=$1 bytes=$2 batch=$3
    shift 3
    count "$library" "$bytes" "$batch" $((least / batch)) "$@"
    few=$counted
    count "$library" "$bytes" "$batch" $((3 * least / batch)) "$@"
    awk -v difference=$((counted - few)) -v least="$least" 'BEGIN { printf " %.1f |", difference / (2 * least) }'
}

# line TITLE LIBRARY [NAME=VALUE...]
line() {
    title=$1 file=$2
    shift 2
    printf '| %s |' "$title"
    each "$file" 16 1 "$@"
    each "$file" 2000 1 "$@"
    each "$file" 64 100 "$@"
    echo
}

own=$(library_of gcalloc)
least=10000
echo '| instructions for `malloc` and `free` | 16 bytes | 2,000 bytes | 64 bytes, a hundred at a time |'
echo '|---|---|---|---|'
line 'as it comes' "$own"
line 'mode `free`' "$own" GCALLOC_MODE=free
line '`GCALLOC_VERIFY=1`' "$own" GCALLOC_VERIFY=1
line '`GCALLOC_RELEASE_MS=0`' "$own" GCALLOC_RELEASE_MS=0
least=200000 # several samples in each run: the first one costs what millions of requests do
line 'profile `sample`' "$own" GCALLOC_PROFILE=sample
line 'profile `site`' "$own" GCALLOC_PROFILE=site
least=10000
line 'profile `full`' "$own" GCALLOC_PROFILE=full
line 'mode `leaks`' "$own" GCALLOC_MODE=leaks GCALLOC_LEAKS_REPORT=0
line "glibc's malloc" "$(library_of glibc)"
for other in $beside; do
    file=$other/lib/libgcalloc.so
    [ -e "$file" ] || die "$file is not built"
    line "build $(basename "$other")" "$(readlink -f "$file")"
done
