// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-tail and rotation of every kind: the output is what was written.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use heka_tests::scene::{Scene, gzip};
use heka_tests::{Outcome, Peer, Running, Tool, eventually, require, sh};
use nix::sys::signal::Signal;

/// Moves `app.log` to `app.log.1`, that to `.2` and so on.
fn shift(scene: &Scene, generations: usize) {
    for number in (1..generations).rev() {
        for end in ["", ".gz"] {
            let from = format!("app.log.{number}{end}");
            if scene.path(&from).exists() {
                scene.rename(&from, &format!("app.log.{}{end}", number + 1));
            }
        }
    }
    scene.rename("app.log", "app.log.1");
}

fn truncate(scene: &Scene, name: &str) {
    OpenOptions::new().write(true).open(scene.path(name)).unwrap().set_len(0).unwrap();
}

/// heka-tail on all of `logs/` as one stream, numbered files in Heka's order.
fn selection(scene: &Scene, flags: &[&str]) -> Tool {
    scene
        .tool(&["--log-directory=.", r"--file-match=app\.log(\.(?P<Seq>\d+))?(\.gz)?"])
        .args(["--priority=^Seq", "--translation=Seq:missing=0"])
        .args(flags)
}

fn numbered_rotation(scene: &Scene, tail: &Running) {
    let mut written = String::from("first\n");
    tail.wait_stdout_is(&written);
    for round in 0..6 {
        let last = format!("last of {round}\n");
        scene.append("app.log", &last);
        shift(scene, 5);
        let next = format!("first after {round}\n");
        scene.append("app.log", &next);
        written += &(last + &next);
        tail.wait_stdout_is(&written);
        if scene.path("app.log.2").exists() {
            gzip(&scene.path("app.log.2"), &scene.path("app.log.2.gz"));
        }
    }
    scene.append("app.log", "end\n");
    tail.wait_stdout_is(written + "end\n");
}

#[test]
fn late_lines_do_not_make_a_file_the_newest() {
    let scene = Scene::new("");
    let log = |name: &str| File::options().write(true).open(scene.path(name)).unwrap();
    let born = log("app.log").metadata().unwrap().created().unwrap_or(SystemTime::UNIX_EPOCH);
    scene.append("app.log", "1\n");
    log("app.log").set_modified(born + Duration::from_secs(60)).unwrap();
    assert_eq!(scene.once(&["--checkpoint=p"]).out(), "1\n");
    scene.rename("app.log", "app.log.2");
    scene.append("app.log.1", "2\n");
    log("app.log.1").set_modified(born + Duration::from_secs(30)).unwrap();
    scene.append("app.log", "3\n");
    assert_eq!(scene.once(&["--checkpoint=p"]).out(), "2\n3\n");
}

#[test]
fn positions_are_handed_on_however_many_files_are_open() {
    let scene = Scene::new("0\n");
    let listener = Peer::new("heka-listen", ["-o", "payload", "127.0.0.1:0"]);
    let line = format!("heka-tail --resume=p app.log | heka-send --commit=p {}", listener.addr);
    let _pipeline = sh(&line).dir(scene.dir.path()).spawn();
    let mut written = String::from("0\n");
    for round in 1..8 {
        listener.wait_stdout_is(&written);
        shift(&scene, 9);
        scene.append("app.log", &format!("{round}\n"));
        written += &format!("{round}\n");
    }
    listener.wait_stdout_is(&written);
    let inode = fs::metadata(scene.path("app.log")).unwrap().ino();
    eventually("the position of the last line", || {
        let shown = Tool::new("heka-tail").arg("--show-checkpoint=p").dir(scene.dir.path()).run();
        shown.out().contains(&format!("inode {inode} ")).then_some(())
    });
}

#[test]
fn numbered_and_compressed_while_it_runs() {
    let scene = Scene::new("first\n");
    numbered_rotation(&scene, &scene.follow(&["--rotate-wait=100ms"]));
}

#[test]
fn numbered_and_compressed_while_a_selection_runs() {
    let scene = Scene::new("first\n");
    numbered_rotation(&scene, &selection(&scene, &["--rotate-wait=100ms"]).spawn());
}

#[test]
fn rotated_while_a_selection_was_stopped() {
    let scene = Scene::new("1\n");
    let run = || -> Outcome { selection(&scene, &["--no-follow", "--checkpoint=pos"]).run() };
    run().succeeds().stdout_is("1\n");
    scene.append("app.log", "2\n");
    shift(&scene, 5);
    scene.append("app.log", "3\n");
    run().succeeds().stdout_is("2\n3\n");
    shift(&scene, 5);
    gzip(&scene.path("app.log.2"), &scene.path("app.log.2.gz"));
    scene.append("app.log", "4\n");
    run().succeeds().stdout_is("4\n");
    run().succeeds().stdout_is("");
}

