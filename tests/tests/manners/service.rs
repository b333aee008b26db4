// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tools as services: the notifications for systemd and its journal.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;

use heka_tests::{Running, Signal, Tool, eventually, scratch};
use serde_json::Value;

/// A service manager.
struct Manager {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_nonblocking(true).unwrap();
        Self { socket, heard: Vec::new() }
    }

    /// Waits until it has received this line.
    fn hears(&mut self, line: &str) {
        eventually(line, || {
            let mut text = [0; 4096];
            while let Ok(len) = self.socket.recv(&mut text) {
                self.heard.push(String::from_utf8(text[..len].to_vec()).unwrap());
            }
            let mut lines = self.heard.iter().flat_map(|text| text.lines());
            lines.any(|heard| heard.starts_with(line)).then_some(())
        });
    }
}

#[test]
fn a_service_manager_hears_how_a_tool_is() {
    let folder = scratch();
    std::fs::write(folder.path().join("log"), "").unwrap();
    for (name, args) in [
        ("heka-listen", &["127.0.0.1:0"][..]),
        ("heka-tail", &["log"]),
        ("heka-send", &["--retry-delay=10s", "127.0.0.1:1"]),
        ("heka-encode", &[]),
        ("heka-decode", &[]),
        ("unix-sock", &["-l", "sock"]),
        ("ws-source", &["--retry-delay=10s", "ws://127.0.0.1:1/"]),
    ] {
        let path = folder.path().join(name);
        let mut manager = Manager::at(&path);
        let tool = Tool::new(name).args(args).dir(folder.path()).stdin_open();
        let tool = tool.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "100000").spawn();
        manager.hears("READY=1");
        manager.hears(&format!("STATUS={name}: 0 messages, 0 bytes in"));
        manager.heard.clear();
        manager.hears("WATCHDOG=1");
        tool.signal(Signal::SIGTERM);
        manager.hears("STOPPING=1");
        tool.finish().killed_by(Signal::SIGTERM);
    }
}

#[test]
fn a_watchdog_bites_only_who_hangs() {
    let folder = scratch();
    let path = folder.path().join("notify");
    let mut manager = Manager::at(&path);
    // Its reader is stuck, which is not its own fault.
    std::fs::write(folder.path().join("log"), "y\n".repeat(1_000_000)).unwrap();
    let (_reader, writer) = std::io::pipe().unwrap();
    let tool = Tool::new("heka-encode").args(["-opayload", "--stats-every=50ms", "log"]);
    let tool = tool.dir(folder.path()).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "100000");
    let tool = tool.stdout_file(std::os::fd::OwnedFd::from(writer).into()).spawn();
    tool.wait_stderr("blocked on standard output for ");
    manager.heard.clear();
    manager.hears("WATCHDOG=1");
    tool.end_by(Signal::SIGKILL);
    // The watchdog is for another process.
    let encode = Tool::new("heka-encode").stdin_open().env("NOTIFY_SOCKET", &path);
    let encode = encode.env("WATCHDOG_USEC", "1000").env("WATCHDOG_PID", "1").spawn();
    manager.heard.clear();
    manager.hears("READY=1");
    ended(encode);
    manager.hears("STOPPING=1");
    assert!(!manager.heard.iter().any(|text| text.contains("WATCHDOG")), "{:?}", manager.heard);
}

fn ended(mut tool: Running) {
    tool.close_stdin();
    tool.finish().succeeds();
}

/// Even while its name, or another address, is being resolved.
#[test]
fn a_listener_is_ready_once_it_has_bound() {
    let folder = scratch();
    let path = folder.path().join("notify");
    let mut manager = Manager::at(&path);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let listen = |address: String| {
        Tool::new("heka-listen")
            .arg(address)
            .env("NOTIFY_SOCKET", &path)
            .env("WATCHDOG_USEC", "2000")
    };
    let outcome = listen(format!("localhost:{port}")).run();
    outcome.exits(1).stderr_has("Address already in use");
    manager.hears("STOPPING=1");
    assert!(!manager.heard.iter().any(|text| text.contains("READY")), "{:?}", manager.heard);
    let bound = listen("localhost:0".to_owned()).spawn();
    manager.hears("READY=1");
    bound.end_by(Signal::SIGTERM);
}

