# SPDX-License-Identifier: MIT
# What run.sh and the jobs share: starting the program under test, servers and their end, comparison, verdict.
# In: tmp, build, via, name, limit, torture, torture_build, min_cycles of run.sh. `way` says which run this is.

# Output must not depend on who runs the test and where.
export LC_ALL=C TZ=UTC
unset LD_PRELOAD MAKEFLAGS MAKELEVEL MFLAGS CFLAGS CXXFLAGS LDFLAGS TERM
for variable in $(compgen -e GCALLOC_); do unset "$variable"; done

# Fills the array `prefix` with the words that put a program under the allocator of this run. INTEGRATION_OPTIONS are more
# options of gcalloc, NAME=VALUE each; they win. INTEGRATION_LIMIT, in seconds, is instead of the job's own.
prefix_of_run() {
    prefix=(env)
    [ "$way" = gcalloc ] || return 0
    prefix+=("GCALLOC_MIN_HEADROOM=${headroom:-64K}" "GCALLOC_STATS_FILE=$tmp/stats")
    [ "$torture_build" = 0 ] || prefix+=("GCALLOC_TORTURE=collect=$((torture * ${INTEGRATION_TORTURE_SHARE:-1}))")
    case $via in
    preload) prefix+=("LD_PRELOAD=$build/lib/libgcalloc.so${ticker:+ $ticker}") ;;
    *) prefix+=(${ticker:+"LD_PRELOAD=$ticker"}) ;;
    esac
    prefix+=(${INTEGRATION_OPTIONS:-})
    [ "$via" = preload ] || prefix+=("$build/bin/gcalloc" run --)
}

# The program under test, in the foreground. A hang ends with code 124 instead of stopping the whole suite.
subject() {
    local prefix
    prefix_of_run
    timeout -k 5 "${INTEGRATION_LIMIT:-$limit}" "${prefix[@]}" "$@"
}

# The program under test as a server in the background: `server` is its process id. run.sh ends it whatever happens.
start_server() {
    local prefix
    prefix_of_run
    "${prefix[@]}" "$@" &
    server=$!
    note_server "$server"
}

