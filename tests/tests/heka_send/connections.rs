// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connections that end or lead nowhere, and how heka-send reacts.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use heka_tests::{Peer, Running, Tool, accept, eventually, free_port, sh};

const FAST: [&str; 2] = ["--retry-delay=20ms", "--retry-jitter=0ms"];

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    (listener, address)
}

fn all_of(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("to the end");
    bytes
}

fn lines(numbers: std::ops::RangeInclusive<u32>) -> String {
    numbers.map(|number| format!("{number}\n")).collect()
}

fn wait_confirmed(sender: &Running, count: u32) {
    let words = format!(" {count} acknowledged");
    eventually("it is acknowledged", || sender.statistics().contains(&words).then_some(()));
}

/// The peer reads a byte, and closes with the others unread: they are lost although its kernel had
/// them.
#[test]
fn what_a_peer_may_not_have_read_is_in_doubt_after_a_reset() {
    for (args, in_doubt) in [(&["-opayload"][..], true), (&["-opayload", "--resend=8M"], false)] {
        let (listener, address) = listen();
        let tool = Tool::new("heka-send").args(FAST).args(args).args(["--stats", &address]);
        let mut sender = tool.stdin_open().spawn();
        sender.write(lines(1..=1000));
        let mut first = accept(&listener);
        first.read_exact(&mut [0]).expect("a byte");
        wait_confirmed(&sender, 1000);
        drop(first);
        sender.wait_stderr("retrying");
        let second = accept(&listener);
        sender.write(lines(1001..=2000));
        sender.close_stdin();
        let came = String::from_utf8(all_of(second)).expect("text");
        let end = sender.finish();
        if in_doubt {
            end.exits(3).stderr_has(", 1000 messages in doubt; retrying");
            end.stderr_has("hint: --resend=8M").stderr_has(" 1000 in doubt");
            assert_eq!(came, lines(1001..=2000));
        } else {
            end.succeeds().stderr_has(" 1000 messages unacknowledged").stderr_has(" 0 in doubt");
            assert_eq!(came, lines(1..=2000));
        }
    }
}

/// What `--ack=none` and `--ack=kernel` guarantee for data of a process that dies: nothing, but
/// data that it had not read are reported. `--resend` covers both.
#[test]
fn what_a_dead_process_had_is_sent_again_only_if_that_is_asked_for() {
    let cases =
        [(true, &[][..]), (false, &[]), (true, &["--resend=8M"]), (false, &["--resend=8M"])];
    for ((reads, more), ack) in
        cases.into_iter().flat_map(|case| ["none", "kernel"].map(|ack| (case, ack)))
    {
        let (listener, address) = listen();
        let args = [&format!("--ack={ack}"), "-opayload", &address];
        let tool = Tool::new("heka-send").args(FAST).args(args).args(more);
        let mut sender = tool.stdin_open().spawn();
        sender.write(lines(1..=1000));
        let mut first = accept(&listener);
        let len = if reads { lines(1..=1000).len() } else { 1 };
        first.read_exact(&mut vec![0; len]).expect("what is sent");
        eventually("it is sent", || sender.statistics().contains(" 1000 sent").then_some(()));
        // As the system does when a process ends.
        drop(first);
        sender.wait_stderr("retrying");
        let second = accept(&listener);
        sender.close_stdin();
        let came = String::from_utf8(all_of(second)).expect("text");
        let end = sender.finish();
        let is_covered = !more.is_empty();
        let is_reported = end.err().contains("1000 messages in doubt");
        assert_eq!(is_reported, !reads && !is_covered, "{ack} {end}");
        end.exits(if is_reported { 3 } else { 0 });
        assert_eq!(came, if is_covered { lines(1..=1000) } else { String::new() }, "{ack} {end}");
    }
}

/// Returns the number of frames without a message.
fn count_empty(mut frames: &[u8]) -> usize {
    let mut count = 0;
    while let [0x1e, len, rest @ ..] = frames {
        let (header, rest) = rest.split_at(usize::from(*len));
        // Its first member is the length of the message, here of less than 128 bytes.
        let len = usize::from(header[1]);
        count += usize::from(len == 0);
        frames = &rest[1 + len..];
    }
    assert!(frames.is_empty(), "{frames:?}");
    count
}

