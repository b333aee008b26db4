// SPDX-License-Identifier: MIT OR Apache-2.0
//! ws-source in use: messages, forms, headers, standard input, statuses.
//!
//! The tests of the Flume source, and complaints of users of comparable programs, one line each
//! with its test (cases: `tests/cases/ws-source`; standard input: `ws_source_input`):
//!
//! | of the Flume source | test |
//! | --- | --- |
//! | onOpen, basicStartAndStop, onClose | `term_and_int_close_with_1000_and_are_died_of` |
//! | onMessage | `standard_input_is_sent_record_by_record_…`, `a_conversation` |
//! | onError | `a_reader_that_leaves_ends_it_at_once`, `a_full_disk_is_an_error` |
//! | setHttpHeaders, setHttpCookies | `headers_cookies_and_credentials_reach_the_server` |
//! | getCookies, testWithNoCookies | `without_cookies_…`; case `cookie-without-value` |
//! | secureStartAndStop, useKeyStore | `an_untrusted_server_is_tried_again_…`, `key_stores_…` |
//! | useKeyStoreMissingPath | case `keystore-type-alone` |
//! | echoMessage | `the_echo_of_the_first_message_is_printed` |
//! | invalidStartAndStop | case `no-url` |
//! | TimerTaskAdapterTest | `it_comes_back_again_and_again_and_says_hello_each_time` |
//!
//! | complaint | test |
//! | --- | --- |
//! | the end of stdin loses the answer; a number of messages | `standard_input_is_sent_…`, `linger_…` |
//! | up to a certain message | `up_to_a_certain_message` (sed does it) |
//! | does not end with its server; stdin of a job is read | `close_codes_…`, `standard_input_is_not_read_…` |
//! | a reconnect forgets the hello, spins, says nothing | `it_comes_back_…`, `connections_that_die_at_once_…` |
//! | status 0 on errors, HTTP status hidden | `close_codes_…`, `refusals_are_told_…` |
//! | messages cut at a buffer's size | `nothing_is_cut_at_any_size`, `a_large_message_of_ours_…` |
//! | newlines added, lost or replaced | `forms_and_framings`, `every_message_comes_out_whole_…` |
//! | type and bounds of messages lost | `forms_and_framings`, `heka_messages_say_…` |
//! | PEM, PKCS#12, JKS | `key_stores_say_whom_to_trust`, `key_stores_say_who_we_are` |
//! | proxies, with a password | `ws_source_routes` |
//! | close code and reason unseen | `close_codes_…`, `our_own_close_code_…` |
//! | over a UNIX socket | `a_server_on_a_unix_socket` |
//! | decorated output, dies without a terminal | every test has none and compares all of stdout |
//! | offers a compression that it does not speak | `headers_…`, `extensions_that_nobody_asked_for_…` |
//! | backoff after a connection that dies at once, silent gaps | `connections_that_die_…`, `it_comes_back_…` |
//! | host names not checked, trust without effect, one retry | `host_names_…`, `it_comes_back_…` |
//! | binary messages dropped | `every_message_comes_out_whole_and_in_order` |

use heka_tests::ws::{WsPeer, WsServer, frame, header};
use heka_tests::{Pty, Signal, Tool, eventually, require, scratch, sh};

fn ws(url: &str) -> Tool {
    Tool::new("ws-source").args(["--retry", "0", url])
}

fn echo() -> WsServer {
    WsServer::start(|_, mut peer| {
        peer.accept();
        peer.echo();
    })
}

/// Sends these frames, then closes in order.
fn feed(frames: Vec<Vec<u8>>) -> WsServer {
    WsServer::start(move |_, mut peer| {
        peer.accept();
        for frame in &frames {
            peer.send(frame);
        }
        peer.close(1000, "");
    })
}

#[test]
fn the_echo_of_the_first_message_is_printed() {
    let server = echo();
    ws(&server.url("/"))
        .args(["-p", "hello world", "-n", "1"])
        .run()
        .succeeds()
        .stdout_is("hello world\n")
        .stderr_is("");
}

#[test]
fn term_and_int_close_with_1000_and_are_died_of() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (sender, seen) = std::sync::mpsc::channel();
        let server = WsServer::start(move |_, mut peer| {
            peer.accept();
            peer.text("up");
            let close = peer.receive_opcode(8).expect("a close frame");
            peer.text("on its way");
            peer.send(frame(0x88, &close.payload));
            sender.send(close.payload).unwrap();
        });
        let running = ws(&server.url("/")).spawn();
        running.wait_stdout("the first message", |out| out == b"up\n");
        running.signal(signal);
        let outcome = running.finish();
        outcome.killed_by(signal).stdout_is("up\non its way\n");
        assert_eq!(seen.recv().unwrap(), 1000u16.to_be_bytes());
    }
}

