// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every example of heka-nats(1), run as written except for addresses.

use std::fs;

use heka_tests::page::{example, examples};
use heka_tests::{Broker as _, Nats, Peer, TempDir, Tool, eventually, scratch, sh};

/// Creates a folder with a log.
fn folder() -> TempDir {
    let folder = scratch();
    fs::write(folder.path().join("app.log"), "one\ntwo\n").unwrap();
    folder
}

/// Returns the example that contains `part`, for this server.
fn line(nats: &Nats, part: &str) -> String {
    let line = example("heka-nats.1", part);
    assert!(line.contains("'nats://n1/"), "{line}");
    line.replace("nats://n1/", &nats.url(""))
}

#[test]
fn the_page_has_no_other_examples() {
    assert_eq!(examples("heka-nats.1").len(), 5);
}

#[test]
fn a_log_is_stored_by_logger() {
    let Some(nats) = Nats::start("") else { return };
    let url = nats.url("logs.{Logger}?create=R1&stream=LOGS");
    Tool::new("heka-nats").arg(url).stdin("first\n").run().succeeds();
    let folder = folder();
    let running = sh(&line(&nats, "--commit app.pos")).dir(folder.path()).spawn();
    eventually("the log is stored", || {
        (nats.payloads("LOGS") == "first\none\ntwo\n").then_some(())
    });
    drop(running);
}

#[test]
fn a_stream_is_created_archived_and_shown() {
    let Some(nats) = Nats::start("") else { return };
    let folder = folder();
    let running = sh(&line(&nats, "create=R1")).dir(folder.path()).spawn();
    // Reading a stream that does not exist yet would be an error.
    eventually("the stream exists", || {
        let url = nats.url("LOGS?from=begin");
        let read = Tool::new("heka-nats").args(["-r", "--no-follow", "--retry=0", &url]).run();
        read.status.success().then_some(())
    });
    eventually("the log is stored", || (nats.payloads("LOGS") == "one\ntwo\n").then_some(()));
    drop(running);
    sh(&line(&nats, "from=-10")).dir(folder.path()).run().succeeds().stdout_has("two");
    let standby = Peer::new("heka-listen", ["127.0.0.1:0", "-o", "payload"]);
    let queue = line(&nats, "--queue").replace("standby:5565", &standby.addr);
    sh(&queue).dir(folder.path()).stdin("three\n").run().succeeds();
    let archive = sh(&line(&nats, "durable=archive")).dir(folder.path()).spawn();
    eventually("the archive has everything", || {
        let text = sh("heka-decode all.heka").dir(folder.path()).run().out();
        (text == "one\ntwo\nthree\n").then_some(())
    });
    drop(archive);
}
