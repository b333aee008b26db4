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

# Lines of other kinds: JSON, logfmt and syslog of about 120 bytes, as many as there are.
export JSONL=$WORK/lines.json LOGFMT=$WORK/lines.logfmt SYSLOG=$WORK/lines.syslog
awk -v n="$LINES" -v json="$JSONL" -v logfmt="$LOGFMT" -v syslog="$SYSLOG" 'BEGIN {
    for (i = 0; i < n; i++) {
        time = sprintf("2026-11-21T10:%02d:%02d.123Z", i / 60 % 60, i % 60)
        printf "{\"time\":\"%s\",\"level\":\"info\",\"msg\":\"request served\",\"path\":\"/api/v1/users\",\"status\":200,\"took\":0.%03d}\n", time, i % 1000 >json
        printf "time=%s level=info msg=\"request served\" path=/api/v1/users status=200 took=0.%03d\n", time, i % 1000 >logfmt
        printf "<134>Nov 21 10:%02d:%02d web01 app[%d]: request served path=/api/v1/users status=200\n", i / 60 % 60, i % 60, i % 30000 >syslog
    }
}'

row 'lines by an expression of four groups (heka-encode --regex)' '≥ 1 M lines/s'
amount "$TEXT_BYTES" "$LINES"
contender 'heka-encode --regex' "heka-encode --regex '^(?P<remote_addr>\S+) \S+ \S+ \[(?P<Timestamp>[^]]+)\] \"(?P<request>[^\"]*)\" (?P<status>\d+)' \"\$TEXT\" >/dev/null" heka-encode
contender 'perl' "perl -ne 'print \"\$1\t\$2\t\$3\t\$4\n\" if /^(\S+) \S+ \S+ \[([^]]+)\] \"([^\"]*)\" (\d+)/' \"\$TEXT\" >/dev/null" perl

row 'access log (heka-encode --preset nginx-combined)' '≥ 1 M lines/s'
amount "$TEXT_BYTES" "$LINES"
contender 'heka-encode --preset' 'heka-encode --preset nginx-combined "$TEXT" >/dev/null' heka-encode

row 'JSON (heka-encode --json-map)' '≥ 1.5 M lines/s'
amount "$(stat -c %s "$JSONL")" "$LINES"
contender 'heka-encode --json-map' 'heka-encode --json-map=Timestamp=time,Severity=level,Payload=msg "$JSONL" >/dev/null' heka-encode
contender 'jq -c .' 'jq -c . "$JSONL" >/dev/null' jq
contender 'mlr --ojson' 'mlr --ijsonl --ojsonl cat "$JSONL" >/dev/null' mlr

row 'logfmt (heka-encode --logfmt)' '≥ 1 M lines/s'
amount "$(stat -c %s "$LOGFMT")" "$LINES"
contender 'heka-encode --logfmt' 'heka-encode --logfmt=Timestamp=time,Severity=level,Payload=msg "$LOGFMT" >/dev/null' heka-encode

row 'syslog (heka-encode --preset syslog)' '≥ 1.5 M lines/s'
amount "$(stat -c %s "$SYSLOG")" "$LINES"
contender 'heka-encode --preset' 'heka-encode --preset syslog "$SYSLOG" >/dev/null' heka-encode
contender 'lognormalizer' "lognormalizer -r <(echo 'rule=:<%pri:number%>%time:date-rfc3164% %host:word% %tag:char-to:[%[%pid:number%]: %msg:rest%') <\"\$SYSLOG\" >/dev/null" lognormalizer
