// SPDX-License-Identifier: MIT OR Apache-2.0
//! ws-source and the opening handshake: answers that refuse, redirect, never end or are invalid.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use heka_tests::ws::{WsPeer, WsServer, agreement};
use heka_tests::{Outcome, Signal, Tool, scratch};

fn run(script: impl Fn(usize, WsPeer) + Send + Sync + 'static, args: &[&str]) -> Outcome {
    let server = WsServer::start(script);
    Tool::new("ws-source").args(["--retry", "0", &server.url("/")]).args(args).run()
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
    refuse("").exits(3).stderr_has("closed the connection during the WebSocket handshake\n");
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
        // The harness searches all output for s3cr3t.
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
fn nor_are_parts_of_them_in_whatever_form() {
    const TOKEN: &str = "t0ken-s3cr3t-abcdefghijklmnopqr";
    let dir = scratch();
    std::fs::write(dir.path().join("token"), TOKEN).unwrap();
    for quoted in [&TOKEN[..16], &TOKEN[5..], &TOKEN.to_uppercase(), "t0ken-s3 cr3t-abcdefgh"] {
        let quoted = quoted.to_owned();
        let body = quoted.clone();
        let server = WsServer::start(move |_, mut peer| {
            peer.request();
            let len = body.len() + 9;
            peer.send(format!("HTTP/1.1 401 No\r\nContent-Length: {len}\r\n\r\nrefused: {body}"));
        });
        let args = ["--retry", "0", "--bearer-file", "token", &server.url("/")];
        let outcome = Tool::new("ws-source").args(args).dir(dir.path()).run();
        outcome.exits(3).stderr_has("refused: [concealed]\n");
        assert!(!outcome.err().contains(&quoted), "{outcome}");
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
        // It waits in poll once it has got so far: the system call in progress shows it.
        let call = format!("/proc/{}/wchan", running.pid());
        heka_tests::eventually("it waits", || {
            let call = std::fs::read_to_string(&call).ok()?;
            call.contains("poll").then_some(())
        });
        running.signal(Signal::SIGTERM);
        running.finish().killed_by(Signal::SIGTERM);
    }
    // It waits for a writer that is late.
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
fn a_refusal_whose_end_is_not_announced_is_waited_for_briefly() {
    for (answer, told) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", "HTTP 204 No Content\n"),
        ("HTTP/1.1 400 Bad Request\r\n\r\nno such key", "HTTP 400 Bad Request: no such key\n"),
    ] {
        let is_brief = |_: usize| {
            let since = Instant::now();
            let refuse = move |_, mut peer: WsPeer| {
                peer.request();
                peer.send(answer);
                peer.until_end();
            };
            run(refuse, &[]).exits(3).stderr_has(told);
            since.elapsed() < Duration::from_secs(2)
        };
        // Another load may delay some of them.
        assert!((0..10).any(is_brief), "{answer}");
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
    .stderr_has("no answer to the WebSocket handshake in time\n");
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
    // Messages for one server are not sent to another.
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
                "the redirect was not followed: another server does not get what -p, --init-file",
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
            .stderr_has("the redirect was not followed: it leads to a UNIX socket\n");
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
fn an_origin_is_given_once() {
    Tool::new("ws-source")
        .arg("ws://127.0.0.1:1/")
        .args(["--origin", "http://a", "-H", "Origin: http://b"])
        .run()
        .exits(2)
        .stderr_has("--origin: -H gives an Origin too");
}
