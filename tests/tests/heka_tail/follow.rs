// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-tail, one scenario after the other: each line is printed once and complete.

use std::fs::{self, OpenOptions};

use heka_tests::scene::{Scene, gzip};
use heka_tests::{Tool, eventually, vector};
use nix::sys::signal::Signal;

#[test]
fn rename_and_new_file_with_late_lines() {
    let scene = Scene::new("1\n");
    let tail = scene.follow(&[]);
    tail.wait_stdout_is("1\n");
    scene.rename("app.log", "app.log.1");
    scene.append("app.log.1", "2 before the new file\n");
    tail.wait_stdout_is("1\n2 before the new file\n");
    scene.append("app.log", "3\n");
    tail.wait_stdout_is("1\n2 before the new file\n3\n");
    scene.append("app.log.1", "4 late\n");
    tail.wait_stdout_is("1\n2 before the new file\n3\n4 late\n");
    tail.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
}

#[test]
fn several_rotations_between_two_looks() {
    let scene = Scene::new("1\n");
    let tail = scene.follow(&[]);
    tail.wait_stdout_is("1\n");
    tail.signal(Signal::SIGSTOP);
    scene.append("app.log", "2\n");
    scene.rename("app.log", "app.log.1");
    scene.append("app.log", "3\n");
    scene.rename("app.log.1", "app.log.2");
    scene.rename("app.log", "app.log.1");
    scene.append("app.log", "4\n");
    tail.signal(Signal::SIGCONT);
    tail.wait_stdout_is("1\n2\n3\n4\n");
}

#[test]
fn copytruncate_reads_the_rest_from_the_copy() {
    let scene = Scene::new("1\n");
    let tail = scene.follow(&[]);
    tail.wait_stdout_is("1\n");
    tail.signal(Signal::SIGSTOP);
    scene.append("app.log", "2\n");
    fs::copy(scene.path("app.log"), scene.path("app.log.1")).unwrap();
    OpenOptions::new().write(true).open(scene.path("app.log")).unwrap().set_len(0).unwrap();
    scene.append("app.log", "3\n");
    tail.signal(Signal::SIGCONT);
    tail.wait_stdout_is("1\n2\n3\n");
}

#[test]
fn truncated_and_rewritten_longer() {
    let scene = Scene::new("first one\n");
    let tail = scene.follow(&[]);
    tail.wait_stdout_is("first one\n");
    tail.signal(Signal::SIGSTOP);
    fs::write(scene.path("app.log"), "second one, which is longer\nthird\n").unwrap();
    tail.signal(Signal::SIGCONT);
    tail.wait_stdout_is("first one\nsecond one, which is longer\nthird\n");
}

#[test]
fn deleted_and_made_again_missing_at_first() {
    let scene = Scene::new("");
    fs::remove_file(scene.path("app.log")).unwrap();
    let tail = scene.follow(&[]);
    tail.wait_stderr("app.log: No such file or directory; waiting for it");
    scene.append("app.log", "1\n");
    tail.wait_stdout_is("1\n");
    fs::remove_file(scene.path("app.log")).unwrap();
    scene.append("app.log", "2\n");
    tail.wait_stdout_is("1\n2\n");
}

#[test]
fn an_unfinished_line_is_never_glued_to_the_next_file() {
    let scene = Scene::new("unfin");
    let tail = scene.follow(&["--rotate-wait=300ms"]);
    scene.append("app.log", "ished 1\nunfinished 2");
    tail.wait_stdout_is("unfinished 1\n");
    scene.rename("app.log", "app.log.1");
    scene.append("app.log", "b1\n");
    tail.wait_stdout_is("unfinished 1\nb1\nunfinished 2\n");
}

#[test]
fn rotated_while_stopped_and_compressed_afterwards() {
    let scene = Scene::new("1\n");
    let run = || scene.once(&["--checkpoint=pos"]);
    run().succeeds().stdout_is("1\n");
    scene.append("app.log", "2\n");
    scene.rename("app.log", "app.log.2");
    gzip(&scene.path("app.log.2"), &scene.path("app.log.2.gz"));
    scene.append("app.log.1", "3\n");
    scene.append("app.log", "4\n5 unfin");
    run().succeeds().stdout_is("2\n3\n4\n");
    scene.append("app.log", "ished\n");
    run().succeeds().stdout_is("5 unfinished\n");
    run().succeeds().stdout_is("");
}

