// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tools for brokers.

use std::os::fd::OwnedFd;

use heka_tests::{Broker, Mock, Nats, Running, Signal, Tool, flows, sh};

use super::records::wait_full;
use super::servers::stuck;
use super::{check_peak, wait_flat};

const MIB: u64 = 1024;
/// Limit of the tests on unacknowledged data, in MiB.
const IN_FLIGHT: u64 = 24;

/// A writer to a broker that freezes once something has been stored: its input is endless.
fn write_to_a_broker_that_stands_still(tool: &str, url: &str, stop: impl FnOnce()) -> Running {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let source = sh(&format!("seq 1000; exec yes {}", "x".repeat(9999)));
    let _source = source.stdout_file(OwnedFd::from(writer).into()).spawn();
    let in_flight = format!("--in-flight={IN_FLIGHT}M");
    let tool = Tool::new(tool).args(["-v", &in_flight, url]);
    let running = tool.stdin_file(OwnedFd::from(reader).into()).spawn();
    flows(&running, 100);
    stop();
    wait_full(&running, (IN_FLIGHT - 4) << 20);
    running
}

/// Lines of 60,000 bytes, 60 MB in all: a request asks for a number of messages, too.
fn much() -> String {
    (1..=1000).map(|number| format!("{number:59999}\n")).collect()
}

/// A reader whose output is not read.
fn read_into_a_stuck_pipe(tool: &str, url: &str) -> (std::io::PipeReader, Running) {
    let in_flight = format!("--in-flight={IN_FLIGHT}M");
    stuck(Tool::new(tool).args(["--read", &in_flight, url]))
}

#[test]
fn heka_nats_holds_what_is_not_acknowledged() {
    let Some(mut nats) = Nats::start("") else { return };
    let url = nats.url("s?create=R1&stream=S");
    let stop = || nats.signal(Signal::SIGSTOP);
    let writer = write_to_a_broker_that_stands_still("heka-nats", &url, stop);
    check_peak(writer.peak_memory(), (IN_FLIGHT - 4) * MIB, IN_FLIGHT * MIB);
}

#[test]
fn heka_nats_holds_what_was_not_taken() {
    let Some(nats) = Nats::start("") else { return };
    let url = nats.url("s?create=R1&stream=S");
    Tool::new("heka-nats").arg(&url).stdin(much()).run().succeeds();
    let (_reader, reader) = read_into_a_stuck_pipe("heka-nats", &nats.url("S?durable=d"));
    // It requests half of it at once.
    let half = IN_FLIGHT / 2;
    check_peak(wait_flat(&reader, half * MIB), half * MIB, IN_FLIGHT * MIB);
}

#[test]
fn heka_kafka_holds_what_is_not_acknowledged_and_the_library_once_more() {
    let Some(mut mock) = Mock::start(1) else { return };
    mock.tell("topic t 1");
    let url = mock.url("t");
    let stop = || mock.signal(Signal::SIGSTOP);
    let writer = write_to_a_broker_that_stands_still("heka-kafka", &url, stop);
    check_peak(writer.peak_memory(), (IN_FLIGHT - 4) * MIB, 2 * IN_FLIGHT * MIB);
}

#[test]
fn heka_kafka_fetches_so_much_ahead() {
    const PARTITIONS: u32 = 16;
    let Some(mut mock) = Mock::start(1) else { return };
    mock.tell(&format!("topic t {PARTITIONS}"));
    // The mock keeps the last 5 MiB of a partition.
    let all = much();
    for (number, part) in all.as_bytes().chunks(4_000_000).enumerate() {
        let partition = number % PARTITIONS as usize;
        let url = mock.url(&format!("t?partition={partition}"));
        Tool::new("heka-kafka").arg(url).stdin(part).run().succeeds();
    }
    let (_reader, reader) = read_into_a_stuck_pipe("heka-kafka", &mock.url("t?from=begin"));
    let ahead = 16 * MIB;
    check_peak(wait_flat(&reader, ahead), ahead, ahead + 2 * IN_FLIGHT * MIB);
}
