# SPDX-License-Identifier: MIT
# python3, each one found (that of the path and Debian's): threads, subprocesses, generators, json, sqlite3, processes.
needs="python3"
torture=2000
min_cycles=2
limit=240
job() {
    local python
    export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
    for python in python3 /usr/bin/python3; do
        command -v "$python" >/dev/null || continue
        echo "-- $python"
        subject "$python" "$inputs/job.py" "$(scale 1 5)"
    done
    subject python3 -c 'raise SystemExit(41)' || echo "exit code $?"
}
