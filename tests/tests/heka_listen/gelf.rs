// SPDX-License-Identifier: MIT OR Apache-2.0
//! GELF as the libraries of many languages send it to Graylog.

use std::net::UdpSocket;

use heka_tests::{Peer, Signal, Tool, require, scratch};
use serde_json::Value;

/// Sends as graypy does, with only Python's standard library.
const GRAYPY: &str = r#"
import gzip, json, os, socket, struct, sys, zlib

def message(text, **more):
    record = {"version": "1.1", "host": "web-1", "short_message": text, "level": 3,
              "timestamp": 1700000000.25, "_logger": "app", "_pid": 42, "_process_name": "main"}
    return json.dumps(dict(record, **more)).encode()

def chunks(data, size=1420):
    id, count = os.urandom(8), (len(data) + size - 1) // size
    for number in range(count):
        part = data[number * size:(number + 1) * size]
        yield b"\x1e\x0f" + id + struct.pack("BB", number, count) + part

how, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if how == "tcp":
    with socket.create_connection((host, port)) as stream:
        for text in ["first", "two\nlines", "third"]:
            stream.sendall(message(text) + b"\0")
else:
    peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    pack = {"plain": lambda data: data, "zlib": zlib.compress, "gzip": gzip.compress}[how]
    send = lambda data: peer.sendto(data, (host, port))
    send(pack(message("short")))
    long = message("long", full_message=os.urandom(30000).hex(), _trace="y" * 100)
    # The network may change the order.
    for chunk in reversed(list(chunks(pack(long)))):
        send(chunk)
    send(pack(message("last")))
"#;

fn send(how: &str, listener: &Peer) {
    let (host, port) = listener.bare().rsplit_once(':').unwrap();
    Tool::at("python3").args(["-c", GRAYPY, how, host, port]).run().succeeds();
}

fn listen(address: &str, args: &[&str]) -> Peer {
    Peer::new("heka-listen", [address, "-igelf"].iter().chain(args))
}

/// Returns the output once it has `count` lines.
fn messages(listener: &Peer, count: usize) -> Vec<Value> {
    let is_all = |out: &[u8]| out.iter().filter(|byte| **byte == b'\n').count() == count;
    let out = listener.wait_stdout("all messages", is_all);
    let text = String::from_utf8(out).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn payloads(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["Payload"].as_str().unwrap()).collect()
}

#[test]
fn datagrams_are_plain_compressed_and_in_chunks() {
    if !require("python3") {
        return;
    }
    for how in ["plain", "zlib", "gzip"] {
        let listener = listen("udp://127.0.0.1:0", &["-j"]);
        send(how, &listener);
        let messages = messages(&listener, 3);
        assert_eq!(payloads(&messages), ["short", "long", "last"], "{how}");
        for message in &messages {
            assert_eq!(message["Hostname"], "web-1");
            assert_eq!(message["Severity"], 3);
            assert_eq!(message["Type"], "UdpInput");
            assert_eq!(message["TimestampNs"], 1_700_000_000_250_000_000_i64);
            assert_eq!(message["Fields"]["logger"], "app");
        }
        assert_eq!(messages[1]["Fields"]["full_message"].as_str().unwrap().len(), 60_000);
        listener.into_running().end_by(Signal::SIGTERM).stderr_is("");
    }
}

#[test]
fn messages_on_a_connection_end_with_nul() {
    if !require("python3") {
        return;
    }
    let listener = listen("127.0.0.1:0", &["-j"]);
    send("tcp", &listener);
    let messages = messages(&listener, 3);
    assert_eq!(payloads(&messages), ["first", "two\nlines", "third"]);
    assert!(messages.iter().all(|message| message["Type"] == "TcpInput"));
    listener.into_running().end_by(Signal::SIGTERM).stderr_is("");
}

#[test]
fn of_a_text_in_several_messages_no_more_than_wanted_are_written() {
    let record = format!(r#"{{"short_message":"{}"}}"#, "x".repeat(300_000));
    for (wanted, messages) in [("-n1", 1), ("-n3", 3), ("-n9", 5)] {
        let folder = scratch();
        let listener = Tool::new("heka-listen")
            .args(["-i", "gelf", wanted, "--stdio", "--write", "out.heka"])
            .dir(folder.path())
            .stdin(record.clone());
        listener.run().succeeds();
        let frames = std::fs::read(folder.path().join("out.heka")).unwrap();
        let json = Tool::new("heka-decode").arg("-j").stdin(frames).run().out();
        assert_eq!(json.lines().count(), messages, "{wanted}");
    }
}

fn udp(listener: &Peer) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(listener.bare()).unwrap();
    socket
}

