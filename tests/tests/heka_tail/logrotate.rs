// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-tail against the real logrotate, in all the ways that it can be configured: every line once
//! and in order, through links, kills and restarts.
//!
//! `HEKA_ROTATIONS=N` runs at least N rotations, `HEKA_ROTATE_SEED=N` starts with another seed.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use heka_tests::{Running, Tool, eventually, require, scratch};
use nix::sys::signal::Signal;

/// Rotations of every day.
const ROTATIONS: u64 = 60;

/// xorshift64*: repeatable everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// One way of rotating.
struct Way {
    config: String,
    truncates: bool,
    /// Whether a rotated file is compressed at once.
    compresses: bool,
    /// Whether the log is reached through a link, as Kubernetes lays them out.
    is_linked: bool,
    flags: Vec<String>,
    kills: bool,
    /// How much later than the rotation the writer opens the new file.
    lag: Duration,
}

impl Way {
    fn random(random: &mut Random) -> Self {
        let truncates = random.below(4) == 0;
        let has_olddir = random.below(3) == 0;
        let mut lines = vec!["rotate 1000", "missingok"];
        lines.push(match (truncates, random.below(3)) {
            (true, _) => "copytruncate",
            (false, 0) => "nocreate",
            (false, _) => "create",
        });
        lines.push(random.one(&["nocompress", "compress", "compress", "compress\ndelaycompress"]));
        lines.push(random.one(&[
            "",
            "",
            "compresscmd /usr/bin/xz\ncompressext .xz",
            "compresscmd /usr/bin/zstd\ncompressext .zst\ncompressoptions -q",
            "compresscmd /usr/bin/bzip2\ncompressext .bz2",
        ]));
        lines.push(random.one(&[
            "",
            "dateext\ndateformat -%Y%m%d-%s",
            "dateext\nextension .log\ndateformat .%s",
        ]));
        lines.push(random.one(&["", "", "shred"]));
        lines.push(random.one(&["", "maxsize 1", "size 1"]));
        if has_olddir {
            lines.push("olddir old\ncreateolddir 755 root root");
        }
        let mut flags = vec!["--checkpoint-every=20ms".to_owned()];
        match random.below(3) {
            0 => flags.extend(["--use-polling".to_owned(), "-s20ms".to_owned()]),
            1 => flags.push("--rotate-wait=2s".to_owned()),
            _ => {}
        }
        if has_olddir {
            flags.push("--rotated-directory=old".to_owned());
        }
        let compresses = lines.contains(&"compress");
        Self {
            config: lines.join("\n"),
            compresses,
            truncates,
            is_linked: random.below(3) == 0,
            flags,
            kills: random.below(2) == 0,
            lag: Duration::from_millis(random.below(30)),
        }
    }
}

/// Writes numbered lines, and opens its file anew when it is told to.
struct Writer {
    thread: std::thread::JoinHandle<()>,
    ends: Arc<AtomicBool>,
    /// Whether it is to be quiet, and whether it is.
    pause: Arc<AtomicU64>,
    reopen: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
}

const RUNS: u64 = 0;
const STOP: u64 = 1;
const STOPPED: u64 = 2;

impl Writer {
    fn start(path: PathBuf) -> Self {
        let (ends, reopen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (pause, written) = (Arc::new(AtomicU64::new(RUNS)), Arc::new(AtomicU64::new(0)));
        let shared = (ends.clone(), reopen.clone(), pause.clone(), written.clone());
        let thread = std::thread::spawn(move || {
            let (ends, reopen, pause, written) = shared;
            let open = || OpenOptions::new().create(true).append(true).open(&path).unwrap();
            let mut file = open();
            while !ends.load(Ordering::SeqCst) {
                if pause.load(Ordering::SeqCst) != RUNS {
                    pause.store(STOPPED, Ordering::SeqCst);
                    std::thread::yield_now();
                    continue;
                }
                if reopen.swap(false, Ordering::SeqCst) {
                    file = open();
                }
                let number = written.load(Ordering::SeqCst);
                let line =
                    format!("{number:08} {}\n", "x".repeat(usize::try_from(number % 90).unwrap()));
                file.write_all(line.as_bytes()).unwrap();
                written.store(number + 1, Ordering::SeqCst);
                pace();
            }
        });
        Self { thread, ends, pause, reopen, written }
    }

    fn quiet(&self) {
        self.pause.store(STOP, Ordering::SeqCst);
        eventually("the writer is quiet", || {
            (self.pause.load(Ordering::SeqCst) == STOPPED).then_some(())
        });
    }

    fn go_on(&self) {
        self.pause.store(RUNS, Ordering::SeqCst);
    }

    fn end(self) -> u64 {
        self.ends.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        self.written.load(Ordering::SeqCst)
    }
}

/// About two thousand lines a second.
fn pace() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(500) {
        std::thread::yield_now();
    }
}

fn pass(time: Duration) {
    let start = Instant::now();
    eventually("a moment", || (start.elapsed() >= time).then_some(()));
}

struct Tail {
    dir: PathBuf,
    log: PathBuf,
    flags: Vec<String>,
}

impl Tail {
    fn start(&self) -> Running {
        let append = |name: &str| {
            OpenOptions::new().create(true).append(true).open(self.dir.join(name)).unwrap()
        };
        Tool::new("heka-tail")
            .args(["-o", "payload", "--verbose", "--checkpoint=../pos"])
            .args(&self.flags)
            .arg(&self.log)
            .dir(self.log.parent().unwrap())
            .stdout_file(append("out"))
            .stderr_file(append("err"))
            .spawn()
    }

