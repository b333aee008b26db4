// SPDX-License-Identifier: MIT OR Apache-2.0
//! Positions reach the stage that commits, whatever the stages between do with the messages.

use std::fs;
use std::io::Write as _;

use heka_tests::{Peer, Tool, eventually, sh};

/// A folder with a log and a receiver, and the uncommitted rest.
struct Line {
    folder: heka_tests::TempDir,
    peer: Peer,
}

impl Line {
    fn new(text: &str) -> Self {
        let folder = heka_tests::scratch();
        fs::write(folder.path().join("app.log"), text).unwrap();
        Self { folder, peer: Peer::new("heka-listen", ["127.0.0.1:0", "-o", "payload"]) }
    }

    /// Runs `heka-tail app.log | STAGES | heka-send`, from the last committed position.
    fn run(&self, stages: &str) -> heka_tests::Outcome {
        self.run_from("heka-tail --no-follow --resume pos app.log", stages)
    }

    fn run_from(&self, source: &str, stages: &str) -> heka_tests::Outcome {
        let line = format!("{source} | {stages} | heka-send -q --commit pos {}", self.peer.addr);
        sh(&line).dir(self.folder.path()).run()
    }

    /// Returns what the next run would read of `file`.
    fn unread(&self, file: &str) -> String {
        let tail = Tool::new("heka-tail").dir(self.folder.path());
        let tail = tail.args(["-q", "--no-follow", "-o", "payload", "--resume", "pos", file]).run();
        tail.succeeds().out()
    }

    /// Runs the stages; expects these lines (a character each) to be delivered, and the rest to be
    /// unread.
    #[track_caller]
    fn delivers(&self, stages: &str, delivered: &str, unread: &str) {
        self.run(stages).succeeds().stderr_is("");
        let lines: String = delivered.chars().flat_map(|line| [line, '\n']).collect();
        self.peer.wait_stdout_is(lines);
        assert_eq!(self.unread("app.log"), unread, "{stages}");
    }
}

const LINES: &str = "1\n2\n3\n4\n5\n";

#[test]
fn json_takes_positions_through_a_program_that_knows_nothing_of_them() {
    if !heka_tests::require("jq") {
        return;
    }
    let edit = "heka-decode -j | jq -c '.Type = \"t\"' | heka-encode -i json";
    Line::new(LINES).delivers(edit, "12345", "");
    let drop = "heka-decode -j | jq -c 'select(.Payload != \"4\\n\")' | heka-encode -i json";
    Line::new(LINES).delivers(drop, "1235", "");
    let filter = "heka-decode -m 'Payload =~ /^2/' -j | jq -c '.Pid = 7' | heka-encode -i json";
    Line::new(LINES).delivers(filter, "2", "");
    // JSON all the way, without a program between.
    let direct = "heka-encode -i heka -o json | heka-encode -i json | heka-decode -o heka";
    Line::new(LINES).delivers(direct, "12345", "");
}

#[test]
fn what_a_filter_drops_need_not_be_read_again() {
    for (filter, delivered) in [
        ("-m 'Payload =~ /none/'", ""),
        ("-m 'Payload =~ /^2/'", "2"),
        ("-m 'Payload =~ /^5/'", "5"),
        ("--last 2", "45"),
        ("--last 2 -m 'Payload =~ /^1/'", "1"),
    ] {
        Line::new(LINES).delivers(&format!("heka-decode -o heka {filter}"), delivered, "");
    }
    // Several filters, and a stage that writes new frames.
    let stages = "heka-decode -o heka -m 'Payload !~ /^1/' | heka-encode -i heka \
                  | heka-decode -o heka -m 'Payload < \"3\"' | heka-encode -i heka";
    Line::new(LINES).delivers(stages, "2", "");
}

#[test]
fn copies_that_are_dropped_do_not_hold_the_position_up() {
    let dedup = "heka-encode -i heka -o json | sed 's/\"Uuid\":\"[^\"]*\"/\"Uuid\":\
                 \"00000000-0000-4000-8000-000000000000\"/' | heka-encode -i json \
                 | heka-decode --dedup -o heka";
    Line::new(LINES).delivers(dedup, "1", "");
}

#[test]
fn the_first_messages_are_passed_on_and_the_others_stay_unread() {
    let line = Line::new(LINES);
    let filter = "heka-decode -n 2 -m 'Payload !~ /^1/' -o heka";
    line.delivers(filter, "23", "4\n5\n");
    line.delivers(filter, "2345", "");
}

