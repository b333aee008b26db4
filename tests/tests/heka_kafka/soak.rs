// SPDX-License-Identifier: MIT OR Apache-2.0
//! Brokers that go away or freeze at random, with a sender before them and two archives behind them
//! that are killed, too; then every record is counted. `make soak` runs each for half of
//! `HEKA_SOAK_SECONDS`. A broker that keeps everything in memory is frozen; the mock cluster breaks
//! connections and stops answering for a while, but does not recognise repetitions.

use std::time::Duration;

use heka_tests::soak::{Servers, soak};
use heka_tests::{Broker as _, Mock, Random, Signal, Tansu, eventually, require_kafka};

/// A dead archive's partitions are free soon.
const SESSION: &str = "session.timeout.ms=6000";
/// Unanswered requests are soon repeated.
const SOON: &str = "socket.timeout.ms=3000";
const BROKERS: u64 = 3;
/// Maximum number of records: the mock cluster keeps five megabytes of each partition.
const MOST_OF_MOCK: u64 = 80_000;
/// Maximum time with the mock cluster, whose process aborted in one of ten runs of two minutes.
const LONGEST_OF_MOCK: Duration = Duration::from_secs(30);

struct Frozen(Tansu);

impl Servers for Frozen {
    fn name(&self) -> &'static str {
        "Kafka, one broker"
    }

    fn tool(&self) -> &'static str {
        Tansu::TOOL
    }

    fn to_write(&self) -> String {
        self.0.url(&format!("logs?key=Payload&{SOON}"))
    }

    fn to_read(&self) -> String {
        self.0.url(&format!("logs?group=archive&{SESSION}&{SOON}"))
    }

    fn prepare(&mut self) -> Option<()> {
        Some(())
    }

    fn harm(&mut self, _: &mut Random) -> &'static str {
        self.0.signal(Signal::SIGSTOP);
        "broker frozen"
    }

    fn heal(&mut self) {
        self.0.signal(Signal::SIGCONT);
    }

    fn is_gone(&mut self) -> bool {
        !self.0.is_running()
    }
}

struct Cluster(Mock);

impl Servers for Cluster {
    fn name(&self) -> &'static str {
        "Kafka, three brokers"
    }

    fn tool(&self) -> &'static str {
        Mock::TOOL
    }

    fn to_write(&self) -> String {
        self.0.url(&format!("logs?key=Payload&{SOON}"))
    }

    /// Without `SOON`: the mock cluster makes a joining reader wait for five seconds, and aborts
    /// (`rdkafka_mock_cgrp.c`: ``Assertion `!member->resp' failed``) if the reader joins again on
    /// another connection meanwhile.
    fn to_read(&self) -> String {
        self.0.url(&format!("logs?group=archive&{SESSION}"))
    }

    fn prepare(&mut self) -> Option<()> {
        Some(())
    }

    fn harm(&mut self, random: &mut Random) -> &'static str {
        let is_all = random.below(3) == 0;
        let one = 1 + random.below(BROKERS);
        for id in (1..=BROKERS).filter(|id| is_all || *id == one) {
            self.0.try_tell(&format!("down {id}"));
        }
        if is_all { "all brokers down" } else { "broker down" }
    }

    fn heal(&mut self) {
        for id in 1..=BROKERS {
            self.0.try_tell(&format!("up {id}"));
        }
    }

    fn is_gone(&mut self) -> bool {
        !self.0.is_running()
    }

    fn most(&self) -> u64 {
        MOST_OF_MOCK
    }

    fn longest(&self) -> Duration {
        LONGEST_OF_MOCK
    }
}

/// A cluster that is used for a second, and dies if it `is_mortal`. What is written is only read if
/// `topic` is that of the cluster.
struct Short {
    cluster: Cluster,
    is_mortal: bool,
    topic: &'static str,
}

impl Short {
    fn start(is_mortal: bool, topic: &'static str) -> Option<Self> {
        let mut mock = Mock::start(3)?;
        mock.tell("topic logs 4");
        mock.tell("topic other 4");
        Some(Self { cluster: Cluster(mock), is_mortal, topic })
    }
}

impl Servers for Short {
    fn name(&self) -> &'static str {
        "Kafka, for a second"
    }

    fn tool(&self) -> &'static str {
        self.cluster.tool()
    }

    fn to_write(&self) -> String {
        self.cluster.to_write()
    }

    fn to_read(&self) -> String {
        self.cluster.0.url(&format!("{}?group=archive&{SESSION}", self.topic))
    }

    fn prepare(&mut self) -> Option<()> {
        Some(())
    }

    fn harm(&mut self, random: &mut Random) -> &'static str {
        self.cluster.harm(random)
    }

    fn heal(&mut self) {
        self.cluster.heal();
    }

    fn is_gone(&mut self) -> bool {
        if std::mem::take(&mut self.is_mortal) {
            self.cluster.0.signal(Signal::SIGKILL);
            eventually("it is dead", || self.cluster.is_gone().then_some(()));
        }
        self.cluster.is_gone()
    }

    fn longest(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn patience(&self) -> Duration {
        if self.topic == "logs" { self.cluster.patience() } else { Duration::from_secs(1) }
    }
}

#[test]
fn a_cluster_that_dies_is_no_loss_and_a_loss_is_one() {
    if !require_kafka() {
        return;
    }
    let mut started = 0;
    let start = || {
        started += 1;
        Short::start(started == 1, "logs")
    };
    soak(start, 0.1);
    assert_eq!(started, 2);
    let lossy = std::panic::catch_unwind(|| soak(|| Short::start(false, "other"), 0.1));
    assert!(lossy.is_err(), "nothing was read");
}

#[test]
fn soak_frozen() {
    soak(|| Tansu::start().map(Frozen), 0.5);
}

#[test]
fn soak_down() {
    let start = || {
        let mut mock = Mock::start(3)?;
        mock.tell("topic logs 4");
        Some(Cluster(mock))
    };
    soak(start, 0.5);
}
