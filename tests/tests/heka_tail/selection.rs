// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-tail: the files of a stream, their order, and where reading starts.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use heka_tests::scene::Scene;
use heka_tests::{Outcome, Tool, eventually};

/// Creates files in `logs/` that contain their own names.
fn tree(names: &[&str]) -> Scene {
    let scene = Scene::new("");
    for name in names {
        let path = scene.path(&format!("logs/{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{name}\n")).unwrap();
    }
    scene
}

fn select(scene: &Scene, flags: &[&str]) -> Tool {
    scene.tool(&["--log-directory=logs"]).args(flags)
}

fn once(scene: &Scene, flags: &[&str]) -> Outcome {
    select(scene, flags).arg("--no-follow").run()
}

#[test]
fn months_and_days_need_no_translation() {
    let scene = tree(&[
        "2013/December/7-sun.log",
        "2014/feb/10-mon.log",
        "2014/feb/10-Tuesday.log",
        "2014/feb/9-sunday.log",
        "2014/January/31-fri.log",
    ]);
    once(
        &scene,
        &[
            r"--file-match=(?P<Year>\d+)/(?P<MonthName>\w+)/(?P<Day>\d+)-(?P<DayName>\w+)\.log",
            "--priority=Year,MonthName,Day,DayName",
        ],
    )
    .succeeds()
    .stdout_is(
        "2013/December/7-sun.log\n2014/January/31-fri.log\n2014/feb/9-sunday.log\n\
         2014/feb/10-mon.log\n2014/feb/10-Tuesday.log\n",
    );
}

#[test]
fn translations_give_texts_their_places() {
    let scene = tree(&["app-new.log", "app-old.log", "app-OLDEST.log", "app.log", "app-7.log"]);
    let pattern = r"--file-match=app(-(?P<Age>\w+))?\.log";
    // A text without a translation is its number, otherwise -1.
    let flags = ["--priority=Age", "--translation=Age:missing=9", "--translation=Age:oldest=-7"];
    once(
        &scene,
        &[&[pattern, "--translation=Age:NEW=8", "--translation=Age:old=0"], &flags[..]].concat(),
    )
    .succeeds()
    .stdout_is("app-OLDEST.log\napp-old.log\napp-7.log\napp-new.log\napp.log\n");
    once(&scene, &[pattern, "--priority=^Age", "--translation=Age:missing=9"])
        .succeeds()
        .stdout_has("app.log\napp-7.log\n");
    once(&scene, &[pattern, "--priority=Age", "--translation=Age:old=1"])
        .exits(2)
        .stderr_has("must have 'missing'");
    once(&scene, &[pattern, "--priority=Agee"]).exits(2).stderr_has("no group 'Agee'");
    once(&scene, &[pattern]).exits(1).stderr_has("no priority to sort them by");
    once(&scene, &[pattern, "--translation=Age=1"]).exits(2).stderr_has("GROUP:TEXT=NUM");
}

#[test]
fn old_files_are_left_out_and_told() {
    let scene = tree(&["a.log.2", "a.log.1", "a.log"]);
    let old = SystemTime::now() - Duration::from_secs(40 * 86_400);
    File::options()
        .write(true)
        .open(scene.path("logs/a.log.2"))
        .unwrap()
        .set_modified(old)
        .unwrap();
    let flags = [r"--file-match=a\.log(\.(?P<Seq>\d+))?", "--priority=^Seq"];
    let flags = [&flags[..], &["--translation=Seq:missing=0"]].concat();
    let outcome = once(&scene, &flags);
    outcome.succeeds().stdout_is("a.log.1\na.log\n");
    outcome.stderr_has("1 file skipped, older than --oldest");
    once(&scene, &[&flags[..], &["--oldest=0"]].concat())
        .succeeds()
        .stdout_is("a.log.2\na.log.1\na.log\n")
        .stderr_is("");
    once(&scene, &[&flags[..], &["--oldest=41d"]].concat())
        .succeeds()
        .stdout_is("a.log.2\na.log.1\na.log\n");
}

#[test]
fn symlinks_to_files_are_read_and_those_to_directories_not_entered() {
    let scene = tree(&["x/a.log"]);
    fs::create_dir(scene.path("far")).unwrap();
    scene.append("far/b.log", "far\n");
    std::os::unix::fs::symlink("../far", scene.path("logs/link")).unwrap();
    std::os::unix::fs::symlink("../far/b.log", scene.path("logs/c.log")).unwrap();
    let flags = [r"--file-match=(?P<Name>.*)\.log", "--differentiator=Name"];
    once(&scene, &flags).succeeds().stdout_is("far\nx/a.log\n");
}

#[test]
fn a_stream_that_appears_later_is_read_from_its_beginning_under_its_name() {
    let scene = tree(&["one.log"]);
    let tail = Tool::new("heka-tail")
        .args(["-j", "--log-directory=logs", r"--file-match=(?P<Name>\w+)\.log"])
        .args(["--differentiator=web-,Name", "-n", "0"])
        .dir(scene.dir.path())
        .spawn();
    // Started at the end, it prints nothing yet.
    let append = || scene.append("logs/one.log", "more\n");
    eventually("it follows", || {
        append();
        tail.stdout().ends_with(b"\n").then_some(())
    });
    fs::create_dir(scene.path("logs/new")).unwrap();
    scene.append("logs/two.log", "2\n");
    let out = tail.wait_stdout("the new stream", |out| {
        String::from_utf8_lossy(out).contains(r#""Logger":"web-two""#)
    });
    let out = String::from_utf8(out).unwrap();
    assert!(!out.contains("one.log"), "only what was appended: {out}");
    assert!(out.contains(r#""Logger":"web-one""#) && out.contains(r#""Payload":"2\n""#), "{out}");
}

#[test]
fn by_name_or_by_descriptor() {
    for flags in
        [&["-F"][..], &["-f"], &["--follow=name", "-s", "20ms"], &["--use-polling", "-s", "0.02"]]
    {
        let scene = Scene::new("1\n");
        let tail = scene.follow(flags);
        tail.wait_stdout_is("1\n");
        scene.rename("app.log", "app.log.1");
        scene.append("app.log", "2\n");
        tail.wait_stdout_is("1\n2\n");
    }
    let scene = Scene::new("1\n");
    let tail = scene.follow(&["--follow=descriptor", "-s", "20ms"]);
    tail.wait_stdout_is("1\n");
    scene.rename("app.log", "elsewhere");
    scene.append("app.log", "not this\n");
    scene.append("elsewhere", "2\n");
    let hup = || tail.signal(heka_tests::Signal::SIGHUP);
    eventually("the renamed file is followed", || {
        hup();
        (tail.stdout() == b"1\n2\n").then_some(())
    });
}

#[test]
fn sizes_and_counts_are_those_of_tail() {
    let scene = Scene::new(&"0123456789abcde\n".repeat(200));
    let whole = fs::read(scene.path("app.log")).unwrap();
    for (flags, from) in [
        (&["-c", "1K"][..], whole.len() - 1024),
        (&["-c", "1kB"], whole.len() - 1000),
        (&["-n", "-3"], whole.len() - 48),
        (&["-n3"], whole.len() - 48),
        (&["--lines=+200"], whole.len() - 16),
        (&["-n", "0"], whole.len()),
        (&["-n", "+0"], 0),
        (&["-n", "1", "-c", "1"], whole.len() - 1),
    ] {
        scene.once(flags).succeeds().stdout_is(&whole[from..]);
    }
}
