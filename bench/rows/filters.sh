# Filters between a file and /dev/null. What any pipe can carry is the measure.

row 'lines → messages (heka-encode)' '≤ 1.5 × cat | cat'
amount "$TEXT_BYTES" "$LINES"
contender 'heka-encode' 'heka-encode "$TEXT" >/dev/null' heka-encode
contender 'cat | cat' 'cat "$TEXT" | cat >/dev/null'

row 'messages → payloads (heka-decode)' '≤ 1.5 × cat | cat, ≥ 4 × faster than lsb_heka_cat counting'
amount "$FRAMES_BYTES" "$LINES"
contender 'heka-decode' 'heka-decode "$FRAMES" >/dev/null' heka-decode
contender 'cat | cat' 'cat "$FRAMES" | cat >/dev/null'
contender 'lsb_heka_cat -c' 'lsb_heka_cat -c "$FRAMES" >/dev/null' lsb_heka_cat

row 'counting messages (heka-decode -c)'
amount "$FRAMES_BYTES" "$LINES"
contender 'heka-decode -c' 'heka-decode -c "$FRAMES" >/dev/null' heka-decode
contender 'wc -l on the lines' 'wc -l <"$TEXT" >/dev/null'
contender 'lsb_heka_cat -c' 'lsb_heka_cat -c "$FRAMES" >/dev/null' lsb_heka_cat

# Messages of 500 bytes, of a severity that makes the matcher read on.
export LONG=$WORK/long.heka
heka-encode -S 6 --logger bench --hostname bench -F "headers=$(printf '%243s' x)" "$TEXT" >"$LONG"

row 'selecting messages (heka-decode -c -m)' '≥ 1 M messages/s, ≥ 4 × lsb_heka_cat'
amount "$(stat -c %s "$LONG")" "$LINES"
contender 'heka-decode -c -m' "heka-decode -c -m 'Severity == 6 && Payload =~ /GET/' \"\$LONG\" >/dev/null" heka-decode
contender 'lsb_heka_cat -c -m' "lsb_heka_cat -c -m \"Severity == 6 && Payload =~ 'GET'\" \"\$LONG\" >/dev/null" lsb_heka_cat

row 'messages → JSON (heka-decode -j)' '≥ 300 MB/s'
amount "$(stat -c %s "$LONG")" "$LINES"
contender 'heka-decode -j' 'heka-decode -j "$LONG" >/dev/null' heka-decode

row 'encode | decode in one pipeline'
amount "$TEXT_BYTES" "$LINES"
contender 'heka-encode | heka-decode' 'heka-encode "$TEXT" | heka-decode >/dev/null' heka-encode heka-decode
contender 'cat | cat' 'cat "$TEXT" | cat >/dev/null'

row 'a file from its beginning (heka-tail)' '≤ 1.5 × cat | cat'
amount "$TEXT_BYTES" "$LINES"
contender 'heka-tail --no-follow' 'heka-tail --no-follow -o heka "$TEXT" >/dev/null' heka-tail
contender 'cat | cat' 'cat "$TEXT" | cat >/dev/null'
contender 'tail -n +1' 'tail -n +1 "$TEXT" | cat >/dev/null'