#[test]
fn every_message_comes_out_whole_and_in_order() {
    let big = "x".repeat(200_000);
    let server = feed(vec![
        frame(0x81, b"one"),
        frame(0x01, b"tw"),
        frame(0x89, b"ping in between"),
        frame(0x00, b""),
        frame(0x80, b"o"),
        frame(0x81, b""),
        frame(0x82, b"\xff\x00"),
        frame(0x81, big.as_bytes()),
        frame(0x81, "é".as_bytes()),
    ]);
    let mut expected = b"one\ntwo\n\n\xff\x00\n".to_vec();
    expected.extend_from_slice(format!("{big}\né\n").as_bytes());
    ws(&server.url("/")).run().succeeds().stdout_is(expected).stderr_is("");
}

/// At every length where a header, a read or a buffer changes, over TCP and TLS.
#[test]
fn nothing_is_cut_at_any_size() {
    const LENGTHS: [usize; 12] =
        [0, 1, 125, 126, 127, 4096, 65_535, 65_536, 65_537, 262_143, 262_145, 3_000_001];
    let messages = || LENGTHS.map(|len| "0123456789".repeat(len / 10 + 1)[..len].to_owned());
    let expected = messages().map(|text| text + "\n").concat();
    let script = move |_, mut peer: WsPeer| {
        peer.accept();
        for message in messages() {
            peer.text(&message);
        }
        // All of it at once, and in fragments of odd lengths.
        peer.send(
            messages().iter().flat_map(|text| frame(0x81, text.as_bytes())).collect::<Vec<_>>(),
        );
        for message in messages() {
            peer.send(frame(0x01, b""));
            for part in message.as_bytes().chunks(99_991) {
                peer.send(frame(0x00, part));
            }
            peer.send(frame(0x80, b""));
        }
        peer.close(1000, "");
    };
    for server in [WsServer::start(script), WsServer::tls(false, script)] {
        let ca = heka_tests::vector("tls").join("ca.pem");
        let outcome = ws(&server.url("/")).arg("--ca-file").arg(ca).run();
        outcome.succeeds().stderr_is("");
        assert!(outcome.out() == expected.repeat(3), "{} bytes", outcome.stdout.len());
    }
}

#[test]
fn forms_and_framings() {
    let server = feed(vec![frame(0x81, b"a\nb"), frame(0x82, b"\xff\x00")]);
    let url = server.url("/p?token=secret");
    ws(&url)
        .arg("-0")
        .run()
        .succeeds()
        .stdout_is(b"a\nb\0\xff\x00\0")
        .stderr_has("a message contains NUL");
    ws(&url)
        .args(["--framing", "len32"])
        .run()
        .succeeds()
        .stdout_is(b"\0\0\0\x03a\nb\0\0\0\x02\xff\x00")
        .stderr_is("");
    ws(&url).args(["--binary", "base64"]).run().stdout_is("a\nb\n/wA=\n").stderr_is(
        "ws-source: warning: a message contains a newline\n\
             ws-source: hint: -0, --framing len32, -j or -o heka keep them apart\n",
    );
    ws(&url).args(["--binary", "skip", "-j"]).run().stdout_has(&format!(
        "\"type\":\"text\",\"data\":\"a\\nb\",\"url\":\"{}\"}}\n",
        server.url("/p")
    ));
    let json = ws(&url).arg("-j").run();
    json.stdout_has("\"type\":\"binary\",\"data_base64\":\"/wA=\",\"url\":");
    assert!(!json.out().contains("secret") && json.out().starts_with("{\"time\":\"20"), "{json}");
}

#[test]
fn heka_messages_say_where_they_come_from() {
    let server = feed(vec![frame(0x81, b"a\nb"), frame(0x82, b"\xff")]);
    let host = format!("127.0.0.1:{}", server.port);
    sh("ws-source --retry 0 -o heka \"$URL\" | heka-decode -j")
        .env("URL", server.url("/p"))
        .run()
        .succeeds()
        .stdout_has("\"Type\":\"websocket\"")
        .stdout_has(&format!("\"Logger\":\"{host}\""))
        .stdout_has("\"Payload\":\"a\\nb\"")
        .stdout_has(&format!("\"url\":\"{}\"", server.url("/p")))
        .stdout_has("\"opcode\":1")
        .stdout_has("\"opcode\":2");
}

