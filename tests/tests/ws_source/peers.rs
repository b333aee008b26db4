// SPDX-License-Identifier: MIT OR Apache-2.0
//! ws-source against servers that are slow, rude or wrong: bytes that drip, frames glued to the
//! answer, half-open connections, resets, ends without a close, masked frames, reserved bits, bad
//! UTF-8, endless answers, 302, 403, a handshake without end. (TLS without `close_notify` is in
//! `ws_source_tls`, where no server sends one.)

use std::sync::mpsc;

use heka_tests::ws::{WsPeer, WsServer, agreement, frame};
use heka_tests::{Outcome, Signal, Tool, scratch};

fn run(script: impl Fn(usize, WsPeer) + Send + Sync + 'static, args: &[&str]) -> Outcome {
    let server = WsServer::start(script);
    Tool::new("ws-source").args(["--retry", "0", &server.url("/")]).args(args).run()
}

/// The client breaks the connection off with this code, having printed what was right.
#[track_caller]
fn is_refused(frames: Vec<Vec<u8>>, code: u16, words: &str) {
    let (sender, seen) = mpsc::channel();
    let outcome = run(
        move |_, mut peer| {
            peer.accept();
            peer.text("before");
            for frame in &frames {
                peer.send(frame);
            }
            sender.send(peer.receive_opcode(8)).unwrap();
        },
        &[],
    );
    outcome
        .exits(3)
        .stdout_is("before\n")
        .stderr_has(&format!("closed with {code}"))
        .stderr_has(words);
    let close = seen.recv().unwrap().expect("a close frame");
    assert_eq!(close.payload[..2], code.to_be_bytes(), "{outcome}");
}

#[test]
fn what_breaks_the_protocol_is_refused_with_1002() {
    is_refused(vec![frame(0xc1, b"rsv1")], 1002, "eserved bits");
    is_refused(vec![frame(0x91, b"rsv3")], 1002, "eserved bits");
    is_refused(vec![vec![0x81, 0x81, 1, 2, 3, 4, 0x60]], 1002, "masked");
    is_refused(vec![frame(0x83, b"")], 1002, "invalid opcode");
    is_refused(vec![frame(0x8b, b"")], 1002, "invalid opcode");
    is_refused(vec![frame(0x80, b"no beginning")], 1002, "ontinue");
    is_refused(vec![frame(0x01, b"a"), frame(0x81, b"b")], 1002, "fragments");
    is_refused(vec![frame(0x09, b"ping in pieces")], 1002, "ragmented control");
    is_refused(vec![frame(0x89, &[b'x'; 126])], 1002, "ontrol frame too big");
}

#[test]
fn bad_utf8_is_refused_with_1007_and_large_messages_with_1009() {
    is_refused(vec![frame(0x81, b"\xff")], 1007, "not UTF-8");
    is_refused(vec![frame(0x01, b"\xc3"), frame(0x80, b"(")], 1007, "not UTF-8");
    let (sender, seen) = mpsc::channel();
    let outcome = run(
        move |_, mut peer| {
            peer.accept();
            peer.text([b'x'; 1000]);
            peer.text([b'y'; 1001]);
            sender.send(peer.receive_opcode(8)).unwrap();
        },
        &["--max-message", "1000"],
    );
    outcome.exits(3).stderr_has("closed with 1009 (too large): message of 1001 bytes, only 1000");
    assert_eq!(outcome.stdout.len(), 1001, "{outcome}");
    assert_eq!(seen.recv().unwrap().unwrap().payload[..2], 1009u16.to_be_bytes());
}

#[test]
fn a_claim_of_an_enormous_frame_takes_no_memory() {
    let mut head = vec![0x82, 127];
    head.extend_from_slice(&(1u64 << 62).to_be_bytes());
    is_refused(vec![head], 1009, "only 67108864");
}

#[test]
fn fragments_without_end_are_bounded() {
    let outcome = run(
        |_, mut peer| {
            peer.accept();
            peer.send(frame(0x01, &[b'x'; 1000]));
            while peer.send(frame(0x00, &[b'x'; 1000])) {}
        },
        &["--max-message", "64K"],
    );
    outcome.exits(3).stderr_has("1009").stdout_is("");
}

#[test]
fn an_answer_and_frames_that_drip_are_put_together() {
    let outcome = run(
        |_, mut peer| {
            let request = peer.request();
            peer.drip(agreement(&request, "X-Padding: 0123456789\r\n"));
            peer.drip(frame(0x81, "drip drop é".as_bytes()));
            peer.close(1000, "");
        },
        &[],
    );
    outcome.succeeds().stdout_is("drip drop é\n");
}

