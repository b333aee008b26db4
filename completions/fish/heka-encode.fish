complete -c heka-encode -s i -l input -d 'Input format' -r -f -a "auto\t'Framed messages if it begins with one, else lines'
lines\t'Payloads'
json\t'Messages as heka-decode -j writes them; with --json-map any JSON'
logfmt\t'Pairs KEY=VALUE'
heka\t'Framed messages: parse, change or sign them'
whole\t'Each FILE is one payload'"
complete -c heka-encode -s d -l delimiter -d 'Byte that ends a record [default: \\n]' -r
complete -c heka-encode -s n -l max-count -d 'Stop after NUM records' -r
complete -c heka-encode -s o -l output -d 'Output format' -r -f -a "heka\t'Framed messages'
payload\t'Payloads, one a line'
json\t'JSON, one object a line'
text\t'Blocks of text, as heka-cat writes them'
short\t'One line a message, with the time of day'
short-iso\t'One line a message, with date and time'
logfmt\t'NAME=VALUE pairs, one message a line'"
complete -c heka-encode -l fields -d 'Fields that -o short and logfmt show: all, none or NAME,…' -r
complete -c heka-encode -l time -d 'Times of -o short: local, utc, iso, relative or none' -r -f -a "local\t''
utc\t''
iso\t''
relative\t''
none\t''"
complete -c heka-encode -l max-record -d 'Longest message to write' -r
complete -c heka-encode -l oversize -d 'What to do with longer messages [default: split]' -r -f -a "split\t'Continued in the next record; nothing is lost'
truncate\t'Only its beginning is delivered'
drop\t'Dropped'"
complete -c heka-encode -s t -l type -d 'Type of the messages' -r
complete -c heka-encode -s l -l logger -d 'Logger of the messages [default: heka-encode]' -r
complete -c heka-encode -s H -l hostname -d 'Hostname of the messages [default: this host\'s]' -r
complete -c heka-encode -s S -l severity -d 'Severity, a number or a name such as err [default: 7]' -r
complete -c heka-encode -l message-pid -d 'Pid of the messages' -r
complete -c heka-encode -l env-version -d 'Environment version of the messages' -r
complete -c heka-encode -s F -l field -d 'Add a field (repeatable)' -r
complete -c heka-encode -l timestamp -d 'Time of the messages: now, RFC 3339 or nanoseconds' -r
complete -c heka-encode -l uuid -d 'UUID of the messages: random or 32 hexadecimal digits' -r
complete -c heka-encode -l json-map -d 'Map JSON members to headers, as Payload=msg,Severity=level' -r
complete -c heka-encode -l logfmt -d 'Parse pairs KEY=VALUE; map keys to headers as --json-map' -r
complete -c heka-encode -l preset -d 'Parse records of known programs; help lists them' -r
complete -c heka-encode -l access-format -d 'Parse an access log by the format of the server' -r
complete -c heka-encode -l regex -d 'Parse records: named groups become headers and fields' -r
complete -c heka-encode -l regex-field -d 'Make a header or field from groups, as Payload=%rest%' -r
complete -c heka-encode -l from -d 'Of framed messages, parse this field or header' -r
complete -c heka-encode -l field-type -d 'Type of a parsed field, s, b, i, d or t (repeatable)' -r
complete -c heka-encode -l timestamp-format -d 'Format of times in the text (repeatable)' -r
complete -c heka-encode -l timestamp-zone -d 'Time zone of times without an offset [default: UTC]' -r
complete -c heka-encode -l year -d 'Year of times without one [default: the nearest]' -r
complete -c heka-encode -l severity-map -d 'Severity names, as fatal=0,W=warning' -r
complete -c heka-encode -l unparsed -d 'What to do with records that cannot be parsed' -r
complete -c heka-encode -l signer -d 'Sign messages as NAME' -r
complete -c heka-encode -l signer-version -d 'Version of the signer\'s key' -r
complete -c heka-encode -l hmac-hash -d 'Hash function for signatures' -r -f -a "md5\t'HMAC-MD5'
sha1\t'HMAC-SHA1'"
complete -c heka-encode -l hmac-key-file -d 'File containing the key (-: standard input)' -r -F
complete -c heka-encode -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c heka-encode -l stats -d 'Print statistics on exit: text or json' -r -f -a "text\t'One line for people'
json\t'One JSON object'"
complete -c heka-encode -l stats-every -d 'Print statistics every DURATION' -r
complete -c heka-encode -l metrics -d 'Write metrics for Prometheus to FILE[,PERIOD]' -r -F
complete -c heka-encode -l log-format -d 'Format of messages on stderr' -r -f -a "auto\t'With priorities if stderr is the journal, else text'
text\t'PROGRAM: SUBJECT: CAUSE'
json\t'One JSON object a line'"
complete -c heka-encode -s 0 -l null -d 'Records end with NUL'
complete -c heka-encode -l no-chomp -d 'Keep the delimiter at the end of the payload'
complete -c heka-encode -l skip-empty -d 'Skip empty records'
complete -c heka-encode -s j -l json -d 'The same as -o json'
complete -c heka-encode -l no-wrap -d 'Cut lines of -o short that are too long'
complete -c heka-encode -l no-framing -d 'Write messages without frames'
complete -c heka-encode -l strict -d 'Exit with 1 if a record cannot be parsed'
complete -c heka-encode -s u -l unbuffered -d 'Write each record at once'
complete -c heka-encode -s e -l exit-status -d 'Exit with 4 if nothing was written'
complete -c heka-encode -s q -l quiet -d 'Print only errors'
complete -c heka-encode -s v -l verbose -d 'Print more detail (repeatable)'
complete -c heka-encode -l progress -d 'Show progress on a terminal'
complete -c heka-encode -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heka-encode -s V -l version -d 'Print version'
