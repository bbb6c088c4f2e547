#!/bin/sh
# SPDX-License-Identifier: MIT
# Load for a redis server that is being measured; reports its throughput and asks the server to end.
#
#   redis_load.sh SOCKET REQUESTS
#
# Every exit but the last is a failure, and `measure` then ends the server.
set -eu
socket=$1 requests=$2
seconds_max=120

die() {
    echo "redis_load: $*" >&2
    exit 1
}

tries=0
until [ "$(redis-cli -s "$socket" ping 2>/dev/null)" = PONG ]; do
    tries=$((tries + 1))
    [ $tries -le 1000 ] || die "the server does not answer"
    sleep 0.01
done

# In the foreground: `measure` ends the process group, and it would make one of its own.
figures=$(timeout --foreground "$seconds_max" redis-benchmark -s "$socket" --csv -n "$requests" -c 20 -P 16 \
    -r 100000 -d 120 -t set,get,incr,lpush,lpop,sadd,hset,zadd) || die "redis-benchmark failed"

# "test","rps",... then one line for each command: all requests by the time that they took together.
echo "$figures" | tr -d '"' | awk -F , -v requests="$requests" '
    $2 + 0 > 0 { total += requests; seconds += requests / $2 }
    END { if (seconds > 0) printf "throughput %.0f\n", total / seconds; else exit 1 }' >>"$BENCH_REPORT" ||
    die "redis-benchmark told no figures"

# The answer to this is the end of the connection.
redis-cli -s "$socket" shutdown nosave >/dev/null 2>&1 || :
