// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tools that are stuck because of a reader, a peer or a disk: they still report their numbers on
//! request and in their files, with the cause.

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;

use heka_tests::playback::{Playback, frame, web_socket};
use heka_tests::ws::WsServer;
use heka_tests::{
    Broker, Mock, Nats, Peer, Running, SECRET, Signal, StoppableDisk, Tool, eventually, scratch,
    unix,
};

use crate::numbers::{check, value};
use crate::statistics::Stuck;

const METRICS: &str = "--metrics=numbers.prom,50ms";

/// Expects a tool in `dir`, started with [`METRICS`], to report that it is stuck, and on what.
#[track_caller]
fn tells(tool: &Running, dir: &Path, by: &str) {
    let told = format!(", blocked on {by} for ");
    let path = dir.join("numbers.prom");
    eventually("it has begun", || value(&path, "heka_running", ""));
    eventually("it is stuck", || tool.statistics().contains(&told).then_some(()));
    let seconds = || value(&path, "heka_blocked_seconds", "");
    let before = eventually("so its file says", || seconds().filter(|seconds| *seconds > 0.1));
    eventually("and goes on to say", || seconds().filter(|seconds| *seconds > before));
    check(&path);
}

/// Expects the same of a tool whose output is not read.
#[track_caller]
fn tells_without_a_reader(tool: Tool) {
    let folder = scratch();
    let stuck = Stuck::new();
    let tool = tool.arg(METRICS).dir(folder.path()).stdout_file(stuck.end()).spawn();
    stuck.wait_full();
    tells(&tool, folder.path(), "standard output");
    tool.end_by(Signal::SIGKILL);
}

#[test]
fn filters_that_nobody_reads() {
    let text = || "y\n".repeat(1_000_000);
    let frames =
        Tool::new("heka-encode").stdin("x\n".repeat(100_000)).run().succeeds().stdout.clone();
    tells_without_a_reader(Tool::new("heka-encode").arg("-opayload").stdin(text()));
    tells_without_a_reader(Tool::new("heka-decode").arg("-ojson").stdin(frames));
    let folder = scratch();
    let log = folder.path().join("log");
    fs::write(&log, text()).unwrap();
    tells_without_a_reader(Tool::new("heka-tail").args(["-n+1", "-opayload"]).arg(log));
}

#[test]
fn servers_that_nobody_reads() {
    let frames =
        Tool::new("heka-encode").stdin("x\n".repeat(100_000)).run().succeeds().stdout.clone();
    let folder = scratch();
    let stuck = Stuck::new();
    let listener = Peer::with("heka-listen", ["127.0.0.1:0", METRICS], |tool| {
        tool.dir(folder.path()).stdout_file(stuck.end())
    });
    let mut sender = TcpStream::connect(&listener.addr).unwrap();
    std::thread::spawn(move || sender.write_all(&frames.repeat(10)));
    stuck.wait_full();
    tells(&listener, folder.path(), "standard output");

    let folder = scratch();
    let stuck = Stuck::new();
    let (server, path, _own) =
        unix::serve(&[METRICS], |tool| tool.dir(folder.path()).stdout_file(stuck.end()));
    let mut client = unix::connect(&path);
    std::thread::spawn(move || client.write_all("z\n".repeat(2_000_000).as_bytes()));
    stuck.wait_full();
    tells(&server, folder.path(), "standard output");
}

#[test]
fn sources_that_nobody_reads() {
    let server = WsServer::start(|_, mut peer| {
        peer.accept();
        while peer.text("y".repeat(1000)) {}
    });
    tells_without_a_reader(Tool::new("ws-source").arg(server.url("/")));

    let folder = scratch();
    let plugin = folder.path().join("p.lua");
    fs::write(&plugin, "function process_message() while true do inject_message({}) end end")
        .unwrap();
    tells_without_a_reader(Tool::new("heka-sandbox").arg(&plugin));

    // A message of the oldest kind: text, standard output, a time, an app.
    let line = b"\x0a\x01y\x10\x01\x18\x02\x22\x01a";
    let server = Playback::new(vec![web_socket(frame(2, line).repeat(50_000))]);
    let token = format!("bearer {SECRET}");
    let tool = Tool::new("cf-tail").args(["--via", "legacy", "app", "-a"]);
    tells_without_a_reader(tool.arg(format!("ws://{}", server.addr)).env("CF_ACCESS_TOKEN", token));
}

