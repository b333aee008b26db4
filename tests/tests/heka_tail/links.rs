// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-tail where a file has several names, or names that do not exist yet: no line is late.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;

use heka_tests::scene::{Scene, gzip};
use heka_tests::{Tool, eventually, require, require_root, sh, skip_anywhere};
use nix::sys::signal::Signal;

/// An interval longer than any test, so that none depends on the check of all files.
const NEVER: &str = "--rescan-interval=1h";

#[test]
fn a_file_followed_by_its_descriptor_is_moved() {
    let scene = Scene::new("1\n");
    let tail = scene.follow(&["--follow=descriptor", NEVER]);
    tail.wait_stdout_is("1\n");
    fs::create_dir(scene.path("far")).unwrap();
    for (number, name) in ["b", "far/c"].into_iter().enumerate() {
        scene.rename(["app.log", "b"][number], name);
        scene.append(name, &format!("{}\n", number + 2));
        let out: String = (1..number + 3).map(|line| format!("{line}\n")).collect();
        tail.wait_stdout_is(out);
    }
    scene.append("app.log", "not this\n");
    scene.append("far/c", "4\n");
    tail.wait_stdout_is("1\n2\n3\n4\n");
}

#[test]
fn links_whose_targets_come_later() {
    let scene = Scene::new("");
    fs::create_dir(scene.path("containers")).unwrap();
    for (name, to) in
        [("link", "later.log"), ("far", "pods/p/0.log"), ("containers/met.log", "../pods/p/1.log")]
    {
        symlink(to, scene.path(name)).unwrap();
    }
    let tail = scene.tool(&[NEVER]).args(["link", "far", "containers/*.log"]).spawn();
    tail.wait_stderr("link: No such file or directory; waiting for it");
    scene.append("later.log", "1\n");
    tail.wait_stdout_is("1\n");
    fs::create_dir_all(scene.path("pods/p")).unwrap();
    scene.append("pods/p/0.log", "2\n");
    tail.wait_stdout_is("1\n2\n");
    scene.append("pods/p/1.log", "3\n");
    tail.wait_stdout_is("1\n2\n3\n");
    symlink("../pods/p/2.log", scene.path("containers/new.log")).unwrap();
    scene.append("pods/p/2.log", "4\n");
    tail.wait_stdout_is("1\n2\n3\n4\n");
}

#[test]
fn lines_written_through_another_hard_link() {
    let scene = Scene::new("1\n");
    fs::create_dir(scene.path("far")).unwrap();
    fs::hard_link(scene.path("app.log"), scene.path("far/before")).unwrap();
    let tail = scene.follow(&[NEVER]);
    tail.wait_stdout_is("1\n");
    scene.append("far/before", "2\n");
    tail.wait_stdout_is("1\n2\n");
    // It may get another one under its own name.
    scene.rename("app.log", "app.log.1");
    scene.append("far/before", "3\n");
    tail.wait_stdout_is("1\n2\n3\n");
}

#[test]
fn a_hard_link_that_is_made_elsewhere_later() {
    let scene = Scene::new("1\n");
    fs::create_dir(scene.path("far")).unwrap();
    let tail = scene.follow(&[NEVER]);
    tail.wait_stdout_is("1\n");
    fs::hard_link(scene.path("app.log"), scene.path("far/later")).unwrap();
    scene.append("far/later", "2\n");
    tail.wait_stdout_is("1\n2\n");
    // The next file under the name as well.
    fs::remove_file(scene.path("app.log")).unwrap();
    scene.append("app.log", "3\n");
    tail.wait_stdout_is("1\n2\n3\n");
    fs::hard_link(scene.path("app.log"), scene.path("far/again")).unwrap();
    scene.append("far/again", "4\n");
    tail.wait_stdout_is("1\n2\n3\n4\n");
}

#[test]
fn overlays_and_mounts_that_come_and_go() {
    if !require_root() || !require("unshare") {
        return;
    }
    let scene = Scene::new("1\n");
    let script = r#"
        set -e
        come() { until grep -qx "$1" out; do sleep 0.01; done; }
        mkdir logs other lower upper work merged
        mv app.log logs
        echo 0 >other/app.log
        echo a >lower/over.log
        echo x >file
        mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged || exit 99
        heka-tail -s100ms --rescan-interval=1h -o payload logs/app.log merged/over.log >out &
        come 1; come a
        for line in b c; do echo $line >>merged/over.log; come $line; done
        touch bound; mount --bind logs/app.log bound; echo 2 >>bound; come 2
        mount --bind file logs/app.log; come x
        echo y >>file; come y
        umount -l logs/app.log; echo 3 >>logs/app.log; come 3
        mount --bind other logs; come 0
        echo z >>other/app.log; come z
        umount -l logs; echo 4 >>logs/app.log; come 4
        kill $!
    "#;
    let outcome = sh(&format!("exec unshare -m sh -c '{script}'")).dir(scene.dir.path()).run();
    if outcome.status.code() == Some(99) {
        return skip_anywhere("overlays cannot be mounted here");
    }
    outcome.succeeds();
}

