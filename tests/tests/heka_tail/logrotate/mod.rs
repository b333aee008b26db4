// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-tail against the real logrotate, in all the ways that it can be configured: every line once
//! and in order, through links, kills and restarts.
//!
//! `HEKA_ROTATIONS=N` runs at least N rotations, `HEKA_ROTATE_SEED=N` starts with another seed.

mod order;
mod tail;
mod way;
mod writer;

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use heka_tests::{Random, Running, Tool, eventually, require, rest};
use nix::sys::signal::Signal;

use super::kept::Kept;
use tail::Tail;
use way::Way;
use writer::Writer;

/// Rotations of every day, and in CI.
const ROTATIONS: u64 = 300;
/// Logs that are rotated at the same time: most of the time there is a wait for something.
const LOGS: usize = 8;

/// A log that is written, rotated and followed.
struct Log {
    random: Random,
    way: Way,
    _scratch: Kept,
    dir: PathBuf,
    tail: Tail,
    writer: Writer,
    running: Option<Running>,
    kills: usize,
}

impl Log {
    fn new(seed: u64) -> Self {
        let mut random = Random::spread(seed);
        let way = Way::random(&mut random);
        let scratch = Kept::new();
        let dir = fs::canonicalize(scratch.path()).unwrap();
        let real = lay_out(&dir, way.is_linked);
        let config = dir.join("logrotate.conf");
        fs::write(&config, format!("{} {{\n{}\n}}\n", real.display(), way.config)).unwrap();
        fs::set_permissions(config, PermissionsExt::from_mode(0o644)).unwrap();
        let log = dir.join("logs/app.log");
        let tail = Tail { dir: dir.clone(), log, flags: way.flags.clone() };
        let writer = Writer::start(real);
        let running = Some(tail.start());
        eventually("a position", || {
            fs::metadata(dir.join("pos")).is_ok_and(|pos| pos.len() > 0).then_some(())
        });
        Self { random, way, _scratch: scratch, dir, tail, writer, running, kills: 0 }
    }

    /// Rotates, and stops heka-tail for that now and then.
    fn go_on(&mut self) {
        rest(Duration::from_millis(20 + self.random.below(60)));
        let is_down = self.random.below(5) == 0;
        self.await_open();
        if is_down {
            let signal = if self.way.kills { Signal::SIGKILL } else { Signal::SIGTERM };
            self.kills += usize::from(self.way.kills);
            self.running.take().unwrap().end_by(signal);
            self.tail.drop_unfinished();
        }
        let is_quiet = self.way.needs_quiet(is_down);
        if is_quiet {
            self.writer.quiet();
        }
        if self.way.shreds() && !is_down {
            self.tail.await_lines(self.writer.written());
        }
        let before = self.writer.written();
        rotate(&self.dir);
        if !is_quiet {
            rest(self.way.lag);
        }
        if self.way.truncates {
            self.writer.truncated();
        } else {
            self.writer.reopen(before);
        }
        self.writer.go_on();
        if is_down {
            self.running = Some(self.tail.start());
        }
    }

    /// Waits until heka-tail has read what is deleted by now, and has the log open: what comes to a
    /// file that is compressed and deleted is there for those only who have it open.
    fn await_open(&self) {
        if self.way.compresses && !self.way.truncates {
            let others = eventually("another file", || self.writer.left_behind());
            eventually("a line", || (self.writer.written() > others).then_some(()));
            self.tail.await_lines(others + 1);
        }
    }

