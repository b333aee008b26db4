complete -c cf-tail -s a -l endpoint -d 'Log server, if not the one that cf knows' -r -f
complete -c cf-tail -l via -d 'Generation of servers to speak to' -r -f -a "auto\t'The youngest that is known and answers'
legacy\t'loggregator of 2013 to 2016'
v1\t'The traffic controller (doppler)'
rlp\t'The RLP gateway (log-stream)'
log-cache\t'log-cache'"
complete -c cf-tail -l firehose -d 'Read the firehose, shared by one subscription' -r
complete -c cf-tail -l keepalive -d 'Tell the server so often that we are there (legacy)' -r
complete -c cf-tail -l delay -d 'Expect lines so late (log-cache)' -r
complete -c cf-tail -l max-message -d 'Longest message taken' -r
complete -c cf-tail -s f -l follow -d 'Follow, behind --recent too; \'forever\' also when the server ends the stream' -r -f -a "yes\t'Until the server ends the stream'
forever\t'Begin anew when the server ends it'"
complete -c cf-tail -s n -l lines -d 'Write only the last NUM of --recent' -r
complete -c cf-tail -l max-count -d 'Stop after NUM messages' -r
complete -c cf-tail -l source -d 'Only from these, such as APP or RTR' -r
complete -c cf-tail -l stream -d 'Only what the app wrote there' -r -f -a "out\t'Standard output'
err\t'Standard error'"
complete -c cf-tail -l type -d 'Only these kinds [default: log, with --firehose any]' -r -f -a "log\t''
http\t''
value\t''
counter\t''
container\t''
gauge\t''
timer\t''
event\t''
error\t''
any\t''"
complete -c cf-tail -s o -l output -d 'Form of the output' -r -f -a "text\t'Blocks of text, as heka-cat writes them'
json\t'JSON, one object a line'
payload\t'Payloads, one a line'
heka\t'Framed messages'"
complete -c cf-tail -l cf-style -d 'Lines exactly as cf writes them, of version 7 or 6' -r -f -a "7\t'cf 6.27 and later'
6\t'cf 6.12 to 6.25'"
complete -c cf-tail -l time-zone -d 'Zone of times in text' -r
complete -c cf-tail -l buffer -d 'Keep so much for a slow reader' -r
complete -c cf-tail -l token-file -d 'Read the token from there; - is standard input' -r -F
complete -c cf-tail -l token-command -d 'Run this for a token, such as \'cf oauth-token\'' -r
complete -c cf-tail -s w -l connect-timeout -d 'Give up an attempt to connect after that' -r
complete -c cf-tail -l idle-timeout -d 'Give up a stream where nothing comes for so long' -r
complete -c cf-tail -s x -l proxy -d 'Connect through this HTTP or SOCKS5 proxy' -r -f
complete -c cf-tail -l ca-file -d 'Believe the CAs of this PEM file only' -r -F
complete -c cf-tail -l cert -d 'Show this certificate to servers that ask' -r -F
complete -c cf-tail -l key -d 'The certificate\'s key, if in another file' -r -F
complete -c cf-tail -l server-name -d 'Expect this name in the server\'s certificate' -r
complete -c cf-tail -l tls-min -d 'Oldest version of TLS to accept' -r -f -a "1.2\t'TLS 1.2 (RFC 5246)'
1.3\t'TLS 1.3 (RFC 8446)'"
complete -c cf-tail -l retry -d 'Try again so often, or \'forever\'' -r
complete -c cf-tail -l retry-delay -d 'Wait so long before the first retry' -r
complete -c cf-tail -l retry-growth -d 'Make each wait longer by this factor' -r
complete -c cf-tail -l retry-max-delay -d 'Wait no longer than this' -r
complete -c cf-tail -l retry-jitter -d 'Add a random time of up to this to each wait' -r
complete -c cf-tail -l color -d 'Colour what is told on a terminal' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c cf-tail -l recent -d 'Write what the server has kept'
complete -c cf-tail -l sort -d 'Sort what --recent gives by time'
complete -c cf-tail -l no-sort -d 'Leave it in the server\'s order'
complete -c cf-tail -l container-metrics -d 'Write what the app\'s instances use (v1)'
complete -c cf-tail -l meta -d 'Tell what log-cache keeps of each source'
complete -c cf-tail -s j -d 'JSON, one object a line'
complete -c cf-tail -s 0 -l null -d 'Payloads end with NUL'
complete -c cf-tail -l raw -d 'Pass control characters on to a terminal'
complete -c cf-tail -l force -d 'Accept secret files that others can read or change'
complete -c cf-tail -l save-tokens -d 'Store refreshed tokens in cf\'s config.json'
complete -c cf-tail -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c cf-tail -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c cf-tail -l no-proxy -d 'Connect directly whatever the environment says'
complete -c cf-tail -l legacy-proxy -d 'Use HTTP_PROXY for private connections too'
complete -c cf-tail -l skip-ssl-validation -d 'Same as --insecure'
complete -c cf-tail -l honour-ssl-disabled -d 'Believe any certificate if cf was told to'
complete -c cf-tail -l trace -d 'Show requests and answers, but no secrets'
complete -c cf-tail -s k -l insecure -d 'Believe any certificate, with a warning'
complete -c cf-tail -s u -l unbuffered -d 'Write each record at once'
complete -c cf-tail -s e -l exit-status -d 'Exit with 4 if nothing was written'
complete -c cf-tail -s q -l quiet -d 'Tell errors only'
complete -c cf-tail -s v -l verbose -d 'Tell more (repeat for even more)'
complete -c cf-tail -l stats -d 'Tell statistics at the end'
complete -c cf-tail -l progress -d 'Show a live rate on a terminal'
complete -c cf-tail -s h -l help -d 'Print help (see more with \'--help\')'
complete -c cf-tail -s V -l version -d 'Print version'
