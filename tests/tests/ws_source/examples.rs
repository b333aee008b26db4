// SPDX-License-Identifier: MIT OR Apache-2.0
//! The examples of ws-source(1), run as written except for the servers' addresses and the time
//! between attempts. The echo server is tungstenite's, over TCP.

use std::net::TcpListener;
use std::sync::mpsc;

use heka_tests::page::{example, examples, joined, readme_examples};
use heka_tests::ws::{WsServer, header};
use heka_tests::{Peer, Signal, Tool, scratch, sh, vector};

const PAGE: &str = "ws-source.1";

/// An independent echo server. The first `breaks` connections break after an echo.
fn echo(breaks: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for (nth, stream) in listener.incoming().flatten().enumerate() {
            let Ok(mut socket) = tungstenite::accept(stream) else { continue };
            while let Ok(message) = socket.read() {
                let is_echoed = message.is_text() || message.is_binary();
                if is_echoed && (socket.send(message).is_err() || nth < breaks) {
                    break;
                }
            }
        }
    });
    format!("ws://127.0.0.1:{port}")
}

/// Returns the example that contains `part`, with `url` in place of `there`.
fn local(part: &str, there: &str, url: &str) -> String {
    let text = example(PAGE, part);
    assert!(text.contains(there), "{text}");
    text.replace(there, url).replace("--retry-delay 5", "--retry-delay 0.05")
}

/// A shell line that trusts the CA of the tests.
fn trusting(line: &str) -> Tool {
    sh(line).env("SSL_CERT_FILE", vector("tls").join("ca.pem"))
}

#[test]
fn each_has_its_test() {
    assert_eq!(examples(PAGE).len(), 7);
    let page: Vec<String> = examples(PAGE).iter().map(|text| joined(text)).collect();
    for line in readme_examples("### Read a WebSocket") {
        assert!(page.contains(&line), "README.md, but not {PAGE}: {line}");
    }
}

#[test]
fn the_echo_is_printed_and_the_connection_made_again() {
    let line = local("--retry-delay 5 -p 'hello", "ws://echo.websocket.org", &echo(2));
    let running = sh(&format!("exec {line}")).spawn();
    running.wait_stdout_is("hello world\n".repeat(3));
    let outcome = running.end_by(Signal::SIGTERM);
    outcome.killed_by(Signal::SIGTERM).stderr_has("; retrying in 50 ms\n");
    assert_eq!(outcome.err().matches(": connected after ").count(), 2, "{outcome}");
}

#[test]
fn one_answer() {
    let line = local("-n 1 -p", "ws://echo.websocket.org", &echo(0));
    sh(&line).run().succeeds().stdout_is("hello world\n").stderr_is("");
}

/// A subscription after every connect, messages, a break without `close_notify`, and a reconnect.
#[test]
fn an_exchange_is_followed_through_drops() {
    let server = WsServer::tls(false, |nth, mut peer| {
        peer.accept();
        let subscription = peer.receive().expect("a subscription");
        assert!(subscription.payload.starts_with(b"{\"type\": \"subscribe\""));
        peer.text("{\"type\":\"subscriptions\"}");
        for sequence in 0..3 {
            peer.text(format!("{{\"type\":\"l2update\",\"sequence\":{}}}", 3 * nth + sequence));
        }
        if nth == 2 {
            peer.echo();
        }
    });
    let line = local("--trust-all-certs", "wss://ws-feed.pro.coinbase.com", &server.url("/"));
    let outcome = sh(&format!("{line} -n 12")).run();
    let mut expected = String::new();
    for nth in 0..3 {
        expected += "{\"type\":\"subscriptions\"}\n";
        for sequence in 0..3 {
            expected += &format!("{{\"type\":\"l2update\",\"sequence\":{}}}\n", 3 * nth + sequence);
        }
    }
    outcome.succeeds().stdout_is(expected).stderr_has("connected after");
    assert_eq!(outcome.err().matches("certificate not verified").count(), 3, "{outcome}");
}

#[test]
fn cookies_and_a_java_key_store() {
    let (sender, seen) = mpsc::channel();
    let server = WsServer::tls(false, move |_, mut peer| {
        sender.send(peer.accept()).unwrap();
        peer.text("news");
        peer.close(1000, "");
    });
    let folder = scratch();
    let at = |name: &str| folder.path().join(name);
    std::fs::copy(vector("tls").join("trust.jks"), at("keystore.jks")).unwrap();
    std::fs::write(at("keystore.pass"), "changeit\n").unwrap();
    let line = local("keystore.jks", "wss://feed.example/", &server.url("/"));
    sh(&format!("{line} -n 1")).dir(folder.path()).run().succeeds().stdout_is("news\n");
    let cookie = header(&seen.recv().unwrap(), "Cookie");
    assert_eq!(cookie.as_deref(), Some("some-cookie-name=\"Data for cookie1 goes here\""));
}

#[test]
fn into_heka() {
    let server = WsServer::tls(false, |_, mut peer| {
        peer.accept();
        assert_eq!(peer.receive().expect("a subscription").payload, b"{\"subscribe\":\"ticks\"}");
        peer.text("tick");
        peer.echo();
    });
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-j"]);
    let line = local("heka-send", "wss://feed.example", &server.url("/"));
    let _running = trusting(&line.replace("aggregator:5565", &listener.addr)).spawn();
    let got = listener.wait_stdout("the message", |out| out.ends_with(b"\n"));
    let got = String::from_utf8_lossy(&got);
    assert!(got.contains("\"websocket\"") && got.contains("\"tick\""), "{got}");
}

#[test]
fn a_conversation() {
    let server = WsServer::tls(false, |_, mut peer| {
        peer.accept();
        let greeting = peer.receive().expect("a message").payload;
        peer.text([&greeting[..], b" yourself"].concat());
        peer.close(1000, "");
    });
    let line = local("--stdin", "wss://chat.example", &server.url("/"));
    trusting(&line).stdin("hello\n").run().succeeds().stdout_is("hello yourself\n");
}

#[test]
fn up_to_a_certain_message() {
    let server = WsServer::start(|_, mut peer| {
        peer.accept();
        for text in ["one", "two", "closing", "never"] {
            peer.text(text);
        }
        peer.echo();
    });
    let line = local("sed", "wss://feed.example", &server.url("/"));
    sh(&line).run().succeeds().stdout_is("one\ntwo\nclosing\n").stderr_is("");
}
