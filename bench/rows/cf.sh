# From a log server to lines: what a busy app writes must cost little.

count=$((LINES / 10))
row 'log messages of an app (cf-tail)' '≥ 0.03 M/s'
amount $((count * 139)) "$count"
contender 'cf-tail' "
    $PWD/bench/loggregator $count ready & wait_file ready
    CF_ACCESS_TOKEN='bearer x' cf-tail --via legacy -a ws://\$(cat ready) app >/dev/null; wait" cf-tail python3
contender 'the same bytes to nc' "
    $PWD/bench/loggregator $count ready & wait_file ready
    printf 'GET / HTTP/1.1\\r\\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\\r\\n\\r\\n' |
        nc -N \$(tr : ' ' <ready) >/dev/null; wait" nc python3
