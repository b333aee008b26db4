// SPDX-License-Identifier: MIT OR Apache-2.0
//! Strangers who know the name of another sender's stream, or have recorded its connection; and
//! peers that acknowledge what they never received.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use heka_tests::{Fault, Peer, Proxy, Tool, accept, eventually, scratch};

const FAST: [&str; 2] = ["--retry-delay=20ms", "--retry-jitter=0ms"];
const KEY: &str = "correct horse battery staple";

/// Returns a frame without a message: what follows comes after this record of this stream.
fn place(stream_id: &[u8], number: u64) -> Vec<u8> {
    let mut header = vec![8, 0, 0xa2, 6, 16];
    header.extend_from_slice(stream_id);
    header.extend([0xa8, 6]);
    let mut rest = number;
    while rest >= 0x80 {
        header.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    header.push(rest as u8);
    [&[0x1e, header.len() as u8][..], &header, &[0x1f]].concat()
}

fn frames(text: &str) -> Vec<u8> {
    Tool::new("heka-encode").stdin(text).run().succeeds().stdout.clone()
}

/// Forwards connections, and records what senders say.
fn tap(upstream: &str) -> (String, Arc<Mutex<Vec<Vec<u8>>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let (heard, upstream) = (Arc::new(Mutex::new(Vec::new())), upstream.to_owned());
    let log = Arc::clone(&heard);
    std::thread::spawn(move || {
        for sender in listener.incoming().map_while(Result::ok) {
            let receiver = TcpStream::connect(&upstream).expect("the receiver");
            let (mut from, mut back) =
                (receiver.try_clone().expect("it"), sender.try_clone().expect("it"));
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut back);
                let _ = back.shutdown(Shutdown::Both);
            });
            log.lock().expect("it").push(Vec::new());
            let log = Arc::clone(&log);
            std::thread::spawn(move || listen_to(sender, receiver, &log));
        }
    });
    (address, heard)
}

fn listen_to(mut sender: TcpStream, mut receiver: TcpStream, log: &Mutex<Vec<Vec<u8>>>) {
    let index = log.lock().expect("it").len() - 1;
    let mut block = vec![0; 4096];
    while let Ok(len @ 1..) = sender.read(&mut block) {
        log.lock().expect("it")[index].extend_from_slice(&block[..len]);
        if receiver.write_all(&block[..len]).is_err() {
            break;
        }
    }
    let _ = receiver.shutdown(Shutdown::Write);
}

/// Returns the stream that a sender names in its first frame.
fn stream_id(heard: &[u8]) -> &[u8] {
    let at = heard.windows(3).position(|bytes| bytes == [0xa2, 6, 16]).expect("a name") + 3;
    &heard[at..at + 16]
}

#[test]
fn a_stranger_makes_no_signed_message_of_another_sender_disappear() {
    let folder = scratch();
    fs::write(folder.path().join("keys"), format!("ops_0 {KEY}\n")).expect("a file");
    fs::write(folder.path().join("key"), KEY).expect("a file");
    let args = ["127.0.0.1:0", "-opayload", "--ack", "--hmac-keys=keys", "--require-signer=ops"];
    let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
    let (tapped, heard) = tap(&listener.addr);
    let proxy = Proxy::new(&tapped);
    let signed = ["--ack=peer", "--signer=ops", "--hmac-key-file=key", &proxy.addr];
    let sender = Tool::new("heka-send").args(FAST).args(signed).dir(folder.path());
    let mut sender = sender.stdin_open().spawn();
    sender.write("one\n");
    listener.wait_stdout_is("one\n");
    let first = heard.lock().expect("it")[0].clone();
    let id = stream_id(&first).to_vec();
    // The recorded bytes again; a number of the stranger's own; and both far ahead.
    let own_words = first.repeat(2);
    let attacks = [place(&id, 1_000_000), own_words, [first, place(&id, 1_000_000)].concat()];
    let mut strangers = Vec::new();
    for (count, words) in attacks.iter().enumerate() {
        let mut stranger = TcpStream::connect(&listener.addr).expect("a connection");
        stranger.write_all(words).expect("it takes that");
        // Once this is skipped, the receiver has read the rest.
        stranger.write_all(&frames("unsigned\n")).expect("it takes that");
        eventually("it is refused", || {
            listener.statistics().contains(&format!(" {} skipped", count + 1)).then_some(())
        });
        strangers.push(stranger);
    }
    // Senders that replay a claim have numbers of their own.
    let text = "one\n".repeat(4);
    listener.wait_stdout_is(&text);
    sender.write("two\n");
    listener.wait_stdout_is(format!("{text}two\n"));
    proxy.inject(Fault::CutAfter(10));
    sender.write("three\nfour\n");
    sender.close_stdin();
    sender.finish().succeeds();
    listener.wait_stdout_is(format!("{text}two\nthree\nfour\n"));
    listener.wait_stderr("a stream of another sender: the numbers of each are its own");
    eventually("it is counted", || {
        listener.statistics().contains(" 4 claims refused").then_some(())
    });
}

