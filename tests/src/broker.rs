// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the tests of all brokers have in common.

use std::fs;
use std::time::{Duration, Instant};

use crate::{Peer, Running, Signal, Tool, eventually, scratch};

/// The numbers from 1 to `count`, one a line.
pub fn lines(count: u32) -> String {
    (1..=count).map(|number| format!("{number}\n")).collect()
}

/// Those lines in the order of their numbers.
///
/// # Panics
/// If one is not a number.
pub fn sorted(text: &str) -> String {
    let mut numbers: Vec<u32> = text.lines().map(|line| line.parse().expect("a number")).collect();
    numbers.sort_unstable();
    numbers.iter().map(|number| format!("{number}\n")).collect()
}

/// The numbers from 1 to `count` are there, in any order, and none twice.
///
/// # Panics
/// If not.
#[track_caller]
pub fn each_once(text: &str, count: u32) {
    let mut numbers: Vec<u32> = text.lines().map(|line| line.parse().expect("a number")).collect();
    numbers.sort_unstable();
    let lost = (1..=count).filter(|number| numbers.binary_search(number).is_err()).count();
    assert_eq!((lost, numbers.len()), (0, count as usize), "lost, and all");
}

/// Waits until at least that many messages are acknowledged.
#[track_caller]
pub fn flows(writer: &Running, least: u64) {
    writer.wait_stderr("connected");
    eventually("messages are stored", || {
        let line = writer.statistics();
        let words: Vec<_> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let at = words.iter().position(|word| *word == "acknowledged")?;
        (words[at - 1].parse::<u64>().ok()? >= least).then_some(())
    });
}

/// A sender with a queue in front of a broker that is not there: the queue fills, the sender is
/// killed, another one takes over; once `serve` has started the broker, everything goes there.
///
/// # Panics
/// If the sender ends otherwise than it should.
pub fn queue_before<B>(url: &str, count: u32, serve: impl FnOnce() -> B) -> B {
    let folder = scratch();
    let sender = || {
        Tool::new("heka-send")
            .args(["--queue", "spool", "--retry-delay=50ms", "--retry-max-delay=200ms"])
            .arg(url)
            .dir(folder.path())
            .stdin_open()
            .spawn()
    };
    let queued = || -> u64 {
        let files = fs::read_dir(folder.path().join("spool")).into_iter().flatten().flatten();
        files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
    };
    let (all, first) = (lines(count), lines(count / 2));
    let second = &all[first.len()..];
    let mut killed = sender();
    killed.write(&first);
    killed.wait_stderr("retrying in");
    // More than the numbers themselves.
    eventually("the queue fills", || (queued() > 2 * first.len() as u64).then_some(()));
    let line = killed.statistics();
    assert!(line.contains("0 acknowledged"), "{line}");
    killed.signal(Signal::SIGKILL);
    let _killed = killed.finish();
    let mut next = sender();
    next.write(second);
    next.wait_stderr("retrying in");
    let broker = serve();
    next.finish().succeeds();
    broker
}

/// How long a tool may take to end though its broker does not answer.
const END: Duration = Duration::from_millis(1500);

/// `attempt` freezes a broker and returns what has to do with it, which then ends soon after a
/// signal, with `thaw` after it. A loaded machine gets several tries.
///
/// # Panics
/// If it never does.
pub fn end_soon<B>(
    broker: &mut B,
    mut attempt: impl FnMut(&mut B, usize) -> Vec<Running>,
    thaw: impl Fn(&mut B),
) {
    let mut tries = Vec::new();
    for number in 0..5 {
        let all = attempt(broker, number);
        let ends = all.into_iter().map(|running| {
            let since = Instant::now();
            running.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
            since.elapsed()
        });
        let longest = ends.max().expect("some processes");
        thaw(broker);
        if longest <= END {
            return;
        }
        tries.push(longest);
    }
    panic!("ends after {tries:?}");
}

/// What can be done to a broker.
pub trait Broker {
    /// It can no longer be reached.
    fn stop(&mut self);
    /// It is there again, with all it had.
    fn start(&mut self);
    /// The payloads of all that is stored at the address under test.
    fn stored(&mut self) -> String;
}

/// A sender with a broker at `url` and a second address: that takes over when the broker dies; and
/// with `--to=all` neither waits for the other.
///
/// # Panics
/// If not.
pub fn takes_over(broker: &mut impl Broker, url: &str) {
    const COUNT: u32 = 4000;
    let standby = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let retry = ["-v", "--retry-delay=50ms", "--retry-max-delay=200ms", "--retry-jitter=0"];
    let send =
        |flags: &[&str]| Tool::new("heka-send").args(retry).args(flags).args([url, &standby.addr]);
    let (all, first) = (lines(COUNT), lines(COUNT / 2));
    let rest = &all[first.len()..];
    let mut sender = send(&[]).stdin_open().spawn();
    sender.write(&first);
    flows(&sender, u64::from(COUNT / 2));
    broker.stop();
    sender.write(rest);
    standby.wait_stdout("the rest", |bytes| bytes.len() >= rest.len());
    sender.finish().succeeds();
    broker.start();
    let came = String::from_utf8(standby.stdout()).expect("text");
    each_once(&(broker.stored() + &came), COUNT);
    // To all: one that is away gets its own later.
    broker.stop();
    let folder = scratch();
    let sender = send(&["--to=all", "--queue=spool"]).dir(folder.path()).stdin_open();
    let mut sender = sender.spawn();
    sender.write("new\n");
    standby.wait_stdout("the new one", |bytes| bytes.ends_with(b"new\n"));
    broker.start();
    sender.finish().succeeds();
    eventually("the broker has it", || broker.stored().ends_with("new\n").then_some(()));
}
