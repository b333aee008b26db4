// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-tail and many files: directories, patterns and selections, and what happens in them.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use heka_tests::scene::{Scene, lets_go_of, rests};
use heka_tests::{Tool, eventually, scratch};
use nix::sys::signal::Signal;

/// Creates a folder with `logs/`, which contains `a.log`.
fn logs() -> Scene {
    let scene = Scene::new("");
    fs::create_dir(scene.path("logs")).unwrap();
    scene.append("logs/a.log", "1\n");
    scene
}

#[test]
fn a_file_that_is_renamed_in_a_directory_is_not_read_again() {
    let scene = logs();
    let flags = ["--rotate-wait=100ms", "--rescan-interval=100ms"];
    let tail = scene.tool(&flags).arg("logs").spawn();
    tail.wait_stdout_is("1\n");
    scene.rename("logs/a.log", "logs/a.log.bak");
    scene.append("logs/a.log.bak", "2\n");
    tail.wait_stdout_is("1\n2\n");
    scene.append("logs/a.log", "3\n");
    tail.wait_stdout_is("1\n2\n3\n");
    // When its stream no longer has it, it becomes a stream of its own.
    scene.append("logs/a.log.bak", "4\n");
    tail.wait_stdout_is("1\n2\n3\n4\n");
    tail.signal(Signal::SIGUSR1);
    tail.wait_stderr("messages");
    scene.append("logs/a.log.bak", "5\n");
    scene.append("logs/a.log", "6\n");
    let lines = |out: &[u8]| -> Vec<String> {
        let mut lines: Vec<_> = String::from_utf8_lossy(out).lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    tail.wait_stdout("all", |out| lines(out) == ["1", "2", "3", "4", "5", "6"]);
    tail.end_by(Signal::SIGTERM);
    // The same while it is stopped.
    let run = || scene.tool(&["--no-follow", "--checkpoint=pos", "logs"]).run();
    assert_eq!(lines(&run().stdout).len(), 6);
    scene.rename("logs/a.log", "logs/b.log");
    scene.append("logs/b.log", "7\n");
    scene.append("logs/a.log", "8\n");
    assert_eq!(lines(&run().stdout), ["7", "8"]);
    run().succeeds().stdout_is("");
}

#[test]
fn what_is_left_out_is_told_once() {
    let scene = logs();
    for name in ["a.log.2.lz4", "b.log.Z", "worker.log", "worker-1.log", "a.log.1"] {
        scene.append(&format!("logs/{name}"), &format!("{name}\n"));
    }
    for operand in ["logs", "logs/*"] {
        let outcome = scene.tool(&["--no-follow", operand]).run();
        outcome.succeeds().stdout_is("1\nworker.log\n").stderr_is(
            "heka-tail: warning: logs/a.log.2.lz4: skipped: only gzip, xz, zstd and bzip2 are \
             supported (further ones not reported)\n\
             heka-tail: warning: logs/worker-1.log: taken for what logs/worker.log was rotated \
             into; name it to have it followed\n",
        );
    }
    let outcome = scene.tool(&["--no-follow", "logs/a.log", "logs/worker-1.log"]).run();
    outcome.succeeds().stdout_is("1\nworker-1.log\n").stderr_is("");
}

#[test]
fn each_set_of_files_has_positions_of_its_own() {
    let scene = logs();
    fs::create_dir(scene.path("more")).unwrap();
    scene.append("more/b.log", "2\n");
    let long = format!("{}/{}", "d".repeat(150), "e".repeat(150));
    fs::create_dir_all(scene.path(&long)).unwrap();
    for name in ["1.log", "2.log"] {
        scene.append(&format!("{long}/{name}"), &format!("{name}\n"));
    }
    let state = scene.path("state");
    let run = |flags: &[&str]| {
        let tool = scene.tool(&["--no-follow", "--checkpoint"]).args(flags);
        tool.env("XDG_STATE_HOME", &state).run().succeeds().out()
    };
    let by = r"--file-match=(?P<Name>\w+)\.log";
    assert_eq!(run(&["--log-directory=logs", by, "--differentiator=Name"]), "1\n");
    assert_eq!(run(&["--log-directory=more", by, "--differentiator=Name"]), "2\n");
    assert_eq!(run(&["--log-directory=more", by, "--differentiator=x-,Name"]), "2\n");
    assert_eq!(run(&["--log-directory=more", by, "--differentiator=Name"]), "");
    assert_eq!(run(&[&format!("{long}/1.log"), &format!("{long}/2.log")]), "1.log\n2.log\n");
    assert_eq!(run(&["logs/a.log", &format!("{long}/2.log")]), "1\n2.log\n");
    let names: BTreeSet<_> = fs::read_dir(state.join("heka-tail"))
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    assert_eq!(names.len(), 5, "{names:?}");
    // Wrong usage leaves no files behind.
    let tool = scene.tool(&["--checkpoint", "--severity=7", "-n", "x", "app.log"]);
    tool.env("XDG_STATE_HOME", scene.path("other")).run().exits(2);
    assert!(!scene.path("other").exists());
}

#[test]
fn a_stream_that_cannot_be_sorted_costs_only_itself() {
    let scene = logs();
    let flags = [
        "--log-directory=logs",
        r"--file-match=(?P<Name>[a-z]+)[0-9]*\.log",
        "--differentiator=Name",
    ];
    let tail = scene.tool(&flags).spawn();
    tail.wait_stdout_is("1\n");
    scene.append("logs/b1.log", "b\n");
    tail.wait_stdout_is("1\nb\n");
    scene.append("logs/b2.log", "");
    tail.wait_stderr("stream 'b' has 2 files and there is no priority to sort them by");
    scene.append("logs/c.log", "c\n");
    tail.wait_stdout_is("1\nb\nc\n");
    let err = tail.end_by(Signal::SIGTERM).err();
    assert_eq!(err.lines().count(), 1, "{err}");
}

#[test]
fn deleted_files_of_a_selection_are_let_go_of() {
    let scene = logs();
    let flags = ["--log-directory=logs", r"--file-match=a\.log", "--rotate-wait=100ms"];
    let tail = scene.tool(&flags).spawn();
    tail.wait_stdout_is("1\n");
    fs::remove_file(scene.path("logs/a.log")).unwrap();
    lets_go_of(&tail, "a.log");
    scene.append("logs/a.log", "2\n");
    tail.wait_stdout_is("1\n2\n");
}

#[test]
fn a_directory_that_is_not_there_yet_is_waited_for() {
    let scene = Scene::new("");
    let outcome = scene.tool(&["--no-follow", "later/"]).run();
    outcome.exits(1).stderr_is("heka-tail: later/: No such file or directory\n");
    let tail = scene.tool(&["--rescan-interval=1h", "later/"]).spawn();
    tail.wait_stderr("heka-tail: warning: later/: No such file or directory; waiting for it\n");
    fs::create_dir(scene.path("later")).unwrap();
    scene.append("later/a.log", "1\n");
    tail.wait_stdout_is("1\n");
    scene.append("later/b.log", "2\n");
    tail.wait_stdout_is("1\n2\n");
}

#[test]
fn names_that_are_no_text_are_told_apart() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let scene = Scene::new("");
    fs::create_dir(scene.path("logs")).unwrap();
    for name in [b"a\xff.log", b"a\xfe.log"] {
        fs::write(scene.path("logs").join(OsStr::from_bytes(name)), "1\n").unwrap();
    }
    fs::write(scene.path(r"logs/a\xff.log"), "2\n").unwrap();
    let run = || scene.tool(&["--no-follow", "--checkpoint=pos", "logs"]).run();
    assert_eq!(run().succeeds().stdout.len(), 6);
    run().succeeds().stdout_is("");
}

