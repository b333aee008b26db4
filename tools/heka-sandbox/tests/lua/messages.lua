-- Messages from tables and back; what stream readers see of them.
require "string"

local uuid = "\010\016ABCDEFGHIJKLMNOP"
local function field(bytes) return "\082" .. string.char(#bytes) .. bytes end

function process_message()
    local pb = uuid .. "\016\004\026\001t\040\003\064\007"
        .. field("\010\001s\034\001a\034\001b") .. field("\010\001i\016\002\026\001B\050\003\001\002\003")
        .. field("\010\001u\016\002\048\005\048\006") .. field("\010\001d\016\003\057\000\000\000\000\000\000\240\063")
        .. field("\010\001b\016\004\064\001") .. field("\010\001e") .. field("\034\001x\010\001l")
    local m = decode_message(pb)
    assert(m.Uuid == "ABCDEFGHIJKLMNOP" and m.Timestamp == 4 and m.Type == "t" and m.Severity == 3)
    assert(m.Pid == 7 and m.Logger == nil and m.Payload == nil and m.Hostname == nil)
    local f = m.Fields
    assert(#f == 7)
    assert(f[1].name == "s" and f[1].value[1] == "a" and f[1].value[2] == "b" and f[1].value_type == nil)
    assert(f[2].representation == "B" and f[2].value_type == 2 and f[2].value[3] == 3)
    assert(#f[3].value == 2 and f[3].value[1] == 5 and f[3].value[2] == 6)
    assert(f[4].value[1] == 1 and f[5].value[1] == true and #f[6].value == 0)
    assert(f[7].name == "l" and f[7].value[1] == "x", "the name may follow the value here")

    local hsr = create_stream_reader("x")
    pb = uuid .. "\016\004" .. field("\010\001u\016\002\048\005\048\006")
    hsr:decode_message(pb)
    assert(hsr:read_message("Fields[u]", 0, 1) == 6, "values that are not packed")
    assert(hsr:read_message("raw") == pb and hsr:read_message("size") == #pb)
    assert(hsr:read_message("framed") == "\030\002\008" .. string.char(#pb) .. "\031" .. pb)
    assert(hsr:read_message("Severity") == 7 and hsr:read_message("Pid") == nil)

    -- without decoding only the frame counts
    local found, consumed, need = hsr:find_message("\030\002\008\003\031abc", false)
    assert(found and consumed == 8 and need == 8192)
    assert(hsr:read_message("raw") == "abc" and hsr:read_message("Timestamp") == 0)
    assert(hsr:read_message("Uuid") == nil and hsr:read_message("Severity") == 7)

    -- byte by byte
    local frame = "\030\002\008\020\031" .. uuid .. "\016\005"
    local steps = {
        {"", false, 0, 8192}, {frame, true, 25, 8192}, {frame:sub(1, 1), false, 0, 8191},
        {frame:sub(2, 5), false, 0, 20}, {frame:sub(6, 15), false, 0, 10},
        {frame:sub(16), true, 25, 8192}, {string.rep("j", 17), false, 17, 8192},
        {"\0\0\0\0\0" .. frame:sub(1, 5), false, 5, 20}, {frame:sub(6), true, 25, 8192},
        {"abc" .. frame, true, 28, 8192}, {frame .. frame, true, 25, 0}, {nil, true, 25, 8192},
        {frame .. frame:sub(1, 10), true, 25, 0}, {nil, false, 0, 15},
    }
    for i = 1, 14 do
        local found, consumed, need = hsr:find_message(steps[i][1])
        assert(found == steps[i][2] and consumed == steps[i][3] and need == steps[i][4],
            i .. ": " .. tostring(found) .. " " .. consumed .. " " .. need)
    end

    -- missing headers are set in the table, others are not
    local msg = {Type = "x"}
    inject_message(msg)
    assert(msg.Logger == "L" and msg.Hostname == "h" and msg.Pid == 42)
    assert(msg.Uuid == nil and msg.Timestamp == nil)
    -- headers may come from a metatable
    inject_message(setmetatable({}, {__index = {Type = "inherited"}}))
    -- arrays of any length
    local long = {}
    for i = 1, 12000 do long[i] = i % 100 end
    inject_message({Fields = {long = {value = long, value_type = 2}}})
    return 0
end
