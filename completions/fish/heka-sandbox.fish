complete -c heka-sandbox -l config -d 'Configuration of the plugin, as Lua text' -r -F
complete -c heka-sandbox -s D -l define -d 'Set one key of the configuration' -r
complete -c heka-sandbox -l ticker-interval -d 'Call the plugin again so long after it returned' -r
complete -c heka-sandbox -l memory-limit -d 'Memory that Lua may hold, 0 for no limit' -r
complete -c heka-sandbox -l instruction-limit -d 'Instructions of one call, 0 for no limit' -r
complete -c heka-sandbox -l output-limit -d 'Longest message made of a table, 0 for no limit' -r
complete -c heka-sandbox -l max-message-size -d 'Longest message of a stream reader' -r
complete -c heka-sandbox -l cpu-limit -d 'Processor time of one call whose instructions are limited' -r
complete -c heka-sandbox -l logger -d 'Logger of messages that name none' -r
complete -c heka-sandbox -l hostname -d 'Hostname of messages that name none' -r
complete -c heka-sandbox -l message-pid -d 'Pid of messages that name none' -r
complete -c heka-sandbox -l path -d 'Where Lua modules are: templates with ? for the name' -r
complete -c heka-sandbox -l cpath -d 'Where C modules are, likewise' -r
complete -c heka-sandbox -l checkpoint -d 'Resume where FILE says, and keep it up to date' -r -F
complete -c heka-sandbox -l resume -d 'Resume where FILE says; a later stage commits' -r -F
complete -c heka-sandbox -l preserve -d 'Keep the plugin\'s global data in FILE between runs' -r -F
complete -c heka-sandbox -s n -l max-count -d 'Stop after so many messages' -r
complete -c heka-sandbox -s o -l output -d 'Form of the output' -r -f -a "heka\t'Framed messages'
payload\t'Payloads, one a line'
json\t'JSON, one object a line'
text\t'Blocks of text, as heka-cat writes them'
short\t'One line a message, with the time of day'
short-iso\t'One line a message, with date and time'"
complete -c heka-sandbox -l fields -d 'Fields that -o short shows: all, none or NAME,…' -r
complete -c heka-sandbox -l time -d 'Times of -o short: local, utc, iso, relative or none' -r -f -a "local\t''
utc\t''
iso\t''
relative\t''
none\t''"
complete -c heka-sandbox -l color -d 'Colour what is told on a terminal' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c heka-sandbox -l check -d 'Load the plugin and tell about it, without running it'
complete -c heka-sandbox -l restricted-headers -d 'Set logger, hostname and pid of all messages'
complete -c heka-sandbox -s j -l json -d 'The same as -o json'
complete -c heka-sandbox -l no-wrap -d 'Cut lines of -o short that are too long'
complete -c heka-sandbox -s u -l unbuffered -d 'Write each record at once'
complete -c heka-sandbox -s e -l exit-status -d 'Exit with 4 if nothing was written'
complete -c heka-sandbox -s q -l quiet -d 'Tell errors only'
complete -c heka-sandbox -s v -l verbose -d 'Tell more (repeat for even more)'
complete -c heka-sandbox -l stats -d 'Tell statistics at the end'
complete -c heka-sandbox -l progress -d 'Show a live rate on a terminal'
complete -c heka-sandbox -s h -l help -d 'Print help (see more with \'--help\')'
complete -c heka-sandbox -s V -l version -d 'Print version'
