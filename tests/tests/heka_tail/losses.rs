// SPDX-License-Identifier: MIT OR Apache-2.0
//! Situations in which heka-tail once lost a line, was late, or harmed other files.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use heka_tests::scene::{Scene, gzip, lets_go_of};
use heka_tests::{Outcome, Running, StoppableDisk, Tool, eventually, sh};
use nix::sys::signal::Signal;

/// Returns its processor time in hundredths of a second.
fn ticks(tail: &Running) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", tail.pid())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn deleted_and_made_again_with_the_same_first_line() {
    let scene = Scene::new("#Fields: date time\n");
    let tail = scene.follow(&[]);
    tail.wait_stdout_is("#Fields: date time\n");
    fs::remove_file(scene.path("app.log")).unwrap();
    scene.append("app.log", "#Fields: date time\nline1\n");
    scene.append("app.log", "line2\n");
    tail.wait_stdout_is("#Fields: date time\n#Fields: date time\nline1\nline2\n");
    tail.end_by(Signal::SIGTERM);
    // The same while it is stopped.
    let run = || scene.once(&["--checkpoint=pos"]);
    run().succeeds();
    fs::rename(scene.path("app.log"), scene.path("gone")).unwrap();
    fs::copy(scene.path("gone"), scene.path("app.log")).unwrap();
    scene.append("app.log", "line3\n");
    run().succeeds().stdout_is("#Fields: date time\nline1\nline2\nline3\n");
}

#[test]
fn a_file_of_a_directory_that_comes_again_is_not_called_rewritten() {
    let scene = Scene::new("");
    for name in ["a.log", "b.log"] {
        fs::create_dir_all(scene.path("logs")).unwrap();
        scene.append(&format!("logs/{name}"), "1\n");
    }
    let flags = ["--checkpoint=pos", "--checkpoint-every=1", "--rotate-wait=50ms"];
    scene.tool(&flags).args(["--no-follow", "logs"]).run().succeeds().stdout_is("1\n1\n");
    let tail = scene.tool(&flags).arg("logs").spawn();
    scene.append("logs/b.log", "2\n");
    tail.wait_stdout_is("2\n");
    fs::remove_file(scene.path("logs/a.log")).unwrap();
    eventually("it is forgotten", || {
        let shown = Tool::new("heka-tail").arg("--show-checkpoint=pos").dir(scene.dir.path()).run();
        scene.append("logs/b.log", "more\n");
        (shown.out().lines().count() == 1).then_some(())
    });
    scene.append("logs/a.log", "3\n");
    tail.wait_stdout("the new file", |out| out.windows(2).any(|line| line == b"3\n"));
    assert_eq!(tail.end_by(Signal::SIGTERM).err(), "");
}

#[test]
fn replaced_by_a_copy_that_goes_on() {
    let long = "a line as any other\n".repeat(50);
    let scene = Scene::new(&long);
    let tail = scene.follow(&["--verbose"]);
    tail.wait_stdout_is(&long);
    for round in 0..3 {
        // As rsync does.
        fs::copy(scene.path("app.log"), scene.path("new")).unwrap();
        scene.append("new", &format!("new {round}\n"));
        scene.rename("new", "app.log");
        tail.wait_stdout("the new line", |out| out.ends_with(format!("new {round}\n").as_bytes()));
    }
    scene.append("app.log", "end\n");
    tail.wait_stdout_is(long + "new 0\nnew 1\nnew 2\nend\n");
}

#[test]
fn the_first_of_several_copies_is_the_one() {
    let scene = Scene::new("#Fields\n");
    let run = || scene.once(&["--checkpoint=pos"]);
    run().succeeds().stdout_is("#Fields\n");
    for (number, line) in [(2, "1\n"), (1, "2\n")] {
        scene.append("app.log", line);
        let to = format!("app.log.{number}.gz");
        gzip(&scene.path("app.log"), &scene.path(&to));
        scene.append("app.log", "#Fields\n");
    }
    run().succeeds().stdout_is("1\n#Fields\n2\n#Fields\n");
}

