// SPDX-License-Identifier: MIT OR Apache-2.0
//! The promises of docs/upgrade.md about files of older versions.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use heka_tests::{Peer, Tool, scratch};

/// Creates a queue of the first version in `dir`, whose files had no blocks: frames, and a cursor
/// without the key of a stream.
fn old_queue(dir: &Path, text: &str) {
    DirBuilder::new().mode(0o700).create(dir).unwrap();
    fs::write(dir.join("0.log"), Tool::new("heka-encode").stdin(text).run().stdout).unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().replace('-', "");
    let cursor = format!("1 a4c459f2224e4c019b76bac8de019396 {} 0 0 0\n", boot.trim());
    fs::write(dir.join("cursor"), cursor).unwrap();
}

#[test]
fn a_queue_of_an_older_version_is_delivered_and_added_to() {
    let folder = scratch();
    let queue = folder.path().join("queue");
    old_queue(&queue, "1\n2\n3\n");
    let send = |addr: &str, input: Vec<u8>| {
        let tool = Tool::new("heka-send").args(["--retry=0", "--ack=peer", "--queue"]);
        tool.arg(&queue).arg(addr).stdin(input).run()
    };
    let four = Tool::new("heka-encode").stdin("4\n").run().stdout;
    send("127.0.0.1:1", four).exits(3);
    let listener = Peer::new("heka-listen", ["--ack", "127.0.0.1:0"]);
    send(&listener.addr, Vec::new()).succeeds();
    let frames = listener.wait_stdout("four messages", |out| {
        Tool::new("heka-decode").arg("-c").stdin(out).run().out() == "4\n"
    });
    Tool::new("heka-decode").stdin(frames).run().succeeds().stdout_is("1\n2\n3\n4\n");
}

#[test]
fn what_a_later_version_has_written_is_refused_and_stays() {
    let folder = scratch();
    let (log, position) = (folder.path().join("log"), folder.path().join("pos"));
    fs::write(&log, "1\n").unwrap();
    let tail = |flag: &str, form: &str| {
        let flag = format!("{flag}={}", position.display());
        Tool::new("heka-tail").args(["--no-follow", "-o", form, &flag]).arg(&log).run()
    };
    tail("--checkpoint", "payload").succeeds();
    let later = fs::read_to_string(&position).unwrap().replace("\"version\":1", "\"version\":2");
    assert!(later.contains("\"version\":2"), "{later}");
    fs::write(&position, &later).unwrap();
    tail("--checkpoint", "payload").exits(2).stdout_is("").stderr_has("written by a later version");
    assert_eq!(fs::read_to_string(&position).unwrap(), later);
    tail("--resume", "heka").succeeds().stderr_has("warning").stderr_has("a later version");
    assert_eq!(fs::read_to_string(&position).unwrap(), later);

    let queue = folder.path().join("queue");
    old_queue(&queue, "1\n");
    let cursor = fs::read_to_string(queue.join("cursor")).unwrap().replacen('1', "3", 1);
    fs::write(queue.join("cursor"), &cursor).unwrap();
    let send = Tool::new("heka-send").arg("--queue").arg(&queue).arg("127.0.0.1:1").run();
    send.exits(2).stderr_has("written by a later version");
    assert_eq!(fs::read_to_string(queue.join("cursor")).unwrap(), cursor);
}
