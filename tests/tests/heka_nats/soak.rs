// SPDX-License-Identifier: MIT OR Apache-2.0
//! A cluster of three servers that are killed and frozen at random, with a sender before it and two
//! archives behind it that are killed, too; then every record is counted.
//!
//! `make soak` runs it for a quarter of `HEKA_SOAK_SECONDS`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use heka_tests::soak::{self, Servers};
use heka_tests::{Broker as _, Nats, Random, Signal};

/// The consumer that the archives share. A server waits this long for an acknowledgement.
const CONSUMER: &str = r#"{"stream_name": "LOGS", "config": {"durable_name": "archive",
    "ack_policy": "explicit", "ack_wait": 3000000000, "deliver_policy": "all",
    "max_ack_pending": 20000, "replay_policy": "instant"}}"#;

struct Cluster {
    servers: Vec<Nats>,
    /// The server that is harmed, and how; a cluster of three survives the loss of one.
    harmed: Option<(usize, Signal)>,
}

impl Cluster {
    fn url(&self, rest: &str) -> String {
        let hosts = self.servers.iter().map(|nats| format!("127.0.0.1:{}", nats.port()));
        format!("nats://{}/{rest}", hosts.collect::<Vec<_>>().join(","))
    }
}

impl Servers for Cluster {
    fn name(&self) -> &'static str {
        "NATS, three servers"
    }

    fn tool(&self) -> &'static str {
        Nats::TOOL
    }

    fn to_write(&self) -> String {
        self.url("logs?create=R3&stream=LOGS")
    }

    fn to_read(&self) -> String {
        self.url("LOGS?durable=archive")
    }

    /// Creates the consumer once the stream exists.
    fn prepare(&mut self) -> Option<()> {
        let question = format!(
            "CONNECT {{\"verbose\":false}}\r\nSUB r 1\r\nPUB $JS.API.CONSUMER.DURABLE.CREATE.LOGS.archive \
             r {}\r\n{CONSUMER}\r\n",
            CONSUMER.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.servers[0].port())).ok()?;
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
    }

    fn harm(&mut self, random: &mut Random) -> &'static str {
        let index = usize::try_from(random.below(self.servers.len() as u64)).expect("few");
        let (signal, name) = match random.below(2) {
            0 => (Signal::SIGKILL, "server killed"),
            _ => (Signal::SIGSTOP, "server frozen"),
        };
        self.servers[index].signal(signal);
        self.harmed = Some((index, signal));
        name
    }

    fn heal(&mut self) {
        match self.harmed.take() {
            Some((index, Signal::SIGKILL)) => self.servers[index].restart(),
            Some((index, _)) => self.servers[index].signal(Signal::SIGCONT),
            None => {}
        }
    }
}

#[test]
fn soak() {
    soak::soak(|| Nats::cluster().map(|servers| Cluster { servers, harmed: None }), 0.25);
}
