// SPDX-License-Identifier: MIT OR Apache-2.0

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser as _;
use heka_core::codec::{Encoder, Form, Settings};
use heka_core::net::Stream;
use heka_core::wire::{Header, put_frame};
use nix::time::{ClockId, clock_gettime};

use super::*;
use crate::cli::Cli;
use crate::connection::SHORT;
use crate::doors::Newcomer;
use crate::numbers::Arrivals;
use crate::transport::Transport;

fn server(path: &Path, flags: &[&str]) -> Server {
    let args = ["heka-listen", "--write", path.to_str().unwrap(), "-o", "payload"];
    let cli = Cli::parse_from(args.iter().chain(flags));
    let plan = cli.plan().unwrap();
    let out = plan.write.open(false).unwrap();
    let encoder = Encoder::new(Form::Payload, Settings::default());
    let intake = Intake::new(&plan, out, encoder, None, None);
    Server::new(&plan, Vec::new(), intake).unwrap()
}

fn connect(server: &mut Server) -> UnixStream {
    let (near, far) = UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    let stream = Stream::plain(far.into());
    let (peer, way, arrivals) = ("peer".to_owned(), Transport::Unix, Arrivals::default());
    server.conversations.welcome(Newcomer { stream, peer, way, arrivals, program: None }).unwrap();
    near
}

#[test]
fn what_takes_long_to_read_keeps_nobody_else_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut server = server(&path, &[]);
    // Headers in each other's messages, all of them longer than the data sent.
    let mut hostile = connect(&mut server);
    let headers = b"\x7a\x07\x1e\x04\x08\xc0\x84\x3d\x1f".repeat(7000);
    hostile.write_all(&headers[2..]).unwrap();
    for _ in 0..8 {
        server.serve_all().unwrap();
        hostile.write_all(&headers).unwrap();
    }
    server.serve_all().unwrap();
    drop(hostile);
    // It has reached its end, and much of it is left.
    server.serve_all().unwrap();
    assert_eq!(
        (server.conversations.senders.count(), usize::from(!server.conversations.are_idle())),
        (1, 1)
    );
    connect(&mut server).write_all(b"a line\n").unwrap();
    server.serve_all().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a line\n");
    let mut turns = 0;
    while server.conversations.senders.count() > 0 {
        assert!(!server.conversations.are_idle());
        server.serve_all().unwrap();
        turns += 1;
    }
    assert!(turns > 2, "{turns}");
    assert!(server.intake().failed);
}

/// Creates two senders with unfinished records, the second one because memory is short.
fn short_of_memory(server: &mut Server) -> (UnixStream, UnixStream) {
    let mut begin = |len| {
        let mut sender = connect(server);
        for piece in [&vec![b'x'; len], &b"more".to_vec()] {
            sender.write_all(piece).unwrap();
            server.serve_all().unwrap();
        }
        sender
    };
    (begin(100_000), begin(20_000))
}

#[test]
fn a_sender_that_waits_for_memory_and_is_gone_keeps_nobody_busy() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut server = server(&path, &["--max-memory=64K"]);
    let (_favoured, paused) = short_of_memory(&mut server);
    server.serve_all().unwrap();
    drop(paused);
    let now = || Some(Instant::now());
    assert!(server.poller.wait(now()).unwrap().is_empty(), "it has nothing to tell");
    assert_eq!(server.conversations.senders.count(), 2);
}

#[test]
fn who_may_finish_a_record_has_to_go_on_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut server = server(&path, &["--max-memory=64K", "--idle-timeout=4s"]);
    let (slow, mut waiting) = short_of_memory(&mut server);
    let done = Arc::new(AtomicBool::new(false));
    let trickle = {
        let done = Arc::clone(&done);
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) && (&slow).write_all(b"x").is_ok() {
                std::thread::park_timeout(Duration::from_millis(20));
            }
        })
    };
    waiting.write_all(b"\n").unwrap();
    let since = Instant::now();
    while server.conversations.senders.count() > 1 {
        assert!(since.elapsed() < Duration::from_secs(30), "it keeps the others waiting");
        server.serve_all().unwrap();
    }
    done.store(true, Ordering::Relaxed);
    trickle.join().unwrap();
    let expected = format!("{}more\n", "x".repeat(19_000));
    while !std::fs::read_to_string(&path).unwrap().ends_with(&expected) {
        assert!(since.elapsed() < Duration::from_secs(30), "the other one is not heard");
        server.serve_all().unwrap();
    }
}

