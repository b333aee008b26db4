// SPDX-License-Identifier: MIT OR Apache-2.0
//! A sender in front of a broker and two archives behind it, all killed, frozen or disconnected at
//! random; afterwards every record is counted.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::{Random, Running, Signal, Tool, eventually, scratch, sh};

/// Lines written at a time.
const BATCH: u64 = 50;
/// Maximum time for which a server is absent.
const ABSENCE: Duration = Duration::from_secs(2);

/// How often the servers may end by themselves.
const TRIES: u32 = 5;

/// The servers of a broker.
pub trait Servers {
    /// The broker's name, for people.
    fn name(&self) -> &'static str;
    /// Our tool for it.
    fn tool(&self) -> &'static str;
    /// The address the sender writes to.
    fn to_write(&self) -> String;
    /// The address both archives read from.
    fn to_read(&self) -> String;
    /// Creates what the archives need; `None` if that is not possible yet.
    fn prepare(&mut self) -> Option<()>;
    /// Injects a fault into a server, and returns its description.
    fn harm(&mut self, random: &mut Random) -> &'static str;
    /// Ends the fault.
    fn heal(&mut self);
    /// Whether a server has ended by itself, and everything it had is gone with it.
    fn is_gone(&mut self) -> bool {
        false
    }
    /// Maximum number of records to write, spread evenly over the time.
    fn most(&self) -> u64 {
        u64::MAX
    }
    /// Maximum time.
    fn longest(&self) -> Duration {
        Duration::MAX
    }
    /// Time after which what has not arrived is lost.
    fn patience(&self) -> Duration {
        Duration::from_secs(90)
    }
}

/// The servers, and the tools in front of and behind them.
struct World<S> {
    folder: TempDir,
    servers: S,
    sender: Option<Running>,
    archives: [Option<Running>; 2],
    written: u64,
    begun: Instant,
    time: Duration,
    faults: BTreeMap<&'static str, u64>,
}

impl<S: Servers> World<S> {
    /// Appends the stderr of all tools to one file.
    fn quietly(&self, tool: Tool) -> Running {
        tool.dir(self.folder.path()).stderr_file(open(&self.folder.path().join("log"))).spawn()
    }

    /// Starts the tools that are not running.
    fn watch_over(&mut self) {
        let is_alive =
            |process: &mut Option<Running>| process.as_mut().is_some_and(Running::is_running);
        if !is_alive(&mut self.sender) {
            let line = format!(
                "heka-tail --uuid=position --resume=app.pos app.log | \
                 heka-send --retry-max-delay=300ms --commit=app.pos '{}'",
                self.servers.to_write()
            );
            self.sender = Some(self.quietly(sh(&line)));
        }
        for index in 0..self.archives.len() {
            if !is_alive(&mut self.archives[index]) {
                let file = format!("{index}.heka");
                let listen = Tool::new("heka-listen").args(["--fsync", "--write", &file]);
                let listen = listen.args(["--retry-max-delay=300ms", &self.servers.to_read()]);
                self.archives[index] = Some(self.quietly(listen));
            }
        }
    }

    fn write(&mut self) {
        let passed = self.begun.elapsed().as_secs_f64() / self.time.as_secs_f64();
        if self.written as f64 > self.servers.most() as f64 * passed {
            return;
        }
        let mut file = open(&self.folder.path().join("app.log"));
        let lines: String =
            (1..=BATCH).map(|number| format!("{}\n", self.written + number)).collect();
        file.write_all(lines.as_bytes()).expect("cannot write");
        self.written += BATCH;
    }

    /// Injects one fault.
    fn harm(&mut self, random: &mut Random, rest: Duration) {
        let name = match random.below(5) {
            0 | 1 => {
                let name = self.servers.harm(random);
                self.pass(rest, true);
                self.servers.heal();
                name
            }
            2 => {
                // Kills the sender with all its children.
                drop(self.sender.take());
                "sender killed"
            }
            3 => {
                self.kill_helper(random);
                "helper killed"
            }
            _ => {
                drop(self.archives[usize::from(random.below(2) == 1)].take());
                "archive killed"
            }
        };
        *self.faults.entry(name).or_default() += 1;
    }

