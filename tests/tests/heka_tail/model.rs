// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-tail against random schedules: writes, rotations of all kinds, truncations, stops and kills
//! with a checkpoint, compared with what was written. Every line is numbered. None may be missing
//! or incomplete. Without kills none may be repeated; each kill may repeat a line once, complete.
//! `HEKA_TAIL_SEEDS=FIRST..LAST` runs other seeds than the few of every day.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use heka_tests::{Random, Running, Tool, eventually};
use nix::sys::signal::Signal;

use super::kept::Kept;

/// The writer of a log file, who keeps it open as daemons do.
struct Writer {
    path: PathBuf,
    file: File,
    next: u64,
    /// The rest of an unfinished line.
    rest: Vec<u8>,
    /// The operations, each with its line.
    done: Vec<String>,
    /// How long a rotated file is certain to be read.
    wait: Option<Duration>,
    /// Lines that were written to one later.
    late: Vec<Range<u64>>,
}

impl Writer {
    fn new(path: PathBuf) -> Self {
        let file = append(&path);
        Self {
            path,
            file,
            next: 0,
            rest: Vec::new(),
            done: Vec::new(),
            wait: None,
            late: Vec::new(),
        }
    }

    fn note(&mut self, what: &str) {
        self.done.push(format!("{what} {}", self.next));
    }

    fn line(&mut self, random: &mut Random) -> Vec<u8> {
        let mut line = format!("{:06} ", self.next).into_bytes();
        self.next += 1;
        let len = if random.below(20) == 0 { random.below(2000) } else { random.below(40) };
        line.extend((0..len).map(|at| b'a' + u8::try_from(at % 26).unwrap()));
        line.push(b'\n');
        line
    }

    fn write(&mut self, random: &mut Random) {
        let mut bytes = std::mem::take(&mut self.rest);
        for _ in 0..random.below(30) {
            bytes.extend(self.line(random));
        }
        if random.below(4) == 0 {
            let line = self.line(random);
            let cut = usize::try_from(1 + random.below(line.len() as u64 - 1)).unwrap();
            bytes.extend(&line[..cut]);
            self.rest = line[cut..].to_vec();
        }
        self.file.write_all(&bytes).unwrap();
        self.note("written to");
    }

    /// Whether a line is complete, and not one that came too late.
    fn is_due(&self, line: u64) -> bool {
        self.rest.is_empty() && !self.late.iter().any(|late| late.contains(&line))
    }

    fn complete(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        self.file.write_all(&rest).unwrap();
    }

    fn numbered(&self, number: u64) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    /// Moves `app.log.1` to `.2` and so on; none is deleted, however long a stop is.
    fn shift(&self) {
        for number in (1..100).rev() {
            for end in ["", ".gz"] {
                let of =
                    |number| PathBuf::from(format!("{}{end}", self.numbered(number).display()));
                if of(number).exists() {
                    fs::rename(of(number), of(number + 1)).unwrap();
                }
            }
        }
    }

    /// logrotate's `create`: a rename, a new file, and the writer opens it at once or a little
    /// later.
    fn rename(&mut self, random: &mut Random) {
        self.shift();
        let (begun, first) = (Instant::now(), self.next - u64::from(!self.rest.is_empty()));
        fs::rename(&self.path, self.numbered(1)).unwrap();
        if random.below(2) == 0 {
            self.write(random);
        }
        // The new file may exist while the old one still gets lines.
        let new = append(&self.path);
        self.note("renamed at");
        if random.below(2) == 0 {
            self.write(random);
        }
        self.complete();
        self.file = new;
        if self.wait.is_some_and(|wait| begun.elapsed() >= wait) {
            self.late.push(first..self.next);
        }
        self.note("new file at");
    }

    /// logrotate's `copytruncate`, at a quiet moment.
    fn copy_truncate(&mut self) {
        tick();
        self.complete();
        self.shift();
        fs::copy(&self.path, self.numbered(1)).unwrap();
        self.note("copied at");
        self.file.set_len(0).unwrap();
    }

    /// Compresses the newest rotated file that its writer has closed.
    fn compress(&mut self) {
        let source = self.numbered(2);
        if !source.exists() {
            return;
        }
        let mut target = source.clone().into_os_string();
        target.push(".gz");
        let bytes = fs::read(&source).unwrap();
        let modified = fs::metadata(&source).unwrap().modified().unwrap();
        let mut encoder = flate2::write::GzEncoder::new(
            File::create(&target).unwrap(),
            flate2::Compression::fast(),
        );
        encoder.write_all(&bytes).unwrap();
        encoder.finish().unwrap().set_modified(modified).unwrap();
        fs::remove_file(source).unwrap();
        self.note("compressed at");
    }
}

/// Waits until the file system's clock has advanced: events within one tick have no order.
fn tick() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(10) {
        std::thread::yield_now();
    }
}

fn append(path: &Path) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

struct Tail {
    dir: PathBuf,
    log: PathBuf,
    running: Option<Running>,
    flags: Vec<&'static str>,
}

impl Tail {
    fn start(&mut self) {
        let out = append(&self.dir.join("out"));
        let err = append(&self.dir.join("err"));
        let tool = Tool::new("heka-tail")
            .args(["-o", "payload", "--verbose", "--checkpoint=pos", "--checkpoint-every=20ms"])
            .args(&self.flags)
            .arg(&self.log)
            .dir(&self.dir);
        self.running = Some(tool.stdout_file(out).stderr_file(err).spawn());
    }