#[test]
fn a_symlink_is_switched() {
    let scene = Scene::new("");
    fs::remove_file(scene.path("app.log")).unwrap();
    fs::create_dir(scene.path("a")).unwrap();
    fs::create_dir(scene.path("b")).unwrap();
    fs::write(scene.path("a/log"), "1\n").unwrap();
    fs::write(scene.path("b/log"), "3\n").unwrap();
    std::os::unix::fs::symlink("a/log", scene.path("app.log")).unwrap();
    let tail = scene.follow(&[]);
    tail.wait_stdout_is("1\n");
    scene.append("a/log", "2\n");
    tail.wait_stdout_is("1\n2\n");
    std::os::unix::fs::symlink("b/log", scene.path("new")).unwrap();
    scene.rename("new", "app.log");
    tail.wait_stdout_is("1\n2\n3\n");
    scene.append("b/log", "4\n");
    tail.wait_stdout_is("1\n2\n3\n4\n");
}

#[test]
fn a_directory_disappears_and_comes_back() {
    let scene = Scene::new("");
    fs::create_dir(scene.path("logs")).unwrap();
    scene.append("logs/app.log", "1\n");
    let tail = scene.tool(&["--sleep-interval=20ms"]).arg("logs/app.log").spawn();
    tail.wait_stdout_is("1\n");
    fs::remove_dir_all(scene.path("logs")).unwrap();
    fs::create_dir(scene.path("logs")).unwrap();
    scene.append("logs/app.log", "2\n");
    tail.wait_stdout_is("1\n2\n");
    scene.append("logs/app.log", "3\n");
    tail.wait_stdout_is("1\n2\n3\n");
}

#[test]
fn directories_and_patterns_gain_files() {
    let scene = Scene::new("");
    fs::create_dir(scene.path("logs")).unwrap();
    scene.append("logs/a.log", "a1\n");
    for operand in ["logs", "logs/*.log"] {
        // No line of a file that appears later is too old.
        let flags: &[&str] = if operand == "logs" { &["-n", "1"] } else { &[] };
        let tail = scene.tool(flags).arg(operand).spawn();
        tail.wait_stdout("a1", |out| out.starts_with(b"a1\n"));
        let name = format!("logs/new-{}.log", operand.len());
        scene.append(&name, "b0\nb1\n");
        tail.wait_stdout("b1", |out| out.ends_with(b"b0\nb1\n"));
        scene.append(&name, "b2\n");
        tail.wait_stdout("b2", |out| out.ends_with(b"b1\nb2\n"));
        fs::remove_file(scene.path(&name)).unwrap();
    }
}

#[test]
fn logstreamer_s_selection_puts_files_into_streams_in_order() {
    let scene = Scene::new("");
    for host in ["x", "y"] {
        fs::create_dir_all(scene.path(&format!("logs/{host}"))).unwrap();
        for (name, line) in [("a.log.2", 1), ("a.log.1", 2), ("a.log", 3)] {
            scene.append(&format!("logs/{host}/{name}"), &format!("{host}{line}\n"));
        }
    }
    let outcome = Tool::new("heka-tail")
        .args(["--no-follow", "-j", "--log-directory=logs", "--priority=^Seq"])
        .arg(r"--file-match=(?P<Host>[^/]+)/a\.log(\.(?P<Seq>\d+))?")
        .args(["--differentiator=web-,Host", "--translation=Seq:missing=0"])
        .dir(scene.dir.path())
        .run();
    outcome.succeeds();
    let lines: Vec<String> = outcome
        .out()
        .lines()
        .map(|line| {
            let member = |name: &str| {
                let start = line.split_once(&format!("\"{name}\":\"")).expect(name).1;
                start.split('"').next().unwrap_or_default().replace("\\n", "")
            };
            format!("{} {}", member("Logger"), member("Payload"))
        })
        .collect();
    assert_eq!(lines, ["web-x x1", "web-x x2", "web-x x3", "web-y y1", "web-y y2", "web-y y3"]);
}