#[test]
fn positions_that_cannot_be_saved_cost_no_time() {
    let scene = Scene::new("1\n");
    fs::create_dir(scene.path("pos.new")).unwrap();
    let tail = scene.follow(&["--checkpoint=pos", "--checkpoint-every=2"]);
    scene.append("app.log", "2\n3\n");
    tail.wait_stderr("positions are stored later");
    // It retries after a second, and again before the two records are complete.
    scene.append("app.log", "4\n");
    tail.wait_stdout_is("1\n2\n3\n4\n");
    let (before, start) = (ticks(&tail), std::time::Instant::now());
    eventually("two seconds", || (start.elapsed().as_millis() > 2000).then_some(()));
    let used = ticks(&tail) - before;
    assert!(used < 40, "{used} hundredths of a second");
    fs::remove_dir(scene.path("pos.new")).unwrap();
    eventually("the position is saved", || {
        fs::metadata(scene.path("pos")).is_ok_and(|pos| pos.len() > 0).then_some(())
    });
}

#[test]
fn a_file_that_cannot_be_read_any_more_keeps_nothing_waiting() {
    // Reading the start of this file is an error that no other file has.
    let scene = Scene::new("");
    fs::remove_file(scene.path("app.log")).unwrap();
    std::os::unix::fs::symlink("/proc/self/mem", scene.path("app.log")).unwrap();
    let tail = scene.follow(&["--verbose", "--no-gzip-rotated"]);
    tail.wait_stderr("app.log: Input/output error");
    scene.append("real", "1\n");
    std::os::unix::fs::symlink("real", scene.path("new")).unwrap();
    scene.rename("new", "app.log");
    tail.wait_stdout_is("1\n");
    tail.wait_stderr("app.log: readable again");
    let err = tail.end_by(Signal::SIGTERM).err();
    assert_eq!(err.matches("Input/output error").count(), 1, "{err}");
}

const GROUPED: &str = "--multiline-continue=^ ";

#[test]
fn messages_of_several_lines_are_written_at_the_end() {
    let text = "a\n more\nb\n more\n";
    let scene = Scene::new(&format!("{text}unfin"));
    let patient = ["-u", GROUPED, "--multiline-timeout=1h"];
    let tail = scene.follow(&patient);
    tail.wait_stdout_is("a\n more\n");
    tail.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM).stdout_is(text);
    let tail = scene.follow(&[&patient[..], &["--incomplete"]].concat());
    tail.wait_stdout_is("a\n more\n");
    tail.end_by(Signal::SIGTERM).stdout_is(format!("{text}unfin\n"));
    // A later run reads the rest.
    let tail = scene.follow(&[&patient[..], &["--checkpoint=pos"]].concat());
    tail.wait_stdout_is("a\n more\n");
    tail.end_by(Signal::SIGTERM).stdout_is("a\n more\n");
    // A rotated file may contain one, too.
    let tail = scene.follow(&patient);
    tail.wait_stdout_is("a\n more\n");
    scene.rename("app.log", "app.log.1");
    scene.append("app.log", "c\nd\n");
    tail.wait_stdout_is("a\n more\nc\n");
    tail.end_by(Signal::SIGTERM).stdout_is("a\n more\nc\nb\n more\nd\n");
}

#[test]
fn messages_of_several_lines_do_not_wait_for_the_end_of_a_rotated_file() {
    let scene = Scene::new("a\nb\n more\n");
    let tail = scene.follow(&[
        GROUPED,
        "--multiline-timeout=300ms",
        "--rotate-wait=1h",
        "--checkpoint=pos",
    ]);
    tail.wait_stdout_is("a\n");
    scene.rename("app.log", "app.log.1");
    scene.append("app.log", "c\n");
    tail.wait_stdout("both", |out| {
        let out = String::from_utf8_lossy(out);
        out.contains("b\n more\n") && out.contains("c\n")
    });
    tail.end_by(Signal::SIGTERM);
    // Lines of files that are read one after the other stay in order.
    let scene = Scene::new("1\n");
    let run = || scene.once(&[GROUPED, "--checkpoint=pos"]);
    run().succeeds().stdout_is("1\n");
    scene.append("app.log", "2\n 2\n");
    scene.rename("app.log", "app.log.1");
    scene.append("app.log", "3\n 3\n");
    run().succeeds().stdout_is("2\n 2\n3\n 3\n");
}

#[test]
fn late_lines_of_a_rotated_file_are_read_by_the_next_run() {
    let scene = Scene::new("1\n");
    let run = || scene.once(&["--checkpoint=pos"]);
    run().succeeds().stdout_is("1\n");
    scene.rename("app.log", "app.log.1");
    scene.append("app.log.1", "2\n");
    scene.append("app.log", "3\n");
    run().succeeds().stdout_is("2\n3\n");
    scene.append("app.log.1", "late\nunfin");
    run().succeeds().stdout_is("late\n");
    scene.append("app.log.1", "ished\n");
    scene.append("app.log", "4\n");
    run().succeeds().stdout_is("unfinished\n4\n");
    run().succeeds().stdout_is("");
}

