// SPDX-License-Identifier: MIT OR Apache-2.0
//! unix-sock between pipes: records, peers, ends.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use heka_tests::unix::{self, connect};
use heka_tests::{Peer, Running, Signal, TempDir, Tool, eventually, scratch, sh, vector};

/// A server on `s` in a folder of its own.
pub(crate) struct Server {
    pub(crate) peer: Peer,
    pub(crate) path: PathBuf,
    _folder: TempDir,
}

pub(crate) fn serve(args: &[&str], settings: impl FnOnce(Tool) -> Tool) -> Server {
    let (peer, path, folder) = unix::serve(args, settings);
    Server { peer, path, _folder: folder }
}

/// With standard input that stays open.
pub(crate) fn serve_open(args: &[&str]) -> Server {
    serve(args, Tool::stdin_open)
}

pub(crate) fn read_exactly(stream: &mut UnixStream, expected: &str) {
    let mut bytes = vec![0; expected.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), expected);
}

pub(crate) fn read_all(stream: &mut UnixStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn client(server: &Server, args: &[&str], input: impl Into<Vec<u8>>) -> heka_tests::Outcome {
    Tool::new("unix-sock").arg(&server.path).args(args).stdin(input).run()
}

fn client_open(server: &Server, args: &[&str]) -> Running {
    Tool::new("unix-sock").arg(&server.path).args(args).stdin_open().spawn()
}

fn lines(running: &Running) -> Vec<String> {
    String::from_utf8_lossy(&running.stdout()).lines().map(str::to_owned).collect()
}

/// The two flows of the original, byte-equal to what tremor writes.
#[test]
fn the_flows_of_the_seed() {
    let input = std::fs::read(vector("unix/in.json")).unwrap();
    let server = serve(&["--mode", "=600", "--echo"], |tool| tool);
    let back = client(&server, &["--retry", "3", "--retry-delay", "100ms"], input);
    back.succeeds().stderr_is("");
    let until_exit = back
        .out()
        .split_inclusive('\n')
        .take_while(|line| *line != "\"exit\"\n")
        .collect::<String>();
    assert_eq!(until_exit.as_bytes(), std::fs::read(vector("unix/expected_client.json")).unwrap());
    let logged = std::fs::read(vector("unix/expected_server.json")).unwrap();
    server.peer.wait_stdout_is(logged);
}

#[test]
fn heka_messages_carry_the_peer_as_fields() {
    let folder = scratch();
    let path = folder.path().join("s").display().to_string();
    let out = sh(&format!(
        "unix-sock -l {path} -1 -o heka </dev/null | heka-decode -j & \
         until [ -S {path} ]; do sleep 0.01; done; echo hello | unix-sock {path} --retry 9; wait"
    ))
    .run();
    for part in ["\"hello\"", "\"path\"", "\"peer\"", "\"pid\"", "\"uid\"", "\"gid\"", "unix-sock"]
    {
        out.succeeds().stdout_has(part);
    }
}

/// tremor hangs forever when a reply has no recipient.
#[test]
fn an_echo_without_a_reader_stops_nobody() {
    let server = serve(&["--echo"], |tool| tool);
    for _ in 0..3 {
        let mut gone = connect(&server.path);
        gone.write_all(b"x\n").unwrap();
        drop(gone);
        client(&server, &[], "y\n").succeeds().stdout_is("y\n");
    }
}

#[test]
fn records_of_two_peers_never_mix() {
    const COUNT: usize = 10_000;
    let server = serve(&[], |tool| tool);
    let writers: Vec<_> = ["aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]
        .map(|word| {
            let mut stream = connect(&server.path);
            std::thread::spawn(move || {
                for number in 0..COUNT {
                    // In two writes, so that lines are cut all the time.
                    stream.write_all(&word.as_bytes()[..7]).unwrap();
                    stream.write_all(format!("{} {number}\n", &word[7..]).as_bytes()).unwrap();
                }
            })
        })
        .into_iter()
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    server
        .peer
        .wait_stdout("all lines", |out| out.iter().filter(|b| **b == b'\n').count() == 2 * COUNT);
    for letter in ['a', 'b'] {
        let numbers: Vec<usize> = lines(&server.peer)
            .iter()
            .filter(|line| line.starts_with(letter))
            .map(|line| line.split_once(' ').unwrap().1.parse().unwrap())
            .collect();
        assert_eq!(numbers, (0..COUNT).collect::<Vec<_>>());
    }
}

// --- ends -------------------------------------------------------------------------------------------

#[test]
fn the_answer_after_our_end_is_never_lost() {
    let mut server = serve_open(&[]);
    let mut client = client_open(&server, &[]);
    client.write("question\n");
    client.close_stdin();
    server.peer.wait_stdout_is("question\n");
    // The client has ended its side by now, and waits as long as necessary.
    server.peer.write("answer\n");
    client.wait_stdout_is("answer\n");
    server.peer.close_stdin();
    client.finish().succeeds().stdout_is("answer\n").stderr_is("");
}

#[test]
fn our_end_is_told_to_the_peer() {
    let mut server = serve_open(&[]);
    let mut stream = connect(&server.path);
    server.peer.write("all of it\n");
    server.peer.close_stdin();
    assert_eq!(read_all(&mut stream), "all of it\n");
    // The other direction is still open.
    stream.write_all(b"thanks\n").unwrap();
    server.peer.wait_stdout_is("thanks\n");
}

#[test]
fn an_empty_input_is_no_end() {
    let server = serve(&[], |tool| tool);
    let mut stream = connect(&server.path);
    stream.write_all(b"one\n").unwrap();
    server.peer.wait_stdout_is("one\n");
    stream.set_nonblocking(true).unwrap();
    let error = stream.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn records_wait_until_somebody_is_connected() {
    let server = serve(&["-1"], |tool| tool.stdin("first\nsecond\n"));
    client(&server, &[], "").succeeds().stdout_is("first\nsecond\n");
    server.peer.into_running().finish().succeeds();
}

#[test]
fn a_client_ends_when_its_peer_closes() {
    let mut server = serve_open(&["-1", "-n1"]);
    let mut client = client_open(&server, &[]);
    client.write("x\n");
    server.peer.wait_stdout_is("x\n");
    client.wait_stdout_is("");
    eventually("the client's end", || (!client.is_running()).then_some(()));
    server.peer.close_stdin();
}

#[test]
fn linger_ends_the_wait_for_a_silent_peer() {
    let server = serve_open(&[]);
    client(&server, &["--linger", "50ms"], "x\n").succeeds();
    server.peer.wait_stdout_is("x\n");
}

#[test]
fn limits_of_time() {
    let server = serve_open(&[]);
    let mut idle = client_open(&server, &["--idle-timeout", "50ms"]);
    eventually("idle", || (!idle.is_running()).then_some(()));
    idle.finish().exits(3).stderr_has("idle timeout");
    let mut late = client_open(&server, &["--timeout", "50ms"]);
    eventually("timeout", || (!late.is_running()).then_some(()));
    late.finish().exits(3).stderr_has("timed out");
    let served = serve_open(&["--timeout", "50ms"]).peer.into_running();
    served.finish().succeeds();
    let dropping = serve_open(&["--idle-timeout", "50ms"]);
    assert_eq!(read_all(&mut connect(&dropping.path)), "");
}

#[test]
fn exit_on_eof_ends_at_either_end() {
    let mut server = serve_open(&["-E"]);
    let mut stream = connect(&server.path);
    server.peer.write("x\n");
    server.peer.close_stdin();
    assert_eq!(read_all(&mut stream), "x\n");
    server.peer.into_running().finish().succeeds();
}

#[test]
fn more_connections_than_allowed_wait() {
    let server = serve(&["--max-conns", "1", "--echo"], |tool| tool);
    let mut first = connect(&server.path);
    first.write_all(b"1\n").unwrap();
    read_exactly(&mut first, "1\n");
    assert_eq!(server.peer.stderr(), "", "nobody has to wait yet");
    let mut second = connect(&server.path);
    second.write_all(b"2\n").unwrap();
    server.peer.wait_stderr("s: 1 connections: further ones wait (--max-conns)");
    server.peer.wait_stdout_is("1\n");
    drop(first);
    read_exactly(&mut second, "2\n");
}

#[test]
fn a_client_waits_for_its_server_and_gives_up_after_its_retries() {
    let folder = scratch();
    let path = folder.path().join("s");
    let early = Tool::new("unix-sock")
        .arg(&path)
        .args(["--retry", "forever", "--retry-delay", "5ms"])
        .stdin("x\n")
        .spawn();
    early.wait_stderr("No such file or directory; retrying in 5 ms");
    let server = Peer::new("unix-sock", ["-l", path.to_str().unwrap(), "-1"]);
    early.finish().succeeds();
    server.into_running().finish().stdout_is("x\n");
    let never =
        Tool::new("unix-sock").arg(&path).args(["--retry", "3", "--retry-delay", "1ms"]).run();
    never.exits(3).stderr_has("in 1 ms\n").stderr_has("in 2 ms\n").stderr_has("in 4 ms\n");
    assert_eq!(never.err().lines().count(), 4);
}

/// tremor's read-only client never notices, and the first write after a loss is lost.
#[test]
fn a_lost_connection_is_made_again_and_nothing_is_lost() {
    for args in [&["--recv-only"][..], &[]] {
        let folder = scratch();
        let path = folder.path().join("s");
        let start = || Peer::with("unix-sock", ["-l", path.to_str().unwrap()], Tool::stdin_open);
        let mut server = start();
        let mut client = Tool::new("unix-sock")
            .arg(&path)
            .args(["--retry", "forever", "--retry-delay", "5ms"])
            .args(args)
            .stdin_open()
            .spawn();
        server.write("one\n");
        client.wait_stdout_is("one\n");
        server.into_running().end_by(Signal::SIGTERM);
        client.wait_stderr("closed the connection; retrying");
        if args.is_empty() {
            client.write("after the loss\n");
        }
        let mut server = start();
        server.write("two\n");
        client.wait_stdout_is("one\ntwo\n");
        if args.is_empty() {
            server.wait_stdout_is("after the loss\n");
        }
    }
}

#[test]
fn signals_end_it_in_order_and_for_real() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let server = serve_open(&[]);
        let mut stream = connect(&server.path);
        stream.write_all(b"whole\nhalf").unwrap();
        server.peer.wait_stdout_is("whole\n");
        server.peer.into_running().end_by(signal).killed_by(signal);
        assert!(!server.path.exists());
    }
}

/// The client does not retry: a server that has exited is not worth waiting for.
#[test]
fn the_end_of_its_reader_ends_it_at_once() {
    let folder = scratch();
    let ends = |output: &str| {
        sh(&format!(
            "(unix-sock -l s --ready-fd 3 3>ready </dev/null; echo status $? >&2) {output} & \
             until [ -s ready ]; do sleep 0.01; done; rm ready; seq 5 | unix-sock s; wait"
        ))
        .dir(folder.path())
        .run()
    };
    ends("| head -1").stdout_is("1\n").stderr_has("status 141");
    let full = ends(">/dev/full");
    full.stderr_has("unix-sock: write error: No space left on device").stderr_has("status 1\n");
}
