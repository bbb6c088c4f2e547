# SPDX-License-Identifier: MIT
# nginx with two workers: static files, compression, a proxy to itself, a reload under load; 50,000 requests, all 2xx.
needs="nginx ab curl gawk"
torture=200
min_cycles=2
limit=120

configuration() {
    [ "$(id -u)" != 0 ] || echo "user root;"
    cat <<END
daemon off;
worker_processes 2;
pid $PWD/nginx.pid;
error_log $PWD/error.log notice;
events { worker_connections 512; }
http {
    access_log $PWD/access.log;
    client_body_temp_path $PWD/body; proxy_temp_path $PWD/proxy; fastcgi_temp_path $PWD/fastcgi;
    uwsgi_temp_path $PWD/uwsgi; scgi_temp_path $PWD/scgi;
    gzip on; gzip_types text/plain; gzip_min_length 100; gzip_comp_level 5;
    upstream itself { server 127.0.0.1:$port; keepalive 8; }
    map \$uri \$kind { ~\.txt\$ text; default other; }
    server {
        listen 127.0.0.1:$port;
        root $PWD/files;
        default_type text/plain;
        add_header X-Kind \$kind;
        location /via/ {
            proxy_pass http://itself/; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffers 8 4k;
        }
        location /say { return 200 "you said \$arg_word\n"; }
        location ~ ^/re/(?<name>[a-z]+)/(\d+)\$ { rewrite ^ /\$name.txt break; }
        location /list/ { alias $PWD/files/; autoindex on; }
    }
}
END
}

# 2xx answers of a load and what went wrong, from the report of ab.
load() {
    ab -q -n "$1" -c 32 $4 "http://127.0.0.1:$port$2" >"$3" 2>&1 || echo "ab $?"
    awk -v url="$2" '/^Complete requests/ { c = $3 } /^Failed requests/ { f = $3 } /^Non-2xx/ { n = $3 }
        END { printf "%s: complete %d, failed %d, not 2xx %d\n", url, c, f, n }' "$3"
}

job() {
    local requests port server_code url
    requests=$(scale 50000 500000)
    port=$(free_port)
    mkdir files
    gawk 'BEGIN { for (i = 0; i < 2000; i++) print "line", i, i * i >"files/a.txt"; print "small" >"files/b.txt" }'
    configuration >nginx.conf
    start_server nginx -p "$PWD" -e "$PWD/error.log" -c "$PWD/nginx.conf" 2>start.log
    wait_port "$port"
    load "$((requests * 3 / 5))" /b.txt 1.log -k
    load "$((requests / 5))" /via/say?word=hello 2.log -k
    load "$((requests / 10))" /via/a.txt 3.log "-H Accept-Encoding:gzip"
    (sleep 0.3; kill -HUP "$server"; sleep 0.5; kill -HUP "$server") &
    load "$((requests / 10))" /re/b/7 4.log ""
    wait $!
    for url in /a.txt /via/a.txt /b.txt /say?word=x%20y /via/via/say?word=deep /re/a/1 /list/ /none; do
        curl -s --compressed -w '%{http_code} %{content_type}\n' "http://127.0.0.1:$port$url" |
            sed 's/[0-9][0-9]-...-2... .*//' | cksum
    done
    curl -s -H 'Range: bytes=100-199' "http://127.0.0.1:$port/a.txt" | cksum
    kill -QUIT "$server"
    wait_server "$server"
    echo "server $server_code"
    [ "$(wc -l <access.log)" -ge "$requests" ] && echo "every request is in the log"
    grep -E '\[(alert|crit|emerg)\]|exited on signal' error.log | sed 's/.*\] //' || true
}
