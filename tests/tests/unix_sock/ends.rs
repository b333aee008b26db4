// SPDX-License-Identifier: MIT OR Apache-2.0
//! unix-sock and the last record of a connection: at about 64 KiB, where it is stored in another
//! way, in every framing, however the connection ends.

use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use heka_tests::unix::{connect, serve};
use heka_tests::{Outcome, Signal, Tool, eventually};
use socket2::{Domain, SockAddr, Socket, Type};

/// Length from which the received part of a record is long.
const LONG: usize = 64 * 1024;

/// How a peer leaves.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It ends its side.
    HalfClose,
    /// It closes.
    Close,
    /// It closes with unread data, which breaks the connection.
    Reset,
}

const ENDS: [End; 3] = [End::HalfClose, End::Close, End::Reset];

fn framed(framing: &str, record: &[u8]) -> Vec<u8> {
    let head = match framing {
        "lines" => return [record, b"\n"].concat(),
        "null" => return [record, b"\0"].concat(),
        "len32" => u32::try_from(record.len()).unwrap().to_be_bytes().to_vec(),
        "len64" => (record.len() as u64).to_be_bytes().to_vec(),
        "octet-count" => format!("{} ", record.len()).into_bytes(),
        "heka" => {
            let encode = Tool::new("heka-encode").args(["--max-message-size", "1M"]);
            return encode.stdin(record).run().stdout.clone();
        }
        other => panic!("{other}"),
    };
    [&head, record].concat()
}

/// Returns what a server that echoes makes of `first` and `last` from a peer that leaves like that.
fn served(args: &[&str], first: &[u8], last: &[u8], end: End) -> Outcome {
    let (server, path, _folder) = serve(&[&["-1", "--echo"], args].concat(), |tool| tool);
    let mut peer: UnixStream = connect(&path);
    peer.write_all(first).unwrap();
    let mut echo = vec![0; if matches!(end, End::Reset) { 1 } else { first.len() }];
    peer.read_exact(&mut echo).unwrap();
    peer.write_all(last).unwrap();
    if matches!(end, End::HalfClose) {
        peer.shutdown(Shutdown::Write).unwrap();
        peer.read_to_end(&mut Vec::new()).unwrap();
    }
    drop(peer);
    server.into_running().finish()
}

#[test]
fn a_last_record_needs_no_delimiter_however_long_it_is() {
    for framing in ["lines", "null"] {
        for len in [LONG - 1, LONG, LONG + 1, 5 * LONG] {
            for end in ENDS {
                let last = vec![b'x'; len];
                let out = served(&["--framing", framing], &framed(framing, b"1"), &last, end);
                let expected = [framed(framing, b"1"), framed(framing, &last)].concat();
                assert!(
                    out.stdout == expected,
                    "{framing} {len} {end:?}: {} bytes",
                    out.stdout.len()
                );
            }
        }
    }
}

#[test]
fn a_record_that_is_cut_off_is_told_however_long_it_is() {
    for framing in ["len32", "len64", "octet-count", "heka"] {
        let (first, whole) = (framed(framing, b"1"), framed(framing, &[b'x'; 2 * LONG]));
        for len in [LONG - 1, LONG, LONG + 1] {
            for end in ENDS {
                let args = ["--framing", framing];
                let out = served(&args, &first, &whole[..len], end);
                out.exits(1).stderr_has("cut off").stderr_has(&format!(" {len} bytes"));
                let expected = if framing == "heka" { &first[..] } else { b"1\n" };
                assert!(out.stdout == expected, "{framing} {len} {end:?}");
            }
        }
    }
}

/// Records of this length are complete, whatever follows them.
#[test]
fn a_long_record_that_is_whole_is_handed_over_before_the_end() {
    for framing in ["lines", "null", "len32", "len64", "octet-count", "heka"] {
        let record = framed(framing, &[b'x'; 3 * LONG]);
        let (server, path, _folder) =
            serve(&["--framing", framing, "--stdio", framing], |tool| tool);
        let mut peer = connect(&path);
        peer.write_all(&record).unwrap();
        server.wait_stdout_is(&record);
    }
}

/// A prompt has no newline, and a service that prompts does not close.
#[test]
fn an_unfinished_record_is_handed_over_when_time_is_up() {
    for limit in ["--idle-timeout", "--linger"] {
        let (server, path, _folder) = serve(&[limit, "50ms"], |tool| tool.stdin("$ "));
        let mut peer = connect(&path);
        peer.write_all(b"whole\nunfinished").unwrap();
        server.wait_stdout_is("whole\nunfinished\n");
    }
    let args = ["--framing", "len16", "--idle-timeout", "50ms"];
    let (server, path, _folder) = serve(&args, |tool| tool);
    let mut peer = connect(&path);
    peer.write_all(b"\0\x05whole\0\x05cut").unwrap();
    server.wait_stderr("peer 0: offset 7: cut off, 5 bytes of a record lost");
    server.wait_stdout_is("whole\n");
}

