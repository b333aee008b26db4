// SPDX-License-Identifier: MIT OR Apache-2.0
//! The examples of relays on heka-listen's page and in the README, run as written except for
//! addresses.

use std::fs;

use heka_tests::page::{example, readme_examples};
use heka_tests::{Peer, TempDir, Tool, eventually, free_port, scratch, sh};

/// Returns the command of the README that contains `part`, without its comment.
fn readme(part: &str) -> String {
    let mut found = readme_examples("### Pass messages on");
    assert_eq!(found.len(), 4, "{found:#?}");
    found.retain(|command| command.contains(part));
    assert_eq!(found.len(), 1, "{part}: {found:#?}");
    found.remove(0).split(" #").next().unwrap_or_default().to_owned()
}

/// Messages arrive on a port of this machine, pass through these commands, and go to another
/// listener.
fn passes_on(folder: &TempDir, commands: &[String], lines: &str) {
    let next = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let here = format!("127.0.0.1:{}", free_port());
    let run = |command: &String| {
        let line = command.replace("next:6000", &next.addr).replace(" :6000", &format!(" {here}"));
        sh(&line).dir(folder.path()).spawn()
    };
    let stages: Vec<_> = commands.iter().map(run).collect();
    let messages = Tool::new("heka-encode").args(["--severity", "5"]).stdin(lines).run();
    let send = ["--ack=peer", "--retry-delay=20ms", "--retry=200", "--retry-growth=1", &here];
    let send = Tool::new("heka-send").args(send).stdin(messages.succeeds().stdout.clone());
    send.run().succeeds();
    next.wait_stdout_is(lines);
    drop(stages);
}

#[test]
fn a_relay_passes_on_what_matters() {
    for command in [readme("--ack=commit"), example("heka-listen.1", "--ack=commit")] {
        let folder = scratch();
        passes_on(&folder, &[command], "1\n2\n");
        let stored = fs::read_to_string(folder.path().join("relay.pos")).unwrap();
        assert!(stored.contains("\"position\":\"2 "), "{stored}");
    }
}

#[test]
fn a_relay_may_go_by_way_of_a_file() {
    let commands = [readme("--fsync"), readme("-i heka")];
    passes_on(&scratch(), &commands, "1\n2\n");
}

#[test]
fn a_pipeline_may_end_on_the_same_machine() {
    let folder = scratch();
    fs::write(folder.path().join("app.log"), "1\n2\n").unwrap();
    let pipeline = sh(&readme("--write all.log")).dir(folder.path()).spawn();
    let written = || fs::read_to_string(folder.path().join("all.log")).unwrap_or_default();
    eventually("it is written", || (written() == "1\n2\n").then_some(()));
    drop(pipeline);
}