/// A reader of a broker whose output is not read, and a writer whose broker is frozen.
#[track_caller]
fn broker_and_its_reader<B: Broker>(mut broker: B) {
    let text = format!("{:0900}\n", 7).repeat(5000);
    let url = broker.to_write();
    Tool::new(B::TOOL).arg(&url).stdin(text.clone()).run().succeeds();
    tells_without_a_reader(Tool::new(B::TOOL).args(["--read", &broker.to_read_all()]));

    broker.signal(Signal::SIGSTOP);
    let folder = scratch();
    let tool = Tool::new(B::TOOL).args([METRICS, &url]).dir(folder.path());
    let tool = tool.stdin(text.repeat(10)).spawn();
    tells(&tool, folder.path(), "the peer");
    tool.end_by(Signal::SIGKILL);
    broker.signal(Signal::SIGCONT);
}

#[test]
fn a_broker_of_nats_and_its_reader() {
    if let Some(nats) = Nats::start("") {
        broker_and_its_reader(nats);
    }
}

#[test]
fn a_broker_of_kafka_and_its_reader() {
    if let Some(mock) = Mock::start(1) {
        broker_and_its_reader(mock);
    }
}

#[test]
fn senders_whose_peer_takes_nothing() {
    let text = || "y\n".repeat(4_000_000);
    let folder = scratch();
    let peer = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = peer.local_addr().unwrap().to_string();
    let tool = Tool::new("heka-send").args(["-i", "lines", METRICS, &addr]).dir(folder.path());
    let tool = tool.stdin(text()).spawn();
    tells(&tool, folder.path(), "the peer");
    tool.end_by(Signal::SIGKILL);

    let path = folder.path().join("s");
    let _peer = UnixListener::bind(&path).unwrap();
    let tool = Tool::new("unix-sock").arg(&path).arg(METRICS).dir(folder.path());
    let tool = tool.stdin(text()).spawn();
    // It has other peers to serve, or could have: a stuck peer does not block it.
    let metrics = folder.path().join("numbers.prom");
    let read = || value(&metrics, "heka_read_bytes_total", "tool=\"unix-sock\"");
    let before = eventually("it reads", || read().filter(|bytes| *bytes > 100_000.0));
    assert!(before < 8_000_000.0 && tool.statistics().contains(" bytes in"));
    check(&metrics);
    tool.end_by(Signal::SIGKILL);
}

#[test]
fn writers_whose_disk_does_nothing() {
    let Some(disk) = StoppableDisk::new() else { return };
    let place = |name: &str| disk.path().join(name).display().to_string();
    let frame = Tool::new("heka-encode").stdin("text\n").run().stdout;
    for (name, args, by) in [
        ("heka-send", &["--queue", &place("queue"), "127.0.0.1:1"][..], "the disk"),
        ("heka-decode", &["--write", &place("out")], "the output file"),
        ("heka-tail", &[&format!("--checkpoint={}", place("position")), "log"], "the disk"),
    ] {
        let folder = scratch();
        let mut log = fs::File::create(folder.path().join("log")).unwrap();
        let tool = Tool::new(name).args(args).arg(METRICS).dir(folder.path());
        let mut tool = tool.stdin_open().spawn();
        let mut write = |tool: &mut Running| {
            tool.write(&frame);
            log.write_all(b"text\n").unwrap();
        };
        write(&mut tool);
        let path = folder.path().join("numbers.prom");
        eventually("it works", || value(&path, "heka_read_bytes_total", "").filter(|n| *n > 0.0));
        let stopped = disk.stop();
        write(&mut tool);
        tells(&tool, folder.path(), by);
        drop(stopped);
        tool.end_by(Signal::SIGKILL);
    }
    let folder = scratch();
    let args = ["127.0.0.1:0", "--fsync", "--write", &place("all"), METRICS];
    let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
    let mut sender = TcpStream::connect(&listener.addr).unwrap();
    sender.write_all(&frame).unwrap();
    let path = folder.path().join("numbers.prom");
    eventually("it works", || value(&path, "heka_written_bytes_total", "").filter(|n| *n > 0.0));
    let stopped = disk.stop();
    sender.write_all(&frame).unwrap();
    tells(&listener, folder.path(), "the output file");
    drop(stopped);
}
