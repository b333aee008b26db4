// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-tail as users of tail(1), filebeat and vector expect it.

use std::fs;
use std::process::Command;

use heka_tests::scene::Scene;
use heka_tests::{Tool, eventually, sh};
use nix::sys::signal::Signal;

#[test]
fn payloads_are_the_bytes_of_the_file() {
    let long = "x".repeat(1_000_000);
    for text in [
        format!("{long}\nshort\n{long}{long}\r\n\u{0}\n"),
        "unfinished".to_owned(),
        format!("a\n{long}"),
        "x".repeat(40_000_000),
        "\n\n".to_owned(),
    ] {
        let scene = Scene::new(&text);
        let outcome = scene.once(&[]);
        outcome.succeeds().stderr_is("");
        assert!(outcome.stdout == text.as_bytes(), "{} of {}", outcome.stdout.len(), text.len());
    }
    // Unfinished lines of several files are not joined.
    let scene = Scene::new("a");
    scene.append("b.log", "b");
    scene.tool(&["--no-follow", "app.log", "b.log"]).run().succeeds().stdout_is("a\nb");
    // Records over the user's limit are cut.
    let outcome = scene.tool(&["--no-follow", "--max-record=1", "b.log"]).run();
    outcome.succeeds().stdout_is("b");
}

#[test]
fn numbers_in_front_and_short_forms() {
    let lines: String = (1..31).map(|line| format!("{line}\n")).collect();
    let scene = Scene::new(&lines);
    let run = |flags: &[&str]| {
        let tool = Tool::new("heka-tail").args(flags).args(["--no-follow", "-o", "payload"]);
        tool.arg("app.log").dir(scene.dir.path()).run().succeeds().out()
    };
    assert_eq!(run(&["-2"]), "29\n30\n");
    assert_eq!(run(&["+30"]), "30\n");
    assert_eq!(run(&["-3c"]), "30\n");
    assert_eq!(run(&["-n", "3", "-c", "3"]), "30\n");
    assert_eq!(run(&["-c3", "-n1"]), "30\n");
    assert_eq!(run(&["-n", "99999999999999999999999"]), lines);
    assert_eq!(run(&["-n", "+99999999999999999999999"]), "");
    assert_eq!(run(&["--lin=1", "--silent"]), "30\n");
    let tail = Tool::new("heka-tail").args(["-2f", "-o", "payload", "app.log"]);
    let tail = tail.dir(scene.dir.path()).spawn();
    tail.wait_stdout_is("29\n30\n");
    scene.append("app.log", "31\n");
    tail.wait_stdout_is("29\n30\n31\n");
}

#[test]
fn files_whose_length_is_not_known() {
    let scene = Scene::new("");
    let run = |flags: &[&str], file: &str| {
        scene.tool(&["--no-follow"]).args(flags).arg(file).run().succeeds().out()
    };
    let version = fs::read_to_string("/proc/version").unwrap();
    assert_eq!(run(&["-n1"], "/proc/version"), version);
    assert_eq!(run(&["-c5"], "/proc/version"), version.get(version.len() - 5..).unwrap());
    let limits = fs::read_to_string("/proc/filesystems").unwrap();
    let last = limits.lines().last().unwrap();
    assert_eq!(run(&["-n1"], "/proc/filesystems"), format!("{last}\n"));
    let pages = "/sys/kernel/mm/transparent_hugepage/enabled";
    if let Ok(text) = fs::read_to_string(pages) {
        assert_eq!(run(&["-n1"], pages), text);
        assert_eq!(run(&["-c3"], pages), text.get(text.len() - 3..).unwrap());
    }
}

