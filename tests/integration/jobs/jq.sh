# SPDX-License-Identifier: MIT
# jq: its stack is a block that is held by a pointer to its end only, and it loses error messages for good.
needs="jq gawk"
torture=3000
min_cycles=2
job() {
    gawk -v n="$(scale 10000 100000)" 'BEGIN { for (i = 0; i < n; i++) {
        printf "{\"id\":%d,\"price\":\"$%d.%02d\",", i, i % 500, i % 100
        printf "\"tags\":[\"a%d\",null,{\"deep\":[%d,[%d]]}],\"name\":\"n%d \\u00e4\"}\n", i % 7, i, i * 2, i % 101
    } }' >rows.json
    subject jq -c '[.[] | ltrimstr("$")]' rows.json | cksum
    subject jq -c --stream 'select(length == 2)' rows.json | cksum
    subject jq -s 'group_by(.name) | map({name: .[0].name, n: length, sum: map(.id) | add})
        | sort_by(.n, .name) | .[:4]' rows.json
    subject jq -n 'reduce inputs as $r ({}; .[$r.tags[0]] += [$r.id]) | map_values(length)' rows.json
    subject jq -r '.name | gsub("(?<d>[0-9])"; "<\(.d)>") | ascii_upcase' rows.json | cksum
    subject jq -n 'def f(n): if n < 2 then n else f(n - 1) + f(n - 2) end;
        f(19), ([0 | recurse(if . < 3000 then . + 1 else empty end)] | length)'
    subject jq -n '[range(100000) | tostring] | join(",")
        | length, (split(",") | length), (@base64 | @base64d | length)'
    subject jq . <<<'{"broken": [1, 2' || echo "jq $?"
    subject jq 'error("own")' <<<1 || echo "jq $?"
}
