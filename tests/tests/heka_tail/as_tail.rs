// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-tail compared with GNU tail(1): what is the same, and each difference that the page lists.

use std::fs;

use heka_tests::scene::Scene;
use heka_tests::{Outcome, Tool, page, require, skip_anywhere};

/// Some files.
fn scene() -> Scene {
    let scene = Scene::new("");
    let lines: String = (1..101).map(|line| format!("{line}\n")).collect();
    scene.append("f", &lines);
    scene.append("g", "1\n2\n3\n");
    scene.append("u", "a\nb");
    scene.append("z", "1\n\u{0}2\u{0}3\u{0}");
    fs::create_dir(scene.path("d")).unwrap();
    scene
}

fn gnu(scene: &Scene, args: &[&str]) -> Outcome {
    Tool::at("/usr/bin/tail").args(args).dir(scene.dir.path()).run()
}

fn ours(scene: &Scene, args: &[&str]) -> Outcome {
    let args = args.iter().chain(&["--no-follow", "-o", "payload"]);
    Tool::new("heka-tail").args(args).dir(scene.dir.path()).run()
}

fn is_gnu() -> bool {
    if !require("tail") {
        return false;
    }
    let version = Tool::at("/usr/bin/tail").arg("--version").run();
    let is_gnu = version.out().contains("GNU coreutils");
    if !is_gnu {
        skip_anywhere("tail(1) is not that of GNU");
    }
    is_gnu
}

#[test]
fn what_is_the_same() {
    if !is_gnu() {
        return;
    }
    let scene = scene();
    for line in [
        "-5 f",
        "+98 f",
        "-3c f",
        "+290c f",
        "-1b f",
        "-2l f",
        "-0 f",
        "-n 3 f",
        "-n3 f",
        "-n -3 f",
        "-n +98 f",
        "-n 0 f",
        "-n +0 f",
        "-n +1 f",
        "-c 5 f",
        "-c +288 f",
        "-c 1K f",
        "-c 1kB f",
        "-c 1KiB f",
        "-n 1b f",
        "-c 2b f",
        "-n 5k f",
        "-c 5m f",
        "-z -n 2 z",
        "-n 2 --zero-terminated z",
        "-n 3 -c 2 f",
        "-c 2 -n 3 f",
        "-q -n 1 f g",
        "-v -n 1 f",
        "-v -n 2 f g",
        "--lines=2 f",
        "--line=2 f",
        "--byt=2 f",
        "--sil -n 1 f",
        "--silent -n 1 f g",
        "--zero -n 2 z",
        "-s 1.5 -n 1 f",
        "--sleep=1 -n1 f",
        "-n 1 -s .1 f",
        "-n 2 u",
        "-n 1 /dev/null",
        "-n 1 /proc/version",
        "-c 10 /proc/version",
        "-n 1 /sys/kernel/mm/transparent_hugepage/enabled",
        "-n2 f -c 3",
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        if args.iter().any(|arg| arg.starts_with("/sys") && fs::metadata(arg).is_err()) {
            continue;
        }
        let (gnu, ours) = (gnu(&scene, &args), ours(&scene, &args));
        assert!(gnu.status.success() && ours.status.success(), "{line}: {gnu}{ours}");
        assert_eq!(ours.out(), gnu.out(), "{line}");
    }
    // Generated files differ at each read.
    let status = ours(&scene, &["-n1", "/proc/self/status"]).succeeds().out();
    assert_eq!(status.lines().count(), 1, "{status}");
}

/// The rows of the page's table, all of which are shown below.
#[test]
fn each_difference_is_shown() {
    let page = page::text("heka-tail.1");
    let (_, standards) = page.split_once("\n.Sh STANDARDS\n").unwrap();
    let (table, _) = standards.split_once("\n.El\n").unwrap();
    let rows = table.lines().filter(|line| line.starts_with(".It ") && line.contains(" Ta "));
    assert_eq!(rows.count(), 1 + 16);
}

#[test]
fn what_is_different() {
    if !is_gnu() {
        return;
    }
    let scene = scene();
    let (gnu, ours) = (|args: &[&str]| gnu(&scene, args), |args: &[&str]| ours(&scene, args));
    let all = fs::read_to_string(scene.path("f")).unwrap();
    // Without -n; the end; the form.
    gnu(&["f"]).succeeds().stdout_is(&all[all.len() - 31..]);
    ours(&["f"]).succeeds().stdout_is(&all);
    let follows = Tool::new("heka-tail").args(["-opayload", "g"]).dir(scene.dir.path()).spawn();
    follows.wait_stdout_is("1\n2\n3\n");
    scene.append("g", "4\n");
    follows.wait_stdout_is("1\n2\n3\n4\n");
    // -f by name, and messages.
    let frames = Tool::new("heka-tail").args(["-f", "g"]).dir(scene.dir.path()).spawn();
    frames.wait_stdout("frames", |out| out.starts_with(b"\x1e"));
    scene.rename("g", "h");
    scene.append("g", "5\n");
    frames.wait_stdout("the new file's", |out| {
        Tool::new("heka-decode").stdin(out).run().out() == "1\n2\n3\n4\n5\n"
    });
    // Rotations are reported on request.
    assert_eq!(frames.stderr(), "");
    // -s has units here, unlike in tail(1).
    gnu(&["-s", "250ms", "u"]).exits(1);
    ours(&["-s", "250ms", "u"]).succeeds();
    // Headers and standard error.
    gnu(&["-n1", "f", "u"]).succeeds().stdout_is("==> f <==\n100\n\n==> u <==\nb");
    ours(&["-n1", "f", "u"]).succeeds().stdout_is("100\nb");
    gnu(&["-n1", "--verbose", "u"]).succeeds().stdout_is("==> u <==\nb");
    ours(&["-n1", "--verbose", "u"]).succeeds().stdout_is("b");
    gnu(&["-n1", "--quiet", "nope"]).exits(1).stderr_has("nope");
    ours(&["-v", "-n1", "--quiet", "u"]).succeeds().stdout_is("==> u <==\nb");
    // Standard input and directories.
    gnu(&["-n1", "-"]).succeeds();
    ours(&["-n1", "-"]).exits(2).stderr_has("heka-encode");
    gnu(&["d"]).exits(1).stderr_has("Is a directory");
    scene.append("d/x", "x\n");
    ours(&["d"]).succeeds().stdout_is("x\n");
    // Lines of two files, and compressed ones.
    gnu(&["-q", "-n1", "u", "h"]).succeeds().stdout_is("b4\n");
    ours(&["-n1", "u", "h"]).succeeds().stdout_is("b\n4\n");
    heka_tests::scene::gzip(&scene.path("h"), &scene.path("h.gz"));
    let bytes = gnu(&["-c5", "h.gz"]).succeeds().stdout.clone();
    ours(&["-c5", "h.gz"]).exits(1).stderr_has("--lines and --bytes do not count in it");
    let raw = ours(&["-c5", "--no-gzip-rotated", "h.gz"]);
    assert_eq!(raw.succeeds().stdout, bytes);
    // Flags for following, and wrong ones.
    gnu(&["--pid=1", "-n1", "f"]).succeeds().stderr_has("PID ignored");
    ours(&["--pid=1", "-n1", "f"]).exits(2).stderr_has("--pid");
    gnu(&["--max-unchanged-stats=3", "-n1", "f"]).succeeds();
    ours(&["--max-unchanged-stats=3", "-n1", "f"]).exits(2).stderr_has("--max-unchanged-stats");
    gnu(&["--no-such-flag", "f"]).exits(1);
    ours(&["--no-such-flag", "f"]).exits(2);
}
