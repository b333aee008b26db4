-- What a plugin finds, and what it does not.
local function set(text) local t = {} for word in text:gmatch("%S+") do t[word] = true end return t end
local before = {}
for name in pairs(_G) do before[name] = true end
local nothing = {string = string, table = table, io = io, os = os, math = math, coroutine = coroutine}
require "string"

local function same(found, wanted)
    wanted = set(wanted)
    for name in pairs(found) do assert(wanted[name], name .. " is there") end
    for name in pairs(wanted) do assert(found[name], name .. " is missing") end
end

function process_message()
    same(before, [[assert collectgarbage error gcinfo getfenv getmetatable ipairs module next package
        pairs pcall print rawequal rawget rawset require select setfenv setmetatable tonumber tostring
        type unpack xpcall _G _VERSION read_config is_running decode_message inject_message
        create_stream_reader output]])
    assert(output == nil, "it is for the file alone, while it loads")
    assert(next(nothing) == nil)
    same(package, "seeall")
    same(string, [[byte char find format gfind gmatch gsub len lower match rep reverse sub upper]])
    same(require "os", "clock date difftime execute getenv remove rename time tmpname")
    same(require "io", [[close flush input lines open output popen read stderr stdin stdout tmpfile
        type write]])
    same(require "coroutine", "create resume running status wrap yield")
    same(require "table", "concat foreach foreachi getn insert maxn remove setn sort")
    local math = require "math"
    assert(math.erf(0) == 0 and math.erfc(0) == 1 and math.erf(3) > 0.9999)
    assert(require "" == _G and require "math" == math and _G.math == math)
    assert(_VERSION == "Lua 5.1")
    assert(os.date("%H", 0) == "00" and os.date("%z", 0) == "+0000")
    local ok, err = pcall(os.date, "%Q")
    assert(not ok and err == "bad argument #1 to '?' (invalid conversion specifier '%Q')", err)
    assert(pcall(os.date, "*t") and pcall(os.date, "!%Ey%%", 0))
    assert(getmetatable(io) and getmetatable(package))
    assert(tostring(1448000000123456789) == "1.4480000001235e+18")
    return 0
end
