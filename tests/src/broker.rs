// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks shared by the tests of all brokers.

use std::fs;
use std::time::{Duration, Instant};

use crate::{Peer, Running, Signal, Tool, eventually, require, scratch, sh, skip_anywhere};

/// Returns the numbers from 1 to `count`, one per line.
pub fn lines(count: u32) -> String {
    (1..=count).map(|number| format!("{number}\n")).collect()
}

/// Sorts the lines by number.
///
/// # Panics
/// If a line is not a number.
pub fn sorted(text: &str) -> String {
    let mut numbers: Vec<u32> = text.lines().map(|line| line.parse().expect("a number")).collect();
    numbers.sort_unstable();
    numbers.iter().map(|number| format!("{number}\n")).collect()
}

/// Asserts that each number from 1 to `count` is present exactly once, in any order.
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

/// Waits until at least `least` messages are acknowledged.
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

/// Writes `all`: once `flowing` messages are acknowledged, `harm`s the server in the middle, expects
/// the writer to report `told`, and `mend`s it. Expects success.
#[track_caller]
pub fn written_all_the_same<S>(
    server: &mut S,
    mut writer: Running,
    (all, flowing): (&str, u64),
    harm: impl FnOnce(&mut S),
    told: &str,
    mend: impl FnOnce(&mut S),
) {
    let (first, second) = all.split_at(all.len() / 2);
    writer.write(first);
    flows(&writer, flowing);
    harm(server);
    writer.write(second);
    writer.wait_stderr(told);
    mend(server);
    writer.finish().succeeds();
}

/// Tests a queue in front of a broker that is not running: the queue fills, the sender is killed,
/// another sender takes over; once `serve` has started the broker, it receives everything.
///
/// # Panics
/// If a sender exits with an unexpected status.
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
    // The queue holds more than the numbers themselves.
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

/// The payloads of everything that our `tool` reads at that address.
pub fn payloads(tool: &str, url: &str) -> String {
    let read = Tool::new(tool).args(["--read", "--no-follow", url]).run();
    read.succeeds();
    Tool::new("heka-decode").args(["-o", "payload"]).stdin(read.stdout).run().succeeds().out()
}

/// A broker, with one stream or topic under test.
pub trait Broker {
    /// Our tool for it.
    const TOOL: &'static str;
    /// What is written to, with its options. What has one logger stays in order.
    const WRITE: &'static str;
    /// What is read.
    const PLACE: &'static str;
    /// The option with the name of those who share the work and go on where the last one ended.
    const READER: &'static str;

    /// Where it is: `SCHEME://HOST:PORT/`.
    fn base(&self) -> String;

    /// Sends it a signal: STOP, CONT.
    fn signal(&mut self, signal: Signal);

    /// The address to write to.
    fn to_write(&self) -> String {
        self.base() + Self::WRITE
    }

    /// The address to read from as a reader of that name.
    fn to_read(&self, name: &str) -> String {
        format!("{}{}?{}={name}", self.base(), Self::PLACE, Self::READER)
    }

    /// The address to read everything from.
    fn to_read_all(&self) -> String {
        format!("{}{}?from=begin", self.base(), Self::PLACE)
    }

    /// The payloads of all messages of a stream or topic.
    fn payloads(&self, place: &str) -> String {
        payloads(Self::TOOL, &format!("{}{place}?from=begin", self.base()))
    }

    /// The payloads of all that is stored.
    fn stored(&self) -> String {
        self.payloads(Self::PLACE)
    }
}

/// A broker that can go away and come back.
pub trait Stoppable: Broker {
    /// Makes the broker unreachable.
    fn stop(&mut self);
    /// Starts the broker again with all its data.
    fn start(&mut self);
}

/// A file goes through heka-send and heka-listen to an archive, each line once, and nothing is left
/// for who reads after the archive has ended. `options` are added to the address to write to.
///
/// # Panics
/// If not.
pub fn goes_through<B: Broker>(broker: &B, options: &str) {
    const COUNT: u32 = 5000;
    let folder = scratch();
    fs::write(folder.path().join("app.log"), lines(COUNT)).expect("a log");
    let line = format!(
        "heka-tail --no-follow --resume app.pos app.log | \
         heka-send --stats --commit app.pos '{}{options}'",
        broker.to_write()
    );
    let send = || sh(&line).dir(folder.path()).run();
    send().succeeds().stderr_has("5000 acknowledged");
    send().succeeds().stderr_has("0 acknowledged");
    let archive = broker.to_read("archive");
    let listener = Tool::new("heka-listen")
        .args(["--write", "all.heka", "--fsync", &archive])
        .dir(folder.path())
        .spawn();
    let decoded = || {
        let decode = Tool::new("heka-decode").args(["-o", "payload"]);
        decode.arg(folder.path().join("all.heka")).run().out()
    };
    eventually("everything is archived", || (decoded() == lines(COUNT)).then_some(()));
    listener.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM).stderr_is("");
    assert_eq!(payloads(B::TOOL, &archive), "");
}

/// Messages go to another address instead of `nowhere`, where nothing can be stored, as `words` say;
/// and with `--to=all` to the broker and that one.
///
/// # Panics
/// If not.
pub fn goes_elsewhere<B: Broker>(broker: &B, nowhere: &str, words: &str) {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let sent = Tool::new("heka-send").args([nowhere, &listener.addr]).stdin("one\n").run();
    sent.succeeds().stderr_has(words).stderr_has("exit status 3");
    listener.wait_stdout_is("one\n");
    let both = Tool::new("heka-send").arg("--to=all").stdin("two\n");
    both.args([&broker.to_write(), &listener.addr]).run().succeeds();
    listener.wait_stdout_is("one\ntwo\n");
    assert_eq!(broker.stored(), "two\n");
}

