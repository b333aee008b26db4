complete -c heka-tail -s n -l lines -d 'Start NUM lines before the end, or at line NUM with +' -r
complete -c heka-tail -s c -l bytes -d 'Start NUM bytes before the end, or at byte NUM with +' -r
complete -c heka-tail -s f -l follow -d 'Follow by name (default) or by descriptor' -r -f -a "name\t'Whatever file has the name'
descriptor\t'The file that had the name at the start'"
complete -c heka-tail -s s -l sleep-interval -d 'Polling interval when inotify is unavailable' -r
complete -c heka-tail -l rescan-interval -d 'Interval of scans for new files and moved directories' -r
complete -c heka-tail -l rotate-wait -d 'How long a rotated file is kept open for late lines' -r
complete -c heka-tail -l busy-rate -d 'Poll busy files above NUM events per second' -r
complete -c heka-tail -l pid -d 'Exit after process PID has died and everything is read' -r
complete -c heka-tail -l exclude -d 'Skip files of directories and patterns (repeatable)' -r
complete -c heka-tail -l rotated-directory -l olddir -d 'Where rotated files are moved to (repeatable)' -r -f -a "(__fish_complete_directories)"
complete -c heka-tail -l oldest -d 'Skip files not modified within DURATION; 0 is off [default: 0; with --log-directory: 720h]' -r
complete -c heka-tail -l forget-after -d 'Forget files of patterns gone for DURATION (0: never)' -r
complete -c heka-tail -s i -l input -d 'Input format' -r -f -a "lines\t'Text, one message per record'
heka\t'Framed messages'"
complete -c heka-tail -s d -l delimiter -d 'Byte that ends a record' -r
complete -c heka-tail -l delimiter-count -d 'Number of delimiters that end a record' -r
complete -c heka-tail -l delimiter-regex -d 'Regex between records; a capture group stays in the record' -r
complete -c heka-tail -l delimiter-at -d 'Whether the regex matches the end or start of a record' -r -f -a "end\t'At the end of a record'
start\t'At the start of a record'"
complete -c heka-tail -l max-record -d 'Longest record [default: 60K; with -i heka: 4M; with -o payload: 16M]' -r
complete -c heka-tail -l oversize -d 'What to do with longer records' -r -f -a "split\t'Continued in the next record; nothing is lost'
truncate\t'Only its beginning is delivered'
drop\t'Dropped'"
complete -c heka-tail -l encoding -d 'Character encoding of the files' -r
complete -c heka-tail -l multiline-start -d 'Start a multi-line message at lines that match' -r
complete -c heka-tail -l multiline-continue -d 'Add lines that match to the previous message' -r
complete -c heka-tail -l multiline-timeout -d 'Time to wait for further lines of a message' -r
complete -c heka-tail -l checkpoint -d 'Resume from the position in FILE and keep it up to date' -r -F
complete -c heka-tail -l checkpoint-every -d 'Save after NUM records or after DURATION' -r
complete -c heka-tail -l resume -d 'Resume from the position in FILE; messages carry positions' -r -F
complete -c heka-tail -l show-checkpoint -d 'Print the positions in a checkpoint file and exit' -r -F
complete -c heka-tail -l import-journal -d 'Start from the position in a Logstreamer journal of Heka' -r -F
complete -c heka-tail -l uuid -d 'How to choose message UUIDs' -r -f -a "random\t'Random numbers'
position\t'The place in the file: the same line always gets the same'"
complete -c heka-tail -l log-directory -d 'Follow files below DIR' -r -f -a "(__fish_complete_directories)"
complete -c heka-tail -l file-match -d 'Regex for paths below DIR' -r
complete -c heka-tail -l priority -d 'Capture groups to sort by, oldest first (^ reverses)' -r
complete -c heka-tail -l differentiator -d 'Capture groups and texts that make up a stream\'s name' -r
complete -c heka-tail -l translation -d 'Number to sort a group\'s text by' -r
complete -c heka-tail -s o -l output -d 'Output format' -r -f -a "heka\t'Framed messages'
payload\t'Payloads, one a line'
json\t'JSON, one object a line'
text\t'Blocks of text, as heka-cat writes them'
short\t'One line a message, with the time of day'
short-iso\t'One line a message, with date and time'
logfmt\t'NAME=VALUE pairs, one message a line'"
complete -c heka-tail -l fields -d 'Fields that -o short and logfmt show: all, none or NAME,…' -r
complete -c heka-tail -l time -d 'Times of -o short: local, utc, iso, relative or none' -r -f -a "local\t''
utc\t''
iso\t''
relative\t''
none\t''"
complete -c heka-tail -l type -d 'Type of the messages' -r
complete -c heka-tail -l logger -d 'Logger of the messages; the stream\'s name if absent' -r
complete -c heka-tail -l hostname -d 'Hostname of the messages; this host\'s if absent' -r
complete -c heka-tail -l severity -d 'Severity, a number or a name such as err' -r
complete -c heka-tail -l field -d 'Add a field to each message' -r
complete -c heka-tail -l path-field -d 'Add a field with the path of the file' -r
complete -c heka-tail -l path-regex -d 'Add a field for each named group found in the path' -r
complete -c heka-tail -l env-version -d 'Environment version of the messages' -r
complete -c heka-tail -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c heka-tail -l stats -d 'Print statistics on exit: text or json' -r -f -a "text\t'One line for people'
json\t'One JSON object'"
complete -c heka-tail -l stats-every -d 'Print statistics every DURATION' -r
complete -c heka-tail -l metrics -d 'Write metrics for Prometheus to FILE[,PERIOD]' -r -F
complete -c heka-tail -l log-format -d 'Format of messages on stderr' -r -f -a "auto\t'With priorities if stderr is the journal, else text'
text\t'PROGRAM: SUBJECT: CAUSE'
json\t'One JSON object a line'"
complete -c heka-tail -s F -d 'Follow by name and wait for missing files (default)'
complete -c heka-tail -l no-follow -d 'Exit at the end of the files'
complete -c heka-tail -l retry -d 'Wait for missing files (default)'
complete -c heka-tail -l no-retry -d 'Exit when no file exists'
complete -c heka-tail -l use-polling -d 'Poll instead of using inotify'
complete -c heka-tail -l gzip-rotated -d 'Decompress rotated files (default)'
complete -c heka-tail -l no-gzip-rotated -d 'Read compressed files without decompressing'
complete -c heka-tail -s 0 -l null -l zero-terminated -d 'Records end with NUL'
complete -c heka-tail -l chomp -d 'Remove the delimiter from the payload'
complete -c heka-tail -l no-chomp -d 'Keep the delimiter in the payload (default)'
complete -c heka-tail -l incomplete -d 'Deliver an unterminated last record at the end'
complete -c heka-tail -l no-incomplete -d 'Leave an unterminated last record for the next run'
complete -c heka-tail -s j -l json -d 'The same as -o json'
complete -c heka-tail -l no-wrap -d 'Cut lines of -o short that are too long'
complete -c heka-tail -s v -l headers -d 'Print file headers (with -o payload)'
complete -c heka-tail -s q -l no-headers -l silent -d 'Do not print file headers (default)'
complete -c heka-tail -s u -l unbuffered -d 'Write each record at once'
complete -c heka-tail -s e -l exit-status -d 'Exit with 4 if nothing was written'
complete -c heka-tail -l progress -d 'Show progress on a terminal'
complete -c heka-tail -l quiet -d 'Print only errors'
complete -c heka-tail -l verbose -d 'Print more detail (repeatable)'
complete -c heka-tail -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heka-tail -s V -l version -d 'Print version'
