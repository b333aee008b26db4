# Datagrams of 100 bytes to a receiver that only counts them: what sending costs. What receiving costs,
# and what is lost, is in bench/datagrams.

row 'datagrams as fast as they are taken (heka-send, UDP)' '≥ 1 M/s'
export COUNT=$((LINES / 2)) LINES_80=$WORK/lines.80 DATAGRAMS=$WORK/datagrams.heka
yes "$(printf '%079d' 0)" | head -n "$COUNT" >"$LINES_80" || true
heka-encode -t t -l l -H h "$LINES_80" >"$DATAGRAMS"
amount "$(stat -c %s "$DATAGRAMS")" "$COUNT"
contender 'heka-send' '
    floor receive udp:0 "$COUNT" 512 3>port >/dev/null & wait_file port
    heka-send "udp://127.0.0.1:$(cat port)" <"$DATAGRAMS"; kill $! 2>/dev/null || true; wait || true' heka-send floor
contender 'socat' '
    floor receive udp:0 "$COUNT" 512 3>port >/dev/null & wait_file port
    socat -u -b 80 - "UDP:127.0.0.1:$(cat port)" <"$LINES_80"; kill $! 2>/dev/null || true; wait || true' socat floor
contender 'sendmmsg alone' '
    floor receive udp:0 "$COUNT" 512 3>port >/dev/null & wait_file port
    floor send "udp:$(cat port)" "$COUNT" 130; kill $! 2>/dev/null || true; wait || true' floor
