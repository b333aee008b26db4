// SPDX-License-Identifier: MIT OR Apache-2.0
//! Datagrams: a full receive buffer, the speed of sending, messages without frames.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use heka_tests::{Outcome, Peer, Signal, Tool, ceiling, eventually, scratch};

fn lines(count: u32) -> String {
    (0..count).map(|number| format!("{number:0200}\n")).collect()
}

fn end(listener: Peer) -> Outcome {
    listener.into_running().end_by(Signal::SIGTERM)
}

/// Returns the number before a word of the statistics.
fn count(statistics: &str, word: &str) -> u64 {
    let (before, _) = statistics.split_once(word).expect("the word");
    before.rsplit(' ').next().unwrap().parse().expect("a number")
}

#[test]
fn datagrams_that_the_system_drops_are_counted_and_told() {
    let args = ["udp://127.0.0.1:0", "-opayload", "--receive-buffer=8K", "--stats"];
    let listener = Peer::new("heka-listen", args);
    listener.signal(Signal::SIGSTOP);
    let send = Tool::new("heka-send").args(["-opayload", &listener.addr]);
    send.stdin(lines(1000)).run().succeeds();
    listener.signal(Signal::SIGCONT);
    listener.wait_stderr(" dropped by the system: receive buffer full");
    let said = listener.statistics();
    let end = end(listener);
    let dropped = count(&said, " datagrams dropped");
    let came = end.out().lines().count() as u64;
    assert!(dropped > 0 && came > 0, "{said}");
    end.stderr_has("udp://127.0.0.1:").stderr_has(" datagrams dropped");
    // Several lines share a datagram.
    assert!(came < 1000, "{came} came, {dropped} were dropped");
}

#[test]
fn what_was_dropped_makes_the_status_1() {
    let args = ["udp://127.0.0.1:0", "-opayload", "--receive-buffer=8K", "-n5"];
    let listener = Peer::new("heka-listen", args);
    listener.signal(Signal::SIGSTOP);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    for number in 0..200 {
        let text = format!("{number:01000}");
        socket.send_to(text.as_bytes(), listener.bare()).expect("it goes");
    }
    listener.signal(Signal::SIGCONT);
    listener.into_running().finish().exits(1).stderr_has("dropped by the system");
}

#[test]
fn as_much_as_the_system_allows_is_the_default() {
    let most = std::fs::read_to_string("/proc/sys/net/core/rmem_max").expect("Linux");
    let most: usize = most.trim().parse().expect("a number");
    let args = ["udp://127.0.0.1:0", "-opayload"];
    let listener = Peer::new("heka-listen", args);
    listener.signal(Signal::SIGSTOP);
    // A small datagram takes less than 1024 bytes, including the system's overhead.
    let fit = u32::try_from(most / 1024).expect("a number").min(150);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    for number in 0..fit {
        socket.send_to(format!("{number}").as_bytes(), listener.bare()).expect("it goes");
    }
    listener.signal(Signal::SIGCONT);
    let all: String = (0..fit).map(|number| format!("{number}\n")).collect();
    listener.wait_stdout_is(all);
    assert_eq!(end(listener).err(), "");
    // Root may exceed the limit; others get a warning.
    let too_much = Peer::new("heka-listen", ["udp://127.0.0.1:0", "--receive-buffer=1G"]);
    let said = end(too_much).err();
    let is_told = said.contains("net.core.rmem_max");
    assert!(is_told || nix::unistd::Uid::effective().is_root(), "{said}");
}

/// A receiver that could not keep up gets everything.
#[test]
fn a_sender_keeps_to_its_rate() {
    let (socket, start) = (UdpSocket::bind("127.0.0.1:0").expect("a port"), Instant::now());
    socket.set_read_timeout(Some(ceiling())).expect("it");
    let address = format!("udp://{}", socket.local_addr().expect("an address"));
    let tool = Tool::new("heka-send").args(["-opayload", "--rate=200", &address]);
    let sender = tool.stdin(lines(100)).spawn();
    let mut came = 0;
    let mut buffer = [0; 2000];
    while came < 100 {
        let len = socket.recv(&mut buffer).expect("a datagram");
        came += buffer[..len].iter().filter(|byte| **byte == b'\n').count();
    }
    sender.finish().succeeds();
    // Two of them may be sent at once.
    assert!(start.elapsed() >= Duration::from_millis(485), "{:?}", start.elapsed());
    // The same for streams, also where a connection breaks within a record.
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let start = Instant::now();
    let tool = Tool::new("heka-send").args(["--ack=peer", "--rate=1000", "--reconnect-after=300"]);
    tool.arg(&listener.addr).stdin(lines(1000)).run().succeeds();
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
    listener.wait_stdout_is(lines(1000));
}

/// As hekad's UdpOutput sends them by default.
#[test]
fn each_datagram_is_a_message_without_a_frame() {
    let folder = scratch();
    let text = "one\ntwo\nthree\n";
    for address in ["udp://127.0.0.1:0", "unixgram:g"] {
        let args = ["-opayload", "--no-framing", "-n6", address];
        let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
        let frames = Tool::new("heka-encode").stdin(text).run().stdout;
        for input in [text.as_bytes(), &frames] {
            let tool = Tool::new("heka-send").dir(folder.path());
            tool.args(["--no-framing", &listener.addr]).stdin(input).run().succeeds();
        }
        let end = listener.into_running().finish();
        end.succeeds().stdout_is("one\ntwo\nthree\none\ntwo\nthree\n").stderr_is("");
    }
    // The wire shows what they are: one message each, without a frame.
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(ceiling())).expect("it");
    let address = format!("udp://{}", socket.local_addr().expect("an address"));
    let args = ["--no-framing", &address];
    Tool::new("heka-send").args(args).stdin(text).run().succeeds();
    let mut buffer = [0; 2000];
    for line in text.lines() {
        let len = socket.recv(&mut buffer).expect("a datagram");
        assert!(buffer.starts_with(&[0x0a, 16]), "{:?}", &buffer[..len]);
        let bare = Tool::new("heka-decode").arg("--no-framing").stdin(&buffer[..len]).run();
        bare.succeeds().stdout_has(line);
    }
}

#[test]
fn what_is_no_message_is_damage_and_a_bare_message_is_not_text_without_a_warning() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let args = ["udp://127.0.0.1:0", "-opayload", "--no-framing"];
    let listener = Peer::new("heka-listen", args);
    socket.send_to(b"no message", listener.bare()).expect("it goes");
    listener.wait_stderr("bad message");
    let text = Peer::new("heka-listen", ["udp://127.0.0.1:0", "-opayload"]);
    let bare = Tool::new("heka-encode").arg("--no-framing").stdin("one\n").run().stdout;
    socket.send_to(&bare, text.bare()).expect("it goes");
    text.wait_stderr("looks like a message without a frame (--no-framing)");
    eventually("it is counted", || listener.statistics().contains(" 1 skipped").then_some(()));
}
