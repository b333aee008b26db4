# Filters between a file and /dev/null. What any pipe can carry is the measure.

row 'lines → messages (heka-encode)' '≤ 1.5 × cat | cat'
amount "$TEXT_BYTES" "$LINES"
contender 'heka-encode' 'heka-encode "$TEXT" >/dev/null' heka-encode
contender 'cat | cat' 'cat "$TEXT" | cat >/dev/null'
contender 'reading alone' 'floor read "$TEXT"' floor

row 'messages → payloads (heka-decode)' '≤ 1.5 × cat | cat; ≤ 0.25 × lsb_heka_cat -c'
amount "$FRAMES_BYTES" "$LINES"
contender 'heka-decode' 'heka-decode "$FRAMES" >/dev/null' heka-decode
contender 'cat | cat' 'cat "$FRAMES" | cat >/dev/null'
contender 'reading alone' 'floor read "$FRAMES"' floor
contender 'lsb_heka_cat -c' 'lsb_heka_cat -c "$FRAMES" >/dev/null' lsb_heka_cat

row 'counting messages (heka-decode -c)' '≤ 1.2 × wc -l; ≤ 0.33 × lsb_heka_cat -c'
amount "$FRAMES_BYTES" "$LINES"
contender 'heka-decode -c' 'heka-decode -c "$FRAMES" >/dev/null' heka-decode
contender 'wc -l' 'wc -l <"$FRAMES" >/dev/null'
contender 'reading alone' 'floor read "$FRAMES"' floor
contender 'lsb_heka_cat -c' 'lsb_heka_cat -c "$FRAMES" >/dev/null' lsb_heka_cat

row 'selecting messages by severity and payload (heka-decode -c -m)' '≥ 1 M/s; ≤ 0.25 × lsb_heka_cat -c -m'
amount "$(stat -c %s "$LONG")" "$LINES"
contender 'heka-decode -c -m' "heka-decode -c -m 'Severity == 6 && Payload =~ /GET/' \"\$LONG\" >/dev/null" heka-decode
contender 'grep -c' 'grep -a -c GET "$LONG" >/dev/null || true'
contender 'reading alone' 'floor read "$LONG"' floor
contender 'lsb_heka_cat -c -m' "lsb_heka_cat -c -m \"Severity == 6 && Payload =~ 'GET'\" \"\$LONG\" >/dev/null" lsb_heka_cat

row 'selecting messages by a Lua pattern (heka-decode -c -m)' '≥ 1 M/s; ≤ 0.2 × lsb_heka_cat -c -m'
amount "$FRAMES_BYTES" "$LINES"
contender 'heka-decode -c -m' "heka-decode -c -m 'Payload =~ \"orders/%d+\"' \"\$FRAMES\" >/dev/null" heka-decode
contender 'reading alone' 'floor read "$FRAMES"' floor
contender 'lsb_heka_cat -c -m' "lsb_heka_cat -c -m \"Payload =~ 'orders/%d+'\" \"\$FRAMES\" >/dev/null" lsb_heka_cat

row 'encode | decode in one pipeline'
amount "$TEXT_BYTES" "$LINES"
contender 'heka-encode | heka-decode' 'heka-encode "$TEXT" | heka-decode >/dev/null' heka-encode heka-decode
contender 'cat | cat' 'cat "$TEXT" | cat >/dev/null'

row 'a file from its beginning (heka-tail)' '≤ 1.5 × cat | cat'
amount "$TEXT_BYTES" "$LINES"
contender 'heka-tail --no-follow' 'heka-tail --no-follow -o heka "$TEXT" >/dev/null' heka-tail
contender 'cat | cat' 'cat "$TEXT" | cat >/dev/null'
contender 'tail -n +1' 'tail -n +1 "$TEXT" | cat >/dev/null'
