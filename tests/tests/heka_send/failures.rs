// SPDX-License-Identifier: MIT OR Apache-2.0
//! Failed connections are counted by cause.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};

use heka_tests::{DeadEnd, Peer, Tool, free_port, tls_front, vector};
use serde_json::{Value, json};

/// Returns the counts by cause after one message to the address in `args`.
#[track_caller]
fn causes<const COUNT: usize>(args: [&str; COUNT]) -> Value {
    let tool = Tool::new("heka-send").args(["-ilines", "--retry=0", "--stats=json"]);
    let said = tool.args(args).stdin("one\n").run().exits(3).err();
    let numbers: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let mut counts = numbers["heka_send_failures_total"].as_object().unwrap().clone();
    counts.retain(|_, count| *count != 0);
    Value::Object(counts)
}

/// Expects one failure, with `cause`.
fn one(cause: &str) -> Value {
    json!({ cause: 1 })
}

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Returns the address of a peer that reads `len` bytes, sends `words` and disconnects.
fn peer(len: usize, words: &'static str) -> String {
    let (listener, address) = listen();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut vec![0; len]).unwrap();
        stream.write_all(words.as_bytes()).unwrap();
    });
    address
}

#[test]
fn of_who_is_not_there() {
    let nobody = format!("127.0.0.1:{}", free_port());
    assert_eq!(causes([&nobody]), one("refused"));
    assert_eq!(causes(["unix:nobody"]), one("refused"));
    assert_eq!(causes(["no-such-host.invalid:1"]), one("resolve"));
    assert_eq!(causes(["-6", &nobody]), one("resolve"));
    assert_eq!(causes(["--connect-timeout=20ms", &DeadEnd::new().addr]), one("timeout"));
    assert_eq!(causes(["exec:exit 4"]), one("program"));
    // Each of several addresses that are tried in order.
    let several = causes(["unix:nobody", &nobody, "exec:exit 4"]);
    assert_eq!(several, json!({ "refused": 2, "program": 1 }));
}

#[test]
fn of_who_answers_otherwise() {
    assert_eq!(causes(["--ack=peer", &peer(1, "")]), one("reset"));
    let (listener, address) = listen();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    assert_eq!(causes(["--ack=peer", &address]), one("closed"));
    let proxy = |status| format!("--proxy=http://{}", peer(57, status));
    let refused = proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n");
    assert_eq!(causes([&refused, "192.0.2.1:9612"]), one("authentication"));
    let refused = proxy("HTTP/1.1 403 Forbidden\r\n\r\n");
    assert_eq!(causes([&refused, "192.0.2.1:9612"]), one("handshake"));
    let refused = proxy("hello\r\n\r\n");
    assert_eq!(causes([&refused, "192.0.2.1:9612"]), one("protocol"));
}

#[test]
fn of_tls() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "--ack"]);
    let ca = format!("--ca-file={}", vector("tls/ca.pem").display());
    let plain = peer(5, "220 a server that speaks first\r\n");
    assert_eq!(causes([&format!("tls://{plain}")]), one("not_tls"));
    let front = tls_front(listener.bare(), "server", false);
    assert_eq!(causes([&format!("tls://{front}")]), one("tls"));
    assert_eq!(causes(["--ack=peer", &front]), one("tls_expected"));
    let front = tls_front(listener.bare(), "server", true);
    assert_eq!(causes(["--ack=peer", &ca, &format!("tls://{front}")]), one("authentication"));
}
