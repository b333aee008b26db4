// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tasks of the README, run as written except for addresses.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::thread::JoinHandle;

use heka_tests::page::{examples, joined, readme_examples};
use heka_tests::scene::Scene;
use heka_tests::ws::WsServer;
use heka_tests::{Tool, eventually, require, scratch, sh};

/// Returns the only one of them that contains `part`.
fn pipeline(part: &str) -> String {
    let mut found = readme_examples("### Small jobs");
    found.retain(|line| line.contains(part));
    assert_eq!(found.len(), 1, "pipelines with {part:?}: {found:#?}");
    found.remove(0)
}

/// Starts a receiver like `nc -l`; returns its address, and what one sender sends until it closes.
fn receiver() -> (String, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a sender");
        let mut received = Vec::new();
        stream.read_to_end(&mut received).expect("an orderly end");
        received
    });
    (address, thread)
}

fn payloads(frames: Vec<u8>) -> String {
    Tool::new("heka-decode").stdin(frames).run().out()
}

#[test]
fn text_to_netcat() {
    let scene = Scene::new("");
    scene.append("input.log", "");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let line = pipeline("to a plain nc -l").replace("127.0.0.1:9612", &address);
    let _running = sh(&line).dir(scene.dir.path()).stdin_open().spawn();
    let (mut stream, _) = listener.accept().expect("a connection");
    stream.set_nonblocking(true).expect("a socket");
    let mut received = [0; 100];
    let len = eventually("a line", || {
        scene.append("input.log", "a line\n");
        stream.read(&mut received).ok().filter(|len| *len > 0)
    });
    assert!(received[..len].starts_with(b"a line\n"), "{:?}", &received[..len]);
}

#[test]
fn what_a_build_prints() {
    let (address, received) = receiver();
    let line = pipeline("-t build").replacen("make", "echo compiled", 1);
    sh(&line.replace("aggregator:5565", &address)).run().succeeds();
    let frames = received.join().expect("frames");
    let selected = ["-m", "Type == 'build' && Severity == 5"];
    let decoded = Tool::new("heka-decode").args(selected).stdin(frames).run();
    assert_eq!(decoded.out(), "compiled\n");
}

#[test]
fn what_was_not_found() {
    if !require("jq") {
        return;
    }
    let dir = scratch();
    let make = "for status in 200 404; do echo $status | heka-encode -F status:i=$status; done > stream.log";
    sh(make).dir(dir.path()).run().succeeds();
    assert_eq!(sh(&pipeline("jq -r .Payload")).dir(dir.path()).run().out(), "404\n");
}

#[test]
fn a_feed_for_the_unix_socket_of_a_listener() {
    let server = WsServer::start(|_, mut peer| {
        peer.accept();
        let subscription = peer.receive().expect("a message");
        assert_eq!(subscription.payload, br#"{"subscribe":"ticks"}"#);
        peer.text("tick");
        peer.until_end();
    });
    let dir = scratch();
    let socket = dir.path().join("heka.sock");
    let name = format!("unix:{}", socket.display());
    let listener = Tool::new("heka-listen").args(["-o", "payload", &name]).spawn();
    eventually("a socket", || Path::new(&socket).exists().then_some(()));
    let line = pipeline("-t ticks").replace("wss://feed", &server.url("/"));
    let _running = sh(&line.replace("unix:/run/heka.sock", &name)).spawn();
    listener.wait_stdout_is("tick\n");
}

#[test]
fn what_cron_ships() {
    let dir = scratch();
    let line = pipeline("# cron").trim_start_matches(['*', ' ']).to_owned();
    for lines in ["one\ntwo\n", "three\n"] {
        let (address, received) = receiver();
        let log = dir.path().join("app.log");
        let before = fs::read_to_string(&log).unwrap_or_default();
        fs::write(&log, before + lines).expect("a log");
        let line = line.replace("aggregator:5565", &address);
        sh(&line).dir(dir.path()).env("HOME", dir.path()).run().succeeds();
        assert_eq!(payloads(received.join().expect("frames")), lines);
    }
}

/// The tests of the README run those of the tour, too.
#[test]
fn the_examples_of_heka_tools_are_in_the_readme() {
    let sections = ["### Small jobs", "### Ship a log reliably", "### Receive from anything"];
    let readme: Vec<_> = sections.into_iter().flat_map(readme_examples).collect();
    let tour = examples("heka-tools.7");
    assert_eq!(tour.len(), 7);
    for line in
        tour.iter().flat_map(|text| joined(text).lines().map(str::to_owned).collect::<Vec<_>>())
    {
        assert!(readme.iter().any(|text| text.contains(&line)), "{line}: not in {readme:#?}");
    }
}
