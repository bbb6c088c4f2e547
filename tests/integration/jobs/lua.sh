# SPDX-License-Identifier: MIT
# lua5.4: tables, closures, coroutines, strings and its own collector.
needs="lua5.4"
torture=500
min_cycles=2
job() {
    subject lua5.4 "$inputs/job.lua" "$(scale 1 10)"
    subject lua5.4 -e 'error({})' || echo "lua $?"
    subject lua5.4 -e 'local t = {} for i = 1, 10 do t[i] = i end error("message " .. #t)' || echo "lua $?"
}