#[test]
fn a_journal_of_heka_is_gone_on_with() {
    for case in ["short", "single"] {
        let scene = Scene::new("");
        let folder = vector(&format!("heka-journal/{case}"));
        fs::copy(folder.join("app.log"), scene.path("app.log")).unwrap();
        let journal = fs::read_to_string(folder.join("journal.json")).unwrap();
        let journal = journal.replace("@DIR@", scene.dir.path().to_str().unwrap());
        fs::write(scene.path("journal"), journal).unwrap();
        let all = fs::read(scene.path("app.log")).unwrap();
        let read = fs::read(folder.join("already-read")).unwrap();
        let flags = ["--import-journal=journal", "--checkpoint=pos"];
        scene.once(&flags).succeeds().stdout_is(&all[read.len()..]);
        scene.once(&flags).succeeds().stdout_is("");
        // Also when the file was renamed meanwhile.
        fs::remove_file(scene.path("pos")).unwrap();
        scene.rename("app.log", "app.log.1");
        scene.append("app.log", "new\n");
        let expected = [&all[read.len()..], b"new\n"].concat();
        scene.once(&flags).succeeds().stdout_is(expected);
        fs::remove_file(scene.path("pos")).unwrap();
        fs::remove_file(scene.path("app.log.1")).unwrap();
        scene.once(&flags).exits(1).stderr_has("no file of app.log has what was read last");
    }
}

#[test]
fn what_a_dead_reader_left_is_shipped_the_next_time() {
    let scene = Scene::new(&"0123456789\n".repeat(10_000));
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
    let tail = scene
        .tool(&["--no-follow", "--checkpoint=pos"])
        .arg("app.log")
        .stdout_file(write.into())
        .spawn();
    eventually("something is written", || {
        let mut fds =
            [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(&read), nix::poll::PollFlags::POLLIN)];
        (nix::poll::poll(&mut fds, 10u8) == Ok(1)).then_some(())
    });
    drop(read);
    tail.finish().killed_by(Signal::SIGPIPE);
    let outcome = scene.once(&["--checkpoint=pos"]);
    outcome.succeeds();
    assert_eq!(outcome.stdout.len(), 110_000);
}

#[test]
fn a_second_writer_of_positions_is_refused_and_positions_can_be_shown() {
    let scene = Scene::new("1\n");
    let tail = scene.follow(&["--checkpoint=pos", "--checkpoint-every=10ms"]);
    tail.wait_stdout_is("1\n");
    let second = scene.once(&["--checkpoint=pos"]);
    second.exits(1).stderr_is("heka-tail: pos: in use by another process\n");
    tail.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    let shown = Tool::new("heka-tail").arg("--show-checkpoint=pos").dir(scene.dir.path()).run();
    shown.succeeds().stdout_has("app.log: offset 2 ");
}

#[test]
fn trouble_with_the_position_file_is_told_and_following_goes_on() {
    let scene = Scene::new("1\n");
    // A directory in place of the temporary file: root cannot write that, either.
    fs::create_dir(scene.path("pos.new")).unwrap();
    let tail = scene.follow(&["--checkpoint=pos", "--checkpoint-every=10ms"]);
    tail.wait_stderr("positions are stored later");
    scene.append("app.log", "2\n");
    tail.wait_stdout_is("1\n2\n");
    fs::remove_dir(scene.path("pos.new")).unwrap();
    scene.append("app.log", "3\n");
    eventually("the position is saved", || {
        fs::metadata(scene.path("pos")).is_ok_and(|pos| pos.len() > 0).then_some(())
    });
    tail.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    scene.once(&["--checkpoint=pos"]).succeeds().stdout_is("");
}

#[test]
fn the_same_line_always_gets_the_same_uuid() {
    let scene = Scene::new("a\nb\na\n");
    let run = || {
        let out = Tool::new("heka-tail")
            .args(["-j", "--no-follow", "--uuid=position", "app.log"])
            .dir(scene.dir.path())
            .run();
        assert!(out.out().starts_with("{\"Uuid\":\""), "{}", out.out());
        out.out().lines().map(|line| line[9..45].to_owned()).collect::<Vec<_>>()
    };
    let first = run();
    assert_eq!(first, run());
    assert_ne!(first[0], first[2], "the same text in another place is another line");
    assert_eq!(&first[0][14..15], "8");
}