    /// A kill may come in the middle of a write(2).
    fn drop_unfinished(&self) {
        let out = fs::read(self.dir.join("out")).unwrap();
        let len = out.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let file = OpenOptions::new().write(true).open(self.dir.join("out")).unwrap();
        file.set_len(len as u64).unwrap();
    }

    fn lines(&self) -> Vec<u64> {
        let out = fs::read(self.dir.join("out")).unwrap();
        let whole = out.split_inclusive(|&byte| byte == b'\n').filter(|line| line.ends_with(b"\n"));
        let number = |line: &[u8]| {
            let text = String::from_utf8_lossy(line).into_owned();
            let (number, rest) = text.split_once(' ').unwrap_or((&text, ""));
            let number: u64 = number.parse().unwrap_or_else(|_| panic!("torn line {text:?}"));
            assert_eq!(rest.len() as u64, number % 90 + 1, "torn line {text:?}");
            number
        };
        whole.map(number).collect()
    }
}

/// Rotates once. There is only one rotation a second where names have dates.
fn rotate(dir: &Path) {
    eventually("a rotation", || {
        let tool = Tool::at("/usr/sbin/logrotate").args(["-f", "-s", "status", "logrotate.conf"]);
        let outcome = tool.dir(dir).run();
        if outcome.err().contains("already exists, skipping rotation") {
            pass(Duration::from_millis(20));
            return None;
        }
        assert!(outcome.status.success(), "{outcome}");
        Some(())
    });
}

/// Some rotations of one way; how many.
fn run(seed: u64, rotations: u64) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let way = Way::random(&mut random);
    let scratch = scratch();
    let dir = fs::canonicalize(scratch.path()).unwrap();
    let logs = dir.join("logs");
    fs::create_dir(&logs).unwrap();
    let real = if way.is_linked {
        fs::create_dir_all(dir.join("pods/c")).unwrap();
        symlink("../pods/c/app.log", logs.join("app.log")).unwrap();
        dir.join("pods/c/app.log")
    } else {
        logs.join("app.log")
    };
    File::create(&real).unwrap();
    let config = format!("{} {{\n{}\n}}\n", real.display(), way.config);
    fs::write(dir.join("logrotate.conf"), &config).unwrap();
    fs::set_permissions(
        dir.join("logrotate.conf"),
        std::os::unix::fs::PermissionsExt::from_mode(0o644),
    )
    .unwrap();
    let tail = Tail { dir: dir.clone(), log: logs.join("app.log"), flags: way.flags.clone() };
    let writer = Writer::start(real);
    let mut running = Some(tail.start());
    eventually("a position", || {
        fs::metadata(dir.join("pos")).is_ok_and(|pos| pos.len() > 0).then_some(())
    });
    let mut kills = 0;
    let rotations = if way.config.contains("dateext") { rotations.min(3) } else { rotations };
    for _ in 0..rotations {
        pass(Duration::from_millis(20 + random.below(60)));
        let is_down = random.below(5) == 0;
        if is_down {
            let signal = if way.kills { Signal::SIGKILL } else { Signal::SIGTERM };
            kills += u64::from(way.kills);
            running.take().unwrap().end_by(signal);
            tail.drop_unfinished();
        }
        // What is written between a copy and the truncation is lost by design, and so is what comes
        // to a file that was compressed and deleted while nobody had it open, or overwritten.
        let is_quiet = way.truncates || (is_down && way.compresses) || way.config.contains("shred");
        if is_quiet {
            writer.quiet();
        }
        rotate(&dir);
        if is_quiet {
            writer.reopen.store(!way.truncates, Ordering::SeqCst);
            writer.go_on();
        } else {
            pass(way.lag);
            writer.reopen.store(true, Ordering::SeqCst);
        }
        if is_down {
            running = Some(tail.start());
        }
    }
    let all = writer.end();
    let told = || format!("seed {seed}: {config}{:?} linked {}\n", way.flags, way.is_linked);
    let deadline = Instant::now() + Duration::from_secs(10);
    let is_complete = || {
        let mut lines = tail.lines();
        lines.sort_unstable();
        lines.dedup();
        lines.len() as u64 == all
    };
    while !is_complete() && Instant::now() < deadline {
        pass(Duration::from_millis(50));
    }
    running.unwrap().end_by(Signal::SIGTERM);
    let mut counts = vec![0; usize::try_from(all).unwrap()];
    tail.lines().iter().for_each(|&line| counts[usize::try_from(line).unwrap()] += 1);
    let twice: Vec<usize> = (0..counts.len()).filter(|&line| counts[line] > 1 + kills).collect();
    let err = fs::read_to_string(dir.join("err")).unwrap();
    let missing: Vec<usize> = (0..counts.len()).filter(|&line| counts[line] == 0).collect();
    let some = |lines: &[usize]| lines.iter().take(5).copied().collect::<Vec<_>>();
    if !twice.is_empty() || !missing.is_empty() {
        if std::env::var_os("HEKA_TAIL_KEEP").is_some() {
            eprintln!("kept {}", scratch.keep().display());
        }
        panic!(
            "{}of {all}: {} too often {:?}, {} missing {:?}\n{err}",
            told(),
            twice.len(),
            some(&twice),
            missing.len(),
            some(&missing)
        );
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
    let (rotations, first) = (number("HEKA_ROTATIONS", ROTATIONS), number("HEKA_ROTATE_SEED", 1));
    let mut failed = Vec::new();
    for seed in first..first + rotations.div_ceil(10) {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed, 10)) {
            eprintln!("{}", panic.downcast_ref::<String>().cloned().unwrap_or_default());
            failed.push(seed);
        }
    }
    assert!(failed.is_empty(), "failed seeds: {failed:?}");
}
