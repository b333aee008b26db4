// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fault suite: a whole pipeline over real sockets, whose stages are killed and whose
//! connections are broken at random, and then a count of what arrived.
//!
//! `make soak` runs it for ten minutes; `HEKA_SOAK_SECONDS` says otherwise, and `HEKA_SOAK_SEED`
//! repeats a run. The figures go to stderr.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use heka_tests::{
    Fault, Peer, Proxy, Running, Signal, TempDir, Tool, ceiling, eventually, scratch,
};

/// Lines written between two looks at the stages.
const BATCH: u64 = 40;
/// Pauses between two faults, in milliseconds.
const PAUSE: std::ops::Range<u64> = 200..2500;

/// Numbers that look random and are the same for the same seed (xorshift64*).
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        let given = std::env::var("HEKA_SOAK_SEED").ok().and_then(|text| text.parse().ok());
        let clock = || Instant::now().elapsed().as_nanos() as u64 ^ u64::from(std::process::id());
        let seed = given.unwrap_or_else(|| clock().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16);
        eprintln!("seed {seed} (HEKA_SOAK_SEED={seed} repeats it)");
        Self(seed.wrapping_mul(2).wrapping_add(1))
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }

    fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.below(range.end - range.start)
    }
}

/// How records are confirmed, and so what may be expected.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// `--ack=peer --commit`: every stage may be killed.
    Peer,
    /// `--ack=kernel --resend`: the receiver may be killed and connections reset.
    Kernel,
}

/// `heka-tail | heka-send → proxy → heka-listen`, and what watches over it.
struct World {
    mode: Mode,
    folder: TempDir,
    input: File,
    written: u64,
    rotations: u64,
    proxy: Proxy,
    listen: Option<Peer>,
    tail: Option<Running>,
    send: Option<Running>,
    faults: u64,
    kills: u64,
}

