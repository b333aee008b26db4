# Through Kafka on this machine: heka-kafka alone, and behind heka-send. The broker is tansu, which keeps
# everything in memory. kcat, whose library is older than tansu understands, writes to librdkafka's
# mock cluster (HEKA_BINDIR/examples/kafka-mock: cargo build --release --examples of heka-kafka).

# tansu_broker PORT: in the background.
tansu_broker() {
    tansu broker --silent --listener-url "tcp://127.0.0.1:$1" --advertised-listener-url "tcp://127.0.0.1:$1" \
        --storage-engine memory://tansu/ >/dev/null 2>&1 &
    wait_port "$1"
}
# mock_broker [PARTITIONS]: in the background; its address is in the file mock.
mock_broker() {
    mkfifo stdin
    kafka-mock 1 <stdin >mock &
    exec 9>stdin
    wait_file mock
    echo "topic t ${1:-1}" >&9
    until grep -q ok mock; do sleep 0.001; done
}
export -f tansu_broker mock_broker
PATH=$PATH:$(dirname "$(command -v heka-kafka || echo .)")/examples

row 'messages to Kafka, acks=all, idempotent' '≥ 0.25 M/s'
amount "$FRAMES_BYTES" "$LINES"
contender 'heka-kafka' '
    port=$(free_port); tansu_broker $port
    heka-kafka "kafka://127.0.0.1:$port/t" <"$FRAMES"; kill %1' heka-kafka tansu
contender 'heka-send kafka://' '
    port=$(free_port); tansu_broker $port
    heka-send "kafka://127.0.0.1:$port/t" <"$FRAMES"; kill %1' heka-kafka heka-send tansu

row 'lines to a mock broker, acks=all' '≤ 1.0 × kcat -P'
amount "$TEXT_BYTES" "$LINES"
contender 'heka-kafka, form=payload' '
    mock_broker
    heka-kafka "kafka://$(head -n 1 mock)/t?form=payload&enable.idempotence=false" <"$TEXT"; kill %1' heka-kafka kafka-mock
contender 'kcat -P' '
    mock_broker
    kcat -q -b "$(head -n 1 mock)" -P -t t -X acks=all -X linger.ms=5 \
        -X queue.buffering.max.messages=1000000 <"$TEXT"; kill %1' kcat kafka-mock

row 'messages from Kafka' '≥ 0.5 M/s'
amount "$FRAMES_BYTES" "$LINES"
server=
if selected && command -v heka-kafka >/dev/null && command -v tansu >/dev/null; then
    KAFKA_PORT=$(free_port)
    export KAFKA_PORT
    tansu_broker "$KAFKA_PORT"
    server=$!
    heka-kafka "kafka://127.0.0.1:$KAFKA_PORT/t" <"$FRAMES"
fi
contender 'heka-kafka --read' '
    heka-kafka -r --no-follow "kafka://127.0.0.1:$KAFKA_PORT/t?from=begin" >/dev/null' heka-kafka tansu
if python3 -c 'import confluent_kafka' 2>/dev/null; then
    contender 'confluent-kafka (Python)' '
        python3 '"$PWD"'/bench/kafka-read 127.0.0.1:$KAFKA_PORT t '"$LINES" tansu python3
fi
end_row
[ -z "$server" ] || kill "$server"

# It keeps five megabytes of a partition, so there are many.
row 'lines from a mock broker' '≤ 1.0 × kcat -C'
amount "$FEWER_BYTES" "$FEWER_LINES"
server=
if selected && command -v kafka-mock >/dev/null; then
    cd "$WORK"
    mock_broker 64
    server=$!
    cd - >/dev/null
    KAFKA_MOCK=$(head -n 1 "$WORK/mock")
    export KAFKA_MOCK
    heka-kafka "kafka://$KAFKA_MOCK/t?form=payload&enable.idempotence=false" <"$FEWER"
fi
contender 'heka-kafka --read' '
    heka-kafka -r --no-follow "kafka://$KAFKA_MOCK/t?from=begin" >/dev/null' heka-kafka kafka-mock
contender 'kcat -C' '
    kcat -q -b "$KAFKA_MOCK" -C -t t -e >/dev/null' kcat kafka-mock
end_row
[ -z "$server" ] || { exec 9>&-; kill "$server"; }