#[test]
fn it_ends_when_all_processes_are_dead() {
    let scene = Scene::new("1\n");
    let mut first = Command::new("sleep").arg("1000").spawn().unwrap();
    let mut second = Command::new("sleep").arg("1000").spawn().unwrap();
    let pids = [first.id(), second.id()].map(|pid| format!("--pid={pid}"));
    let tail = scene.follow(&[&pids[0], &pids[1], "-s20ms"]);
    tail.wait_stdout_is("1\n");
    first.kill().unwrap();
    first.wait().unwrap();
    scene.append("app.log", "2\n");
    tail.wait_stdout_is("1\n2\n");
    second.kill().unwrap();
    second.wait().unwrap();
    tail.finish().succeeds().stdout_is("1\n2\n");
}

#[test]
fn without_retry_it_ends_when_nothing_is_left() {
    let scene = Scene::new("1\n");
    let tail = scene.follow(&["--no-retry", "--rescan-interval=1h"]);
    tail.wait_stdout_is("1\n");
    scene.rename("app.log", "b.log");
    tail.finish().exits(1).stdout_is("1\n");
    let outcome = scene.tool(&["--no-retry", "none/*.log"]).run();
    outcome.exits(1).stderr_is("heka-tail: warning: none/*.log: no such file\n");
    let outcome = scene.tool(&["--no-follow", "no*.log", "b.log"]).run();
    let warning = "heka-tail: warning: no*.log: no such file\n";
    outcome.exits(1).stdout_is("1\n").stderr_is(warning);
}

#[test]
fn patterns_go_down_and_leave_out() {
    let scene = Scene::new("");
    for path in ["a/x.log", "a/b/y.log", "a/b/c/z.log", "a/b/debug/d.log", "a/b/y.tmp"] {
        fs::create_dir_all(scene.path(path).parent().unwrap()).unwrap();
        scene.append(path, &format!("{path}\n"));
    }
    let run = |flags: &[&str]| scene.tool(&["--no-follow"]).args(flags).run();
    run(&["a/**/*.log"]).succeeds().stdout_is("a/b/c/z.log\na/b/debug/d.log\na/b/y.log\na/x.log\n");
    let exclude = ["--exclude=**/debug/*", "--exclude=z*"];
    run(&[exclude[0], exclude[1], "a/**/*.log"]).succeeds().stdout_is("a/b/y.log\na/x.log\n");
    let selection = ["--log-directory=a", r"--file-match=.*\.log", "--differentiator=all"];
    run(&[&exclude[..], &["--exclude=[xy].log"], &selection].concat()).succeeds().stdout_is("");
    // Deep files that appear later, and old ones that are written to.
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(7200);
    fs::File::open(scene.path("a/x.log")).unwrap().set_modified(old).unwrap();
    let flags = ["--oldest=1h", exclude[0], exclude[1], "--rescan-interval=1h"];
    let tail = scene.tool(&flags).arg("a/**/*.log").spawn();
    tail.wait_stdout_is("a/b/y.log\n");
    fs::create_dir_all(scene.path("a/new/deep")).unwrap();
    scene.append("a/new/deep/n.log", "new\n");
    tail.wait_stdout_is("a/b/y.log\nnew\n");
    scene.append("a/new/deep/z.log", "excluded\n");
    scene.append("a/x.log", "written\n");
    tail.wait_stdout_is("a/b/y.log\nnew\na/x.log\nwritten\n");
}

#[test]
fn line_ends_and_encodings() {
    let scene = Scene::new("dos\r\nunix\n\r\nlast\r");
    scene.once(&["--chomp"]).succeeds().stdout_is("dos\nunix\n\nlast\r\n");
    let text = "\u{feff}grün\r\n\u{10a}\n\u{1f600} end";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs::write(scene.path("app.log"), &little).unwrap();
    let outcome = scene.once(&["--encoding=utf-16", "--checkpoint=pos"]);
    outcome.succeeds().stdout_is("grün\r\n\u{10a}\n").stderr_is("");
    let more: Vec<u8> = "ing\nnext\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut file = fs::OpenOptions::new().append(true).open(scene.path("app.log")).unwrap();
    std::io::Write::write_all(&mut file, &more).unwrap();
    let outcome = scene.once(&["--encoding=utf-16", "--checkpoint=pos", "--chomp"]);
    outcome.succeeds().stdout_is("\u{1f600} ending\nnext\n");
    fs::write(scene.path("app.log"), b"caf\xe9\n").unwrap();
    scene.once(&["--encoding=iso-8859-1"]).succeeds().stdout_is("café\n");
    scene.once(&["--encoding=klingon"]).exits(2);
    scene.once(&["--encoding=utf-16", "--multiline-start=x"]).exits(2);
}

