# Lua input plugins: the stream reader of the examples, and functions called again and again, beside the same
# in lua_sandbox (bench/lsb_input.c).

count=$((LINES / 4))
row 'stream reader, 500-byte messages (heka-sandbox)' '≥ 0.3 M/s; ≤ 1.0 × lua_sandbox'
seq -f '%0460g' "$count" | heka-encode -t t -l l -H h >"$WORK/500.heka"
amount "$(stat -c %s "$WORK/500.heka")" "$count"
contender 'heka-sandbox heka_stdin.cfg' "
    heka-sandbox $PWD/examples/heka_stdin.cfg <$WORK/500.heka | cat >/dev/null" heka-sandbox
contender 'lua_sandbox' "lsb_input $PWD/examples/heka_stdin.lua <$WORK/500.heka | cat >/dev/null" lsb_input
contender 'heka-decode -o heka' "heka-decode -o heka <$WORK/500.heka | cat >/dev/null" heka-decode

# repeated NAME LUA: a plugin that runs these lines COUNT times; `bytes` is a message of 500 bytes.
heka-encode -t t -l l -H h -F status:i=200 -F path=/index.html <<<"$(printf '%0400d' 1)" >"$WORK/one.heka"
repeated() {
    cat >"$WORK/$1.lua" <<LUA
require "io"
require "string"
local file = io.open("$WORK/one.heka")
local reader = create_stream_reader("bench")
local bytes = (file:read("*a"):gsub("^.-\\31", ""))
function process_message()
    for i = 1, $count do
        $2
    end
    return 0
end
LUA
}

row 'decode_message, 400-byte payloads (heka-sandbox)' '≤ 1.2 × lua_sandbox'
repeated decode 'decode_message(bytes)'
amount 0 "$count"
contender 'heka-sandbox' "heka-sandbox $WORK/decode.lua --instruction-limit 0 >/dev/null" heka-sandbox
contender 'lua_sandbox' "lsb_input $WORK/decode.lua >/dev/null" lsb_input

row 'read_message of payload, type and two fields (heka-sandbox)' '≤ 1.0 × lua_sandbox'
repeated read 'reader:decode_message(bytes)
        reader:read_message("Payload") reader:read_message("Type")
        reader:read_message("Fields[status]") reader:read_message("Fields[path]")'
amount 0 "$count"
contender 'heka-sandbox' "heka-sandbox $WORK/read.lua --instruction-limit 0 >/dev/null" heka-sandbox
contender 'lua_sandbox' "lsb_input $WORK/read.lua >/dev/null" lsb_input

row 'inject_message of small tables (heka-sandbox)' '≥ 0.2 M/s; ≤ 0.8 × lua_sandbox'
repeated tables 'inject_message({Type = "t", Payload = "some text of a line", Fields = {status = 200, path = "/index.html"}})'
amount 0 "$count"
contender 'heka-sandbox' "heka-sandbox $WORK/tables.lua --instruction-limit 0 >/dev/null" heka-sandbox
contender 'lua_sandbox' "lsb_input $WORK/tables.lua >/dev/null" lsb_input
