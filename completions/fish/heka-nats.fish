complete -c heka-nats -l in-flight -d 'Limit on unacknowledged data' -r
complete -c heka-nats -l user -d 'User name' -r
complete -c heka-nats -l password-file -d 'File with the user\'s password' -r -F
complete -c heka-nats -l creds -d 'Credentials file: a token and its key' -r -F
complete -c heka-nats -l nkey -d 'File with the seed of an nkey' -r -F
complete -c heka-nats -s w -l connect-timeout -d 'Connection timeout' -r
complete -c heka-nats -s x -l proxy -d 'HTTP or SOCKS5 proxy to connect through' -r -f
complete -c heka-nats -l keepalive -d 'Enable TCP keepalive' -r
complete -c heka-nats -l retry -d 'Number of retries, or \'forever\' [default: forever]' -r
complete -c heka-nats -l retry-delay -d 'Delay before the first retry [default: 250ms]' -r
complete -c heka-nats -l retry-growth -d 'Factor by which the delay grows [default: 2]' -r
complete -c heka-nats -l retry-max-delay -d 'Maximum delay between retries [default: 30s]' -r
complete -c heka-nats -l retry-jitter -d 'Maximum random time added to each delay [default: 500ms]' -r
complete -c heka-nats -l ca-file -d 'Trust only the CAs in this file' -r -F
complete -c heka-nats -l cert -d 'Client certificate to present' -r -F
complete -c heka-nats -l key -d 'Private key, if not in the certificate\'s file' -r -F
complete -c heka-nats -l server-name -d 'Name to expect in the server certificate' -r
complete -c heka-nats -l tls-min -d 'Minimum TLS version' -r -f -a "1.2\t'TLS 1.2 (RFC 5246)'
1.3\t'TLS 1.3 (RFC 8446)'"
complete -c heka-nats -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c heka-nats -l stats -d 'Print statistics on exit: text or json' -r -f -a "text\t'One line for people'
json\t'One JSON object'"
complete -c heka-nats -l stats-every -d 'Print statistics every DURATION' -r
complete -c heka-nats -l metrics -d 'Write metrics for Prometheus to FILE[,PERIOD]' -r -F
complete -c heka-nats -l log-format -d 'Format of messages on stderr' -r -f -a "auto\t'With priorities if stderr is the journal, else text'
text\t'PROGRAM: SUBJECT: CAUSE'
json\t'One JSON object a line'"
complete -c heka-nats -l idle-timeout -d 'Close connections idle for DURATION' -r
complete -c heka-nats -s r -l read -d 'Read from the broker'
complete -c heka-nats -l no-follow -d 'Read to the end as it was at the start, then exit'
complete -c heka-nats -l ack -d 'Exchange acknowledgements on standard input and output'
complete -c heka-nats -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c heka-nats -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c heka-nats -l no-proxy -d 'Ignore proxy settings in the environment'
complete -c heka-nats -s k -l insecure -d 'Do not verify the server certificate'
complete -c heka-nats -s q -l quiet -d 'Print only errors'
complete -c heka-nats -s v -l verbose -d 'Print more detail (repeatable)'
complete -c heka-nats -l progress -d 'Show progress on a terminal'
complete -c heka-nats -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heka-nats -s V -l version -d 'Print version'
