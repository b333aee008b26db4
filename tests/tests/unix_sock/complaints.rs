// SPDX-License-Identifier: MIT OR Apache-2.0
//! Complaints of users of comparable programs, one test each, so that they do not occur here. The
//! names are those of the projects. Elsewhere are: a client that only reads reconnects, and the
//! first record after a loss is not lost (`unix_sock`:
//! `a_lost_connection_is_made_again_and_nothing_is_lost`); a wrong mode is a usage error, a file in
//! the way is left alone (`unix_sock_files`: `modes`,
//! `what_belongs_to_somebody_else_is_left_alone`).

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use heka_tests::unix::{self, connect};
use heka_tests::{Outcome, Peer, Signal, TempDir, Tool, eventually, scratch};

fn serve(args: &[&str]) -> (Peer, PathBuf, TempDir) {
    unix::serve(args, Tool::stdin_open)
}

fn client(path: &PathBuf, args: &[&str], input: impl Into<Vec<u8>>) -> Outcome {
    Tool::new("unix-sock").arg(path).args(args).stdin(input).run()
}

/// Returns the number of sockets that a server has open.
fn sockets(server: &Peer) -> usize {
    let open = std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
    let open = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    open.filter(|to| to.to_string_lossy().starts_with("socket:")).count()
}

/// A server of the test: accepts one connection and passes it to the function.
fn listener(act: impl FnOnce(UnixStream) + Send + 'static) -> (PathBuf, TempDir) {
    let folder = scratch();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || act(listener.accept().unwrap().0));
    (path, folder)
}

/// nmap, acarshub: the client ends too early around the end of its input, or never.
#[test]
fn the_end_is_neither_early_nor_never() {
    let (path, _folder) = listener(|mut stream| {
        let mut text = String::new();
        // Everything, including the end, arrives before the answer.
        stream.read_to_string(&mut text).unwrap();
        for part in text.lines() {
            stream.write_all(format!("{part}!\n").as_bytes()).unwrap();
        }
    });
    client(&path, &[], "a\nb\n").succeeds().stdout_is("a!\nb!\n");
    // The peer closes while standard input is open: that is the end.
    let (path, _folder) = listener(drop);
    let mut open = Tool::new("unix-sock").arg(&path).stdin_open().spawn();
    eventually("the end", || (!open.is_running()).then_some(()));
    open.finish().succeeds();
}

/// alpine-docker/socat: an answer long after the half-close is dropped.
#[test]
fn no_hidden_timer_cuts_the_answer() {
    let (path, _folder) = listener(|mut stream| {
        stream.read_to_end(&mut Vec::new()).unwrap();
        // socat gives its peers half a second.
        let (_silent, never) = std::sync::mpsc::channel::<()>();
        never.recv_timeout(Duration::from_millis(700)).unwrap_err();
        stream.write_all(b"late\n").unwrap();
    });
    client(&path, &[], "x\n").succeeds().stdout_is("late\n");
}

/// nmap: there is only an idle timeout, not a total one.
#[test]
fn a_total_timeout_is_total() {
    let (path, _folder) = listener(|mut stream| while stream.write_all(b"busy\n").is_ok() {});
    let begin = Instant::now();
    let outcome = client(&path, &["--timeout", "200ms", "--idle-timeout", "1h"], "");
    outcome.exits(3).stderr_has("timed out");
    assert!(begin.elapsed() >= Duration::from_millis(200));
}

/// vector, neovim, wayvnc, fcgiwrap: a stale socket file prevents the next start.
#[test]
fn a_killed_server_can_be_started_again() {
    let (server, path, folder) = serve(&[]);
    server.into_running().end_by(Signal::SIGKILL);
    assert!(path.exists());
    let again = Peer::new("unix-sock", ["-l", path.to_str().unwrap()]);
    connect(&path).write_all(b"x\n").unwrap();
    again.wait_stdout_is("x\n");
    drop(folder);
}

/// vector, tremor: the mode cannot be set, and chmod afterwards is a race. (See `unix_sock_files`.)
#[test]
fn the_mode_is_a_flag() {
    use std::os::unix::fs::PermissionsExt;
    let (_server, path, _folder) = serve(&["--permissions", "=660"]);
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o660);
}

