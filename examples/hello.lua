-- SPDX-License-Identifier: MIT OR Apache-2.0
-- Run once: process_message returns when its work is done.

-- The checkpoint, its optional argument, is not used here.
function process_message()
    inject_message({Type = "hello"})
    return 0
end
