// SPDX-License-Identifier: MIT OR Apache-2.0
//! A receiver that acknowledges what later stages have delivered (`--ack=commit --resume`).

use std::fs;
use std::path::Path;

use heka_tests::{Peer, Proxy, Running, Signal, TempDir, Tool, eventually, scratch};

const SEND: [&str; 5] =
    ["-ilines", "--ack=peer", "--retry-delay=20ms", "--retry-jitter=0ms", "--retry-growth=1"];

fn listen(folder: &Path, flags: &[&str]) -> Peer {
    let args = ["127.0.0.1:0", "--ack=commit", "--resume=relay.pos"];
    Peer::with("heka-listen", args.iter().chain(flags), |tool| tool.dir(folder))
}

fn send(flags: &[&str]) -> Tool {
    Tool::new("heka-send").args(SEND).args(flags)
}

/// Plays a later stage that delivers the first `count` messages and commits.
fn deliver(folder: &Path, frames: Vec<u8>, count: usize) {
    let decode = Tool::new("heka-decode").dir(folder).stdin(frames);
    let count = count.to_string();
    decode.args(["-n", &count, "--write=out", "--commit=relay.pos"]).run().succeeds();
}

fn payloads(frames: Vec<u8>) -> String {
    Tool::new("heka-decode").stdin(frames).run().succeeds().out()
}

#[track_caller]
fn passes_on(listen: &Running, lines: &str) -> Vec<u8> {
    let mut passed = String::new();
    eventually(&format!("{lines:?} is passed on"), || {
        passed = payloads(listen.stdout());
        (passed == lines).then(|| listen.stdout())
    })
}

#[track_caller]
fn is_told(sender: &Running, what: &str) {
    eventually(what, || sender.statistics().contains(what).then_some(()));
}

#[test]
fn a_number_is_acknowledged_once_a_later_stage_has_committed_it() {
    let folder = scratch();
    let listen = listen(folder.path(), &[]);
    let mut sender = send(&[&listen.addr]).stdin_open().spawn();
    sender.write("1\n2\n3\n4\n5\n");
    let frames = passes_on(&listen, "1\n2\n3\n4\n5\n");
    is_told(&sender, "5 sent, 0 acknowledged");
    deliver(folder.path(), frames.clone(), 3);
    is_told(&sender, "5 sent, 3 acknowledged");
    // The connection stays open until everything is delivered.
    sender.close_stdin();
    deliver(folder.path(), frames, 5);
    sender.finish().succeeds();
    listen.into_running().end_by(Signal::SIGTERM).stderr_is("");
}

#[test]
fn what_is_committed_and_comes_again_is_dropped_after_a_restart() {
    let folder = scratch();
    let proxy = Proxy::new("127.0.0.1:1");
    let first = listen(folder.path(), &[]);
    proxy.redirect(&first.addr);
    let mut sender = send(&[&proxy.addr]).stdin_open().spawn();
    sender.write("1\n2\n3\n4\n5\n");
    let frames = passes_on(&first, "1\n2\n3\n4\n5\n");
    // Its process dies before it tells anybody.
    first.into_running().end_by(Signal::SIGKILL);
    deliver(folder.path(), frames, 3);
    let second = listen(folder.path(), &[]);
    proxy.redirect(&second.addr);
    let frames = passes_on(&second, "4\n5\n");
    is_told(&sender, " 3 acknowledged");
    sender.write("6\n");
    sender.close_stdin();
    let frames = [frames, passes_on(&second, "4\n5\n6\n")].concat();
    deliver(folder.path(), frames, 5);
    sender.finish().succeeds();
}

#[test]
fn what_is_dropped_or_refused_holds_nothing_up() {
    let folder = scratch();
    let listen = listen(folder.path(), &["--dedup", "--max-record=100"]);
    let frames = Tool::new("heka-encode").stdin("1\n2\n").run().succeeds().stdout.clone();
    let long = Tool::new("heka-encode").stdin("x".repeat(200)).run().succeeds().stdout.clone();
    // Copies, and finally a message that is too long.
    let input = [frames.clone(), frames, long].concat();
    let sender = Tool::new("heka-send").args(["--ack=peer", &listen.addr]).stdin(input).spawn();
    let passed = passes_on(&listen, "1\n2\n");
    deliver(folder.path(), passed, 3);
    let end = sender.finish();
    end.exits(1).stderr_has("message 5 refused: ");
}

#[test]
fn a_sender_is_told_that_it_waits_for_later_stages() {
    let folder = scratch();
    let listen = listen(folder.path(), &[]);
    let flags = ["--write-timeout=1s", "--linger=1m", "-v", &listen.addr];
    let sender = send(&flags).stdin("1\n").spawn();
    let frames = passes_on(&listen, "1\n");
    let begin = std::time::Instant::now();
    eventually("it waits", || (begin.elapsed().as_millis() > 2500).then_some(()));
    deliver(folder.path(), frames, 1);
    let end = sender.finish();
    end.succeeds();
    assert!(!end.err().contains("acknowledging"), "{end}");
}

#[test]
fn one_connection_ends_when_all_is_delivered() {
    let folder = scratch();
    let listen = listen(folder.path(), &["-1"]);
    let sender = send(&[&listen.addr]).stdin("1\n2\n").spawn();
    let frames = passes_on(&listen, "1\n2\n");
    deliver(folder.path(), frames, 2);
    sender.finish().succeeds();
    listen.into_running().finish().succeeds();
}

/// Every run of a sender is a stream.
#[test]
fn streams_are_forgotten_when_there_are_too_many() {
    let folder: TempDir = scratch();
    let run = "00112233445566778899aabbccddeeff";
    let line = |number: u32| {
        format!(
            "{{\"version\":1,\"source\":\"stream {number:032}\",\"position\":\"7 00000001 {number} {run}\"}}\n"
        )
    };
    let text: String = (0..5000).map(line).collect();
    fs::write(folder.path().join("relay.pos"), text).unwrap();
    let listen = listen(folder.path(), &[]);
    let sender = send(&[&listen.addr]).stdin("1\n").spawn();
    let frames = passes_on(&listen, "1\n");
    deliver(folder.path(), frames, 1);
    sender.finish().succeeds();
    let again = send(&[&listen.addr]).stdin("2\n").spawn();
    let frames = passes_on(&listen, "1\n2\n");
    deliver(folder.path(), frames, 2);
    again.finish().succeeds();
    let stored = fs::read_to_string(folder.path().join("relay.pos")).unwrap();
    let kept: Vec<_> = stored.lines().filter(|line| line.contains("stream 0000")).collect();
    assert!(kept.len() < 4000 && kept.iter().any(|line| line.contains("4999")), "{}", kept.len());
}
