// SPDX-License-Identifier: MIT OR Apache-2.0
//! One event has one wording: the tools go through the same events, and their lines are compared.

use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;

use heka_tests::ws::WsServer;
use heka_tests::{Pty, Signal, Tool, require_kafka, scratch, sh, tls_front, vector};

use crate::statistics::rows;

/// An event: the beginning of its line, and commands that cause it, each with the name that the
/// line gives its subject. In the line, the tool is `PROG`, the subject `NAME`, and a number `N`.
struct Event {
    line: &'static str,
    calls: &'static [(&'static str, &'static str)],
}

/// Events of command lines, files and standard streams. `$MUTE` accepts connections and sends
/// nothing, `$SHUT` closes them at once, `$DEAF` after a read, `$TLS` has an unknown certificate,
/// `$WS` sends a message over WebSocket.
const EVENTS: &[Event] = &[
    Event {
        line: "PROG: unexpected argument '--nonsense' found",
        calls: &[
            ("cf-tail --nonsense", ""),
            ("heka-decode --nonsense", ""),
            ("heka-encode --nonsense", ""),
            ("heka-kafka --nonsense", ""),
            ("heka-listen --nonsense", ""),
            ("heka-nats --nonsense", ""),
            ("heka-sandbox --nonsense", ""),
            ("heka-send --nonsense", ""),
            ("heka-tail --nonsense", ""),
            ("unix-sock --nonsense", ""),
            ("ws-source --nonsense", ""),
        ],
    },
    Event {
        line: "PROG: no NAME given",
        calls: &[
            ("cf-tail", "APP"),
            ("heka-kafka", "ADDRESS"),
            ("heka-listen", "ADDRESS"),
            ("heka-nats", "ADDRESS"),
            ("heka-sandbox", "PLUGIN"),
            ("heka-send", "ADDRESS"),
            ("heka-tail", "FILE"),
            ("unix-sock", "PATH"),
            ("ws-source", "URL"),
        ],
    },
    Event {
        line: "PROG: invalid value 'x' for 'NAME': expected a size such as NK",
        calls: &[
            ("cf-tail --max-record=x app", "--max-record <SIZE>"),
            ("heka-decode --max-record=x", "--max-record <SIZE>"),
            ("heka-encode --max-record=x", "--max-record <SIZE>"),
            ("heka-listen --max-record=x :0", "--max-record <SIZE>"),
            ("heka-sandbox --max-record=x p.lua", "--max-record <SIZE>"),
            ("heka-send --max-record=x a:1", "--max-record <SIZE>"),
            ("heka-tail --max-record=x frames", "--max-record <SIZE>"),
            ("unix-sock --max-record=x s", "--max-record <SIZE>"),
            ("ws-source --max-record=x ws://a/", "--max-record <SIZE>"),
        ],
    },
    Event {
        line: "PROG: --proxy: a password there is visible to other users; put the URL into ALL_PROXY",
        calls: &[
            ("cf-tail --proxy=http://u:p@h:1 -a ws://a app", ""),
            ("heka-nats --proxy=http://u:p@h:1 nats://a/b.c", ""),
            ("heka-send --proxy=http://u:p@h:1 a:1", ""),
            ("ws-source --proxy=http://u:p@h:1 ws://a/", ""),
        ],
    },
    Event {
        line: "PROG: NAME: No such file or directory",
        calls: &[
            ("cf-tail --token-file=none.lua -a ws://a app", "none.lua"),
            ("cf-tail --ca-file=none.lua -a wss://127.0.0.1:1 app", "none.lua"),
            ("heka-decode none.lua", "none.lua"),
            ("heka-decode --hmac-keys=none.lua", "none.lua"),
            ("heka-decode --write=none/out frames", "none/out"),
            ("heka-encode none.lua", "none.lua"),
            ("heka-kafka --user=u --password-file=none.lua kafka://a/b", "none.lua"),
            ("heka-listen --hmac-keys=none.lua :0", "none.lua"),
            ("heka-listen --write=none/out 127.0.0.1:0", "none/out"),
            ("heka-listen unix:none/socket", "none/socket"),
            ("heka-nats --creds=none.lua nats://a/b.c", "none.lua"),
            ("heka-sandbox none.lua", "none.lua"),
            ("heka-send --ca-file=none.lua tls://a:1", "none.lua"),
            ("heka-tail --no-follow none.lua", "none.lua"),
            ("unix-sock none.lua", "none.lua"),
            ("unix-sock -l none/socket", "none/socket"),
            ("ws-source --ca-file=none.lua wss://a/", "none.lua"),
        ],
    },
    Event {
        line: "PROG: NAME: Is a directory",
        calls: &[
            ("cf-tail --token-file=. -a ws://a app", "."),
            ("heka-decode .", "."),
            ("heka-decode <.", "(standard input)"),
            ("heka-encode .", "."),
            ("heka-encode <.", "(standard input)"),
            ("heka-listen --hmac-keys=. :0", "."),
            ("heka-nats --creds=. nats://a/b.c", "."),
            ("heka-send --ca-file=. tls://a:1", "."),
            ("heka-send a:1 <.", "(standard input)"),
            ("ws-source --ca-file=. wss://a/", "."),
        ],
    },
    Event {
        line: "PROG: NAME: contains no ",
        calls: &[
            ("cf-tail --token-file=empty -a ws://a app", "empty"),
            ("cf-tail --ca-file=empty -a wss://127.0.0.1:1 app", "empty"),
            ("heka-decode --hmac-keys=empty", "empty"),
            ("heka-kafka --user=u --password-file=empty kafka://a/b", "empty"),
            ("heka-listen --hmac-keys=empty :0", "empty"),
            ("heka-nats --user=u --password-file=empty nats://a/b.c", "empty"),
            ("heka-send --signer=s --hmac-key-file=empty a:1", "empty"),
            ("heka-send --ca-file=empty tls://a:1", "empty"),
            ("ws-source --bearer-file=empty ws://a/", "empty"),
            ("ws-source --ca-file=empty wss://a/", "empty"),
        ],
    },
    Event {
        line: "PROG: warning: NAME: readable by other users (chmod N)",
        calls: &[
            ("heka-decode --hmac-keys=keys frames", "keys"),
            ("heka-listen --hmac-keys=keys -1 'exec:cat frames'", "keys"),
            ("heka-nats --retry=0 --user=u --password-file=keys nats://127.0.0.1:1/b.c", "keys"),
            ("heka-send --retry=0 --signer=s --hmac-key-file=keys 127.0.0.1:1", "keys"),
            ("ws-source --retry=0 --bearer-file=keys ws://127.0.0.1:1/", "keys"),
        ],
    },
    Event {
        line: "PROG: write error: Bad file descriptor",
        calls: &[
            ("cf-tail -a ws://a app >&-", ""),
            ("heka-decode frames >&-", ""),
            ("heka-encode lines >&-", ""),
            ("heka-kafka --read 'kafka://a/b?from=begin' >&-", ""),
            ("heka-listen 127.0.0.1:0 >&-", ""),
            ("heka-nats --read 'nats://a/b?from=begin' >&-", ""),
            ("heka-sandbox p.lua >&-", ""),
            ("heka-tail --no-follow lines >&-", ""),
            ("unix-sock -l s >&-", ""),
            ("ws-source ws://a/ >&-", ""),
        ],
    },
    Event {
        line: "PROG: NAME: Bad file descriptor",
        calls: &[
            ("heka-decode <&-", "(standard input)"),
            ("heka-encode <&-", "(standard input)"),
            ("heka-nats nats://a/b.c <&-", "(standard input)"),
            ("heka-send a:1 <&-", "(standard input)"),
            ("unix-sock s <&-", "(standard input)"),
            ("ws-source --stdin ws://a/ <&-", "(standard input)"),
        ],
    },
    Event {
        line: "PROG: write error: No space left on device",
        calls: &[
            ("heka-decode frames >/dev/full", ""),
            ("heka-encode lines >/dev/full", ""),
            ("heka-listen -1 'exec:cat frames' >/dev/full", ""),
            ("heka-sandbox p.lua >/dev/full", ""),
            ("heka-tail --no-follow --lines=+1 lines >/dev/full", ""),
            ("ws-source --retry=0 ws://$WS/ >/dev/full", ""),
        ],
    },
    Event {
        line: "PROG: NAME: write error: No space left on device",
        calls: &[
            ("heka-decode --write=/dev/full frames", "/dev/full"),
            ("heka-listen --write=/dev/full -1 'exec:cat frames'", "/dev/full"),
        ],
    },
    Event {
        line: "PROG: warning: NAME: offset N: record longer than N bytes, split: \"xxx",
        calls: &[
            ("heka-encode --max-record=300 long", "long"),
            ("heka-listen --max-record=300 -i lines -1 'exec:cat long'", "exec:cat long"),
            ("heka-send --max-record=300 -i lines --retry=0 $DEAF <long", "(standard input)"),
            ("heka-tail --max-record=300 --no-follow --lines=+1 long", "long"),
        ],
    },
    Event {
        line: "PROG: warning: NAME: offset N: record longer than N bytes, dropped: \"xxx",
        calls: &[
            ("heka-encode --max-record=300 --oversize=drop long", "long"),
            ("heka-tail --max-record=300 --oversize=drop --no-follow --lines=+1 long", "long"),
        ],
    },
    Event {
        line: "PROG: warning: NAME: offset N: message longer than the limit, N bytes skipped",
        calls: &[
            ("heka-decode --max-record=20 frames", "frames"),
            ("heka-listen --max-record=20 -1 'exec:cat frames'", "exec:cat frames"),
            ("heka-send --max-record=20 --retry=0 $DEAF <frames", "(standard input)"),
        ],
    },
    Event {
        line: "PROG: warning: NAME: offset N: not a frame, N bytes skipped",
        calls: &[
            ("heka-decode damaged", "damaged"),
            ("heka-encode -i heka damaged", "damaged"),
            ("heka-listen -1 'exec:cat damaged'", "exec:cat damaged"),
            ("heka-send --retry=0 -i heka $DEAF <damaged", "(standard input)"),
            ("heka-tail -i heka --no-follow damaged", "damaged"),
        ],
    },
    Event {
        line: "PROG: warning: NAME: offset N: cut off, N bytes skipped",
        calls: &[
            ("heka-decode short", "short"),
            ("heka-encode -i heka short", "short"),
            ("heka-listen -1 'exec:cat short'", "exec:cat short"),
            ("heka-send --retry=0 -i heka $DEAF <short", "(standard input)"),
        ],
    },
    Event {
        line: "PROG: warning: NAME: offset N: wrong signature (signer ops_N), message dropped",
        calls: &[
            ("heka-decode --hmac-keys=keys signed", "signed"),
            ("heka-listen --hmac-keys=keys -1 'exec:cat signed'", "exec:cat signed"),
        ],
    },
    Event {
        line: "PROG: warning: NAME: offset N: no key for its signature (signer ops_N), message dropped",
        calls: &[
            ("heka-decode --hmac-keys=others signed", "signed"),
            ("heka-listen --hmac-keys=others -1 'exec:cat signed'", "exec:cat signed"),
        ],
    },
    Event {
        line: "PROG: warning: NAME: offset N: not signed, message dropped",
        calls: &[
            ("heka-decode --hmac-keys=keys --require-signer=ops frames", "frames"),
            (
                "heka-listen --hmac-keys=keys --require-signer=ops -1 'exec:cat frames'",
                "exec:cat frames",
            ),
        ],
    },
    Event {
        line: "PROG: NAME: Address already in use",
        calls: &[
            ("heka-listen $SHUT", "$SHUT"),
            ("heka-listen unix:shut", "shut"),
            ("unix-sock -l shut", "shut"),
        ],
    },
    Event {
        line: "PROG: NAME: exists and is not a socket",
        calls: &[("heka-listen unix:lines", "lines"), ("unix-sock -l lines", "lines")],
    },
    Event {
        line: "PROG: NAME: Connection refused",
        calls: &[
            ("heka-nats --retry=0 nats://127.0.0.1:1/b.c", "nats://127.0.0.1:1/b.c"),
            (
                "heka-nats --read --retry=0 'nats://127.0.0.1:1/b?from=end'",
                "nats://127.0.0.1:1/b?from=end",
            ),
            ("heka-send --retry=0 127.0.0.1:1", "127.0.0.1:1"),
            ("ws-source --retry=0 ws://127.0.0.1:1/", "ws://127.0.0.1:1/"),
        ],
    },
    Event {
        line: "PROG: NAME: closed the connection",
        calls: &[
            ("heka-nats --retry=0 nats://$SHUT/b.c", "nats://$SHUT/b.c"),
            ("heka-send --retry=0 'exec:cat >/dev/null' <frames", "exec:cat >/dev/null"),
            ("unix-sock --recv-only --retry=1 --timeout=1s shut", "shut"),
        ],
    },
    Event {
        line: "PROG: NAME: closed the connection during the WebSocket handshake",
        calls: &[
            ("cf-tail --via=legacy --retry=1 --retry-delay=1ms -a ws://$DEAF app", "ws://$DEAF"),
            ("ws-source --retry=0 ws://$DEAF/", "ws://$DEAF/"),
        ],
    },
    Event {
        line: "PROG: NAME: no answer to the TLS handshake in time",
        calls: &[
            (
                "cf-tail --via=legacy --connect-timeout=50ms --retry=1 --retry-delay=1ms -a \
                 wss://$MUTE app",
                "wss://$MUTE",
            ),
            ("heka-send --connect-timeout=50ms --retry=0 tls://$MUTE", "tls://$MUTE"),
            ("ws-source --connect-timeout=50ms --retry=0 wss://$MUTE/", "wss://$MUTE/"),
        ],
    },
    Event {
        line: "PROG: NAME: its certificate is signed by an unknown CA",
        calls: &[
            (
                "cf-tail --ca-file=ca.pem --via=legacy --retry=1 --retry-delay=1ms -a wss://$TLS app",
                "wss://$TLS",
            ),
            ("heka-send --ca-file=ca.pem --retry=0 tls://$TLS", "tls://$TLS"),
            ("ws-source --ca-file=ca.pem --retry=0 wss://$TLS/", "wss://$TLS/"),
        ],
    },
    Event {
        line: "PROG: NAME: connected",
        calls: &[
            ("heka-listen -v -1 'exec:cat frames'", "exec:cat frames"),
            ("heka-send -v --retry=0 $DEAF <frames", "$DEAF"),
            ("unix-sock -v --recv-only --retry=0 shut", "shut"),
            ("ws-source -v -n 1 ws://$WS/", "ws://$WS/"),
        ],
    },
    Event {
        line: "PROG: N messages, N bytes in, N bytes out, N skipped",
        calls: &[
            ("cf-tail --stats --retry=0 --via=legacy -a ws://127.0.0.1:1 app", ""),
            ("heka-decode --stats frames", ""),
            ("heka-encode --stats lines", ""),
            ("heka-listen --stats -1 'exec:cat frames'", ""),
            ("heka-nats --stats --retry=0 nats://127.0.0.1:1/b.c", ""),
            ("heka-sandbox --stats p.lua", ""),
            ("heka-send --stats --retry=0 127.0.0.1:1", ""),
            ("heka-tail --stats --no-follow lines", ""),
            ("unix-sock --stats none.lua", ""),
            ("ws-source --stats --retry=0 ws://127.0.0.1:1/", ""),
        ],
    },
];

