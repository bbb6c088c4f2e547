#!/bin/sh
# SPDX-License-Identifier: MIT
# What it costs to see a program's memory, and whether what is said of leaks is true: gcalloc's levels and every other tool
# that is installed, on a program with one leak of known size, and on redis.
#
#   sh bench/profile.sh [--quick] [--smoke] [--build DIR] [--rounds N]
#
#   --quick   a tenth of the work, three rounds: a first impression
#   --smoke   a hundredth, one round: shows that everything runs, says nothing about speed
#   --build   where gcalloc is built; build/ of this tree without it
#
# Tools take turns. Those that make a program several times slower take part in the first round alone: what they cost is not
# in doubt. Every run is one line of JSON in BUILD/bench/results/profile-TIME.jsonl; the table beside it is
# markdown. When gcalloc fails everything ends, with code 1; so it does where gcalloc is
# wrong about the leak.
set -euf

here=$(cd "$(dirname "$0")" && pwd)
build=$here/../build
rounds=5
rounds_wanted=
share=1            # of the work: 1 / share
expressions=4000   # ten million allocations in a third of a second
requests=100000    # of each kind, to redis
seconds_max=300    # for one run
heaptrack_expressions=10
leaked_bytes=936   # LEAKED_BYTES of profile_planted.c
leaked_objects=1

me=profile
synopsis="profile.sh [--quick] [--smoke] [--build DIR] [--rounds N]"
# shellcheck source=bench/shared.sh
. "$here/shared.sh"

while [ $# -gt 0 ]; do
    case $1 in
    --quick) rounds=3 share=10 ;;
    --smoke) rounds=1 share=100 ;;
    --build | --rounds)
        [ -n "${2:-}" ] || usage "$1 wants a value"
        case $1 in
        --build) build=$2 ;;
        --rounds) rounds_wanted=$2 ;;
        esac
        shift
        ;;
    *) usage "$1: no such option" ;;
    esac
    shift
done
choose_rounds "$rounds_wanted"
enter_build
library=$build/lib/libgcalloc.so
command=$build/bin/gcalloc
planted=$build/bench/profile_planted
for file in "$command" "$planted"; do
    [ -e "$file" ] || die "$file is not built"
done
jemalloc=$(library_of jemalloc)
make_tmp

mkdir -p "$build/bench/results"
results=$build/bench/results/profile-$(date -u +%Y%m%dT%H%M%SZ)-$$.jsonl
machine_line "" >"$results"

# measure_run GROUP TOOL PRELOAD SETTINGS WORDS...: once. What the tool says is left in tmp/said.
measure_run() {
    group=$1 tool=$2 preload=$3 settings=$4
    shift 4
    rm -rf "$tmp/profile" "$tmp/tool" "$tmp/tool.raw.zst"
    code=0
    allocator=$preload
    [ "$preload" = - ] && allocator= || preload="$build/bench/bench_end.so $preload"
    # shellcheck disable=SC2086
    env $settings ${allocator:+"BENCH_ALLOCATOR=$allocator"} BENCH_REPORT="$tmp/report" \
        "$build/bench/measure" "$group" planted "$tool" "$preload" 1 "$seconds_max" \
        "$@" >"$tmp/line" 2>"$tmp/said" &
    measuring=$!
    wait "$measuring" || code=$?
    measuring=
}

# What was said of leaks, "BYTES OBJECTS", or nothing.
said_by() {
    case $1 in
    gcalloc_sample | gcalloc_site | gcalloc_full)
        "$command" leaks --no-symbols --json "$tmp/profile" |
            sed -n 's/^{"known":true,"total_bytes":\([0-9]*\),"total_objects":\([0-9]*\),.*/\1 \2/p'
        ;;
    gcalloc_leaks) sed -n 's/.* has leaked \([0-9]*\) byte(s) in \([0-9]*\) object(s).*/\1 \2/p' "$tmp/said" ;;
    memcheck)
        tr -d , <"$tmp/tool" | sed -n 's/.*definitely lost: \([0-9]*\) bytes in \([0-9]*\) blocks.*/\1 \2/p
            s/.*All heap blocks were freed.*/0 0/p'
        ;;
    dhat) tr -d , <"$tmp/tool" | sed -n 's/.*At t-end: *\([0-9]*\) bytes in \([0-9]*\) blocks.*/\1 \2/p' ;;
    jemalloc*)
        sed -n 's/^<jemalloc>: Leak approximation summary: ~\([0-9]*\) bytes*, ~\([0-9]*\) object.*/\1 \2/p' "$tmp/said"
        ;;
    leak_sanitizer) sed -n 's/^SUMMARY: LeakSanitizer: \([0-9]*\) byte(s) leaked in \([0-9]*\) alloc.*/\1 \2/p' "$tmp/said" ;;
    heaptrack)
        # Of a run of its own, of few allocations: its interpreter runs out of memory on many. What it wrote until then is no
        # answer.
        rm -f "$tmp/tool.raw.zst" "$tmp/heaptrack.whole"
        timeout 60 heaptrack -r -o "$tmp/tool" "$planted" "$heaptrack_expressions" >/dev/null 2>&1
        interpreter=/usr/lib/heaptrack/libexec/heaptrack_interpret
        if zstd -dc "$tmp/tool.raw.zst" |
            timeout 60 sh -c '"$1" >"$2" && : >"$2.whole"' - "$interpreter" "$tmp/heaptrack" 2>/dev/null &&
            [ -e "$tmp/heaptrack.whole" ]; then
            heaptrack_print -f "$tmp/heaptrack" -F "$tmp/stacks" --flamegraph-cost-type leaked >/dev/null 2>&1
            awk '$NF > 0 { bytes += $NF; stacks++ } END { print bytes + 0, stacks + 0 }' "$tmp/stacks"
        fi
        ;;
    esac
}