    /// Waits until everything is there.
    fn end(self, seed: u64) {
        let (all, begun) = self.writer.end();
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.tail.count(all) < all && Instant::now() < deadline {
            rest(Duration::from_millis(50));
        }
        self.running.unwrap().end_by(Signal::SIGTERM);
        let mut counts = vec![0; usize::try_from(all).unwrap()];
        let read = self.tail.lines();
        read.iter().for_each(|&line| counts[usize::try_from(line).unwrap()] += 1);
        let lines = |is_meant: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..counts.len()).filter(|&line| is_meant(counts[line])).collect()
        };
        let (twice, missing) = (lines(&|count| count > 1 + self.kills), lines(&|count| count == 0));
        let swapped = order::out_of_order(&read, &begun);
        if twice.is_empty() && missing.is_empty() && swapped.is_empty() {
            return;
        }
        let err = fs::read_to_string(self.dir.join("err")).unwrap();
        let Way { config, flags, is_linked, .. } = &self.way;
        panic!(
            "seed {seed}: {config} {flags:?} linked {is_linked}\n\
             of {all}: {} too often {:?}, {} missing {:?}, {} out of order {:?}\n{err}",
            twice.len(),
            twice.iter().take(5).collect::<Vec<_>>(),
            missing.len(),
            missing.iter().take(5).collect::<Vec<_>>(),
            swapped.len(),
            swapped.iter().take(5).collect::<Vec<_>>()
        );
    }
}

/// Makes the log, which may be reached through a link; its real path.
fn lay_out(dir: &Path, is_linked: bool) -> PathBuf {
    let log = dir.join("logs/app.log");
    fs::create_dir(dir.join("logs")).unwrap();
    let real = if is_linked {
        fs::create_dir_all(dir.join("pods/c")).unwrap();
        symlink("../pods/c/app.log", log).unwrap();
        dir.join("pods/c/app.log")
    } else {
        log
    };
    File::create(&real).unwrap();
    real
}

/// Rotates once. There is only one rotation a second where names have dates.
fn rotate(dir: &Path) {
    eventually("a rotation", || {
        let tool = Tool::at("/usr/sbin/logrotate").args(["-f", "-s", "status", "logrotate.conf"]);
        let outcome = tool.dir(dir).run();
        if outcome.err().contains("already exists, skipping rotation") {
            rest(Duration::from_millis(50));
            return None;
        }
        assert!(outcome.status.success(), "{outcome}");
        Some(())
    });
}

/// Some rotations of one way; how many, and which it is.
fn run(seed: u64) -> (u64, String) {
    let mut log = Log::new(seed);
    let (rotations, name) = (log.way.rotations(), log.way.name());
    for _ in 0..rotations {
        log.go_on();
    }
    log.end(seed);
    (rotations, name)
}

/// What is left to do, and what went wrong.
struct Work {
    seed: u64,
    rotations: u64,
    /// All that was in the configurations.
    ways: String,
    failed: Vec<u64>,
}

/// Takes one way after the other until there were enough rotations.
fn work(work: &Mutex<Work>, wanted: u64) {
    loop {
        let seed = {
            let mut work = work.lock().unwrap();
            if work.rotations >= wanted {
                return;
            }
            work.seed += 1;
            work.seed
        };
        let done = std::panic::catch_unwind(|| run(seed));
        let mut work = work.lock().unwrap();
        match done {
            Ok((rotations, way)) => {
                work.rotations += rotations;
                work.ways += &way;
            }
            Err(panic) => {
                eprintln!("{}", panic.downcast_ref::<String>().cloned().unwrap_or_default());
                work.failed.push(seed);
                work.rotations += 1;
            }
        }
    }
}

#[test]
fn every_line_once_whatever_logrotate_does() {
    for program in ["logrotate", "xz", "zstd", "bzip2", "shred"] {
        if !require(program) {
            return;
        }
    }
    let number = |name: &str, default| {
        std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (wanted, first) = (number("HEKA_ROTATIONS", ROTATIONS), number("HEKA_ROTATE_SEED", 1));
    let (ways, failed) = (String::new(), Vec::new());
    let todo = Mutex::new(Work { seed: first - 1, rotations: 0, ways, failed });
    std::thread::scope(|scope| {
        for _ in 0..LOGS {
            scope.spawn(|| work(&todo, wanted));
        }
    });
    let done = todo.into_inner().unwrap();
    eprintln!("{} rotations", done.rotations);
    assert!(done.failed.is_empty(), "failed seeds: {:?}", done.failed);
    if wanted >= ROTATIONS {
        let is_there = |word: &&str| done.ways.split_whitespace().any(|other| other == *word);
        let missing: Vec<&str> = way::WORDS.split(' ').filter(|word| !is_there(word)).collect();
        assert!(missing.is_empty(), "not among the ways: {missing:?}");
    }
}
