complete -c heka-decode -l fields -d 'Fields of -o short, logfmt, csv and tsv: all, none or NAME,…' -r
complete -c heka-decode -l time -d 'Times of -o short: local, utc, iso, relative or none' -r -f -a "local\t''
utc\t''
iso\t''
relative\t''
none\t''"
complete -c heka-decode -l template -d 'Fill in TEMPLATE for each message (implies -o template)' -r
complete -c heka-decode -l json-fields -d 'Whether JSON has fields as an object or as an array' -r -f -a "auto\t'An object if that loses nothing, else an array'
object\t'An object, fields of one name put together'
array\t'An array'"
complete -c heka-decode -l newlines -d 'When to add a newline to a payload [default: auto]' -r -f -a "auto\t'If it has none of its own'
always\t'Always (`PayloadEncoder`\'s `append_newlines = true`)'
never\t'Never (`append_newlines = false`)'"
complete -c heka-decode -l timestamps -d 'Prefix each payload with its time in strftime(3) FORMAT' -r
complete -c heka-decode -l ts-from -d 'Which time --timestamps prints' -r -f -a "message\t'The message\'s'
now\t'The time of writing'"
complete -c heka-decode -l count-by -d 'Print the number of messages for each header or field' -r
complete -c heka-decode -l top -d 'With --count-by, only the NUM most frequent' -r
complete -c heka-decode -l sort -d 'Sort by time; messages are out of order by less than DURATION' -r
complete -c heka-decode -s m -l match -d 'Select messages for which EXPR is true' -r
complete -c heka-decode -s n -l max-count -d 'Stop after NUM messages' -r
complete -c heka-decode -l last -d 'Print only the last NUM messages' -r
complete -c heka-decode -l since -d 'Select messages from TIME on: 10m, 15:04, 2006-01-02' -r
complete -c heka-decode -l until -d 'Select messages before TIME' -r
complete -c heka-decode -l offset -d 'Start at byte BYTES of the FILE' -r
complete -c heka-decode -l sample -d 'Select every Nth message' -r
complete -c heka-decode -l dedup -d 'Drop messages whose UUID is among the last NUM' -r
complete -c heka-decode -l max-record -d 'Longest message to accept' -r
complete -c heka-decode -l hmac-keys -d 'Verify signatures with the keys in FILE' -r -F
complete -c heka-decode -l require-signer -d 'Accept only messages signed by NAME' -r
complete -c heka-decode -l write -d 'Append to FILE instead of standard output' -r -F
complete -c heka-decode -l mode -d 'Permissions of a new FILE, octal [default: 664 less the umask]' -r
complete -c heka-decode -l rotate -d 'Rotate FILE after SIZE bytes or DURATION' -r
complete -c heka-decode -l commit -d 'Store the source\'s position in FILE once messages are synced' -r -F
complete -c heka-decode -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c heka-decode -l stats -d 'Print statistics on exit: text or json' -r -f -a "text\t'One line for people'
json\t'One JSON object'"
complete -c heka-decode -l stats-every -d 'Print statistics every DURATION' -r
complete -c heka-decode -l metrics -d 'Write metrics for Prometheus to FILE[,PERIOD]' -r -F
complete -c heka-decode -l log-format -d 'Format of messages on stderr' -r -f -a "auto\t'With priorities if stderr is the journal, else text'
text\t'PROGRAM: SUBJECT: CAUSE'
json\t'One JSON object a line'"
complete -c heka-decode -s o -l output -d 'Output format' -r -f -a "payload\t'Payloads, one a line'
json\t'JSON, one object a line'
text\t'Blocks of text, as heka-cat writes them'
short\t'One line a message, with the time of day'
short-iso\t'One line a message, with date and time'
logfmt\t'NAME=VALUE pairs, one message a line'
csv\t'Comma-separated values, names first'
tsv\t'Tab-separated values, names first'
rst\t'reStructuredText, as Heka\'s encoder writes it'
sandbox-text\t'Blocks of text, as the Lua sandbox writes them'
heka\t'Framed messages'
template\t'The text of --template, filled in'"
complete -c heka-decode -s j -l json -d 'The same as -o json'
complete -c heka-decode -l no-wrap -d 'Cut lines of -o short that are too long'
complete -c heka-decode -s t -l text -d 'The same as -o text'
complete -c heka-decode -s 0 -l null -d 'Payloads end with NUL instead of a newline'
complete -c heka-decode -s H -l with-filename -d 'Put the name of the FILE in front of each line'
complete -c heka-decode -s c -l count -d 'Print only the number of messages'
complete -c heka-decode -s f -l follow -d 'Wait for more data at the end of the FILE'
complete -c heka-decode -l strict -d 'Stop at the first damage'
complete -c heka-decode -l no-framing -d 'Each FILE is one message without a frame'
complete -c heka-decode -l no-verify -d 'Accept messages regardless of their signature'
complete -c heka-decode -l create-dirs -d 'Create missing directories of FILE'
complete -c heka-decode -s u -l unbuffered -d 'Write each record at once'
complete -c heka-decode -s e -l exit-status -d 'Exit with 4 if nothing was written'
complete -c heka-decode -s q -l quiet -d 'Print only errors'
complete -c heka-decode -s v -l verbose -d 'Print more detail (repeatable)'
complete -c heka-decode -l progress -d 'Show progress on a terminal'
complete -c heka-decode -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heka-decode -s V -l version -d 'Print version'