#[test]
fn frames_glued_to_the_answer_are_not_lost() {
    let outcome = run(
        |_, mut peer| {
            let request = peer.request();
            let mut all = agreement(&request, "").into_bytes();
            all.extend(frame(0x81, b"one"));
            all.extend(frame(0x81, b"two"));
            all.extend(frame(0x88, &1000u16.to_be_bytes()));
            peer.send(all);
            peer.until_end();
        },
        &[],
    );
    outcome.succeeds().stdout_is("one\ntwo\n");
}

#[test]
fn ends_without_a_close_are_losses() {
    let outcome = run(
        |_, mut peer| {
            peer.accept();
            peer.text("x");
        },
        &[],
    );
    outcome.exits(3).stdout_is("x\n").stderr_has("the connection ended without a close\n");
    let outcome = run(
        |_, mut peer| {
            peer.accept();
            peer.text("x");
            // The client has it when it answers the ping behind it.
            peer.ping("");
            peer.receive_opcode(10);
            peer.reset();
        },
        &[],
    );
    outcome.exits(3).stdout_is("x\n").stderr_has("Connection reset by peer\n");
    let outcome = run(
        |_, mut peer| {
            peer.accept();
            peer.send(frame(0x81, b"cut in the middle")[..9].as_ref());
        },
        &[],
    );
    outcome.exits(3).stdout_is("").stderr_has("ended without a close");
}

#[test]
fn a_half_open_connection_is_noticed_by_its_silence() {
    let outcome = run(
        |_, mut peer| {
            peer.accept();
            peer.text("x");
            // Reads everything and answers nothing.
            peer.until_end();
        },
        &["--ping-interval", "100ms", "--ping-timeout", "300ms"],
    );
    outcome.exits(3).stdout_is("x\n").stderr_has("no answer to a ping for 300 ms\n");
}

#[test]
fn a_server_that_takes_nothing_is_given_up() {
    let outcome = run(
        |_, mut peer| {
            peer.accept();
            // More than the sockets and the queue behind them hold, and not a byte is read.
            while peer.binary([b'x'; 64 * 1024]) {}
        },
        &["--echo", "--binary", "skip", "--ping-interval", "200ms", "--ping-timeout", "1s"],
    );
    outcome.exits(3).stderr_has("the server takes nothing that is sent for 1 s\n");
}

#[test]
fn a_feed_without_messages_is_given_up_when_asked() {
    let outcome = run(
        |_, mut peer| {
            peer.accept();
            peer.echo();
        },
        &["--idle-timeout", "300ms", "--ping-interval", "50ms"],
    );
    outcome.exits(3).stderr_has("no message for 300 ms\n");
}

#[test]
fn pings_are_answered_with_what_they_hold() {
    let (sender, seen) = mpsc::channel();
    run(
        move |_, mut peer| {
            peer.accept();
            peer.ping("are you there");
            sender.send(peer.receive_opcode(10).unwrap().payload).unwrap();
            peer.close(1000, "");
        },
        &[],
    )
    .succeeds();
    assert_eq!(seen.recv().unwrap(), b"are you there");
}

#[test]
fn refusals_are_told_with_status_body_and_retry_after() {
    let refuse = |answer: &'static str| {
        run(
            move |_, mut peer| {
                peer.request();
                peer.send(answer);
            },
            &["-v"],
        )
    };
    refuse("HTTP/1.1 403 Forbidden\r\nContent-Length: 15\r\n\r\nno such api key")
        .exits(3)
        .stderr_has("HTTP 403 Forbidden: no such api key\n");
    refuse("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n")
        .exits(3)
        .stderr_has("HTTP 503 Service Unavailable, Retry-After: 120\n");
    refuse("HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nwho are\r\n5\r\n you?\r\n0\r\n\r\n")
        .exits(3)
        .stderr_has("HTTP 401 Unauthorized: who are you?\n")
        .stderr_has("hint: --user and --bearer-file authenticate\n");
    refuse("HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n<html>\n<body>hi</body></html>")
        .exits(3)
        .stderr_has("HTTP 200 OK\n")
        .stderr_has("note: ");
    refuse("SSH-2.0-OpenSSH_9.2\r\n").exits(3).stderr_has("the answer is not HTTP");
    refuse("").exits(3).stderr_has("closed the connection instead of answering\n");
    refuse("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n")
        .exits(3)
        .stderr_has("wrong Sec-WebSocket-Accept\n");
}

