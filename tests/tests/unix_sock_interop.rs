// SPDX-License-Identifier: MIT OR Apache-2.0
//! unix-sock against socat, nc and ncat, in every mode that both have: streams, datagrams,
//! packets, abstract names, half-close in each direction, a process per connection.

use std::path::PathBuf;

use heka_tests::{Outcome, Peer, Running, TempDir, Tool, eventually, require, scratch, sh};

/// 3 MB of lines, more than any buffer in between holds.
fn text() -> Vec<u8> {
    (0..100_000).flat_map(|number| format!("line {number} of the file\n").into_bytes()).collect()
}

struct Place {
    path: PathBuf,
    folder: TempDir,
}

fn place() -> Place {
    let folder = scratch();
    std::fs::write(folder.path().join("text"), text()).unwrap();
    Place { path: folder.path().join("s"), folder }
}

impl Place {
    fn serve(&self, args: &[&str]) -> Peer {
        let args = ["-l", self.path.to_str().unwrap()].into_iter().chain(args.iter().copied());
        Peer::new("unix-sock", args)
    }

    /// A shell line of others, with `$S` the socket.
    fn line(&self, line: &str) -> Tool {
        sh(line).env("S", &self.path).dir(self.folder.path())
    }

    /// A server of others, once its socket is there.
    fn others(&self, line: &str) -> Running {
        let running = self.line(line).spawn();
        eventually("it listens", || self.is_served().then_some(()));
        running
    }

    /// Whether the system knows of a socket there that listens, or takes datagrams.
    fn is_served(&self) -> bool {
        let path = self.path.to_str().unwrap();
        let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
        sockets.lines().filter(|line| line.ends_with(path)).any(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            fields[3] == "00010000" || fields[4] == "0002"
        })
    }

    fn client(&self, args: &[&str], input: impl Into<Vec<u8>>) -> Outcome {
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

/// The end of standard input is told to socat, which ends then.
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
fn datagrams_of_others_arrive_also_without_a_name() {
    let place = place();
    let server = place.serve(&["--type", "dgram"]);
    if require("socat") {
        place.line("echo from socat | socat -u - UNIX-SENDTO:$S").run().succeeds();
        server.wait_stdout_is("from socat\n");
        place.line("echo connected | socat -u - UNIX-CLIENT:$S,type=2").run().succeeds();
        server.wait_stdout_is("from socat\nconnected\n");
    }
    if require("nc") {
        let before = server.stdout();
        let _nc = place.line("echo from nc | nc -u -U -w1 $S").spawn();
        server.wait_stdout_is([before, b"from nc\n".to_vec()].concat());
    }
}

#[test]
fn datagrams_go_to_others_one_a_record() {
    if !require("socat") {
        return;
    }
    let place = place();
    let server = place.others("socat -u UNIX-RECV:$S -");
    place.client(&["--type", "dgram"], "one\ntwo\n").succeeds();
    server.wait_stdout_is("one\ntwo\n");
    place
        .client(&["--type", "dgram", "--framing", "none", "--stdio", "lines"], "bare\n")
        .succeeds();
    server.wait_stdout_is("one\ntwo\nbare");
}

#[test]
fn datagrams_are_answered() {
    let place = place();
    let server = place.serve(&["--type", "dgram", "--echo"]);
    place.client(&["--type", "dgram", "-n2"], "one\ntwo\n").succeeds();
    let mut asking =
        Tool::new("unix-sock").arg(&place.path).args(["--type", "dgram"]).stdin_open().spawn();
    asking.write("three\n");
    asking.wait_stdout_is("three\n");
    if require("socat") {
        let line = "echo four | socat -t2 - UNIX-SENDTO:$S,bind=$S.client";
        place.line(line).run().stdout_is("four\n");
    }
    drop(server);
}

#[test]
fn the_longest_datagram_arrives_whole_and_a_longer_one_is_reported() {
    let place = place();
    let server = place.serve(&["--type", "dgram", "--framing", "none"]);
    let longest = vec![b'x'; 212_000];
    let sender = ["--type", "dgram", "--framing", "none", "--stdio", "null"];
    place.client(&sender, longest.clone()).succeeds();
    server.wait_stdout_is(longest);
    let outcome =
        Tool::new("unix-sock").arg(&place.path).args(sender).stdin(vec![b'x'; 300_000]).run();
    outcome.exits(1).stderr_has("300000 bytes are too long for a packet");
    drop(server);
    // What is cut is told, too.
    let server = place.serve(&["--type", "dgram", "-b", "10"]);
    place.client(&["--type", "dgram"], "0123456789abc\n").succeeds();
    server.wait_stderr("datagram cut to 10 bytes");
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
fn a_process_per_connection_serves_others() {
    for (program, line) in
        [("socat", "echo hello | socat -t20 - UNIX-CONNECT:$S"), ("nc", "echo hello | nc -N -U $S")]
    {
        if require(program) {
            let place = place();
            let _server = place.serve(&["--exec", "tr a-z A-Z"]);
            place.line(line).run().stdout_is("HELLO\n");
        }
    }
}
