// SPDX-License-Identifier: MIT OR Apache-2.0
//! A rotated file is compressed while nothing of the new one is read: its lines are not read again.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use heka_tests::scene::{Scene, gzip, lets_go_of, rests};
use nix::sys::signal::Signal;

const FLAGS: [&str; 2] = ["--checkpoint=pos", "--rotate-wait=50ms"];

/// A log that was rotated and read to its end by a previous run. The rotated file has lines that
/// were written after the new one, which is still empty, was created.
fn rotated_and_read() -> Scene {
    rotated_beside("")
}

/// Like [`rotated_and_read`], where the new file has this part of a line.
fn rotated_beside(part: &str) -> Scene {
    let scene = Scene::new("1\n");
    let tail = scene.follow(&FLAGS);
    tail.wait_stdout_is("1\n");
    scene.rename("app.log", "app.log.1");
    scene.append("app.log", part);
    let modified =
        |name: &str| -> SystemTime { fs::metadata(scene.path(name)).unwrap().modified().unwrap() };
    let mut written = String::from("1\n");
    while modified("app.log.1") <= modified("app.log") {
        scene.append("app.log.1", "late\n");
        written += "late\n";
    }
    tail.wait_stdout_is(written);
    lets_go_of(&tail, "app.log.1");
    tail.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    scene
}

fn compress(scene: &Scene) {
    gzip(&scene.path("app.log.1"), &scene.path("app.log.1.gz"));
}

/// As some compressors do: the time of the original, in whole seconds.
fn compress_in_whole_seconds(scene: &Scene) {
    compress(scene);
    let packed = fs::File::options().write(true).open(scene.path("app.log.1.gz")).unwrap();
    let modified = packed.metadata().unwrap().modified().unwrap();
    let seconds = modified.duration_since(UNIX_EPOCH).unwrap().as_secs();
    packed.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
}

/// Has the rotated file compressed while the new one is followed; expects the `line` that `text`
/// completes, and the next one, once each.
#[track_caller]
fn compressed_while_followed(scene: &Scene, compress: fn(&Scene), text: &str, line: &str) {
    let tail = scene.follow(&FLAGS);
    rests(&tail);
    compress(scene);
    scene.append("app.log", text);
    tail.wait_stdout("the new line", |out| out.ends_with(line.as_bytes()));
    scene.append("app.log", "3\n");
    tail.wait_stdout_is(format!("{line}3\n"));
}

#[test]
fn compressed_beside_a_part_of_a_line() {
    let scene = rotated_beside("tw");
    compress(&scene);
    scene.append("app.log", "o\n");
    scene.once(&FLAGS).succeeds().stdout_is("two\n").stderr_is("");
}

#[test]
fn compressed_beside_a_part_of_a_line_after_a_run_that_found_nothing_new() {
    let scene = rotated_beside("tw");
    let tail = scene.follow(&FLAGS);
    rests(&tail);
    tail.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM).stdout_is("");
    compress(&scene);
    scene.append("app.log", "o\n");
    scene.once(&FLAGS).succeeds().stdout_is("two\n").stderr_is("");
}

#[test]
fn compressed_beside_a_part_of_a_line_during_the_next_run() {
    compressed_while_followed(&rotated_beside("tw"), compress, "o\n", "two\n");
}

#[test]
fn compressed_by_a_program_that_keeps_whole_seconds() {
    for part in ["", "2"] {
        let scene = rotated_beside(part);
        compress_in_whole_seconds(&scene);
        scene.append("app.log", if part.is_empty() { "2\n" } else { "\n" });
        scene.once(&FLAGS).succeeds().stdout_is("2\n").stderr_is("");
    }
}

#[test]
fn compressed_by_a_program_that_keeps_whole_seconds_during_the_next_run() {
    compressed_while_followed(&rotated_and_read(), compress_in_whole_seconds, "2\n", "2\n");
}

/// What is deleted in the meantime was read, and is not called lost.
#[test]
fn deleted_before_the_next_run() {
    for part in ["", "2"] {
        let scene = rotated_beside(part);
        fs::remove_file(scene.path("app.log.1")).unwrap();
        scene.append("app.log", if part.is_empty() { "2\n" } else { "\n" });
        scene.once(&FLAGS).succeeds().stdout_is("2\n").stderr_is("");
    }
}

#[test]
fn compressed_before_the_next_run() {
    let scene = rotated_and_read();
    compress(&scene);
    scene.append("app.log", "2\n");
    scene.once(&FLAGS).succeeds().stdout_is("2\n").stderr_is("");
}

#[test]
fn compressed_after_a_run_that_found_nothing_new() {
    let scene = rotated_and_read();
    scene.once(&FLAGS).succeeds().stdout_is("");
    compress(&scene);
    scene.once(&FLAGS).succeeds().stdout_is("");
    scene.append("app.log", "2\n");
    scene.once(&FLAGS).succeeds().stdout_is("2\n").stderr_is("");
}

#[test]
fn compressed_during_the_next_run() {
    compressed_while_followed(&rotated_and_read(), compress, "2\n", "2\n");
}

#[test]
fn compressed_with_the_next_one_before_the_next_run() {
    let scene = rotated_and_read();
    scene.rename("app.log.1", "app.log.2");
    scene.append("app.log", "2\n");
    scene.rename("app.log", "app.log.1");
    gzip(&scene.path("app.log.2"), &scene.path("app.log.2.gz"));
    compress(&scene);
    scene.append("app.log", "3\n");
    scene.once(&FLAGS).succeeds().stdout_is("2\n3\n").stderr_is("");
}

#[test]
fn a_copy_of_lines_that_were_not_read_is_read() {
    let scene = rotated_and_read();
    scene.rename("app.log.1", "app.log.2");
    scene.append("app.log", "2\n");
    fs::copy(scene.path("app.log"), scene.path("app.log.1")).unwrap();
    fs::write(scene.path("app.log"), "3\n").unwrap();
    compress(&scene);
    scene.once(&FLAGS).succeeds().stdout_is("2\n3\n");
}
