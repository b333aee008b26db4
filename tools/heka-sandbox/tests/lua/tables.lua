-- Each table gives the same message, or the same error, whichever way it takes: one with a metatable takes the long one.
require "string"

local uuid = "0123456789abcdef"
local long = string.rep("x", 70000)
local other = setmetatable({}, {__index = {value = "inherited"}})

local function tables()
    return {
        {},
        {Type = "t", Logger = "mine", Severity = 3, Payload = "text", EnvVersion = "1", Pid = 9, Hostname = "there"},
        {Type = 12, Payload = 1.5, Severity = "4", Pid = "0x10", Hostname = 7},
        {Type = true, Payload = {}, Severity = {}, Pid = false, Logger = print, Hostname = {1}},
        {Severity = 1e300, Pid = -1.9}, {Severity = 0/0}, {Timestamp = "12"}, {Timestamp = 1.7e18},
        {Uuid = "01234567-89ab-cdef-0123-456789abcdef"},
        {Payload = long}, {Payload = string.rep("y", 40000), Type = string.rep("z", 40000)},
        {Fields = "none"}, {Fields = {}}, {Fields = 7}, {Fields = other},
        {Fields = {a = "text"}}, {Fields = {a = 1}}, {Fields = {a = -1.5}}, {Fields = {a = true}}, {Fields = {a = false}},
        {Fields = {a = ""}}, {Fields = {[""] = "no name"}}, {Fields = {[2] = "x"}}, {Fields = {"x"}}, {Fields = {true}},
        {Fields = {a = {"x", "y"}}}, {Fields = {a = {1, 2, 3}}}, {Fields = {a = {true, false}}}, {Fields = {a = {"x", 1}}},
        {Fields = {a = {1, "x"}}}, {Fields = {a = {true, 1}}}, {Fields = {a = {{}}}}, {Fields = {a = {}}}, {Fields = {a = other}},
        {Fields = {a = {1}}}, {Fields = {a = {false}}}, {Fields = {a = {"x"}}}, {Fields = {a = {1, nil, 3}}},
        {Fields = {a = {value = 1, value_type = 2}}}, {Fields = {a = {value = 1.5, value_type = 3, representation = "s"}}},
        {Fields = {a = {value = {1, 300, -1}, value_type = 2, representation = "B"}}}, {Fields = {a = {value = "x", value_type = 1}}},
        {Fields = {a = {value = {"x", "y"}, value_type = 1, representation = 8}}}, {Fields = {a = {value = "x", value_type = 2}}},
        {Fields = {a = {value = 1, value_type = 0}}}, {Fields = {a = {value = true, value_type = 4}}}, {Fields = {a = {value = 1, value_type = -1}}},
        {Fields = {a = {value = 1, value_type = "2"}}}, {Fields = {a = {value = 1, value_type = {}}}}, {Fields = {a = {value_type = 2}}},
        {Fields = {a = {value_type = 2, value = {value = 7}}}}, {Fields = {a = {value_type = 2, value = {value = {7, 8}, representation = "x"}}}},
        {Fields = {a = {value = {value = {value = {value = 1}}}}}}, {Fields = {a = {value = {value = {value = {1, 2}}}}}},
        {Fields = {a = print}}, {Fields = {a = {value = print}}}, {Fields = {a = long}}, {Fields = {a = {value = long}}},
        {Fields = {a = string.rep("x", 33000), b = string.rep("x", 33000)}},
        {Fields = {{name = "a", value = "x"}, {name = "b", value = {1, 2}, value_type = 2, representation = "B"}, {name = "c", value = {true}}}},
        {Fields = {{name = 5, value = "x"}}}, {Fields = {{value = "x"}}}, {Fields = {{name = "a"}}}, {Fields = {{name = "a", value = "x"}, 7}},
        {Fields = {{name = "a", value = {value = 3, value_type = 2}}, {name = "a", value = {}}}}, {Fields = {{name = "a", value = 1}, k = "v"}},
        {Fields = {setmetatable({name = "a"}, {__index = {value = "inherited"}})}}, {Fields = {{name = "", value = ""}}},
        {Fields = setmetatable({}, {__index = {a = 1}})}, {Fields = {a = {value = 1, userdata = {}}}}, {Fields = {a = {value = 1, representation = {}}}},
        decode_message("\010\016" .. uuid .. "\016\002\026\001t\082\008\010\001a\034\001x\034\000\082\012\010\001b\016\002\026\001B\050\002\001\002"),
    }
end

function process_message()
    local short, far = tables(), tables()
    for number = 1, #short do
        local one, two = short[number], setmetatable(far[number], {})
        for _, table in ipairs {one, two} do
            table.Uuid, table.Timestamp = table.Uuid or uuid, table.Timestamp or 5
        end
        for _, checkpoint in ipairs {false, 3, "here", 0/0, {}} do
            local ok, text = pcall(inject_message, one, checkpoint or nil)
            local same, other = pcall(inject_message, two, checkpoint or nil)
            assert(ok == same and text == other, number .. ": " .. tostring(text) .. ", " .. tostring(other))
        end
        for _, name in ipairs {"Logger", "Pid", "Hostname", "Type"} do
            assert(type(one[name]) == type(two[name]), number .. ": " .. name)
            assert(type(one[name]) == "table" or one[name] == two[name], number .. ": " .. name)
        end
    end
    return 0
end
