#!/bin/bash
# SPDX-License-Identifier: MIT
# Runs one job of jobs/ twice, first on the C library's malloc and then under gcalloc, and compares what came out:
# standard output, standard error, exit code and every file that the job left in result/. Prints one verdict line.
#
#   run.sh --build DIR [--slow] [--torture] [--via command|preload]
#          [--ticker FILE] [--jobs DIR] [--control] JOB
#
#   --slow     the long form of the job
#   --torture  the build has torture switches: also collect at every N-th allocation of the job's choice, or every S * N-th
#              with INTEGRATION_TORTURE_SHARE=S
#   --via      how gcalloc gets into the program: `gcalloc run --` (default) or LD_PRELOAD set by hand
#   --ticker   a library that collects once a millisecond from a thread of its own in every process
#   --jobs     another folder of jobs
#   --control  both runs on the C library's malloc: shows that the job itself is deterministic
#
# Exit code: 0 same, 1 different, 77 a program that the job needs is not installed. INTEGRATION_KEEP=1 keeps the
# files; INTEGRATION_MACHINE=FILE is read instead of /proc/stat. A job file sets needs, torture, min_cycles and limit,
# and defines job(), which starts the program under test by `subject` or `start_server` and runs helpers plainly. It
# runs in an empty directory whose path is the same both times.
set -u
here=$(cd "$(dirname "$0")" && pwd)
inputs=$here/inputs
build= jobs=$here/jobs slow=0 torture_build=0 via=command ticker= second=gcalloc name=
while [ $# -gt 0 ]; do
    case $1 in
    --build) build=$(cd "$2" && pwd) || exit 1; shift ;;
    --ticker) ticker=$2; shift ;;
    --jobs) jobs=$2; shift ;;
    --slow) slow=1 ;;
    --torture) torture_build=1 ;;
    --via) via=$2; shift ;;
    --control) second=control ;;
    *) name=$1 ;;
    esac
    shift
done
if [ -z "$build" ] || [ ! -f "$jobs/$name.sh" ]; then
    echo "usage: run.sh --build DIR [--slow] [--torture] [--via command|preload]" \
        "[--ticker FILE] [--jobs DIR] [--control] JOB" >&2
    exit 1
fi

. "$here/lib.sh"
needs= torture=100 min_cycles=0 limit=120
. "$jobs/$name.sh"

for program in $needs; do
    if ! command -v "$program" >/dev/null; then
        echo "integration $name: SKIPPED, $program is not installed"
        exit 77
    fi
done

tmp=$(mktemp -d "${TMPDIR:-/tmp}/gcalloc-integration.XXXXXX") || exit 1
trap 'stop_servers; [ -n "${INTEGRATION_KEEP:-}" ] || rm -rf "$tmp"' EXIT
trap 'exit 130' INT TERM HUP PIPE

# Runs the job in its own directory; leaves $1.out, $1.err, $1.code, $1.ms, $1.ticks and $1/ behind.
run_once() {
    local label=$1 began
    way=$2
    mkdir -p "$tmp/work/result"
    began=$(date +%s%N)
    read_ticks >"$tmp/$label.ticks"
    (
        set -eo pipefail
        cd "$tmp/work"
        job
    ) >"$tmp/$label.out" 2>"$tmp/$label.err" </dev/null
    echo $? >"$tmp/$label.code"
    stop_servers
    echo $((($(date +%s%N) - began) / 1000000)) >"$tmp/$label.ms"
    read_ticks >>"$tmp/$label.ticks"
    mv "$tmp/work" "$tmp/$label"
}

run_once first control
run_once second "$second"
compare first second
