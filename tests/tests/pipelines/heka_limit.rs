// SPDX-License-Identifier: MIT OR Apache-2.0
//! Heka's programs accept messages of at most 64 KiB including headers: the tools make none that is
//! longer.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};

use heka_tests::{Outcome, Peer, Signal, Tool, accept, require, sh};

/// Heka's limit.
const LIMIT: &str = "--max-record=65536";

/// Lines of about this length, one with characters that a cut could split, none much shorter.
fn lines() -> String {
    let lengths = [65_300, 65_400, 65_535, 65_536, 65_537, 131_072, 200_000];
    let ascii = lengths.map(|len| "x".repeat(len) + "\n").concat();
    format!("short\n{ascii}{}\nend\n", "\u{20ac}".repeat(50_000))
}

/// Returns the payloads, read as strictly as Heka does.
fn read(frames: &[u8]) -> String {
    let tool = Tool::new("heka-decode").args([LIMIT, "--newlines=never"]);
    let read = tool.stdin(frames).run();
    read.succeeds();
    read.out()
}

/// Returns what heka-send sends.
fn wire(args: &[&str], input: &[u8]) -> (Outcome, Vec<u8>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let sender = Tool::new("heka-send").args(args).arg(address).stdin(input).spawn();
    let mut bytes = Vec::new();
    accept(&listener).read_to_end(&mut bytes).expect("to the end");
    (sender.finish(), bytes)
}

#[test]
fn heka_takes_what_heka_send_makes_of_text() {
    let (sent, bytes) = wire(&[], lines().as_bytes());
    sent.succeeds().stderr_has("split");
    assert_eq!(read(&bytes), lines().replace('\n', ""));
    // Longer ones are made if the receiver is known to accept them, and payloads are not limited.
    let (sent, bytes) = wire(&["--message-limit=4M"], lines().as_bytes());
    sent.succeeds().stderr_is("");
    let whole = Tool::new("heka-decode").stdin(bytes).run();
    assert!(whole.succeeds().out() == lines());
    let (sent, bytes) = wire(&["-opayload"], lines().as_bytes());
    sent.succeeds().stderr_is("");
    assert!(bytes == lines().as_bytes());
    wire_is_refused(&["--message-limit=30"]);
}

fn wire_is_refused(args: &[&str]) {
    let refused = Tool::new("heka-send").args(args).arg("127.0.0.1:1").stdin("x\n").run();
    refused.exits(2).stderr_has("--message-limit: headers alone take more");
}

#[test]
fn a_longer_message_that_is_passed_on_is_warned_of_once() {
    let text = format!("{0}\n{0}\nshort\n", "x".repeat(100_000));
    let long = Tool::new("heka-encode").arg("--max-record=1M").stdin(text).run();
    let warning = "is longer than the 65536 that Heka accepts";
    for args in [&[][..], &["--signer=ops", "--hmac-key-file=/dev/null"]] {
        let args: &[&str] = if args.is_empty() { args } else { &["-n3"] };
        let (sent, bytes) = wire(args, &long.stdout);
        assert_eq!(sent.succeeds().err().matches(warning).count(), 1, "{sent}");
        assert!(bytes == long.stdout);
    }
    let (sent, _) = wire(&["--message-limit=1M"], &long.stdout);
    sent.succeeds().stderr_is("");
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "--ack"]);
    let tool = Tool::new("heka-send").args(["--ack=peer", &listener.addr]).stdin(long.stdout);
    tool.run().succeeds().stderr_is("");
}

#[test]
fn heka_takes_what_heka_listen_makes_of_text() {
    for form in ["auto", "lines", "raw"] {
        let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-oheka", "--input", form]);
        let mut sender = TcpStream::connect(&listener.addr).expect("it listens");
        sender.write_all(lines().as_bytes()).expect("it takes that");
        sender.shutdown(Shutdown::Both).expect("an end");
        let whole = |out: &[u8]| read_loosely(out) == lines();
        listener.wait_stdout("all of it", whole);
        let end = listener.into_running().end_by(Signal::SIGTERM);
        end.killed_by(Signal::SIGTERM);
        assert_eq!(read(&end.stdout), lines(), "{form}");
    }
}

/// The same while frames still arrive.
fn read_loosely(frames: &[u8]) -> String {
    let tool = Tool::new("heka-decode").args([LIMIT, "--newlines=never"]);
    tool.stdin(frames).run().out()
}

/// Forms for people have no such limit.
#[test]
fn other_forms_keep_long_lines_whole() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "-n1"]);
    let line = "x".repeat(1_000_000) + "\n";
    let mut sender = TcpStream::connect(&listener.addr).expect("it listens");
    sender.write_all(line.as_bytes()).expect("it takes that");
    listener.into_running().finish().succeeds().stdout_is(line);
    if require("python3") {
        // A datagram of maximum length and its headers exceed the limit.
        let listener = Peer::new("heka-listen", ["udp://127.0.0.1:0", "-oheka", "-n2"]);
        let send = format!(
            "python3 -c 'import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); \
             s.sendto(b\"y\" * 65507, (\"127.0.0.1\", {}))'",
            listener.port()
        );
        sh(&send).run().succeeds();
        let end = listener.into_running().finish();
        assert_eq!(read(&end.succeeds().stdout), "y".repeat(65_507));
    }
}
