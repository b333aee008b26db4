// SPDX-License-Identifier: MIT OR Apache-2.0
//! Brokers for heka-kafka: tansu, a real broker with storage in memory, and the mock cluster of
//! librdkafka, which fails on demand.

use std::net::TcpStream;

use crate::{
    Broker, Running, Signal, Stoppable, Tool, bindir, eventually, free_port, require, skip,
};

/// What speaks Kafka's protocol.
trait Kafka {
    /// Returns `kafka://HOST:PORT,…/`.
    fn root(&self) -> String;
    /// The process.
    fn running(&mut self) -> &mut Running;
}

impl<T: Kafka> Broker for T {
    const TOOL: &'static str = "heka-kafka";
    const WRITE: &'static str = "t?key=Logger";
    const PLACE: &'static str = "t";
    /// A dead reader's partitions are free soon.
    const READER: &'static str = "session.timeout.ms=6000&group";

    fn base(&self) -> String {
        self.root()
    }

    fn signal(&mut self, signal: Signal) {
        self.running().signal(signal);
    }
}

/// A broker with storage in memory.
#[derive(Debug)]
pub struct Tansu {
    running: Running,
    port: u16,
}

/// Whether heka-kafka was built. If not, the test is skipped and should return.
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
    /// Starts a broker; `None` if tansu or heka-kafka is not installed.
    pub fn start() -> Option<Self> {
        Self::with(&[])
    }

    /// Starts a broker with further flags.
    pub fn with(args: &[&str]) -> Option<Self> {
        let port = free_port();
        Self::behind(port, port, args)
    }

    /// Starts a broker on `port` that announces `front` as its port.
    pub fn behind(front: u16, port: u16, args: &[&str]) -> Option<Self> {
        if !require_kafka() || !require("tansu") {
            return None;
        }
        let url = format!("tcp://127.0.0.1:{port}");
        let told = format!("tcp://127.0.0.1:{front}");
        let running = Tool::at("tansu")
            .args(["broker", "--silent", "--listener-url", &url])
            .args(["--advertised-listener-url", &told, "--storage-engine", "memory://tansu/"])
            .args(args)
            .spawn();
        eventually("the broker is ready", || TcpStream::connect(("127.0.0.1", port)).ok());
        Some(Self { running, port })
    }

    /// Returns `kafka://HOST:PORT/` followed by `rest`.
    pub fn url(&self, rest: &str) -> String {
        format!("kafka://127.0.0.1:{}/{rest}", self.port)
    }

    /// Whether the broker has not ended by itself, with all that it had.
    pub fn is_running(&mut self) -> bool {
        self.running.is_running()
    }

    /// Returns `HOST:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Kafka for Tansu {
    fn root(&self) -> String {
        self.url("")
    }

    fn running(&mut self) -> &mut Running {
        &mut self.running
    }
}

/// librdkafka's mock cluster, which fails as commanded.
#[derive(Debug)]
pub struct Mock {
    running: Running,
    brokers: String,
    commands: usize,
}

impl Mock {
    /// Starts a cluster of `brokers` brokers; `None` if heka-kafka was not built.
    pub fn start(brokers: u32) -> Option<Self> {
        if !require_kafka() {
            return None;
        }
        let mock = Tool::new("examples/kafka-mock").arg(brokers.to_string()).stdin_open().spawn();
        let line = mock.wait_stdout("its addresses", |bytes| bytes.contains(&b'\n'));
        let brokers = String::from_utf8_lossy(&line).trim().to_owned();
        Some(Self { running: mock, brokers, commands: 0 })
    }

    /// Sends a command (see `kafka-mock.rs`).
    ///
    /// # Panics
    /// If the cluster has ended.
    pub fn tell(&mut self, command: &str) {
        assert!(self.try_tell(command), "the mock cluster has ended: {}", self.running.stderr());
    }

    /// Sends a command; `false` if the cluster has ended.
    pub fn try_tell(&mut self, command: &str) -> bool {
        self.commands += 1;
        let count = self.commands;
        self.is_running()
            && self.running.try_write(format!("{command}\n"))
            && eventually("an answer", || {
                let answers = self.running.stdout().iter().filter(|byte| **byte == b'\n').count();
                (answers > count || !self.is_running()).then_some(answers > count)
            })
    }

    /// Whether the cluster has not ended by itself, with all that it had.
    pub fn is_running(&mut self) -> bool {
        self.running.is_running()
    }

    /// Returns `kafka://HOST:PORT,…/` followed by `rest`.
    pub fn url(&self, rest: &str) -> String {
        format!("kafka://{}/{rest}", self.brokers)
    }

    /// Returns `HOST:PORT,…`.
    pub fn address(&self) -> &str {
        &self.brokers
    }
}

impl Kafka for Mock {
    fn root(&self) -> String {
        self.url("")
    }

    fn running(&mut self) -> &mut Running {
        &mut self.running
    }
}

impl Stoppable for Mock {
    fn stop(&mut self) {
        self.tell("down 1");
    }

    fn start(&mut self) {
        self.tell("up 1");
    }
}
