// SPDX-License-Identifier: MIT OR Apache-2.0
//! ws-source over time: reconnects, and a reader that is slow or stuck.

use std::fs::File;
use std::io::Read;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use heka_tests::ws::{WsServer, frame};
use heka_tests::{Running, Signal, Tool, eventually, free_port};

fn ws(args: &[&str]) -> Tool {
    Tool::new("ws-source").args(args)
}

/// Returns resident memory in KiB, while it runs.
fn memory(running: &Running) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// A pipe that is not read yet, as the tool's stdout.
fn stuck(tool: Tool) -> (File, Running) {
    // Not inherited by processes of other tests, or the reader could not be gone.
    let (read, write) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
    let running = tool.stdout_file(File::from(write)).spawn();
    (File::from(read), running)
}

#[test]
fn it_comes_back_again_and_again_and_says_hello_each_time() {
    let (sender, seen) = mpsc::channel();
    let server = WsServer::start(move |nth, mut peer| {
        peer.accept();
        let hello = peer.receive().expect("an init message");
        sender.send(hello.payload).unwrap();
        peer.text(format!("message {nth}"));
        if nth < 4 {
            peer.reset();
        } else {
            peer.echo();
        }
    });
    let url = server.url("/");
    let running = ws(&["-p", "hello", "--retry-delay", "50ms", &url]).spawn();
    running.wait_stdout("the fifth message", |out| out.ends_with(b"message 4\n"));
    let outcome = running.end_by(Signal::SIGTERM);
    assert_eq!(seen.iter().take(5).collect::<Vec<_>>(), vec![b"hello".to_vec(); 5]);
    let lost = outcome.err().matches("; retrying in 50 ms\n").count();
    let again = outcome.err().matches("connected after ").count();
    assert!(lost >= 4 && again >= 3, "{outcome}");
}

#[test]
fn a_server_that_is_not_there_yet_is_waited_for() {
    let url = format!("ws://127.0.0.1:{}/", free_port());
    let running = ws(&["--retry-delay", "20ms", &url]).spawn();
    running.wait_stderr("Connection refused; retrying in 20 ms");
    running.signal(Signal::SIGTERM);
    running.finish().killed_by(Signal::SIGTERM).stdout_is("");
}

#[test]
fn connections_that_die_at_once_count_as_failures() {
    let server = WsServer::start(|_, mut peer| {
        peer.accept();
        peer.close(1001, "");
    });
    let began = Instant::now();
    let args = ["--retry", "3", "--retry-delay", "100ms", "--retry-growth", "2"];
    let outcome = ws(&args).arg(server.url("/")).run();
    outcome.succeeds();
    assert_eq!(server.connections(), 4, "{outcome}");
    // 100 + 200 + 400 ms: no attempt reset the delays.
    assert!(began.elapsed() >= Duration::from_millis(700), "{outcome}");
    outcome.stderr_has("retrying in 400 ms\n");
}

#[test]
fn a_server_that_asks_to_stay_away_is_obeyed() {
    let server = WsServer::start(|_, mut peer| {
        peer.request();
        peer.send("HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n");
    });
    let began = Instant::now();
    let outcome = ws(&["--retry", "1", "--retry-delay", "10ms"]).arg(server.url("/")).run();
    outcome.exits(3).stderr_has("retrying in 2 s\n");
    assert!(began.elapsed() >= Duration::from_secs(2));
}

#[test]
fn a_stuck_reader_stops_no_pong() {
    let (sender, seen) = mpsc::channel();
    let server = WsServer::start(move |_, mut peer| {
        peer.accept();
        // More than any pipe holds, less than the backlog.
        for _ in 0..64 {
            peer.binary(vec![b'x'; 128 * 1024]);
        }
        for number in 0..20u8 {
            peer.ping([number]);
            let pong = peer.receive_opcode(10).expect("a pong");
            sender.send(pong.payload).unwrap();
        }
        peer.close(1000, "");
    });
    let url = server.url("/");
    let (mut reader, running) = stuck(ws(&["--retry", "0", "--ping-interval", "none", &url]));
    for number in 0..20u8 {
        assert_eq!(seen.recv_timeout(heka_tests::ceiling()).unwrap(), [number]);
    }
    let mut out = Vec::new();
    reader.read_to_end(&mut out).unwrap();
    running.finish().succeeds();
    assert_eq!(out.len(), 64 * (128 * 1024 + 1));
}

