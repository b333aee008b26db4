// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages that a receiver will never write, or that arrived damaged: none of them counts as
//! delivered, and none affects its neighbours.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;

use heka_tests::{Outcome, Peer, TempDir, Tool, eventually, scratch};

const FAST: [&str; 3] = ["--retry-delay=20ms", "--retry-jitter=0ms", "--retry-growth=1"];

/// A receiver with a limit of 1000 bytes.
fn narrow() -> Peer {
    Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack", "--max-message-size=1000"])
}

/// Three lines, of which the second is too long for it.
fn text() -> String {
    format!("one\n{}\nthree\n", "x".repeat(5000))
}

fn send(folder: &TempDir, args: &[&str], input: impl Into<Vec<u8>>) -> Outcome {
    let tool = Tool::new("heka-send").dir(folder.path()).args(FAST).arg("--ack=peer").args(args);
    tool.arg("--stats").stdin(input).run()
}

#[test]
fn what_a_receiver_refuses_is_told_counted_and_in_the_status() {
    let (listener, folder) = (narrow(), scratch());
    let sent = send(&folder, &[&listener.addr], text());
    sent.exits(1).stderr_has(" 2 acknowledged, 1 refused, ");
    sent.stderr_has(": message 2 refused: longer than the receiver's limit\n");
    listener.wait_stdout_is("one\nthree\n");
    assert!(
        listener
            .statistics()
            .contains(" 2 acknowledged, 0 repeated, 1 connections, 0 claims refused, 1 refused")
    );
}

#[test]
fn what_is_refused_is_kept_in_a_file_for_heka_decode() {
    let (listener, folder) = (narrow(), scratch());
    for _ in 0..2 {
        send(&folder, &["--refused-file=dead", &listener.addr], text()).exits(1);
    }
    listener.wait_stdout_is("one\nthree\n".repeat(2));
    let kept = Tool::new("heka-decode").dir(folder.path()).arg("dead").run().succeeds().out();
    assert_eq!(kept, format!("{0}\n{0}\n", "x".repeat(5000)));
}

#[test]
fn nothing_behind_a_refused_message_is_committed_unless_that_is_asked_for() {
    let (listener, folder) = (narrow(), scratch());
    fs::write(folder.path().join("app.log"), text()).expect("a file");
    let pipeline = |args: &str| {
        let line = format!(
            "heka-tail --no-follow --resume app.pos app.log |
                heka-send --ack=peer --commit app.pos --stats {args} $ADDRESS"
        );
        heka_tests::sh(&line).dir(folder.path()).env("ADDRESS", &listener.addr).run()
    };
    let offset = || {
        let shown = Tool::new("heka-tail").args(["--show-checkpoint=app.pos"]);
        let shown = shown.dir(folder.path()).run().out();
        let offset = shown.split_once("offset ").and_then(|(_, rest)| rest.split(' ').next());
        offset.unwrap_or_default().to_owned()
    };
    for _ in 0..2 {
        let stopped = pipeline("");
        stopped.exits(1).stderr_has(": message ").stderr_has("--refused=skip skips such messages");
        assert!(["", "4"].contains(&&*offset()), "{}", offset());
    }
    pipeline("--refused=skip").exits(1).stderr_has(" 1 refused, ");
    let end = text().len();
    assert_eq!(offset(), end.to_string());
    pipeline("").succeeds().stderr_has(" 0 bytes out, ");
}

#[test]
fn a_queue_keeps_a_refused_message_until_it_may_be_passed_over() {
    let (listener, folder) = (narrow(), scratch());
    for (input, args) in [(text(), &["--queue=q"][..]), (String::new(), &["--queue=q"])] {
        let stopped = send(&folder, &[args, &[&listener.addr]].concat(), input);
        stopped.exits(1).stderr_has(": message 2 refused: ").stderr_has("bytes left in the queue");
    }
    let args = ["--queue=q", "--refused-file=dead", &listener.addr];
    send(&folder, &args, "four\n").exits(1).stderr_has(" 1 refused, ");
    // The third arrived while the second was refused, and is dropped as repeated.
    listener.wait_stdout_is("one\nthree\nfour\n");
    send(&folder, &["--queue=q", &listener.addr], "").succeeds();
}

#[test]
fn a_signature_that_is_not_accepted_is_no_delivery() {
    let folder = scratch();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    write("keys", "ops_0 the key that counts\n");
    write("right", "the key that counts");
    write("wrong", "another key");
    let args = ["127.0.0.1:0", "-opayload", "--ack", "--hmac-keys=keys", "--require-signer=ops"];
    let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
    let lines: String = (0..1000).map(|number| format!("line {number}\n")).collect();
    let signed = |key: &str| {
        let key = format!("--hmac-key-file={key}");
        send(&folder, &["--signer=ops", &key, "--refused-file=dead", &listener.addr], &*lines)
    };
    let refused = signed("wrong");
    refused.exits(1).stderr_has(" 0 acknowledged, 1000 refused, ");
    refused.stderr_has(" refused: the receiver does not accept its signature\n");
    signed("right").succeeds().stderr_has(" 1000 acknowledged, 0 refused, ");
    listener.wait_stdout_is(&lines);
    // A refused message can be sent again, correctly signed.
    let dead = fs::read(folder.path().join("dead")).expect("it is there");
    let args = ["--signer=ops", "--hmac-key-file=right", &listener.addr];
    send(&folder, &args, dead).succeeds();
    listener.wait_stdout_is(lines.repeat(2));
}

