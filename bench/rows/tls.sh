# Through TLS on this machine. The cipher alone, there and back, is what nobody can do without.

row 'messages through TLS (heka-send, heka-listen)' '≤ 0.4 × socat OPENSSL; ≥ 1600 MB/s'
amount "$FRAMES_BYTES" "$LINES"
contender 'heka-send → heka-listen' '
    heka-listen -1 --cert "$PEM" tls://127.0.0.1:0 --ready-fd 3 3>ready >/dev/null & wait_file ready
    heka-send --ca-file "$PEM" "$(cat ready)" <"$FRAMES"; wait' heka-send heka-listen openssl
contender 'socat OPENSSL' '
    port=$(free_port)
    socat -u -b 65536 OPENSSL-LISTEN:$port,cert="$PEM",verify=0 - >/dev/null & wait_port $port
    socat -u -b 65536 - OPENSSL:127.0.0.1:$port,cafile="$PEM" <"$FRAMES"; wait' socat openssl
contender 'ncat --ssl' '
    port=$(free_port)
    ncat -l --recv-only --ssl --ssl-cert "$PEM" --ssl-key "$PEM" 127.0.0.1 $port >/dev/null & wait_port $port
    ncat --send-only --ssl 127.0.0.1 $port <"$FRAMES"; wait' ncat openssl
contender 'AES alone, there and back' '
    openssl enc -aes-256-ctr -K 00 -iv 00 -bufsize 65536 -in "$FRAMES" 2>/dev/null |
        openssl enc -d -aes-256-ctr -K 00 -iv 00 -bufsize 65536 >/dev/null 2>&1' openssl