#[test]
fn what_is_none_stays_and_what_is_lost_is_reported() {
    let listener = listen("udp://127.0.0.1:0", &["-j", "--max-record=5000"]);
    let socket = udp(&listener);
    socket.send(b"not JSON").unwrap();
    let text = messages(&listener, 1);
    assert_eq!(
        (text[0]["Payload"].as_str(), text[0]["Severity"].as_i64()),
        (Some("not JSON"), Some(7))
    );
    assert!(text[0]["Fields"]["_unparsed"].is_string());
    listener.wait_stderr("not GELF: ");
    socket.send(b"\x1e\x0fidentity\0\x03part").unwrap();
    socket.send(b"{\"short_message\":\"behind\"}").unwrap();
    assert_eq!(payloads(&messages(&listener, 2))[1], "behind");
    let end = listener.into_running().end_by(Signal::SIGTERM);
    end.killed_by(Signal::SIGTERM).stderr_has("only 1 of 3 GELF chunks came, message dropped");
    // 10,000 zeroes.
    let bomb: &[u8] =
        b"\x78\x9c\xed\xc1\x01\x0d\0\0\0\xc2\xa0\xf7\x4f\x6d\x0e\x37\xa0\0\0\0\0\0\0\0\
                        \0\0\xe0\xdf\0\x27\x10\0\x01";
    for (datagram, words) in [
        (&b"\x1e\x0fidentity\x03\x03part"[..], "127.0.0.1: GELF chunk with a wrong number"),
        (bomb, "127.0.0.1: zlib: unpacked to more than 5000 bytes (--max-record)"),
    ] {
        let listener = listen("udp://127.0.0.1:0", &["--max-record=5000"]);
        udp(&listener).send(datagram).unwrap();
        listener.wait_stderr(words);
    }
}

#[test]
fn a_message_in_chunks_may_not_be_too_long() {
    let listener = listen("udp://127.0.0.1:0", &["--max-record=5000"]);
    let socket = udp(&listener);
    for number in 0..2 {
        let head = [&b"\x1e\x0fidentity"[..], &[number, 2]].concat();
        socket.send(&[&head[..], &b" ".repeat(3_000)].concat()).unwrap();
    }
    listener.wait_stderr("127.0.0.1: GELF chunks of more than 5000 bytes (--max-record)");
}

#[test]
fn chunks_take_no_more_memory_than_they_may() {
    let listener = listen("udp://127.0.0.1:0", &["-opayload", "--max-memory=4M"]);
    let socket = udp(&listener);
    for number in 0..20_000_u64 {
        let chunk = [&b"\x1e\x0f"[..], &number.to_ne_bytes(), &[0, 128], &[b'x'; 1000]].concat();
        socket.send(&chunk).unwrap();
    }
    listener.wait_stderr("only 1 of 128 GELF chunks came, message dropped");
    socket.send(b"{\"short_message\":\"behind\"}").unwrap();
    let peak = listener.peak_memory();
    assert!(peak < 40 * 1024, "{peak} KiB");
}

#[test]
fn long_text_fits_heka() {
    let listener = listen("127.0.0.1:0", &["-1", "--message-limit=1000"]);
    let text = "é".repeat(1000);
    let record = format!("{{\"short_message\":\"{text}\",\"_a\":1}}\0");
    std::io::Write::write_all(
        &mut std::net::TcpStream::connect(&listener.addr).unwrap(),
        record.as_bytes(),
    )
    .unwrap();
    let end = listener.into_running().finish();
    end.succeeds().stderr_has("message longer than 1000 bytes, split");
    let decoded =
        Tool::new("heka-decode").arg("-j").stdin(end.stdout.clone()).run().succeeds().out();
    let messages: Vec<Value> =
        decoded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(payloads(&messages).concat(), text);
    assert!(messages.len() > 2 && messages[0]["Fields"]["a"] == 1, "{messages:?}");
    assert!(messages[1]["Fields"].is_null() || messages[1]["Fields"].get("a").is_none());
}
