// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-tail: records, the contents of messages, and the places of positions.

use std::fs;

use heka_tests::scene::{Scene, gzip};
use heka_tests::{Tool, eventually};
use nix::sys::signal::Signal;
use serde_json::Value;

fn json(scene: &Scene, flags: &[&str]) -> Vec<Value> {
    let tool = Tool::new("heka-tail").args(["-j", "--no-follow", "app.log"]).args(flags);
    let outcome = tool.dir(scene.dir.path()).run();
    outcome.succeeds();
    outcome.out().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn payloads(scene: &Scene, flags: &[&str]) -> Vec<String> {
    let text = |value: &Value| value["Payload"].as_str().unwrap().to_owned();
    json(scene, flags).iter().map(text).collect()
}

#[test]
fn headers_are_those_of_heka_unless_said_otherwise() {
    let scene = Scene::new("a line\n");
    let plain = json(&scene, &[]).remove(0);
    assert_eq!(plain["Type"], "logfile");
    assert_eq!(plain["Logger"], "app.log");
    assert_eq!(plain["Payload"], "a line\n");
    assert_eq!(plain["Severity"], 7);
    assert!(!plain["Hostname"].as_str().unwrap().is_empty());
    assert!(plain["Timestamp"].is_string() || plain["Timestamp"].is_number());
    let flags =
        ["--type=nginx", "--logger=web", "--hostname=h1", "--severity=err", "--env-version=2"];
    let given =
        json(&scene, &[&flags[..], &["--field=dc=ams", "--field=rack=7", "--chomp"]].concat());
    let given = &given[0];
    let expected = [("Type", "nginx"), ("Logger", "web"), ("Hostname", "h1"), ("EnvVersion", "2")];
    for (name, value) in expected.into_iter().chain([("Payload", "a line")]) {
        assert_eq!(given[name], value, "{given}");
    }
    assert_eq!(given["Severity"], 3);
    let fields = given["Fields"].to_string();
    assert!(fields.contains("dc") && fields.contains("ams") && fields.contains("rack"), "{fields}");
}

#[test]
fn a_regex_at_the_end_or_the_start_keeps_its_group() {
    let scene = Scene::new("1 a\n b\n2 c\n3 d\n");
    let regex = r"--delimiter-regex=\n(\d+ )";
    assert_eq!(payloads(&scene, &[r"--delimiter-regex=\n"]), ["1 a", " b", "2 c", "3 d"]);
    assert_eq!(payloads(&scene, &[regex]), ["1 a\n b\n2 ", "c\n3 ", "d\n"]);
    assert_eq!(payloads(&scene, &[regex, "--delimiter-at=start"]), ["1 a\n b", "2 c", "3 d\n"]);
    assert_eq!(payloads(&scene, &["--delimiter-count=2"]), ["1 a\n b\n", "2 c\n3 d\n"]);
}

#[test]
fn lines_go_on_in_others() {
    let scene = Scene::new("a\n more\n even more\nb\nc\n x\n");
    let grouped = ["a\n more\n even more\n", "b\n", "c\n x\n"];
    assert_eq!(payloads(&scene, &["--multiline-continue=^ "]), grouped);
    assert_eq!(payloads(&scene, &["--multiline-start=^[a-z]"]), grouped);
    // Text longer than a message is split between lines, and nothing is lost.
    let cut = payloads(&scene, &["--multiline-continue=^ ", "--max-line=12"]);
    assert_eq!(cut.concat(), "a\n more\n even more\nb\nc\n x\n");
    assert!(cut.iter().all(|part| part.len() <= 12), "{cut:?}");
}

#[test]
fn an_unfinished_record_is_delivered_once() {
    let scene = Scene::new("1\nunfin");
    scene.once(&[]).succeeds().stdout_is("1\nunfin");
    scene.once(&["--no-incomplete"]).succeeds().stdout_is("1\n");
    scene.once(&["--checkpoint=pos"]).succeeds().stdout_is("1\n");
    scene.once(&["--checkpoint=pos", "--incomplete"]).succeeds().stdout_is("unfin\n");
    scene.append("app.log", "ished\n");
    scene.once(&["--checkpoint=pos"]).succeeds().stdout_is("ished\n");
}

#[test]
fn compressed_bytes_as_they_are_if_asked_for() {
    let scene = Scene::new("1\n2\n");
    gzip(&scene.path("app.log"), &scene.path("app.log.gz"));
    scene.tool(&["--no-follow", "app.log.gz"]).run().succeeds().stdout_is("1\n2\n");
    let raw =
        Tool::new("heka-tail").args(["--no-follow", "--no-gzip-rotated", "-d", r"\x1f", "-j"]);
    let out = raw.arg("app.log.gz").dir(scene.dir.path()).run().out();
    assert!(!out.contains(r"1\n2\n"), "{out}");
}

#[test]
fn positions_have_a_place_of_their_own_without_a_file_name() {
    let scene = Scene::new("1\n");
    scene.append("b.log", "b\n");
    let state = scene.path("state");
    let run = |operands: &[&str]| {
        let tool = scene.tool(&["--no-follow", "--checkpoint"]).args(operands);
        tool.env("XDG_STATE_HOME", &state).run()
    };
    run(&["app.log"]).succeeds().stdout_is("1\n");
    run(&["app.log"]).succeeds().stdout_is("");
    run(&["app.log", "b.log"]).succeeds().stdout_is("1\nb\n");
    assert_eq!(fs::read_dir(state.join("heka-tail")).unwrap().count(), 2);
}

#[test]
fn positions_are_saved_after_so_many_records() {
    let scene = Scene::new("1\n2\n");
    let tail = scene.follow(&["--checkpoint=pos", "--checkpoint-every=2"]);
    tail.wait_stdout_is("1\n2\n");
    eventually("two records are saved", || {
        let shown = Tool::new("heka-tail").arg("--show-checkpoint=pos").dir(scene.dir.path()).run();
        shown.out().contains("offset 4 ").then_some(())
    });
    tail.end_by(Signal::SIGKILL).killed_by(Signal::SIGKILL);
    scene.append("app.log", "3\n");
    scene.once(&["--checkpoint=pos"]).succeeds().stdout_is("3\n");
}

#[test]
fn a_position_file_that_is_damaged_costs_only_what_is() {
    let scene = Scene::new("1\n");
    scene.append("b.log", "b\n");
    let run = || scene.tool(&["--no-follow", "--checkpoint=pos", "app.log", "b.log"]).run();
    run().succeeds().stdout_is("1\nb\n");
    let text = fs::read_to_string(scene.path("pos")).unwrap();
    let damaged: Vec<&str> = text.lines().filter(|line| !line.contains("b.log")).collect();
    fs::write(scene.path("pos"), damaged.join("\n") + "\n{\"version\":1,\"sou").unwrap();
    let outcome = run();
    outcome.succeeds().stdout_is("b\n").stderr_has("line 2: no JSON object, skipped");
    run().succeeds().stdout_is("");
}

#[test]
fn resume_reads_positions_and_never_writes_them() {
    let scene = Scene::new("1\n");
    scene.once(&["--checkpoint=pos"]).succeeds();
    let before = fs::read(scene.path("pos")).unwrap();
    scene.append("app.log", "2\n");
    for _ in 0..2 {
        let outcome = scene.once(&["--resume=pos"]);
        outcome
            .succeeds()
            .stdout_is("2\n")
            .stderr_is("heka-tail: warning: --resume: only -o heka and -o json carry positions\n");
    }
    assert_eq!(fs::read(scene.path("pos")).unwrap(), before);
    // It works beside a writer: no file is locked.
    let tail = scene.follow(&["--checkpoint=pos"]);
    tail.wait_stdout_is("2\n");
    scene.once(&["--resume=pos"]).succeeds();
    scene.tool(&["--resume=pos", "--checkpoint=pos", "app.log"]).run().exits(2);
}