#[test]
fn secrets_that_a_server_quotes_are_not_shown() {
    let dir = scratch();
    for (name, text) in [
        ("token", "token-s3cr3t\n"),
        ("headers", "X-Api-Key: key-s3cr3t\nAuthorization: Basic eDpzM2NyM3Q=\n"),
        ("cookies", "sid=\"cookie-s3cr3t\"\n"),
    ] {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    for args in [
        &["--bearer-file", "token"][..],
        &["--user", "x", "--password-file", "token"],
        &["-H", "@headers"],
        &["--cookie-file", "cookies"],
        &["--cookie", "sid=cookie-s3cr3t"],
    ] {
        let server = WsServer::start(|_, mut peer| {
            let body = peer.request();
            let len = body.len();
            peer.send(format!("HTTP/1.1 401 No\r\nContent-Length: {len}\r\n\r\n{body}"));
        });
        // The harness looks for s3cr3t in all that is said.
        let outcome = Tool::new("ws-source")
            .args(["--retry", "0", "-v", &server.url("/")])
            .args(args)
            .dir(dir.path())
            .run();
        outcome.exits(3).stderr_has("[concealed]");
        for encoded in ["eDpzM2NyM3Q=", "eDp0b2tlbi1zM2NyM3Q="] {
            assert!(!outcome.err().contains(encoded), "{outcome}");
        }
    }
}

#[test]
fn a_signal_ends_the_wait_for_a_refusal_s_body() {
    let (sender, asked) = mpsc::channel();
    let server = WsServer::start(move |_, mut peer| {
        peer.request();
        peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 100\r\n\r\nand");
        sender.send(()).unwrap();
        peer.until_end();
    });
    let running = Tool::new("ws-source").args(["--retry", "0", &server.url("/")]).spawn();
    asked.recv().unwrap();
    running.signal(Signal::SIGTERM);
    running.finish().killed_by(Signal::SIGTERM).stderr_is("");
}

#[test]
fn a_signal_ends_the_wait_for_a_secret() {
    let dir = scratch();
    let fifo = dir.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for name in ["fifo", "-"] {
        let running = Tool::new("ws-source")
            .args(["--bearer-file", name, "ws://127.0.0.1:1/"])
            .dir(dir.path())
            .stdin_open()
            .spawn();
        // It waits in poll once it has got so far: a system call in progress tells.
        let call = format!("/proc/{}/wchan", running.pid());
        heka_tests::eventually("it waits", || {
            let call = std::fs::read_to_string(&call).ok()?;
            call.contains("poll").then_some(())
        });
        running.signal(Signal::SIGTERM);
        running.finish().killed_by(Signal::SIGTERM);
    }
    // A writer that comes late is waited for.
    let server = WsServer::start(|_, mut peer| {
        let request = peer.accept();
        peer.text(heka_tests::ws::header(&request, "User-Agent").unwrap());
        assert!(request.contains("Authorization: Bearer late-token\r\n"), "{request}");
        peer.close(1000, "");
    });
    let running = Tool::new("ws-source")
        .args(["--retry", "0", "--bearer-file", "fifo", "--user-agent", "me", &server.url("/")])
        .dir(dir.path())
        .spawn();
    std::fs::write(fifo, "late-token\n").unwrap();
    running.finish().succeeds().stdout_is("me\n");
}

#[test]
fn an_answer_without_end_is_cut() {
    for (begin, words) in [
        ("HTTP/1.1 101 Switching Protocols\r\n", "the head of the answer is too long\n"),
        ("", "the answer is not HTTP"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "HTTP 403 Forbidden: Endless: "),
    ] {
        let outcome = run(
            move |_, mut peer| {
                peer.request();
                peer.send(begin);
                while peer.send(format!("Endless: {:1000}x\r\n", "")) {}
            },
            &[],
        );
        outcome.exits(3).stdout_is("").stderr_has(words);
        assert!(outcome.stderr.len() < 16 * 1024, "{} bytes", outcome.stderr.len());
    }
}

#[test]
fn extensions_that_nobody_asked_for_are_refused() {
    for (answered, args, words) in [
        ("permessage-bzip2", &[][..], "an extension nobody asked for: permessage-bzip2\n"),
        (
            "permessage-deflate",
            &["--no-compression"],
            "an extension nobody asked for: permessage-deflate\n",
        ),
        (
            "permessage-deflate; server_max_window_bits=99",
            &[],
            "invalid parameter of permessage-deflate: server_max_window_bits=99\n",
        ),
    ] {
        let script = move |_, mut peer: WsPeer| {
            peer.accept_with(&format!("Sec-WebSocket-Extensions: {answered}\r\n"));
            peer.text("x");
            peer.until_end();
        };
        run(script, args).exits(3).stdout_is("").stderr_has(words);
    }
}

#[test]
fn compressed_messages_are_inflated_within_the_limit() {
    let script = |_, mut peer: WsPeer| {
        let request = peer.accept_with("Sec-WebSocket-Extensions: permessage-deflate\r\n");
        assert!(request.contains("Sec-WebSocket-Extensions: permessage-deflate;"), "{request}");
        peer.send(frame(0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"));
        // With what the first one left in the window, in pieces, a ping between them.
        peer.send(frame(0x41, b"\xf2\x00"));
        peer.ping("");
        peer.drip(frame(0x80, b"\x11\x00\x00"));
        peer.text("as it is");
        peer.send(frame(0xc2, &[0xff; 16]));
        peer.receive_opcode(8);
    };
    run(script, &["--max-record", "1M"])
        .exits(3)
        .stdout_is("Hello\nHello\nas it is\n")
        .stderr_has("closed with 1007 (invalid data): compressed data that cannot be inflated\n");
    let bomb = |_, mut peer: WsPeer| {
        peer.accept_with("Sec-WebSocket-Extensions: permessage-deflate\r\n");
        peer.send(frame(0x42, &zeros(1 << 20)));
        while peer.send(frame(0x00, &zeros(1 << 20))) {}
    };
    run(bomb, &["--max-record", "8M"])
        .exits(3)
        .stdout_is("")
        .stderr_has("closed with 1009 (too large): compressed message of more than 8388608 bytes");
}

/// So many zeros, compressed.
fn zeros(count: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(count);
    let mut deflater = flate2::Compress::new(flate2::Compression::best(), false);
    deflater.compress_vec(&vec![0; count], &mut out, flate2::FlushCompress::Sync).unwrap();
    out
}

#[test]
fn close_codes_and_reasons_are_told_as_they_came() {
    for (code, told) in [
        (1014u16, "1014 (bad gateway)"),
        (1004, "1004 (reserved)"),
        (1006, "1006 (abnormal)"),
        (1015, "1015 (TLS failure)"),
        (2999, "2999"),
        (4999, "4999"),
        (5000, "5000"),
        (0, "0"),
    ] {
        let (sender, seen) = mpsc::channel();
        let outcome = run(
            move |_, mut peer| {
                peer.accept();
                sender.send(peer.close(code, "upstream gone").unwrap().payload).unwrap();
            },
            &[],
        );
        outcome.exits(3).stderr_has(&format!("the server closed with {told}: upstream gone\n"));
        // A code that may not be sent is answered as what it is, a breach of the protocol.
        let is_valid = matches!(code, 1014 | 4999);
        let answer = if is_valid { code } else { 1002 };
        assert_eq!(seen.recv().unwrap()[..2], answer.to_be_bytes(), "{code}");
    }
}

#[test]
fn interim_answers_are_skipped() {
    let outcome = run(
        |_, mut peer| {
            let request = peer.request();
            peer.send("HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n");
            peer.send("HTTP/1.1 100 Continue\r\n\r\n");
            peer.send(agreement(&request, ""));
            peer.text("x");
            peer.close(1000, "");
        },
        &[],
    );
    outcome.succeeds().stdout_is("x\n");
    let endless = |_, mut peer: WsPeer| {
        peer.request();
        while peer.send("HTTP/1.1 100 Continue\r\n\r\n") {}
    };
    run(endless, &[]).exits(3).stderr_has("the head of the answer is too long\n");
}

#[test]
fn refusals_are_told_with_the_reason_in_their_body() {
    let json = "{\n  \"code\": 7,\n  \"message\": \"no such key\"\n}\n";
    let html = "<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>";
    let compressed = {
        use std::io::Write as _;
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(json.as_bytes()).unwrap();
        gzip.finish().unwrap()
    };
    for (headers, body, told) in [
        ("", json.as_bytes().to_vec(), "HTTP 400 Bad Request: no such key\n"),
        ("Content-Encoding: gzip\r\n", compressed, "HTTP 400 Bad Request: no such key\n"),
        (
            "",
            html.as_bytes().to_vec(),
            "HTTP 400 Bad Request: 400 No required SSL certificate was sent\n",
        ),
    ] {
        let script = move |_, mut peer: WsPeer| {
            peer.request();
            let len = body.len();
            peer.send(format!(
                "HTTP/1.1 400 Bad Request\r\n{headers}Content-Length: {len}\r\n\r\n"
            ));
            peer.send(&body);
            peer.until_end();
        };
        run(script, &[]).exits(3).stderr_has(told);
    }
}

#[test]
fn a_handshake_that_never_ends_is_given_up() {
    run(
        |_, mut peer| {
            peer.request();
            peer.send("HTTP/1.1 101 Switch");
            peer.until_end();
        },
        &["-w", "300ms"],
    )
    .exits(3)
    .stderr_has("the server does not answer the WebSocket handshake\n");
}

#[test]
fn redirects_are_followed_when_asked_and_secrets_stay_behind() {
    let (sender, seen) = mpsc::channel();
    let other = WsServer::start(move |_, mut peer| {
        let request = peer.accept();
        peer.text(request.lines().next().unwrap());
        peer.close(1000, "");
        sender.send(request).unwrap();
    });
    let location = other.url("/new?token=x");
    let dir = scratch();
    let server = WsServer::start(move |_, mut peer| {
        peer.request();
        peer.send(format!(
            "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        ));
    });
    let tool =
        || Tool::new("ws-source").args(["--retry", "0", "--cookie", "s=1", &server.url("/")]);
    tool()
        .run()
        .exits(3)
        .stderr_has(&format!("HTTP 302 Found, Location: {}\n", other.url("/new")))
        .stderr_has("hint: --location 5 follows it\n");
    tool().args(["--location", "1"]).run().succeeds().stdout_is("GET /new?token=x HTTP/1.1\n");
    let request = seen.recv().unwrap();
    assert!(!request.contains("Cookie"), "{request}");
    assert!(request.contains(&format!("Host: 127.0.0.1:{}\r\n", other.port)), "{request}");
    // What is said to the one server is not said to another.
    std::fs::write(dir.path().join("hello"), "t0ken").unwrap();
    for args in [&["-p", "hello"][..], &["--init-file", "hello"], &["--stdin"]] {
        tool()
            .args(["--location", "1"])
            .args(args)
            .dir(dir.path())
            .stdin("record\n")
            .run()
            .exits(3)
            .stdout_is("")
            .stderr_has(
                "that cannot be followed: another server does not get what -p, --init-file",
            );
    }
    assert_eq!(other.connections(), 1);
}

#[test]
fn what_is_said_first_goes_with_a_redirect_on_the_same_server() {
    let outcome = run(
        |nth, mut peer| {
            if nth == 0 {
                peer.request();
                peer.send("HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n");
                return;
            }
            peer.accept();
            peer.echo();
        },
        &["--location", "1", "-p", "hello", "-n", "1"],
    );
    outcome.succeeds().stdout_is("hello\n");
}

#[test]
fn a_redirect_leads_to_no_unix_socket() {
    let dir = scratch();
    let path = dir.path().join("private.sock");
    let private = WsServer::unix(&path, |_, mut peer| {
        peer.accept();
        peer.close(1000, "");
    });
    let location = format!("ws+unix:{}:/x", path.display());
    let script = move |_, mut peer: WsPeer| {
        peer.request();
        peer.send(format!(
            "HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
        ));
    };
    let ca = heka_tests::vector("tls").join("ca.pem");
    for server in [WsServer::start(script.clone()), WsServer::tls(false, script)] {
        Tool::new("ws-source")
            .args(["--retry", "0", "--location", "1", &server.url("/"), "--ca-file"])
            .arg(&ca)
            .run()
            .exits(3)
            .stderr_has("that cannot be followed: it leads to a unix socket\n");
    }
    assert_eq!(private.connections(), 0);
}

#[test]
fn redirects_in_a_circle_end() {
    let outcome = run(
        |_, mut peer| {
            peer.request();
            peer.send("HTTP/1.1 307 Again\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
        },
        &["--location", "3"],
    );
    outcome.exits(3).stderr_has("more than 3 redirects");
}

#[test]
fn a_server_that_never_hangs_up_does_not_hold_the_end() {
    let outcome = run(
        |_, mut peer| {
            peer.accept();
            peer.send(frame(0x88, &1000u16.to_be_bytes()));
            // Neither answers nor closes, and sends on for ever.
            while peer.text("too late") {}
        },
        &[],
    );
    outcome.succeeds().stdout_is("");
}