#[test]
fn lines_are_not_counted_in_compressed_files() {
    let scene = Scene::new("1\n2\n3\n");
    heka_tests::scene::gzip(&scene.path("app.log"), &scene.path("b.gz"));
    for flag in ["-n1", "-n+2", "-c3"] {
        let outcome = scene.tool(&["--no-follow", flag, "b.gz"]).run();
        outcome
            .exits(1)
            .stdout_is("")
            .stderr_is("heka-tail: b.gz: compressed: --lines and --bytes do not count in it\n");
    }
    scene.tool(&["--no-follow", "-n+1", "b.gz"]).run().succeeds().stdout_is("1\n2\n3\n");
    // Counting takes time, and can be interrupted.
    scene.append("app.log", "");
    let file = fs::OpenOptions::new().write(true).open(scene.path("app.log")).unwrap();
    file.set_len(1 << 40).unwrap();
    let tail = scene.tool(&["-n", "+9", "app.log"]).spawn();
    eventually("it counts", || {
        let io = fs::read_to_string(format!("/proc/{}/io", tail.pid())).unwrap();
        let read = io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap();
        (read.parse::<u64>().unwrap() > 10_000_000).then_some(())
    });
    tail.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
}

#[test]
fn what_is_gone_costs_no_time() {
    let scene = Scene::new("");
    fs::create_dir_all(scene.path("pods/x")).unwrap();
    scene.append("pods/x/app.log", "1\n");
    let flags = ["--rotate-wait=100ms", "--rescan-interval=1h", "pods/*/app.log"];
    let tail = scene.tool(&flags).spawn();
    tail.wait_stdout_is("1\n");
    fs::remove_dir_all(scene.path("pods/x")).unwrap();
    rests(&tail);
    fs::create_dir(scene.path("pods/x")).unwrap();
    scene.append("pods/x/app.log", "2\n");
    tail.wait_stdout_is("1\n2\n");
    scene.append("pods/x/app.log", "3\n");
    tail.wait_stdout_is("1\n2\n3\n");
}

#[test]
fn the_output_is_not_followed() {
    let folder = scratch();
    let (log, out) = (folder.path().join("app.log"), folder.path().join("all.log"));
    let append = |path: &Path| fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    fs::write(&log, "one\n").unwrap();
    let tail = |args: &[&str], to: &Path| {
        Tool::new("heka-tail").args(args).dir(folder.path()).stdout_file(append(to))
    };
    let refused = tail(&["-opayload", "app.log"], &log).run();
    refused.exits(1).stderr_is("heka-tail: app.log: input file is output file\n");
    assert_eq!(fs::read_to_string(&log).unwrap(), "one\n");
    for found in ["*.log", "."] {
        let running = tail(&["-opayload", found], &out).spawn();
        running.wait_stderr("all.log: skipped: it is the output file");
        eventually("the other is", || {
            fs::read(&out).is_ok_and(|text| text == b"one\n").then_some(())
        });
        fs::remove_file(&out).unwrap();
    }
    let selection = ["-opayload", "--no-follow", "--log-directory=.", "--file-match=(?P<Name>.*)"];
    tail(&selection, &out).run().succeeds().stderr_has("all.log: skipped: it is the output file");
    assert_eq!(fs::read_to_string(&out).unwrap(), "one\n");
}
