// SPDX-License-Identifier: MIT OR Apache-2.0
//! What heka-send keeps until it is confirmed, one fault at a time. The fault suite (soak) mixes
//! them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use heka_tests::{Fault, Peer, Proxy, Signal, Tool, eventually, scratch};

const FAST: [&str; 2] = ["--retry-delay=20ms", "--retry-jitter=0ms"];

fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).expect("a line");
    line
}

fn accept(listener: &TcpListener) -> BufReader<TcpStream> {
    let (stream, _) = listener.accept().expect("a connection");
    stream.set_read_timeout(Some(heka_tests::ceiling())).expect("a timeout");
    BufReader::new(stream)
}

#[test]
fn the_first_record_after_a_close_is_not_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let tool = Tool::new("heka-send").args(FAST).args(["-opayload", &address]);
    let mut sender = tool.stdin_open().spawn();
    for round in 0..20 {
        sender.write(format!("line {round}\n"));
        // The connection is closed in order as soon as the line is read.
        assert_eq!(line(&mut accept(&listener)), format!("line {round}\n"));
    }
}

#[test]
fn what_a_reset_connection_had_not_passed_on_is_sent_again_with_resend() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let tool = Tool::new("heka-send").args(FAST).args(["--resend=1M", "-opayload", &address]);
    let mut sender = tool.stdin_open().spawn();
    sender.write("one\ntwo\n");
    let (mut stream, _) = listener.accept().expect("a connection");
    let mut four = [0; 4];
    stream.read_exact(&mut four).expect("one line");
    // Closed with a line unread: the sender sees a reset.
    drop(stream);
    let mut again = accept(&listener);
    assert_eq!((line(&mut again), line(&mut again)), ("one\n".to_owned(), "two\n".to_owned()));
}

#[test]
fn a_record_cut_in_the_middle_comes_again_whole() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let proxy = Proxy::new(&listener.addr);
    proxy.inject(Fault::CutAfter(10_000));
    let text: String = (0..1000).map(|number| format!("line {number}\n")).collect();
    let tool = Tool::new("heka-send").args(FAST).args(["-v", "--ack=peer", &proxy.addr]);
    let sent = tool.stdin(text.clone()).run();
    sent.succeeds().stderr_has("unconfirmed; trying again").stderr_has("sent again");
    listener.wait_stdout_is(text);
    assert_eq!(proxy.accepted(), 2);
}

#[test]
fn a_receiver_that_confirms_nothing_is_told_apart_from_one_that_does() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
    let tool = Tool::new("heka-send").args(["--ack=peer", "--linger=200ms", "--retry=0"]);
    let sent = tool.arg(&listener.addr).stdin("x\n").run();
    sent.exits(3).stderr_has("1 message");
}

#[test]
fn a_position_is_stored_once_its_message_is_confirmed() {
    let folder = scratch();
    fs::write(folder.path().join("app.log"), "one\ntwo\n").expect("a file");
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let pipeline = |address: &str| {
        let line = "heka-tail --no-follow --resume app.pos app.log |
            heka-send --retry=0 --ack=peer --commit app.pos $ADDRESS";
        heka_tests::sh(line).dir(folder.path()).env("ADDRESS", address).run()
    };
    pipeline("127.0.0.1:1").exits(3);
    pipeline(&listener.addr).succeeds();
    listener.wait_stdout_is("one\ntwo\n");
    let mut log =
        fs::OpenOptions::new().append(true).open(folder.path().join("app.log")).expect("it");
    log.write_all(b"three\n").expect("a line");
    pipeline(&listener.addr).succeeds();
    listener.wait_stdout_is("one\ntwo\nthree\n");
}