#[test]
fn an_overlay_that_writes_to_the_file() {
    if !require_root() || !require("unshare") {
        return;
    }
    let scene = Scene::new("");
    let script = r#"
        set -e
        come() { until grep -qx "$1" out; do sleep 0.01; done; }
        follow() { heka-tail -s100ms --rescan-interval=1h -o payload upper/over.log >out & come 1; }
        mkdir lower upper work merged
        echo 1 >upper/over.log
        follow
        mount -t overlay overlay -o lowerdir=$PWD/lower,upperdir=$PWD/upper,workdir=work merged || exit 99
        for line in 2 3; do echo $line >>merged/over.log; come $line; done
        kill $!; wait $! || true
        follow; come 3
        for line in 4 5; do echo $line >>merged/over.log; come $line; done
        mv merged/over.log merged/over.log.1; echo 6 >merged/over.log; come 6
        echo late >>merged/over.log.1; come late
        echo 7 >>merged/over.log; come 7
        kill $!
    "#;
    let outcome = sh(&format!("exec unshare -m sh -c '{script}'")).dir(scene.dir.path()).run();
    if outcome.status.code() == Some(99) {
        return skip_anywhere("overlays cannot be mounted here");
    }
    outcome.succeeds();
}

#[test]
fn what_is_written_through_memory() {
    if !require("python3") {
        return;
    }
    let scene = Scene::new("1\n");
    let tail = scene.follow(&[NEVER]);
    tail.wait_stdout_is("1\n");
    let script = "import mmap, sys
log = open('app.log', 'r+b')
log.truncate(40)
room, at = mmap.mmap(log.fileno(), 40), 2
for line in sys.stdin.buffer:
    room[at:at + len(line)] = line
    at += len(line)
    print(at, flush=True)
";
    let writer = Tool::at("/usr/bin/python3").args(["-c", script]).dir(scene.dir.path());
    let mut writer = writer.stdin_open().spawn();
    for (line, out) in [("2\n", "1\n2\n"), ("3\n", "1\n2\n3\n"), ("4\n", "1\n2\n3\n4\n")] {
        writer.write(line);
        tail.wait_stdout_is(out);
    }
}

#[test]
fn a_directory_above_is_moved_and_another_takes_its_place() {
    for operand in ["a/b/c/app.log", "a/b/c", "a/**/*.log", "link/c/app.log"] {
        let scene = Scene::new("");
        let make = |line| {
            fs::create_dir_all(scene.path("a/b/c")).unwrap();
            scene.append("a/b/c/app.log", line);
        };
        symlink("a/b", scene.path("link")).unwrap();
        make("1\n");
        let tail = scene.tool(&[NEVER, operand]).spawn();
        tail.wait_stdout_is("1\n");
        scene.rename("a", "away");
        // Its writer still has it open.
        scene.append("away/b/c/app.log", "2\n");
        tail.wait_stdout_is("1\n2\n");
        make("3\n");
        tail.wait_stdout_is("1\n2\n3\n");
        scene.append("a/b/c/app.log", "4\n");
        tail.wait_stdout_is("1\n2\n3\n4\n");
        // That file is moved as well, and back.
        scene.rename("a/b", "a/d");
        scene.rename("a/d", "a/b");
        scene.append("a/b/c/app.log", "5\n");
        tail.wait_stdout_is("1\n2\n3\n4\n5\n");
    }
}

