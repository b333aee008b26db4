# Messages of a WebSocket server to a file's worth of bytes. The server sends ready-made frames.

export WS_PUMP=$PWD/bench/ws-pump

row '1,000,000 WebSocket messages of 100 bytes' "≥ 8 × websocat's messages per second"
amount 100000000 1000000
contender 'ws-source' '
    "$WS_PUMP" 1000000 100 port & wait_file port
    ws-source --retry 0 "ws://127.0.0.1:$(cat port)/" >/dev/null; wait' ws-source python3
contender 'websocat' '
    "$WS_PUMP" 1000000 100 port & wait_file port
    websocat -U -B 131072 "ws://127.0.0.1:$(cat port)/" >/dev/null; wait' websocat python3

row '40,000 WebSocket messages of 64 KiB' '≥ 1 GB/s'
amount 2621440000 40000
contender 'ws-source' '
    "$WS_PUMP" 40000 65536 port & wait_file port
    ws-source --retry 0 "ws://127.0.0.1:$(cat port)/" >/dev/null; wait' ws-source python3
contender 'websocat' '
    "$WS_PUMP" 40000 65536 port & wait_file port
    websocat -U -B 131072 "ws://127.0.0.1:$(cat port)/" >/dev/null; wait' websocat python3
