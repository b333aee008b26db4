// SPDX-License-Identifier: MIT OR Apache-2.0
//! unix-sock against socat, nc and ncat, in every mode that both have.
//!
//! | mode | socat | nc | ncat | test |
//! | --- | --- | --- | --- | --- |
//! | their client, our server | x | x | x | `clients_of_others_send_and_hear_the_echo` |
//! | our client, their server | x | x | x | `servers_of_others_…`, `a_file_goes_each_way_through_nc` |
//! | the answer after our end | x | | | `servers_of_others_get_all_and_answer_after_our_end` |
//! | the answer after their end | x | x | x | `the_answer_after_the_end_of_others_is_theirs` |
//! | our end ends them | x | x | x | `our_end_ends_a_reading_socat`, `a_file_…`, `several_…` |
//! | one way only | x | x | x | `one_way_in_each_direction`, `one_way_by_their_flags` |
//! | several clients | x | x | x | `several_of_our_clients_one_after_the_other` |
//! | a process per connection, ours | x | x | x | `a_process_per_connection_serves_others` |
//! | a process per connection, theirs | x | | x | `servers_of_others_…`, `a_process_of_ncat` |
//! | their datagrams to us | x | x | x | `datagrams_of_others_arrive_also_without_a_name` |
//! | our datagrams to them | x | x | x | `datagrams_go_to_others_one_a_record`, `datagrams_through_nc`, `a_datagram_reaches_ncat` |
//! | datagrams answered | x | x | x | `datagrams_are_answered`, `datagrams_through_nc` |
//! | packets | x | | | `packets_each_way` |
//! | abstract names, our server | x | x | | `abstract_names_of_others` |
//! | abstract names, their server | x | x | | `abstract_names_served_by_others` |
//!
//! Empty cells: the other program does not support it. Datagrams are in `datagrams.rs`. (nc without
//! `-N` and ncat with `-c` end with us.)

use std::path::PathBuf;

use heka_tests::unix::send_packets;
use heka_tests::{Outcome, Peer, Running, TempDir, Tool, eventually, require, scratch, sh};

/// 3 MB of lines, more than any buffer in between holds.
fn text() -> Vec<u8> {
    let lines = (0..100_000).map(|number| format!("line {number} of the file\n"));
    lines.collect::<String>().into_bytes()
}

pub(crate) struct Place {
    pub(crate) path: PathBuf,
    folder: TempDir,
}

pub(crate) fn place() -> Place {
    let folder = scratch();
    std::fs::write(folder.path().join("text"), text()).unwrap();
    Place { path: folder.path().join("s"), folder }
}

impl Place {
    pub(crate) fn serve(&self, args: &[&str]) -> Peer {
        let args = ["-l", self.path.to_str().unwrap()].into_iter().chain(args.iter().copied());
        Peer::new("unix-sock", args)
    }

    /// A shell line for another program, with `$S` as the socket.
    pub(crate) fn line(&self, line: &str) -> Tool {
        sh(line).env("S", &self.path).dir(self.folder.path())
    }

    /// A server of another program, once its socket exists.
    pub(crate) fn others(&self, line: &str) -> Running {
        let running = self.line(line).spawn();
        eventually("it listens", || self.is_served().then_some(()));
        running
    }

    /// Whether the system has a socket there that listens, or accepts datagrams.
    pub(crate) fn is_served(&self) -> bool {
        let path = self.path.to_str().unwrap();
        let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
        sockets.lines().filter(|line| line.ends_with(path)).any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields[3] == "00010000" || fields[4] == "0002"
        })
    }

    pub(crate) fn client(&self, args: &[&str], input: impl Into<Vec<u8>>) -> Outcome {
        Tool::new("unix-sock").arg(&self.path).args(args).stdin(input).run()
    }
}

