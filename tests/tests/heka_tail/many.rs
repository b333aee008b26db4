// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-tail with thousands of files: the cost of each, and of a new one beside them.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::time::{Duration, SystemTime};

use heka_tests::scene::{Scene, lets_go_of, rests};
use heka_tests::{Running, Tool, eventually};
use nix::sys::signal::Signal;

/// Creates these files, each with a line written a minute ago.
fn make(scene: &Scene, numbers: std::ops::Range<usize>) {
    let written = SystemTime::now() - Duration::from_secs(60);
    for number in numbers {
        let mut file = File::create(scene.path(&format!("app/name-{number:05}.log"))).unwrap();
        file.write_all(b"x\n").unwrap();
        file.set_modified(written).unwrap();
    }
}

/// Follows them until a line of each is printed.
fn follow(scene: &Scene, flags: &[&str], count: usize) -> Running {
    let tail = scene.tool(flags).spawn();
    tail.wait_stdout("a line of each", |out| out.len() == 2 * count);
    tail
}

fn scene() -> Scene {
    let scene = Scene::new("");
    fs::create_dir(scene.path("app")).unwrap();
    scene
}

/// Maximum memory of idle files in KiB, while positions are saved.
fn idle_memory(scene: &Scene, flags: &[&str], count: usize) -> u64 {
    let tail = follow(scene, flags, count);
    rests(&tail);
    let mut most = tail.memory();
    let pos = scene.path(&format!("pos-{count}"));
    if !flags[0].starts_with("--checkpoint") {
        return most;
    }
    let saved = || fs::metadata(&pos).map(|pos| (pos.ino(), pos.len())).unwrap();
    assert!(saved().1 > 100 * count as u64, "all positions are there");
    let save = |tail: &Running, lines: usize| {
        let before = saved();
        scene.append("app/name-00000.log", "x\n");
        tail.wait_stdout("its line", |out| out.len() == 2 * lines);
        eventually("it is saved", || (saved() != before).then(|| tail.memory()))
    };
    for lines in 1..=20 {
        most = most.max(save(&tail, count + lines));
    }
    tail.end_by(Signal::SIGTERM);
    // The next run resumes where they are, and writes the file anew.
    let tail = scene.tool(flags).spawn();
    save(&tail, 1);
    rests(&tail);
    for lines in 2..=3 {
        most = most.max(save(&tail, lines));
    }
    drop(tail);
    fs::remove_file(scene.path("app/name-00000.log")).unwrap();
    make(scene, 0..1);
    most
}

#[test]
fn an_idle_file_takes_less_than_a_kibibyte() {
    let (few, many) = (4_500, 19_500);
    let scene = scene();
    let app = scene.path("app").display().to_string();
    let memory = |count| {
        let by = ["--file-match=(?P<Name>[^/]+)\\.log", "--differentiator=Name"];
        let kept = [format!("--checkpoint=pos-{count}"), "--checkpoint-every=1".into()];
        let pattern = format!("{app}/*.log");
        let ways = [
            vec![kept[0].clone(), kept[1].clone(), pattern],
            vec![format!("--log-directory={app}"), by[0].into(), by[1].into()],
        ];
        ways.map(|flags| {
            let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
            idle_memory(&scene, &flags, count)
        })
    };
    make(&scene, 0..few);
    let before = memory(few);
    make(&scene, few..many);
    let after = memory(many);
    for (way, (before, after)) in before.iter().zip(after).enumerate() {
        let each = (after - before) * 1024 / (many - few) as u64;
        assert!(each < 1024, "way {way}: {each} bytes");
    }
}

#[test]
fn a_file_that_comes_and_goes_beside_thousands_costs_less_than_a_millisecond() {
    let (count, new) = (5_000, 300);
    let scene = scene();
    make(&scene, 0..count);
    let tail = follow(&scene, &["--rotate-wait=50ms", "app"], count);
    let before = tail.processor_time();
    for number in 0..new {
        let name = scene.path(&format!("app/new-{number}.log"));
        fs::write(&name, "x\n").unwrap();
        let lines = count + number + 1;
        tail.wait_stdout("its line", |out| out.len() == 2 * lines);
        fs::remove_file(name).unwrap();
    }
    lets_go_of(&tail, "new-");
    let used = tail.processor_time() - before;
    assert!(used < Duration::from_millis(new as u64), "{used:?}");
}

#[test]
fn a_link_on_the_way_to_thousands_makes_nothing_slow() {
    let count = 5_000;
    let scene = scene();
    make(&scene, 0..count);
    std::os::unix::fs::symlink("app", scene.path("link")).unwrap();
    let used = |operand| follow(&scene, &[operand], count).processor_time();
    let (straight, linked) = (used("app"), used("link/*.log"));
    assert!(linked < 2 * straight + Duration::from_millis(200), "{linked:?}, {straight:?}");
    // The link gets another target.
    let tail = follow(&scene, &["link/*.log"], count);
    fs::create_dir(scene.path("other")).unwrap();
    fs::write(scene.path("other/name-00007.log"), "new\n").unwrap();
    let ln = Tool::at("/bin/ln").args(["-sfn", "other", "link"]).dir(scene.dir.path());
    ln.run().succeeds();
    tail.wait_stdout("what is there now", |out| out.ends_with(b"new\n"));
}
