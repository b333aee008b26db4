// SPDX-License-Identifier: MIT OR Apache-2.0
//! Numbers for programs: --stats=json, --stats-every, --metrics.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use heka_tests::{Peer, Signal, Tool, eventually, require, scratch, unix};
use serde_json::Value;

use crate::statistics::Stuck;

/// Returns the last line of `stderr`, which is an object.
fn object(stderr: &str) -> Value {
    let line = stderr.lines().last().expect("a line");
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Returns the value of the line of a metrics file that starts with `name` and has `label`.
pub(crate) fn value(path: &Path, name: &str, label: &str) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    let line =
        text.lines().find(|line| line.starts_with(&format!("{name}{{")) && line.contains(label))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

/// Expects promtool to accept a file.
pub(crate) fn check(path: &Path) {
    if !require("promtool") {
        return;
    }
    let mut promtool = Command::new("promtool");
    promtool.env("PATH", heka_tests::system_path());
    let input = fs::File::open(path).unwrap();
    let output = promtool.args(["check", "metrics"]).stdin(Stdio::from(input)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn the_same_numbers_are_told_in_every_form() {
    let folder = scratch();
    let input = b"a\nb\n\xff\n";
    let args = ["--stats=json", "--metrics=app.prom", "-o", "payload"];
    let outcome = Tool::new("heka-encode").args(args).dir(folder.path()).stdin(*input).run();
    let numbers = object(&outcome.succeeds().err());
    assert_eq!(numbers["tool"], "heka-encode");
    assert_eq!(numbers["heka_messages_total"], 3);
    assert_eq!(numbers["heka_read_bytes_total"], 6);
    assert_eq!(numbers["heka_running"], 0);
    let path = folder.path().join("app.prom");
    check(&path);
    let labels = "{tool=\"heka-encode\",name=\"app\"";
    assert_eq!(value(&path, "heka_messages_total", labels), Some(3.0));
    assert_eq!(value(&path, "heka_running", labels), Some(0.0));

    let frames = [b"nonsense".to_vec(), Tool::new("heka-encode").stdin("x\n").run().stdout];
    let args = ["--stats=json", "--metrics=app.prom"];
    let outcome = Tool::new("heka-decode").args(args).dir(folder.path()).stdin(frames.concat());
    let numbers = object(&outcome.run().exits(1).err());
    assert_eq!(numbers["heka_skipped_total"]["damaged"], 1);
    assert_eq!(numbers["heka_diagnostics_total"]["warning"], 1);
    assert_eq!(value(&path, "heka_skipped_total", "reason=\"damaged\""), Some(1.0));
}

#[test]
fn numbers_of_a_pipeline_that_runs() {
    let folder = scratch();
    let dir = folder.path();
    fs::write(dir.join("app.log"), "one\ntwo\n").unwrap();
    let listener = Peer::with("heka-listen", ["127.0.0.1:0", "--ack", "--metrics=in.prom,50ms"], {
        |tool| tool.dir(dir)
    });
    let line = format!(
        "heka-tail --resume app.pos --metrics=tail.prom,50ms app.log | \
         heka-send --ack=peer --commit app.pos --queue q --metrics=send.prom,50ms {}",
        listener.addr
    );
    let pipeline = heka_tests::sh(&line).dir(dir).spawn();
    let address = format!("address=\"{}\"", listener.addr);
    for (file, name, label, wanted) in [
        ("send.prom", "heka_send_acknowledged_messages_total", "", 2.0),
        ("send.prom", "heka_send_connected", address.as_str(), 1.0),
        ("send.prom", "heka_send_in_flight_messages", "", 0.0),
        ("send.prom", "heka_send_oldest_unacknowledged_seconds", "", 0.0),
        ("tail.prom", "heka_tail_bytes_behind", "file=\"app.log\"", 0.0),
        ("tail.prom", "heka_tail_files", "", 1.0),
        ("in.prom", "heka_listen_connections", "", 1.0),
        ("in.prom", "heka_listen_listener_messages_total", &listener.addr, 2.0),
    ] {
        let path = dir.join(file);
        eventually(name, || (value(&path, name, label) == Some(wanted)).then_some(()));
        check(&path);
    }
    let acknowledged = "heka_send_last_acknowledgement_timestamp_seconds";
    assert!(value(&dir.join("send.prom"), acknowledged, "").unwrap() > 1e9);
    assert!(value(&dir.join("send.prom"), "heka_send_queue_bytes", "").is_some());
    // The receiver is gone: messages written now stay behind.
    drop(listener);
    let sent = dir.join("send.prom");
    eventually("not connected", || {
        (value(&sent, "heka_send_connected", &address) == Some(0.0)).then_some(())
    });
    let mut log = fs::OpenOptions::new().append(true).open(dir.join("app.log")).unwrap();
    log.write_all(b"three\n").unwrap();
    eventually("it waits", || {
        let is_waiting = value(&sent, "heka_send_oldest_unacknowledged_seconds", "")? > 0.0;
        (is_waiting && value(&sent, "heka_send_in_flight_messages", "")? == 1.0).then_some(())
    });
    drop(pipeline);
}

#[test]
fn who_is_stuck_tells_for_how_long_and_how_far_behind() {
    let folder = scratch();
    fs::write(folder.path().join("log"), "y\n".repeat(2_000_000)).unwrap();
    let (_reader, writer) = std::io::pipe().unwrap();
    let args = ["--metrics=tail.prom,50ms", "--stats-every=50ms", "-opayload", "log"];
    let tool = Tool::new("heka-tail").args(args).args(["-n", "+1"]).dir(folder.path());
    let tool = tool.stdout_file(std::os::fd::OwnedFd::from(writer).into()).spawn();
    tool.wait_stderr(", blocked on standard output for ");
    let path = folder.path().join("tail.prom");
    eventually("it is behind", || {
        let is_behind = value(&path, "heka_tail_bytes_behind", "file=\"log\"")? > 2_000_000.0;
        let is_late = value(&path, "heka_tail_seconds_behind", "file=\"log\"")? > 0.0;
        let is_blocked = value(&path, "heka_blocked_seconds", "")? > 0.1;
        (is_behind && is_late && is_blocked).then_some(())
    });
    // No other process reads what is written meanwhile.
    let before = value(&path, "heka_tail_bytes_behind", "file=\"log\"").unwrap();
    let mut log = fs::OpenOptions::new().append(true).open(folder.path().join("log")).unwrap();
    log.write_all(&b"z\n".repeat(1000)).unwrap();
    eventually("it is further behind", || {
        (value(&path, "heka_tail_bytes_behind", "")? == before + 2000.0).then_some(())
    });
    tool.end_by(Signal::SIGKILL);
}

#[test]
fn every_tool_answers_while_it_waits_or_is_stuck() {
    let folder = scratch();
    let dir = folder.path();
    fs::write(dir.join("log"), "y\n".repeat(1_000_000)).unwrap();
    for (name, args) in
        [("heka-encode", &["-opayload", "log"][..]), ("heka-tail", &["-opayload", "-n+1", "log"])]
    {
        let stuck = Stuck::new();
        let tool = Tool::new(name).args(args).arg("--stats=json").dir(dir);
        let tool = tool.stdout_file(stuck.end()).spawn();
        stuck.wait_full();
        eventually("it is stuck", || {
            tool.signal(Signal::SIGUSR1);
            let said = tool.stderr();
            let line = said.lines().last().filter(|line| line.ends_with('}'))?;
            let numbers: Value = serde_json::from_str(line).ok()?;
            (numbers["heka_blocked_seconds"].as_f64()? > 0.1).then_some(())
        });
        tool.end_by(Signal::SIGKILL);
    }
    let (server, path, _folder) = unix::serve(&["--metrics=m.prom,50ms"], |tool| tool.dir(dir));
    let _client = unix::connect(&path);
    eventually("a peer", || {
        (value(&dir.join("m.prom"), "heka_unix_peers", "")? == 1.0).then_some(())
    });
    drop(server);
    let listener =
        Peer::with("heka-listen", ["127.0.0.1:0", "--metrics=l.prom,50ms"], |tool| tool.dir(dir));
    let mut sender = TcpStream::connect(&listener.addr).unwrap();
    sender.write_all(b"text\n").unwrap();
    eventually("its bytes", || {
        let name = "heka_listen_listener_read_bytes_total";
        (value(&dir.join("l.prom"), name, &listener.addr)? == 5.0).then_some(())
    });
}

#[test]
fn what_each_listener_gets_is_counted() {
    let folder = scratch();
    let dir = folder.path();
    fs::write(dir.join("keys"), "ops_0 right\n").unwrap();
    fs::write(dir.join("key"), "right\n").unwrap();
    fs::write(dir.join("wrong"), "wrong\n").unwrap();
    let signed_with = |key: &str| {
        let tool = Tool::new("heka-encode").arg("--signer=ops").arg("--hmac-key-file").arg(key);
        tool.dir(dir).stdin("one\n").run().succeeds().stdout.clone()
    };
    let signed = signed_with("key");
    let listener = Peer::with(
        "heka-listen",
        ["127.0.0.1:0", "unix:idle", "--hmac-keys=keys", "--dedup=10", "--write=all"]
            .into_iter()
            .chain(["--fsync", "--max-conns-per-peer=1", "--metrics=in.prom,50ms"]),
        |tool| tool.dir(dir),
    );
    let mut sender = TcpStream::connect(&listener.addr).unwrap();
    for bytes in [&signed, &signed, &b"nonsense".to_vec(), &signed_with("wrong"), &signed] {
        sender.write_all(bytes).unwrap();
    }
    let path = dir.join("in.prom");
    for (name, wanted) in [
        ("heka_listen_listener_messages_total", 1.0),
        ("heka_listen_repeated_messages_total", 2.0),
        ("heka_listen_unverified_messages_total", 1.0),
        ("heka_listen_damaged_records_total", 1.0),
    ] {
        let of = |listener: &str| value(&path, name, &format!("listener=\"{listener}\""));
        eventually(name, || (of(&listener.addr) == Some(wanted)).then_some(()));
        assert_eq!(of("unix:idle"), Some(0.0), "{name}");
    }
    for on in ["output_file", "disk"] {
        let on = format!("on=\"{on}\"");
        eventually(&on, || {
            value(&path, "heka_blocked_seconds_total", &on).filter(|seconds| *seconds > 0.0)
        });
    }
    drop(TcpStream::connect(&listener.addr).unwrap());
    eventually("one too many", || {
        (value(&path, "heka_listen_refused_connections_total", "")? == 1.0).then_some(())
    });
    check(&path);
}

#[test]
fn a_file_that_cannot_be_written_stops_nothing() {
    let folder = scratch();
    let encode = |metrics: &str| {
        let args = ["-o", "payload", "--metrics", metrics];
        Tool::new("heka-encode").args(args).dir(folder.path()).stdin("a\n").run()
    };
    let outcome = encode("missing/app.prom");
    let said = "heka-encode: warning: missing/app.prom: metrics not written: No such file or";
    outcome.succeeds().stdout_is("a\n").stderr_has(said);
    let usage = encode("/dev/null").exits(2).err();
    assert!(
        usage.starts_with("heka-encode: --metrics: /dev/null: not a regular file\n"),
        "{usage}"
    );
    encode("app.prom,0s").exits(2).stderr_has("must be more than 0");
    // Another process's temporary file does not matter.
    fs::write(folder.path().join("app.prom.new"), "half a li").unwrap();
    encode("app.prom").succeeds().stderr_is("");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