/// What looks like a frame but is not one is reported with `words`; its neighbours are read, and it
/// does not come again.
///
/// # Panics
/// If not.
pub fn reports_damage<B: Broker>(broker: &B, words: &str) {
    let url = broker.to_write() + "&form=payload";
    Tool::new(B::TOOL).arg(&url).stdin("one\n\u{1e}two\nthree\n").run().succeeds();
    let read = || Tool::new(B::TOOL).args(["-r", "--no-follow", &broker.to_read("d")]).run();
    let first = read();
    first.exits(1).stderr_has(words);
    let text = Tool::new("heka-decode").args(["-o", "payload"]).stdin(first.stdout).run();
    text.stdout_has("one").stdout_has("three");
    read().succeeds().stdout_is("");
}

/// Maximum time for a tool to exit although its broker does not answer: a second for heka-send, if it
/// has read the last messages, and then another for the program that it has started.
const END: Duration = Duration::from_millis(2500);

/// Writers and readers whose broker is frozen end soon after a signal: nobody waits for it, nor for
/// its client library. A loaded machine gets several tries.
///
/// # Panics
/// If they never do.
pub fn ends_though_frozen<B: Broker>(broker: &mut B) {
    let start = |tool: &str, args: &[&str], url: &str| {
        Tool::new(tool).args(args).arg(url).stdin_open().spawn()
    };
    let mut tries = Vec::new();
    for number in 0..5 {
        let mut writers =
            [B::TOOL, "heka-send"].map(|tool| start(tool, &["-v"], &broker.to_write()));
        for writer in &mut writers {
            writer.write(lines(100));
            flows(writer, 100);
        }
        let of = |name: &str| broker.to_read(&format!("{name}{number}"));
        let listener = start("heka-listen", &["-o", "payload"], &of("listen"));
        let reader = start(B::TOOL, &["-r"], &of("read"));
        for reader in [&listener, &reader] {
            reader.wait_stdout("messages", |bytes| bytes.len() > 300);
        }
        broker.signal(Signal::SIGSTOP);
        for writer in &mut writers {
            writer.write(lines(100));
        }
        let ends = writers.into_iter().chain([listener, reader]).map(|running| {
            let since = Instant::now();
            running.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
            since.elapsed()
        });
        let longest = ends.max().expect("some processes");
        broker.signal(Signal::SIGCONT);
        if longest <= END {
            return;
        }
        tries.push(longest);
    }
    panic!("ends after {tries:?}");
}

/// What speaks to the broker for a sender is killed again and again: everything is stored. Returns the
/// payloads of all that is; what was sent again may be there twice.
///
/// # Panics
/// If the sender does not deliver.
pub fn outlives_its_helpers<B: Broker>(broker: &B, count: u32) -> String {
    const KILLS: u32 = 3;
    let retry = ["-v", "--retry-delay=20ms", "--retry-max-delay=100ms", "--retry-jitter=0"];
    let url = broker.to_write();
    let mut sender = Tool::new("heka-send").args(retry).arg(&url).stdin_open().spawn();
    let all = lines(count);
    let mut rest = all.as_str();
    for kill in 1..=KILLS {
        let before = all.len() - rest.len();
        let (now, later) = rest.split_at(rest.len() / 2);
        sender.write(now);
        rest = later;
        flows(&sender, all[..before].lines().count() as u64 + 100);
        assert!(sender.signal_helper(B::TOOL, Signal::SIGKILL), "no {} runs", B::TOOL);
        eventually("it is missed", || {
            (sender.stderr().matches("retrying in").count() >= kill as usize).then_some(())
        });
    }
    sender.write(rest);
    sender.finish().succeeds();
    broker.stored()
}

/// Where a port of the ephemeral range is the only one, and nobody listens there, a client connects
/// to itself at once. `tool` recognises that.
///
/// # Panics
/// If it does not.
pub fn is_not_its_own_broker<B: Broker>(place: &str) {
    const PORT: u16 = 40_001;
    if !require("unshare") || !require("ip") {
        return;
    }
    let prepare =
        format!("ip link set lo up && echo {PORT} {PORT} > /proc/sys/net/ipv4/ip_local_port_range");
    let alone = |line: &str| Tool::at("unshare").args(["-Urn", "/bin/sh", "-c", line]);
    if !alone(&prepare).run().status.success() {
        return skip_anywhere("no network namespaces");
    }
    let tool = crate::bindir().join(B::TOOL);
    let line = format!(
        "{prepare} && exec {} --retry=1 --retry-delay=2s --connect-timeout=1m {place}",
        tool.display()
    );
    let written = alone(&line).stdin("1\n").run();
    written.exits(3).stderr_has("connected to itself, nobody listens there");
}

/// A sender with a broker and a second address: that takes over when the broker dies; and with
/// `--to=all` neither waits for the other. `options` are added to its address.
///
/// # Panics
/// If not.
pub fn takes_over(broker: &mut impl Stoppable, options: &str) {
    const COUNT: u32 = 4000;
    let standby = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let retry = ["-v", "--retry-delay=50ms", "--retry-max-delay=200ms", "--retry-jitter=0"];
    let url = broker.to_write() + options;
    let send =
        |flags: &[&str]| Tool::new("heka-send").args(retry).args(flags).args([&url, &standby.addr]);
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
    // --to=all: an absent destination receives its records later.
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
