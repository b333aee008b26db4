complete -c heka-send -s i -l input -d 'What comes in' -r -f -a "auto\t'What the first record is'
heka\t'Framed messages'
lines\t'Lines, each to be a message'"
complete -c heka-send -s o -l output -d 'What goes out' -r -f -a "heka\t'Framed messages'
payload\t'Payloads, one a line'
raw\t'The bytes themselves'"
complete -c heka-send -l newlines -d 'When a payload gets a line end, with -o payload [default: auto]' -r -f -a "auto\t'If it has none of its own'
always\t'Always (`PayloadEncoder`\'s `append_newlines = true`)'
never\t'Never (`append_newlines = false`)'"
complete -c heka-send -l to -d 'With several addresses: the first that answers, or every one' -r -f -a "first\t'One of them, the first that answers'
all\t'Every one'"
complete -c heka-send -s n -l max-count -d 'Stop after so many messages' -r
complete -c heka-send -l max-message-size -d 'Longest message taken' -r
complete -c heka-send -l ack -d 'What counts as delivered' -r -f -a "none\t'What was written'
kernel\t'What the peer\'s kernel has'
peer\t'What heka-listen --ack has passed on'"
complete -c heka-send -l commit -d 'Store the source\'s position in FILE as messages are delivered' -r -F
complete -c heka-send -l in-flight -d 'Keep so much unconfirmed data at most' -r
complete -c heka-send -l resend -d 'Repeat so much confirmed data after a broken connection' -r
complete -c heka-send -l linger -d 'At the end, wait so long for the last confirmation' -r
complete -c heka-send -l write-timeout -d 'Give a connection up that takes nothing for so long' -r
complete -c heka-send -l reconnect-after -d 'Make a new connection after so many messages' -r
complete -c heka-send -l queue -d 'Put everything on disk in DIR before it is sent' -r -f -a "(__fish_complete_directories)"
complete -c heka-send -l queue-size -d 'Queue so much at most' -r
complete -c heka-send -l queue-full -d 'What to do when the queue is full' -r -f -a "block\t'Stop reading until there is room'
drop-oldest\t'Drop the oldest messages, with a warning'
exit\t'End with status 1'"
complete -c heka-send -l queue-file-size -d 'Begin a new file of the queue after so much' -r
complete -c heka-send -s s -l source -d 'Connect from this address' -r
complete -c heka-send -l ca-file -d 'Believe the CAs of this PEM file only' -r -F
complete -c heka-send -l cert -d 'Show this certificate to servers that ask' -r -F
complete -c heka-send -l key -d 'The certificate\'s key, if in another file' -r -F
complete -c heka-send -l server-name -d 'Expect this name in the server\'s certificate' -r
complete -c heka-send -l tls-min -d 'Oldest version of TLS to accept' -r -f -a "1.2\t'TLS 1.2 (RFC 5246)'
1.3\t'TLS 1.3 (RFC 8446)'"
complete -c heka-send -l signer -d 'Sign messages in this name' -r
complete -c heka-send -l signer-version -d 'Version of the signer\'s key' -r
complete -c heka-send -l hmac-hash -d 'Hash function of signatures' -r -f -a "md5\t'HMAC-MD5'
sha1\t'HMAC-SHA1'"
complete -c heka-send -l hmac-key-file -d 'File whose only line is the key; - is standard input' -r -F
complete -c heka-send -s w -l connect-timeout -d 'Give up an attempt to connect after that' -r
complete -c heka-send -s x -l proxy -d 'Connect through this HTTP or SOCKS5 proxy' -r -f
complete -c heka-send -l idle-timeout -d 'Close a connection where nothing happens for so long' -r
complete -c heka-send -l keepalive -d 'Let the system look whether idle peers are there' -r
complete -c heka-send -l retry -d 'Try again so often, or \'forever\'' -r
complete -c heka-send -l retry-delay -d 'Wait so long before the first retry' -r
complete -c heka-send -l retry-growth -d 'Make each wait longer by this factor' -r
complete -c heka-send -l retry-max-delay -d 'Wait no longer than this' -r
complete -c heka-send -l retry-jitter -d 'Add a random time of up to this to each wait' -r
complete -c heka-send -l color -d 'Colour what is told on a terminal' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c heka-send -s 0 -l null -d 'Records of text end with NUL'
complete -c heka-send -s T -l tee -d 'Copy what comes in to standard output'
complete -c heka-send -l tls -d 'Speak TLS on TCP addresses'
complete -c heka-send -s k -l insecure -d 'Believe any certificate, with a warning'
complete -c heka-send -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c heka-send -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c heka-send -l no-proxy -d 'Connect directly whatever the environment says'
complete -c heka-send -s q -l quiet -d 'Tell errors only'
complete -c heka-send -s v -l verbose -d 'Tell more (repeat for even more)'
complete -c heka-send -l stats -d 'Tell statistics at the end'
complete -c heka-send -l progress -d 'Show a live rate on a terminal'
complete -c heka-send -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heka-send -s V -l version -d 'Print version'
