// SPDX-License-Identifier: MIT OR Apache-2.0
//! Peers that acknowledge what heka-send sends (`--ack=peer`), with wrong numbers, or not at all.

use std::io::{BufReader, Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use heka_tests::{Peer, Signal, Tool, accept, eventually, scratch};

const FAST: [&str; 2] = ["--retry-delay=20ms", "--retry-jitter=0ms"];

/// Acknowledged records are safe, whatever the peer does later.
#[test]
fn a_receiver_that_has_confirmed_may_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let sender = Tool::new("heka-send").args(["--ack=peer", &address]).stdin("x\n").spawn();
    let mut stream = BufReader::new(accept(&listener));
    stream.read_to_end(&mut Vec::new()).expect("to the end");
    // Field 102 of a header without a message: record 1 is safe.
    let confirmation = [0x1e, 5, 8, 0, 0xb0, 6, 1, 0x1f];
    stream.get_mut().write_all(&confirmation).expect("it takes that");
    eventually("it is seen", || sender.statistics().contains(" 1 acknowledged").then_some(()));
    socket2::SockRef::from(stream.get_ref()).set_linger(Some(Duration::ZERO)).expect("it");
    drop(stream);
    sender.finish().succeeds().stderr_has(" 1 acknowledged");
}

#[test]
fn a_receiver_that_never_confirms_is_given_up_after_the_linger() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let args = ["--ack=peer", "--linger=300ms", &address];
    let sender = Tool::new("heka-send").args(FAST).args(args).stdin("x\n").spawn();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            BufReader::new(stream).read_to_end(&mut Vec::new()).expect("to the end");
        }
    });
    let end = sender.finish();
    end.exits(3).stderr_has(": 1 message not acknowledged within 300 ms\n");
    end.stderr_has("heka-listen acknowledges only with --ack");
}

/// The number of requests is visible in the messages: hekad takes each request for an empty
/// message.
#[test]
fn the_first_request_that_is_not_answered_ends_the_attempt() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    // Nothing else ends it.
    let args = ["--ack=peer", "--connect-timeout=300ms", "--linger=1h", "--write-timeout=1h"];
    let send =
        |retries: &str| Tool::new("heka-send").args(FAST).args(args).args([retries, &address]);
    let mut sender = send("--retry=1").stdin_open().spawn();
    for _ in 0..2 {
        let mut came = Vec::new();
        accept(&listener).read_to_end(&mut came).expect("to the end");
        assert!(came.len() == 3 + usize::from(came[1]), "not one frame: {came:02x?}");
    }
    eventually("it is over", || (!sender.is_running()).then_some(()));
    let end = sender.finish();
    end.exits(3).stderr_has(&format!("{address}: does not acknowledge; retrying in 20 ms\n"));
    end.stderr_has("heka-listen acknowledges only with --ack");
    // The same at the end of the input, and between messages.
    let sender = send("--retry=0").stdin("x\n").spawn();
    let _stays = accept(&listener);
    let end = sender.finish();
    end.exits(3)
        .stderr_has(&format!("{address}: does not acknowledge, 1 message unacknowledged\n"));
    end.stderr_has("1 message not delivered\n");
}

#[test]
fn a_receiver_that_does_not_answer_is_left_for_the_next_address() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = listener.local_addr().expect("an address").to_string();
    let next = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let args = ["--ack=peer", "--connect-timeout=300ms", &silent, &next.addr];
    let sent = Tool::new("heka-send").args(FAST).args(args).stdin("x\n").run();
    let told = format!("{silent}: does not acknowledge, 1 message unacknowledged; retrying in");
    sent.succeeds().stderr_has(&told);
    next.wait_stdout_is("x\n");
}