impl World {
    fn new(mode: Mode) -> Self {
        let folder = scratch();
        let input = open(&folder.path().join("input.log"));
        // Redirected as soon as the receiver runs.
        let proxy = Proxy::new("127.0.0.1:1");
        let (listen, tail, send) = (None, None, None);
        Self {
            mode,
            folder,
            input,
            written: 0,
            rotations: 0,
            proxy,
            listen,
            tail,
            send,
            faults: 0,
            kills: 0,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts what does not run.
    fn watch_over(&mut self) {
        if !self.listen.as_mut().is_some_and(|listen| listen.is_running()) {
            let out = self.path("out.heka").display().to_string();
            let mut args = vec!["127.0.0.1:0", "--write", &out];
            if self.mode == Mode::Peer {
                args.extend(["--ack", "--dedup"]);
            }
            let listen = Peer::new("heka-listen", args);
            self.proxy.redirect(&listen.addr);
            self.listen = Some(listen);
        }
        let alive = |stage: &mut Option<Running>| stage.as_mut().is_some_and(Running::is_running);
        if !alive(&mut self.send) && !alive(&mut self.tail) {
            let (reader, writer) = std::io::pipe().expect("a pipe");
            let position = match self.mode {
                Mode::Peer => "--resume=app.pos",
                Mode::Kernel => "--checkpoint=app.pos",
            };
            let tail = ["--uuid=position", position, "input.log"];
            let writer = File::from(OwnedFd::from(writer));
            let tail =
                Tool::new("heka-tail").args(tail).dir(self.folder.path()).stdout_file(writer);
            let send: &[&str] = match self.mode {
                Mode::Peer => &["--ack=peer", "--commit=app.pos"],
                Mode::Kernel => &["--resend=8M"],
            };
            let reader = File::from(OwnedFd::from(reader));
            let send = Tool::new("heka-send").args(send).arg(&self.proxy.addr);
            let send =
                send.args(["--retry-delay=20ms", "--retry-max-delay=100ms", "--retry-jitter=0ms"]);
            let send = send.dir(self.folder.path()).stdin_file(reader);
            self.tail = Some(tail.spawn());
            self.send = Some(send.spawn());
        }
    }

    fn write(&mut self) {
        let mut text = String::new();
        for _ in 0..BATCH {
            self.written += 1;
            text += &format!("{} {}\n", self.written, "x".repeat((self.written % 200) as usize));
        }
        self.input.write_all(text.as_bytes()).expect("cannot write");
    }

    /// Does one kind of harm.
    fn harm(&mut self, chance: &mut Chance) {
        self.faults += 1;
        let signal = if chance.below(2) == 0 { Signal::SIGKILL } else { Signal::SIGTERM };
        match chance.below(10) {
            0..3 => kill(self.listen.as_deref(), signal, &mut self.kills),
            3 if self.mode == Mode::Peer => kill(self.tail.as_ref(), signal, &mut self.kills),
            4 if self.mode == Mode::Peer => kill(self.send.as_ref(), signal, &mut self.kills),
            5 => self.proxy.inject(Fault::Close),
            6 => self.proxy.inject(Fault::HalfOpen),
            7 => self.proxy.inject(Fault::CutAfter(chance.below(100_000))),
            8 => self.proxy.inject(Fault::Stall(Duration::from_millis(chance.below(700)))),
            9 => self.rotate(),
            _ => self.proxy.inject(Fault::Reset),
        }
    }

    /// Moves the log away and begins a new one, as logrotate does.
    fn rotate(&mut self) {
        self.rotations += 1;
        let old = self.path(&format!("input.log.{}", self.rotations));
        fs::rename(self.path("input.log"), old).expect("rename");
        self.input = open(&self.path("input.log"));
    }

    /// The numbers that arrived, and how many came more than once.
    fn arrived(&self, dedup: bool) -> (HashSet<u64>, u64) {
        let args: &[&str] = if dedup { &["--dedup=100000000"] } else { &[] };
        let out = Tool::new("heka-decode").args(args).arg(self.path("out.heka")).run();
        let mut numbers = HashSet::new();
        let mut repeated = 0;
        for line in out.out().lines() {
            let (number, rest) = line.split_once(' ').unwrap_or((line, ""));
            let number: u64 = number.parse().unwrap_or_else(|_| panic!("torn: {line:?}"));
            assert_eq!(rest.len() as u64, number % 200, "torn: {line:?}");
            repeated += u64::from(!numbers.insert(number));
        }
        (numbers, repeated)
    }

    fn run(&mut self, chance: &mut Chance, time: Duration) {
        let end = Instant::now() + time;
        let mut next = Instant::now() + Duration::from_secs(1);
        while Instant::now() < end {
            self.watch_over();
            self.write();
            if Instant::now() >= next {
                self.harm(chance);
                next = Instant::now() + Duration::from_millis(chance.within(PAUSE));
            }
            let look = Instant::now() + Duration::from_millis(10);
            eventually("a moment", || (Instant::now() >= look).then_some(()));
        }
    }

    /// Lets everything arrive and counts it.
    fn judge(mut self) {
        let deadline = Instant::now() + 4 * ceiling();
        let (numbers, raw) = loop {
            self.watch_over();
            let (numbers, raw) = self.arrived(false);
            if numbers.len() as u64 == self.written || Instant::now() >= deadline {
                break (numbers, raw);
            }
        };
        let lost: Vec<u64> =
            (1..=self.written).filter(|number| !numbers.contains(number)).collect();
        let (_, repeated) = self.arrived(true);
        let Self { faults, kills, rotations, written, .. } = &self;
        eprintln!(
            "{faults} faults ({kills} kills, {rotations} rotations), {} connections: {written} records \
             sent, {} lost, {repeated} duplicated, {raw} repeated before --dedup",
            self.proxy.accepted(),
            lost.len(),
        );
        let said = self.send.as_ref().map(Running::stderr).unwrap_or_default();
        let first = lost.iter().take(10).collect::<Vec<_>>();
        assert!(lost.is_empty(), "lost: {first:?} …\n{said}");
        assert_eq!(repeated, 0, "duplicated\n{said}");
    }
}

fn open(path: &std::path::Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).expect("a log")
}

fn kill(stage: Option<&Running>, signal: Signal, kills: &mut u64) {
    if let Some(stage) = stage {
        stage.signal(signal);
        *kills += 1;
    }
}

fn soak(mode: Mode) {
    let seconds = std::env::var("HEKA_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    // Two suites share the time.
    let time = Duration::from_secs(seconds.unwrap_or(20)) / 2;
    let mut chance = Chance::new();
    let mut world = World::new(mode);
    world.run(&mut chance, time);
    world.judge();
}

#[test]
fn nothing_is_lost_or_doubled_when_any_stage_is_killed() {
    soak(Mode::Peer);
}

#[test]
fn nothing_is_lost_to_a_receiver_that_confirms_nothing() {
    soak(Mode::Kernel);
}
