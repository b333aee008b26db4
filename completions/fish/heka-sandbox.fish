complete -c heka-sandbox -s D -l define -d 'Set one key of the configuration' -r
complete -c heka-sandbox -l config -d 'Configuration of the plugin, as Lua text' -r -F
complete -c heka-sandbox -l defaults -d 'Configuration of hindsight with defaults for the plugin\'s' -r -F
complete -c heka-sandbox -l ticker-interval -d 'Seconds between calls' -r
complete -c heka-sandbox -s n -l max-count -d 'Stop after NUM messages' -r
complete -c heka-sandbox -s o -l output -d 'Output format' -r -f -a "heka\t'Framed messages'
payload\t'Payloads, one a line'
json\t'JSON, one object a line'
text\t'Blocks of text, as heka-cat writes them'
short\t'One line a message, with the time of day'
short-iso\t'One line a message, with date and time'
logfmt\t'NAME=VALUE pairs, one message a line'"
complete -c heka-sandbox -l fields -d 'Fields that -o short and logfmt show: all, none or NAME,…' -r
complete -c heka-sandbox -l time -d 'Times of -o short: local, utc, iso, relative or none' -r -f -a "local\t''
utc\t''
iso\t''
relative\t''
none\t''"
complete -c heka-sandbox -l memory-limit -d 'Memory limit of Lua (0: none) [default: 8M]' -r
complete -c heka-sandbox -l instruction-limit -d 'Instruction limit of one call (0: none) [default: 1000000]' -r
complete -c heka-sandbox -l cpu-limit -d 'CPU time limit of one call with an instruction limit' -r
complete -c heka-sandbox -l output-limit -d 'Longest message made from a table (0: no limit) [default: 64K]' -r
complete -c heka-sandbox -l max-record -d 'Longest message of a stream reader [default: 64K]' -r
complete -c heka-sandbox -l checkpoint -d 'Resume from the position in FILE and keep it up to date' -r -F
complete -c heka-sandbox -l resume -d 'Resume from the position in FILE; a later stage commits' -r -F
complete -c heka-sandbox -l preserve -d 'Keep the plugin\'s global data in FILE between runs' -r -F
complete -c heka-sandbox -l logger -d 'Logger of messages that name none' -r
complete -c heka-sandbox -l hostname -d 'Hostname of messages that name none' -r
complete -c heka-sandbox -l message-pid -d 'Pid of messages that name none' -r
complete -c heka-sandbox -l path -d 'Search path of Lua modules, with ? for the name' -r
complete -c heka-sandbox -l cpath -d 'Search path of C modules, with ? for the name' -r
complete -c heka-sandbox -l decoder -d 'Run a decoder module on the messages of standard input' -r -F
complete -c heka-sandbox -l unparsed -d 'What to do with messages that cannot be decoded' -r
complete -c heka-sandbox -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c heka-sandbox -l stats -d 'Print statistics on exit: text or json' -r -f -a "text\t'One line for people'
json\t'One JSON object'"
complete -c heka-sandbox -l stats-every -d 'Print statistics every DURATION' -r
complete -c heka-sandbox -l metrics -d 'Write metrics for Prometheus to FILE[,PERIOD]' -r -F
complete -c heka-sandbox -l log-format -d 'Format of messages on stderr' -r -f -a "auto\t'With priorities if stderr is the journal, else text'
text\t'PROGRAM: SUBJECT: CAUSE'
json\t'One JSON object a line'"
complete -c heka-sandbox -l check -d 'Load the plugin and describe it without running it'
complete -c heka-sandbox -s j -l json -d 'The same as -o json'
complete -c heka-sandbox -l no-wrap -d 'Cut lines of -o short that are too long'
complete -c heka-sandbox -l restricted-headers -d 'Override logger, host name and PID of all messages'
complete -c heka-sandbox -l strict -d 'Exit with 1 if a message cannot be decoded'
complete -c heka-sandbox -s u -l unbuffered -d 'Write each record at once'
complete -c heka-sandbox -s e -l exit-status -d 'Exit with 4 if nothing was written'
complete -c heka-sandbox -s q -l quiet -d 'Print only errors'
complete -c heka-sandbox -s v -l verbose -d 'Print more detail (repeatable)'
complete -c heka-sandbox -l progress -d 'Show progress on a terminal'
complete -c heka-sandbox -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heka-sandbox -s V -l version -d 'Print version'
