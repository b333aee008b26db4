// SPDX-License-Identifier: MIT OR Apache-2.0
//! Brokers for heka-kafka: tansu, which is a real one that keeps everything in memory, and the mock
//! cluster of librdkafka, which fails on demand.

use crate::{Running, Signal, Tool, bindir, eventually, free_port, require, skip};

/// A broker that keeps everything in memory.
#[derive(Debug)]
pub struct Tansu {
    running: Running,
    port: u16,
}

/// Whether heka-kafka was built. If not, the test is skipped: it should return then.
///
/// # Panics
/// As [`skip`].
pub fn require_kafka() -> bool {
    let is_built = bindir().join("heka-kafka").is_file();
    if !is_built {
        skip("heka-kafka was not built (make kafka)");
    }
    is_built
}

impl Tansu {
    /// Starts one; `None` if it or heka-kafka is not there.
    pub fn start() -> Option<Self> {
        Self::with(&[])
    }

    /// Starts one with further flags.
    pub fn with(args: &[&str]) -> Option<Self> {
        if !require_kafka() || !require("tansu") {
            return None;
        }
        let port = free_port();
        let url = format!("tcp://127.0.0.1:{port}");
        let running = Tool::at("tansu")
            .args(["broker", "--silent", "--listener-url", &url])
            .args(["--advertised-listener-url", &url, "--storage-engine", "memory://tansu/"])
            .args(args)
            .spawn();
        eventually("the broker is ready", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Some(Self { running, port })
    }

    /// Sends it a signal: STOP, CONT.
    pub fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// `kafka://HOST:PORT/` and what is behind it.
    pub fn url(&self, rest: &str) -> String {
        format!("kafka://127.0.0.1:{}/{rest}", self.port)
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The payloads of all messages of a topic.
    pub fn payloads(&self, topic: &str) -> String {
        payloads(&self.url(&format!("{topic}?from=begin")))
    }
}

/// The payloads of all messages at that address.
pub fn payloads(url: &str) -> String {
    let read = Tool::new("heka-kafka").args(["--read", "--no-follow", url]).run();
    read.succeeds();
    Tool::new("heka-decode").args(["-o", "payload"]).stdin(read.stdout).run().succeeds().out()
}

/// librdkafka's mock cluster, which does what it is told.
#[derive(Debug)]
pub struct Mock {
    running: Running,
    brokers: String,
    commands: usize,
}

impl Mock {
    /// Starts one of so many brokers; `None` if heka-kafka was not built.
    pub fn start(brokers: u32) -> Option<Self> {
        if !require_kafka() {
            return None;
        }
        let mock = Tool::new("examples/kafka-mock").arg(brokers.to_string()).stdin_open().spawn();
        let line = mock.wait_stdout("its addresses", |bytes| bytes.contains(&b'\n'));
        let brokers = String::from_utf8_lossy(&line).trim().to_owned();
        Some(Self { running: mock, brokers, commands: 0 })
    }

    /// Tells it what to do, as described in `kafka-mock.rs`.
    pub fn tell(&mut self, command: &str) {
        self.running.write(format!("{command}\n"));
        self.commands += 1;
        let count = self.commands;
        self.running.wait_stdout("an answer", |bytes| {
            bytes.iter().filter(|byte| **byte == b'\n').count() > count
        });
    }

    /// Sends it a signal: STOP, CONT, KILL.
    pub fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// `kafka://HOST:PORT,…/` and what is behind it.
    pub fn url(&self, rest: &str) -> String {
        format!("kafka://{}/{rest}", self.brokers)
    }

    /// `HOST:PORT,…`.
    pub fn address(&self) -> &str {
        &self.brokers
    }
}
