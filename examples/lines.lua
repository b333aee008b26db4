-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Reads a file line by line. The checkpoint is the offset after the last line that was sent, so
-- that the next run continues there. Configuration: input_file.

require "io"

local input_file = read_config("input_file") or error("input_file must be set")
local msg = {Type = "line", Fields = {file = input_file}}

function process_message(checkpoint)
    local fh, err = io.open(input_file, "rb")
    if not fh then return -1, err end

    local size = fh:seek("end")
    local offset = checkpoint or 0
    if offset > size then offset = 0 end -- the file was replaced
    fh:seek("set", offset)

    local cnt = 0
    for line in fh:lines() do
        local behind = offset + #line + 1
        if behind > size then break end -- not complete yet
        offset = behind
        msg.Payload = line
        inject_message(msg, offset)
        cnt = cnt + 1
        if not is_running() then break end
    end
    fh:close()
    return 0, cnt .. " lines"
end