#[test]
fn a_receiver_that_confirms_nothing_is_told_apart_from_one_that_does() {
    let send = |address: &str| {
        let tool = Tool::new("heka-send").args(["--ack=peer", "--linger=200ms", "--retry=0"]);
        tool.arg(address).stdin("x\n").run()
    };
    let deaf = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
    let told = send(&deaf.addr);
    told.exits(3).stderr_has(": closed the connection, 1 message unacknowledged\n");
    told.stderr_has("heka-listen acknowledges only with --ack");
    deaf.wait_stdout_is("x\n");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address").to_string();
    send(&address)
        .exits(3)
        .stderr_is(&format!("heka-send: {address}: 1 message not acknowledged within 200 ms\n"));
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    send(&listener.addr).succeeds().stderr_is("");
    listener.wait_stdout_is("x\n");
}

/// A receiver that rejects a record continues after it.
#[test]
fn a_receiver_that_refuses_a_record_confirms_the_others() {
    let args = ["127.0.0.1:0", "-opayload", "--ack", "--max-message-size=1000"];
    let listener = Peer::new("heka-listen", args);
    let tool = Tool::new("heka-send").args(["-v", "--ack=peer", &listener.addr]);
    let mut sender = tool.stdin_open().spawn();
    sender.write(format!("one\n{}\ntwo\n", "x".repeat(5000)));
    listener.wait_stderr("message longer than the limit");
    let counted = " 2 acknowledged, 1 refused";
    eventually("all are acknowledged", || sender.statistics().contains(counted).then_some(()));
    sender.write("three\n");
    sender.close_stdin();
    sender.finish().exits(1).stderr_has("3 messages acknowledged");
    listener.wait_stdout_is("one\ntwo\nthree\n");
}

/// The same without pauses, and at the end of each of several connections.
#[test]
fn a_receiver_that_refuses_a_record_delays_and_doubles_nothing() {
    let text: String = (0..300).map(|number| format!("line {number}\n")).collect();
    let pace = "while read -r line; do echo $line; sleep 0.002; done";
    for args in ["--write-timeout=300ms --retry=0", "--reconnect-after=70"] {
        let listener = Peer::new(
            "heka-listen",
            ["127.0.0.1:0", "-opayload", "--ack", "--max-message-size=1000"],
        );
        let line = format!(
            "(head -c 5000 /dev/zero | tr '\\0' x; echo; {pace}) | heka-send --ack=peer {args} $ADDRESS"
        );
        let sent = heka_tests::sh(&line).env("ADDRESS", &listener.addr).stdin(text.clone()).run();
        sent.exits(1).stderr_has("message 1 refused: longer than the receiver's limit");
        listener.wait_stderr("message longer than the limit");
        listener.wait_stdout_is(&text);
    }
}

/// A peer that has acknowledged something has --ack, whatever happens to it later.
#[test]
fn a_receiver_that_is_stopped_is_not_suspected_of_lacking_a_flag() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let args = ["--ack=peer", "--write-timeout=200ms", &listener.addr];
    let mut sender = Tool::new("heka-send").args(FAST).args(args).stdin_open().spawn();
    sender.write("one\n");
    listener.wait_stdout_is("one\n");
    eventually("it is acknowledged", || {
        sender.statistics().contains(" 1 acknowledged").then_some(())
    });
    listener.signal(Signal::SIGSTOP);
    sender.write("two\n");
    // On the connection of the acknowledgement, and on later ones.
    eventually("it is given up", || {
        (sender.stderr().matches("stopped acknowledging").count() > 1).then_some(())
    });
    listener.signal(Signal::SIGCONT);
    sender.close_stdin();
    let end = sender.finish();
    assert!(!end.succeeds().err().contains("--ack"), "{}", end.err());
    listener.wait_stdout_is("one\ntwo\n");
}

#[test]
fn two_receivers_that_write_one_file_are_noticed() {
    let folder = scratch();
    let path = folder.path().join("out").display().to_string();
    let listen = || Peer::new("heka-listen", ["127.0.0.1:0", "--write", &path, "--rotate=1M"]);
    let first = listen();
    let second = listen();
    second.wait_stderr("/out: another process writes to it");
    drop(second);
    drop(first);
    assert!(!listen().stderr().contains("another process"));
}