    /// Kills what speaks to the broker for the sender or an archive.
    fn kill_helper(&self, random: &mut Random) {
        let all: Vec<_> = self.sender.iter().chain(self.archives.iter().flatten()).collect();
        let index = usize::try_from(random.below(all.len() as u64)).expect("few");
        // It may have ended just now.
        let _killed = all[index].signal_helper(self.servers.tool(), Signal::SIGKILL);
    }

    fn pass(&mut self, time: Duration, writes: bool) {
        let end = Instant::now() + time;
        eventually("time passes", || {
            if writes {
                self.write();
            }
            self.watch_over();
            (Instant::now() >= end).then_some(())
        });
    }

    /// Returns the archived numbers, each as often as it is archived.
    fn archived(&self, dedup: bool) -> Vec<u64> {
        let files = (0..self.archives.len()).map(|index| format!("{index}.heka"));
        let files: Vec<_> = files.filter(|file| self.folder.path().join(file).exists()).collect();
        if files.is_empty() {
            return Vec::new();
        }
        let flags: &[&str] = if dedup { &["--dedup=100000000"] } else { &[] };
        let decode = Tool::new("heka-decode").args(["-o", "payload"]).args(flags).args(files);
        let text = decode.dir(self.folder.path()).run().out();
        let mut numbers: Vec<_> = text.lines().filter_map(|line| line.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The last lines that the processes have written to stderr.
    fn last_words(&self) -> String {
        let text = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Waits until the written records are archived; returns how many different ones there are and
    /// how many in all. What a killed archive had in hand comes again when its time is up.
    fn settle(&mut self) -> (usize, usize) {
        let count = usize::try_from(self.written).expect("a number");
        let deadline = Instant::now() + self.servers.patience();
        loop {
            self.pass(Duration::from_millis(300), false);
            let mut numbers = self.archived(false);
            let all = numbers.len();
            numbers.dedup();
            if numbers.len() >= count || Instant::now() >= deadline || self.servers.is_gone() {
                return (numbers.len(), all);
            }
        }
    }
}

fn open(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).expect("a file")
}

/// Harms the servers and our processes for that `part` of `HEKA_SOAK_SECONDS`, 20 without; nothing
/// may be lost, and nothing be there twice that `--dedup` does not recognise. `HEKA_SOAK_SEED`
/// repeats the faults of a run. A run whose servers end by themselves shows nothing: it is made again
/// with new ones from `start`.
///
/// # Panics
/// If something is lost or doubled, or the servers never last.
pub fn soak<S: Servers>(mut start: impl FnMut() -> Option<S>, part: f64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let time = Duration::from_secs(number("HEKA_SOAK_SECONDS").unwrap_or(20)).mul_f64(part);
    let seed = number("HEKA_SOAK_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    for _ in 0..TRIES {
        let Some(servers) = start() else { return };
        if run(servers, time, seed) {
            return;
        }
    }
    panic!("the servers end by themselves each time");
}

/// Runs once; `false` if a server ended by itself.
fn run(servers: impl Servers, time: Duration, seed: u64) -> bool {
    let time = time.min(servers.longest());
    let name = servers.name();
    eprintln!("{name}: HEKA_SOAK_SEED={seed}");
    let mut world = World {
        folder: scratch(),
        servers,
        sender: None,
        archives: [None, None],
        written: 0,
        begun: Instant::now(),
        time,
        faults: BTreeMap::new(),
    };
    let mut random = Random::spread(seed);
    eventually("the broker is ready for the archives", || {
        world.watch_over();
        world.servers.prepare()
    });
    world.begun = Instant::now();
    while world.begun.elapsed() < time && !world.servers.is_gone() {
        world.harm(&mut random, ABSENCE.min(time / 2));
        world.pass(Duration::from_millis(500), true);
    }
    let (arrived, all) = world.settle();
    if world.servers.is_gone() {
        eprintln!("{name}: a server ended by itself after {} records", world.written);
        return false;
    }
    let written = usize::try_from(world.written).expect("a number");
    eprintln!(
        "{name}: {:?}; {written} records written, {} lost, {} more than once in the archives",
        world.faults,
        written.saturating_sub(arrived),
        all - arrived
    );
    let counted = (arrived, world.archived(true).len());
    assert_eq!(counted, (written, written), "{}", world.last_words());
    true
}