# A process is known by its id and its start time, so that a reused id is never killed.
start_time() {
    local stat
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
    set -- ${stat##*) }
    echo "${20}"
}

note_server() {
    local began
    began=$(start_time "$1") && echo "$1 $began" >>"$tmp/servers"
    return 0
}

server_alive() {
    local stat
    [ "$(start_time "$1")" = "$2" ] && read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
    set -- ${stat##*) }
    [ "$1" != Z ]
}

# Ends what start_server started: politely, then for good after five seconds.
stop_servers() {
    local pid began tries
    [ -f "$tmp/servers" ] || return 0
    while read -r pid began; do
        server_alive "$pid" "$began" || continue
        kill "$pid" 2>/dev/null
        for ((tries = 0; tries < 50; tries++)); do
            server_alive "$pid" "$began" || continue 2
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null
    done <"$tmp/servers"
    rm -f "$tmp/servers"
}

# A server that was asked to stop: 0 and its exit code in `server_code` when it ends in ten seconds.
wait_server() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        if ! kill -0 "$1" 2>/dev/null; then
            server_code=0
            wait "$1" || server_code=$?
            return 0
        fi
        sleep 0.1
    done
    echo "server $1 did not stop"
    return 1
}

# Waits up to ten seconds until something listens on 127.0.0.1:$1.
wait_port() {
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
        sleep 0.1
    done
    echo "nothing listens on the port after ten seconds" >&2
    return 1
}

# A port of the loopback interface on which nothing listens, below the range for outgoing connections.
free_port() {
    local port
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        port=$((20000 + RANDOM % 10000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return 0; }
    done
    return 1
}

# $1 in the short form of a job, $2 in the long one.
scale() {
    if [ "$slow" = 1 ]; then echo "$2"; else echo "$1"; fi
}

seconds() {
    awk '{ printf "%.2f s", $1 / 1000 }' "$tmp/$1.ms"
}

# Clock ticks of processor time since the machine and this shell began: of all, left idle, used by this shell and what it has
# waited for.
read_ticks() {
    local user nice system idle disk irq softirq stolen own
    read -r _ user nice system idle disk irq softirq stolen _ <"${INTEGRATION_MACHINE:-/proc/stat}"
    read -r own <"/proc/$$/stat"
    set -- ${own##*) }
    echo "$((user + nice + system + idle + disk + irq + softirq + stolen)) $idle $((${12} + ${13} + ${14} + ${15}))"
}

# Whether the machine had no time for a run, from its ticks before ($1 $2 $3) and after it ($4 $5 $6): less than a tenth was
# idle, and others, the disk among them, had more than half. A test beside on the other of two processors takes no more.
was_busy() {
    local all=$(($4 - $1)) idle=$(($5 - $2)) own=$(($6 - $3))
    [ $((idle * 10)) -lt "$all" ] && [ $(((all - idle - own) * 2)) -gt "$all" ]
}

# Sums up the lines that processes appended at exit: processes most_cycles given_up reclaimed_MiB longest_pause_ms
# stubborn. The cycles are those of the process that had most: a forked child may count its parent's. Stubborn processes
# gave up more than a quarter of their collections, ten apart: some thread of theirs could hardly ever be stopped, or hardly
# ever ran, on a machine that was busy. There a few are given up everywhere, as the parent of a vfork waits until its child
# has started.
read_stats() {
    awk '{
        for (i = 1; i <= NF; i++) { split($i, kv, "="); v[kv[1]] = kv[2] }
        n++; given += v["given_up"]; bytes += v["reclaimed_bytes"]
        stubborn += v["given_up"] * 4 > v["cycles"] + 40
        if (v["cycles"] + 0 > cycles) cycles = v["cycles"]
        if (v["pause_longest_ns"] + 0 > longest) longest = v["pause_longest_ns"]
    } END { printf "%d %d %d %.1f %.1f %d\n", n, cycles, given, bytes / 1048576, longest / 1e6, stubborn }' \
        "$tmp/stats" 2>/dev/null
}

failed() {
    echo "integration $name: FAILED, $*"
    verdict=1
}

show() {
    sed -n '1,20s/^/    /p' | cut -c1-200
}

compare_runs() {
    local file
    for file in code out err; do
        cmp -s "$tmp/$1.$file" "$tmp/$2.$file" && continue
        case $file in
        code) failed "exit code $(cat "$tmp/$2.code") instead of $(cat "$tmp/$1.code")" ;;
        out) failed "standard output differs" ;;
        err) failed "standard error differs" ;;
        esac
        diff -a "$tmp/$1.$file" "$tmp/$2.$file" | show
    done
    if ! diff -r "$tmp/$1/result" "$tmp/$2/result" >"$tmp/result.diff" 2>&1; then
        failed "files differ"
        show <"$tmp/result.diff"
    fi
}

# Both runs equal but wrong is no success: a job must end with 0 on the C library's malloc and print something.
check_control() {
    [ "$(cat "$tmp/$1.code")" = 0 ] || { failed "the job fails without gcalloc too"; show <"$tmp/$1.err"; }
    [ -s "$tmp/$1.out" ] || failed "the job printed nothing"
}

judge_stubborn() {
    if was_busy $(cat "$tmp/$2.ticks"); then
        notes+="; not judged on a busy machine: $1 processes gave up more than a quarter"
    else
        failed "$1 processes gave up more than a quarter of their collections"
    fi
}

compare() {
    local processes=0 cycles=0 given=0 mib=0 longest=0 stubborn=0 notes=
    verdict=0
    check_control "$1"
    compare_runs "$1" "$2"
    if [ "$second" = gcalloc ]; then
        read -r processes cycles given mib longest stubborn < <(read_stats)
        notes="; ${processes:-0} processes, up to ${cycles:-0} cycles, $given given up, $mib MiB reclaimed"
        notes+=", longest pause $longest ms"
        [ "${processes:-0}" -gt 0 ] || failed "no process left figures: gcalloc was not loaded"
        [ "${stubborn:-0}" = 0 ] || judge_stubborn "$stubborn" "$2"
        [ "${cycles:-0}" -ge "$min_cycles" ] || failed "${cycles:-0} cycles in a process, at least $min_cycles expected"
    fi
    [ "$verdict" = 0 ] && echo "integration $name: same (control $(seconds "$1"), $second $(seconds "$2")$notes)"
    exit "$verdict"
}
