# Messages in forms that people and programs read.

# As lines become that are parsed: 150 bytes, five fields.
row 'messages of 150 bytes with five fields → JSON (heka-decode -j)' '≥ 700 MB/s'
export SMALL=$WORK/small.heka SMALL_JSON=$WORK/small.json
awk -v n="$FEWER_LINES" 'BEGIN { for (i = 0; i < n; i++) printf "request %d served\n", i }' |
    heka-encode -t access -l bench -H web01 -F status:i=200 -F method=GET -F path=/api/v1 -F took:d=0.012 -F ok:t=true >"$SMALL"
heka-decode -j "$SMALL" >"$SMALL_JSON"
amount "$(stat -c %s "$SMALL")" "$FEWER_LINES"
contender 'heka-decode -j' 'heka-decode -j "$SMALL" >/dev/null' heka-decode
contender 'a bare loop' 'forms json "$SMALL" >/dev/null' forms
contender 'jq -c . of what it writes' 'jq -c . "$SMALL_JSON" >/dev/null' jq

row 'messages of 500 bytes → JSON (heka-decode -j)' '≥ 1000 MB/s; ≤ 0.125 × heka-cat'
amount "$(stat -c %s "$LONG")" "$LINES"
contender 'heka-decode -j' 'heka-decode -j "$LONG" >/dev/null' heka-decode
contender 'a bare loop' 'forms json "$LONG" >/dev/null' forms
contender 'cat | cat' 'cat "$LONG" | cat >/dev/null'
contender 'heka-cat' 'heka-cat -format=json "$LONG" >/dev/null' heka-cat

row 'messages of 32 KiB → JSON (heka-decode -j)' '≥ 1000 MB/s'
export LARGE=$WORK/large.heka LARGE_COUNT=$((TEXT_BYTES / 32768))
tr '\n' ' ' <"$TEXT" | fold -b -w 32000 | heka-encode -t text -l bench -H web01 >"$LARGE"
amount "$(stat -c %s "$LARGE")" "$LARGE_COUNT"
contender 'heka-decode -j' 'heka-decode -j "$LARGE" >/dev/null' heka-decode
contender 'cat | cat' 'cat "$LARGE" | cat >/dev/null'

row 'JSON that -j wrote → messages (heka-encode -i json)' '≥ 1.5 M/s'
amount "$(stat -c %s "$SMALL_JSON")" "$FEWER_LINES"
contender 'heka-encode -i json' 'heka-encode -i json "$SMALL_JSON" >/dev/null' heka-encode
contender 'a bare loop' 'forms messages "$SMALL_JSON" >/dev/null' forms
contender 'jq -c .' 'jq -c . "$SMALL_JSON" >/dev/null' jq
contender 'mlr --ojson' 'mlr --ijsonl --ojsonl cat "$SMALL_JSON" >/dev/null' mlr

row 'messages → text (heka-decode -o sandbox-text)' '≤ 0.16 × lsb_heka_cat'
amount "$FRAMES_BYTES" "$LINES"
contender 'heka-decode -o sandbox-text' 'heka-decode -o sandbox-text "$FRAMES" >/dev/null' heka-decode
contender 'heka-decode -o text' 'heka-decode -o text "$FRAMES" >/dev/null' heka-decode
contender 'lsb_heka_cat' 'lsb_heka_cat "$FRAMES" >/dev/null' lsb_heka_cat

row 'a file as JSON (heka-tail -j)' '≤ 2.5 × -o payload'
amount "$TEXT_BYTES" "$LINES"
contender 'heka-tail -j' 'heka-tail --no-follow -j "$TEXT" >/dev/null' heka-tail
contender '-o payload' 'heka-tail --no-follow -o payload "$TEXT" >/dev/null' heka-tail
contender '-o heka' 'heka-tail --no-follow -o heka "$TEXT" >/dev/null' heka-tail

row 'a file as text (heka-tail -o text)' '≤ 2.5 × -o payload'
amount "$TEXT_BYTES" "$LINES"
contender 'heka-tail -o text' 'heka-tail --no-follow -o text "$TEXT" >/dev/null' heka-tail
contender '-o payload' 'heka-tail --no-follow -o payload "$TEXT" >/dev/null' heka-tail
