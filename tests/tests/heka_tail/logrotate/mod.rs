// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-tail with the real logrotate in all its configurations: every line once and in order,
//! through links, kills and restarts.
//!
//! `HEKA_ROTATIONS=N` runs at least N rotations, `HEKA_ROTATE_SEED=N` starts with another seed.

mod order;
mod tail;
mod way;
mod writer;

use std::collections::BTreeMap;
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

/// Number of rotations by default, and in CI.
const ROTATIONS: u64 = 300;
/// Number of logs that are rotated at the same time: most of the time is spent waiting.
const LOGS: usize = 8;

/// A log that is written, rotated and followed.
struct Log {
    random: Random,
    way: Way,
    _scratch: Kept,
    dir: PathBuf,
    /// The path of the log without links.
    real: PathBuf,
    tail: Tail,
    writer: Writer,
    running: Option<Running>,
    kills: usize,
    stops: u64,
}

impl Log {
    fn new(seed: u64) -> Self {
        let mut random = Random::spread(seed);
        let way = Way::random(&mut random);
        let scratch = Kept::new();
        let dir = fs::canonicalize(scratch.path()).unwrap();
        let real = lay_out(&dir, way.links);
        let config = dir.join("logrotate.conf");
        fs::write(&config, format!("{} {{\n{}\n}}\n", real.display(), way.config)).unwrap();
        fs::set_permissions(config, PermissionsExt::from_mode(0o644)).unwrap();
        let log = dir.join("logs/app.log");
        let tail = Tail { dir: dir.clone(), log, flags: way.flags.clone() };
        let writer = Writer::start(real.clone());
        let running = Some(tail.start());
        eventually("a position", || {
            fs::metadata(dir.join("pos")).is_ok_and(|pos| pos.len() > 0).then_some(())
        });
        Self {
            random,
            way,
            _scratch: scratch,
            dir,
            real,
            tail,
            writer,
            running,
            kills: 0,
            stops: 0,
        }
    }

    /// Rotates, and stops heka-tail for that from time to time.
    fn go_on(&mut self) {
        rest(Duration::from_millis(20 + self.random.below(60)));
        if self.way.goes_by_size() {
            eventually("a log to rotate", || {
                fs::metadata(&self.real).is_ok_and(|log| log.len() > 1).then_some(())
            });
        }
        let is_down = self.random.below(5) == 0;
        self.await_open();
        if is_down {
            let signal = if self.way.kills { Signal::SIGKILL } else { Signal::SIGTERM };
            self.kills += usize::from(self.way.kills);
            self.stops += u64::from(!self.way.kills);
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
        self.rotate();
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

    /// Rotates once. There is only one rotation a second where names have dates.
    fn rotate(&self) {
        let force = if self.way.goes_by_size() { "-v" } else { "-f" };
        eventually("a rotation", || {
            let tool = Tool::at("/usr/sbin/logrotate").args([force, "-s", "status"]);
            let outcome = tool.arg("logrotate.conf").dir(&self.dir).run();
            let err = outcome.err();
            if err.contains("already exists, skipping rotation") {
                rest(Duration::from_millis(50));
                return None;
            }
            assert!(outcome.status.success(), "{outcome}");
            assert!(!err.contains("does not need rotating"), "{outcome}");
            Some(())
        });
    }

    /// Waits until heka-tail has read what is deleted by now, and has the log open: lines in a file
    /// that is compressed and deleted are available only to a process that has it open.
    fn await_open(&self) {
        if self.way.compresses && !self.way.truncates {
            let others = eventually("another file", || self.writer.left_behind());
            eventually("a line", || (self.writer.written() > others).then_some(()));
            self.tail.await_lines(others + 1);
        }
    }

    /// Waits until everything has been read, and returns it.
    fn end(self, seed: u64) -> Done {
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
            let repeated = (read.len() - counts.len()) as u64;
            let (kills, stops) = (self.kills as u64, self.stops);
            return Done { lines: all, stops, kills, repeated, ..Done::default() };
        }
        let err = fs::read_to_string(self.dir.join("err")).unwrap();
        let Way { config, flags, links, .. } = &self.way;
        panic!(
            "seed {seed}: {config} {flags:?} {links} links\n\
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

/// Creates the log, which may be reached through links as in /var/log/containers; returns its real
/// path.
fn lay_out(dir: &Path, links: usize) -> PathBuf {
    let log = dir.join("logs/app.log");
    let places = ["logs/app.log", "pods/shop_web_7/app/0.log", "docker/7/7-json.log"];
    let places = &places[..=links];
    for place in places {
        fs::create_dir_all(dir.join(place).parent().unwrap()).unwrap();
    }
    if links > 0 {
        symlink(Path::new("..").join(places[1]), &log).unwrap();
    }
    if links > 1 {
        symlink(Path::new("../../..").join(places[2]), dir.join(places[1])).unwrap();
    }
    let real = dir.join(places[links]);
    File::create(&real).unwrap();
    real
}

/// Counts of a run.
#[derive(Default)]
struct Done {
    rotations: u64,
    /// Number of rotations in each mode.
    modes: BTreeMap<&'static str, u64>,
    lines: u64,
    stops: u64,
    kills: u64,
    /// Lines that were repeated after a kill.
    repeated: u64,
}

impl Done {
    fn add(&mut self, other: &Self) {
        self.rotations += other.rotations;
        for (mode, count) in &other.modes {
            *self.modes.entry(mode).or_default() += count;
        }
        self.lines += other.lines;
        self.stops += other.stops;
        self.kills += other.kills;
        self.repeated += other.repeated;
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { rotations, lines, stops, kills, repeated, .. } = self;
        write!(f, "{rotations} rotations, {lines} lines, {stops} stops, {kills} kills, ")?;
        write!(f, "{repeated} lines again after a kill; rotations by mode:")?;
        self.modes.iter().try_for_each(|(mode, count)| write!(f, " {mode} {count}"))
    }
}

/// Some rotations in one way.
fn run(seed: u64) -> Done {
    let mut log = Log::new(seed);
    let rotations = log.way.rotations();
    let modes = log.way.modes().map(|mode| (mode, rotations)).collect();
    for _ in 0..rotations {
        log.go_on();
    }
    Done { rotations, modes, ..log.end(seed) }
}

/// The remaining work, and the failures.
struct Work {
    seed: u64,
    done: Done,
    failed: Vec<u64>,
}

/// Runs one way after the other until there were enough rotations.
fn work(work: &Mutex<Work>, wanted: u64) {
    loop {
        let seed = {
            let mut work = work.lock().unwrap();
            if work.done.rotations >= wanted {
                return;
            }
            work.seed += 1;
            work.seed
        };
        let done = std::panic::catch_unwind(|| run(seed));
        let mut work = work.lock().unwrap();
        match done {
            Ok(done) => work.done.add(&done),
            Err(panic) => {
                eprintln!("{}", panic.downcast_ref::<String>().cloned().unwrap_or_default());
                work.failed.push(seed);
                work.done.rotations += 1;
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
    let todo = Mutex::new(Work { seed: first - 1, done: Done::default(), failed: Vec::new() });
    std::thread::scope(|scope| {
        for _ in 0..LOGS {
            scope.spawn(|| work(&todo, wanted));
        }
    });
    let Work { done, failed, .. } = todo.into_inner().unwrap();
    eprintln!("{done}");
    assert!(failed.is_empty(), "failed seeds: {failed:?}");
    if wanted >= ROTATIONS {
        for mode in way::MODES {
            assert!(done.modes.get(mode).is_some_and(|count| *count > 0), "{mode}: {done}");
        }
    }
}
