// SPDX-License-Identifier: MIT OR Apache-2.0
//! A rotated file is compressed while the new one is still empty: what was read of it is not read
//! again.

use std::fs;
use std::time::SystemTime;

use heka_tests::scene::{Scene, gzip, lets_go_of, rests};
use nix::sys::signal::Signal;

const FLAGS: [&str; 2] = ["--checkpoint=pos", "--rotate-wait=50ms"];

/// A log that was rotated and read to its end by a run that is over. The rotated file has lines
/// that came after the new one was created, which is still empty.
fn rotated_and_read() -> Scene {
    let scene = Scene::new("1\n");
    let tail = scene.follow(&FLAGS);
    tail.wait_stdout_is("1\n");
    scene.rename("app.log", "app.log.1");
    scene.append("app.log", "");
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
    let scene = rotated_and_read();
    let tail = scene.follow(&FLAGS);
    rests(&tail);
    compress(&scene);
    scene.append("app.log", "2\n");
    tail.wait_stdout("the new line", |out| out.ends_with(b"2\n"));
    scene.append("app.log", "3\n");
    tail.wait_stdout_is("2\n3\n");
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