/// The same without a signature, and from a sender that has proved nothing.
#[test]
fn a_stranger_who_jumps_ahead_counts_for_himself() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let mut sender = TcpStream::connect(&listener.addr).expect("a connection");
    sender.write_all(&[place(&[7; 16], 0), frames("one\n")].concat()).expect("it takes that");
    listener.wait_stdout_is("one\n");
    let mut stranger = TcpStream::connect(&listener.addr).expect("a connection");
    let words = [place(&[7; 16], 1_000_000), frames("stranger\n")].concat();
    stranger.write_all(&words).expect("it takes that");
    listener.wait_stdout_is("one\nstranger\n");
    listener.wait_stderr("a stream has a connection already");
    sender.write_all(&frames("two\n")).expect("it takes that");
    listener.wait_stdout_is("one\nstranger\ntwo\n");
    // It is not told that more is safe than has arrived, either.
    sender.write_all(&[place(&[7; 16], 1_000_000), frames("three\n")].concat()).expect("it");
    listener.wait_stdout_is("one\nstranger\ntwo\nthree\n");
    eventually("it is counted", || {
        listener.statistics().contains(" 2 claims refused").then_some(())
    });
    sender.shutdown(Shutdown::Write).expect("an end");
    let mut answers = Vec::new();
    sender.read_to_end(&mut answers).expect("to the end");
    // Field 102 ends each answer.
    assert!(answers.ends_with(&[0xb0, 6, 2, 0x1f]), "{answers:02x?}");
}

#[test]
fn datagrams_carry_no_numbers() {
    let listener = Peer::new("heka-listen", ["udp://127.0.0.1:0", "-opayload", "--ack"]);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    let send = |bytes: &[u8]| socket.send_to(bytes, listener.bare()).expect("it goes");
    send(&[place(&[7; 16], 1_000_000), frames("one\n")].concat());
    listener.wait_stdout_is("one\n");
    send(&[place(&[7; 16], 0), frames("two\n")].concat());
    listener.wait_stdout_is("one\ntwo\n");
}

#[test]
fn very_many_names_make_no_number_forgotten() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-v", "-opayload", "--ack"]);
    let words = [place(&[7; 16], 0), frames("one\ntwo\n")].concat();
    let mut sender = TcpStream::connect(&listener.addr).expect("a connection");
    sender.write_all(&words).expect("it takes that");
    listener.wait_stdout_is("one\ntwo\n");
    sender.shutdown(Shutdown::Write).expect("an end");
    sender.read_to_end(&mut Vec::new()).expect("to the end");
    listener.wait_stderr("closed, 2 messages acknowledged");
    let mut stranger = TcpStream::connect(&listener.addr).expect("a connection");
    let flood: Vec<_> = (1..70_000_u128).map(|name| place(&name.to_be_bytes(), 0)).collect();
    stranger.write_all(&flood.concat()).expect("it takes that");
    stranger.write_all(&frames("stranger\n")).expect("it takes that");
    listener.wait_stdout_is("one\ntwo\nstranger\n");
    let mut again = TcpStream::connect(&listener.addr).expect("a connection");
    again.write_all(&[words, frames("three\n")].concat()).expect("it takes that");
    listener.wait_stdout_is("one\ntwo\nstranger\nthree\n");
    listener.wait_stderr("a connection carries one stream");
}