#[test]
fn compressed_while_it_is_kept_open_it_is_not_read_again() {
    let scene = Scene::new("1\n");
    let tail = scene.follow(&["--rotate-wait=200ms"]);
    tail.wait_stdout_is("1\n");
    shift(&scene, 5);
    scene.append("app.log", "2\n");
    tail.wait_stdout_is("1\n2\n");
    gzip(&scene.path("app.log.1"), &scene.path("app.log.1.gz"));
    scene.append("app.log", "3\n");
    tail.wait_stdout_is("1\n2\n3\n");
    shift(&scene, 5);
    scene.append("app.log", "4\n");
    tail.wait_stdout_is("1\n2\n3\n4\n");
}

#[test]
fn a_large_compressed_file_is_read_once_to_its_end() {
    let scene = Scene::new("start\n");
    let run = || scene.once(&["--checkpoint=pos"]);
    run().succeeds().stdout_is("start\n");
    let lines: String = (0..100_000).map(|n| format!("line {n} of many\n")).collect();
    scene.append("app.log", &lines);
    // Two members, as from `cat a.gz b.gz`.
    let mut both = Vec::new();
    let bytes = fs::read(scene.path("app.log")).unwrap();
    for half in bytes.chunks(bytes.len() / 2 + 1) {
        let mut encoder = flate2::write::GzEncoder::new(&mut both, flate2::Compression::fast());
        encoder.write_all(half).unwrap();
        encoder.finish().unwrap();
    }
    fs::write(scene.path("app.log.1.gz"), both).unwrap();
    fs::remove_file(scene.path("app.log")).unwrap();
    scene.append("app.log", "new\n");
    run().succeeds().stdout_is(lines + "new\n");
    run().succeeds().stdout_is("");
}

#[test]
fn a_damaged_compressed_file_is_told_and_costs_no_other_line() {
    let scene = Scene::new("1\n");
    let run = || scene.once(&["--checkpoint=pos"]);
    run().succeeds().stdout_is("1\n");
    let lines: String = (0..50_000).map(|n| format!("line {n}\n")).collect();
    scene.append("app.log", &lines);
    shift(&scene, 5);
    gzip(&scene.path("app.log.1"), &scene.path("app.log.1.gz"));
    let len = fs::metadata(scene.path("app.log.1.gz")).unwrap().len();
    let file = OpenOptions::new().write(true).open(scene.path("app.log.1.gz")).unwrap();
    file.set_len(len / 2).unwrap();
    scene.append("app.log", "new\n");
    let outcome = run();
    outcome.exits(1).stderr_has("app.log.1.gz: ").stderr_has("the rest is skipped");
    let out = outcome.out();
    assert!(out.ends_with("\nnew\n"), "{:?}", &out[out.len() - 40..]);
    let read = out.trim_end_matches("new\n");
    assert!(lines.starts_with(&read[..read.rfind("\nline").unwrap_or(0)]), "in order, none twice");
    run().succeeds().stdout_is("");
}

#[test]
fn truncated_and_written_anew() {
    let scene = Scene::new("first, and rather long\n");
    let tail = scene.follow(&[]);
    tail.wait_stdout_is("first, and rather long\n");
    truncate(&scene, "app.log");
    scene.append("app.log", "second\n");
    tail.wait_stdout_is("first, and rather long\nsecond\n");
    scene.append("app.log", "third\n");
    tail.wait_stdout_is("first, and rather long\nsecond\nthird\n");
}

#[test]
fn copied_and_truncated_twice_between_two_looks() {
    let scene = Scene::new("1\n");
    let tail = scene.follow(&[]);
    tail.wait_stdout_is("1\n");
    tail.signal(Signal::SIGSTOP);
    for round in [2, 3] {
        scene.append("app.log", &format!("{round}\n"));
        if scene.path("app.log.1").exists() {
            scene.rename("app.log.1", "app.log.2");
        }
        fs::copy(scene.path("app.log"), scene.path("app.log.1")).unwrap();
        truncate(&scene, "app.log");
    }
    scene.append("app.log", "4\n");
    tail.signal(Signal::SIGCONT);
    tail.wait_stdout_is("1\n2\n3\n4\n");
}

