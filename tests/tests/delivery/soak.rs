// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fault suite: a whole pipeline over real sockets, whose stages are killed, whose connections
//! are broken and whose disk is full at random, and then a count of what arrived.
//!
//! `make soak` runs it for ten minutes; `HEKA_SOAK_SECONDS` says otherwise, and `HEKA_SOAK_SEED`
//! repeats the faults of a run. The figures go to stderr.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use heka_tests::{
    Fault, Peer, Proxy, Random, Running, Signal, SmallDisk, TempDir, Tool, bindir, ceiling,
    eventually, scratch,
};

/// Lines written between two looks at the stages.
const BATCH: u64 = 40;
/// Pauses between two faults, in milliseconds.
const PAUSE: std::ops::Range<u64> = 150..1500;
/// The modes share the time.
const MODES: u32 = 3;

/// What happens next, and when.
struct Chance(Random);

impl Chance {
    fn new(mode: Mode) -> Self {
        let given = std::env::var("HEKA_SOAK_SEED").ok().and_then(|text| text.parse().ok());
        let clock = || SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_nanos() as u64;
        let seed = given.unwrap_or_else(|| clock().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16);
        eprintln!("{mode:?}: seed {seed} (HEKA_SOAK_SEED={seed} repeats it)");
        Self(Random::new(seed.wrapping_mul(2)))
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0.below(end)
    }

    fn within(&mut self, range: std::ops::Range<u64>) -> u64 {
        range.start + self.below(range.end - range.start)
    }

    fn millis(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }
}

/// How records are confirmed, and so what may be expected.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// `--ack=peer --commit`: every stage may be killed.
    Peer,
    /// The same with a queue on disk.
    Queue,
    /// `--ack=kernel --resend`: the receiver may be killed and connections reset.
    Kernel,
}

/// `heka-tail | heka-send → proxy → heka-listen`, and what watches over it.
struct World {
    mode: Mode,
    folder: TempDir,
    /// What the receiver writes, the queue and the committed positions are here, if there is one.
    disk: Option<SmallDisk>,
    full_until: Option<Instant>,
    input: File,
    written: u64,
    rotations: u64,
    proxy: Proxy,
    listen: Option<Peer>,
    tail: Option<Running>,
    send: Option<Running>,
    faults: BTreeMap<&'static str, u64>,
    /// Stages that died of a signal of ours.
    killed: u64,
    /// How long the output was when each receiver began.
    lives: Vec<u64>,
}