#[test]
fn a_watchdog_does_not_bite_who_waits_for_a_reader_of_stderr() {
    let folder = scratch();
    let path = folder.path().join("notify");
    let mut manager = Manager::at(&path);
    let (_reader, mut writer) = std::io::pipe().unwrap();
    fill(&mut writer);
    let tool = Tool::new("heka-listen").args(["127.0.0.1:0", "unix:s", "--stats-every=10ms"]);
    let tool = tool.dir(folder.path()).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "100000");
    let tool = tool.stderr_file(std::os::fd::OwnedFd::from(writer).into()).spawn();
    manager.hears("READY=1");
    for _ in 0..3 {
        manager.heard.clear();
        manager.hears("WATCHDOG=1");
    }
    // Now the main thread waits too.
    let mut sender = UnixStream::connect(folder.path().join("s")).unwrap();
    sender.write_all(b"\x1e\x02\x08\x05\x1f_____\x1e").unwrap();
    drop(sender);
    for _ in 0..5 {
        manager.heard.clear();
        manager.hears("WATCHDOG=1");
    }
    tool.end_by(Signal::SIGKILL);
}

/// Fills a pipe.
fn fill(pipe: &mut std::io::PipeWriter) {
    let flags = |flags| nix::fcntl::fcntl(&*pipe, nix::fcntl::FcntlArg::F_SETFL(flags)).unwrap();
    flags(nix::fcntl::OFlag::O_NONBLOCK);
    while (&*pipe).write(&[b'x'; 4096]).is_ok() {}
    flags(nix::fcntl::OFlag::empty());
}

#[test]
fn a_service_manager_that_does_not_listen_stops_nothing() {
    let folder = scratch();
    let nobody = folder.path().join("nobody");
    let encode = |socket: &Path| {
        let tool = Tool::new("heka-encode").args(["-o", "payload"]).stdin("a\n");
        tool.env("NOTIFY_SOCKET", socket).run()
    };
    let outcome = encode(&nobody);
    outcome.succeeds().stdout_is("a\n").stderr_has("warning: NOTIFY_SOCKET: No such file");
    let outcome = encode(
        Path::new("relative-name-longer-than-any-address-can-be").join("x".repeat(200)).as_path(),
    );
    outcome.succeeds().stdout_is("a\n").stderr_has("warning: NOTIFY_SOCKET: ");
    // Its queue is full.
    let path = folder.path().join("full");
    let _manager = UnixDatagram::bind(&path).unwrap();
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"x", &path).is_ok() {}
    encode(&path).succeeds().stdout_is("a\n");
}

#[test]
fn the_journal_gets_priorities() {
    let folder = scratch();
    let path = folder.path().join("stderr");
    let stderr = File::create(&path).unwrap();
    let stat = stderr.metadata().unwrap();
    let run = |stream: String| {
        let end = stderr.try_clone().unwrap();
        let tool = Tool::new("heka-decode").args(["--color=always", "--stats"]).stdin("nonsense");
        tool.env("JOURNAL_STREAM", stream).stderr_file(end).run();
        let text = std::fs::read_to_string(&path).unwrap();
        stderr.set_len(0).unwrap();
        text
    };
    let text = run(format!("{}:{}", stat.dev(), stat.ino()));
    assert!(text.contains("<4>heka-decode: warning: (standard input): "), "{text}");
    assert!(text.contains("<6>heka-decode: 0 messages, "), "{text}");
    // stderr of the service was redirected.
    let text = run(format!("{}:{}", stat.dev(), stat.ino() + 1));
    assert!(!text.contains("<4>") && text.contains("\u{1b}["), "{text}");
}

#[test]
fn programs_read_diagnostics_as_json() {
    let outcome =
        Tool::new("heka-decode").args(["--log-format=json", "--stats"]).stdin("nonsense").run();
    let lines = outcome.exits(1).err();
    let lines: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    assert_eq!(lines[0]["level"], "warning");
    assert_eq!(lines[0]["tool"], "heka-decode");
    assert!(lines[0]["message"].as_str().unwrap().starts_with("(standard input): offset 0: "));
    assert!(lines[0]["time"].as_str().unwrap().ends_with('Z'));
    assert_eq!(lines[1]["level"], "info");
    assert!(lines[1]["message"].as_str().unwrap().starts_with("0 messages, "));
    let usage = Tool::new("heka-decode").args(["--log-format=json", "-m", "?"]).run();
    for line in usage.exits(2).err().lines() {
        serde_json::from_str::<Value>(line).expect(line);
    }
}
