// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-tail and the system around it: limits, permissions, full disks, signals, and a thousand
//! idle files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Command;

use heka_tests::scene::{Scene, gzip, rests};
use heka_tests::{Running, Tool, bindir, copy_program, eventually, require, scratch};
use nix::sys::signal::Signal;

/// Runs a shell line as root of its own user namespace, where limits can be set and file systems
/// mounted; `None` where that is not allowed.
fn in_namespace(scene: &Scene, line: &str) -> Option<Running> {
    if !require("unshare") || !require("mount") {
        return None;
    }
    let allowed = Command::new("unshare").args(["-Urm", "true"]).output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        heka_tests::skip_anywhere("user namespaces are not allowed");
        return None;
    }
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bindir().display());
    let line = format!("export PATH={path}; {line}");
    let tool = Tool::at("/usr/bin/unshare").args(["-Urm", "/bin/sh", "-c", &line]);
    Some(tool.dir(scene.dir.path()).spawn())
}

#[test]
fn without_inotify_files_are_looked_at_and_that_is_said_once() {
    for (limit, words) in [
        ("max_inotify_watches", "inotify: no watches left (see fs.inotify.max_user_watches)"),
        ("max_inotify_instances", "(see fs.inotify.max_user_instances)"),
    ] {
        let scene = Scene::new("");
        for name in ["a", "b", "c"] {
            fs::create_dir(scene.path(name)).unwrap();
            scene.append(&format!("{name}/log"), "1\n");
        }
        let value = usize::from(limit == "max_inotify_watches");
        let line = format!(
            "echo {value} >/proc/sys/user/{limit} && exec heka-tail -o payload -s 20ms a/log b/log c/log"
        );
        let Some(tail) = in_namespace(&scene, &line) else { return };
        tail.wait_stdout_is("1\n1\n1\n");
        let mut expected = String::from("1\n1\n1\n");
        for name in ["a", "b", "c"] {
            scene.append(&format!("{name}/log"), "2\n");
            expected += "2\n";
            tail.wait_stdout_is(&expected);
            scene.rename(&format!("{name}/log"), &format!("{name}/log.1"));
            scene.append(&format!("{name}/log"), "3\n");
            expected += "3\n";
            tail.wait_stdout_is(&expected);
        }
        let outcome = tail.end_by(Signal::SIGTERM);
        let err = outcome.err();
        assert_eq!(err.lines().count(), 1, "{err}");
        assert!(err.starts_with("heka-tail: warning: inotify: "), "{err}");
        assert!(err.contains(words) && err.ends_with("falling back to polling\n"), "{err}");
    }
}

#[test]
fn without_inotify_directories_are_looked_at_too() {
    let scene = Scene::new("");
    fs::create_dir_all(scene.path("logs/more")).unwrap();
    let flags = "-o payload -s 20ms --rescan-interval=1h";
    let line = format!(
        "echo 0 >/proc/sys/user/max_inotify_watches && exec heka-tail {flags} logs 'logs/m*/*.log'"
    );
    let Some(tail) = in_namespace(&scene, &line) else { return };
    tail.wait_stderr("logs/m*/*.log: no such file; waiting for one");
    tail.wait_stderr("inotify: no watches left");
    scene.append("logs/a.log", "1\n");
    tail.wait_stdout_is("1\n");
    scene.append("logs/more/b.log", "2\n");
    tail.wait_stdout_is("1\n2\n");
    let err = tail.end_by(Signal::SIGTERM).err();
    assert_eq!(err.lines().count(), 2, "{err}");
}