#[test]
fn messages_say_which_file_they_came_from() {
    let scene = Scene::new("1\n");
    let flags = ["-o", "json", "--checkpoint=pos", "--path-field", "--path-regex=(?<app>[a-z]+)"];
    let run = || {
        let tool = Tool::new("heka-tail").args(flags).args(["--no-follow", "app.log"]);
        tool.dir(scene.dir.path()).run().succeeds().out()
    };
    let path = fs::canonicalize(scene.path("app.log")).unwrap().display().to_string();
    let out = run();
    assert!(out.contains(&format!("\"{path}\"")) && out.contains("\"app\""), "{out}");
    scene.append("app.log", "2\n");
    scene.rename("app.log", "app.log.1");
    scene.append("app.log", "3\n");
    let out = run();
    let of = |number: usize| out.lines().nth(number).unwrap_or_default().contains(".log.1\"");
    assert!(of(0) && !of(1), "{out}");
    let named = scene.tool(&["-ojson", "--no-follow", "--path-field=log.file.path", "app.log"]);
    assert!(named.run().out().contains("log.file.path"));
}

#[test]
fn journals_as_hekad_leaves_them() {
    let scene = Scene::new("1\n2\n");
    let tool = |journal: &str| {
        fs::write(scene.path("journal"), journal).unwrap();
        scene.once(&["--import-journal=journal"])
    };
    // The SHA-1 of 498 zeros and these two bytes.
    let hash = sh("{ head -c 498 /dev/zero; printf '1\\n'; } | sha1sum").run().out();
    let hash = hash.split(' ').next().unwrap_or_default().to_owned();
    let path = scene.path("app.log").display().to_string();
    let journal = format!("{{\"seek\":2,\"file_name\":\"{path}\",\"last_hash\":\"{hash}\"}}");
    tool(&journal).succeeds().stdout_is("2\n").stderr_is("");
    let outcome = tool(&format!("{journal}}}"));
    outcome.succeeds().stdout_is("2\n").stderr_has("ignoring what follows the journal");
    tool("").exits(1).stderr_is("heka-tail: journal: is empty\n");
}

#[test]
fn files_of_patterns_are_forgotten_when_they_are_gone() {
    let scene = Scene::new("");
    fs::create_dir(scene.path("logs")).unwrap();
    let flags = ["--checkpoint=pos", "--checkpoint-every=50ms", "--rotate-wait=50ms"];
    let tail = scene.tool(&flags).args(["--forget-after=1ms", "logs"]).spawn();
    let mut expected = String::new();
    for number in 0..50 {
        let name = format!("logs/job-{number}.txt");
        scene.append(&name, &format!("{number}\n"));
        expected += &format!("{number}\n");
        tail.wait_stdout_is(&expected);
        match number % 3 {
            0 => fs::remove_file(scene.path(&name)).unwrap(),
            1 => scene.rename(&name, &format!("moved-{number}")),
            _ => {}
        }
    }
    scene.append("logs/last.txt", "last\n");
    tail.wait_stdout_is(expected + "last\n");
    eventually("the position file holds what is there", || {
        let shown = Tool::new("heka-tail").arg("--show-checkpoint=pos").dir(scene.dir.path()).run();
        (shown.out().lines().count() == 17).then_some(())
    });
    assert_eq!(tail.end_by(Signal::SIGTERM).err(), "");
}
