-- Readers as they are used, and as they are not, give the same whichever way a call takes.
require "io"
require "string"

local names = {
    "Uuid", "Timestamp", "Type", "Logger", "Severity", "Payload", "EnvVersion", "Pid", "Hostname", "raw", "size",
    "framed", "Fields[name]", "Fields[number]", "Fields[none]",
}

local function check(reader)
    for _, name in ipairs(names) do
        assert(reader:read_message(name) == reader:read_message(name, nil, nil), name)
    end
    assert(#reader:read_message("Uuid") == 16)
    assert(reader:read_message("size") == #reader:read_message("raw"))
end

-- How many messages a file has.
local function count(reader, file)
    local messages, bytes, found, consumed, read = 0, 0, nil, nil, nil
    repeat
        repeat
            found, consumed, read = reader:find_message(file)
            bytes = bytes + consumed
            if found then
                assert(read == 0)
                messages = messages + 1
                check(reader)
                inject_message(reader)
                inject_message(reader, nil)
            end
        until not found
    until read == 0
    assert(reader:read_message("Type") == nil)
    return messages, bytes
end

local function fails(words, ...)
    local ok, text = pcall(...)
    assert(not ok and string.find(text, words, 1, true), tostring(text))
end

function process_message()
    local path = "tests/vectors/good3.heka"
    local file = assert(io.open(path))
    local size = file:seek("end")
    file:seek("set")
    local reader = create_stream_reader("one")
    local messages, bytes = count(reader, file)
    assert(messages == 3 and bytes == size, messages .. " " .. bytes)
    -- Two that take turns.
    local other, second = create_stream_reader("other"), assert(io.open(path))
    file:seek("set")
    repeat
        local found = reader:find_message(file)
        assert(found == other:find_message(second))
        if found then
            assert(reader:read_message("raw") == other:read_message("raw"))
            reader:read_message("raw")
            assert(reader:read_message("Uuid") == other:read_message("Uuid"))
        end
    until found
    -- Others in the place of those that are gone.
    for _ = 1, 50 do
        reader = create_stream_reader("new")
        for n = 1, 1000 do
            local garbage = {n}
        end
        assert(reader:read_message("Type") == nil)
        fails("inject a nil message", inject_message, reader)
        file:seek("set")
        repeat
            local found, _, read = reader:find_message(file)
        until found or read == 0
        assert(reader:read_message("Uuid"))
    end
    fails("lsb.heka_stream_reader expected", reader.read_message, file, "Type")
    fails("lsb.heka_stream_reader expected", reader.find_message, file, file)
    fails("not supported/recognized", reader.read_message, reader, "Nothing")
    file:close()
    reader:find_message(file, false)
    reader = create_stream_reader("last")
    fails("closed file", reader.find_message, reader, file)
    return 0
end