#[test]
fn a_file_that_may_not_be_read_is_told_and_tried_again() {
    let scene = Scene::new("secret\n");
    scene.append("b.log", "1\n");
    let mode = |name: &str, mode| {
        fs::set_permissions(scene.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("app.log", 0o000);
    let run = |flags: &[&str]| {
        if !nix::unistd::geteuid().is_root() {
            return scene.tool(flags).args(["app.log", "b.log"]);
        }
        // Root may read everything, so another user runs a copy of it.
        fs::set_permissions(scene.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        copy_program(&bindir().join("heka-tail"), &scene.path("heka-tail"));
        Tool::at("/usr/bin/setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(scene.path("heka-tail"))
            .args(["-o", "payload"])
            .args(flags)
            .args(["app.log", "b.log"])
            .dir(scene.dir.path())
    };
    if nix::unistd::geteuid().is_root() && !require("setpriv") {
        return;
    }
    let outcome = run(&["--no-follow"]).run();
    outcome.exits(1).stdout_is("1\n").stderr_is("heka-tail: app.log: Permission denied\n");
    let tail = run(&["--verbose"]).spawn();
    tail.wait_stderr("heka-tail: app.log: Permission denied\n");
    scene.append("b.log", "2\n");
    tail.wait_stdout_is("1\n2\n");
    mode("app.log", 0o644);
    tail.wait_stdout_is("1\n2\nsecret\n");
    let err = tail.end_by(Signal::SIGTERM).err();
    assert_eq!(err.matches("Permission denied").count(), 1, "{err}");
}

#[test]
fn a_full_disk_under_the_positions_is_told_and_following_goes_on() {
    let scene = Scene::new("1\n");
    fs::create_dir(scene.path("disk")).unwrap();
    let line = "mount -t tmpfs -o size=64k none disk && : >disk/pos && \
                { cat /dev/zero >disk/filler; } 2>/dev/null; \
                { until [ -e room ]; do sleep 0.02; done; rm disk/filler; \
                  until [ -s disk/pos ]; do sleep 0.02; done; cp disk/pos saved; } & \
                exec heka-tail --verbose -o payload --checkpoint=disk/pos --checkpoint-every=10ms app.log";
    let Some(tail) = in_namespace(&scene, line) else { return };
    tail.wait_stderr("No space left on device; positions are stored later");
    scene.append("app.log", "2\n");
    tail.wait_stdout_is("1\n2\n");
    scene.append("room", "");
    tail.wait_stderr("positions are stored again");
    eventually("the position", || scene.path("saved").exists().then_some(()));
    let err = tail.end_by(Signal::SIGTERM).err();
    assert_eq!(err.matches("No space left").count(), 1, "{err}");
    let shown = scene.tool(&[]).args(["--show-checkpoint=saved"]).run();
    assert!(shown.exits(2).err().contains("--show-checkpoint"), "it stands alone");
    let shown = Tool::new("heka-tail").arg("--show-checkpoint=saved").dir(scene.dir.path()).run();
    shown.succeeds().stdout_has("app.log: offset 4 ");
}

#[test]
fn hup_looks_at_everything_at_once() {
    let scene = Scene::new("1\n");
    // By itself it would check again in an hour.
    let tail = scene.follow(&["--use-polling", "--sleep-interval=1h", "--rescan-interval=1h"]);
    tail.wait_stdout_is("1\n");
    scene.append("app.log", "2\n");
    scene.rename("app.log", "app.log.1");
    scene.append("app.log", "3\n");
    eventually("all is read", || {
        tail.signal(Signal::SIGHUP);
        (tail.stdout() == b"1\n2\n3\n").then_some(())
    });
}

#[test]
fn usr1_tells_of_each_file() {
    let scene = Scene::new("1\n22\nunfin");
    scene.append("b.log", "1\n");
    let tail = scene.tool(&[]).args(["app.log", "b.log"]).spawn();
    tail.wait_stdout_is("1\n22\n1\n");
    tail.signal(Signal::SIGUSR1);
    tail.wait_stderr("heka-tail: app.log: 2 messages, 5 bytes, 5 bytes behind\n");
    tail.wait_stderr("heka-tail: b.log: 1 messages, 2 bytes, 0 bytes behind\n");
    // Another thread prints that.
    tail.wait_stderr("heka-tail: 3 messages, 12 bytes in, 7 bytes out, 0 skipped, ");
}

#[test]
fn nothing_runs_while_nothing_happens_to_a_thousand_files() {
    let folder = scratch();
    for number in 0..1000 {
        fs::write(folder.path().join(format!("{number:04}.log")), "1\n").unwrap();
    }
    let tail = Tool::new("heka-tail").args(["-o", "payload", "."]).dir(folder.path()).spawn();
    tail.wait_stdout("all is read", |out| out.len() == 2000);
    rests(&tail);
    fs::write(folder.path().join("0500.log"), "1\n2\n").unwrap();
    tail.wait_stdout("it still follows", |out| out.ends_with(b"2\n"));
}

#[test]
fn a_killed_one_goes_on_with_whole_lines() {
    let scene = Scene::new("1\n");
    for round in 2..6 {
        let tail = scene.follow(&["--checkpoint=pos", "--checkpoint-every=1"]);
        scene.append("app.log", &format!("{round}\n"));
        let expected = format!("{round}\n");
        tail.wait_stdout("the new line", |out| out.ends_with(expected.as_bytes()));
        tail.end_by(Signal::SIGKILL).killed_by(Signal::SIGKILL);
        if round == 3 {
            scene.rename("app.log", "app.log.1");
            scene.append("app.log", "");
        }
    }
    // Lines written since the last save come again, complete.
    let out = scene.once(&["--checkpoint=pos"]).out();
    let whole = |from: &usize| (*from..6).map(|line| format!("{line}\n")).collect::<String>();
    assert!((1..=6).any(|from| out == whole(&from)), "{out:?}");
}

#[test]
fn a_line_keeps_its_uuid_in_renamed_files_and_in_copies() {
    let uuids = |scene: &Scene, flags: &[&str]| -> Vec<String> {
        let tool = Tool::new("heka-tail").args(["-j", "--no-follow", "--uuid=position"]);
        let out = tool.args(flags).dir(scene.dir.path()).run().out();
        out.lines().map(|line| line[9..45].to_owned()).collect()
    };
    let scene = Scene::new("1\n2\n");
    let first = uuids(&scene, &["app.log", "--checkpoint=pos"]);
    scene.append("app.log", "3\n");
    fs::copy(scene.path("pos"), scene.path("pos2")).unwrap();
    fs::copy(scene.path("pos"), scene.path("pos3")).unwrap();
    let third = uuids(&scene, &["app.log", "--checkpoint=pos"]);
    assert_eq!((first.len(), third.len()), (2, 1));
    assert_eq!(
        uuids(&scene, &["app.log"]),
        [&first[..], &third[..]].concat(),
        "from the beginning"
    );
    scene.rename("app.log", "app.log.1");
    scene.append("app.log", "4\n");
    let later = uuids(&scene, &["app.log", "--checkpoint=pos2"]);
    assert_eq!(later[0], third[0], "in the renamed file");
    gzip(&scene.path("app.log.1"), &scene.path("app.log.1.gz"));
    assert_eq!(uuids(&scene, &["app.log", "--checkpoint=pos3"]), later, "in the compressed one");
}

#[test]
fn what_cannot_be_opened_for_another_reason_is_told_too() {
    let scene = Scene::new("");
    symlink("loop", scene.path("loop")).unwrap();
    let outcome = scene.tool(&["--no-follow", "loop"]).run();
    outcome.exits(1).stderr_is("heka-tail: loop: Too many levels of symbolic links\n");
    // No writer: opening it must not block.
    nix::unistd::mkfifo(&scene.path("pipe"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    for flags in [&["-n", "+1"], &["-n", "5"]] {
        let outcome = scene.tool(&["--no-follow", "pipe"]).args(flags).run();
        outcome
            .exits(1)
            .stderr_is("heka-tail: pipe: a pipe, not a file; heka-encode reads pipes\n");
    }
    for flag in ["--checkpoint=/dev/zero", "--resume=/dev/zero"] {
        scene.once(&[flag]).exits(1).stderr_is("heka-tail: /dev/zero: not a regular file\n");
    }
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    scene.append("app.log", "1\n");
    let outcome = scene.tool(&["--no-follow", "app.log"]).stdout_file(full).run();
    outcome.exits(1).stderr_is("heka-tail: write error: No space left on device\n");
}

#[test]
fn too_long_records_are_told_for_each_file_and_counted() {
    let long = "x".repeat(100) + "\n";
    let scene = Scene::new(&("ok\n".to_owned() + &long.repeat(3) + "ok\n"));
    scene.append("b.log", &long);
    let outcome =
        scene.tool(&["--no-follow", "--max-line=40", "--oversize=drop", "app.log", "b.log"]).run();
    let shown = "x".repeat(24);
    outcome.exits(1).stdout_is("ok\nok\n").stderr_is(&format!(
        "heka-tail: warning: app.log: offset 3: record longer than 40 bytes, dropped: \"{shown}\"...\n\
         heka-tail: warning: b.log: offset 0: record longer than 40 bytes, dropped: \"{shown}\"...\n\
         heka-tail: warning: app.log: long records: 2 more warnings like this suppressed\n"
    ));
    // Nothing is lost, and everything fits into a message of Heka's.
    let scene = Scene::new(&("y".repeat(200_000) + "\nnext\n"));
    let outcome = scene.once(&["--max-record=60K"]);
    outcome.succeeds().stderr_has("offset 0: record longer than 61440 bytes, split");
    let lens: Vec<usize> = outcome.out().lines().map(str::len).collect();
    assert_eq!(lens, [61_440, 61_440, 61_440, 15_680, 4]);
}
