complete -c ws-source -s p -l init-message -d 'Send TEXT after every connect (repeatable)' -r
complete -c ws-source -l init-file -d 'Send what is in FILE after every connect, before any -p' -r -F
complete -c ws-source -l send -d 'What the messages sent are' -r -f -a "text\t'Text, which is UTF-8'
binary\t'Binary messages'"
complete -c ws-source -l linger -d 'After the end of standard input, stay for so long' -r
complete -c ws-source -s o -l output -d 'Form of what is written' -r -f -a "payload\t'Payloads, one a line'
json\t'JSON, one object a line'
heka\t'Framed messages'"
complete -c ws-source -l framing -d 'What stands between payloads, and between records of --stdin' -r -f -a "lines\t'A line end behind each'
null\t'A NUL behind each'
len32\t'Its length before each: four bytes, the highest first'"
complete -c ws-source -l binary -d 'How binary messages are written as payload' -r -f -a "raw\t'Their bytes'
base64\t'Their bytes in base64'
skip\t'Nothing, in no form'"
complete -c ws-source -s n -l max-count -d 'Stop after NUM messages' -r
complete -c ws-source -l max-message -d 'Largest message taken' -r
complete -c ws-source -l max-backlog -d 'Stop reading when so much waits for the reader of the output' -r
complete -c ws-source -s t -l type -d 'Type of Heka messages' -r
complete -c ws-source -s l -l logger -d 'Logger of Heka messages; the URL\'s host if absent' -r
complete -c ws-source -s H -l header -d 'Send a header, NAME: VALUE, or those in @FILE (repeatable)' -r
complete -c ws-source -l cookie -d 'Send a cookie (repeatable)' -r
complete -c ws-source -l cookie-file -d 'Send the cookies in FILE, one a line' -r -F
complete -c ws-source -l origin -d 'Say which page asks' -r
complete -c ws-source -l subprotocol -d 'Offer a subprotocol (repeatable)' -r
complete -c ws-source -l user-agent -d 'Say which program asks; empty for nothing' -r
complete -c ws-source -l user -d 'Authenticate by name and password' -r
complete -c ws-source -l password-file -d 'File with the password; asked for on the terminal if absent' -r -F
complete -c ws-source -l bearer-file -d 'Authenticate by the token in FILE' -r -F
complete -c ws-source -l ping-interval -d 'Ask so often whether the server is there' -r
complete -c ws-source -l ping-timeout -d 'Give the server up when nothing comes for so long after a ping' -r
complete -c ws-source -l close-code -d 'Close code at the end' -r
complete -c ws-source -l close-reason -d 'Words that go with the close code' -r
complete -c ws-source -l location -d 'Follow up to NUM redirects' -r
complete -c ws-source -l unix -d 'Connect through this unix socket' -r -F
complete -c ws-source -l resolve -d 'Connect to ADDR for this host and port (repeatable)' -r
complete -c ws-source -s w -l connect-timeout -d 'Give up an attempt to connect after that' -r
complete -c ws-source -s x -l proxy -d 'Connect through this HTTP or SOCKS5 proxy' -r -f
complete -c ws-source -l idle-timeout -d 'Close a connection where nothing happens for so long' -r
complete -c ws-source -l keepalive -d 'Let the system look whether idle peers are there' -r
complete -c ws-source -l retry -d 'Try again so often, or \'forever\'' -r
complete -c ws-source -l retry-delay -d 'Wait so long before the first retry' -r
complete -c ws-source -l retry-growth -d 'Make each wait longer by this factor' -r
complete -c ws-source -l retry-max-delay -d 'Wait no longer than this' -r
complete -c ws-source -l retry-jitter -d 'Add a random time of up to this to each wait' -r
complete -c ws-source -l ca-file -d 'Believe the CAs of this PEM file only' -r -F
complete -c ws-source -l cert -d 'Show this certificate to servers that ask' -r -F
complete -c ws-source -l key -d 'The certificate\'s key, if in another file' -r -F
complete -c ws-source -l server-name -d 'Expect this name in the server\'s certificate' -r
complete -c ws-source -l tls-min -d 'Oldest version of TLS to accept' -r -f -a "1.2\t'TLS 1.2 (RFC 5246)'
1.3\t'TLS 1.3 (RFC 8446)'"
complete -c ws-source -l keystore -d 'Trust, and show, the certificates of this key store' -r -F
complete -c ws-source -l keystore-pass-file -d 'File with the key store\'s password' -r -F
complete -c ws-source -l keystore-type -d 'Insist on a type of key store' -r -f -a "auto\t'What the content says'
jks\t'Java\'s old one; PKCS#12 passes for it, as in Java'
pkcs12\t'RFC 7292'
pem\t'Certificates, perhaps with a key, as text'"
complete -c ws-source -l color -d 'Colour what is told on a terminal' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c ws-source -l stdin -d 'Send each record of standard input as a message'
complete -c ws-source -l echo -d 'Send each message back'
complete -c ws-source -s j -l json -d 'The same as -o json'
complete -c ws-source -s 0 -l null -d 'The same as --framing null'
complete -c ws-source -s u -l unbuffered -d 'Write each record at once'
complete -c ws-source -s e -l exit-status -d 'Exit with 4 if nothing was written'
complete -c ws-source -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c ws-source -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c ws-source -l no-proxy -d 'Connect directly whatever the environment says'
complete -c ws-source -s q -l quiet -d 'Tell errors only'
complete -c ws-source -s v -l verbose -d 'Tell more (repeat for even more)'
complete -c ws-source -l stats -d 'Tell statistics at the end'
complete -c ws-source -l progress -d 'Show a live rate on a terminal'
complete -c ws-source -s k -l insecure -l trust-all-certs -d 'Believe any certificate, with a warning'
complete -c ws-source -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ws-source -s V -l version -d 'Print version'
