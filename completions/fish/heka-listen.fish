complete -c heka-listen -s i -l input -d 'Input format' -r -f -a "auto\t'Recognised by each sender\'s first bytes'
heka\t'Framed messages'
lines\t'Lines, one message each'
syslog\t'Syslog messages: lines, or octet-counted'
gelf\t'GELF: JSON up to a NUL; in datagrams compressed or in chunks'
raw\t'Bytes, one message per read'"
complete -c heka-listen -l fields -d 'Fields that -o short and logfmt show: all, none or NAME,…' -r
complete -c heka-listen -l time -d 'Times of -o short: local, utc, iso, relative or none' -r -f -a "local\t''
utc\t''
iso\t''
relative\t''
none\t''"
complete -c heka-listen -l type -d 'Type of messages made of text [default: by transport]' -r
complete -c heka-listen -s n -l max-count -d 'Stop after NUM messages' -r
complete -c heka-listen -l max-record -d 'Longest message to accept' -r
complete -c heka-listen -l message-limit -d 'Longest message made of text; Heka\'s own limit' -r
complete -c heka-listen -l ack -d 'Acknowledge messages to senders that ask, when written' -r -f -a "write\t'They are written'
commit\t'A later stage has committed them to the file of --resume'"
complete -c heka-listen -l resume -d 'Acknowledge what later stages have committed to FILE' -r -F
complete -c heka-listen -l dedup -d 'Drop messages whose UUID is among the last N' -r
complete -c heka-listen -l write -d 'Append to FILE instead of standard output' -r -F
complete -c heka-listen -l mode -d 'Permissions of a new FILE, octal [default: 664 less the umask]' -r
complete -c heka-listen -l rotate -d 'Rotate FILE after SIZE bytes or DURATION' -r
complete -c heka-listen -l commit -d 'Store the source\'s position in FILE once messages are synced' -r -F
complete -c heka-listen -l hmac-keys -d 'Verify signatures with the keys in FILE' -r -F
complete -c heka-listen -l require-signer -d 'Accept only messages signed by NAME' -r
complete -c heka-listen -l max-conns -d 'Maximum number of connections; further ones wait' -r
complete -c heka-listen -l max-conns-per-peer -d 'Maximum number of connections of one host' -r
complete -c heka-listen -l max-memory -d 'Memory for unfinished records of all senders' -r
complete -c heka-listen -l record-timeout -d 'Close connections with a record unfinished for DURATION' -r
complete -c heka-listen -l backlog -d 'Length of the accept queue' -r
complete -c heka-listen -l ready-fd -d 'Write the bound addresses to descriptor FD when ready' -r
complete -c heka-listen -l receive-buffer -d 'Receive buffer for datagrams [default: the system\'s maximum]' -r
complete -c heka-listen -l idle-timeout -d 'Close connections idle for DURATION' -r
complete -c heka-listen -l keepalive -d 'Enable TCP keepalive' -r
complete -c heka-listen -l retry -d 'Number of retries, or \'forever\' [default: forever]' -r
complete -c heka-listen -l retry-delay -d 'Delay before the first retry [default: 250ms]' -r
complete -c heka-listen -l retry-growth -d 'Factor by which the delay grows [default: 2]' -r
complete -c heka-listen -l retry-max-delay -d 'Maximum delay between retries [default: 30s]' -r
complete -c heka-listen -l retry-jitter -d 'Maximum random time added to each delay [default: 500ms]' -r
complete -c heka-listen -l cert -d 'Server certificate, followed by its issuers\'' -r -F
complete -c heka-listen -l key -d 'Private key, if not in the certificate\'s file' -r -F
complete -c heka-listen -l client-ca -d 'Trust client certificates of the CAs in this file' -r -F
complete -c heka-listen -l client-auth -d 'Whether clients present a certificate [default: require with --client-ca, else none]' -r -f -a "none\t'Do not request one'
request\t'Request one; clients may omit it, but an invalid one is refused'
require\t'Require a valid one'"
complete -c heka-listen -l tls-min -d 'Minimum TLS version' -r -f -a "1.2\t'TLS 1.2 (RFC 5246)'
1.3\t'TLS 1.3 (RFC 8446)'"
complete -c heka-listen -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c heka-listen -l stats -d 'Print statistics on exit: text or json' -r -f -a "text\t'One line for people'
json\t'One JSON object'"
complete -c heka-listen -l stats-every -d 'Print statistics every DURATION' -r
complete -c heka-listen -l metrics -d 'Write metrics for Prometheus to FILE[,PERIOD]' -r -F
complete -c heka-listen -l log-format -d 'Format of messages on stderr' -r -f -a "auto\t'With priorities if stderr is the journal, else text'
text\t'PROGRAM: SUBJECT: CAUSE'
json\t'One JSON object a line'"
complete -c heka-listen -s o -l output -d 'Output format' -r -f -a "heka\t'Framed messages'
payload\t'Payloads, one a line'
json\t'JSON, one object a line'
text\t'Blocks of text, as heka-cat writes them'
short\t'One line a message, with the time of day'
short-iso\t'One line a message, with date and time'
logfmt\t'NAME=VALUE pairs, one message a line'
raw\t'The bytes unchanged'"
complete -c heka-listen -s j -l json -d 'The same as -o json'
complete -c heka-listen -l no-wrap -d 'Cut lines of -o short that are too long'
complete -c heka-listen -s 0 -l null -d 'Text records end with NUL'
complete -c heka-listen -l stdio -d 'Receive on standard input, answer on standard output'
complete -c heka-listen -s 1 -l once -d 'Accept one connection and exit when it closes'
complete -c heka-listen -l create-dirs -d 'Create missing directories of FILE'
complete -c heka-listen -l fsync -d 'Sync the file to disk after every write'
complete -c heka-listen -l no-verify -d 'Accept messages regardless of their signature'
complete -c heka-listen -l no-framing -d 'Each datagram is one message without a frame'
complete -c heka-listen -l tls -d 'Use TLS on TCP addresses'
complete -c heka-listen -s u -l unbuffered -d 'Write each record at once'
complete -c heka-listen -s e -l exit-status -d 'Exit with 4 if nothing was written'
complete -c heka-listen -s q -l quiet -d 'Print only errors'
complete -c heka-listen -s v -l verbose -d 'Print more detail (repeatable)'
complete -c heka-listen -l progress -d 'Show progress on a terminal'
complete -c heka-listen -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heka-listen -s V -l version -d 'Print version'
