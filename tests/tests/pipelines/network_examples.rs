// SPDX-License-Identifier: MIT OR Apache-2.0
//! The examples of the pages of heka-send and heka-listen and of their sections in the README, run
//! as written except for addresses and the folders of the system.

use std::fs;

use heka_tests::page::{examples, readme_examples};
use heka_tests::ws::WsServer;
use heka_tests::{
    Peer, Running, Signal, TempDir, Tool, certificates, eventually, free_port, require, scratch, sh,
};

/// Returns the only one of these commands that contains `part`, without its comment.
#[track_caller]
fn command(commands: &[String], part: &str) -> String {
    let found: Vec<_> = commands.iter().filter(|command| command.contains(part)).collect();
    assert_eq!(found.len(), 1, "{part:?} in {commands:#?}");
    found[0].split(" #").next().unwrap_or_default().trim_end().to_owned()
}

/// A folder with the logs that the examples send.
fn logs() -> TempDir {
    let folder = scratch();
    for name in ["input.log", "app.log"] {
        fs::write(folder.path().join(name), "one\ntwo\n").expect("a log");
    }
    folder
}

/// Runs a command that sends; `from` in it is replaced by the receiver's address.
fn sends(folder: &TempDir, command: &str, from: &str, expected: &str) -> Running {
    assert!(command.contains(from), "{from} in {command}");
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let running = sh(&command.replace(from, &listener.addr)).dir(folder.path()).spawn();
    listener.wait_stdout_is(expected);
    running
}

#[test]
fn a_receiver_is_checked() {
    let example = command(&examples("heka-send.1"), "heka-send --check");
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "--ack"]);
    let plain = |text: &str| text.replace("tls://logs:6514", &listener.addr);
    let (line, expected) = example.split_once('\n').expect("what it prints");
    let checked = sh(&plain(line.trim_start_matches("$ "))).run();
    checked.succeeds().stdout_is(plain(expected).replace(" with TLS 1.3", "") + "\n");
}

#[test]
fn logs_and_the_output_of_programs_are_sent() {
    let page = examples("heka-send.1");
    let readme = readme_examples("### Ship a log reliably");
    assert_eq!((page.len(), readme.len()), (8, 4), "{page:#?} {readme:#?}");
    for commands in [&page, &readme] {
        sends(
            &logs(),
            &command(commands, "heka-send 127.0.0.1:9612"),
            "127.0.0.1:9612",
            "one\ntwo\n",
        );
    }
    for lossless in ["--commit app.pos aggregator", "--refused-file"] {
        sends(&logs(), &command(&page, lossless), "aggregator:5565", "one\ntwo\n");
    }
    if require("make") {
        let folder = scratch();
        fs::write(folder.path().join("Makefile"), "all:\n\t@echo made\n").expect("a file");
        let running = sends(&folder, &command(&page, "make 2>&1"), "aggregator:5565", "made\n");
        running.finish().succeeds();
    }
}

#[test]
fn plain_netcat_shows_text() {
    if !require("nc") {
        return;
    }
    for commands in [examples("heka-send.1"), readme_examples("### Ship a log reliably")] {
        let line = command(&commands, "-o payload");
        let port = free_port().to_string();
        let netcat = sh(&format!("exec nc -l 127.0.0.1 {port}")).stdin_open().spawn();
        let line = line.replace("9612", &port).replace("heka-send", "heka-send --retry-delay=20ms");
        let folder = logs();
        let pipeline = sh(&line).dir(folder.path()).spawn();
        netcat.wait_stdout_is("one\ntwo\n");
        drop(pipeline);
    }
}

#[test]
fn positions_are_stored_when_messages_have_arrived_over_tls() {
    let Some(folder) = certificates() else { return };
    fs::write(folder.path().join("app.log"), "one\ntwo\n").expect("a log");
    let args = ["tls://localhost:0", "--cert=server.pem", "--key=server.key", "--ack", "-opayload"];
    let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
    let line = command(&readme_examples("### Ship a log reliably"), "--commit app.pos");
    let line = line.replace("aggregator:6514", &format!("localhost:{}", listener.port()));
    let ca = folder.path().join("ca.pem");
    let _pipeline = sh(&line).dir(folder.path()).env("SSL_CERT_FILE", ca).spawn();
    listener.wait_stdout_is("one\ntwo\n");
    eventually("it is stored", || folder.path().join("app.pos").exists().then_some(()));
}