/// tremor: a second connection is mixed up with the first.
#[test]
fn two_connections_are_two_streams() {
    let (server, path, _folder) = serve(&["--tag"]);
    let (mut a, mut b) = (connect(&path), connect(&path));
    a.write_all(b"a1").unwrap();
    b.write_all(b"b1").unwrap();
    a.write_all(b"-a2\n").unwrap();
    server.wait_stdout_is("0\ta1-a2\n");
    b.write_all(b"-b2\n").unwrap();
    server.wait_stdout_is("0\ta1-a2\n1\tb1-b2\n");
}

/// tremor: sockets stay open after a client has gone. (10,000 of them: `unix_sock_load`.)
#[test]
fn a_client_that_goes_leaves_no_descriptor() {
    let (server, path, _folder) = serve(&[]);
    let count = || std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    // Its start is complete once it has served a client.
    connect(&path).write_all(b"x\n").unwrap();
    server.wait_stdout_is("x\n");
    eventually("that one has gone", || (sockets(&server) == 1).then_some(()));
    let before = count();
    let stream = connect(&path);
    eventually("it is taken", || (count() == before + 1).then_some(()));
    drop(stream);
    eventually("it is given back", || (count() == before).then_some(()));
}

/// tuned: a client that leaves before its answer crashes the server.
#[test]
fn a_client_may_leave_before_its_answer() {
    let (mut server, path, _folder) = serve(&["--to", "origin"]);
    let mut hasty = connect(&path);
    hasty.write_all(b"question\n").unwrap();
    server.wait_stdout_is("question\n");
    hasty.shutdown(Shutdown::Both).unwrap();
    drop(hasty);
    server.write("answer\n");
    // Otherwise the next client could get the answer.
    server.wait_stderr("1 record not sent");
    let mut patient = connect(&path);
    patient.write_all(b"again\n").unwrap();
    server.wait_stdout_is("question\nagain\n");
    server.write("answer\n");
    let mut text = [0; 7];
    patient.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"answer\n");
}

/// websocat: payloads with newlines are mangled.
#[test]
fn payloads_with_newlines_stay_whole() {
    for framing in ["len16", "len32", "len64", "octet-count"] {
        let (_server, path, _folder) = serve(&["--framing", framing, "--stdio", "null", "--echo"]);
        let args = ["--framing", framing, "--stdio", "null"];
        client(&path, &args, "two\nlines\0\0x\0").succeeds().stdout_is("two\nlines\0\0x\0");
    }
}

/// tremor: a line over 8 KiB is dropped, and the good one after it as well.
#[test]
fn a_long_line_is_whole() {
    let (server, path, _folder) = serve(&["--echo"]);
    let long =
        [vec![b'x'; 65_536], b"\nshort\n".to_vec(), vec![b'y'; 3 << 20], b"\n".to_vec()].concat();
    client(&path, &[], long.clone()).succeeds().stdout_is(&long);
    server.wait_stdout_is(long);
}

/// tremor: the first write after a loss is lost, and the loss itself is not reported.
#[test]
fn a_peer_that_leaves_data_unread_is_told() {
    let is_told = |outcome: Outcome| {
        outcome.exits(3).stderr_has("closed the connection before it had read everything");
    };
    let reads_a_line = |mut stream: UnixStream| stream.read_exact(&mut [0; 4]).unwrap();
    let (path, _folder) = listener(reads_a_line);
    is_told(client(&path, &[], "one\ntwo\n"));
    // Also if more input might follow.
    let (path, _folder) = listener(reads_a_line);
    let mut open = Tool::new("unix-sock").arg(&path).stdin_open().spawn();
    open.write("one\ntwo\n");
    eventually("the end", || (!open.is_running()).then_some(()));
    is_told(open.finish());
}

/// Datagrams: the receiver has died, and the sender neither reports it nor exits.
#[test]
fn a_dead_receiver_of_datagrams_is_told() {
    let (server, path, _folder) = serve(&["--type", "dgram"]);
    let mut sender =
        Tool::new("unix-sock").arg(&path).args(["--type", "dgram"]).stdin_open().spawn();
    sender.write("one\n");
    server.wait_stdout_is("one\n");
    server.into_running().end_by(Signal::SIGKILL);
    sender.write("two\n");
    eventually("the end", || (!sender.is_running()).then_some(()));
    sender.finish().exits(3).stderr_has("closed the connection, 1 record not sent");
}
