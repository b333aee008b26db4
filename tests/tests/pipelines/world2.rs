// SPDX-License-Identifier: MIT OR Apache-2.0
//! The main task, end to end: a file is followed here, and its lines are written to a file there.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use heka_tests::{
    Peer, Running, Signal, TempDir, Tool, eventually, free_port, require, scratch, sh,
};

/// Two ends: `input.log` is sent, `output.log` receives.
struct World {
    folder: TempDir,
    listener: Option<Peer>,
    sender: Option<Running>,
    addr: String,
}

impl World {
    fn new() -> Self {
        Self { folder: scratch(), listener: None, sender: None, addr: String::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `heka-listen ADDR | heka-decode >> output.log`
    fn receive(&mut self) {
        let addr = if self.addr.is_empty() { "127.0.0.1:0" } else { &self.addr };
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let writer = File::from(std::os::fd::OwnedFd::from(writer));
        let reader = File::from(std::os::fd::OwnedFd::from(reader));
        let listener = Peer::with("heka-listen", [addr], |tool| tool.stdout_file(writer));
        self.addr = listener.addr.clone();
        self.listener = Some(listener);
        let output = OpenOptions::new().append(true).create(true).open(self.path("output.log"));
        let output = output.expect("output.log");
        // It ends with its standard input, so with the listener.
        let decode = Tool::new("heka-decode").stdin_file(reader).stdout_file(output);
        std::thread::spawn(move || decode.spawn().finish());
    }

    /// `heka-tail input.log | heka-send ADDR`
    fn send(&mut self) {
        let line = format!("heka-tail input.log | heka-send --retry-delay=20ms {}", self.addr);
        self.sender = Some(sh(&line).dir(self.folder.path()).spawn());
    }

    fn append(&self, text: &str) {
        let input = OpenOptions::new().append(true).create(true).open(self.path("input.log"));
        input.expect("input.log").write_all(text.as_bytes()).expect("a line");
    }

    fn output(&self) -> String {
        fs::read_to_string(self.path("output.log")).unwrap_or_default()
    }

    #[track_caller]
    fn arrives(&self, text: &str) {
        let said = || self.sender.as_ref().map_or(String::new(), Running::stderr);
        eventually(&format!("{text:?} in {:?}\n{}", self.output(), said()), || {
            (self.output() == text).then_some(())
        });
    }
}

#[test]
fn a_line_appended_here_stands_there() {
    let mut world = World::new();
    world.append("already there\n");
    world.receive();
    world.send();
    world.arrives("already there\n");
    world.append("Heka, World2!\n");
    world.arrives("already there\nHeka, World2!\n");
}

#[test]
fn the_file_may_be_renamed_and_begun_anew() {
    let mut world = World::new();
    world.append("one\n");
    world.receive();
    world.send();
    world.arrives("one\n");
    fs::rename(world.path("input.log"), world.path("input.log.1")).expect("rename");
    world.append("two\n");
    world.arrives("one\ntwo\n");
}

#[test]
fn the_file_may_be_copied_and_truncated() {
    let mut world = World::new();
    world.append("before the truncation\n");
    world.receive();
    world.send();
    world.arrives("before the truncation\n");
    File::options()
        .write(true)
        .open(world.path("input.log"))
        .and_then(|f| f.set_len(0))
        .expect("cut");
    world.append("after\n");
    world.arrives("before the truncation\nafter\n");
}

#[test]
fn the_file_may_be_deleted_and_come_again() {
    let mut world = World::new();
    world.append("one\n");
    world.receive();
    world.send();
    world.arrives("one\n");
    fs::remove_file(world.path("input.log")).expect("remove");
    world.append("two\n");
    world.arrives("one\ntwo\n");
}

#[test]
fn the_file_may_come_later_and_a_line_in_two_parts() {
    let mut world = World::new();
    world.receive();
    world.send();
    world.sender.as_ref().expect("started").wait_stderr("input.log");
    world.append("begun ");
    world.append("and ended\n");
    world.arrives("begun and ended\n");
    world.append("first half, ");
    world.append("second half\n");
    world.arrives("begun and ended\nfirst half, second half\n");
}

#[test]
fn order_does_not_matter() {
    let mut world = World::new();
    let port = free_port();
    world.addr = format!("127.0.0.1:{port}");
    world.append("nobody listens yet\n");
    world.send();
    let sender = world.sender.as_ref().expect("started");
    sender.wait_stderr(&format!("heka-send: 127.0.0.1:{port}: Connection refused; retrying"));
    world.receive();
    world.arrives("nobody listens yet\n");
}

#[test]
fn the_receiver_may_be_killed_and_started_again() {
    let mut world = World::new();
    world.receive();
    world.send();
    for round in 0..3 {
        world.append(&format!("round {round}\n"));
        let expected: String = (0..=round).map(|number| format!("round {number}\n")).collect();
        world.arrives(&expected);
        let listener = world.listener.take().expect("running").into_running();
        listener.end_by(Signal::SIGKILL).killed_by(Signal::SIGKILL);
        world.receive();
    }
    world.append("last\n");
    world.arrives("round 0\nround 1\nround 2\nlast\n");
}

#[test]
fn to_a_plain_netcat() {
    if !require("nc") {
        return;
    }
    let folder = scratch();
    fs::write(folder.path().join("input.log"), "Heka, World2!\n").expect("input.log");
    let port = free_port();
    let netcat = Tool::at("nc").args(["-l", "127.0.0.1", &port.to_string()]).spawn();
    let line =
        format!("heka-tail input.log | heka-send --retry-delay=20ms -o payload 127.0.0.1:{port}");
    let _sender = sh(&line).dir(folder.path()).spawn();
    netcat.wait_stdout_is("Heka, World2!\n");
}

#[test]
fn from_a_plain_netcat() {
    if !require("nc") {
        return;
    }
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-o", "payload"]);
    let port = listener.port().to_string();
    Tool::at("nc").args(["-N", "127.0.0.1", &port]).stdin("one\ntwo\n").run().succeeds();
    listener.wait_stdout_is("one\ntwo\n");
}

#[test]
fn a_netcat_line_is_a_message_of_its_host() {
    if !require("nc") {
        return;
    }
    let listener = Peer::new("heka-listen", ["127.0.0.1:0"]);
    let port = listener.port().to_string();
    Tool::at("nc").args(["-N", "127.0.0.1", &port]).stdin("plain\n").run().succeeds();
    let frames = listener.wait_stdout("a message", |bytes| bytes.len() > 60);
    let text = Tool::new("heka-decode").args(["-o", "text"]).stdin(frames).run();
    text.succeeds().stdout_has("Payload: plain").stdout_has("Hostname: 127.0.0.1");
}