#[test]
fn a_feed_is_queued() {
    for commands in [examples("heka-send.1"), readme_examples("### Ship a log reliably")] {
        let feed = WsServer::start(|_, mut peer| {
            peer.accept();
            peer.text("a tick");
            peer.until_end();
        });
        let line = command(&commands, "wss://feed/ticks");
        let line = line.replace("wss://feed/ticks", &feed.url("/ticks"));
        let line = line.replace("/var/spool/ticks", "spool");
        let folder = scratch();
        // The second address takes over where the first is absent.
        let closed = format!("127.0.0.1:{}", free_port());
        if line.contains("standby:5565") {
            let line = line.replace("aggregator:5565", &closed);
            sends(&folder, &line, "standby:5565", "a tick\n");
        } else {
            sends(&folder, &line, "aggregator:5565", "a tick\n");
        }
        assert!(folder.path().join("spool/cursor").exists());
    }
}

/// Starts a command that listens. Addresses of all interfaces on `port` are replaced by loopback
/// and another port.
fn listens(folder: &TempDir, command: &str, port: &str) -> (Running, String) {
    let own = free_port();
    let line = command.replace(&format!("127.0.0.1:{port}"), &format!(":{port}"));
    let line = line.replace(&format!(":{port}"), &format!("127.0.0.1:{own}"));
    assert!(line.contains(&own.to_string()), "{port} in {command}");
    let line = line.replace("/var/log/", "").replace("/run/", "");
    (sh(&line).dir(folder.path()).spawn(), format!("127.0.0.1:{own}"))
}

fn send(folder: &TempDir, address: &str, args: &[&str]) {
    let tool =
        Tool::new("heka-send").dir(folder.path()).args(["--retry-delay=20ms", "--retry=200"]);
    tool.args(["--retry-growth=1", address]).args(args).stdin("hello\n").run().succeeds();
}

#[test]
fn what_is_sent_is_written_to_a_file() {
    for commands in [examples("heka-listen.1"), readme_examples("### Receive from anything")] {
        assert!(matches!(commands.len(), 3 | 6), "{commands:#?}");
        let folder = scratch();
        let (pipeline, address) = listens(&folder, &command(&commands, ">> output.log"), "9612");
        send(&folder, &address, &[]);
        let written = || fs::read_to_string(folder.path().join("output.log")).unwrap_or_default();
        eventually("it is written", || (written() == "hello\n").then_some(()));
        drop(pipeline);
    }
}

#[test]
fn messages_are_confirmed_once_they_are_on_the_disk() {
    let folder = scratch();
    let line = command(&examples("heka-listen.1"), "--fsync --rotate");
    let (listener, address) = listens(&folder, &format!("exec {line}"), "5565");
    send(&folder, &address, &["--ack=peer"]);
    let stored = Tool::new("heka-decode").dir(folder.path()).arg("all.heka").run();
    stored.succeeds().stdout_is("hello\n");
    listener.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
}

#[test]
fn what_somebody_sends_is_looked_at() {
    let line = command(&examples("heka-listen.1"), "-1 -j");
    let (listener, address) = listens(&scratch(), &line, "9612");
    send(&scratch(), &address, &[]);
    listener.finish().succeeds().stdout_has(r#""Payload":"hello""#);
}

#[test]
fn many_kinds_of_sockets_are_listened_on() {
    let folder = scratch();
    let line = command(&readme_examples("### Receive from anything"), "udp://:5565");
    let (listener, address) = listens(&folder, &line, "5565");
    for target in [&address, &format!("udp://{address}"), "unix:heka.sock"] {
        send(&folder, target, &[]);
    }
    listener.wait_stdout("three", |out| {
        String::from_utf8_lossy(out).matches(r#""Payload":"hello""#).count() == 3
    });
}

#[test]
fn certificates_are_shown_and_asked_for() {
    let Some(folder) = certificates() else { return };
    let clients = ["--ca-file=ca.pem", "--cert=client.pem", "--key=client.key"];
    let join = |cert: &str, key: &str, to: &str| {
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect(name);
        // The examples have the key in the same file.
        let both = read(cert) + &read(key);
        fs::write(folder.path().join(to), both).expect(to);
    };
    join("server.pem", "server.key", "me.pem");
    let line = command(&readme_examples("### Receive from anything"), "tls://:6514");
    let (listener, address) = listens(&folder, &line, "6514");
    send(&folder, &format!("tls://{address}"), &[&clients[..], &["--ack=peer"]].concat());
    let stored = Tool::new("heka-decode").dir(folder.path()).arg("all.heka").run();
    stored.succeeds().stdout_is("hello\n");
    drop(listener);
    join("me.pem", "server.key", "server.pem");
    fs::copy(folder.path().join("ca.pem"), folder.path().join("clients.pem")).expect("a copy");
    let line = command(&examples("heka-listen.1"), "tls://:6514");
    let (listener, address) = listens(&folder, &line, "6514");
    send(&folder, &format!("tls://{address}"), &clients);
    send(&folder, "unix:heka.sock", &[]);
    listener.wait_stdout("two", |out| {
        String::from_utf8_lossy(out).matches(r#""Payload":"hello""#).count() == 2
    });
}