# planted TOOL PRELOAD SETTINGS WORDS...: a run of the program with the leak
planted() {
    measure_run planted "$@"
    # Some exit with a code of their own where they find a leak: measure then tells no figures.
    if [ $code -ne 0 ]; then
        tail -n 5 "$tmp/said" >&2
        case $tool in gcalloc_*) die "$tool failed" ;; esac
        echo "$tool: failed, left out"
        return 0
    fi
    said=$(said_by "$tool")
    echo "$tool: ${said:-nothing} said of leaks"
    sed "s/}\$/, \"said\": \"$said\"}/" "$tmp/line" >>"$results"
    case $tool in
    gcalloc_full | gcalloc_leaks)
        [ "$said" = "$leaked_bytes $leaked_objects" ] || die "$tool is wrong about the leak: '$said'"
        ;;
    esac
}

redis() {
    measure_run redis "$@" redis-server --port 0 --save "" --appendonly no --loglevel warning --logfile /dev/null \
        --unixsocket "$tmp/redis.sock" + sh "$here/real/redis_load.sh" "$tmp/redis.sock" $((requests / share))
    [ $code -eq 0 ] || die "redis with $tool failed: $(tail -n 1 "$tmp/said")"
    cat "$tmp/line" >>"$results"
}

# A level of gcalloc: `planted` or `redis`, and the words of the program.
at_level() {
    what=$1 level=$2
    shift 2
    case $level in
    off) "$what" gcalloc_off "$library" "" "$@" ;;
    *) "$what" "gcalloc_$level" "$library" "GCALLOC_PROFILE=$level GCALLOC_PROFILE_FILE=$tmp/profile" "$@" ;;
    esac
}

is_there() {
    command -v "$1" >/dev/null && return 0
    [ "$round" -ne 1 ] || echo "$1: not installed, skipped"
    return 1
}

slow_tools() {
    if is_there valgrind; then
        planted memcheck - "" valgrind --leak-check=full "--log-file=$tmp/tool" "$planted" "$count"
        planted massif - "" valgrind --tool=massif --massif-out-file=/dev/null "--log-file=$tmp/tool" "$planted" "$count"
        planted dhat - "" valgrind --tool=dhat --dhat-out-file=/dev/null "--log-file=$tmp/tool" "$planted" "$count"
    fi
    seconds_max=60 # where heaptrack hangs, it is left out
    if is_there heaptrack; then
        planted heaptrack - "" heaptrack -r -o "$tmp/tool" "$planted" "$count"
    fi
}

count=$((expressions / share))
round=1
while [ $round -le "$rounds" ]; do
    echo "round $round of $rounds"
    planted glibc - "" "$planted" "$count"
    for level in off sample site full; do at_level planted $level "$planted" "$count"; done
    planted gcalloc_leaks "$library" GCALLOC_MODE=leaks "$planted" "$count"
    if [ -x "${planted}_lsan" ]; then
        planted leak_sanitizer - LSAN_OPTIONS=exitcode=0 "${planted}_lsan" "$count"
    elif [ $round -eq 1 ]; then
        echo "leak_sanitizer: the compiler does not have it, skipped"
    fi
    if [ -e "$jemalloc" ]; then
        planted jemalloc "$jemalloc" "" "$planted" "$count"
        planted jemalloc_prof "$jemalloc" \
            "MALLOC_CONF=prof:true,prof_leak:true,prof_final:true,prof_prefix:$tmp/jeprof" "$planted" "$count"
    elif [ $round -eq 1 ]; then
        echo "jemalloc: not installed, skipped"
    fi
    [ $round -ne 1 ] || slow_tools
    if is_there redis-benchmark && is_there redis-server; then
        for level in off sample site full; do at_level redis $level; done
    fi
    round=$((round + 1))
done

awk -v bytes=$leaked_bytes -v objects=$leaked_objects -f "$here/profile.awk" "$results" >"${results%.jsonl}.md"
cat "${results%.jsonl}.md"
echo
echo "$results"
[ $share -eq 1 ] || echo "1/$share of the work: the numbers above mean little"
