# Through a UNIX domain socket on this machine.

# The same fast sender for both, and ten times as many lines: what is compared is the listener.
row 'lines of 100 bytes through a listener, from one peer' '≥ 1 M/s; ≤ 0.2 × socat, default'
amount $((LINES * 1000)) $((LINES * 10))
export UNIX_PUMP=$PWD/bench/unix-pump COUNT=$((LINES * 10))
contender 'unix-sock -l' '
    unix-sock -l s -1 --ready-fd 3 3>ready </dev/null >/dev/null & wait_file ready
    "$UNIX_PUMP" "$COUNT" 100 s; wait' unix-sock python3
contender 'socat, default' '
    socat -u UNIX-LISTEN:s - >/dev/null & wait_socket s
    "$UNIX_PUMP" "$COUNT" 100 s; wait' socat python3

row 'a file of lines of 100 bytes through both ends' '≤ 0.2 × socat → socat, defaults'
yes "$(printf '%099d' 0)" | head -n "$LINES" >"$WORK/lines.100" || true
export LINES_100=$WORK/lines.100
amount $((LINES * 100)) "$LINES"
contender 'unix-sock → unix-sock -l' '
    unix-sock -l s -1 --ready-fd 3 3>ready </dev/null >/dev/null & wait_file ready
    unix-sock s <"$LINES_100"; wait' unix-sock
contender 'socat → socat, defaults' '
    socat -u UNIX-LISTEN:s - >/dev/null & wait_socket s
    socat -u - UNIX-CONNECT:s <"$LINES_100"; wait' socat
contender 'nc → nc' '
    nc -l -U s >/dev/null & wait_socket s
    nc -N -U s <"$LINES_100"; wait' nc

row 'the same lines as packets, one each (seqpacket)' '≥ 1 M/s'
amount $((LINES * 100)) "$LINES"
export COUNT=$LINES
contender 'unix-sock → unix-sock -l' '
    unix-sock -l s -1 --type seqpacket --ready-fd 3 3>ready </dev/null >/dev/null & wait_file ready
    unix-sock s --type seqpacket <"$LINES_100"; wait' unix-sock
contender 'unix-sock → socat' '
    socat -u UNIX-LISTEN:s,socktype=5 - >/dev/null & wait_socket s
    unix-sock s --type seqpacket <"$LINES_100"; wait' socat
contender 'sendmmsg → recvmmsg alone' '
    floor receive seqpacket:s "$COUNT" 128 >/dev/null & wait_socket s
    floor send seqpacket:s "$COUNT" 99; wait' floor

row 'the same lines as datagrams, one each' '≥ 1 M/s'
amount $((LINES * 100)) "$LINES"
contender 'unix-sock → unix-sock -l' '
    unix-sock -l s -n "$COUNT" --type dgram --ready-fd 3 3>ready </dev/null >/dev/null & wait_file ready
    unix-sock s --type dgram <"$LINES_100"; wait' unix-sock
contender 'unix-sock → socat' '
    socat -u UNIX-RECV:s - >/dev/null & socat=$!; wait_socket s
    unix-sock s --type dgram <"$LINES_100"; kill $socat; wait || true' socat
contender 'sendmmsg → recvmmsg alone' '
    floor receive dgram:s "$COUNT" 128 >/dev/null & wait_socket s
    floor send dgram:s "$COUNT" 99; wait' floor

row 'bulk through unix-sock' '≤ 1 × socat → socat, 64K'
amount "$TEXT_BYTES" "$LINES"
contender 'unix-sock → unix-sock -l' '
    unix-sock -l s -1 --ready-fd 3 3>ready </dev/null >/dev/null & wait_file ready
    unix-sock s <"$TEXT"; wait' unix-sock
contender 'the same, --framing none -b 64K' '
    unix-sock -l s -1 --framing none -b 64K --ready-fd 3 3>ready </dev/null >/dev/null & wait_file ready
    unix-sock s --framing none <"$TEXT"; wait' unix-sock
contender 'socat → socat, 64K' '
    socat -u -b 65536 UNIX-LISTEN:s - >/dev/null & wait_socket s
    socat -u -b 65536 - UNIX-CONNECT:s <"$TEXT"; wait' socat

row 'records with their peer, unix-sock -l -j'
amount $((LINES * 100)) "$LINES"
contender 'socat 64K → unix-sock -l -j' '
    unix-sock -l s -1 -j --ready-fd 3 3>ready </dev/null >/dev/null & wait_file ready
    socat -u -b 65536 - UNIX-CONNECT:s <"$LINES_100"; wait' unix-sock socat