impl World {
    fn new(mode: Mode) -> Self {
        // Building them is not part of the time.
        bindir();
        let folder = scratch();
        let input = open(&folder.path().join("input.log"));
        Self {
            mode,
            folder,
            disk: SmallDisk::new(),
            full_until: None,
            input,
            written: 0,
            rotations: 0,
            // Redirected as soon as the receiver runs.
            proxy: Proxy::new("127.0.0.1:1"),
            listen: None,
            tail: None,
            send: None,
            faults: BTreeMap::new(),
            killed: 0,
            lives: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A path on the disk that may be full.
    fn on_disk(&self, name: &str) -> String {
        let folder = self.disk.as_ref().map_or(self.folder.path(), SmallDisk::path);
        folder.join(name).display().to_string()
    }

    /// What all stages say, in order, with the faults between: a run that fails keeps it.
    fn log(&self) -> File {
        open(&self.path("stages.log"))
    }

    /// Takes notice of a stage that has ended: it was killed, or its neighbour was, or the disk is
    /// full, but it does not crash.
    fn bury(&mut self, stage: Running) {
        let end = stage.finish();
        let signal = end.status.signal().map(Signal::try_from);
        match signal {
            Some(Ok(Signal::SIGKILL | Signal::SIGTERM)) => self.killed += 1,
            Some(Ok(Signal::SIGPIPE)) => {}
            _ => assert!(end.status.code().is_some_and(|code| code < 5), "{end}"),
        }
    }

    /// Starts what does not run.
    fn watch_over(&mut self) {
        if !self.listen.as_mut().is_some_and(|listen| listen.is_running()) {
            if let Some(dead) = self.listen.take() {
                self.bury(dead.into_running());
            }
            let out = self.on_disk("out.heka");
            let mut args = vec!["127.0.0.1:0", "--write", &out];
            if self.mode != Mode::Kernel {
                args.extend(["--ack", "--dedup"]);
            }
            let log = self.log();
            let listen = Peer::with("heka-listen", args, |tool| tool.stderr_file(log));
            // Nothing comes before the proxy knows it.
            self.lives.push(fs::metadata(&out).map_or(0, |file| file.len()));
            self.proxy.redirect(&listen.addr);
            self.listen = Some(listen);
        }
        let alive = |stage: &mut Option<Running>| stage.as_mut().is_some_and(Running::is_running);
        if !alive(&mut self.send) && !alive(&mut self.tail) {
            for dead in [self.send.take(), self.tail.take()].into_iter().flatten() {
                self.bury(dead);
            }
            self.start_source();
        }
    }

    fn start_source(&mut self) {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let positions = self.on_disk("app.pos");
        let (position, mut send) = match self.mode {
            Mode::Kernel => ("--checkpoint=app.pos".to_owned(), vec!["--resend=8M".to_owned()]),
            Mode::Peer | Mode::Queue => {
                let commit = format!("--commit={positions}");
                (format!("--resume={positions}"), vec!["--ack=peer".to_owned(), commit])
            }
        };
        if self.mode == Mode::Queue {
            send.extend([format!("--queue={}", self.on_disk("q")), "--queue-file-size=1M".into()]);
        }
        let writer = File::from(OwnedFd::from(writer));
        // Logs are not rotated every other second elsewhere: a position names all files that are
        // still watched for late lines, and has room for two or three.
        let tail = Tool::new("heka-tail").args(["-v", "--uuid=position", "--rotate-wait=100ms"]);
        let tail = tail.args([&position, "input.log"]);
        let tail = tail.dir(self.folder.path()).stderr_file(self.log()).stdout_file(writer);
        self.tail = Some(tail.spawn());
        let reader = File::from(OwnedFd::from(reader));
        let send = Tool::new("heka-send").args(send).arg(&self.proxy.addr).args([
            "--retry-delay=20ms",
            "--retry-max-delay=100ms",
            "--retry-jitter=0ms",
            "--write-timeout=1s",
        ]);
        let send = send.dir(self.folder.path()).stderr_file(self.log()).stdin_file(reader);
        self.send = Some(send.spawn());
    }

    fn write(&mut self) {
        let mut text = String::new();
        for _ in 0..BATCH {
            self.written += 1;
            text += &format!("{} {}\n", self.written, "x".repeat((self.written % 200) as usize));
        }
        self.input.write_all(text.as_bytes()).expect("cannot write");
    }

    /// Does some kind of harm.
    fn harm(&mut self, chance: &mut Chance) {
        let name = std::iter::repeat_with(|| self.try_harm(chance)).flatten().next();
        let name = name.expect("some harm can always be done");
        *self.faults.entry(name).or_default() += 1;
        writeln!(self.log(), "-- {name} after record {}", self.written).expect("the log");
    }

    /// Does one kind of harm, unless that is to kill what is dead.
    fn try_harm(&mut self, chance: &mut Chance) -> Option<&'static str> {
        let signal = if chance.below(2) == 0 { Signal::SIGKILL } else { Signal::SIGTERM };
        let kills_senders = self.mode != Mode::Kernel;
        let name = match chance.below(20) {
            0..4 => return self.kill("heka-listen", signal),
            4..7 if kills_senders => return self.kill("heka-tail", signal),
            7..10 if kills_senders => return self.kill("heka-send", signal),
            4..7 | 10 => self.break_off("connections closed", Fault::Close),
            7..10 | 11 => self.break_off("connections reset", Fault::Reset),
            12 => self.break_off("sides closed", Fault::HalfOpen),
            13 => self.break_off("peers vanished", Fault::Vanish),
            14 => self.break_off("cuts in a record", Fault::CutAfter(chance.below(100_000))),
            15 => self.break_off("stalls", Fault::Stall(chance.millis(50..700))),
            16 => self.break_off("delays", Fault::Delay(chance.millis(100..1500))),
            17 => self.rename(),
            18 => self.copy_truncate(),
            _ => self.fill_disk(chance),
        };
        Some(name)
    }

    /// Signals a stage if it runs. The others may take a while to end after one was killed.
    fn kill(&mut self, name: &'static str, signal: Signal) -> Option<&'static str> {
        let stage = match name {
            "heka-listen" => self.listen.as_deref_mut(),
            "heka-tail" => self.tail.as_mut(),
            _ => self.send.as_mut(),
        };
        let stage = stage.expect("it was started");
        if !stage.is_running() {
            return None;
        }
        stage.signal(signal);
        Some(match (name, signal) {
            ("heka-listen", Signal::SIGKILL) => "heka-listen SIGKILL",
            ("heka-listen", _) => "heka-listen SIGTERM",
            ("heka-tail", Signal::SIGKILL) => "heka-tail SIGKILL",
            ("heka-tail", _) => "heka-tail SIGTERM",
            (_, Signal::SIGKILL) => "heka-send SIGKILL",
            _ => "heka-send SIGTERM",
        })
    }

    fn break_off(&mut self, name: &'static str, fault: Fault) -> &'static str {
        self.proxy.inject(fault);
        name
    }

    /// Where the log is moved to, after the older ones have made room, as logrotate does.
    fn rotated(&mut self) -> PathBuf {
        for number in (1..=self.rotations).rev() {
            let name = |number| self.path(&format!("input.log.{number}"));
            fs::rename(name(number), name(number + 1)).expect("an old log");
        }
        self.rotations += 1;
        self.path("input.log.1")
    }

    /// Moves the log away and begins a new one.
    fn rename(&mut self) -> &'static str {
        let old = self.rotated();
        fs::rename(self.path("input.log"), old)
            .expect("the log, unless somebody removed the folder");
        self.input = open(&self.path("input.log"));
        "logs renamed"
    }

    /// Copies the log and empties it, at a moment when the clock of the file system has gone on.
    fn copy_truncate(&mut self) -> &'static str {
        wait(Duration::from_millis(10));
        let old = self.rotated();
        fs::copy(self.path("input.log"), old).expect("the log");
        self.input.set_len(0).expect("an empty log");
        wait(Duration::from_millis(10));
        "logs copied and truncated"
    }

    fn fill_disk(&mut self, chance: &mut Chance) -> &'static str {
        let Some(disk) = &self.disk else {
            return self.break_off("connections reset", Fault::Reset);
        };
        disk.fill(chance.below(100_000));
        self.full_until = Some(Instant::now() + chance.millis(200..1500));
        "full disks"
    }

