// SPDX-License-Identifier: MIT OR Apache-2.0
//! A pipeline that ends in a file on the same machine: positions are stored once the messages are
//! on the disk (`--write --commit`).

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use heka_tests::{Peer, Running, Signal, TempDir, Tool, eventually, scratch, sh};

const SOURCE: &str = "heka-tail --uuid=position --resume pos";
const ROUNDS: u64 = 12;
const LINES: u64 = 2000;

fn folder() -> TempDir {
    let folder = scratch();
    append(folder.path(), 1..=3);
    folder
}

fn append(folder: &Path, numbers: std::ops::RangeInclusive<u64>) {
    let text: String = numbers.map(|number| format!("{number}\n")).collect();
    let log = OpenOptions::new().append(true).create(true).open(folder.join("app.log"));
    log.unwrap().write_all(text.as_bytes()).unwrap();
}

/// Returns the lines that are not before the stored position.
fn unread(folder: &Path) -> String {
    let tail = Tool::new("heka-tail").dir(folder).args(["-q", "--no-follow", "-o", "payload"]);
    tail.args(["--resume", "pos", "app.log"]).run().succeeds().out()
}

fn stores_everything(folder: &Path) {
    eventually("the position of the last line is stored", || {
        (folder.join("pos").exists() && unread(folder).is_empty()).then_some(())
    });
}

/// Returns the lines of `out.heka` without repetitions.
fn written(folder: &Path) -> String {
    let decode = Tool::new("heka-decode").dir(folder).args(["--dedup", "out.heka"]);
    decode.run().succeeds().out()
}

#[test]
fn heka_decode_stores_positions_of_what_is_on_the_disk() {
    let folder = folder();
    let line = |decode: &str| {
        let text = format!("{SOURCE} --no-follow app.log | heka-decode {decode} --commit pos");
        sh(&text).dir(folder.path()).run()
    };
    line("--write out").succeeds().stderr_is("");
    assert_eq!(fs::read_to_string(folder.path().join("out")).unwrap(), "1\n2\n3\n");
    assert_eq!(unread(folder.path()), "");
    // Messages dropped on purpose count too; unread ones do not.
    append(folder.path(), 4..=6);
    line("--write out -m 'Payload =~ /^5/'").succeeds().stderr_is("");
    assert_eq!(fs::read_to_string(folder.path().join("out")).unwrap(), "1\n2\n3\n5\n");
    append(folder.path(), 7..=9);
    line("--write out -n 2").succeeds().stderr_is("");
    assert_eq!(unread(folder.path()), "9\n");
    // No position is stored for what could not be written.
    line("--write /dev/full").exits(1).stderr_has("/dev/full: write error: No space left");
    assert_eq!(unread(folder.path()), "9\n");
}

#[test]
fn the_position_is_stored_while_the_source_rests() {
    let folder = folder();
    let text = format!("{SOURCE} app.log | heka-decode --write out.heka -o heka --commit pos");
    let line = sh(&text).dir(folder.path()).spawn();
    stores_everything(folder.path());
    append(folder.path(), 4..=4);
    stores_everything(folder.path());
    assert_eq!(written(folder.path()), "1\n2\n3\n4\n");
    drop(line);
}

#[test]
fn heka_listen_stores_positions_that_come_by_a_unix_socket() {
    let folder = folder();
    let listen = Peer::with(
        "heka-listen",
        ["--write", "out.heka", "--commit", "pos", "unix:s", "127.0.0.1:0"],
        |tool| tool.dir(folder.path()),
    );
    let tcp = listen.addrs.iter().find(|addr| !addr.contains("unix") && addr.contains(':'));
    // A sender that may be on another machine has no positions of sources here.
    let stranger = Tool::new("heka-tail").dir(folder.path());
    let frames = stranger.args(["--no-follow", "--resume", "none", "app.log"]).run();
    let mut socket = std::net::TcpStream::connect(tcp.expect("an address of TCP")).unwrap();
    socket.write_all(&frames.succeeds().stdout).unwrap();
    drop(socket);
    eventually("they are written", || (written(folder.path()) == "1\n2\n3\n").then_some(()));
    assert_eq!(unread(folder.path()), "1\n2\n3\n");
    let filter = "heka-decode -o heka -m 'Payload !~ /^5/'";
    append(folder.path(), 4..=5);
    let text = format!("{SOURCE} --no-follow app.log | {filter} | unix-sock --framing=heka s");
    sh(&text).dir(folder.path()).run().succeeds();
    stores_everything(folder.path());
    listen.into_running().end_by(Signal::SIGTERM).stderr_is("");
    assert_eq!(written(folder.path()), "1\n2\n3\n1\n2\n3\n4\n");
}

/// A pipeline whose stages are killed again and again while lines arrive.
fn survives(start: impl Fn(&Path, bool) -> Vec<Running>) {
    let folder = folder();
    let mut last = 3;
    for round in 0..ROUNDS {
        let size = || fs::metadata(folder.path().join("out.heka")).map_or(0, |file| file.len());
        let before = size();
        let mut stages = start(folder.path(), true);
        append(folder.path(), last + 1..=last + LINES);
        last += LINES;
        // At a different moment each time.
        let some = before + (round % 4) * 10_000;
        eventually("something is written", || (size() > some).then_some(()));
        let victim = stages.remove(round as usize % stages.len());
        victim.end_by(Signal::SIGKILL);
    }
    let stages = start(folder.path(), false);
    stores_everything(folder.path());
    drop(stages);
    let all: BTreeSet<u64> =
        written(folder.path()).lines().map(|line| line.parse().unwrap()).collect();
    assert!(all.into_iter().eq(1..=last), "something is lost");
}

fn pipe(source: Tool, sink: Tool) -> Vec<Running> {
    let (reader, writer) = std::io::pipe().unwrap();
    let file = |fd: std::os::fd::OwnedFd| fs::File::from(fd);
    let source = source.stdout_file(file(writer.into())).spawn();
    vec![source, sink.stdin_file(file(reader.into())).spawn()]
}

fn source(folder: &Path, follows: bool) -> Tool {
    let tail = Tool::new("heka-tail").dir(folder).args(["--uuid=position", "--resume=pos"]);
    tail.args((!follows).then_some("--no-follow")).arg("app.log")
}

#[test]
fn nothing_is_lost_when_heka_decode_or_its_source_is_killed() {
    survives(|folder, follows| {
        let args = ["-o", "heka", "--write", "out.heka", "--commit", "pos"];
        pipe(source(folder, follows), Tool::new("heka-decode").dir(folder).args(args))
    });
}

#[test]
fn nothing_is_lost_when_heka_listen_or_who_sends_to_it_is_killed() {
    survives(|folder, follows| {
        let args = ["--write", "out.heka", "--commit", "pos", "unix:s"];
        let listen = Peer::with("heka-listen", args, |tool| tool.dir(folder)).into_running();
        let client = Tool::new("unix-sock").dir(folder).args(["--framing=heka", "s"]);
        let mut stages = pipe(source(folder, follows), client);
        stages.push(listen);
        stages
    });
}