/// A frame that may have swallowed the beginning of another one is delivered when nothing follows
/// it.
#[test]
fn a_doubtful_frame_does_not_wait_for_more() {
    let head = &framed("heka", &[b'x'; 1000])[..7];
    let outer = Tool::new("heka-encode").args(["-i", "whole"]).stdin(head).run().stdout.clone();
    for kind in ["stream", "dgram"] {
        let args = ["--type", kind, "--framing", "heka", "--send-only"];
        let (mut server, path, _folder) = serve(&args, Tool::stdin_open);
        let client = Tool::new("unix-sock").arg(&path).args(["--type", kind, "--framing", "heka"]);
        let mut client = client.args(["--linger", "forever"]).stdin_open().spawn();
        client.write(&outer);
        server.write(&outer);
        client.wait_stdout_is(&outer);
    }
}

/// The system reports that a connection of packets is broken before it returns earlier packets.
#[test]
fn packets_before_a_reset_are_handed_over() {
    for framing in ["lines", "len32", "none"] {
        let args = ["--type", "seqpacket", "--echo", "--framing", framing, "--stdio", "lines"];
        let (server, path, _folder) = serve(&args, |tool| tool);
        let peer = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        peer.connect(&SockAddr::unix(&path).unwrap()).unwrap();
        let packet = |record: &[u8]| match framing {
            "none" => record.to_vec(),
            _ => framed(framing, record),
        };
        peer.send(&packet(b"1")).unwrap();
        // Its echo has arrived, and stays unread.
        peer.peek(&mut [MaybeUninit::uninit()]).unwrap();
        server.signal(Signal::SIGSTOP);
        eventually("it has stopped", || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
            stat.contains(") T ").then_some(())
        });
        for _ in 0..50 {
            peer.send(&packet(b"x")).unwrap();
        }
        drop(peer);
        server.signal(Signal::SIGCONT);
        server.wait_stdout_is([&b"1\n"[..], &b"x\n".repeat(50)].concat());
    }
}

/// Records that a peer has not read when the server ends are reported, but not if enough was
/// received.
#[test]
fn what_is_not_sent_at_the_end_is_told() {
    let block = [&[b'x'; 999][..], b"\n"].concat().repeat(2000);
    for kind in ["stream", "seqpacket"] {
        let args = ["--type", kind, "--timeout", "1s"];
        let (server, path, _folder) = serve(&args, |tool| tool.stdin(block.clone()));
        let type_of = if kind == "stream" { Type::STREAM } else { Type::SEQPACKET };
        let deaf = Socket::new(Domain::UNIX, type_of, None).unwrap();
        deaf.connect(&SockAddr::unix(&path).unwrap()).unwrap();
        let out = server.into_running().finish();
        out.exits(1).stderr_has("peer 0: not waited for, ").stderr_has(" records not sent");
    }
    let args = ["--echo", "-n", "1"];
    let (server, path, _folder) = serve(&args, |tool| tool);
    let mut deaf = connect(&path);
    deaf.write_all(&[&[b'x'; 3_000_000][..], b"\n"].concat()).unwrap();
    server.into_running().finish().succeeds().stderr_is("");
}

/// Another connection cannot bring back what the last peer had not read.
#[test]
fn what_a_peer_left_unread_is_told_also_if_there_is_another_connection() {
    let folder = heka_tests::scratch();
    let path = folder.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let client = Tool::new("unix-sock").arg(&path).args(["--retry", "9", "--retry-delay", "5ms"]);
    let mut client = client.stdin_open().spawn();
    let (mut stream, _) = listener.accept().unwrap();
    client.write("one\ntwo\n");
    stream.read_exact(&mut [0; 5]).unwrap();
    drop(stream);
    let (mut stream, _) = listener.accept().unwrap();
    client.write("three\n");
    client.close_stdin();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "three\n");
    drop(stream);
    client.finish().exits(1).stderr_has("closed the connection before it had read everything");
}

/// A service that answers with one long line and closes.
#[test]
fn a_client_gets_a_long_answer_without_a_newline() {
    let folder = heka_tests::scratch();
    let path = folder.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let service = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        for _ in 0..10 {
            stream.write_all(&[b'x'; 10_000]).unwrap();
        }
    });
    let out = Tool::new("unix-sock").arg(&path).stdin("?\n").run();
    assert!(out.succeeds().stdout == [&[b'x'; 100_000][..], b"\n"].concat());
    service.join().unwrap();
}