#[test]
fn one_that_is_far_behind_keeps_nothing_waiting() {
    // Zeros, which take no space on the disk: more than can be read in time.
    let scene = Scene::new("");
    fs::OpenOptions::new()
        .write(true)
        .open(scene.path("app.log"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    let tail = scene.tool(&["-u", "--oversize=drop"]).arg(".").spawn();
    tail.wait_stderr("record longer than");
    scene.append("b.log", "1\n");
    tail.wait_stdout_is("1\n");
    scene.append("b.log", "2\n");
    tail.wait_stdout_is("1\n2\n");
    scene.rename("b.log", "b.log.1");
    scene.append("b.log", "3\n");
    tail.wait_stdout_is("1\n2\n3\n");
    tail.signal(Signal::SIGUSR1);
    tail.wait_stderr("heka-tail: b.log: 3 messages, 6 bytes, 0 bytes behind\n");
    tail.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
}

#[test]
fn files_do_not_stay_open() {
    let scene = Scene::new("");
    fs::create_dir(scene.path("many")).unwrap();
    for number in 0..100 {
        scene.append(&format!("many/{number:03}.log"), "1\n");
    }
    for line in [
        "ulimit -n 40; heka-tail -o payload --no-follow --checkpoint=pos many; \
         exec heka-tail --show-checkpoint=pos",
        "ulimit -Sn 40; exec heka-tail -o payload --pid=4000000 many",
    ] {
        let outcome = sh(line).dir(scene.dir.path()).run();
        outcome.succeeds().stderr_is("");
        assert!(outcome.out().starts_with(&"1\n".repeat(100)), "{}", outcome.out());
        let positions = outcome.out().lines().filter(|line| line.contains("offset 2 ")).count();
        assert!([0, 100].contains(&positions), "{}", outcome.out());
    }
}

#[test]
fn numbers_that_rise_are_read_in_order() {
    let scene = Scene::new("1\n");
    let run = || scene.once(&["--checkpoint=pos"]);
    run().succeeds().stdout_is("1\n");
    // Events within a tick of the file system's clock have no order.
    let later = |name: &str, than: &str| {
        let born = |name: &str| fs::metadata(scene.path(name)).unwrap().created().unwrap();
        eventually("a younger file", || {
            fs::remove_file(scene.path(name)).ok();
            scene.append(name, "");
            (born(name) > born(than)).then_some(())
        });
    };
    scene.rename("app.log", "app.log.5");
    for number in [6, 7] {
        later("app.log", &format!("app.log.{}", number - 1));
        scene.append("app.log", &format!("{}\n", number - 4));
        scene.rename("app.log", &format!("app.log.{number}"));
    }
    later("app.log", "app.log.7");
    scene.append("app.log", "4\n");
    run().succeeds().stdout_is("2\n3\n4\n");
    run().succeeds().stdout_is("");
}

#[test]
fn one_that_is_moved_back_goes_on_where_it_was_left() {
    let scene = Scene::new("1\n");
    let tail = scene.follow(&["--rotate-wait=100ms"]);
    tail.wait_stdout_is("1\n");
    scene.rename("app.log", "app.log.1");
    scene.append("app.log", "2\n");
    tail.wait_stdout_is("1\n2\n");
    // It is closed after a while.
    lets_go_of(&tail, "app.log.1");
    scene.append("app.log.1", "3\n");
    scene.rename("app.log", "app.log.2");
    scene.rename("app.log.1", "app.log");
    tail.wait_stdout_is("1\n2\n3\n");
    scene.append("app.log", "4\n");
    tail.wait_stdout_is("1\n2\n3\n4\n");
}

#[test]
fn an_unfinished_first_line_is_delivered_when_its_file_is_truncated() {
    let scene = Scene::new("unfin");
    scene.append("b.log", "1\n");
    // The files are checked in this order.
    let tail = scene.tool(&["app.log", "b.log"]).spawn();
    tail.wait_stdout_is("1\n");
    fs::write(scene.path("app.log"), "ok\n").unwrap();
    tail.wait_stdout_is("1\nunfin\nok\n");
}

#[test]
fn a_link_that_a_link_leads_through_is_switched() {
    let scene = Scene::new("");
    let link = |to: &str, name: &str| {
        std::os::unix::fs::symlink(to, scene.path("new")).unwrap();
        scene.rename("new", name);
    };
    for (folder, line) in [("data/1", "1\n"), ("data/2", "2\n")] {
        fs::create_dir_all(scene.path(folder)).unwrap();
        scene.append(&format!("{folder}/log"), line);
    }
    link("1", "data/now");
    link("data/now/log", "app.log");
    let tail = scene.follow(&["--rescan-interval=1h"]);
    tail.wait_stdout_is("1\n");
    link("2", "data/now");
    tail.wait_stdout_is("1\n2\n");
    scene.append("data/2/log", "3\n");
    tail.wait_stdout_is("1\n2\n3\n");
}

#[test]
fn what_is_deleted_before_it_is_read_is_reported_with_its_size() {
    let scene = Scene::new("1\n");
    let run = || scene.once(&["--checkpoint=pos"]);
    run().succeeds().stdout_is("1\n");
    // More than the reader can accept before the next file is gone.
    let line = format!("{}\n", "x".repeat(999));
    scene.append("app.log", &line.repeat(4000));
    scene.rename("app.log", "app.log.2");
    scene.append("app.log.1", "lost\n");
    scene.append("app.log", "2\n");
    let outcome = sh("{ heka-tail --no-follow --checkpoint=pos -o payload app.log; echo $?; } | \
         { read -r line; rm app.log.1; tail -n 2; }")
    .dir(scene.dir.path())
    .run();
    outcome.succeeds().stdout_is("2\n1\n");
    outcome.stderr_has("/app.log.1: deleted before it was read; 5 bytes are lost\n");
    run().succeeds().stdout_is("").stderr_is("");
}

/// What is new since the last run in that folder.
fn once_in(folder: &Path) -> Outcome {
    let flags = ["--no-follow", "-opayload", "--checkpoint=pos", "app.log"];
    Tool::new("heka-tail").args(flags).dir(folder).run()
}

/// Without times of birth, too, a file of which nothing was read is looked for in its copies.
#[test]
fn without_times_of_birth_copies_of_what_was_not_read_are_read() {
    let Some(disk) = StoppableDisk::without_birth_times() else { return };
    let scene = |name: &str| {
        let folder = disk.path().join(name);
        fs::create_dir(&folder).unwrap();
        (folder.join("app.log"), folder.join("app.log.1"), folder)
    };
    let (log, first, folder) = scene("copied");
    fs::write(&log, "").unwrap();
    once_in(&folder).succeeds().stdout_is("");
    fs::write(&log, "1\n2\n").unwrap();
    fs::copy(&log, &first).unwrap();
    fs::write(&log, "3\n").unwrap();
    once_in(&folder).succeeds().stdout_is("1\n2\n3\n").stderr_is("");
    let (log, first, folder) = scene("compressed");
    fs::write(&log, "0\n").unwrap();
    once_in(&folder).succeeds().stdout_is("0\n");
    fs::rename(&log, &first).unwrap();
    fs::write(&log, "").unwrap();
    once_in(&folder).succeeds().stdout_is("");
    fs::write(&log, "1\n2\n").unwrap();
    fs::rename(&first, folder.join("app.log.2")).unwrap();
    fs::rename(&log, &first).unwrap();
    gzip(&first, &folder.join("app.log.1.gz"));
    fs::write(&log, "3\n").unwrap();
    once_in(&folder).succeeds().stdout_is("1\n2\n3\n").stderr_is("");
}

/// What CAVEATS says of file systems without times of birth, and no more than that.
#[test]
fn a_new_file_with_the_inode_and_the_beginning_of_the_old_one_is_taken_for_it() {
    let Some(disk) = StoppableDisk::without_birth_times() else { return };
    let path = disk.path().join("app.log");
    let once = || once_in(&disk.path());
    let renew = |text: &str| {
        let inode = fs::metadata(&path).unwrap().ino();
        fs::remove_file(&path).unwrap();
        fs::write(&path, text).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode, "the lowest that is free");
    };
    fs::write(&path, "head\n").unwrap();
    once().succeeds().stdout_is("head\n");
    renew("head\nnew\n");
    once().succeeds().stdout_is("new\n").stderr_is("");
    renew("tail\nnew\n");
    once().stdout_is("tail\nnew\n").stderr_has("gone or was rewritten after byte 9");
    let same = format!("{}\n", "x".repeat(499));
    renew(&format!("one\n{same}"));
    once().stdout_is(format!("one\n{same}"));
    renew(&format!("two\n{same}three\n"));
    once().succeeds().stdout_is("three\n").stderr_is("");
}
