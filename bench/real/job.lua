-- SPDX-License-Identifier: MIT
-- job.lua ROUNDS: tables, closures and strings, made and dropped.
local rounds = tonumber(arg[1])

local function tree(depth)
    if depth == 0 then
        return {}
    end
    return { tree(depth - 1), tree(depth - 1), name = "node" .. depth }
end

local function count(node)
    return 1 + (node[1] and count(node[1]) + count(node[2]) or 0)
end

local function words(seed)
    local list, seen = {}, {}
    for i = 1, 2000 do
        seed = seed * 16807 % 2147483647
        local word = string.format("%x-%d", seed % 4096, i % 10)
        list[i] = word
        seen[word] = (seen[word] or 0) + 1
    end
    table.sort(list)
    return #table.concat(list, " "):gsub("%d+", function(digits) return digits .. "!" end)
end

local kept, sum = {}, 0
for round = 1, rounds do
    kept[round % 16] = tree(11)
    sum = sum + count(kept[round % 16]) + words(round)
end
print(sum)
