complete -c cf-tail -s a -l endpoint -d 'URL of the log server [default: from cf\'s configuration]' -r -f
complete -c cf-tail -l via -d 'Server generation' -r -f -a "auto\t'The youngest that is known and answers'
legacy\t'loggregator of 2013 to 2016'
v1\t'The traffic controller (doppler)'
rlp\t'The RLP gateway (log-stream)'
log-cache\t'log-cache'"
complete -c cf-tail -l firehose -d 'Read the firehose as SUBSCRIPTION' -r
complete -c cf-tail -l org -d 'Org of --space, if not the one that cf targets' -r
complete -c cf-tail -l space -d 'Space of the apps, if not the one that cf targets' -r
complete -c cf-tail -l keepalive -d 'Keepalive interval (legacy)' -r
complete -c cf-tail -l delay -d 'How late lines may arrive (log-cache)' -r
complete -c cf-tail -l max-record -d 'Longest message to accept' -r
complete -c cf-tail -s f -l follow -d 'Follow, also after --recent; \'forever\' if the server ends' -r -f -a "yes\t'Until the server ends the stream'
forever\t'Reconnect when the server ends the stream'"
complete -c cf-tail -s n -l lines -d 'Print only the last NUM messages (implies --recent)' -r
complete -c cf-tail -l max-count -d 'Stop after NUM messages' -r
complete -c cf-tail -l since -d 'Only messages of the last DURATION (implies --recent)' -r
complete -c cf-tail -l start-time -d 'Only messages from TIME on (implies --recent)' -r
complete -c cf-tail -l end-time -d 'Only messages before TIME (implies --recent)' -r
complete -c cf-tail -l source -d 'Only these source types, such as APP or RTR' -r
complete -c cf-tail -l stream -d 'Only standard output or standard error' -r -f -a "out\t'Standard output'
err\t'Standard error'"
complete -c cf-tail -s t -l type -d 'Only these kinds [default: log, with --firehose any]' -r -f -a "log\t''
http\t''
value\t''
counter\t''
container\t''
gauge\t''
timer\t''
event\t''
error\t''
any\t''"
complete -c cf-tail -s c -l envelope-class -d 'Only kinds of this class' -r -f -a "logs\t'Lines and events'
metrics\t'Counters, gauges, timers and container metrics'
any\t'Everything'"
complete -c cf-tail -l name-filter -d 'Only metrics whose name matches REGEX' -r
complete -c cf-tail -l query -d 'Print log-cache\'s answer to a PromQL expression' -r
complete -c cf-tail -l step -d 'Resolution of --query over a range of time' -r
complete -c cf-tail -s o -l output -d 'Output format' -r -f -a "text\t'One line a message: time, source, OUT or ERR, text'
json\t'JSON, one object a line'
payload\t'Payloads, one a line'
heka\t'Framed messages'"
complete -c cf-tail -l cf-style -d 'Print lines exactly as cf version 7 or 6 does' -r -f -a "7\t'cf 6.27 and later'
6\t'cf 6.12 to 6.25'"
complete -c cf-tail -l new-line -d 'Print a newline for CHAR in payloads [default CHAR: U+2028]' -r
complete -c cf-tail -l time-zone -d 'Time zone of printed times' -r
complete -c cf-tail -l buffer -d 'Limit on output pending for a slow reader' -r
complete -c cf-tail -l token-file -d 'File containing the token (-: standard input)' -r -F
complete -c cf-tail -l token-command -d 'Command that prints a token, such as \'cf oauth-token\'' -r
complete -c cf-tail -l uaa -d 'URL of the UAA [default: from cf\'s configuration]' -r -f
complete -c cf-tail -l client-id -d 'Client of the UAA to get tokens as, such as a nozzle' -r
complete -c cf-tail -l client-secret-file -d 'File containing its secret (-: standard input)' -r -F
complete -c cf-tail -s w -l connect-timeout -d 'Connection timeout' -r
complete -c cf-tail -l idle-timeout -d 'Disconnect if no message arrives within DURATION' -r
complete -c cf-tail -l max-time -d 'Time limit for a request and its response (not a stream)' -r
complete -c cf-tail -s x -l proxy -d 'HTTP or SOCKS5 proxy to connect through' -r -f
complete -c cf-tail -l ca-file -d 'Trust only the CAs in this file' -r -F
complete -c cf-tail -l cert -d 'Client certificate to present' -r -F
complete -c cf-tail -l key -d 'Private key, if not in the certificate\'s file' -r -F
complete -c cf-tail -l server-name -d 'Name to expect in the server certificate' -r
complete -c cf-tail -l tls-min -d 'Minimum TLS version' -r -f -a "1.2\t'TLS 1.2 (RFC 5246)'
1.3\t'TLS 1.3 (RFC 8446)'"
complete -c cf-tail -l retry -d 'Number of retries, or \'forever\' [default: 0]' -r
complete -c cf-tail -l retry-delay -d 'Delay before the first retry [default: 500ms]' -r
complete -c cf-tail -l retry-growth -d 'Factor by which the delay grows [default: 2]' -r
complete -c cf-tail -l retry-max-delay -d 'Maximum delay between retries [default: 1m]' -r
complete -c cf-tail -l retry-jitter -d 'Maximum random time added to each delay [default: 500ms]' -r
complete -c cf-tail -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c cf-tail -l stats -d 'Print statistics on exit: text or json' -r -f -a "text\t'One line for people'
json\t'One JSON object'"
complete -c cf-tail -l stats-every -d 'Print statistics every DURATION' -r
complete -c cf-tail -l metrics -d 'Write metrics for Prometheus to FILE[,PERIOD]' -r -F
complete -c cf-tail -l log-format -d 'Format of messages on stderr' -r -f -a "auto\t'With priorities if stderr is the journal, else text'
text\t'PROGRAM: SUBJECT: CAUSE'
json\t'One JSON object a line'"
complete -c cf-tail -l recent -d 'Print the logs that the server has kept'
complete -c cf-tail -l sort -d 'Sort the messages of --recent by time (default)'
complete -c cf-tail -l no-sort -d 'Keep the server\'s order'
complete -c cf-tail -l container-metrics -d 'Print the resource usage of the app\'s instances'
complete -c cf-tail -l meta -d 'Print what log-cache holds for each source'
complete -c cf-tail -s j -l json -d 'JSON, one object a line; the same as -o json'
complete -c cf-tail -s 0 -l null -d 'Payloads end with NUL'
complete -c cf-tail -l raw -d 'Print control characters to a terminal'
complete -c cf-tail -l force -d 'Accept secret files that others can read or change'
complete -c cf-tail -l save-tokens -d 'Store refreshed tokens in cf\'s config.json'
complete -c cf-tail -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c cf-tail -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c cf-tail -l no-proxy -d 'Ignore proxy settings in the environment'
complete -c cf-tail -l legacy-proxy -d 'Use HTTP_PROXY for private connections too'
complete -c cf-tail -l skip-ssl-validation -d 'The same as --insecure'
complete -c cf-tail -l honour-ssl-disabled -d 'Skip verification if config.json says so'
complete -c cf-tail -l trace -d 'Print requests and responses, without secrets'
complete -c cf-tail -s k -l insecure -d 'Do not verify the server certificate'
complete -c cf-tail -s u -l unbuffered -d 'Write each record at once'
complete -c cf-tail -s e -l exit-status -d 'Exit with 4 if nothing was written'
complete -c cf-tail -s q -l quiet -d 'Print only errors'
complete -c cf-tail -s v -l verbose -d 'Print more detail (repeatable)'
complete -c cf-tail -l progress -d 'Show progress on a terminal'
complete -c cf-tail -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cf-tail -s V -l version -d 'Print version'
