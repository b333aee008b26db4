// SPDX-License-Identifier: MIT OR Apache-2.0
//! Processes: those that serve connections for us, and those that have accepted one for us.

use std::io::{Read, Write};
use std::net::Shutdown;

use heka_tests::unix::connect;
use heka_tests::{Running, Signal, Tool, eventually, require, scratch, sh};

use crate::sockets::{read_all, serve};

#[test]
fn a_process_per_connection_knows_its_peer() {
    let server = serve(
        &[
            "-c",
            "echo $PROTO $UNIXREMOTEPID $UNIXREMOTEEUID $UNIXLOCALPATH $UNIXCONNNUM; exec tr a-z A-Z",
        ],
        |tool| tool,
    );
    let mut stream = connect(&server.path);
    stream.write_all(b"hello\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let text = read_all(&mut stream);
    let (pid, path) = (std::process::id(), server.path.display());
    assert!(text.starts_with(&format!("UNIX {pid} ")), "{text}");
    assert!(text.ends_with(&format!(" {path} 0\nHELLO\n")), "{text}");
    // Exited processes are reaped: none remains as a zombie.
    let children = format!("/proc/{pid}/task/{pid}/children", pid = server.peer.pid());
    eventually("no children", || {
        std::fs::read_to_string(&children).unwrap().is_empty().then_some(())
    });
}

/// If a process cannot be started, its connection is closed and the server continues.
#[test]
fn a_command_that_fails_ends_its_connection_only() {
    let server = serve(&["--exec", "exit 7"], |tool| tool);
    for _ in 0..3 {
        assert_eq!(connect(&server.path).read(&mut [0]).unwrap(), 0);
    }
    server.peer.into_running().end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
}

/// A process that serves a connection ends with the server, even if it resists.
#[test]
fn processes_end_with_their_server() {
    for (command, words) in [
        ("echo $$; sleep 1000 | cat", ""),
        ("trap 'echo bye; exit' TERM; echo $$; sleep 1000 & wait", ""),
        ("trap '' TERM; echo $$; sleep 1000", "killed 3 commands that did not end on SIGTERM"),
    ] {
        let server = serve(&["--exec", command], |tool| tool);
        let mut peers = [(); 3].map(|()| connect(&server.path));
        let groups = peers.each_mut().map(|peer| {
            let mut text = Vec::new();
            while text.last() != Some(&b'\n') {
                let mut byte = [0];
                peer.read_exact(&mut byte).unwrap();
                text.extend(byte);
            }
            String::from_utf8(text).unwrap().trim().to_owned()
        });
        let ended = server.peer.into_running().end_by(Signal::SIGTERM);
        ended.killed_by(Signal::SIGTERM).stderr_has(words);
        let rest = peers.each_mut().map(read_all).concat();
        assert_eq!(rest, if command.contains("bye") { "bye\n".repeat(3) } else { String::new() });
        for group in groups {
            // The process that adopts the remaining ones must reap them.
            let all_gone = format!("while ps -o pid= -g {group}; do sleep 0.02; done");
            sh(&all_gone).run().succeeds();
        }
    }
}

/// systemd's stand-in for socket units with Accept=yes.
fn activate(place: &std::path::Path, args: &[&str]) -> Running {
    let path = place.join("s").display().to_string();
    let program = ["systemd-socket-activate", "--accept", "-l", &path];
    let args = program[1..].iter().copied().chain(args.iter().copied());
    let running = Tool::at(program[0]).args(args).stdin("").spawn();
    running.wait_stderr("Listening on");
    running
}

#[test]
fn an_accepted_connection_is_served() {
    if !require("systemd-socket-activate") {
        return;
    }
    for (args, input, answer) in [
        (&["--inetd", "unix-sock", "-l", "--echo"][..], "one\ntwo\n", "one\ntwo\n"),
        (&["--inetd", "unix-sock", "-l", "-c", "echo $UNIXREMOTEPID; cat"], "x\n", "PID\nx\n"),
        (&["--inetd", "unix-sock", "-l", "--allow-uid", "4242", "--echo"], "x\n", ""),
        (&["unix-sock", "-l", "--echo"], "three\n", "three\n"),
    ] {
        let folder = scratch();
        let running = activate(folder.path(), args);
        let mut peer = connect(&folder.path().join("s"));
        // A refused client may be gone already.
        let _ = peer.write_all(input.as_bytes());
        let _ = peer.shutdown(Shutdown::Write);
        let answer = answer.replace("PID", &std::process::id().to_string());
        let mut got = String::new();
        let _ = peer.read_to_string(&mut got);
        assert_eq!(got, answer, "{args:?}");
        if !args.contains(&"--inetd") {
            running.wait_stdout_is(input);
        }
    }
}

/// inetd's "wait": the listening socket is standard input.
#[test]
fn a_listening_socket_may_be_standard_input() {
    if !require("python3") {
        return;
    }
    let folder = scratch();
    let path = folder.path().join("s");
    let script = "import socket, subprocess, sys\n\
        s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()\n\
        subprocess.run(['unix-sock', '-l', '-n2'], stdin=s)";
    let server = Tool::at("python3").args(["-c", script]).arg(&path).spawn();
    let mut peer = eventually("it listens", || std::os::unix::net::UnixStream::connect(&path).ok());
    peer.write_all(b"one\n").unwrap();
    connect(&path).write_all(b"two\n").unwrap();
    drop(peer);
    server.finish().succeeds().stdout_has("one\n").stdout_has("two\n");
}