#[test]
fn clients_of_others_send_and_hear_the_echo() {
    for (program, line) in [
        ("socat", "socat -t20 - UNIX-CONNECT:$S <text"),
        ("nc", "nc -N -U $S <text"),
        ("ncat", "ncat -U $S <text"),
    ] {
        if !require(program) {
            continue;
        }
        let place = place();
        let server = place.serve(&["--echo", "--mode", "600"]);
        place.line(line).run().stdout_is(text());
        server.wait_stdout_is(text());
    }
}

#[test]
fn servers_of_others_get_all_and_answer_after_our_end() {
    if require("socat") {
        let place = place();
        let _server =
            place.others("socat -t20 UNIX-LISTEN:$S,fork SYSTEM:'cat; sleep 0.2; echo late'");
        let expected = [text(), b"late\n".to_vec()].concat();
        place.client(&[], text()).succeeds().stdout_is(expected);
    }
    if require("ncat") {
        let place = place();
        let server = place.others("ncat -l -U $S --no-shutdown");
        place.client(&["--linger", "0"], text()).succeeds();
        server.wait_stdout_is(text());
    }
}

#[test]
fn a_file_goes_each_way_through_nc() {
    if !require("nc") {
        return;
    }
    let place = place();
    let taken = place.others("nc -l -U $S");
    place.client(&[], text()).succeeds();
    taken.wait_stdout_is(text());
    drop(taken);
    std::fs::remove_file(&place.path).unwrap();
    let giver = place.others("nc -l -N -U $S <text");
    // nc ends as soon as its peer has ended its side.
    place.client(&["--recv-only"], "").succeeds().stdout_is(text());
    drop(giver);
}

/// The end of standard input reaches socat, which then exits.
#[test]
fn our_end_ends_a_reading_socat() {
    if !require("socat") {
        return;
    }
    let place = place();
    let server = place.others("socat -u UNIX-LISTEN:$S -");
    place.client(&[], text()).succeeds();
    server.finish().stdout_is(text());
}

#[test]
fn one_way_in_each_direction() {
    if !require("socat") {
        return;
    }
    let place = place();
    let server = place.serve(&["--recv-only"]);
    place.line("socat -u FILE:text UNIX-CONNECT:$S").run().succeeds();
    server.wait_stdout_is(text());
    drop(server);
    let _giver = place.others("socat -U UNIX-LISTEN:$S,fork,unlink-early FILE:text");
    place.client(&["--recv-only"], "").succeeds().stdout_is(text());
    place.client(&["--send-only", "--linger", "0"], "x\n").succeeds().stdout_is("");
}

#[test]
fn packets_each_way() {
    let place = place();
    let server = place.serve(&["--type", "seqpacket", "--echo"]);
    place.client(&["--type", "seqpacket"], "one\ntwo\n").succeeds().stdout_is("one\ntwo\n");
    if require("socat") {
        let line = "printf 'three\\n' | socat -t20 - UNIX-CONNECT:$S,socktype=5";
        place.line(line).run().stdout_is("three\n");
        server.wait_stdout_is("one\ntwo\nthree\n");
        drop(server);
        let _server = place.others("socat UNIX-LISTEN:$S,socktype=5,fork,unlink-early SYSTEM:cat");
        place.client(&["--type", "seqpacket", "-n1"], "four\n").succeeds().stdout_is("four\n");
    }
}

/// An empty packet is not the end, although the system reports both in the same way.
#[test]
fn empty_packets_end_nothing() {
    let bare = ["--framing", "none", "--stdio", "lines"];
    for kind in ["seqpacket", "dgram"] {
        let place = place();
        let server = place.serve(&[&bare[..], &["--type", kind]].concat());
        let input = ["a\n", &"\n".repeat(100), "b\n\n\n"].concat();
        place.client(&[&bare[..], &["--type", kind]].concat(), input.clone()).succeeds();
        // Empty packets just before the end of a connection cannot be distinguished from it.
        let kept = if kind == "dgram" { &*input } else { input.trim_end() };
        server.wait_stdout(kept, |out| String::from_utf8_lossy(out).starts_with(kept));
        drop(server);
        // With a framing they contain no record.
        let server = place.serve(&["--type", kind]);
        send_packets(kind, &place.path, &[b"", b"a", b"", b"\n"]);
        server.wait_stdout_is("a\n\n");
    }
}

