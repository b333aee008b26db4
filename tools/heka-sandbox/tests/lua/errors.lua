-- The texts of errors, with the position of the caller and the name that it called.
require "string"

local function fails(wanted, f, ...)
    local ok, err = pcall(f, ...)
    assert(not ok, "no error: " .. wanted)
    assert(type(err) == "string" and err == wanted, tostring(err) .. " ~= " .. wanted)
end

function process_message()
    -- through pcall there is neither position nor name
    fails("bad argument #1 to '?' (string expected, got no value)", read_config)
    fails("bad argument #1 to '?' (string expected, got nil)", read_config, nil)
    fails("bad argument #0 to '?' (too many arguments)", read_config, "a", "b")
    assert(read_config(5) == nil and read_config("Logger") == "L")
    fails("inject_message() unsupported checkpoint type: boolean", inject_message, {}, true)
    fails("inject_message() message cannot be nil without a checkpoint update", inject_message, nil)
    inject_message(nil, 0/0) -- no checkpoint, but a synchronisation
    fails("inject_message() unsupported message type: number", inject_message, 1)
    fails("inject_message() unsupported message type: no value", inject_message)
    fails("inject_message() attempted to inject a invalid protobuf string", inject_message, "")
    fails("inject_message() attempted to inject a nil message", inject_message, create_stream_reader("x"))
    local io = require "io"
    fails("bad argument #1 to '?' (lsb.heka_stream_reader expected, got userdata)", inject_message, io.stdin)
    -- from Lua there are both
    local function at_line() inject_message(1) end
    fails("errors.lua:26: inject_message() unsupported message type: number", at_line)
    local function named() read_config() end
    fails("errors.lua:28: bad argument #1 to 'read_config' (string expected, got no value)", named)
    local hsr = create_stream_reader("x")
    local function method() hsr:find_message() end
    fails("errors.lua:31: bad argument #-1 to 'find_message' (incorrect number of arguments)", method)
    local function tail() return inject_message(1) end
    fails("errors.lua:33: inject_message() unsupported message type: number", tail)
    -- fields
    local function field(reason, fields)
        fails("inject_message() failed: " .. reason, inject_message, {Fields = fields})
    end
    field("unsupported type: function", {a = print})
    field("unsupported type: nil", {a = {}})
    field("unsupported type: nil", {a = {representation = "s"}})
    field("unsupported array type: table", {a = {{}}})
    field("array has mixed types", {a = {1, "x"}})
    field("field name must be a string", {[2] = "x", [3] = "y"})
    field("field name must be a string", {{value = 1}})
    field("invalid string value_type: 2", {a = {value = "x", value_type = 2}})
    field("invalid numeric value_type: 0", {a = {value = 1, value_type = 0}})
    field("invalid boolean value_type: 2", {a = {value = true, value_type = 2}})
    field("userdata object does not implement lsb_output", {a = io.stdin})
    -- decode_message
    fails("bad argument #0 to '?' (incorrect number of arguments)", decode_message)
    fails("bad argument #2 to '?' (incorrect number of arguments)", decode_message, "a", "b")
    fails("bad argument #1 to '?' (string or userdata expected, got nil)", decode_message, nil)
    fails("invalid message, too short", decode_message, "x")
    local uuid = "\010\016" .. string.rep("\0", 16)
    fails("error in tag: 11 wiretype: 2 offset: 20", decode_message, uuid .. "\016\005\090\001x")
    fails("error in tag: 1 wiretype: 2 offset: 0", decode_message, "\010\015" .. string.rep("\0", 15) .. "\016\005..")
    fails("error in tag: 10 wiretype: 2 offset: 20", decode_message, uuid .. "\016\005\082\002\048\001")
    fails("missing required field uuid: found timestamp: not found", decode_message, uuid .. "\026\001t")
    fails("missing required field uuid: not found timestamp: found", decode_message,
        "\016\005\026\020" .. string.rep("t", 20))
    -- a closed file
    local fh = io.tmpfile()
    hsr:find_message(fh)
    fh:close()
    fails("attempt to use a closed file", hsr.find_message, hsr, fh)
    fails("bad argument #1 to '?' (string or userdata expected, got number)", decode_message, 12345)
    fails("bad argument #1 to '?' (no zero copy support)", decode_message, require "io".stdin)
    return 0
end
