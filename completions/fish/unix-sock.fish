complete -c unix-sock -l type -d 'Kind of socket' -r -f -a "stream\t'Connections without record bounds'
dgram\t'Single datagrams'
seqpacket\t'Connections that keep record bounds'"
complete -c unix-sock -l framing -d 'How records stand on the socket' -r -f -a "lines\t'A newline ends a record'
null\t'NUL ends a record'
heka\t'Heka frames'
len16\t'Two bytes of length first'
len32\t'Four bytes of length first'
len64\t'Eight bytes of length first'
octet-count\t'The length in digits first, as in syslog over TCP'
none\t'Every read is a record'"
complete -c unix-sock -s d -l delimiter -d 'Byte that ends a record' -r
complete -c unix-sock -l stdio -d 'How records stand on stdin and stdout, if otherwise' -r -f -a "lines\t'A newline ends a record'
null\t'NUL ends a record'
heka\t'Heka frames'
len16\t'Two bytes of length first'
len32\t'Four bytes of length first'
len64\t'Eight bytes of length first'
octet-count\t'The length in digits first, as in syslog over TCP'
none\t'Every read is a record'"
complete -c unix-sock -s b -l buf-size -d 'Most bytes of one read; longest datagram' -r
complete -c unix-sock -l max-record -d 'Longest record taken' -r
complete -c unix-sock -s o -l output -d 'Form of the records on stdin and stdout' -r -f -a "payload\t'Payloads, one a line'
heka\t'Framed messages'
json\t'JSON, one object a line'
tag\t'The peer\'s number, a tab, the record'"
complete -c unix-sock -s n -l max-count -d 'End after NUM records from the socket' -r
complete -c unix-sock -l to -d 'Where records without a peer\'s number go' -r -f -a "all\t'To every connection'
last\t'To the newest connection'
origin\t'To the connection that sent the newest record'
none\t'Nowhere'"
complete -c unix-sock -s c -l exec -d 'Run a command for each connection' -r -f -a "(__fish_complete_command)"
complete -c unix-sock -l allow-uid -d 'Serve these users only, names or numbers' -r
complete -c unix-sock -l allow-gid -d 'Serve these groups only, names or numbers' -r
complete -c unix-sock -l max-conns -d 'Most connections at once; more wait' -r
complete -c unix-sock -l backlog -d 'Most connections that wait' -r
complete -c unix-sock -l queue-size -d 'What a peer may leave unread before its queue is full' -r
complete -c unix-sock -l queue-full -d 'What to do when one of several peers has a full queue' -r -f -a "block\t'Let standard input wait for the slowest'
drop\t'Drop the record for this peer'
close\t'Close the connection'"
complete -c unix-sock -l mode -d 'Mode of the socket, such as 600 or u=rw,go=' -r
complete -c unix-sock -l user -d 'Owner of the socket' -r -f -a "(__fish_complete_users)"
complete -c unix-sock -l group -d 'Group of the socket' -r
complete -c unix-sock -l ready-fd -d 'Write PATH to this descriptor when it is served' -r
complete -c unix-sock -s w -l connect-timeout -d 'Give up connecting after this time' -r
complete -c unix-sock -l linger -d 'After one side has ended, wait so long for the other' -r
complete -c unix-sock -l idle-timeout -d 'End a connection on which nothing moves for so long' -r
complete -c unix-sock -l timeout -d 'End after so long, whatever happens' -r
complete -c unix-sock -l retry -d 'Try again so often, or \'forever\'' -r
complete -c unix-sock -l retry-delay -d 'Wait so long before the first retry' -r
complete -c unix-sock -l retry-growth -d 'Make each wait longer by this factor' -r
complete -c unix-sock -l retry-max-delay -d 'Wait no longer than this' -r
complete -c unix-sock -l retry-jitter -d 'Add a random time of up to this to each wait' -r
complete -c unix-sock -l color -d 'Colour what is told on a terminal' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c unix-sock -s l -l listen -d 'Serve PATH instead of connecting to it'
complete -c unix-sock -s 1 -l once -d 'Serve one connection, then end'
complete -c unix-sock -s 0 -l null -d 'NUL ends a record'
complete -c unix-sock -l skip-empty -d 'Drop empty records'
complete -c unix-sock -l base64 -d 'Records on the socket are base64'
complete -c unix-sock -s j -l json -d 'The same as -o json'
complete -c unix-sock -l tag -d 'The same as -o tag'
complete -c unix-sock -l echo -d 'Send each record back to its sender'
complete -c unix-sock -l recv-only -d 'Only receive: read no standard input'
complete -c unix-sock -l send-only -d 'Only send: write no standard output'
complete -c unix-sock -s f -l force -d 'Replace PATH whatever it is'
complete -c unix-sock -l no-unlink -d 'Leave PATH at the end'
complete -c unix-sock -s E -l exit-on-eof -d 'Wait for no answer: end with stdin, close with the peer'
complete -c unix-sock -s u -l unbuffered -d 'Write each record at once'
complete -c unix-sock -s e -l exit-status -d 'Exit with 4 if nothing was written'
complete -c unix-sock -s q -l quiet -d 'Tell errors only'
complete -c unix-sock -s v -l verbose -d 'Tell more (repeat for even more)'
complete -c unix-sock -l stats -d 'Tell statistics at the end'
complete -c unix-sock -l progress -d 'Show a live rate on a terminal'
complete -c unix-sock -s h -l help -d 'Print help (see more with \'--help\')'
complete -c unix-sock -s V -l version -d 'Print version'
