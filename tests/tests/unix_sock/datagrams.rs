// SPDX-License-Identifier: MIT OR Apache-2.0
//! Datagrams: ours and those of socat, nc, ncat, logger and Python's logging.

use heka_tests::unix::send_packets;
use heka_tests::{Signal, Tool, eventually, require, scratch};

use crate::interop::place;

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
    for program in ["nc", "ncat"] {
        if require(program) {
            let before = server.stdout();
            let _sender = place.line(&format!("echo theirs | {program} -u -U $S")).spawn();
            server.wait_stdout_is([before, b"theirs\n".to_vec()].concat());
        }
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
    for program in ["nc", "ncat"] {
        if require(program) {
            let mut asking = place.line(&format!("{program} -u -U $S")).stdin_open().spawn();
            asking.write("five\n");
            asking.wait_stdout_is("five\n");
        }
    }
    drop(server);
}

#[test]
fn datagrams_through_nc() {
    if !require("nc") {
        return;
    }
    let place = place();
    let mut server = place.line("nc -l -u -U $S").stdin_open().spawn();
    eventually("it listens", || place.is_served().then_some(()));
    let mut ours =
        Tool::new("unix-sock").arg(&place.path).args(["--type", "dgram"]).stdin_open().spawn();
    ours.write("one\ntwo\n");
    server.wait_stdout_is("one\ntwo\n");
    server.write("answer\n");
    ours.wait_stdout_is("answer\n");
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
    outcome.exits(1).stderr_has("a record of 300000 bytes does not fit a packet");
    drop(server);
    // Truncated datagrams are reported, too.
    let server = place.serve(&["--type", "dgram", "-b", "10"]);
    place.client(&["--type", "dgram"], "0123456789abc\n").succeeds();
    server.wait_stderr("datagram longer than 10 bytes, truncated");
}

/// ncat answers only a path, and reads nothing before it has connected to it.
#[test]
fn a_datagram_reaches_ncat() {
    if !require("ncat") {
        return;
    }
    let place = place();
    let server = place.others("ncat -l -u -U $S");
    place.client(&["--type", "dgram"], "one\n").succeeds();
    server.wait_stdout_is("one\n");
}

#[test]
fn the_path_of_a_client_goes_with_it() {
    let place = place();
    let _server = place.serve(&["--type", "dgram"]);
    let folder = scratch();
    let paths = || std::fs::read_dir(folder.path()).unwrap().count();
    let client = Tool::new("unix-sock").arg(&place.path).args(["--type", "dgram"]);
    let client = client.env("TMPDIR", folder.path()).stdin_open().spawn();
    eventually("it has a path", || (paths() == 1).then_some(()));
    client.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    assert_eq!(paths(), 0);
}

/// A datagram is a record, whatever it contains, unless a framing is named.
#[test]
fn a_datagram_is_one_record() {
    for (args, expected) in [
        (&[][..], &["one\ntwo", "three", "four\n", ""][..]),
        (&["--framing", "lines"], &["one", "two", "three\0", "four", "", ""]),
        (&["-0"], &["one\ntwo\n", "three", "four\n\n", "\n"]),
    ] {
        for kind in ["dgram", "seqpacket"] {
            let place = place();
            let server = place.serve(&[args, &["--type", kind, "-j"]].concat());
            send_packets(kind, &place.path, &[b"one\ntwo\n", b"three\0", b"four\n\n", b"\n"]);
            let data = expected
                .iter()
                .map(|text| format!("\"data\":{text:?}}}").replace("\\0", "\\u0000"));
            let data: Vec<String> = data.collect();
            let out = server.wait_stdout("all", |out| {
                out.iter().filter(|byte| **byte == b'\n').count() >= expected.len()
            });
            let out = String::from_utf8(out).unwrap();
            let got = out.lines().map(|line| line[line.find("\"data\"").unwrap()..].to_owned());
            assert_eq!(got.collect::<Vec<_>>(), data, "{kind} {args:?}");
        }
    }
}

/// Messages that programs write to /dev/log: with a newline, a NUL or nothing at the end.
#[test]
fn a_syslog_daemon_hears_logger_and_python() {
    let place = place();
    let server = place.serve(&["--type", "dgram", "-j"]);
    let mut expected = 0;
    for (program, line, text) in [
        ("logger", "logger -u $S --socket-errors=on -p user.info -t me hello", "me: hello\"}\n"),
        (
            "python3",
            "python3 -c 'import logging, logging.handlers, os
h = logging.handlers.SysLogHandler(os.environ[\"S\"])
h.emit(logging.makeLogRecord(dict(msg=\"a\\ntrace\", levelname=\"INFO\")))'",
            "\"<14>a\\ntrace\"}\n",
        ),
    ] {
        if require(program) {
            place.line(line).run().succeeds();
            expected += 1;
            let out = server.wait_stdout(text, |out| {
                out.iter().filter(|byte| **byte == b'\n').count() >= expected
            });
            let out = String::from_utf8(out).unwrap();
            assert!(out.ends_with(text), "{out}");
        }
    }
}

/// Many are read with one call, but no more than requested.
#[test]
fn only_as_many_datagrams_are_taken_as_are_wanted() {
    if !require("python3") {
        return;
    }
    let place = place();
    let script = "import os, socket, subprocess
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(os.environ[\"S\"])
c = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); c.connect(os.environ[\"S\"])
for part in b\"123456\": c.send(bytes([part]))
subprocess.run([\"unix-sock\", \"-l\", \"--type\", \"dgram\", \"-n2\"], stdin=s)
print(s.recv(9).decode())";
    place.line(&format!("python3 -c '{script}'")).run().succeeds().stdout_is("1\n2\n3\n");
}

/// The number of remembered senders is limited: a new one replaces the one that was silent longest.
#[test]
fn the_sender_that_is_silent_for_longest_is_forgotten() {
    let place = place();
    let server = place.serve(&["--type", "dgram", "--tag", "--max-conns", "2"]);
    let folder = scratch();
    let senders = ["a", "b", "c"].map(|name| {
        let socket = std::os::unix::net::UnixDatagram::bind(folder.path().join(name)).unwrap();
        socket.connect(&place.path).unwrap();
        socket
    });
    let mut expected = String::new();
    for (sender, number) in [(0, 0), (1, 1), (0, 0), (2, 2), (0, 0), (1, 3), (0, 0), (2, 4)] {
        senders[sender].send(b"x").unwrap();
        expected += &format!("{number}\tx\n");
        server.wait_stdout_is(&expected);
    }
}