#[test]
fn headers_cookies_and_credentials_reach_the_server() {
    let (sender, seen) = std::sync::mpsc::channel();
    let server = WsServer::start(move |_, mut peer| {
        let request = peer.accept_with("Sec-WebSocket-Protocol: two\r\n");
        sender.send(request).unwrap();
        peer.close(1000, "");
    });
    let dir = scratch();
    std::fs::write(dir.path().join("pw"), "s3cret\n").unwrap();
    std::fs::write(dir.path().join("more"), "X-Key: 1\n# no\n\nX-Key: 2\n").unwrap();
    let outcome = ws(&server.url("/a%20b?x=1#y"))
        .args(["-H", "A: 1", "-H", "b: 2", "-H", "@more", "--origin", "http://o.test"])
        .args(["--cookie", "c1=\"Data for c1\"", "--cookie", "b=2", "--user-agent", "agent/1"])
        .args([
            "--subprotocol",
            "one",
            "--subprotocol",
            "two",
            "--user",
            "me",
            "--password-file",
            "pw",
            "-v",
        ])
        .dir(dir.path())
        .run();
    outcome.succeeds();
    let request = seen.recv().unwrap();
    assert!(request.starts_with("GET /a%20b?x=1 HTTP/1.1\r\n"), "{request}");
    for (name, value) in [
        ("Host", format!("127.0.0.1:{}", server.port)),
        ("A", "1".to_owned()),
        ("b", "2".to_owned()),
        ("X-Key", "1".to_owned()),
        ("Origin", "http://o.test".to_owned()),
        ("User-Agent", "agent/1".to_owned()),
        ("Cookie", "c1=\"Data for c1\"; b=2".to_owned()),
        ("Sec-WebSocket-Protocol", "one, two".to_owned()),
        ("Authorization", "Basic bWU6czNjcmV0".to_owned()),
        ("Sec-WebSocket-Version", "13".to_owned()),
        (
            "Sec-WebSocket-Extensions",
            "permessage-deflate; client_no_context_takeover; client_max_window_bits".to_owned(),
        ),
    ] {
        assert_eq!(header(&request, name).as_deref(), Some(value.as_str()), "{request}");
    }
    assert!(request.contains("X-Key: 2\r\n"), "{request}");
    assert!(!outcome.err().contains("s3cret"), "{outcome}");
}

#[test]
fn without_cookies_there_is_no_header_and_a_token_makes_a_bearer() {
    let (sender, seen) = std::sync::mpsc::channel();
    let server = WsServer::start(move |_, mut peer| {
        sender.send(peer.accept()).unwrap();
        peer.close(1000, "");
    });
    let dir = scratch();
    std::fs::write(dir.path().join("token"), "abc.def\n").unwrap();
    ws(&server.url("/")).args(["--bearer-file", "token"]).dir(dir.path()).run().succeeds();
    let request = seen.recv().unwrap();
    assert_eq!(header(&request, "Cookie"), None);
    assert_eq!(header(&request, "Authorization").as_deref(), Some("Bearer abc.def"));
}

/// A session of its own whose terminal is `stdin`, as after a login; or none.
fn in_a_session(line: &str, pty: Option<&Pty>) -> Tool {
    match pty {
        Some(pty) => sh(&format!("setsid --wait --ctty {line}")).stdin_file(pty.end()),
        None => sh(&format!("setsid --wait {line}")),
    }
}

#[test]
fn a_password_is_asked_for_on_the_terminal_and_not_shown() {
    if !require("setsid") {
        return;
    }
    let (sender, seen) = std::sync::mpsc::channel();
    let server = WsServer::start(move |_, mut peer| {
        sender.send(peer.accept()).unwrap();
        peer.close(1000, "");
    });
    let line = format!("ws-source --retry 0 --user me {}", server.url("/"));
    let pty = Pty::open();
    let running = in_a_session(&line, Some(&pty)).spawn();
    pty.wait_screen("the question", |text| text.contains("Password for me: "));
    pty.type_in("s3cret\n");
    running.finish().succeeds().stderr_is("");
    assert!(!pty.screen().contains("s3cret"), "{}", pty.screen());
    let authorization = header(&seen.recv().unwrap(), "Authorization");
    assert_eq!(authorization.as_deref(), Some("Basic bWU6czNjcmV0"));
    in_a_session(&line, None).run().exits(2).stderr_has("needs --password-file, or a terminal");
}

#[test]
fn an_interrupted_question_leaves_the_terminal_as_it_was() {
    if !require("setsid") {
        return;
    }
    let pty = Pty::open();
    let line = "ws-source --user me ws://127.0.0.1:1/";
    let running = in_a_session(line, Some(&pty)).spawn();
    pty.wait_screen("the question", |text| text.contains("Password for me: "));
    pty.type_in("\x03");
    assert!(!running.finish().status.success());
    let settings = nix::sys::termios::tcgetattr(pty.end()).unwrap();
    assert!(settings.local_flags.contains(nix::sys::termios::LocalFlags::ECHO));
}