#[test]
fn positions_and_old_numbers_do_not_go_over_the_wire() {
    let folder = scratch();
    fs::write(folder.path().join("app.log"), "one\n").expect("a file");
    let tail = Tool::new("heka-tail").args(["--no-follow", "--resume=app.pos", "app.log"]);
    let frames = tail.dir(folder.path()).run().succeeds().stdout.clone();
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-n1"]);
    Tool::new("heka-send").arg(&listener.addr).stdin(frames.clone()).run().succeeds();
    let arrived = listener.into_running().finish().stdout;
    assert!(arrived.len() < frames.len());
    // The message itself is what it was.
    let message = |frame: &[u8]| frame[3 + usize::from(frame[1])..].to_vec();
    assert_eq!(message(&arrived), message(&frames));
    assert_eq!(arrived[1], 2 + u8::from(arrived[3] >= 0x80), "only the length is left");
}

#[test]
fn a_queue_keeps_what_could_not_be_sent() {
    let folder = scratch();
    let text: String = (0..50_000).map(|number| format!("line {number}\n")).collect();
    let send = |args: &[&str]| Tool::new("heka-send").dir(folder.path()).args(FAST).args(args);
    let mut first = send(&["--queue=q", "--ack=peer", "127.0.0.1:1"]).stdin_open().spawn();
    first.write(&text);
    eventually("everything is queued", || {
        first.signal(Signal::SIGUSR1);
        first.stderr().contains("heka-send: 50000 messages").then_some(())
    });
    let second = send(&["--queue=q", "127.0.0.1:1"]).run();
    second.exits(1).stderr_has("in use by another process");
    first.end_by(Signal::SIGKILL);
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    send(&["--queue=q", "--ack=peer", &listener.addr]).run().succeeds();
    listener.wait_stdout("all lines", |out| out == text.as_bytes());
    // Nothing is left for another run.
    send(&["--queue=q", "--ack=peer", &listener.addr, "-v"]).run().succeeds();
    listener.wait_stdout("all lines", |out| out == text.as_bytes());
}

#[test]
fn a_full_queue_does_what_it_is_told() {
    let folder = scratch();
    let text: String = (0..20_000).map(|number| format!("line {number}\n")).collect();
    let limits = ["--queue-size=500K", "--queue-file-size=100K", "--in-flight=1K"];
    let send = |full: &str| {
        let queue = format!("--queue={full}");
        let full = format!("--queue-full={full}");
        Tool::new("heka-send").dir(folder.path()).args(limits).args([&queue, &full, "127.0.0.1:1"])
    };
    send("exit").stdin(text.clone()).run().exits(1).stderr_has("the queue is full");
    let dropping = send("drop-oldest").stdin(text.clone()).spawn();
    dropping.wait_stderr("messages dropped");
    dropping.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    let blocking = send("block").stdin(text).spawn();
    blocking.wait_stderr("trying again");
    let size =
        || fs::read_dir(folder.path().join("block")).map_or(0, |files| files.flatten().count());
    eventually("the queue is full", || (size() >= 6).then_some(()));
    blocking.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
}

#[test]
fn a_slow_receiver_slows_the_source_and_memory_stays_flat() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let reader = fs::File::from(std::os::fd::OwnedFd::from(reader));
    let writer = fs::File::from(std::os::fd::OwnedFd::from(writer));
    let source = heka_tests::sh("exec yes 'a line that never ends'").stdout_file(writer).spawn();
    let sender = Tool::new("heka-send").args(["-oraw", &address]).stdin_file(reader).spawn();
    let (_stream, _) = listener.accept().expect("a connection");
    let bytes = || {
        let before = sender.stderr().len();
        sender.signal(Signal::SIGUSR1);
        eventually("a line of statistics", || {
            sender.stderr().get(before..).filter(|new| new.ends_with('\n')).map(str::to_owned)
        })
    };
    let amount = |line: &str| line.split(", ").nth(1).map(str::to_owned);
    let mut last = (amount(&bytes()), std::time::Instant::now());
    eventually("reading stops", || {
        let now = amount(&bytes());
        if now != last.0 {
            last = (now, std::time::Instant::now());
        }
        (last.1.elapsed().as_millis() > 500).then_some(())
    });
    let status = fs::read_to_string(format!("/proc/{}/status", sender.pid())).expect("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kib < 40 * 1024, "{kib} KiB");
    drop(source);
}
