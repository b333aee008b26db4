// SPDX-License-Identifier: MIT OR Apache-2.0
//! A cluster of three servers whose nodes are killed and frozen at random, with a sender before it
//! and two archives behind it that are killed too; then every record is counted.
//!
//! `make soak` runs it for a quarter of `HEKA_SOAK_SECONDS`; `HEKA_SOAK_SEED` repeats the faults of
//! a run.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use heka_tests::{Nats, Running, Signal, TempDir, Tool, eventually, require, scratch, sh};

use crate::faults::cluster;

/// Lines written at a time.
const BATCH: u64 = 50;

/// The consumer that the archives share. A server waits this long for an acknowledgement.
const CONSUMER: &str = r#"{"stream_name": "LOGS", "config": {"durable_name": "archive",
    "ack_policy": "explicit", "ack_wait": 3000000000, "deliver_policy": "all",
    "max_ack_pending": 20000, "replay_policy": "instant"}}"#;

/// Numbers that look random.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let seed = std::env::var("HEKA_SOAK_SEED").ok().and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
        eprintln!("NATS: HEKA_SOAK_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: usize) -> usize {
        // Knuth's MMIX generator, of which the high bits are the better ones.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// What is harmed: servers of the cluster, and our processes before and behind it.
struct World {
    folder: TempDir,
    servers: Vec<Nats>,
    hosts: String,
    sender: Option<Running>,
    archives: [Option<Running>; 2],
    written: u64,
    faults: BTreeMap<&'static str, u64>,
}

impl World {
    fn new() -> Self {
        let servers = cluster();
        let hosts = servers.iter().map(|nats| format!("127.0.0.1:{}", nats.port()));
        let hosts = hosts.collect::<Vec<_>>().join(",");
        let (folder, archives, faults) = (scratch(), [None, None], BTreeMap::new());
        Self { folder, servers, hosts, sender: None, archives, written: 0, faults }
    }

    /// What all say is in one file.
    fn quietly(&self, tool: Tool) -> Running {
        tool.dir(self.folder.path()).stderr_file(open(&self.folder.path().join("log"))).spawn()
    }

    /// Makes the consumer, once there is the stream.
    fn begin(&mut self) {
        let port = self.servers[0].port();
        eventually("the stream and its consumer are there", || {
            self.watch_over();
            let question = format!(
                "CONNECT {{\"verbose\":false}}\r\nSUB r 1\r\nPUB $JS.API.CONSUMER.DURABLE.CREATE.LOGS.archive \
                 r {}\r\n{CONSUMER}\r\n",
                CONSUMER.len()
            );
            let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
            stream.write_all(question.as_bytes()).ok()?;
            let mut answer = Vec::new();
            let mut block = [0; 4096];
            while let Ok(len @ 1..) = stream.read(&mut block) {
                answer.extend_from_slice(&block[..len]);
                let text = String::from_utf8_lossy(&answer);
                if let Some((_, answer)) = text.split_once("MSG r 1") {
                    return answer.contains("\"created\"").then_some(());
                }
            }
            None
        });
    }

    /// Starts what does not run.
    fn watch_over(&mut self) {
        let is_alive =
            |process: &mut Option<Running>| process.as_mut().is_some_and(Running::is_running);
        if !is_alive(&mut self.sender) {
            let url = format!("nats://{}/logs?create=R3&stream=LOGS", self.hosts);
            let line = format!(
                "heka-tail --uuid=position --resume=app.pos app.log | \
                 heka-send --retry-max-delay=300ms --commit=app.pos '{url}'"
            );
            self.sender = Some(self.quietly(sh(&line)));
        }
        for index in 0..self.archives.len() {
            if !is_alive(&mut self.archives[index]) {
                let url = format!("nats://{}/LOGS?durable=archive", self.hosts);
                let file = format!("{index}.heka");
                let listen = Tool::new("heka-listen").args(["--fsync", "--write", &file]);
                let listen = listen.args(["--retry-max-delay=300ms", &url]);
                self.archives[index] = Some(self.quietly(listen));
            }
        }
    }

    fn write(&mut self) {
        let mut file = open(&self.folder.path().join("app.log"));
        let lines: String =
            (1..=BATCH).map(|number| format!("{}\n", self.written + number)).collect();
        file.write_all(lines.as_bytes()).expect("cannot write");
        self.written += BATCH;
    }

    /// One fault; a cluster of three bears one server less at a time.
    fn harm(&mut self, dice: &mut Dice, rest: Duration) {
        let index = dice.below(self.servers.len());
        let name = match dice.below(4) {
            0 => {
                self.servers[index].signal(Signal::SIGKILL);
                self.pass(rest);
                self.servers[index].restart();
                "server killed"
            }
            1 => {
                self.servers[index].signal(Signal::SIGSTOP);
                self.pass(rest);
                self.servers[index].signal(Signal::SIGCONT);
                "server frozen"
            }
            2 => {
                kill(&mut self.sender);
                "sender killed"
            }
            _ => {
                kill(&mut self.archives[index % 2]);
                "archive killed"
            }
        };
        *self.faults.entry(name).or_default() += 1;
    }

    fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        eventually("time passes", || {
            self.write();
            self.watch_over();
            (Instant::now() >= end).then_some(())
        });
    }

    /// Lets what is written arrive.
    fn pass_quietly(&mut self) {
        let end = Instant::now() + Duration::from_millis(300);
        eventually("time passes", || {
            self.watch_over();
            (Instant::now() >= end).then_some(())
        });
    }

    /// The numbers that are archived, each as often as it is.
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
}

fn open(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).expect("a file")
}

fn kill(process: &mut Option<Running>) {
    // With all that it has started.
    drop(process.take());
}

#[test]
fn soak() {
    if !require("nats-server") {
        return;
    }
    let seconds = std::env::var("HEKA_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(20u64)) / 4;
    let (mut world, mut dice) = (World::new(), Dice::new());
    world.begin();
    let end = Instant::now() + time;
    while Instant::now() < end {
        world.harm(&mut dice, Duration::from_secs(2).min(time / 2));
        world.pass(Duration::from_millis(500));
    }
    let count = usize::try_from(world.written).expect("a number");
    // What a killed archive had in hand comes again when its time is up.
    let deadline = Instant::now() + Duration::from_secs(60);
    let (all, arrived) = loop {
        world.pass_quietly();
        let mut numbers = world.archived(false);
        let all = numbers.len();
        numbers.dedup();
        if numbers.len() >= count || Instant::now() >= deadline {
            break (all, numbers.len());
        }
    };
    eprintln!(
        "NATS, three servers: {:?}; {count} records written, {} lost, {} more than once in the \
         archives",
        world.faults,
        count - arrived,
        all - arrived
    );
    assert_eq!((arrived, world.archived(true).len()), (count, count));
}