    /// Makes room once the disk has been full for long enough.
    fn free_disk(&mut self, now: bool) {
        if self.full_until.is_some_and(|until| now || Instant::now() >= until) {
            self.full_until = None;
            self.disk.as_ref().expect("a disk was filled").free();
        }
    }

    /// The numbers that arrived, and how many stand there more than once.
    fn arrived(&self, dedup: bool) -> (HashSet<u64>, u64) {
        let args: &[&str] = if dedup { &["--dedup=100000000"] } else { &[] };
        let out = Tool::new("heka-decode").args(args).arg(self.on_disk("out.heka")).run();
        // While the receiver writes, the last record may be half there.
        if dedup {
            out.succeeds().stderr_is("");
        }
        numbers(&out.out())
    }

    /// How many records one and the same receiver wrote more than once.
    fn doubled_by_one_receiver(&self) -> u64 {
        let out = fs::read(self.on_disk("out.heka")).expect("the output");
        let ends = self.lives.iter().skip(1).map(|end| *end as usize).chain([out.len()]);
        let lives = self.lives.iter().zip(ends).map(|(begin, end)| {
            let life = &out[*begin as usize..end];
            numbers(&Tool::new("heka-decode").stdin(life).run().out()).1
        });
        lives.sum()
    }

    fn run(&mut self, chance: &mut Chance, time: Duration) {
        let end = Instant::now() + time;
        let mut next = Instant::now() + Duration::from_secs(1);
        while Instant::now() < end {
            self.watch_over();
            self.write();
            self.free_disk(false);
            if Instant::now() >= next {
                self.harm(chance);
                next = Instant::now() + Duration::from_millis(chance.within(PAUSE));
            }
            wait(Duration::from_millis(10));
        }
        self.free_disk(true);
        // What a vanished peer's kernel took is only missed when the connection ends.
        self.proxy.inject(Fault::Reset);
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
        // Nobody writes any more.
        self.listen.take().expect("it was started").into_running().end_by(Signal::SIGTERM);
        let (_, after_dedup) = self.arrived(true);
        // Without numbers nothing is dropped.
        let by_one = (self.mode != Mode::Kernel).then(|| self.doubled_by_one_receiver());
        let Self { mode, faults, killed, written, .. } = &self;
        let all = faults.values().sum::<u64>();
        let each: Vec<String> =
            faults.iter().map(|(name, count)| format!("{count} {name}")).collect();
        eprintln!(
            "{mode:?}: {all} faults ({}), {killed} stages killed; {} connections: {written} \
             records written, {} lost, 0 torn; {} came again on the wire; doubled: {raw} in the \
             output{}, {after_dedup} after --dedup",
            each.join(", "),
            self.proxy.accepted(),
            lost.len(),
            self.proxy.passed().saturating_sub(*written),
            by_one.map(|count| format!(", {count} by one receiver")).unwrap_or_default(),
        );
        if !lost.is_empty() || after_dedup > 0 || by_one > Some(0) {
            if self.disk.is_some() {
                fs::copy(self.on_disk("out.heka"), self.path("out.heka")).expect("a copy");
            }
            let first = lost.iter().take(10).collect::<Vec<_>>();
            let kept = self.folder.keep();
            panic!("lost or doubled, see above: {first:?} …; everything is in {}", kept.display());
        }
    }
}