#[test]
fn copied_and_not_yet_truncated() {
    let scene = Scene::new("1\n");
    let run = || scene.once(&["--checkpoint=pos"]);
    run().succeeds().stdout_is("1\n");
    scene.rename("app.log", "app.log.2");
    scene.append("app.log", "2\n2\n");
    // The clock of the file system advances between a file and its copy.
    let born = |name: &str| fs::metadata(scene.path(name)).unwrap().created().unwrap();
    eventually("a younger copy", || {
        fs::remove_file(scene.path("app.log.1")).ok();
        fs::copy(scene.path("app.log"), scene.path("app.log.1")).unwrap();
        (born("app.log.1") > born("app.log")).then_some(())
    });
    run().succeeds().stdout_is("2\n2\n");
    scene.append("app.log", "3\n");
    run().succeeds().stdout_is("3\n");
    truncate(&scene, "app.log");
    scene.append("app.log", "4\n");
    run().succeeds().stdout_is("4\n");
}

#[test]
fn the_same_lines_again_in_a_new_file_are_read_again() {
    let scene = Scene::new("ok\nok\n");
    let tail = scene.follow(&[]);
    tail.wait_stdout_is("ok\nok\n");
    tail.signal(Signal::SIGSTOP);
    shift(&scene, 5);
    scene.append("app.log", "ok\nok\nok\n");
    tail.signal(Signal::SIGCONT);
    tail.wait_stdout_is("ok\n".repeat(5));
}

#[test]
fn an_inode_that_is_used_again_is_another_file() {
    let scene = Scene::new("the old file\n");
    let flags = ["--checkpoint=pos"];
    scene.once(&flags).succeeds().stdout_is("the old file\n");
    let old = fs::metadata(scene.path("app.log")).unwrap().ino();
    fs::remove_file(scene.path("app.log")).unwrap();
    let mut spares = (0..200).map(|number| scene.path(&format!("spare{number}")));
    let found = spares.find(|path| File::create(path).unwrap().metadata().unwrap().ino() == old);
    let Some(found) = found else {
        heka_tests::skip_anywhere("this file system does not reuse inodes");
        return;
    };
    let text = "the new file, in the same inode\nand more\n";
    fs::write(&found, text).unwrap();
    fs::rename(found, scene.path("app.log")).unwrap();
    // Lines written to the old file after it was read are lost.
    scene.once(&flags).exits(1).stdout_is(text).stderr_has("the file read last is gone");
}

#[test]
fn an_unfinished_line_waits_for_its_end_also_over_a_stop() {
    let scene = Scene::new("whole\nunfin");
    let tail = scene.follow(&["--checkpoint=pos", "--checkpoint-every=1"]);
    tail.wait_stdout_is("whole\n");
    tail.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM).stdout_is("whole\n");
    let tail = scene.follow(&["--checkpoint=pos"]);
    scene.append("app.log", "ished\nnext\n");
    tail.wait_stdout_is("unfinished\nnext\n");
}

#[test]
fn a_directory_is_moved_away_and_back() {
    let scene = Scene::new("1\n");
    fs::create_dir(scene.path("logs")).unwrap();
    scene.append("logs/other.log", "1\n");
    // The directory above is watched as well: it reports the move first.
    let tail = scene.tool(&[]).args(["app.log", "logs/other.log"]).spawn();
    tail.wait_stdout_is("1\n1\n");
    scene.rename("logs", "elsewhere");
    scene.append("elsewhere/other.log", "2\n");
    scene.rename("elsewhere", "logs");
    tail.wait_stdout_is("1\n1\n2\n");
    scene.append("logs/other.log", "3\n");
    tail.wait_stdout_is("1\n1\n2\n3\n");
}

#[test]
fn busy_files_are_looked_at_and_quiet_ones_told_of() {
    let scene = Scene::new("");
    scene.append("quiet.log", "q0\n");
    std::os::unix::fs::symlink("far.log", scene.path("link.log")).unwrap();
    let tail = scene
        .tool(&["--busy-rate=20", "--verbose", "--rotate-wait=200ms"])
        .args(["app.log", "quiet.log", "link.log"])
        .spawn();
    tail.wait_stdout_is("q0\n");
    let mut written = 0;
    let mut write = |count| {
        for _ in 0..count {
            scene.append("app.log", &format!("{written:06}\n"));
            written += 1;
        }
        written
    };
    eventually("it is busy", || {
        write(10);
        tail.stderr().contains("busy; polling every").then_some(())
    });
    for round in 1..4 {
        write(100);
        scene.append("quiet.log", &format!("q{round}\n"));
        scene.append("far.log", &format!("f{round}\n"));
        write(100);
        shift(&scene, 5);
        write(100);
        scene.rename("quiet.log", &format!("quiet.log.{}", 4 - round));
        scene.append("quiet.log", &format!("Q{round}\n"));
    }
    let all = write(1);
    let is_complete = |out: &[u8]| {
        let out = String::from_utf8_lossy(out);
        let of = |start: &[char]| -> Vec<&str> {
            out.lines().filter(|line| line.starts_with(start)).collect()
        };
        let busy: Vec<&str> = out.lines().filter(|line| line.len() == 6).collect();
        let expected: Vec<String> = (0..all).map(|line| format!("{line:06}")).collect();
        busy == expected
            && of(&['q', 'Q']) == ["q0", "q1", "Q1", "q2", "Q2", "q3", "Q3"]
            && of(&['f']) == ["f1", "f2", "f3"]
    };
    tail.wait_stdout("every line once, in order", is_complete);
    // When nothing is busy any longer, everything is as before.
    tail.wait_stderr("quiet again");
    scene.append("app.log", "end\n");
    tail.wait_stdout("the end", |out| out.ends_with(b"end\n"));
    scene.append("quiet.log", "END\n");
    tail.wait_stdout("the other end", |out| out.ends_with(b"end\nEND\n"));
}

