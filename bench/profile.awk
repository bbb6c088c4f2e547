# SPDX-License-Identifier: MIT
# The tables of profile.sh, as markdown. `bytes` and `objects` are what has leaked.

function value(name,    text) {
    if (!match($0, "\"" name "\": (\"[^\"]*\"|[0-9.]+)"))
        return ""
    text = substr($0, RSTART, RLENGTH)
    sub(/^"[^"]*": /, "", text)
    gsub(/"/, "", text)
    return text
}

# The median of `count` numbers in list[key, 1...]; sorts them.
function median(list, key, count,    i, j, one) {
    for (i = 2; i <= count; i++) {
        one = list[key, i]
        for (j = i - 1; j > 0 && list[key, j] > one; j--)
            list[key, j + 1] = list[key, j]
        list[key, j + 1] = one
    }
    return count % 2 ? list[key, (count + 1) / 2] : (list[key, count / 2] + list[key, count / 2 + 1]) / 2
}

function verdict(said,    words) {
    if (split(said, words, " ") == 0)
        return "nothing"
    if (words[1] == bytes && words[2] == objects)
        return "**exact**"
    return words[2] == objects ? "the object, its size rounded" : "wrong"
}

NR == 1 {
    machine = value("machine")
    kernel = value("kernel")
    processors = value("processors")
    revision = value("revision")
    rounds = value("rounds")
    next
}

{
    key = value("group") SUBSEP value("allocator")
    if (!(key in runs))
        order[++keys] = key
    runs[key]++
    cpu[key, runs[key]] = value("cpu_ms") + 0 # a number, or it would be sorted as text
    peak[key, runs[key]] = value("peak_kib") + 0
    said[key] = value("said")
}

END {
    name["glibc"] = "glibc, no tool"
    name["gcalloc_off"] = "gcalloc, not recording"
    name["gcalloc_sample"] = "gcalloc, level `sample`"
    name["gcalloc_site"] = "gcalloc, level `site`"
    name["gcalloc_full"] = "gcalloc, level `full`"
    name["gcalloc_leaks"] = "gcalloc, mode `leaks`"
    name["leak_sanitizer"] = "LeakSanitizer (compiled in)"
    name["jemalloc"] = "jemalloc, not recording"
    name["jemalloc_prof"] = "jemalloc's profiler"
    name["memcheck"] = "valgrind memcheck"
    name["massif"] = "valgrind massif"
    name["dhat"] = "valgrind dhat"
    for (i = 1; i <= keys; i++) {
        time[order[i]] = median(cpu, order[i], runs[order[i]])
        memory[order[i]] = median(peak, order[i], runs[order[i]])
    }
    base = time["planted", "glibc"]
    printf "| one leak of %d bytes | CPU, of glibc's | peak memory | says leaked | which is |\n|---|---|---|---|---|\n", bytes
    for (i = 1; i <= keys; i++) {
        split(order[i], part, SUBSEP)
        if (part[1] != "planted")
            continue
        split(said[order[i]], words, " ")
        text = said[order[i]] == "" ? "" : words[1] " B, " words[2]
        printf "| %s | %.2f | %.1f MB | %s | %s |\n", (part[2] in name) ? name[part[2]] : part[2], time[order[i]] / base, \
            memory[order[i]] / 1024, text, verdict(said[order[i]])
    }
    base = time["redis", "gcalloc_off"]
    if (base > 0) {
        printf "\n| redis-server under gcalloc | CPU, of that without recording | peak memory |\n|---|---|---|\n"
        for (i = 1; i <= keys; i++) {
            split(order[i], part, SUBSEP)
            if (part[1] == "redis")
                printf "| %s | %.3f | %.1f MB |\n", name[part[2]], time[order[i]] / base, memory[order[i]] / 1024
        }
    }
    printf "\nMedians of %d runs by turns (of one, where a tool is slow) on %s (%d processors), Linux %s, at revision %s.\n", \
        rounds, machine, processors, kernel, revision
    printf "Made by `sh bench/profile.sh`.\n"
}