/// Forwards connections, and damages the byte at `at` of the first `times` of them.
fn damaging(upstream: &str, times: usize, at: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let upstream = upstream.to_owned();
    std::thread::spawn(move || {
        for (index, sender) in listener.incoming().map_while(Result::ok).enumerate() {
            let receiver = TcpStream::connect(&upstream).expect("the receiver");
            let (mut from, mut back) =
                (receiver.try_clone().expect("it"), sender.try_clone().expect("it"));
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut back);
                let _ = back.shutdown(Shutdown::Both);
            });
            let at = (index < times).then_some(at);
            std::thread::spawn(move || damage(sender, receiver, at));
        }
    });
    address
}

fn damage(mut sender: TcpStream, mut receiver: TcpStream, at: Option<usize>) {
    let (mut block, mut passed) = (vec![0; 4096], 0);
    while let Ok(len @ 1..) = sender.read(&mut block) {
        if let Some(byte) = at.and_then(|at| block[..len].get_mut(at.checked_sub(passed)?)) {
            *byte ^= 0xff;
        }
        passed += len;
        if receiver.write_all(&block[..len]).is_err() {
            break;
        }
    }
    let _ = receiver.shutdown(Shutdown::Write);
}

#[test]
fn what_is_damaged_on_the_way_is_sent_again() {
    let (listener, folder) = (narrow(), scratch());
    let text: String = (0..1000).map(|number| format!("line {number}\n")).collect();
    // The claim, which comes first, is untouched.
    let address = damaging(&listener.addr, 2, 20_000);
    let sent = send(&folder, &["--linger=30s", &address], &*text);
    sent.succeeds()
        .stderr_has(" 1000 acknowledged, 0 refused, ")
        .stderr_has("unacknowledged; retrying");
    listener.wait_stdout_is(&text);
    listener.wait_stderr("to be sent again");
}

#[test]
fn what_is_never_understood_is_refused_alone() {
    let folder = scratch();
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let mut sender = TcpStream::connect(&listener.addr).expect("a connection");
    let frames = Tool::new("heka-encode").stdin("one\ntwo\n").run().succeeds().stdout.clone();
    let (first, second) = frames.split_at(frames.len() / 2);
    // A stream of its own without a claim: a name and number 0.
    let place = [&[0x1e, 24, 8, 0, 0xa2, 6, 16][..], &[7; 16], &[0xa8, 6, 0], &[0x1f]].concat();
    let place = [&[0x1e, place.len() as u8 - 3][..], &place[2..]].concat();
    for times in 1..4 {
        let words = [place.as_slice(), first, b"what is this", second].concat();
        sender.write_all(&words).expect("it takes that");
        let mut told = Vec::new();
        let _reset = sender.read_to_end(&mut told);
        // Number 1 is safe; number 2 is finally refused because it was damaged.
        let is_told = |part: &[u8]| told.windows(part.len()).any(|bytes| bytes == part);
        assert!(is_told(&[0xb0, 6, 1]), "{told:02x?}");
        assert_eq!(is_told(&[0xb0, 6, 2, 0xc8, 6, 3]), times == 3, "{told:02x?}");
        sender = TcpStream::connect(&listener.addr).expect("a connection");
    }
    listener.wait_stdout_is("one\n");
    drop(folder);
}

/// A sender that does not know refusals continues as before.
#[test]
fn a_refusal_confirms_for_those_who_do_not_know_it() {
    let listener = narrow();
    let mut sender = TcpStream::connect(&listener.addr).expect("a connection");
    let frames = Tool::new("heka-encode").stdin(text()).run().succeeds().stdout.clone();
    let place = [&[0x1e, 24, 8, 0, 0xa2, 6, 16][..], &[7; 16], &[0xa8, 6, 0], &[0x1f]].concat();
    let place = [&[0x1e, place.len() as u8 - 3][..], &place[2..]].concat();
    sender.write_all(&[place, frames].concat()).expect("it takes that");
    sender.shutdown(Shutdown::Write).expect("an end");
    let mut told = Vec::new();
    sender.read_to_end(&mut told).expect("to the end");
    let last = told.windows(3).rposition(|bytes| bytes == [0xb0, 6, 3]);
    assert!(last.is_some(), "{told:02x?}");
    listener.wait_stdout_is("one\nthree\n");
}

/// A receiver's statements about messages that it never got, or has acknowledged, are ignored.
#[test]
fn a_refusal_that_cannot_be_is_reported() {
    let refuse = |number: u8, count: u8| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let args = ["--ack=peer", "--retry=0", &address];
        let sender = Tool::new("heka-send").args(args).stdin("one\ntwo\n").spawn();
        let (mut stream, _) = listener.accept().expect("a connection");
        stream.read_to_end(&mut Vec::new()).expect("to the end");
        let header = [8, 0, 0xb0, 6, number, 0xc8, 6, 1, 0xd0, 6, count];
        let answer = [&[0x1e, header.len() as u8][..], &header, &[0x1f]].concat();
        stream.write_all(&answer).expect("it takes that");
        let end = sender.finish();
        drop(stream);
        end
    };
    refuse(3, 1).exits(3).stderr_has("acknowledges message 3, but 2 is the last that it got");
    refuse(2, 3).exits(3).stderr_has("refuses 3 messages up to 2 after message 0");
    refuse(2, 0).exits(3).stderr_has("refuses no message before message 2");
    refuse(2, 2).exits(1).stderr_has("messages 1 to 2 refused: longer than");
    let (listener, folder) = (narrow(), scratch());
    let args = ["--refused=stop", "--refused-file=dead", &listener.addr];
    send(&folder, &args, "").exits(2);
    assert!(!Path::new(folder.path()).join("dead").exists());
    let plain = Tool::new("heka-send").args(["--refused=skip", &listener.addr]).stdin("").run();
    plain.exits(2).stderr_has("need --ack=peer");
    eventually("nobody is connected", || {
        listener.statistics().contains(" 0 connections").then_some(())
    });
}