#[test]
fn abstract_names_of_others() {
    let name = format!("heka-interop-{}", std::process::id());
    let server = Peer::new("unix-sock", ["-l", &format!("@{name}"), "--echo"]);
    for (program, line) in [
        ("socat", format!("echo x | socat -t20 - ABSTRACT-CONNECT:{name}")),
        ("nc", format!("echo x | nc -N -U @{name}")),
    ] {
        if require(program) {
            sh(&line).run().succeeds().stdout_is("x\n");
        }
    }
    drop(server);
}

#[test]
fn abstract_names_served_by_others() {
    for (program, line) in
        [("socat", "socat -u ABSTRACT-LISTEN:${S#@} -"), ("nc", "nc -l -U $S </dev/null")]
    {
        if require(program) {
            let name = format!("@heka-others-{program}-{}", std::process::id());
            let place = Place { path: name.into(), folder: scratch() };
            let server = place.others(line);
            place.client(&["--linger", "0"], "x\n").succeeds();
            server.wait_stdout_is("x\n");
        }
    }
}

#[test]
fn the_answer_after_the_end_of_others_is_theirs() {
    for (program, line) in [
        ("socat", "echo x | socat -t20 - UNIX-CONNECT:$S"),
        ("nc", "echo x | nc -N -U $S"),
        ("ncat", "echo x | ncat -U $S"),
    ] {
        if require(program) {
            let place = place();
            let _server = place.serve(&["--exec", "cat; sleep 0.2; echo late"]);
            place.line(line).run().stdout_is("x\nlate\n");
        }
    }
}

#[test]
fn one_way_by_their_flags() {
    for (program, receive, send) in [
        ("nc", "nc -d -U $S", "nc -N -U $S <text"),
        ("ncat", "ncat --recv-only -U $S", "ncat --send-only -U $S <text"),
    ] {
        if require(program) {
            let place = place();
            let giver = ["-l", place.path.to_str().unwrap(), "-1"];
            let giver = Peer::with("unix-sock", giver, |tool| tool.stdin("x\n"));
            let receiving = place.line(receive).spawn();
            receiving.wait_stdout_is("x\n");
            drop((receiving, giver));
            let taker = place.serve(&["--recv-only"]);
            place.line(send).run();
            taker.wait_stdout_is(text());
        }
    }
}

#[test]
fn several_of_our_clients_one_after_the_other() {
    for (program, line) in [
        ("socat", "socat -u UNIX-LISTEN:$S,fork -"),
        ("nc", "nc -l -k -U $S"),
        ("ncat", "ncat -l -k -U $S"),
    ] {
        if require(program) {
            let place = place();
            let server = place.line(line).stdin_open().spawn();
            eventually("it listens", || place.is_served().then_some(()));
            for (word, all) in [("a\n", "a\n"), ("b\n", "a\nb\n")] {
                let mut ours = Tool::new("unix-sock").arg(&place.path).stdin_open().spawn();
                ours.write(word);
                server.wait_stdout_is(all);
            }
        }
    }
}

#[test]
fn a_process_of_ncat() {
    if !require("ncat") {
        return;
    }
    let place = place();
    let _server = place.others("ncat -l -k -U $S -c cat");
    let mut ours = Tool::new("unix-sock").arg(&place.path).stdin_open().spawn();
    ours.write("X\n");
    ours.wait_stdout_is("X\n");
}

#[test]
fn a_process_per_connection_serves_others() {
    for (program, line) in [
        ("socat", "echo hello | socat -t20 - UNIX-CONNECT:$S"),
        ("nc", "echo hello | nc -N -U $S"),
        ("ncat", "echo hello | ncat -U $S"),
    ] {
        if require(program) {
            let place = place();
            let _server = place.serve(&["--exec", "tr a-z A-Z"]);
            place.line(line).run().stdout_is("HELLO\n");
        }
    }
}
