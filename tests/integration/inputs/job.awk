# SPDX-License-Identifier: MIT
# Hashes, strings, regular expressions, recursion and a coprocess for gawk.
function depth(n) { return n == 0 ? "" : "(" depth(n - 1) ")" }

{
    hits[$2]++
    if (match($4, /path\/([0-9]+)\/file([0-9]+)/, part)) byfile[part[1]][part[2] % 10] += $1
    text = gensub(/(user)([0-9]+)/, "\\2\\1", "g")
    sub(/took=/, "", text)
    sum += length(text)
}

END {
    n = asorti(hits, names)
    for (i = 1; i <= n; i += 50) print names[i], hits[names[i]]
    PROCINFO["sorted_in"] = "@ind_num_asc"
    for (p in byfile) for (d in byfile[p]) line = line sprintf("%s.%s=%d ", p, d, byfile[p][d])
    print length(line), substr(line, 1, 200)
    print sum, length(depth(500))
    command = "sort -n"
    for (i = 100; i > 0; i--) print i * 7 % 101 |& command
    close(command, "to")
    while ((command |& getline x) > 0) out = out x " "
    close(command)
    print out
}
