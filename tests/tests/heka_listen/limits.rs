// SPDX-License-Identifier: MIT OR Apache-2.0
//! The limits of what senders may cost: memory, connections, and time for one record.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use heka_tests::{Peer, Signal, Tool, ceiling, certificates, eventually};

fn connect(listener: &Peer) -> TcpStream {
    let stream = TcpStream::connect(listener.bare()).expect("it listens");
    stream.set_read_timeout(Some(ceiling())).expect("it");
    stream
}

/// Waits until the other side has closed.
fn wait_closed(mut stream: TcpStream) {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _reset = stream.read_to_end(&mut bytes);
}

/// A sender that is never idle keeps its connection as long as it is allowed to.
#[test]
fn a_record_has_to_be_finished_in_time() {
    let args = ["127.0.0.1:0", "-opayload", "--record-timeout=500ms", "--max-conns=1"];
    let listener = Peer::new("heka-listen", args);
    let mut slow = connect(&listener);
    let sender = std::thread::spawn(move || {
        while slow.write_all(b"x").is_ok() {
            std::thread::park_timeout(Duration::from_millis(20));
        }
    });
    let mut next = connect(&listener);
    next.write_all(b"a line\n").expect("it takes that");
    let out = listener.wait_stdout("the next sender's line", |out| out.ends_with(b"a line\n"));
    assert!(out.starts_with(b"xxx"), "what there is of it is taken");
    listener.wait_stderr("record unfinished for 500 ms, closed");
    sender.join().expect("it ends");
    // Records may follow one another as slowly as they like.
    for _ in 0..4 {
        std::thread::park_timeout(Duration::from_millis(200));
        next.write_all(b"more\n").expect("it takes that");
    }
    listener.wait_stdout("all of them", |out| out.ends_with(b"more\nmore\nmore\nmore\n"));
    assert_eq!(listener.stderr().matches("unfinished").count(), 1, "{}", listener.stderr());
}

#[test]
fn a_handshake_has_to_be_finished_in_time() {
    let Some(folder) = certificates() else { return };
    let args = ["tls://127.0.0.1:0", "--cert=server.pem", "--key=server.key"];
    let args = args.iter().chain(&["--record-timeout=200ms"]);
    let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
    wait_closed(connect(&listener));
    listener.wait_stderr("record unfinished for 200 ms, closed");
}

#[test]
fn one_host_has_so_many_connections() {
    let folder = heka_tests::scratch();
    let args = ["127.0.0.1:0", "unix:s", "-v", "-opayload", "--max-conns-per-peer=2"];
    let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
    let mut first = connect(&listener);
    first.write_all(b"first\n").expect("it takes that");
    let second = connect(&listener);
    wait_closed(connect(&listener));
    listener.wait_stderr(": has 2 connections, refused");
    drop(second);
    listener.wait_stderr(": closed");
    let third = Tool::new("heka-send").arg(&listener.addr).stdin("third\n").run();
    third.succeeds();
    for number in 0..3 {
        let tool = Tool::new("heka-send").dir(folder.path()).arg("unix:s");
        tool.stdin(format!("{number}\n")).run().succeeds();
    }
    listener.wait_stdout_is("first\nthird\n0\n1\n2\n");
}

/// Returns the first `len` bytes of a frame of 4 MB.
fn begin(len: usize) -> Vec<u8> {
    let mut frame = vec![0x1e, 5, 8, 0x80, 0x80, 0xfa, 0x01, 0x1f];
    frame.resize(len, b'x');
    frame
}

/// Of twenty senders that begin a frame of 4 MB each and never finish it, few are read.
#[test]
fn unfinished_records_of_all_senders_have_a_bound() {
    let args = ["127.0.0.1:0", "-opayload", "--max-memory=8M"];
    let listener = Peer::new("heka-listen", args);
    let senders: Vec<_> = (0..20).map(|_| connect(&listener)).collect();
    let writers: Vec<_> = senders
        .iter()
        .map(|sender| {
            let mut sender = sender.try_clone().expect("a descriptor");
            std::thread::spawn(move || drop(sender.write_all(&begin(3_900_000))))
        })
        .collect();
    listener.wait_stderr("bytes of unfinished records: some senders wait (--max-memory)");
    // Short records are always accepted, and a long one in its turn.
    Tool::new("heka-send").arg(&listener.addr).stdin("short\n").run().succeeds();
    listener.wait_stdout_is("short\n");
    let long = format!("{}\n", "y".repeat(1_000_000));
    let mut sender = connect(&listener);
    sender.write_all(long.as_bytes()).expect("it takes that");
    sender.shutdown(Shutdown::Write).expect("an end");
    listener.wait_stdout("the long line", |out| out.ends_with(long.as_bytes()));
    // A sender that had its turn and did not continue was disconnected.
    listener.wait_stderr("unfinished record while others wait, closed");
    let peak = listener.peak_memory();
    assert!(peak < 60 * 1024, "{peak} KiB");
    for sender in &senders {
        let _gone = sender.shutdown(Shutdown::Both);
    }
    writers.into_iter().for_each(|writer| writer.join().expect("it ends"));
    eventually("memory is to be had again", || {
        let mut sender = connect(&listener);
        sender.write_all(b"last\n").ok()?;
        listener.stdout().ends_with(b"last\n").then_some(())
    });
    let end = listener.into_running().end_by(Signal::SIGTERM);
    end.killed_by(Signal::SIGTERM);
}
