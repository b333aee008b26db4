// SPDX-License-Identifier: MIT OR Apache-2.0
//! The memory limits of docs/operations.md: each tool is driven to its limit.

mod brokers;
mod records;
mod servers;

use std::fs::File;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use heka_tests::{Peer, Running, Tool, eventually, rest, scratch};

/// Memory of a tool with its buffers, but without data.
const BASE: u64 = 24 * 1024;

fn nowhere() -> File {
    File::options().write(true).open("/dev/null").expect("a device")
}

/// Waits until memory no longer grows beyond `least` KiB, and returns the maximum.
fn wait_flat(running: &Running, least: u64) -> u64 {
    let mut last = 0;
    eventually("it holds all that it may", || {
        let peak = running.peak_memory();
        let is_flat = peak == last && peak > least;
        last = peak;
        rest(Duration::from_millis(300));
        is_flat.then_some(peak)
    })
}

/// Waits until the tool prints statistics on request.
fn wait_asked(running: &Running) {
    eventually("it catches SIGUSR1", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
        (caught & 1 << (heka_tests::Signal::SIGUSR1 as u32 - 1) != 0).then_some(())
    });
}

/// Waits until it has read `len` bytes.
fn wait_read(running: &Running, len: usize) {
    wait_asked(running);
    let read = format!(" {len} bytes in");
    eventually("all of it is read", || running.statistics().contains(&read).then_some(()));
}

/// Fails unless the peak memory of a tool, in KiB, is more than what it was made to hold, and no
/// more than twice the limit.
#[track_caller]
fn check_peak(peak: u64, held: u64, bound: u64) {
    assert!(peak > held, "{peak} KiB: it did not get to hold {held} KiB");
    assert!(peak < BASE + 2 * bound, "{peak} KiB, of which {bound} KiB are to be held");
}

/// The table lists every flag that is a limit, and only existing tools.
#[test]
fn the_table_names_what_there_is() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md");
    let text = std::fs::read_to_string(path).expect("it is there");
    let (_, memory) = text.split_once("\n## Memory\n").expect("a section");
    let rows = memory.lines().filter(|line| line.starts_with("| heka") || line.starts_with("| `"));
    let mut count = 0;
    for row in rows {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let tool = cells[1].trim_matches('`');
        count += 1;
        if tool == "heka-kafka" && !heka_tests::require_kafka() {
            continue;
        }
        let help = Tool::new(tool).arg("--help").run().succeeds().out();
        for flag in cells[3].split('`').filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "{tool} has no {flag}");
        }
    }
    assert_eq!(count, 11, "one row for each tool");
}

#[test]
fn heka_listen_holds_no_more_than_its_flags_say() {
    let args = ["127.0.0.1:0", "-opayload", "--max-memory=16M", "--max-record=2M"];
    let listener = Peer::new("heka-listen", args);
    let senders: Vec<_> = (0..60)
        .map(|_| {
            let mut sender = TcpStream::connect(&listener.addr).expect("it listens");
            let writer = sender.try_clone().expect("a descriptor");
            let thread = std::thread::spawn(move || drop(sender.write_all(&[b'x'; 1_900_000])));
            (writer, thread)
        })
        .collect();
    listener.wait_stderr("(--max-memory)");
    // The limit, the record that may finish, and 32 KiB for each connection.
    let peak = listener.peak_memory();
    assert!(peak < BASE + 2 * (16 + 2) * 1024 + 60 * 32, "{peak} KiB");
    for (sender, thread) in senders {
        let _gone = sender.shutdown(std::net::Shutdown::Both);
        thread.join().expect("it ends");
    }
}

#[test]
fn unix_sock_holds_no_more_than_its_flags_say() {
    let folder = scratch();
    let path = folder.path().join("s").display().to_string();
    let args = ["-l", &path, "--max-record=1M", "--max-conns=20"];
    let server = Peer::with("unix-sock", args, Tool::stdin_open);
    let senders: Vec<_> = (0..20)
        .map(|_| {
            let mut sender = UnixStream::connect(&path).expect("it listens");
            // No line ends, so all permitted bytes of one are kept.
            for _ in 0..30 {
                sender.write_all(&[b'x'; 100_000]).expect("it takes that");
            }
            sender
        })
        .collect();
    eventually("all of it is read", || {
        server.statistics().contains(" 60000000 bytes in").then_some(())
    });
    let peak = server.peak_memory();
    assert!(peak < BASE + 20 * 2 * 1024, "{peak} KiB");
    drop(senders);
}

/// An endless record of each form.
#[test]
fn heka_encode_holds_no_more_than_its_flags_say() {
    for (args, start) in [
        (&["-i", "lines"][..], "x"),
        (&["-0"], "x"),
        (&["-i", "lines", "--regex", "(?P<a>x+)"], "x"),
        (&["-i", "json"], "{\"Payload\":\""),
        (&["-i", "heka"], "\u{1e}\u{5}\u{8}"),
    ] {
        let tool = Tool::new("heka-encode").args(args).arg("--max-record=64K");
        let mut encoder = tool.stdout_file(nowhere()).stdin_open().spawn();
        encoder.write(start);
        for _ in 0..60 {
            encoder.write(vec![b'x'; 1_000_000]);
        }
        let peak = encoder.peak_memory();
        assert!(peak < BASE, "{args:?}: {peak} KiB");
    }
}
