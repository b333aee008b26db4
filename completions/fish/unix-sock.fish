complete -c unix-sock -l type -d 'Socket type' -r -f -a "stream\t'Connections without record boundaries'
dgram\t'Single datagrams'
seqpacket\t'Connections that keep record boundaries'"
complete -c unix-sock -l framing -d 'Framing of records on the socket' -r -f -a "lines\t'A newline ends a record'
null\t'NUL ends a record'
heka\t'Heka frames'
len16\t'Two-byte length before each record'
len32\t'Four-byte length before each record'
len64\t'Eight-byte length before each record'
len16le\t'Two-byte length before each record, little-endian'
len32le\t'Four-byte length before each record, little-endian'
len64le\t'Eight-byte length before each record, little-endian'
octet-count\t'Decimal length before each record, as in syslog over TCP'
docker\t'Header of docker\'s attach stream before each record'
journal\t'An empty line ends an entry of journald\'s export format'
gelf\t'A datagram or several chunks are a record'
none\t'Every read is a record'"
complete -c unix-sock -s d -l delimiter -d 'Byte that ends a record' -r
complete -c unix-sock -l stdio -d 'Framing on standard input and output, if different' -r -f -a "lines\t'A newline ends a record'
null\t'NUL ends a record'
heka\t'Heka frames'
len16\t'Two-byte length before each record'
len32\t'Four-byte length before each record'
len64\t'Eight-byte length before each record'
len16le\t'Two-byte length before each record, little-endian'
len32le\t'Four-byte length before each record, little-endian'
len64le\t'Eight-byte length before each record, little-endian'
octet-count\t'Decimal length before each record, as in syslog over TCP'
docker\t'Header of docker\'s attach stream before each record'
journal\t'An empty line ends an entry of journald\'s export format'
gelf\t'A datagram or several chunks are a record'
none\t'Every read is a record'"
complete -c unix-sock -s o -l output -d 'Format of records on standard input and output' -r -f -a "payload\t'Payloads, one a line'
heka\t'Framed messages'
json\t'JSON, one object a line'
tag\t'The peer\'s number, a tab, the record'"
complete -c unix-sock -s n -l max-count -d 'Stop after NUM records from the socket' -r
complete -c unix-sock -l max-record -d 'Longest record to accept' -r
complete -c unix-sock -s b -l buf-size -d 'Read buffer size; longest datagram [default: 256K; with --framing none: 8K]' -r
complete -c unix-sock -l pack -d 'Send several records in a datagram of up to SIZE' -r
complete -c unix-sock -l compress -d 'Records on the socket are compressed' -r -f -a "gzip\t'RFC 1952'
zlib\t'RFC 1950'
zstd\t'RFC 8878'"
complete -c unix-sock -l to -d 'Destination of records without a peer number [default: all]' -r -f -a "all\t'All connections'
last\t'The newest connection'
origin\t'The connection that sent the newest record'
none\t'None'"
complete -c unix-sock -s c -l exec -d 'Run a command for each connection' -r -f -a "(__fish_complete_command)"
complete -c unix-sock -l allow-uid -d 'Serve only these users, by name or number' -r
complete -c unix-sock -l allow-gid -d 'Serve only these groups, by name or number' -r
complete -c unix-sock -l max-conns -d 'Maximum number of connections; further ones wait' -r
complete -c unix-sock -l backlog -d 'Length of the accept queue' -r
complete -c unix-sock -l max-memory -d 'Memory for unfinished records of all peers' -r
complete -c unix-sock -l queue-size -d 'Size of each peer\'s output queue' -r
complete -c unix-sock -l queue-full -d 'What to do when a peer\'s queue is full' -r -f -a "block\t'Let standard input wait for the slowest'
drop\t'Drop the record for this peer'
close\t'Close the connection'"
complete -c unix-sock -l mode -d 'Permissions of the socket, such as 600 or u=rw,go=' -r
complete -c unix-sock -l user -d 'Owner of the socket' -r -f -a "(__fish_complete_users)"
complete -c unix-sock -l group -d 'Group of the socket' -r
complete -c unix-sock -l ready-fd -d 'Write PATH to descriptor FD when ready' -r
complete -c unix-sock -s w -l connect-timeout -d 'Connection timeout' -r
complete -c unix-sock -l linger -d 'Time to wait for one side after the other has ended' -r
complete -c unix-sock -l idle-timeout -d 'Close connections idle for DURATION' -r
complete -c unix-sock -l record-timeout -d 'Close connections with a record unfinished for DURATION' -r
complete -c unix-sock -l timeout -d 'Exit after DURATION' -r
complete -c unix-sock -l retry -d 'Number of retries, or \'forever\' [default: 0]' -r
complete -c unix-sock -l retry-delay -d 'Delay before the first retry [default: 100ms]' -r
complete -c unix-sock -l retry-growth -d 'Factor by which the delay grows [default: 2]' -r
complete -c unix-sock -l retry-max-delay -d 'Maximum delay between retries [default: 30s]' -r
complete -c unix-sock -l retry-jitter -d 'Maximum random time added to each delay [default: 0]' -r
complete -c unix-sock -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c unix-sock -l stats -d 'Print statistics on exit: text or json' -r -f -a "text\t'One line for people'
json\t'One JSON object'"
complete -c unix-sock -l stats-every -d 'Print statistics every DURATION' -r
complete -c unix-sock -l metrics -d 'Write metrics for Prometheus to FILE[,PERIOD]' -r -F
complete -c unix-sock -l log-format -d 'Format of messages on stderr' -r -f -a "auto\t'With priorities if stderr is the journal, else text'
text\t'PROGRAM: SUBJECT: CAUSE'
json\t'One JSON object a line'"
complete -c unix-sock -s l -l listen -d 'Listen on PATH instead of connecting to it'
complete -c unix-sock -s 1 -l once -d 'Serve one connection and exit'
complete -c unix-sock -s 0 -l null -d 'NUL ends a record'
complete -c unix-sock -s j -l json -d 'The same as -o json'
complete -c unix-sock -l tag -d 'The same as -o tag'
complete -c unix-sock -l skip-empty -d 'Drop empty records'
complete -c unix-sock -l base64 -d 'Records on the socket are base64'
complete -c unix-sock -l echo -d 'Send each record back to its sender'
complete -c unix-sock -l recv-only -d 'Only receive: read no standard input'
complete -c unix-sock -l send-only -d 'Only send: write no standard output'
complete -c unix-sock -s f -l force -d 'Replace PATH even if it is not a socket'
complete -c unix-sock -l no-unlink -d 'Do not remove PATH on exit'
complete -c unix-sock -s E -l exit-on-eof -d 'Exit at the end of standard input without waiting'
complete -c unix-sock -s u -l unbuffered -d 'Write each record at once'
complete -c unix-sock -s e -l exit-status -d 'Exit with 4 if nothing was written'
complete -c unix-sock -s q -l quiet -d 'Print only errors'
complete -c unix-sock -s v -l verbose -d 'Print more detail (repeatable)'
complete -c unix-sock -l progress -d 'Show progress on a terminal'
complete -c unix-sock -s h -l help -d 'Print help (see more with \'--help\')'
complete -c unix-sock -s V -l version -d 'Print version'
