// SPDX-License-Identifier: MIT OR Apache-2.0
//! Repeated warnings: the first one, then their number, however the tool ends.

use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

use heka_tests::{Outcome, Peer, Running, Signal, Tool, eventually, unix};

/// Returns frames with 1000 stretches of damage between them.
fn damaged() -> Vec<u8> {
    let frame = Tool::new("heka-encode").stdin("x\n").run().stdout;
    let pieces = (0..1000).map(|_| [&frame[..], b"damage"].concat());
    let mut stream = pieces.collect::<Vec<_>>().concat();
    stream.extend_from_slice(&frame);
    stream
}

/// Expects `outcome` to report the first stretch of damage, and the number of the others.
#[track_caller]
fn counts_damage(outcome: &Outcome) {
    let text = outcome.err();
    let lines: Vec<_> = text.lines().filter(|line| line.contains("warning: ")).collect();
    let [first, total] = lines[..] else { panic!("{outcome}") };
    assert!(first.ends_with(", 6 bytes skipped"), "{outcome}");
    assert!(total.ends_with("damage: 999 more warnings like this suppressed"), "{outcome}");
}

#[test]
fn damage_is_told_once_and_counted() {
    let stream = damaged();
    let receiver = Peer::new("heka-listen", ["127.0.0.1:0"]);
    for tool in [
        &["heka-decode", "-c"][..],
        &["heka-encode", "-i", "heka", "-o", "payload"],
        &["heka-send", "-i", "heka", &receiver.addr],
    ] {
        let outcome = Tool::new(tool[0]).args(&tool[1..]).stdin(stream.clone()).run();
        counts_damage(outcome.exits(1));
        let all = Tool::new(tool[0]).args(&tool[1..]).arg("-vv").stdin(stream.clone()).run();
        assert_eq!(all.err().matches(", 6 bytes skipped").count(), 1000, "{tool:?}");
    }
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-1"]);
    TcpStream::connect(&listener.addr).unwrap().write_all(&stream).unwrap();
    counts_damage(listener.into_running().finish().exits(1));
}

/// Waits until a running tool has read all the damage.
fn meets_all(tool: &Running) {
    eventually("all of it", || tool.statistics().contains(" 1000 skipped").then_some(()));
}

#[test]
fn a_signal_is_no_reason_to_forget_the_number() {
    let stream = damaged();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut decode = Tool::new("heka-decode").arg("-c").stdin_open().spawn();
        decode.write(&stream);
        let listener = Peer::new("heka-listen", ["127.0.0.1:0"]);
        let mut sender = TcpStream::connect(&listener.addr).unwrap();
        sender.write_all(&stream).unwrap();
        for tool in [decode, listener.into_running()] {
            // Totals are printed on the way, too, each with what is new.
            meets_all(&tool);
            let outcome = tool.end_by(signal);
            outcome.killed_by(signal);
            let text = outcome.err();
            let totals = text.lines().filter_map(|line| {
                let (start, _) = line.split_once(" more warning")?;
                start.rsplit(' ').next()?.parse::<u64>().ok()
            });
            assert_eq!(totals.sum::<u64>(), 999, "{outcome}");
        }
    }
    let mut decode = Tool::new("heka-decode").arg("-c").stdin_open().spawn();
    decode.write(&stream);
    decode.wait_stderr("bytes skipped");
    let text = decode.end_by(Signal::SIGTERM).err();
    assert!(text.trim_end().ends_with("more warnings like this suppressed"), "{text}");
}

#[test]
fn every_record_that_a_slow_peer_missed_is_counted() {
    let args = ["--queue-size", "1K", "--stats", "--exit-on-eof"];
    let (mut server, path, _folder) = unix::serve(&args, Tool::stdin_open);
    let (slow, fast) = (unix::connect(&path), unix::connect(&path));
    for (peer, text) in [(&slow, "s\n"), (&fast, "f\n")] {
        (&*peer).write_all(text.as_bytes()).unwrap();
        server.wait_stdout(text, |out| out.ends_with(text.as_bytes()));
    }
    let read = |peer: UnixStream| {
        std::thread::spawn(move || std::io::copy(&mut &peer, &mut std::io::sink()).unwrap() / 1000)
    };
    let fast = read(fast);
    let record = [&[b'x'; 999][..], b"\n"].concat();
    for _ in 0..2000 {
        server.write(&record);
    }
    server.wait_stderr("peer 0: reads too slowly");
    let slow = read(slow);
    let outcome = server.into_running().finish();
    let (got, missed) = (slow.join().unwrap(), 2000 - fast.join().unwrap());
    let lost = 2000 - got + missed;
    outcome.exits(1).stderr_has(&format!(", {lost} skipped"));
    let text = outcome.err();
    let told = |before: &str, after: &str| {
        let numbers = text.lines().filter_map(|line| {
            let (start, _) = line.split_once(after)?;
            start.rsplit_once(before)?.1.parse::<u64>().ok()
        });
        numbers.sum::<u64>()
    };
    let printed = told(", ", " record");
    assert_eq!(printed + told("(", " record"), lost, "{outcome}");
}
