# Through NATS JetStream on this machine: heka-nats alone, and behind heka-send and heka-listen.

nats_server() {
    nats-server -a 127.0.0.1 -p "$1" -js -sd streams >/dev/null 2>&1 &
    wait_port "$1"
}
export -f nats_server
# The nats CLI comes from neither Debian, PyPI nor crates.io; Python's client has one interpreter here.
NATS_CLIENT=
! /usr/bin/python3 -c 'import nats' 2>/dev/null || NATS_CLIENT="/usr/bin/python3 $PWD/bench/nats-client"

row 'messages to NATS JetStream, batches' '≥ 0.5 M/s'
amount "$FRAMES_BYTES" "$LINES"
contender 'heka-nats, form=framed' '
    port=$(free_port); nats_server $port
    heka-nats "nats://127.0.0.1:$port/s?create=R1&stream=S&form=framed" <"$FRAMES"; kill %1' heka-nats nats-server
contender 'heka-send nats://, form=framed' '
    port=$(free_port); nats_server $port
    heka-send "nats://127.0.0.1:$port/s?create=R1&stream=S&form=framed" <"$FRAMES"; kill %1' heka-nats heka-send nats-server
[ -z "$NATS_CLIENT" ] || contender 'nats-py (Python)' '
    port=$(free_port); nats_server $port
    '"$NATS_CLIENT"' nats://127.0.0.1:$port write "$FRAMES"; kill %1' nats-server python3

row 'messages from NATS JetStream, batches' '≥ 0.5 M/s'
amount "$FRAMES_BYTES" "$LINES"
server=
if selected && command -v heka-nats >/dev/null && command -v nats-server >/dev/null; then
    NATS_PORT=$(free_port)
    export NATS_PORT
    (cd "$WORK" && exec nats-server -a 127.0.0.1 -p "$NATS_PORT" -js -sd streams >/dev/null 2>&1) &
    server=$!
    wait_port "$NATS_PORT"
    heka-nats "nats://127.0.0.1:$NATS_PORT/s?create=R1&stream=S&form=framed" <"$FRAMES"
fi
contender 'heka-nats --read' '
    heka-nats -r --no-follow "nats://127.0.0.1:$NATS_PORT/S?from=begin" >/dev/null' heka-nats nats-server
contender 'heka-nats --read, durable' '
    heka-nats -r --no-follow "nats://127.0.0.1:$NATS_PORT/S?durable=d$BASHPID" >/dev/null' heka-nats nats-server
[ -z "$NATS_CLIENT" ] || contender 'nats-py (Python)' '
    '"$NATS_CLIENT"' nats://127.0.0.1:$NATS_PORT read' nats-server python3
end_row
[ -z "$server" ] || kill "$server"
