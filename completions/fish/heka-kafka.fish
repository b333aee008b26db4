complete -c heka-kafka -l in-flight -d 'Limit on unacknowledged data' -r
complete -c heka-kafka -s X -d 'Setting of the client library (repeatable)' -r
complete -c heka-kafka -l client-config -d 'File with settings of the client library' -r -F
complete -c heka-kafka -l user -d 'User name' -r
complete -c heka-kafka -l password-file -d 'File with the user\'s password' -r -F
complete -c heka-kafka -l sasl -d 'SASL mechanism' -r
complete -c heka-kafka -s w -l connect-timeout -d 'Connection timeout' -r
complete -c heka-kafka -l retry -d 'Number of retries, or \'forever\' [default: forever]' -r
complete -c heka-kafka -l retry-delay -d 'Delay before the first retry [default: 250ms]' -r
complete -c heka-kafka -l retry-growth -d 'Factor by which the delay grows [default: 2]' -r
complete -c heka-kafka -l retry-max-delay -d 'Maximum delay between retries [default: 30s]' -r
complete -c heka-kafka -l retry-jitter -d 'Maximum random time added to each delay [default: 500ms]' -r
complete -c heka-kafka -l ca-file -d 'Trust only the CAs in this file' -r -F
complete -c heka-kafka -l cert -d 'Client certificate to present' -r -F
complete -c heka-kafka -l key -d 'Private key, if not in the certificate\'s file' -r -F
complete -c heka-kafka -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c heka-kafka -l stats -d 'Print statistics on exit: text or json' -r -f -a "text\t'One line for people'
json\t'One JSON object'"
complete -c heka-kafka -l stats-every -d 'Print statistics every DURATION' -r
complete -c heka-kafka -l metrics -d 'Write metrics for Prometheus to FILE[,PERIOD]' -r -F
complete -c heka-kafka -l log-format -d 'Format of messages on stderr' -r -f -a "auto\t'With priorities if stderr is the journal, else text'
text\t'PROGRAM: SUBJECT: CAUSE'
json\t'One JSON object a line'"
complete -c heka-kafka -s r -l read -d 'Read from the broker'
complete -c heka-kafka -l no-follow -d 'Read to the end as it was at the start, then exit'
complete -c heka-kafka -l ack -d 'Exchange acknowledgements on standard input and output'
complete -c heka-kafka -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c heka-kafka -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c heka-kafka -l keepalive -d 'Enable TCP keepalive'
complete -c heka-kafka -s k -l insecure -d 'Do not verify server certificates'
complete -c heka-kafka -s q -l quiet -d 'Print only errors'
complete -c heka-kafka -s v -l verbose -d 'Print more detail (repeatable)'
complete -c heka-kafka -l progress -d 'Show progress on a terminal'
complete -c heka-kafka -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heka-kafka -s V -l version -d 'Print version'