/// Commands that run until a signal arrives, while standard input is open.
const ENDLESS: &[&str] = &[
    "cf-tail --via=legacy -a ws://$MUTE app",
    "heka-decode",
    "heka-encode",
    "heka-kafka kafka://$MUTE/b",
    "heka-listen 127.0.0.1:0",
    "heka-nats nats://$MUTE/b.c",
    "heka-sandbox -D ticker_interval=60 p.lua",
    "heka-send $MUTE",
    "heka-tail lines",
    "unix-sock -l s",
    "ws-source ws://$WS/",
];

fn is_built(command: &str) -> bool {
    !command.starts_with("heka-kafka") || require_kafka()
}

/// Listens on a free port, and calls `serve` with each connection.
fn server(serve: impl Fn(TcpStream) + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
    addr
}

/// Holds connections without sending anything.
fn hold(stream: TcpStream) {
    std::thread::spawn(move || std::io::copy(&mut &stream, &mut std::io::sink()));
}

/// Creates the files that commands name, and starts their servers; returns the addresses.
fn prepare(folder: &Path) -> [(&'static str, String); 5] {
    let make = "printf 'one\\ntwo\\n' >lines && heka-encode lines >frames && \
                { cat frames; printf damage; cat frames; } >damaged && \
                head -c 52 frames >short && head -c 400 /dev/zero | tr '\\0' x >long && \
                echo 'ops_0 key' >keys && echo 'dev_0 key' >others && echo other >key && \
                heka-encode --signer=ops --hmac-key-file=key lines >signed && \
                : >empty && chmod 600 others empty && chmod 644 keys";
    sh(make).dir(folder).run().succeeds();
    let plugin = "function process_message() inject_message({Payload = 'x'}) return 0 end";
    fs::write(folder.join("p.lua"), plugin).unwrap();
    fs::copy(vector("tls/own.pem"), folder.join("ca.pem")).unwrap();
    let listener = UnixListener::bind(folder.join("shut")).unwrap();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let mute = server(hold);
    let websocket = WsServer::start(|_, mut peer| {
        peer.accept();
        peer.text("hello");
        peer.until_end();
    });
    [
        ("TLS", tls_front(&mute, "server", false)),
        ("WS", format!("127.0.0.1:{}", websocket.port)),
        ("MUTE", mute),
        ("SHUT", server(drop)),
        ("DEAF", server(|mut stream| drop(stream.read(&mut [0; 4096])))),
    ]
}

/// Replaces `$NAME` by the address of that server.
fn filled(text: &str, addrs: &[(&str, String)]) -> String {
    let fill =
        |text: String, (name, addr): &(&str, String)| text.replace(&format!("${name}"), addr);
    addrs.iter().fold(text.to_owned(), fill)
}

/// Replaces what differs from tool to tool.
fn general(line: &str, tool: &str, name: &str) -> String {
    let line = line.strip_prefix(tool).map_or(line.to_owned(), |rest| format!("PROG{rest}"));
    let line = line.replacen("note: ", "", 1);
    let line = if name.is_empty() { line } else { line.replacen(name, "NAME", 1) };
    let mut text = String::new();
    for c in line.chars() {
        match c {
            '0'..='9' if text.ends_with('N') => {}
            '0'..='9' => text.push('N'),
            c => text.push(c),
        }
    }
    text
}

#[test]
fn one_event_has_one_wording() {
    let folder = scratch();
    let addrs = prepare(folder.path());
    let mut wrong = Vec::new();
    for Event { line, calls } in EVENTS {
        for (command, name) in calls.iter().filter(|(command, _)| is_built(command)) {
            let (command, name) = (filled(command, &addrs), filled(name, &addrs));
            let tool = command.split(' ').next().unwrap();
            let outcome = sh(&command).dir(folder.path()).run();
            let said = outcome.err();
            if !said.lines().any(|said| general(said, tool, &name).starts_with(line)) {
                wrong.push(format!("{command}\n{said}instead of\n{line}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn progress_statistics_and_the_end_by_a_signal_are_alike() {
    let folder = scratch();
    let addrs = prepare(folder.path());
    for command in ENDLESS.iter().filter(|command| is_built(command)) {
        let words: Vec<_> = filled(command, &addrs).split(' ').map(str::to_owned).collect();
        let (name, args) = words.split_first().unwrap();
        let pty = Pty::open();
        let tool = Tool::new(name).args(args).arg("--progress").dir(folder.path()).stdin_open();
        let tool = tool.stderr_file(pty.end()).spawn();
        let shows = |what: &str, line: &str| {
            pty.wait_screen(what, |text| {
                rows(text).0.iter().any(|row| general(row, name, "").starts_with(line))
            });
        };
        shows(&format!("progress of {name}"), "PROG: N messages, N B, N/s, N B/s");
        tool.signal(Signal::SIGUSR1);
        shows(
            &format!("statistics of {name}"),
            "PROG: N messages, N bytes in, N bytes out, N skipped",
        );
        tool.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
        let end = pty.wait_screen("nothing is left", |text| {
            rows(text).0.last().is_some_and(String::is_empty)
        });
        let said = rows(&end).0;
        let errors = said.iter().filter(|row| !row.is_empty() && !row.contains(" messages, "));
        assert_eq!(errors.collect::<Vec<_>>(), Vec::<&String>::new(), "{name}");
    }
}