/// The old connection, which its receiver still considers alive, may have unread data.
#[test]
fn a_sender_who_comes_back_before_its_old_connection_is_gone_repeats_nothing() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-v", "-opayload", "--ack"]);
    let (tapped, heard) = tap(&listener.addr);
    let proxy = Proxy::new(&tapped);
    let args = ["--ack=peer", "--write-timeout=300ms", &proxy.addr];
    let mut sender = Tool::new("heka-send").args(FAST).args(args).stdin_open().spawn();
    sender.write("one\n");
    listener.wait_stdout_is("one\n");
    eventually("it is acknowledged", || {
        sender.statistics().contains(" 1 acknowledged").then_some(())
    });
    proxy.inject(Fault::Vanish);
    sender.write("two\n");
    sender.wait_stderr("stopped acknowledging");
    eventually("it is back", || (heard.lock().expect("it").len() == 2).then_some(()));
    sender.write("three\n");
    sender.close_stdin();
    sender.finish().succeeds();
    listener.wait_stdout_is("one\ntwo\nthree\n");
}

/// Acknowledges this number on the first connection, and returns the sender's outcome.
fn confirm(numbers: &[u8], text: &str) -> heka_tests::Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let tool = Tool::new("heka-send").args(["-v", "--ack=peer", "--retry=0", "--linger=5s"]);
    let sender = tool.arg(address).stdin(text).spawn();
    let mut stream = accept(&listener);
    stream.read_to_end(&mut Vec::new()).expect("to the end");
    for number in numbers {
        stream.write_all(&[0x1e, 5, 8, 0, 0xb0, 6, *number, 0x1f]).expect("it takes that");
    }
    sender.finish()
}

#[test]
fn what_was_not_sent_is_not_confirmed() {
    let told = confirm(&[100], "one\ntwo\nthree\n");
    told.exits(3).stderr_has(": acknowledges message 100, but 3 is the last that it got");
    told.stderr_has("3 messages not delivered");
    assert!(!told.err().contains("messages acknowledged"), "{}", told.err());
    let told = confirm(&[2, 1], "one\ntwo\nthree\n");
    told.exits(3).stderr_has(": acknowledges message 1 after message 2");
    told.stderr_has("1 message not delivered");
    // Also if everything was acknowledged before.
    confirm(&[3, 100], "one\ntwo\nthree\n").exits(3).stderr_has(": acknowledges message 100");
}

/// UUIDs are not secret, and a source that numbers its messages creates the same ones again.
#[test]
fn the_uuid_of_a_stranger_s_message_hides_none_that_is_signed() {
    let folder = scratch();
    fs::write(folder.path().join("keys"), format!("ops_0 {KEY}\n")).expect("a file");
    fs::write(folder.path().join("key"), KEY).expect("a file");
    let message = |text: &str, flags: &[&str]| {
        let tool = Tool::new("heka-encode").args(flags).dir(folder.path());
        tool.stdin(text).run().succeeds().stdout.clone()
    };
    let uuid = "--uuid=12345678-1234-1234-1234-123456789012";
    let signed = message("signed\n", &[uuid, "--signer=ops", "--hmac-key-file=key"]);
    let strange = message("strange\n", &[uuid]);
    let stream = [&strange[..], &signed, &strange, &signed, &message("last\n", &[])].concat();
    let expected = "strange\nsigned\nlast\n";
    let args = ["127.0.0.1:0", "-opayload", "--dedup", "--hmac-keys=keys"];
    let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
    let mut sender = TcpStream::connect(&listener.addr).expect("a connection");
    sender.write_all(&stream).expect("it takes that");
    listener.wait_stdout_is(expected);
    let decoded = Tool::new("heka-decode").args(["-opayload", "--dedup", "--hmac-keys=keys"]);
    decoded.dir(folder.path()).stdin(stream).run().succeeds().stdout_is(expected);
}