#[test]
fn no_message_more_is_written_than_wanted_but_all_of_these_are_sent_back() {
    let (sender, seen) = std::sync::mpsc::channel();
    let server = WsServer::start(move |_, mut peer| {
        peer.accept();
        for text in ["one", "two", "three"] {
            peer.text(text);
        }
        let mut got = Vec::new();
        while let Some(frame) = peer.receive() {
            if frame.opcode == 8 {
                peer.send(heka_tests::ws::frame(0x88, &frame.payload));
                break;
            }
            got.push(String::from_utf8(frame.payload).unwrap());
        }
        sender.send(got).unwrap();
    });
    let url = server.url("/");
    ws(&url).args(["--echo", "-n", "2"]).run().succeeds().stdout_is("one\ntwo\n");
    assert_eq!(seen.recv().unwrap(), ["one", "two"]);
    ws(&url).args(["-n", "0", "-p", "hello"]).run().succeeds().stdout_is("");
    assert_eq!(seen.recv().unwrap(), ["hello"]);
}

#[test]
fn close_codes_are_shown_and_decide_the_status() {
    for (code, reason, status, words) in [
        (1000, "", 0, ""),
        (1001, "bye", 0, ""),
        (1008, "token expired", 3, "the server closed with 1008 (policy): token expired\n"),
        (4001, "", 3, "the server closed with 4001\n"),
    ] {
        let server = WsServer::start(move |_, mut peer| {
            peer.accept();
            let reply = peer.close(code, reason).expect("a reply");
            assert_eq!(reply.payload[..2], code.to_be_bytes());
        });
        let outcome = ws(&server.url("/")).run();
        outcome.exits(status).stderr_has(words);
    }
    let server = feed(Vec::new());
    ws(&server.url("/")).arg("-v").run().succeeds().stderr_has("closed with 1000 (normal)");
}

#[test]
fn our_own_close_code_and_reason_reach_the_server() {
    let (sender, seen) = std::sync::mpsc::channel();
    let server = WsServer::start(move |_, mut peer| {
        peer.accept();
        peer.text("x");
        let close = peer.receive_opcode(8).expect("a close frame");
        peer.send(frame(0x88, &close.payload));
        sender.send(close.payload).unwrap();
    });
    let args = ["-n", "1", "--close-code", "3001", "--close-reason", "enough"];
    ws(&server.url("/")).args(args).run().succeeds();
    assert_eq!(seen.recv().unwrap(), [&3001u16.to_be_bytes()[..], b"enough"].concat());
}

#[test]
fn a_server_on_a_unix_socket() {
    let dir = scratch();
    let path = dir.path().join("feed.sock");
    let _server = WsServer::unix(&path, |_, mut peer| {
        let request = peer.accept();
        peer.text(request.lines().next().unwrap());
        peer.echo();
    });
    let url = format!("ws+unix:{}:/a?b", path.display());
    ws(&url).args(["-n", "1"]).run().succeeds().stdout_is("GET /a?b HTTP/1.1\n");
    let unix = path.display().to_string();
    ws("ws://feed.test/c").args(["-n", "1", "--unix", &unix]).run().stdout_is("GET /c HTTP/1.1\n");
}

#[test]
fn the_status_tells_that_nothing_came() {
    let server = feed(Vec::new());
    ws(&server.url("/")).arg("-e").run().exits(4);
}

#[test]
fn statistics_count_messages_and_bytes() {
    let server = feed(vec![frame(0x81, b"abc"), frame(0x81, b"de")]);
    ws(&server.url("/"))
        .arg("--stats")
        .run()
        .succeeds()
        .stderr_has("2 messages, ")
        .stderr_has("7 bytes out");
}

#[test]
fn a_reader_that_leaves_ends_it_at_once() {
    let server = WsServer::start(|_, mut peer| {
        peer.accept();
        peer.text("one");
        peer.until_end();
    });
    let outcome = sh("ws-source --retry 0 \"$URL\" | head -1").env("URL", server.url("/")).run();
    outcome.succeeds().stdout_is("one\n").stderr_is("");
    eventually("one connection", || (server.connections() == 1).then_some(()));
}

#[test]
fn a_full_disk_is_an_error() {
    let server = feed(vec![frame(0x81, b"x")]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    ws(&server.url("/"))
        .stdout_file(full)
        .run()
        .exits(1)
        .stderr_has("ws-source: write error: No space left on device\n");
}
