# Lines to messages with fields: expressions, JSON, logfmt, presets. A quarter of the lines: what
# stands beside it is slow.

# JSON, logfmt and syslog of about 120 bytes.
export JSONL=$WORK/lines.json LOGFMT=$WORK/lines.logfmt SYSLOG=$WORK/lines.syslog
awk -v n="$FEWER_LINES" -v json="$JSONL" -v logfmt="$LOGFMT" -v syslog="$SYSLOG" 'BEGIN {
    for (i = 0; i < n; i++) {
        time = sprintf("2026-11-21T10:%02d:%02d.123Z", i / 60 % 60, i % 60)
        printf "{\"time\":\"%s\",\"level\":\"info\",\"msg\":\"request served\",\"path\":\"/api/v1/users\",\"status\":200,\"took\":0.%03d}\n", time, i % 1000 >json
        printf "time=%s level=info msg=\"request served\" path=/api/v1/users status=200 took=0.%03d\n", time, i % 1000 >logfmt
        printf "<134>Nov 21 10:%02d:%02d web01 app[%d]: request served path=/api/v1/users status=200\n", i / 60 % 60, i % 60, i % 30000 >syslog
    }
}'

row 'lines by an expression of four groups (heka-encode --regex)' '≥ 1 M/s'
amount "$FEWER_BYTES" "$FEWER_LINES"
contender 'heka-encode --regex' "heka-encode --regex '^(?P<remote_addr>\S+) \S+ \S+ \[(?P<Timestamp>[^]]+)\] \"(?P<request>[^\"]*)\" (?P<status>\d+)' \"\$FEWER\" >/dev/null" heka-encode
contender 'perl' "perl -ne 'print \"\$1\t\$2\t\$3\t\$4\n\" if /^(\S+) \S+ \S+ \[([^]]+)\] \"([^\"]*)\" (\d+)/' \"\$FEWER\" >/dev/null" perl

row 'access log (heka-encode --preset nginx-combined)' '≥ 1 M/s'
amount "$FEWER_BYTES" "$FEWER_LINES"
contender 'heka-encode --preset' 'heka-encode --preset nginx-combined "$FEWER" >/dev/null' heka-encode
contender 'lognormalizer' "lognormalizer -r <(echo 'version=2'; echo 'rule=:%addr:word% %ident:word% %user:word% [%time:char-to:]%] \"%request:char-to:\"%\" %status:number% %len:number% \"%referer:char-to:\"%\" \"%agent:char-to:\"%\"') <\"\$FEWER\" >/dev/null" lognormalizer
contender 'perl' "perl -ne 'print join(\"\t\", \$1, \$2, \$3, \$4, \$5, \$6), \"\n\" if /^(\S+) \S+ \S+ \[([^]]+)\] \"([^\"]*)\" (\d+) (\d+) \"([^\"]*)\" \"([^\"]*)\"/' \"\$FEWER\" >/dev/null" perl

row 'JSON (heka-encode --json-map)' '≥ 1.5 M/s'
amount "$(stat -c %s "$JSONL")" "$FEWER_LINES"
contender 'heka-encode --json-map' 'heka-encode --json-map=Timestamp=time,Severity=level,Payload=msg "$JSONL" >/dev/null' heka-encode
contender 'jq -c .' 'jq -c . "$JSONL" >/dev/null' jq
contender 'mlr --ojson' 'mlr --ijsonl --ojsonl cat "$JSONL" >/dev/null' mlr
contender 'fluent-bit' 'fluent-bit -q -i stdin -o null <"$JSONL"' fluent-bit

row 'JSON (heka-encode --preset json)' '≥ 1.5 M/s'
amount "$(stat -c %s "$JSONL")" "$FEWER_LINES"
contender 'heka-encode --preset' 'heka-encode --preset json "$JSONL" >/dev/null' heka-encode
contender 'jq -c .' 'jq -c . "$JSONL" >/dev/null' jq

row 'logfmt (heka-encode --logfmt)' '≥ 1 M/s'
amount "$(stat -c %s "$LOGFMT")" "$FEWER_LINES"
contender 'heka-encode --logfmt' 'heka-encode --logfmt=Timestamp=time,Severity=level,Payload=msg "$LOGFMT" >/dev/null' heka-encode
contender 'mlr --idkvp' 'mlr --idkvp --ifs space --ojsonl cat "$LOGFMT" >/dev/null' mlr

row 'syslog (heka-encode --preset syslog)' '≥ 1.5 M/s'
amount "$(stat -c %s "$SYSLOG")" "$FEWER_LINES"
contender 'heka-encode --preset' 'heka-encode --preset syslog "$SYSLOG" >/dev/null' heka-encode
contender 'lognormalizer' "lognormalizer -r <(echo 'version=2'; echo 'rule=:<%pri:number%>%time:date-rfc3164% %host:word% %tag:char-to:[%[%pid:number%]: %msg:rest%') <\"\$SYSLOG\" >/dev/null" lognormalizer
