// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tools that read from servers.

use std::fs::File;

use heka_tests::playback::{Playback, Turn, web_socket};
use heka_tests::ws::{WsServer, frame};
use heka_tests::{Running, Tool};

use super::{check_peak, nowhere, wait_flat};

const MIB: u64 = 1024;

/// A pipe that is not read, as the tool's standard output.
pub(super) fn stuck(tool: Tool) -> (std::io::PipeReader, Running) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let tool = tool.stdout_file(File::from(std::os::fd::OwnedFd::from(writer)));
    (reader, tool.spawn())
}

#[test]
fn ws_source_holds_its_backlog() {
    let server = WsServer::start(|_, mut peer| {
        peer.accept();
        let block = frame(0x82, &[b'x'; 60_000]).repeat(16);
        while peer.send(&block) {}
    });
    let args = ["--retry=0", "--max-backlog=32M", "--ping-interval=none", &server.url("/")];
    let (_reader, running) = stuck(Tool::new("ws-source").args(args));
    check_peak(wait_flat(&running, 32 * MIB), 32 * MIB, 32 * MIB);
}

/// Returns an unfinished message of this number of frames of 60,000 bytes.
fn endless(count: usize) -> Vec<u8> {
    let mut bytes = frame(0x02, &[b'x'; 60_000]);
    bytes.extend(frame(0x00, &[b'x'; 60_000]).repeat(count - 1));
    bytes
}

#[test]
fn ws_source_holds_one_message() {
    let server = WsServer::start(|_, mut peer| {
        peer.accept();
        peer.send(endless(500));
        // Nothing follows.
        peer.receive_opcode(8);
    });
    let args = ["--retry=0", "--max-record=32M", "--ping-interval=none", &server.url("/")];
    let running = Tool::new("ws-source").args(args).spawn();
    check_peak(wait_flat(&running, 30_000), 30_000, 32 * MIB);
}

fn cf_tail(via: &str, limit: &str, url: &str) -> Tool {
    let tool = Tool::new("cf-tail").args(["--via", via, limit, "--retry=0", "app", "-a", url]);
    tool.env("CF_ACCESS_TOKEN", "bearer good-s3cr3t")
}

fn events(text: impl AsRef<[u8]>) -> Turn {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    Turn::once([head.as_bytes(), text.as_ref()].concat()).open()
}

/// Returns an event of one line.
fn event(payload: usize) -> String {
    let payload = data_encoding::BASE64.encode(&vec![b'x'; payload]);
    let log = format!(r#"{{"payload":"{payload}","type":"OUT"}}"#);
    let envelope = format!(r#"{{"timestamp":"1","source_id":"s","instance_id":"0","log":{log}}}"#);
    format!("data: {{\"batch\":[{envelope}]}}\n\n")
}

/// Endless messages, and endless data between messages.
#[test]
fn cf_tail_holds_one_message() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-protobuf; boundary=B\r\n\r\n";
    let part = |text: &str| {
        let rest = vec![b'x'; 30_000_000];
        vec![Turn::once([head.as_bytes(), text.as_bytes(), &rest].concat()).open()]
    };
    let event = || vec![events([b"data: ", &[b'x'; 30_000_000][..]].concat())];
    let recent = &["--recent"][..];
    for (via, flags, scheme, turns) in [
        ("rlp", &[][..], "http", event()),
        ("v1", recent, "ws", part("--B\r\n\r\n")),
        ("legacy", &[], "ws", vec![web_socket(endless(500))]),
    ] {
        let server = Playback::new(turns);
        let url = format!("{scheme}://{}", server.addr);
        let running = cf_tail(via, "--max-record=32M", &url).args(flags).spawn();
        check_peak(wait_flat(&running, 29_000), 29_000, 32 * MIB);
    }
}

/// The text, the message made of it, and its output.
#[test]
fn cf_tail_holds_no_more_of_one_that_ends() {
    let server = Playback::new(vec![events(event(20_000_000)).open()]);
    let url = format!("http://{}", server.addr);
    let tool = cf_tail("rlp", "--max-record=32M", &url).stdout_file(nowhere());
    let running = tool.spawn();
    check_peak(wait_flat(&running, 26_000), 26_000, 3 * 32 * MIB);
}

#[test]
fn cf_tail_holds_its_buffer() {
    let server = Playback::new(vec![events(event(10_000).repeat(1500))]);
    let url = format!("http://{}", server.addr);
    let (_reader, running) = stuck(cf_tail("rlp", "--buffer=8M", &url));
    running.wait_stderr("the reader is too slow: messages are dropped");
    check_peak(running.peak_memory(), 8 * MIB, 8 * MIB);
}
