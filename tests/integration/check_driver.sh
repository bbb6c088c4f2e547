#!/bin/bash
# SPDX-License-Identifier: MIT
# The driver of the integration tests must fail for every kind of difference between the two runs. A script that plays
# the part of `gcalloc run` stands in for the library, so that each difference can be made at will.
set -u
here=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/gcalloc-driver.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$tmp/build/bin" "$tmp/jobs"
cat >"$tmp/build/bin/gcalloc" <<'END'
#!/bin/sh
# Leaves figures as the library would, tells the program that it is the second run, and starts it.
[ "$1 $2" = "run --" ] || exit 125
shift 2
echo "pid=$$ name=x cycles=3 given_up=${GIVEN_UP:-0} pause_longest_ns=5 reclaimed_bytes=7" >>"$GCALLOC_STATS_FILE"
[ -z "${MACHINE_AFTER:-}" ] || echo "cpu $MACHINE_AFTER" >"$INTEGRATION_MACHINE"
SECOND=1 exec "$@"
END
chmod +x "$tmp/build/bin/gcalloc"
bad=0
export INTEGRATION_MACHINE=$tmp/machine # user nice system idle iowait ...: in ticks

# expect CODE TEXT SETTINGS SCRIPT: a job that runs SCRIPT with the shell as the program under test.
expect() {
    local got code
    echo "cpu 1000 0 1000 8000 0 0 0 0 0 0" >"$INTEGRATION_MACHINE"
    printf '%s\njob() { subject sh -c %q || return; }\n' "$3" "$4" >"$tmp/jobs/tiny.sh"
    got=$(bash "$here/run.sh" --build "$tmp/build" --jobs "$tmp/jobs" tiny)
    code=$?
    if [ "$code" != "$1" ] || [[ "$got" != *"$2"* ]]; then
        printf 'driver: code %s and "%s" instead of code %s and "%s" for: %s\n' "$code" "$got" "$1" "$2" "$4"
        bad=1
    fi
}

expect 0 'tiny: same (' '' 'echo hello; echo text >result/file'
expect 0 '1 processes, up to 3 cycles' '' 'echo hello'
expect 1 'standard output differs' '' 'echo hello $SECOND'
expect 1 'standard error differs' '' 'echo hello; echo $SECOND >&2'
expect 1 'exit code 7 instead of 0' '' 'echo hello; exit ${SECOND:+7}'
expect 1 'exit code 134 instead of 0' '' 'echo hello; [ -z "$SECOND" ] || kill -ABRT $$'
expect 1 'exit code 124 instead of 0' 'limit=1' 'echo hello; [ -z "$SECOND" ] || sleep 20'
expect 1 'files differ' '' 'echo hello; echo "$SECOND" >result/file'
expect 1 'files differ' '' 'echo hello; [ -z "$SECOND" ] || mkdir -p result/more/files'
expect 1 'at least 4 expected' 'min_cycles=4' 'echo hello'
expect 1 'gave up more than a quarter' 'export GIVEN_UP=20' 'echo hello'
expect 1 'gave up more than a quarter' 'export GIVEN_UP=20 MACHINE_AFTER="1900 0 1000 8150 0 0 0 0 0 0"' 'echo hello'
expect 1 'gave up more than a quarter' 'export GIVEN_UP=20 MACHINE_AFTER="1050 0 1000 8050 0 0 0 0 0 0"' 'echo hello'
expect 0 'not judged on a busy machine' 'export GIVEN_UP=20 MACHINE_AFTER="1900 0 1050 8050 0 0 0 0 0 0"' 'echo hello'
expect 0 'not judged on a busy machine' 'export GIVEN_UP=20 MACHINE_AFTER="1000 0 1000 8050 900 0 0 50 0 0"' 'echo hello'
expect 1 'gcalloc was not loaded' '' 'echo hello; [ -z "$SECOND" ] || rm "$GCALLOC_STATS_FILE"'
expect 1 'fails without gcalloc too' '' 'echo hello; exit 3'
expect 1 'printed nothing' '' ':'
expect 77 'no-such-program is not installed' 'needs="sh no-such-program"' 'echo hello'
[ "$bad" = 0 ] && echo "driver: every difference is found"
exit "$bad"