/// Positions longer than a header holds, after a message and alone.
#[test]
fn the_longest_positions_pass_every_stage() {
    let peer = Peer::new("heka-listen", ["127.0.0.1:0", "-o", "payload"]);
    let send = format!("heka-send -q --commit pos {}", peer.addr);
    let position = "c".repeat(8191);
    let message = "{Type = \"x\", Payload = \"line 7\"}";
    let alone = format!("inject_message({message}) inject_message(nil, \"{position}\")");
    let behind = format!("inject_message({message}, \"{position}\")");
    let stages = [
        "heka-decode -o heka -m FALSE",
        "heka-decode -o heka --dedup",
        "heka-decode -o heka -n 1",
        "heka-decode -j | heka-encode -i json",
        "heka-encode -i heka --regex '^line (?P<Number>[0-9]+)'",
        "heka-encode -i heka -n 1",
    ];
    let lines = stages.map(|stage| format!("{stage} | {send}"));
    for line in lines.into_iter().chain([send.clone(), format!("{send} -n 1")]) {
        for inject in [&alone, &behind] {
            let folder = heka_tests::scratch();
            let plugin = format!("function process_message() {inject} return 0 end");
            fs::write(folder.path().join("p.lua"), plugin).unwrap();
            let line = format!("heka-sandbox --resume pos p.lua | {line}");
            sh(&line).dir(folder.path()).run().succeeds().stderr_is("");
            let stored = fs::read_to_string(folder.path().join("pos")).unwrap();
            assert!(stored.contains(&position), "{line}: {} bytes", stored.len());
        }
    }
}

#[test]
fn each_of_several_sources_is_committed() {
    let line = Line::new(LINES);
    fs::write(line.folder.path().join("other.log"), "a\nb\n").unwrap();
    let source = "heka-tail --no-follow --resume pos app.log other.log";
    let stages = "heka-decode -m 'Payload =~ /^b/ || Payload =~ /^2/' -o heka";
    line.run_from(source, stages).succeeds().stderr_is("");
    assert_eq!((line.unread("app.log"), line.unread("other.log")), Default::default());
}

#[test]
fn a_position_moves_on_while_a_filter_drops_and_waits() {
    let line = Line::new(LINES);
    let address = &line.peer.addr;
    let stages = "heka-decode -m 'Payload =~ /none/' -o heka";
    let text =
        format!("heka-tail --resume pos app.log | {stages} | heka-send --commit pos {address}");
    let running = sh(&text).dir(line.folder.path()).spawn();
    eventually("the position of what is dropped is committed", || {
        let committed = fs::read(line.folder.path().join("pos")).is_ok_and(|pos| !pos.is_empty());
        (committed && line.unread("app.log").is_empty()).then_some(())
    });
    let log = fs::OpenOptions::new().append(true).open(line.folder.path().join("app.log"));
    log.unwrap().write_all(b"6\n").unwrap();
    eventually("so is that of the next line", || line.unread("app.log").is_empty().then_some(()));
    drop(running);
}

#[test]
fn a_message_in_pieces_is_committed_with_its_last() {
    let line = Line::new(&format!("{}\nend\n", "x".repeat(3000)));
    let stages = "heka-decode -j | heka-encode -i json --max-message-size 1000 --oversize split";
    line.run(stages).succeeds();
    line.peer.wait_stdout("all pieces", |out| out.ends_with(b"end\n"));
    assert_eq!(line.unread("app.log"), "");
    let line = Line::new(&format!("{}\n", "x".repeat(3000)));
    line.run("heka-encode -i heka --max-message-size 1000").succeeds();
    assert_eq!(line.unread("app.log"), "", "it was lost, and not for want of reading");
}

#[test]
fn messages_without_positions_are_told_of_by_who_would_store_them() {
    let line = Line::new(LINES);
    let outcome = line.run_from("cat app.log", "cat");
    let text = "heka-send: pos: messages carry no positions (5 messages): nothing stored\n";
    outcome.exits(1).stderr_is(text);
    line.peer.wait_stdout_is(LINES);
    // Nothing arrived, so nothing is missing.
    line.run_from("true", "cat").succeeds().stderr_is("");
}

#[test]
fn a_queue_does_not_hold_the_positions_of_what_is_dropped_up() {
    let line = Line::new(LINES);
    let source = "heka-tail --no-follow --resume pos app.log";
    let send = format!("heka-send -q --queue q --commit pos {}", line.peer.addr);
    let text = format!("{source} | heka-decode -m 'Payload =~ /^2/' -o heka | {send}");
    for _ in 0..2 {
        sh(&text).dir(line.folder.path()).run().succeeds().stderr_is("");
    }
    line.peer.wait_stdout_is("2\n");
    assert_eq!(line.unread("app.log"), "");
}

#[test]
fn files_and_other_forms_hold_no_marks() {
    let line = Line::new(LINES);
    let source = "heka-tail --no-follow --resume pos app.log";
    let filter = "heka-decode -m 'Payload =~ /^2/'";
    for (stage, wanted) in [
        (format!("{filter} -o heka > file; heka-decode -c file"), "1\n"),
        (format!("{filter} -o heka | heka-decode -c"), "1\n"),
        (format!("{filter} -o heka | heka-encode -i heka | heka-decode -o payload"), "2\n"),
        (format!("{filter} -j > file; grep -c _mark file"), "0\n"),
        (format!("{filter} -o payload"), "2\n"),
    ] {
        let outcome = sh(&format!("{source} | {stage}")).dir(line.folder.path()).run();
        outcome.stdout_is(wanted).stderr_is("");
    }
}