#[test]
fn compressed_at_once_while_its_writer_adds_a_line() {
    let lines: String = (1..101).map(|line| format!("{line}\n")).collect();
    for (flags, text) in [
        (&["--use-polling", "-s20ms"][..], lines.clone()),
        (&[], lines.clone()),
        (&["--use-polling", "-s20ms"], lines.repeat(20)),
    ] {
        let scene = Scene::new(&text);
        let writer = fs::OpenOptions::new().append(true).open(scene.path("app.log")).unwrap();
        let tail = scene.follow(flags);
        tail.wait_stdout_is(&text);
        tail.signal(Signal::SIGSTOP);
        scene.rename("app.log", "app.log.1");
        scene.append("app.log", "");
        gzip(&scene.path("app.log.1"), &scene.path("app.log.1.gz"));
        (&writer).write_all(b"late\n").unwrap();
        scene.append("app.log", "new\n");
        tail.signal(Signal::SIGCONT);
        tail.wait_stdout("the new line", |out| out.ends_with(b"new\n"));
        scene.append("app.log", "end\n");
        tail.wait_stdout_is(format!("{text}late\nnew\nend\n"));
    }
}

#[test]
fn overwritten_after_it_was_rotated_and_copied_short() {
    let lines: String = (1..1001).map(|line| format!("{line}\n")).collect();
    let scene = Scene::new(&lines);
    let tail = scene.follow(&["--use-polling", "-s20ms"]);
    tail.wait_stdout_is(&lines);
    tail.signal(Signal::SIGSTOP);
    // As shred(1) does, after compression.
    scene.append("app.log", "1001\n");
    scene.rename("app.log", "app.log.1");
    fs::copy(scene.path("app.log.1"), scene.path("copy")).unwrap();
    gzip(&scene.path("copy"), &scene.path("app.log.1.gz"));
    let file = fs::OpenOptions::new().write(true).open(scene.path("app.log.1")).unwrap();
    (&file).write_all(&b"\nrubbish".repeat(1000)).unwrap();
    fs::remove_file(scene.path("app.log.1")).unwrap();
    scene.append("app.log", "1002\n");
    tail.signal(Signal::SIGCONT);
    let lines = format!("{lines}1001\n1002\n");
    tail.wait_stdout_is(&lines);
    // A line written between a copy and the truncation is read, and the copy is not.
    tail.signal(Signal::SIGSTOP);
    scene.append("app.log", "1003\n");
    fs::copy(scene.path("app.log"), scene.path("app.log.1")).unwrap();
    tail.signal(Signal::SIGCONT);
    scene.append("app.log", "1004\n");
    let lines = format!("{lines}1003\n1004\n");
    tail.wait_stdout_is(&lines);
    truncate(&scene, "app.log");
    scene.append("app.log", "1005\n");
    tail.wait_stdout("the last line", |out| out.ends_with(b"1005\n"));
    scene.append("app.log", "1006\n");
    tail.wait_stdout_is(format!("{lines}1005\n1006\n"));
}

#[test]
fn rotated_files_compressed_by_other_programs() {
    let scene = Scene::new("0\n");
    let run = || scene.once(&["--checkpoint=pos"]);
    run().succeeds().stdout_is("0\n");
    for (round, (program, ending)) in
        [("xz", "xz"), ("bzip2", "bz2"), ("zstd -q --rm", "zst"), ("gzip", "gz")].iter().enumerate()
    {
        let name = program.split(' ').next().unwrap_or_default();
        if !require(name) {
            continue;
        }
        let text = format!("{round} in the rotated file\n");
        scene.append("app.log", &text);
        scene.rename("app.log", "app.log.1");
        sh(&format!("rm -f app.log.1.*; {program} app.log.1")).dir(scene.dir.path()).run();
        assert!(scene.path(&format!("app.log.1.{ending}")).exists());
        scene.append("app.log", &format!("{round} in the new one\n"));
        let expected = format!("{text}{round} in the new one\n");
        run().succeeds().stdout_is(expected).stderr_is("");
    }
}
