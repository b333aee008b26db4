-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Polling: process_message is called again when ticker_interval has passed.

require "io"

local msg = {
    Type = "uptime",
    Payload = "",
}

function process_message()
    local fh = io.popen("uptime")
    if fh then
        msg.Payload = fh:read("*a")
        fh:close()
    else
        return -1, "popen failed"
    end
    if msg.Payload then inject_message(msg) end
    return 0
end