    fn stop(&mut self, signal: Signal) {
        if let Some(running) = self.running.take() {
            running.end_by(signal).killed_by(signal);
        }
        if signal == Signal::SIGKILL {
            self.drop_unfinished();
        }
    }

    /// A kill may happen in the middle of a write(2). Like any reader of a stream that ends, this
    /// one drops an incomplete record.
    fn drop_unfinished(&self) {
        let out = self.out();
        let len = out.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        append(&self.dir.join("out")).set_len(len as u64).unwrap();
    }

    fn out(&self) -> Vec<u8> {
        fs::read(self.dir.join("out")).unwrap_or_default()
    }
}

/// Returns how often each line came; a line that differs from what was written fails the test.
fn count(out: &[u8], seed: u64) -> BTreeMap<u64, u64> {
    let mut counts = BTreeMap::new();
    for line in out.split_inclusive(|&byte| byte == b'\n') {
        let text = String::from_utf8_lossy(line);
        let (number, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let is_whole = number.len() == 6
            && rest.ends_with('\n')
            && rest
                .trim_end()
                .bytes()
                .enumerate()
                .all(|(at, byte)| byte == b'a' + u8::try_from(at % 26).unwrap());
        assert!(is_whole, "seed {seed}: torn line {text:?}");
        *counts.entry(number.parse().expect("a number")).or_default() += 1;
    }
    counts
}

fn run(seed: u64) {
    let mut random = Random::spread(seed);
    let scratch = Kept::new();
    let dir = scratch.path();
    let mut writer = Writer::new(dir.join("app.log"));
    let flags = match random.below(6) {
        0 => vec!["--use-polling", "--sleep-interval=5ms"],
        1 => vec!["--rotate-wait=50ms"],
        2 => vec!["--busy-rate=1"],
        3 => vec!["--busy-rate=1", "--rotate-wait=50ms"],
        _ => vec![],
    };
    let may_kill = random.below(2) == 0;
    let mut kills = 0;
    let mut tail = Tail { dir: dir.clone(), log: writer.path.clone(), running: None, flags };
    // On a busy machine it is not always back in time.
    writer.wait = tail.flags.contains(&"--rotate-wait=50ms").then_some(Duration::from_millis(50));
    // Files rotated before the first check are not followed, so wait for it.
    let first = writer.line(&mut random);
    writer.file.write_all(&first).unwrap();
    tail.start();
    eventually("a position", || {
        fs::metadata(dir.join("pos")).is_ok_and(|pos| pos.len() > 0).then_some(())
    });
    for _ in 0..random.below(30) + 5 {
        match random.below(14) {
            0..=5 => writer.write(&mut random),
            6 | 7 => writer.rename(&mut random),
            8 => writer.copy_truncate(),
            9 => writer.compress(),
            10 if may_kill => {
                kills += 1;
                tail.stop(Signal::SIGKILL);
                writer.note("killed at");
                if random.below(2) == 0 {
                    writer.rename(&mut random);
                }
                tail.start();
            }
            10 | 11 => {
                tail.stop(Signal::SIGTERM);
                writer.note("stopped at");
                for _ in 0..random.below(3) {
                    writer.write(&mut random);
                    match random.below(4) {
                        0 => writer.copy_truncate(),
                        1 | 2 => writer.rename(&mut random),
                        _ => writer.write(&mut random),
                    }
                }
                tail.start();
                writer.note("started at");
            }
            _ => {
                let written = writer.next.saturating_sub(1 + random.below(3));
                let wanted = format!("\n{written:06} ").into_bytes();
                if written > 0 && random.below(2) == 0 && writer.is_due(written) {
                    eventually(&format!("seed {seed}: line {written}\n{}", dir.display()), || {
                        tail.out().windows(wanted.len()).any(|part| part == wanted).then_some(())
                    });
                }
            }
        }
    }
    writer.complete();
    let all = writer.next;
    let complete = || {
        let out = tail.out();
        // A line may be on its way.
        let counts = out.ends_with(b"\n").then(|| count(&out, seed))?;
        (0..all).all(|line| counts.contains_key(&line) || !writer.is_due(line)).then_some(())
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while complete().is_none() && Instant::now() < deadline {
        std::thread::yield_now();
    }
    let counts = count(&tail.out(), seed);
    tail.stop(Signal::SIGTERM);
    let err = fs::read_to_string(dir.join("err")).unwrap_or_default();
    let is_missing = |line: &u64| !counts.contains_key(line) && writer.is_due(*line);
    let missing: Vec<u64> = (0..all).filter(is_missing).collect();
    let twice: Vec<u64> =
        counts.iter().filter(|(_, count)| **count > 1 + kills).map(|(line, _)| *line).collect();
    // A line that came too late may be reported.
    let is_told = err.contains(" lost") || err.contains("is gone");
    let is_false = is_told && missing.is_empty() && writer.late.is_empty();
    if !missing.is_empty() || !twice.is_empty() || is_false {
        panic!(
            "seed {seed}: missing {missing:?}, too often {twice:?} of {all}, {kills} kills\n\
             {}\n{err}",
            writer.done.join(", ")
        );
    }
}

#[test]
fn every_line_once_whatever_happens() {
    let seeds = std::env::var("HEKA_TAIL_SEEDS").unwrap_or_else(|_| "1..60".to_owned());
    let (first, last) = seeds.split_once("..").expect("FIRST..LAST");
    let (first, last): (u64, u64) = (first.parse().expect("FIRST"), last.parse().expect("LAST"));
    let mut failed = Vec::new();
    for seed in first..last {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
            eprintln!("{text}");
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "failed seeds: {failed:?}");
}
