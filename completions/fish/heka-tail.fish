complete -c heka-tail -s n -l lines -d 'Start before the last NUM lines, or at line NUM with +' -r
complete -c heka-tail -s c -l bytes -d 'Start before the last NUM bytes, or at byte NUM with +' -r
complete -c heka-tail -s f -l follow -d 'Follow what has the name (the default), or the descriptor' -r -f -a "name\t'Whatever file has the name'
descriptor\t'The file that had the name at the start'"
complete -c heka-tail -s s -l sleep-interval -d 'Time between looks without inotify' -r
complete -c heka-tail -l rescan-interval -d 'Time between looks for new files and moved directories' -r
complete -c heka-tail -l rotate-wait -d 'How long a rotated file is kept open for late lines' -r
complete -c heka-tail -l busy-rate -d 'Changes a second above which busy files are polled' -r
complete -c heka-tail -l pid -d 'Exit when process PID has died and all is read (repeatable)' -r
complete -c heka-tail -l exclude -d 'Skip files of directories and patterns (repeatable)' -r
complete -c heka-tail -l rotated-directory -l olddir -d 'Where rotated files are moved to (repeatable)' -r -f -a "(__fish_complete_directories)"
complete -c heka-tail -l oldest -d 'Skip files not modified within DURATION (0: never)' -r
complete -c heka-tail -l forget-after -d 'Forget files of patterns gone for DURATION (0: never)' -r
complete -c heka-tail -s d -l delimiter -d 'Byte that ends a record' -r
complete -c heka-tail -l delimiter-count -d 'How many delimiters make a record' -r
complete -c heka-tail -l delimiter-regex -d 'What separates records; a capture group stays in the record' -r
complete -c heka-tail -l delimiter-at -d 'Whether the regex stands at the end or the start of a record' -r -f -a "end\t'At the end of a record'
start\t'At the start of a record'"
complete -c heka-tail -l max-line -d 'Longest record' -r
complete -c heka-tail -l oversize -d 'What becomes of longer ones' -r -f -a "split\t'It goes on in the next record; nothing is lost'
truncate\t'Only its beginning is delivered'
drop\t'It is left out'"
complete -c heka-tail -l multiline-start -d 'A line that matches starts a message of several lines' -r
complete -c heka-tail -l multiline-continue -d 'A line that matches belongs to the message before it' -r
complete -c heka-tail -l multiline-timeout -d 'How long a message waits for further lines' -r
complete -c heka-tail -l checkpoint -d 'Go on where FILE says, and keep it up to date' -r -F
complete -c heka-tail -l checkpoint-every -d 'Save after NUM records or after DURATION' -r
complete -c heka-tail -l resume -d 'Go on where FILE says; messages carry their positions' -r -F
complete -c heka-tail -l show-checkpoint -d 'Show what a checkpoint file says, and end' -r -F
complete -c heka-tail -l import-journal -d 'Start where a journal of Heka\'s Logstreamer input says' -r -F
complete -c heka-tail -l uuid -d 'How messages get their Uuid' -r -f -a "random\t'Random numbers'
position\t'The place in the file: the same line always gets the same'"
complete -c heka-tail -l log-directory -d 'Follow files below DIR' -r -f -a "(__fish_complete_directories)"
complete -c heka-tail -l file-match -d 'Which files: matches the rest of the path' -r
complete -c heka-tail -l priority -d 'Groups that sort files, oldest first (^ turns round)' -r
complete -c heka-tail -l differentiator -d 'Groups and texts that make a stream\'s name' -r
complete -c heka-tail -l translation -d 'Number that a group\'s text is sorted by' -r
complete -c heka-tail -s o -l output -d 'Form of the output' -r -f -a "heka\t'Framed messages'
payload\t'Payloads, one a line'
json\t'JSON, one object a line'
text\t'Blocks of text, as heka-cat writes them'
short\t'One line a message, with the time of day'
short-iso\t'One line a message, with date and time'"
complete -c heka-tail -l fields -d 'Fields that -o short shows: all, none or NAME,…' -r
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
complete -c heka-tail -l env-version -d 'Version of the environment in the messages' -r
complete -c heka-tail -l color -d 'Colour what is told on a terminal' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c heka-tail -s F -d 'Follow by name and wait for files, as is the default'
complete -c heka-tail -l no-follow -d 'End at the end of the files'
complete -c heka-tail -l retry -d 'Wait for files that are not there, as is the default'
complete -c heka-tail -l no-retry -d 'End when none of the files is there'
complete -c heka-tail -l use-polling -d 'Look at files from time to time instead of using inotify'
complete -c heka-tail -l gzip-rotated -d 'Read compressed rotated files, as is the default'
complete -c heka-tail -l no-gzip-rotated -d 'Take compressed files for what their bytes are'
complete -c heka-tail -s 0 -l null -l zero-terminated -d 'Records end with NUL'
complete -c heka-tail -l chomp -d 'Leave the delimiter out of the payload'
complete -c heka-tail -l no-chomp -d 'Keep the delimiter in the payload, as is the default'
complete -c heka-tail -l incomplete -d 'Deliver an unterminated last record at the end'
complete -c heka-tail -l no-incomplete -d 'Leave an unterminated last record for the next time'
complete -c heka-tail -s j -l json -d 'The same as -o json'
complete -c heka-tail -l no-wrap -d 'Cut lines of -o short that are too long'
complete -c heka-tail -s v -l headers -d 'Show which file lines come from (with -o payload)'
complete -c heka-tail -s q -l no-headers -d 'Do not show it, as is the default'
complete -c heka-tail -s u -l unbuffered -d 'Write each record at once'
complete -c heka-tail -s e -l exit-status -d 'Exit with 4 if nothing was written'
complete -c heka-tail -l stats -d 'Tell statistics at the end'
complete -c heka-tail -l progress -d 'Show a live rate on a terminal'
complete -c heka-tail -l quiet -d 'Tell errors only'
complete -c heka-tail -l verbose -d 'Tell more (repeat for even more)'
complete -c heka-tail -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heka-tail -s V -l version -d 'Print version'
