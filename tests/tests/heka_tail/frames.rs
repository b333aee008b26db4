// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files of framed messages (`-i heka`), followed like logs.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use heka_tests::scene::Scene;
use heka_tests::{Running, Tool, eventually, sh};

/// Returns the frames of these lines.
fn frames(lines: &str) -> Vec<u8> {
    Tool::new("heka-encode").stdin(lines).run().succeeds().stdout.clone()
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

#[track_caller]
fn prints(tail: &Running, lines: &str) {
    tail.wait_stdout(lines, |out| Tool::new("heka-decode").stdin(out).run().out() == lines);
}

#[test]
fn messages_are_passed_on_as_they_are_as_soon_as_they_are_whole() {
    let scene = Scene::new("");
    let all = frames("1\n2\n3\n4\n");
    let path = scene.path("app.heka");
    let (first, rest) = all.split_at(all.len() / 2 + 7);
    append(&path, first);
    // Making frames takes long on a busy machine; the wait for late bytes is longer.
    let (more, next) = (frames("5\n6\n"), frames("7\n"));
    let tail = Tool::new("heka-tail").dir(scene.dir.path());
    let tail = tail.args(["-i", "heka", "--rotate-wait=1h", "app.heka"]).spawn();
    prints(&tail, "1\n2\n");
    append(&path, rest);
    tail.wait_stdout("the same bytes", |out| out == all);
    // It is rotated with an incomplete record.
    append(&path, &more[..more.len() - 3]);
    scene.rename("app.heka", "app.heka.1");
    append(&path, &next);
    append(&scene.path("app.heka.1"), &more[more.len() - 3..]);
    // The end may arrive late, after records of the next file.
    tail.wait_stdout("all of both files", |out| {
        let text = Tool::new("heka-decode").stdin(out).run().out();
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        lines == ["1", "2", "3", "4", "5", "6", "7"]
    });
    assert_eq!(tail.stderr(), "");
}

#[test]
fn a_message_with_the_beginning_of_a_frame_in_it_waits_for_nothing() {
    let scene = Scene::new("");
    let path = scene.path("app.heka");
    // A header of 127 bytes could begin there, and end in the next frame.
    let all = frames("a\x1e\u{7f}\x08\x01\n");
    append(&path, &all);
    let tail = Tool::new("heka-tail").dir(scene.dir.path()).args(["-i", "heka", "app.heka"]);
    let tail = tail.spawn();
    tail.wait_stdout("the message", |out| out == all);
    // The same applies to a file that is no longer followed.
    append(&path, &all);
    scene.rename("app.heka", "app.heka.1");
    append(&path, &all);
    tail.wait_stdout("those of both files", |out| out.len() == 3 * all.len());
    assert_eq!(tail.stderr(), "");
}

#[test]
fn a_torn_end_that_its_writer_cuts_off_is_written_anew() {
    let scene = Scene::new("");
    let path = scene.path("app.heka");
    let (whole, torn) = (frames("1\n2\n"), frames("3\n"));
    append(&path, &[&whole[..], &torn[..torn.len() - 1]].concat());
    let tail = Tool::new("heka-tail").dir(scene.dir.path()).args(["-i", "heka", "app.heka"]);
    let tail = tail.spawn();
    prints(&tail, "1\n2\n");
    // As heka-listen --write does after it was killed.
    let listen =
        heka_tests::Peer::new("heka-listen", ["127.0.0.1:0", "--write", path.to_str().unwrap()]);
    listen.wait_stderr("removed an incomplete record");
    Tool::new("heka-send").arg(&listen.addr).stdin("3\n4\n").run().succeeds();
    prints(&tail, "1\n2\n3\n4\n");
}

#[test]
fn positions_go_along_and_the_next_run_goes_on_behind_them() {
    let scene = Scene::new("");
    append(&scene.path("app.heka"), &frames("1\n2\n3\n"));
    let read = |count: &str| {
        let tail = "heka-tail --no-follow -i heka --resume pos app.heka";
        let line = format!("{tail} | heka-decode -n {count} --write out --commit pos");
        sh(&line).dir(scene.dir.path()).run().succeeds();
        fs::read_to_string(scene.path("out")).unwrap()
    };
    assert_eq!(read("2"), "1\n2\n");
    append(&scene.path("app.heka"), &frames("4\n"));
    assert_eq!(read("10"), "1\n2\n3\n4\n");
    let tail = Tool::new("heka-tail").dir(scene.dir.path());
    let tail = tail.args(["--checkpoint=mine", "-i", "heka", "-o", "payload", "app.heka"]).spawn();
    tail.wait_stdout_is("1\n2\n3\n4\n");
    eventually("its own position is stored", || {
        let shown = Tool::new("heka-tail").args(["--show-checkpoint", "mine"]);
        let size = fs::metadata(scene.path("app.heka")).unwrap().len();
        shown.dir(scene.dir.path()).run().out().contains(&format!("offset {size} ")).then_some(())
    });
}

#[test]
fn damage_and_a_record_that_never_ends_are_told() {
    let scene = Scene::new("");
    let (one, two) = (frames("1\n"), frames("2\n"));
    append(&scene.path("app.heka"), &[&one[..], b"garbage", &two[..], &one[..9]].concat());
    let tail = Tool::new("heka-tail").dir(scene.dir.path());
    let outcome = tail.args(["--no-follow", "-i", "heka", "-o", "payload", "app.heka"]).run();
    outcome
        .exits(1)
        .stdout_is("1\n2\n")
        .stderr_has("app.heka: offset ")
        .stderr_has("1 more warning like this");
    let tail = Tool::new("heka-tail").dir(scene.dir.path());
    let wrong = tail.args(["-i", "heka", "--chomp", "app.heka"]).run();
    wrong.exits(2).stderr_has("-i heka reads messages unchanged");
}