/// The numbers of decoded records, which are whole, and how many stand there more than once.
fn numbers(text: &str) -> (HashSet<u64>, u64) {
    let mut numbers = HashSet::new();
    let mut doubled = 0;
    for line in text.lines() {
        let (number, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number: u64 = number.parse().unwrap_or_else(|_| panic!("torn: {line:?}"));
        assert_eq!(rest.len() as u64, number % 200, "torn: {line:?}");
        doubled += u64::from(!numbers.insert(number));
    }
    (numbers, doubled)
}

fn open(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).expect("a log")
}

fn wait(time: Duration) {
    let end = Instant::now() + time;
    eventually("a moment", || (Instant::now() >= end).then_some(()));
}

fn soak(mode: Mode) {
    let seconds = std::env::var("HEKA_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let mut chance = Chance::new(mode);
    let mut world = World::new(mode);
    world.run(&mut chance, Duration::from_secs(seconds.unwrap_or(60)) / MODES);
    world.judge();
}

#[test]
fn nothing_is_lost_or_doubled_when_any_stage_is_killed() {
    soak(Mode::Peer);
}

#[test]
fn nothing_is_lost_or_doubled_behind_a_queue_either() {
    soak(Mode::Queue);
}

#[test]
fn nothing_is_lost_to_a_receiver_that_confirms_nothing() {
    soak(Mode::Kernel);
}
