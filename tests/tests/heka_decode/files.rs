// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-decode over time: a file that grows, and an output file that is moved away.

use std::fs;
use std::io::Write as _;

use heka_tests::{Signal, Tool, eventually, scratch, sh, vector};

fn frames(text: &str) -> Vec<u8> {
    Tool::new("heka-encode").stdin(text).run().succeeds().stdout.clone()
}

#[test]
fn the_last_of_a_followed_file_come_first_and_then_all_that_come() {
    let folder = scratch();
    let path = folder.path().join("stream");
    fs::write(&path, frames("one\ntwo\nthree\n")).expect("write");
    let mut decode = Tool::new("heka-decode").args(["-f", "--last", "2"]).arg(&path).spawn();
    decode.wait_stdout_is("two\nthree\n");
    assert!(decode.is_running());
    let mut file = fs::OpenOptions::new().append(true).open(&path).expect("open");
    file.write_all(&frames("four\nfive\nsix\n")).expect("write");
    decode.wait_stdout_is("two\nthree\nfour\nfive\nsix\n");
}

#[test]
fn a_followed_file_is_read_as_it_grows_and_from_its_beginning_when_truncated() {
    let folder = scratch();
    let path = folder.path().join("stream");
    let stream = frames("one\ntwo\n");
    // Cut within a frame; the rest follows later.
    let (begin, rest) = stream.split_at(stream.len() - 5);
    fs::write(&path, begin).expect("write");
    let mut decode = Tool::new("heka-decode").args(["-f", "-n", "3"]).arg(&path).spawn();
    decode.wait_stdout_is("one\n");
    assert!(decode.is_running());
    let mut file = fs::OpenOptions::new().append(true).open(&path).expect("open");
    file.write_all(rest).expect("write");
    decode.wait_stdout_is("one\ntwo\n");
    fs::write(&path, frames("new\n")).expect("write");
    decode.wait_stdout_is("one\ntwo\nnew\n");
    decode.finish().succeeds();
}

#[test]
fn enough_messages_end_it_though_the_input_stays_open() {
    let mut decode = Tool::new("heka-decode").args(["-n", "2"]).stdin_open().spawn();
    decode.write(frames("one\ntwo\nthree\n"));
    decode.wait_stdout_is("one\ntwo\n");
    eventually("it ends", || (!decode.is_running()).then_some(()));
}

#[test]
fn hup_reopens_the_output_file() {
    let folder = scratch();
    let path = folder.path().join("out");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let mut decode = Tool::new("heka-decode").arg("--write").arg(&path).stdin_open().spawn();
    decode.write(frames("before\n"));
    eventually("the first line is written", || (read("out") == "before\n").then_some(()));
    fs::rename(&path, folder.path().join("out.1")).expect("rename");
    decode.signal(Signal::SIGHUP);
    eventually("the file is there again", || path.exists().then_some(()));
    decode.write(frames("after\n"));
    decode.close_stdin();
    decode.finish().succeeds();
    assert_eq!((read("out.1").as_str(), read("out").as_str()), ("before\n", "after\n"));
}

#[test]
fn frames_cut_out_of_a_large_stream_are_the_same_in_a_pipe_and_from_a_file() {
    let stream = fs::read(vector("small.heka")).expect("vector");
    let select = ["-o", "heka", "-m", "Type == 'TEST' && Severity == 4"];
    let piped = Tool::new("heka-decode").args(select).stdin(stream).run();
    let read = Tool::new("heka-decode").args(select).arg(vector("small.heka")).run();
    assert_eq!(piped.succeeds().stdout, read.succeeds().stdout);
}

#[test]
fn no_messages_are_not_waited_for() {
    let decode = Tool::new("heka-decode").args(["-n", "0"]).stdin_open().spawn();
    decode.finish().succeeds().stdout_is("");
}

#[test]
fn messages_that_nobody_looks_at_come_out_as_all_others_do() {
    let folder = scratch();
    let dir = folder.path();
    let lines = |numbers: std::ops::Range<u32>| -> String {
        numbers.map(|number| format!("{number}\n")).collect()
    };
    fs::write(dir.join("app.log"), lines(0..100)).expect("write");
    // Messages with positions, and marks of skipped ones.
    let line = "heka-tail --no-follow --resume pos app.log | heka-decode -o heka -m 'Payload =~ /[2468]$/'";
    let with_positions = sh(line).dir(dir).run().succeeds().stdout.clone();
    let (many, few) = (frames(&lines(100..700)), frames(&lines(700..710)));
    let stream = [&many[..], &with_positions, b"garbage", &few, &many, &few[..30]].concat();
    fs::write(dir.join("stream"), stream).expect("write");
    let run = |args: &[&str]| Tool::new("heka-decode").args(args).arg("stream").dir(dir).run();
    for args in [
        &["-c"][..],
        &["-o", "heka"],
        &["-c", "-n", "333"],
        &["-o", "heka", "-n", "605"],
        &["-o", "heka", "--last", "7"],
        &["-c", "--dedup", "10000"],
        &["-o", "heka", "--write", "out", "--commit", "done"],
    ] {
        let mut outcomes = Vec::new();
        for matcher in [&[][..], &["-m", "TRUE"]] {
            let outcome = run(&[args, matcher].concat());
            let written = ["out", "done"].map(|file| fs::read(dir.join(file)).ok());
            ["out", "done"].iter().for_each(|file| drop(fs::remove_file(dir.join(file))));
            outcomes.push((outcome.stdout.clone(), outcome.err(), outcome.status.code(), written));
        }
        assert_eq!(outcomes[0], outcomes[1], "{args:?}");
        assert!(!outcomes[0].0.is_empty() || outcomes[0].3[0].is_some(), "{args:?}");
    }
}
