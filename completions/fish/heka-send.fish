complete -c heka-send -s i -l input -d 'Input format' -r -f -a "auto\t'Recognised by the first record'
heka\t'Framed messages'
lines\t'Lines, one message each'"
complete -c heka-send -s o -l output -d 'Output format' -r -f -a "heka\t'Framed messages'
payload\t'Payloads, one a line'
raw\t'The bytes unchanged'"
complete -c heka-send -l newlines -d 'When to add a newline to a payload (with -o payload) [default: auto]' -r -f -a "auto\t'If it has none of its own'
always\t'Always (`PayloadEncoder`\'s `append_newlines = true`)'
never\t'Never (`append_newlines = false`)'"
complete -c heka-send -l to -d 'Send to the first address that answers, or to all' -r -f -a "first\t'One of them, the first that answers'
all\t'Every one'"
complete -c heka-send -s n -l max-count -d 'Stop after NUM messages' -r
complete -c heka-send -l max-record -d 'Longest message to accept' -r
complete -c heka-send -l message-limit -d 'Longest message made of text; Heka\'s own limit' -r
complete -c heka-send -l rate -d 'Send at most NUM messages a second' -r
complete -c heka-send -s s -l source -d 'Connect from this address' -r
complete -c heka-send -l ack -d 'When a message counts as delivered [default: kernel, or peer for exec:]' -r -f -a "none\t'When it is written to the connection'
kernel\t'When the peer\'s kernel has it'
peer\t'When heka-listen --ack has passed it on'"
complete -c heka-send -l commit -d 'Store the source\'s position in FILE as messages are delivered' -r -F
complete -c heka-send -l in-flight -d 'Limit on unacknowledged data' -r
complete -c heka-send -l resend -d 'Resend up to SIZE of acknowledged data after a failure' -r
complete -c heka-send -l refused -d 'What to do with messages the receiver refuses' -r -f -a "stop\t'Exit with status 1 before it'
skip\t'Skip it; status 1 at the end'"
complete -c heka-send -l refused-file -d 'Append refused messages to FILE and skip them' -r -F
complete -c heka-send -l linger -d 'Time to wait for final acknowledgements [default: 10s]' -r
complete -c heka-send -l write-timeout -d 'Drop a connection that stalls for DURATION' -r
complete -c heka-send -l reconnect-after -d 'Reconnect after NUM messages (0: never)' -r
complete -c heka-send -l queue -d 'Store messages in DIR until they are delivered' -r -f -a "(__fish_complete_directories)"
complete -c heka-send -l queue-size -d 'Maximum queue size' -r
complete -c heka-send -l queue-full -d 'What to do when the queue is full' -r -f -a "block\t'Stop reading until there is room'
drop-oldest\t'Drop the oldest messages, with a warning'
exit\t'Exit with status 1'"
complete -c heka-send -l queue-file-size -d 'Size of one queue file' -r
complete -c heka-send -l signer -d 'Sign messages as NAME' -r
complete -c heka-send -l signer-version -d 'Version of the signer\'s key' -r
complete -c heka-send -l hmac-hash -d 'Hash function for signatures' -r -f -a "md5\t'HMAC-MD5'
sha1\t'HMAC-SHA1'"
complete -c heka-send -l hmac-key-file -d 'File containing the key (-: standard input)' -r -F
complete -c heka-send -s w -l connect-timeout -d 'Connection timeout' -r
complete -c heka-send -s x -l proxy -d 'HTTP or SOCKS5 proxy to connect through' -r -f
complete -c heka-send -l idle-timeout -d 'Close connections idle for DURATION' -r
complete -c heka-send -l keepalive -d 'Enable TCP keepalive' -r
complete -c heka-send -l retry -d 'Number of retries, or \'forever\' [default: forever]' -r
complete -c heka-send -l retry-delay -d 'Delay before the first retry [default: 250ms]' -r
complete -c heka-send -l retry-growth -d 'Factor by which the delay grows [default: 2]' -r
complete -c heka-send -l retry-max-delay -d 'Maximum delay between retries [default: 30s]' -r
complete -c heka-send -l retry-jitter -d 'Maximum random time added to each delay [default: 500ms]' -r
complete -c heka-send -l ca-file -d 'Trust only the CAs in this file' -r -F
complete -c heka-send -l cert -d 'Client certificate to present' -r -F
complete -c heka-send -l key -d 'Private key, if not in the certificate\'s file' -r -F
complete -c heka-send -l server-name -d 'Name to expect in the server certificate' -r
complete -c heka-send -l tls-min -d 'Minimum TLS version' -r -f -a "1.2\t'TLS 1.2 (RFC 5246)'
1.3\t'TLS 1.3 (RFC 8446)'"
complete -c heka-send -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c heka-send -l stats -d 'Print statistics on exit: text or json' -r -f -a "text\t'One line for people'
json\t'One JSON object'"
complete -c heka-send -l stats-every -d 'Print statistics every DURATION' -r
complete -c heka-send -l metrics -d 'Write metrics for Prometheus to FILE[,PERIOD]' -r -F
complete -c heka-send -l log-format -d 'Format of messages on stderr' -r -f -a "auto\t'With priorities if stderr is the journal, else text'
text\t'PROGRAM: SUBJECT: CAUSE'
json\t'One JSON object a line'"
complete -c heka-send -s 0 -l null -d 'Text records end with NUL'
complete -c heka-send -l check -d 'Connect, print what is at each address, and send nothing'
complete -c heka-send -l no-framing -d 'Send each message as a datagram without a frame'
complete -c heka-send -s T -l tee -d 'Copy the input to standard output'
complete -c heka-send -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c heka-send -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c heka-send -l no-proxy -d 'Ignore proxy settings in the environment'
complete -c heka-send -l tls -d 'Use TLS on TCP addresses'
complete -c heka-send -s k -l insecure -d 'Do not verify the server certificate'
complete -c heka-send -s q -l quiet -d 'Print only errors'
complete -c heka-send -s v -l verbose -d 'Print more detail (repeatable)'
complete -c heka-send -l progress -d 'Show progress on a terminal'
complete -c heka-send -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heka-send -s V -l version -d 'Print version'