#[test]
fn memory_stays_bounded_behind_a_stuck_reader_and_the_server_still_hears_from_us() {
    let (sender, seen) = mpsc::channel();
    let server = WsServer::start(move |_, mut peer| {
        peer.accept();
        // The socket fills up; the client's own messages arrive in between.
        let message = frame(0x82, &vec![b'x'; 64 * 1024]);
        let mut sent = 0;
        peer.patience(Duration::from_millis(1));
        peer.write_patience(Duration::from_millis(500));
        while sent < 2000 && peer.send(&message) {
            sent += 1;
        }
        peer.patience(heka_tests::ceiling());
        sender.send((sent, peer.receive_opcode(10).is_some())).unwrap();
    });
    let url = server.url("/");
    let args = [
        "--retry",
        "0",
        "--max-backlog",
        "8M",
        "--ping-interval",
        "100ms",
        "--ping-timeout",
        "300ms",
    ];
    let (_reader, mut running) = stuck(ws(&args).arg(&url));
    let (sent, ponged) = seen.recv_timeout(heka_tests::ceiling()).unwrap();
    assert!(sent < 2000, "the server was never held up");
    assert!(ponged, "no sign of life while reading is paused");
    let memory = memory(&running).expect("it runs");
    assert!(memory < 64 * 1024, "{memory} KiB");
    assert!(running.is_running(), "silence was held against a server that is not read");
}

#[test]
fn term_ends_it_even_if_the_reader_is_stuck() {
    let server = WsServer::start(|_, mut peer| {
        peer.accept();
        for _ in 0..64 {
            peer.binary(vec![b'x'; 128 * 1024]);
        }
        peer.ping("");
        peer.receive_opcode(10);
        peer.echo();
    });
    let url = server.url("/");
    let (_reader, running) = stuck(ws(&["-v", "--retry", "0", &url]));
    running.wait_stderr("connected");
    running.signal(Signal::SIGTERM);
    let outcome = running.finish();
    outcome.killed_by(Signal::SIGTERM).stdout_is("").stderr_has("the reader is stuck");
}

#[test]
fn memory_stays_within_the_backlog_while_the_close_is_waited_for() {
    let server = WsServer::start(|_, mut peer| {
        peer.accept();
        peer.ping("");
        peer.receive_opcode(10);
        let block = frame(0x82, &[b'x'; 1000]).repeat(256);
        // No close is answered.
        while peer.send(&block) {}
    });
    let url = server.url("/");
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let args = ["-v", "--retry", "0", "--max-backlog", "1M", &url];
        let (_reader, mut running) = stuck(ws(&args));
        running.wait_stderr("connected");
        running.signal(signal);
        let mut peak = 0;
        eventually("its end", || {
            peak = peak.max(memory(&running).unwrap_or_default());
            (!running.is_running()).then_some(())
        });
        running.finish().killed_by(signal);
        assert!(peak < 48 * 1024, "{peak} KiB");
    }
}

#[test]
fn term_in_a_busy_feed_costs_no_message() {
    let server = WsServer::start(|_, mut peer| {
        peer.accept();
        peer.patience(Duration::from_millis(1));
        let mut number = 0;
        // It continues until the client has received the signal.
        while !(number % 5000 == 0 && peer.receive().is_some_and(|frame| frame.opcode == 8)) {
            peer.text(format!("{number}"));
            number += 1;
        }
        peer.text("the last one");
        peer.send(frame(0x88, &1000u16.to_be_bytes()));
    });
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let running = ws(&["--retry", "0", "--ping-interval", "none", &server.url("/")]).spawn();
        running.wait_stdout("some of it", |out| out.len() > 100_000);
        running.signal(signal);
        let outcome = running.finish();
        outcome.killed_by(signal);
        let text = outcome.out();
        let lines: Vec<&str> = text.lines().collect();
        let (last, numbers) = lines.split_last().unwrap();
        assert_eq!(*last, "the last one");
        for (expected, line) in numbers.iter().enumerate() {
            assert_eq!(*line, expected.to_string());
        }
    }
}

#[test]
fn a_reader_that_leaves_is_noticed_without_a_message_and_while_waiting() {
    let server = WsServer::start(|_, mut peer| {
        peer.accept();
        peer.echo();
    });
    let url = server.url("/");
    let (reader, running) = stuck(ws(&["-v", &url]));
    running.wait_stderr("connected");
    drop(reader);
    running.finish().killed_by(Signal::SIGPIPE);

    let (reader, running) = stuck(ws(&["ws://127.0.0.1:1/"]));
    running.wait_stderr("retrying in 30 s");
    drop(reader);
    running.finish().killed_by(Signal::SIGPIPE);
}

#[test]
fn echo_keeps_up_with_a_server_that_is_slow_to_read() {
    let server = WsServer::start(|_, mut peer| {
        peer.accept();
        for number in 0..200u32 {
            peer.binary([&number.to_be_bytes()[..], &vec![0; 64 * 1024]].concat());
        }
        for number in 0..200u32 {
            let frame = peer.receive_opcode(2).expect("an echo");
            assert_eq!(frame.payload[..4], number.to_be_bytes());
        }
        peer.close(1000, "all");
    });
    let outcome = ws(&["--retry", "0", "--echo", "-v", &server.url("/")]).run();
    outcome.succeeds().stderr_has("closed with 1000 (normal): all");
}