#[test]
fn a_log_that_is_a_link_to_a_name_that_looks_rotated() {
    let scene = Scene::new("");
    fs::remove_file(scene.path("app.log")).unwrap();
    let lines: String = (1..101).map(|line| format!("{line}\n")).collect();
    scene.append("app.log.20261128", "older\n");
    scene.append("app.log.20261129", &lines);
    symlink("app.log.20261129", scene.path("app.log")).unwrap();
    fs::hard_link(scene.path("app.log.20261129"), scene.path("b.log")).unwrap();
    fs::hard_link(scene.path("app.log.20261129"), scene.path("b.log.1")).unwrap();
    for name in ["app.log", "b.log"] {
        let run = |flag| scene.tool(&["--no-follow", flag, name]).run();
        run("-n2").succeeds().stdout_is("99\n100\n").stderr_is("");
        run("-c4").succeeds().stdout_is("100\n").stderr_is("");
        run("-n+100").succeeds().stdout_is("100\n").stderr_is("");
    }
    // After the switch, lines written in between are read in order.
    scene.once(&["--checkpoint=pos"]).succeeds().stdout_is(lines);
    scene.append("app.log.20261129", "101\n");
    scene.append("app.log.20261130", "102\n");
    scene.append("app.log.20261201", "103\n");
    fs::remove_file(scene.path("app.log")).unwrap();
    symlink("app.log.20261201", scene.path("app.log")).unwrap();
    scene.once(&["--checkpoint=pos"]).succeeds().stdout_is("101\n102\n103\n").stderr_is("");
}

#[test]
fn rotated_beside_the_target_of_a_link_while_nobody_reads() {
    let scene = Scene::new("");
    fs::remove_file(scene.path("app.log")).unwrap();
    fs::create_dir_all(scene.path("pods/c")).unwrap();
    scene.append("pods/c/0.log", "1\n");
    symlink("pods/c/0.log", scene.path("app.log")).unwrap();
    let run = || scene.once(&["--checkpoint=pos"]);
    run().succeeds().stdout_is("1\n");
    scene.append("pods/c/0.log", "2\n3\n");
    scene.rename("pods/c/0.log", "pods/c/0.log.20261129-120001");
    scene.append("pods/c/0.log", "4\n");
    run().succeeds().stdout_is("2\n3\n4\n").stderr_is("");
    // The container is restarted: the link has another target, and the old one was rotated.
    scene.append("pods/c/0.log", "5\n");
    scene.rename("pods/c/0.log", "pods/c/0.log.20261129-130001");
    scene.append("pods/c/0.log", "6\n");
    scene.append("pods/c/1.log", "7\n");
    fs::remove_file(scene.path("app.log")).unwrap();
    symlink("pods/c/1.log", scene.path("app.log")).unwrap();
    run().succeeds().stdout_is("5\n6\n7\n").stderr_is("");
    run().succeeds().stdout_is("").stderr_is("");
}

#[test]
fn a_file_under_an_odd_name_is_not_called_gone() {
    let scene = Scene::new("1\n");
    let run = || scene.once(&["--checkpoint=pos"]);
    run().succeeds().stdout_is("1\n");
    scene.append("app.log", "a\n");
    scene.rename("app.log", "app.log00001");
    scene.append("app.log", "b\n");
    scene.rename("app.log", "app.log00002");
    scene.append("app.log", "c\n");
    run().succeeds().stdout_is("a\nb\nc\n").stderr_is("");
    // A directory for rotated files, as with logrotate.
    scene.append("app.log", "d\n");
    fs::create_dir(scene.path("old")).unwrap();
    scene.rename("app.log", "old/app.log-20261129");
    scene.append("app.log", "e\n");
    gzip(&scene.path("old/app.log-20261129"), &scene.path("old/app.log-20261129.gz"));
    let run = || scene.once(&["--checkpoint=pos", "--rotated-directory=old"]);
    run().succeeds().stdout_is("d\ne\n").stderr_is("");
}

#[test]
fn a_rotated_file_that_is_gone_is_reported() {
    let scene = Scene::new("a\n");
    let follow = || scene.follow(&["--checkpoint=pos", "--checkpoint-every=1"]);
    let tail = follow();
    tail.wait_stdout_is("a\n");
    scene.rename("app.log", "app.log.1");
    scene.append("app.log", "b\n");
    tail.wait_stdout_is("a\nb\n");
    eventually("both positions", || {
        let shown = Tool::new("heka-tail").arg("--show-checkpoint=pos").dir(scene.dir.path()).run();
        (shown.out().lines().count() == 2).then_some(())
    });
    tail.end_by(Signal::SIGKILL);
    let mut late = OpenOptions::new().append(true).open(scene.path("app.log.1")).unwrap();
    late.write_all(b"late\n").unwrap();
    fs::create_dir(scene.path("old")).unwrap();
    scene.rename("app.log.1", "old/app.log.1");
    fs::copy(scene.path("pos"), scene.path("pos2")).unwrap();
    let outcome = scene.once(&["--checkpoint=pos"]);
    outcome.exits(1).stdout_is("").stderr_has("app.log: a rotated file (inode ");
    outcome.stderr_has("is gone; what was written to it after byte 2 is lost");
    let outcome = scene.once(&["--checkpoint=pos2", "--olddir=old"]);
    outcome.succeeds().stdout_is("late\n").stderr_is("");
}