/// To a hekad each request is an empty message.
#[test]
fn a_peer_that_never_answers_is_asked_once_on_each_connection() {
    let (listener, address) = listen();
    let args = ["--ack=peer", "--write-timeout=300ms", "--retry=0", &address];
    let mut sender = Tool::new("heka-send").args(args).stdin_open().spawn();
    sender.write("one\n");
    let mut peer = accept(&listener);
    let mut came = vec![0; 1];
    peer.read_exact(&mut came).expect("a byte");
    sender.write("two\n");
    came.extend(all_of(peer));
    let end = sender.finish();
    end.exits(3).stderr_has("stopped acknowledging, 2 messages unacknowledged");
    end.stderr_has("heka-listen acknowledges only with --ack, other receivers never");
    assert_eq!(count_empty(&came), 1);
}

/// A receiver answers as soon as it is asked, so that one that is stuck is not suspected.
#[test]
fn a_receiver_that_confirms_says_so_at_once() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let (tap, address) = listen();
    let args = ["--ack=peer", "--write-timeout=300ms", "--retry=0", &address];
    let mut sender = Tool::new("heka-send").args(args).stdin_open().spawn();
    let near = accept(&tap);
    let far = TcpStream::connect(&listener.addr).expect("it listens");
    let (mut from, mut to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    let mut question = vec![0; 4096];
    let len = from.read(&mut question).expect("a question");
    to.write_all(&question[..len]).expect("it takes that");
    let mut answer = vec![0; 4096];
    let len = (&far).read(&mut answer).expect("an answer");
    (&near).write_all(&answer[..len]).expect("it takes that");
    // From here on, nothing gets through.
    sender.write("one\n");
    let end = sender.finish();
    end.exits(3).stderr_has("stopped acknowledging");
    assert!(!end.err().contains("--ack"), "{end}");
}

#[test]
fn an_input_without_messages_is_still_delivered_to_somebody() {
    let nothing = || File::open("/dev/null").expect("a device");
    for args in [&["-v"][..], &["-v", "--ack=peer"]] {
        let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-v", "-opayload"]);
        let tool = Tool::new("heka-send").args(args).arg(&listener.addr).stdin_file(nothing());
        tool.run().succeeds().stderr_has(": connected");
        listener.wait_stderr(": closed");
        assert_eq!(listener.stdout(), b"");
    }
    let nobody = format!("127.0.0.1:{}", free_port());
    let sent = Tool::new("heka-send").arg(&nobody).stdin_file(nothing()).run();
    sent.exits(3).stderr_is(&format!("heka-send: {nobody}: Connection refused\n"));
    // Also after a pause.
    let late = sh("sleep 0.3 | heka-send $ADDRESS").env("ADDRESS", &nobody).run();
    late.exits(3).stderr_has(&format!("{nobody}: not reached"));
    let unix = Tool::new("heka-send").arg("unix:nobody").stdin_file(nothing()).run();
    unix.exits(3).stderr_has("No such file or directory");
}

/// Plays a receiver that accepts this many messages from each connection.
#[test]
fn a_peer_that_closes_after_as_many_messages_as_agreed_is_in_order() {
    let (listener, address) = listen();
    let tool = Tool::new("heka-send").args(["--reconnect-after=2", "-opayload", "--retry=0"]);
    let mut sender = tool.arg(&address).stdin_open().spawn();
    for text in ["1\n2\n", "3\n4\n", "5\n6\n"] {
        sender.write(text);
        let mut stream = accept(&listener);
        let mut came = [0; 4];
        stream.read_exact(&mut came).expect("two messages");
        assert_eq!(&came, text.as_bytes());
        drop(stream);
    }
    // The next connection is made at once.
    let last = accept(&listener);
    sender.close_stdin();
    assert_eq!(all_of(last), b"");
    sender.finish().succeeds().stderr_is("");
}
