// SPDX-License-Identifier: MIT OR Apache-2.0
//! Brokers for heka-kafka: tansu, which is a real one that keeps everything in memory, and the mock
//! cluster of librdkafka, which fails on demand.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

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
        let port = free_port();
        Self::behind(port, port, args)
    }

    /// Starts one on a port, which says that it is reached at another one.
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
    /// Starts one with that many brokers; `None` if heka-kafka was not built.
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

/// Stands before a broker that knows no users, and lets in who says that it is `me` with a password,
/// by SASL PLAIN. The broker has to name its port as its own.
pub fn sasl_front(listener: TcpListener, broker: u16, password: &'static str) {
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            std::thread::spawn(move || guard(client, broker, password));
        }
    });
}

/// Answers the login itself, and passes on the other requests and their answers.
fn guard(mut client: TcpStream, broker: u16, password: &str) -> std::io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", broker))?;
    let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    let expected = format!("\0me\0{password}");
    loop {
        let mut size = [0; 4];
        client.read_exact(&mut size)?;
        let mut request = vec![0; u32::from_be_bytes(size) as usize];
        client.read_exact(&mut request)?;
        // Key, version and number of the request, all of which stand before what it asks.
        let (key, number) = (u16::from_be_bytes([request[0], request[1]]), &request[4..8]);
        let is_right = request.windows(expected.len()).any(|at| at == expected.as_bytes());
        let answer: &[u8] = match key {
            // SaslHandshake: no error, and PLAIN is understood.
            17 => b"\0\0\0\0\0\x01\0\x05PLAIN",
            // SaslAuthenticate: an error or none, words, nothing more to say.
            36 if is_right => b"\0\0\xff\xff\0\0\0\0",
            36 => b"\0\x3a\0\x0bwrong login\0\0\0\0",
            _ => {
                server.write_all(&size)?;
                server.write_all(&request)?;
                continue;
            }
        };
        let version = u16::from_be_bytes([request[2], request[3]]);
        let lifetime: &[u8] = if key == 36 && version > 0 { &[0; 8] } else { &[] };
        let length = u32::try_from(4 + answer.len() + lifetime.len()).expect("short");
        client.write_all(&[&length.to_be_bytes(), number, answer, lifetime].concat())?;
    }
}
