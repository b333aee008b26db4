# Messages of a WebSocket server to a file's worth of bytes. The server sends ready-made frames.

export WS_PUMP=$PWD/bench/ws-pump
export WS_HELLO=$'GET / HTTP/1.1\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'

# websocket COUNT SIZE: the contenders of a row without TLS.
websocket() {
    amount $(($1 * $2)) "$1"
    contender 'ws-source' "
        \"\$WS_PUMP\" $1 $2 port & wait_file port
        ws-source --retry 0 \"ws://127.0.0.1:\$(cat port)/\" >/dev/null; wait" ws-source python3
    contender 'websocat' "
        \"\$WS_PUMP\" $1 $2 port & wait_file port
        websocat -U -B 131072 \"ws://127.0.0.1:\$(cat port)/\" >/dev/null; wait" websocat python3
    contender 'the bytes alone' "
        \"\$WS_PUMP\" $1 $2 port & wait_file port
        printf %s \"\$WS_HELLO\" | floor fetch \"\$(cat port)\"; wait" floor python3
}

row 'WebSocket messages of 100 bytes' '≤ 0.125 × websocat'
websocket "$LINES" 100

row 'WebSocket messages of 64 KiB' '≥ 1000 MB/s'
websocket $((LINES / 100)) 65536

row 'WebSocket messages of 100 bytes through TLS' '≤ 0.2 × websocat -k'
amount $((LINES * 50)) $((LINES / 2))
contender 'ws-source' "
    \"\$WS_PUMP\" $((LINES / 2)) 100 port --tls \"\$PEM\" & wait_file port
    ws-source --retry 0 --ca-file \"\$PEM\" \"wss://127.0.0.1:\$(cat port)/\" >/dev/null; wait" ws-source python3 openssl
contender 'websocat -k' "
    \"\$WS_PUMP\" $((LINES / 2)) 100 port --tls \"\$PEM\" & wait_file port
    websocat -k -U -B 131072 \"wss://127.0.0.1:\$(cat port)/\" >/dev/null; wait" websocat python3 openssl
# The close frame that the pump waits for is sent in the middle.
contender 'the bytes alone, through OpenSSL' "
    \"\$WS_PUMP\" $((LINES / 2)) 100 port --tls \"\$PEM\" & wait_file port
    { printf %s \"\$WS_HELLO\"; sleep 0.1; printf '\\210'; } |
        openssl s_client -quiet -CAfile \"\$PEM\" -connect \"127.0.0.1:\$(cat port)\" >/dev/null 2>&1 || true; wait" openssl python3

# The pump's time is in both; what it sends is compressed beforehand.
row 'compressed WebSocket messages of 64 KiB' '≤ 1.5 × inflating alone'
amount $((LINES / 500 * 65536)) $((LINES / 500))
contender 'ws-source' "
    \"\$WS_PUMP\" $((LINES / 500)) 65536 port --deflate \"\$TEXT\" & wait_file port
    ws-source --retry 0 \"ws://127.0.0.1:\$(cat port)/\" >/dev/null; wait" ws-source python3
contender 'inflating alone' "
    \"\$WS_PUMP\" $((LINES / 500)) 65536 port --deflate \"\$TEXT\" --inflate" python3
