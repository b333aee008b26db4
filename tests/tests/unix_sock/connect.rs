// SPDX-License-Identifier: MIT OR Apache-2.0
//! unix-sock and heka-send before a server that accepts no connection: its backlog is full.

use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use heka_tests::{Running, Signal, TempDir, Tool, eventually, scratch};
use socket2::{Domain, SockAddr, Socket, Type};

/// A server that does not accept, and the clients that wait for it.
struct Full {
    path: PathBuf,
    listener: Socket,
    waiting: Vec<Socket>,
    _folder: TempDir,
}

fn full() -> Full {
    let folder = scratch();
    let path = folder.path().join("s");
    let at = SockAddr::unix(&path).unwrap();
    let listener = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    listener.bind(&at).unwrap();
    listener.listen(0).unwrap();
    let mut waiting = Vec::new();
    loop {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        match socket.connect(&at) {
            Ok(()) => waiting.push(socket),
            Err(_) => return Full { path, listener, waiting, _folder: folder },
        }
    }
}

/// Starts a tool and waits until it handles its signals, which is before it connects.
fn start(tool: Tool) -> Running {
    let running = tool.stdin_open().spawn();
    eventually("it handles signals", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:\t"))?;
        let caught = u64::from_str_radix(caught, 16).ok()?;
        (caught & (1 << (Signal::SIGUSR1 as u32 - 1)) != 0).then_some(())
    });
    running
}

#[test]
fn signals_are_served_while_there_is_no_room_and_room_is_taken() {
    let server = full();
    let client = || Tool::new("unix-sock").arg(&server.path).args(["-w", "60s"]);
    start(client()).end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    let mut patient = start(client());
    patient.statistics();
    patient.statistics();
    assert!(patient.is_running());
    for _ in 0..server.waiting.len() {
        server.listener.accept().unwrap();
    }
    patient.write("in at last\n");
    let (mut connection, _) = server.listener.accept().unwrap();
    let mut text = [0; 11];
    connection.read_exact(&mut text).unwrap();
    assert_eq!(&text, b"in at last\n");
    drop(connection);
    patient.finish().succeeds();
}

#[test]
fn both_limits_of_time_end_the_wait() {
    let server = full();
    for (args, cause) in [
        (["--timeout", "200ms", "-w", "60s"], "timed out"),
        (["--timeout", "60s", "-w", "200ms"], "Connection timed out"),
        (["--timeout", "200ms", "-w", "none"], "timed out"),
    ] {
        let begin = Instant::now();
        let out = Tool::new("unix-sock").arg(&server.path).args(args).run();
        out.exits(3).stderr_is(&format!("unix-sock: {}: {cause}\n", server.path.display()));
        assert!(begin.elapsed() >= Duration::from_millis(200));
        assert!(begin.elapsed() < Duration::from_secs(30));
    }
}

#[test]
fn heka_send_ends_on_a_signal_while_there_is_no_room() {
    let server = full();
    let address = format!("unix:{}", server.path.display());
    let sender = start(Tool::new("heka-send").args([&address, "-w", "60s"]));
    sender.statistics();
    sender.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
}
