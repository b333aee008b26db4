# From a file to a file's worth of bytes through a socket on this machine.

row 'file → TCP → text, four stages' '≤ 2 × cat | socat → socat | cat'
amount "$TEXT_BYTES" "$LINES"
contender 'tail | send → listen | decode' '
    heka-listen -1 127.0.0.1:0 --ready-fd 3 3>ready | heka-decode >/dev/null & wait_file ready
    heka-tail --no-follow "$TEXT" | heka-send "$(cat ready)"; wait' heka-tail heka-send heka-listen heka-decode
contender 'cat | socat → socat | cat' '
    port=$(free_port); socat -u -b 65536 TCP-LISTEN:$port - | cat >/dev/null & wait_port $port
    cat "$TEXT" | socat -u -b 65536 - TCP:127.0.0.1:$port; wait' socat
contender 'cat | nc → nc | cat' '
    port=$(free_port); nc -l 127.0.0.1 $port | cat >/dev/null & wait_port $port
    cat "$TEXT" | nc -N 127.0.0.1 $port; wait' nc

row 'messages through a socket (heka-send, heka-listen)' "≥ socat's and nc's throughput"
amount "$FRAMES_BYTES" "$LINES"
contender 'heka-send → heka-listen' '
    heka-listen -1 127.0.0.1:0 --ready-fd 3 3>ready >/dev/null & wait_file ready
    heka-send "$(cat ready)" <"$FRAMES"; wait' heka-send heka-listen
contender 'socat → socat' '
    port=$(free_port); socat -u -b 65536 TCP-LISTEN:$port - >/dev/null & wait_port $port
    socat -u -b 65536 - TCP:127.0.0.1:$port <"$FRAMES"; wait' socat
contender 'nc → nc' '
    port=$(free_port); nc -l 127.0.0.1 $port >/dev/null & wait_port $port
    nc -N 127.0.0.1 $port <"$FRAMES"; wait' nc

row 'confirmed by the receiver (--ack=peer)' '≤ 1.15 × without'
amount "$FRAMES_BYTES" "$LINES"
contender 'heka-send --ack=peer → heka-listen --ack' '
    heka-listen -1 --ack 127.0.0.1:0 --ready-fd 3 3>ready >/dev/null & wait_file ready
    heka-send --ack=peer "$(cat ready)" <"$FRAMES"; wait' heka-send heka-listen
contender 'without' '
    heka-listen -1 127.0.0.1:0 --ready-fd 3 3>ready >/dev/null & wait_file ready
    heka-send "$(cat ready)" <"$FRAMES"; wait' heka-send heka-listen

row 'put on disk before it is sent (--queue)' '≤ 1.25 × without'
amount "$FRAMES_BYTES" "$LINES"
contender 'heka-send --queue → heka-listen' '
    heka-listen -1 127.0.0.1:0 --ready-fd 3 3>ready >/dev/null & wait_file ready
    heka-send --queue queue "$(cat ready)" <"$FRAMES"; wait' heka-send heka-listen
contender 'without' '
    heka-listen -1 127.0.0.1:0 --ready-fd 3 3>ready >/dev/null & wait_file ready
    heka-send "$(cat ready)" <"$FRAMES"; wait' heka-send heka-listen