#[test]
fn records_of_every_kind() {
    let scene = Scene::new("a;b,c\nd\n");
    scene.once(&["--delimiter=;", "--no-incomplete"]).succeeds().stdout_is("a;");
    scene.once(&["--delimiter-regex=[;,\\n]"]).succeeds().stdout_is("a\nb\nc\nd\n");
    fs::write(scene.path("app.log"), "a\0b\u{ff}\0").unwrap();
    scene.once(&["-0"]).succeeds().stdout_is("a\0b\u{ff}\0");
    fs::write(scene.path("app.log"), [0xff, 0, 0xfe, b'\n']).unwrap();
    scene.once(&[]).succeeds().stdout_is([0xff, 0, 0xfe, b'\n']);
    fs::write(scene.path("app.log"), "12345678\nab\n").unwrap();
    let outcome = scene.once(&["--max-line=4", "--oversize=drop"]);
    outcome.exits(1).stdout_is("ab\n");
    outcome.stderr_is(
        "heka-tail: warning: app.log: offset 0: record longer than 4 bytes, dropped: \"1234\"...\n",
    );
    scene.once(&["--max-line=4", "--oversize=truncate"]).exits(1).stdout_is("1234\nab\n");
    // The limit counts the record without its delimiter.
    scene.once(&["--max-record=4"]).succeeds().stdout_is("1234\n5678\nab\n");
    scene.once(&["--max-record=8"]).succeeds().stdout_is("12345678\nab\n").stderr_is("");
}

#[test]
fn lines_that_belong_together_are_one_record() {
    let scene = Scene::new("1 a\n at x\n at y\n2 b\n");
    let tail = Tool::new("heka-tail")
        .args(["-j", "--multiline-start=^[0-9]", "--multiline-timeout=100ms", "app.log"])
        .dir(scene.dir.path())
        .spawn();
    let out = tail.wait_stdout("two records", |out| out.ends_with(b"}\n") && out.len() > 300);
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains(r#""Payload":"1 a\n at x\n at y\n""#), "{out}");
    assert!(out.contains(r#""Payload":"2 b\n""#), "{out}");
}

#[test]
fn start_and_headers_are_those_of_tail() {
    let scene = Scene::new("1\n2\n3\n");
    fs::write(scene.path("b"), "4\n").unwrap();
    scene.once(&["-n", "1"]).succeeds().stdout_is("3\n");
    scene.once(&["-n", "+3"]).succeeds().stdout_is("3\n");
    scene.once(&["-c", "3"]).succeeds().stdout_is("\n3\n");
    scene.once(&["-c", "+5"]).succeeds().stdout_is("3\n");
    let both = scene.tool(&["--no-follow", "-v", "-n", "1", "app.log", "b"]).run();
    both.succeeds().stdout_is("==> app.log <==\n3\n\n==> b <==\n4\n");
}

#[test]
fn pid_ends_after_everything_is_read() {
    let scene = Scene::new("1\n");
    let mut writer = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let pid = format!("--pid={}", writer.id());
    let tail = scene.follow(&[&pid, "--sleep-interval=20ms"]);
    tail.wait_stdout_is("1\n");
    scene.append("app.log", "2\n");
    writer.kill().unwrap();
    writer.wait().unwrap();
    tail.finish().succeeds().stdout_is("1\n2\n");
}

#[test]
fn signals_tell_the_lag_and_a_vanished_reader_ends_it() {
    let scene = Scene::new("1\n2");
    let tail = scene.follow(&[]);
    tail.wait_stdout_is("1\n");
    tail.signal(Signal::SIGHUP);
    tail.signal(Signal::SIGUSR1);
    tail.wait_stderr("heka-tail: app.log: 1 messages, 2 bytes, 1 bytes behind\n");
    tail.wait_stderr("1 messages, ");
    tail.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
    let tail = scene.tool(&[]).arg("app.log").stdout_file(write.into()).spawn();
    drop(read);
    tail.finish().killed_by(Signal::SIGPIPE);
}

#[test]
fn usage_is_checked_first() {
    let scene = Scene::new("");
    let fails = |flags: &[&str]| scene.tool(flags).run().exits(2).err();
    assert!(fails(&[]).contains("no FILE given"));
    assert!(fails(&["-n", "x", "app.log"]).contains("invalid value 'x' for '--lines'"));
    assert!(fails(&["--delimiter-regex=(", "app.log"]).contains("--delimiter-regex"));
    assert!(fails(&["--delimiter-regex=(a)(b)", "app.log"]).contains("one capture group"));
    assert!(fails(&["--pid=0", "app.log"]).contains("--pid"));
    assert!(fails(&["-"]).contains("heka-encode"));
    assert!(fails(&["--field=x", "app.log"]).contains("NAME=VALUE"));
    assert!(fails(&["--log-directory=nowhere", "--file-match=x"]).contains("nowhere"));
    scene
        .tool(&["--no-follow", "nope"])
        .run()
        .exits(1)
        .stderr_is("heka-tail: nope: No such file or directory\n");
    scene.tool(&["--no-retry", "nope"]).run().exits(1);
}