#[test]
fn a_long_record_takes_no_room_once_it_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = server(&folder.path().join("out"), &["--max-memory=64K"]);
    let mut sender = connect(&mut server);
    for piece in [&b"x".repeat(150_000)[..], b"more", b"\nthe next one", b" goes on"] {
        sender.write_all(piece).unwrap();
        while !server.poller.wait(Some(Instant::now())).unwrap().is_empty() {
            server.serve_all().unwrap();
        }
    }
    let held = server.conversations.senders.held();
    assert!((1..=SHORT).contains(&held), "{held}");
    // So the next one waits for nobody.
    let mut long = connect(&mut server);
    long.write_all(&b"y".repeat(50_000)).unwrap();
    server.serve_all().unwrap();
    assert!(server.conversations.senders.held() > 50_000);
}

#[test]
fn a_program_that_closes_its_side_and_lives_keeps_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let flags = ["--retry=0", "exec:exec <&- >&-; exec sleep 1000"];
    let mut server = server(&path, &flags);
    let mut other = connect(&mut server);
    let since = Instant::now();
    let mut turns = 0;
    while !server.programs.has_failed() {
        assert!(since.elapsed() < Duration::from_secs(30), "it is not given up");
        other.write_all(b"x\n").unwrap();
        server.serve_all().unwrap();
        turns += usize::from(server.conversations.senders.count() == 1);
    }
    // Two of them are the turns in which it begins and ends.
    assert!(turns > 5, "{turns}");
}

/// Returns the processor time of this thread, which does not depend on other load.
fn busy() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// Returns the longest turn while a sender sends `bytes`, ends, and is served to the end.
fn longest_turn(flags: &[&str], bytes: &[u8]) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let mut server = server(&folder.path().join("out"), flags);
    let sender = connect(&mut server);
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || (&sender).write_all(&bytes).unwrap());
    let mut longest = Duration::ZERO;
    while server.conversations.senders.count() > 0 {
        let before = busy();
        server.serve_all().unwrap();
        longest = longest.max(busy() - before);
    }
    writer.join().unwrap();
    longest
}

/// Returns claims to ever new streams, without valid signatures.
fn claims() -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in 0..3000_u128 {
        let (stream_id, claim) = (number.to_be_bytes(), [7; 128]);
        let header = Header {
            stream_id: Some(&stream_id),
            sequence: Some(1),
            claim: Some(&claim),
            ..Header::default()
        };
        put_frame(&mut bytes, header, b"").unwrap();
    }
    bytes
}

#[test]
fn nobody_delays_another_by_more_than_ten_milliseconds() {
    // Without optimization everything takes many times as long.
    let limit = Duration::from_millis(if cfg!(debug_assertions) { 150 } else { 10 });
    let headers = b"\x7a\x07\x1e\x04\x08\xc0\x84\x3d\x1f".repeat(60_000);
    let begun = [&b"\x1e\x05\x08\xff\xff\xff\x01\x1f"[..], &headers].concat();
    let mut frame = Vec::new();
    let message = b"\x0a\x10abcdabcdabcdabcd\x10\x01";
    put_frame(&mut frame, Header::default(), message).unwrap();
    let (gelf, syslog) = (&["-i", "gelf"][..], &["-i", "syslog"][..]);
    let members = [&b"{\"a\":1"[..], &b",\"_b\":1".repeat(15_000), b"}\0"].concat();
    let escapes = [&b"{\"a\":\""[..], &b"\\u0061".repeat(174_000), b"\"}\0"].concat();
    for (name, flags, bytes) in [
        ("headers in each other's messages", &[][..], headers[2..].to_vec()),
        ("the same in an unfinished message", &[], begun),
        ("separators", &[], vec![0x1e; 500_000]),
        ("small frames", &[], frame.repeat(20_000)),
        ("claims to streams", &["--ack"], claims()),
        ("short lines", &[], b"a\n".repeat(250_000)),
        ("a long line", &[], b"a".repeat(3_000_000)),
        ("short messages of syslog", syslog, b"<1>\n".repeat(100_000)),
        ("counted messages of syslog", syslog, b"3 <1>".repeat(100_000)),
        ("short messages of GELF", gelf, b"{\"a\":1}\0".repeat(50_000)),
        ("messages of GELF with many fields", gelf, members.repeat(10)),
        ("a long message of GELF with escapes", gelf, escapes),
    ] {
        let longest = (0..3).map(|_| longest_turn(flags, &bytes)).min().unwrap();
        println!("{name}: {longest:?}");
        assert!(longest < limit, "{name}: {longest:?}");
    }
}
