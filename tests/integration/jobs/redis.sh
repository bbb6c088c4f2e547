# SPDX-License-Identifier: MIT
# redis-server with two I/O threads: a fixed data set in base 0, a pipelined benchmark in base 1 while snapshots are
# written by a forked child. The data is compared by digest with the other run's, after a reload and in the snapshot.
needs="redis-server redis-cli redis-benchmark gawk"
torture=10000
min_cycles=2
limit=300

cli() {
    redis-cli -p "$port" "$@"
}

# Commands for base 0, always the same ones.
data_set() {
    gawk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) {
        print "SET text:" i % 20011, i * 7919 "-" i
        print "HSET hash:" i % 503, "field" i % 211, "value-" i
        print "RPUSH list:" i % 97, i * 31 % 1009
        print "ZADD set:" i % 53, i * 7 % 10007, "member" i * 13 % 5003
        print "SADD names:" i % 31, "n" i * 17 % 4001
        print "APPEND long:" i % 11, "\"some text " i "\""
        if (i % 5 == 0) print "LPOP list:" i % 97
        if (i % 7 == 0) print "DEL text:" i * 3 % 20011
        if (i % 11 == 0) print "HDEL hash:" i % 503, "field" i % 97
        if (i % 13 == 0) print "XADD stream:" i % 7, i + 1 "-1 k v" i
    } }'
}

# Waits until no snapshot is being written, then says how the last one went.
snapshot_result() {
    local tries
    for ((tries = 0; tries < 300; tries++)); do
        if cli info persistence | grep -q '^rdb_bgsave_in_progress:0'; then
            cli info persistence | tr -d '\r' | grep '^rdb_last_bgsave_status'
            return 0
        fi
        sleep 0.1
    done
    echo "a snapshot takes more than 30 seconds"
}

job() {
    local requests digest port server_code copy_port
    requests=$(scale 100000 1000000)
    port=$(free_port)
    start_server redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$PWD" --io-threads 2 \
        --enable-debug-command local --activedefrag no >redis.log 2>&1
    wait_port "$port"
    data_set "$(scale 20000 200000)" | redis-cli -p "$port" --pipe | tail -n 1
    redis-benchmark -h 127.0.0.1 -p "$port" --dbnum 1 -P 16 -c 40 -n "$requests" -r 20000 -d 100 -q \
        -t set,get,incr,lpush,rpush,lpop,sadd,hset,spop,zadd,zpopmin,lrange_100,mset >bench.log 2>&1 &
    cli bgsave
    sleep 0.5
    snapshot_result
    wait $!
    echo "benchmark $?, results: $(tr '\r' '\n' <bench.log | grep -c 'requests per second')"
    cli bgsave
    snapshot_result
    digest=$(cli debug digest)
    copy_port=$(free_port)
    redis-server --port "$copy_port" --bind 127.0.0.1 --save '' --dir "$PWD" >copy.log 2>&1 &
    note_server $!
    wait_port "$copy_port"
    while redis-cli -p "$copy_port" ping | grep -q LOADING; do sleep 0.1; done
    compare_digests "$digest" "$copy_port"
    cli debug reload
    [ "$(cli debug digest)" = "$digest" ] && echo "the same after a reload"
    cli -n 1 flushdb async
    echo "base 0: $(cli dbsize) keys, $(cli debug digest)"
    cli eval 'local t = {} for i = 1, 20000 do t[i] = i .. "x" end return #table.concat(t)' 0
    cli shutdown nosave || true
    wait_server "$server"
    echo "server $server_code"
    grep -ciE 'crash|warning: .*corrupt|assert' redis.log || true
}

# The snapshot was read by a server on the C library's malloc: `debug digest` is off there, so keys are compared by
# dump.
compare_digests() {
    local base
    for base in 0 1; do
        [ "$(keys_digest "$port" "$base")" = "$(keys_digest "$2" "$base")" ] || continue
        echo "snapshot of base $base is the same"
    done
    [ -n "$1" ] || echo "no digest"
}

keys_digest() {
    redis-cli -p "$1" -n "$2" eval 'local k = redis.call("keys", "*") table.sort(k) local d = ""
        for i = 1, #k do d = redis.sha1hex(d .. k[i] .. redis.call("type", k[i]).ok) end return #k .. " " .. d' 0
}
