# Lua input plugins: the stream reader of the examples, and messages made of tables.

count=600000
seq -f '%0460g' "$count" | heka-encode -t t -l l -H h >"$WORK/500.heka"
row 'stream reader, 500-byte messages (heka-sandbox)' '≥ 300,000 messages/s'
amount "$(stat -c %s "$WORK/500.heka")" "$count"
contender 'heka-sandbox heka_stdin.cfg' "
    heka-sandbox $PWD/examples/heka_stdin.cfg <$WORK/500.heka | cat >/dev/null" heka-sandbox
contender 'heka-decode -o heka' "heka-decode -o heka <$WORK/500.heka | cat >/dev/null" heka-decode

cat >"$WORK/tables.lua" <<'LUA'
function process_message()
    for i = 1, 400000 do
        inject_message({Type = "t", Payload = "some text of a line", Fields = {status = 200, path = "/index.html"}})
    end
    return 0
end
LUA
row 'small tables (heka-sandbox)' '≥ 200,000 messages/s'
amount 0 400000
contender 'heka-sandbox' "heka-sandbox $WORK/tables.lua --instruction-limit 0 >/dev/null" heka-sandbox
