complete -c ws-source -s p -l init-message -d 'Send TEXT after every connect (repeatable)' -r
complete -c ws-source -l init-file -d 'Send the contents of FILE after every connect, before -p' -r -F
complete -c ws-source -l init-binary -d 'Send the contents of FILE as a binary message after every connect' -r -F
complete -c ws-source -l send -d 'Type of messages to send [default: text; with --framing none: binary]' -r -f -a "text\t'Text (UTF-8)'
binary\t'Binary messages'"
complete -c ws-source -l linger -d 'Time to stay connected after the end of standard input' -r
complete -c ws-source -s o -l output -d 'Output format' -r -f -a "payload\t'Payloads, one a line'
json\t'JSON, one object a line'
heka\t'Framed messages'"
complete -c ws-source -l framing -d 'Framing of payloads, and of records of --stdin' -r -f -a "lines\t'A newline after each'
null\t'NUL after each'
len32\t'Four-byte length before each, big-endian'
none\t'Nothing; standard input is sent as it is read'"
complete -c ws-source -l binary -d 'How to write binary messages as payload' -r -f -a "raw\t'Their bytes'
base64\t'Their bytes in base64'
skip\t'Not at all'"
complete -c ws-source -l text-prefix -d 'Text before the payload of text messages, also in --stdin' -r
complete -c ws-source -l binary-prefix -d 'Text before the payload of binary messages, also in --stdin' -r
complete -c ws-source -s n -l max-count -d 'Stop after NUM messages' -r
complete -c ws-source -s t -l type -d 'Type of Heka messages' -r
complete -c ws-source -s l -l logger -d 'Logger of Heka messages; the URL\'s host if absent' -r
complete -c ws-source -l max-record -d 'Longest message to accept' -r
complete -c ws-source -l max-backlog -d 'Stop reading when SIZE of output is pending' -r
complete -c ws-source -s H -l header -d 'Send a header, NAME: VALUE, or those in @FILE (repeatable)' -r
complete -c ws-source -l cookie -d 'Send a cookie (repeatable)' -r
complete -c ws-source -l cookie-file -d 'Send the cookies in FILE, one a line' -r -F
complete -c ws-source -l origin -d 'Origin header' -r
complete -c ws-source -l subprotocol -d 'Offer a subprotocol (repeatable)' -r
complete -c ws-source -l user-agent -d 'User-Agent header; empty omits it' -r
complete -c ws-source -l user -d 'User name for basic authentication' -r
complete -c ws-source -l password-file -d 'File containing the password; prompts if absent' -r -F
complete -c ws-source -l bearer-file -d 'File containing a bearer token' -r -F
complete -c ws-source -l ping-interval -d 'Ping interval' -r
complete -c ws-source -l ping-timeout -d 'Disconnect if a ping is not answered within DURATION' -r
complete -c ws-source -l close-code -d 'Close code to send' -r
complete -c ws-source -l close-reason -d 'Close reason' -r
complete -c ws-source -l location -d 'Follow up to NUM redirects' -r
complete -c ws-source -l unix -d 'Connect through this UNIX socket' -r -F
complete -c ws-source -l resolve -d 'Connect to ADDR for this host and port (repeatable)' -r
complete -c ws-source -s w -l connect-timeout -d 'Connection timeout' -r
complete -c ws-source -s x -l proxy -d 'HTTP or SOCKS5 proxy to connect through' -r -f
complete -c ws-source -l idle-timeout -d 'Close connections idle for DURATION' -r
complete -c ws-source -l keepalive -d 'Enable TCP keepalive' -r
complete -c ws-source -l retry -d 'Number of retries, or \'forever\' [default: forever]' -r
complete -c ws-source -l retry-delay -d 'Delay before the first retry [default: 30s]' -r
complete -c ws-source -l retry-growth -d 'Factor by which the delay grows [default: 1]' -r
complete -c ws-source -l retry-max-delay -d 'Maximum delay between retries [default: 5m]' -r
complete -c ws-source -l retry-jitter -d 'Maximum random time added to each delay [default: 0]' -r
complete -c ws-source -l ca-file -d 'Trust only the CAs in this file' -r -F
complete -c ws-source -l cert -d 'Client certificate to present' -r -F
complete -c ws-source -l key -d 'Private key, if not in the certificate\'s file' -r -F
complete -c ws-source -l server-name -d 'Name to expect in the server certificate' -r
complete -c ws-source -l tls-min -d 'Minimum TLS version' -r -f -a "1.2\t'TLS 1.2 (RFC 5246)'
1.3\t'TLS 1.3 (RFC 8446)'"
complete -c ws-source -l keystore -d 'Key store with trusted and client certificates' -r -F
complete -c ws-source -l keystore-pass-file -d 'File containing the key store\'s password' -r -F
complete -c ws-source -l keystore-type -d 'Key store type' -r -f -a "auto\t'Recognised by the content'
jks\t'Java\'s old format; PKCS#12 is accepted too, as in Java'
pkcs12\t'RFC 7292'
pem\t'Certificates, optionally with a key, as text'"
complete -c ws-source -l keystore-alias -d 'Client certificate of the key store to present' -r
complete -c ws-source -l color -d 'When to colour messages' -r -f -a "auto\t'On a terminal, unless the environment says otherwise'
always\t'Always'
never\t'Never'"
complete -c ws-source -l stats -d 'Print statistics on exit: text or json' -r -f -a "text\t'One line for people'
json\t'One JSON object'"
complete -c ws-source -l stats-every -d 'Print statistics every DURATION' -r
complete -c ws-source -l metrics -d 'Write metrics for Prometheus to FILE[,PERIOD]' -r -F
complete -c ws-source -l log-format -d 'Format of messages on stderr' -r -f -a "auto\t'With priorities if stderr is the journal, else text'
text\t'PROGRAM: SUBJECT: CAUSE'
json\t'One JSON object a line'"
complete -c ws-source -l stdin -d 'Send each record of standard input as a message'
complete -c ws-source -l echo -d 'Send each message back'
complete -c ws-source -s j -l json -d 'The same as -o json'
complete -c ws-source -s 0 -l null -d 'The same as --framing null'
complete -c ws-source -l no-compression -d 'Do not offer compression'
complete -c ws-source -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c ws-source -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c ws-source -l no-proxy -d 'Ignore proxy settings in the environment'
complete -c ws-source -s u -l unbuffered -d 'Write each record at once'
complete -c ws-source -s e -l exit-status -d 'Exit with 4 if nothing was written'
complete -c ws-source -s q -l quiet -d 'Print only errors'
complete -c ws-source -s v -l verbose -d 'Print more detail (repeatable)'
complete -c ws-source -l progress -d 'Show progress on a terminal'
complete -c ws-source -s k -l insecure -l trust-all-certs -d 'Do not verify the server certificate'
complete -c ws-source -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ws-source -s V -l version -d 'Print version'
