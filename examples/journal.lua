-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Follows the journal of systemd through journalctl, each entry a line of JSON that heka-encode
-- --preset journald parses. The checkpoint is the cursor of the last entry that was sent, so that
-- the next run continues after it. Configuration: arguments of journalctl, such as "-f -u nginx".

require "io"
require "string"

local arguments = read_config("arguments") or "-f"
local msg = {Type = "journal"}

function process_message(checkpoint)
    local command = "journalctl --no-tail -q -a -o json " .. arguments
    if checkpoint then
        if string.find(checkpoint, "[^%w=;]") then return 1, "bad cursor: " .. checkpoint end
        command = command .. " --after-cursor='" .. checkpoint .. "'"
    end
    local fh, err = io.popen(command)
    if not fh then return -1, err end

    local cnt = 0
    for line in fh:lines() do
        msg.Payload = line
        inject_message(msg, string.match(line, '"__CURSOR"%s*:%s*"([^"]*)"'))
        cnt = cnt + 1
        if not is_running() then break end
    end
    fh:close()
    return 0, cnt .. " entries"
end
