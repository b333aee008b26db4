# From a file to a file's worth of bytes through a socket on this machine.

row 'file → TCP → text, four stages' '≤ 1.0 × cat | socat → socat | cat'
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
contender 'the bytes alone, four processes' '
    floor accept 3>port | floor copy >/dev/null & wait_file port
    floor copy <"$TEXT" | floor connect "$(cat port)"; wait' floor

# The daemons do not end by themselves: their time is until their output is as long.
wait_size() { until [ "$(stat -c %s "$1")" -ge "$2" ]; do sleep 0.01; done; }
export -f wait_size
row 'file → TCP → file' '≤ 0.077 × rsyslogd → rsyslogd; ≤ 0.025 × hekad → hekad'
amount "$FEWER_BYTES" "$FEWER_LINES"
contender 'tail | send → listen | decode' '
    heka-listen -1 127.0.0.1:0 --ready-fd 3 3>ready | heka-decode >out & wait_file ready
    heka-tail --no-follow "$FEWER" | heka-send "$(cat ready)"; wait
    [ "$(stat -c %s out)" = "$FEWER_BYTES" ]' heka-tail heka-send heka-listen heka-decode
contender 'rsyslogd → rsyslogd' '
    port=$(free_port); mkdir sender receiver; : >out
    cat >receiver.conf <<CONF
global(workDirectory="$PWD/receiver")
module(load="imtcp")
input(type="imtcp" port="$port" address="127.0.0.1" ruleset="all")
template(name="line" type="string" string="%msg%\n")
ruleset(name="all") { action(type="omfile" file="$PWD/out" template="line") }
CONF
    cat >sender.conf <<CONF
global(workDirectory="$PWD/sender")
module(load="imfile")
input(type="imfile" file="$FEWER" tag="bench:" ruleset="all")
ruleset(name="all") { action(type="omfwd" target="127.0.0.1" port="$port" protocol="tcp") }
CONF
    rsyslogd -n -i "$PWD/receiver.pid" -f receiver.conf & receiver=$!; wait_port $port
    rsyslogd -n -i "$PWD/sender.pid" -f sender.conf & sender=$!
    wait_size out "$FEWER_BYTES"; kill $sender $receiver; wait' rsyslogd
contender 'hekad → hekad' '
    port=$(free_port); mkdir logs; cp "$FEWER" logs/input.log; : >out
    cat >receiver.toml <<CONF
[hekad]
base_dir = "$PWD/receiver"
[TcpInput]
address = "127.0.0.1:$port"
[FileOutput]
message_matcher = "TRUE"
path = "$PWD/out"
encoder = "PayloadEncoder"
[PayloadEncoder]
append_newlines = false
CONF
    cat >sender.toml <<CONF
[hekad]
base_dir = "$PWD/sender"
[LogstreamerInput]
log_directory = "$PWD/logs"
file_match = "input[.]log"
[TcpOutput]
message_matcher = "TRUE"
address = "127.0.0.1:$port"
CONF
    hekad -config=receiver.toml & receiver=$!; wait_port $port
    hekad -config=sender.toml & sender=$!
    wait_size out "$FEWER_BYTES"; kill $sender $receiver; wait' hekad

row 'messages through a socket (heka-send, heka-listen)' '≤ 1 × socat → socat; ≤ 1 × nc → nc'
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
contender 'the bytes alone' '
    floor accept 3>port >/dev/null & wait_file port; floor connect "$(cat port)" <"$FRAMES"; wait' floor

row 'acknowledged by the receiver (--ack=peer)' '≤ 1.05 × without'
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
contender 'the bytes alone, to a file and from it' '
    floor accept 3>port >/dev/null & wait_file port
    floor copy <"$FRAMES" >queue; floor connect "$(cat port)" <queue; wait' floor

# What the disk costs at least: a loop that does nothing but read a block, sum it up, write it over the
# same quarter of a MiB of a file, and send it. More than this ratio is ours.
row 'what a bare loop adds that writes to disk before it sends' ''
amount "$FRAMES_BYTES" "$LINES"
contender 'read, sum, write, send → heka-listen' '
    heka-listen -1 127.0.0.1:0 --ready-fd 3 3>ready >/dev/null & wait_file ready
    floor store "$(cut -d: -f2 ready)" file <"$FRAMES"; wait' floor heka-listen
contender 'read, send' '
    heka-listen -1 127.0.0.1:0 --ready-fd 3 3>ready >/dev/null & wait_file ready
    floor store "$(cut -d: -f2 ready)" <"$FRAMES"; wait' floor heka-listen
