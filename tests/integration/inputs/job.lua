-- SPDX-License-Identifier: MIT
-- Work for lua; the argument multiplies it.
local factor = tonumber(arg[1])

local function check_tables()
    local t, sum = {}, 0
    for i = 1, 200000 do t["key" .. i % 5000] = { i, tostring(i), { i * 2 } } end
    for i = 1, 5000, 7 do t["key" .. i] = nil end
    local keys = {}
    for k, v in pairs(t) do keys[#keys + 1] = k; sum = sum + v[1] + v[3][1] + #v[2] end
    table.sort(keys)
    print(#keys, keys[1], keys[#keys], sum)
end

local function tree(depth)
    if depth == 0 then return { 1 } end
    return { tree(depth - 1), tree(depth - 1), up = depth }
end

local function count(node)
    if node[1] == 1 then return 1 end
    return 1 + count(node[1]) + count(node[2])
end

local function check_trees()
    local long_lived, total = tree(14), 0
    for i = 1, 20 do
        local t = tree(11)
        t.self = t
        total = total + count(t)
    end
    print(total, count(long_lived))
end

local function check_closures()
    local list = {}
    for i = 1, 20000 do
        local n, text = i, "x" .. i
        list[i] = function(k) n = n + k; return n, text end
    end
    local sum = 0
    for round = 1, 3 do for i = 1, #list do sum = sum + list[i](round) end end
    print(sum, select(2, list[777](0)))
end

local function check_coroutines()
    local function walk(n)
        return coroutine.wrap(function()
            for i = 1, n do coroutine.yield(i, ("v"):rep(i % 50)) end
            return nil
        end)
    end
    local live, sum = {}, 0
    for i = 1, 500 do live[i] = walk(i % 20 + 5) end
    for round = 1, 30 do
        for i = 1, #live do
            local ok, n, text = pcall(live[i])
            if ok and n then sum = sum + n + #text end
        end
        for i = 1, 40 do live[(round * 31 + i * 7) % #live + 1] = walk(i) end
    end
    print(sum)
end

local function check_strings()
    local parts = {}
    for i = 1, 20000 do parts[#parts + 1] = string.format("%05d:%s", i, ("ab"):rep(i % 9)) end
    local text = table.concat(parts, ",")
    local changed, n = text:gsub("(%d+):(%a*)", function(d, a) return a .. "=" .. (d % 7) end)
    print(#text, #changed, n, changed:sub(1000, 1060), select(2, changed:gsub("ab", "")))
    print(string.unpack("<i4s2", string.pack("<i4s2", -5, "packed")))
    print(utf8.char(228, 8364, 128512), #text:reverse(), text:upper():find("00777:", 1, true))
end

local function check_collection()
    local weak, finalized = setmetatable({}, { __mode = "v" }), 0
    for i = 1, 1000 do
        weak[i] = setmetatable({ i }, { __gc = function() finalized = finalized + 1 end })
    end
    collectgarbage()
    collectgarbage()
    local left = 0
    for _ in pairs(weak) do left = left + 1 end
    print("finalized", finalized, "left", left)
    collectgarbage("generational")
    check_tables()
    collectgarbage("incremental")
end

for _ = 1, factor do
    check_tables()
    check_trees()
    check_closures()
    check_coroutines()
    check_strings()
    check_collection()
end
