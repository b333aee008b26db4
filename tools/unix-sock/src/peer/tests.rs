// SPDX-License-Identifier: MIT OR Apache-2.0

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use std::time::Duration;

use clap::Parser as _;
use heka_core::os::{Backlog, Output};
use nix::time::{ClockId, clock_gettime};
use socket2::{Domain, Socket};

use super::*;
use crate::cli::Cli;
use crate::door::socket_type;
use crate::facts::Facts;
use crate::inbound::scratch_len;
use crate::link::Way;

#[test]
fn what_takes_long_to_read_takes_many_turns() {
    let args = ["unix-sock", "--listen", "s", "--framing=heka", "--send-only"];
    let plan = Cli::parse_from(args).plan().unwrap();
    let mut sink = Sink::open(&plan).unwrap();
    let (mut near, far) = UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    let far = Socket::from(far);
    let facts = Facts::of(&far, 0, "s".to_owned(), true);
    let mut peer = Peer::new(Link::new(Way::Stream(far), facts), &plan);
    let mut scratch = vec![0; scratch_len(&plan)];
    // Headers in each other's messages, all of them longer than the data sent.
    let headers = b"\x7a\x07\x1e\x04\x08\xc0\x84\x3d\x1f".repeat(7000);
    near.write_all(&headers[2..]).unwrap();
    for _ in 0..8 {
        peer.read(&mut sink, &mut scratch).unwrap();
        near.write_all(&headers).unwrap();
    }
    drop(near);
    let mut turns = 0;
    while peer.inbound.receiving != Receiving::Ended {
        assert!(peer.wants_reading(&plan));
        peer.read(&mut sink, &mut scratch).unwrap();
        turns += u32::from(matches!(peer.inbound.receiving, Receiving::Unfinished(_)));
    }
    assert!(turns > 2, "{turns}");
    assert!(peer.inbound.intake.partial.is_empty());
}

/// Returns the processor time of this thread, which does not depend on other load.
fn busy() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap().into()
}

/// Returns the most steps and the longest time of a turn of a peer that sends `bytes` as fast as possible,
/// in packets of up to `size` bytes if it has packets, and ends.
fn longest_turn(flags: &[&str], bytes: &[u8], size: usize) -> (u64, Duration) {
    let args = ["unix-sock", "--listen", "s"];
    let plan = Cli::parse_from(args.iter().chain(flags)).plan().unwrap();
    let out = Output::file(tempfile::tempfile().unwrap(), "out");
    let mut sink = Sink::new(&plan, Some(Backlog::new(out)));
    let (near, far) = Socket::pair(Domain::UNIX, socket_type(plan.kind), None).unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    let facts = Facts::of(&far, 0, "s".to_owned(), true);
    let mut peer = Peer::new(Link::connected(far, facts), &plan);
    let mut scratch = vec![0; scratch_len(&plan)];
    let (mut near, mut left) = (Some(near), bytes);
    let mut longest = (0, Duration::ZERO);
    while peer.inbound.receiving != Receiving::Ended {
        while let (Some(socket), false) = (&near, left.is_empty()) {
            match (&*socket).write(&left[..size.min(left.len())]) {
                Ok(len) => left = &left[len..],
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    break;
                }
            }
        }
        if left.is_empty() {
            near = None;
        }
        peer.inbound.wake();
        sink.turn.wrote();
        let before = busy();
        peer.read(&mut sink, &mut scratch).unwrap();
        longest = (longest.0.max(sink.turn.unwritten()), longest.1.max(busy() - before));
    }
    longest
}

/// Steps are counted, because without optimization everything takes many times as long.
#[test]
fn nobody_delays_another_by_more_than_ten_milliseconds() {
    const TURN: u64 = 33_000;
    const LIMIT: Duration = Duration::from_millis(10);
    let headers = b"\x7a\x07\x1e\x04\x08\xc0\x84\x3d\x1f".repeat(60_000);
    let begun = [&b"\x1e\x05\x08\xff\xff\xff\x01\x1f"[..], &headers].concat();
    let lines = b"a\n".repeat(250_000);
    let long = b"a".repeat(3_000_000);
    let packets = ["--type=seqpacket"];
    // A packet is not kept for another turn, and a record is not split.
    let (packet, record) = (4 * 30_000 + 60_000 / 16, 3_000_000 / 16);
    for (name, flags, bytes, size, most) in [
        ("headers in each other's messages", &["--framing=heka"][..], &headers[2..], 1 << 20, TURN),
        ("the same in an unfinished message", &["--framing=heka"], &begun, 1 << 20, TURN),
        ("short lines", &[], &lines, 1 << 20, TURN),
        ("short lines as JSON", &["--json"], &lines, 1 << 20, TURN),
        ("short lines in packets", &["--type=seqpacket", "-d\\n"], &lines, 60_000, packet + TURN),
        ("long packets", &packets, &long, 100_000, TURN),
        ("long packets as JSON", &["--type=seqpacket", "-j"], &long, 100_000, TURN),
        ("short packets", &packets, &long[..100_000], 10, TURN),
        ("a long line", &[], &long, 1 << 20, record + TURN),
    ] {
        let turns: Vec<_> = (0..3).map(|_| longest_turn(flags, bytes, size)).collect();
        let steps = turns.iter().map(|(steps, _)| *steps).max().unwrap();
        assert!(steps <= most, "{name}: {steps} steps");
        let time = turns.iter().map(|(_, time)| *time).min().unwrap();
        assert!(time < LIMIT || cfg!(debug_assertions), "{name}: {time:?}");
    }
}
