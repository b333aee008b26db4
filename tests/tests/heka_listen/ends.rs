// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ends of connections to heka-listen, and of heka-listen itself: nothing sent to it is lost
//! with them.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::{Duration, Instant};

use socket2::Socket;

use heka_tests::{Peer, Running, Signal, Tool, certificates, eventually, require, scratch, sh};

fn connect(peer: &Peer) -> TcpStream {
    TcpStream::connect(&peer.addr).expect("cannot connect")
}

fn say(stream: &mut impl Write, text: impl AsRef<[u8]>) {
    stream.write_all(text.as_ref()).expect("cannot write");
}

fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| format!("line {number}\n")).collect()
}

/// Waits for this time.
fn pass(time: Duration) {
    let start = Instant::now();
    eventually("time passes", || (start.elapsed() >= time).then_some(()));
}

/// Limits the process to its current descriptors: opening another one fails.
fn take_descriptors(process: &Running) {
    let number = || {
        let open = fs::read_dir(format!("/proc/{}/fd", process.pid())).expect("descriptors");
        let open: Vec<_> = open.map(|entry| entry.expect("one").file_name()).collect();
        (0..).find(|free: &usize| !open.contains(&free.to_string().into())).expect("a free number")
    };
    eventually("no descriptor is open for a moment only", || {
        let limit = number();
        let args = ["--pid".to_owned(), process.pid().to_string(), format!("--nofile={limit}:")];
        Tool::at("prlimit").args(args).run().succeeds();
        (number() == limit).then_some(())
    });
}

/// A listener whose output is a pipe that is not read yet, and that pipe.
fn stalled(args: &[&str]) -> (Peer, fs::File) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let args = ["127.0.0.1:0", "-opayload"].iter().chain(args);
    let listener =
        Peer::with("heka-listen", args, |tool| tool.stdout_file(OwnedFd::from(writer).into()));
    (listener, OwnedFd::from(reader).into())
}

#[test]
fn a_sender_is_not_idle_because_our_reader_is_slow() {
    let (listener, output) = stalled(&["--idle-timeout=500ms"]);
    let mut sender = connect(&listener);
    let mut other = connect(&listener);
    // More than the pipe and the sockets can hold.
    let flood = format!("{}\n", "x".repeat(65_000)).repeat(500);
    let flood = std::thread::spawn(move || other.write_all(flood.as_bytes()));
    for number in 0..20 {
        say(&mut sender, format!("line {number}\n"));
        pass(Duration::from_millis(60));
    }
    let args = ["--line-buffered", "^line"];
    let reader = Tool::at("grep").args(args).stdin_file(output).spawn();
    reader.wait_stdout_is(lines(0..20));
    assert!(!listener.stderr().contains("idle"), "{}", listener.stderr());
    drop((listener, reader));
    drop(flood.join().expect("the other sender"));
}

#[test]
fn a_sender_that_waits_for_its_confirmation_is_not_idle() {
    let (listener, output) = stalled(&["--ack", "--idle-timeout=1s"]);
    let text = format!("{}\n", "x".repeat(3 << 20));
    let args = ["--ack=peer", "--retry=0", "--message-limit=4M", &listener.addr];
    let sender = Tool::new("heka-send").args(args).stdin(text.clone()).spawn();
    pass(Duration::from_millis(2500));
    let reader = Tool::at("cat").stdin_file(output).spawn();
    reader.wait_stdout("the long line", |out| out.len() == text.len());
    sender.finish().succeeds();
    assert!(!listener.stderr().contains("idle"), "{}", listener.stderr());
}

#[test]
fn what_has_arrived_when_a_signal_comes_is_written() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
    let mut senders = [connect(&listener), connect(&listener)];
    say(&mut senders[0], "first\n");
    listener.wait_stdout_is("first\n");
    listener.signal(Signal::SIGSTOP);
    // The kernel accepts it while the process sleeps.
    for sender in &mut senders {
        say(sender, lines(0..5000));
    }
    listener.signal(Signal::SIGTERM);
    listener.signal(Signal::SIGCONT);
    let end = listener.into_running().finish();
    end.killed_by(Signal::SIGTERM).stdout_is(format!("first\n{0}{0}", lines(0..5000)));
}

#[test]
fn who_waits_for_a_door_to_open_and_every_datagram_is_heard_before_the_end() {
    let folder = scratch();
    let args = ["127.0.0.1:0", "udp://127.0.0.1:0", "unix:s", "unixgram:g", "-opayload", "--ack"];
    for most in ["--max-conns=1", "--max-conns=100"] {
        let args = args.iter().chain([&most]);
        let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
        let mut known = connect(&listener);
        say(&mut known, "known\n");
        listener.wait_stdout_is("known\n");
        listener.signal(Signal::SIGSTOP);
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let gram = UnixDatagram::unbound().expect("a socket");
        for number in 0..100 {
            let text = format!("datagram {number:02}\n");
            udp.send_to(text.as_bytes(), listener.addrs[1].trim_start_matches("udp://"))
                .expect("cannot send");
        }
        gram.send_to(b"gram\n", folder.path().join("g")).expect("cannot send");
        for number in 0..5 {
            // It does not have to stay for that.
            say(&mut connect(&listener), format!("tcp {number}\n"));
        }
        say(&mut UnixStream::connect(folder.path().join("s")).expect("it"), "unix\n");
        say(&mut known, "last\n");
        listener.signal(Signal::SIGTERM);
        listener.signal(Signal::SIGCONT);
        let end = listener.into_running().finish();
        let out = end.killed_by(Signal::SIGTERM).out();
        let mut written: Vec<_> = out.lines().collect();
        written.sort_unstable();
        let datagrams: Vec<_> = (0..100).map(|number| format!("datagram {number:02}")).collect();
        let others = ["gram", "known", "last", "tcp 0", "tcp 1", "tcp 2", "tcp 3", "tcp 4", "unix"];
        let expected: Vec<_> = datagrams.iter().map(String::as_str).chain(others).collect();
        assert_eq!(written, expected, "{most}");
    }
}

#[test]
fn who_goes_on_sending_keeps_nobody_from_being_heard() {
    let args = ["127.0.0.1:0", "udp://127.0.0.1:0", "-opayload"];
    let listener = Peer::new("heka-listen", args);
    let mut senders = [connect(&listener), connect(&listener)];
    for sender in &mut senders {
        say(sender, "first\n");
    }
    listener.wait_stdout_is("first\nfirst\n");
    listener.signal(Signal::SIGSTOP);
    let [mut steady, mut quiet] = senders;
    say(&mut quiet, "last words\n");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    udp.connect(listener.addrs[1].trim_start_matches("udp://")).expect("an address");
    // Both continue until nobody listens.
    let floods = [
        std::thread::spawn(move || while udp.send(b"flood\n").is_ok() {}),
        std::thread::spawn(move || while steady.write_all(&[b'\n'; 100_000]).is_ok() {}),
    ];
    listener.signal(Signal::SIGTERM);
    listener.signal(Signal::SIGCONT);
    let end = listener.into_running().finish();
    end.killed_by(Signal::SIGTERM).stdout_has("last words\n");
    for flood in floods {
        flood.join().expect("a flood");
    }
}

#[test]
fn what_waits_at_an_inherited_socket_is_for_the_next_process() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    let start = |args: &str| {
        let line = format!(
            "exec 3<&0; LISTEN_PID=$$ LISTEN_FDS=1 exec heka-listen -v -opayload {args} </dev/null"
        );
        let socket = socket.try_clone().expect("the socket");
        let listener = sh(&line).stdin_file(OwnedFd::from(socket).into()).spawn();
        listener.wait_stderr("listening");
        listener
    };
    let first = start("");
    first.signal(Signal::SIGSTOP);
    say(&mut TcpStream::connect(address).expect("cannot connect"), "for the next\n");
    first.signal(Signal::SIGTERM);
    first.signal(Signal::SIGCONT);
    first.finish().killed_by(Signal::SIGTERM).stdout_is("");
    start("-n1").finish().succeeds().stdout_is("for the next\n");
}

#[test]
fn what_a_broken_or_idle_connection_has_begun_is_taken() {
    let torn = Tool::new("heka-encode").stdin("two\n").run().stdout;
    for (text, status) in [(b"two".as_slice(), 0), (&torn[..torn.len() - 2], 1)] {
        for is_broken in [true, false] {
            let args = ["127.0.0.1:0", "-1", "-opayload", "--idle-timeout=1s"];
            let args = if is_broken { &args[..3] } else { &args };
            let listener = Peer::new("heka-listen", args);
            let sender = Socket::from(connect(&listener));
            say(&mut &sender, text);
            let mut held = Some(sender);
            if is_broken {
                eventually("it is read", || {
                    let count = format!(" {} bytes in", text.len());
                    listener.statistics().contains(&count).then_some(())
                });
                // A connection closed like this is reset.
                held.take().expect("it").set_linger(Some(Duration::ZERO)).expect("an option");
            }
            let end = listener.into_running().finish();
            let (written, told) = if status == 0 { ("two\n", "") } else { ("", "cut off") };
            end.exits(status).stdout_is(written).stderr_has(told);
            drop(held);
        }
    }
}

#[test]
fn with_once_a_second_sender_is_refused() {
    let folder = scratch();
    let args = ["127.0.0.1:0", "unix:s", "-1", "-opayload", "-v"];
    let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
    let mut only = connect(&listener);
    listener.wait_stderr("connected");
    eventually("others are refused", || TcpStream::connect(&listener.addr).err());
    assert!(!folder.path().join("s").exists());
    say(&mut only, "only one\n");
    drop(only);
    listener.into_running().finish().succeeds().stdout_is("only one\n");
}

#[test]
fn once_waits_until_a_connection_could_be_taken() {
    if !require("prlimit") {
        return;
    }
    let listener = Peer::with("heka-listen", ["127.0.0.1:0", "-1"], |tool| tool);
    take_descriptors(&listener);
    let _sender = connect(&listener);
    listener.wait_stderr("cannot accept a connection");
    assert!(listener.statistics().contains(" 0 connections"));
    listener.into_running().end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
}

#[test]
fn datagrams_are_no_connection_to_end_with() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let line = "exec 3<&0; LISTEN_PID=$$ LISTEN_FDS=1 exec heka-listen -1 127.0.0.1:0 </dev/null";
    let tool = sh(line).stdin_file(OwnedFd::from(socket).into());
    tool.run().exits(2).stderr_has("--once needs connections");
}

#[test]
fn a_socket_that_nobody_can_connect_to_is_not_listened_on() {
    let (socket, _other) = UnixStream::pair().expect("sockets");
    let line = "exec 3<&0; LISTEN_PID=$$ LISTEN_FDS=1 exec heka-listen </dev/null";
    let tool = sh(line).stdin_file(OwnedFd::from(socket).into());
    tool.run().exits(2).stderr_has("LISTEN_FDS: descriptor 3: nobody can connect to it");
}

#[test]
fn tls_ends_in_order() {
    let Some(folder) = certificates() else { return };
    // It ends by itself, or by a signal, or only the connection ends.
    for (arg, signal) in
        [("-n1", None), ("-e", Some(Signal::SIGTERM)), ("--idle-timeout=200ms", None)]
    {
        let args = ["tls://127.0.0.1:0", "--cert=server.pem", "--key=server.key", "-opayload", arg];
        let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
        let args = ["s_client", "-quiet", "-CAfile", "ca.pem", "-connect", listener.bare()];
        let client = Tool::at("openssl").dir(folder.path()).args(args).stdin_open();
        let mut client = client.spawn();
        client.write("x\n");
        listener.wait_stdout_is("x\n");
        if let Some(signal) = signal {
            listener.signal(signal);
        }
        // The status is an error if close_notify is absent.
        eventually("the client ends", || (!client.is_running()).then_some(()));
        let end = client.finish();
        assert!(end.status.success(), "{arg}: {end}");
    }
}

#[test]
fn nothing_is_confirmed_that_the_reader_did_not_take() {
    // A reader that leaves is noticed at once if the output is a pipe, and at the next write if it
    // is a socket.
    let (reader, writer) = UnixStream::pair().expect("sockets");
    let listener = Peer::with("heka-listen", ["127.0.0.1:0", "--ack", "--stats"], |tool| {
        tool.stdout_file(OwnedFd::from(writer).into())
    });
    drop(reader);
    let args = ["--ack=peer", "--linger=500ms", "--retry=0", listener.addr.as_str()];
    Tool::new("heka-send").args(args).stdin("x\n").run().exits(3);
    let end = listener.into_running().finish();
    end.killed_by(Signal::SIGPIPE).stderr_has("1 messages").stderr_has(" 0 acknowledged");
}

#[test]
fn nothing_is_confirmed_that_a_stuck_reader_did_not_take_before_a_signal() {
    let (listener, _output) = stalled(&["--ack"]);
    let args = ["--ack=peer", "--linger=20s", "--retry=0", "--message-limit=4M"];
    let tool = Tool::new("heka-send").args(args).arg(&listener.addr);
    let sender = tool.stdin("x".repeat(3 << 20)).spawn();
    // It writes as soon as it has the whole message.
    eventually("it has all of it", || {
        listener.signal(Signal::SIGUSR1);
        listener.stderr().contains("1 messages, ").then_some(())
    });
    let end = listener.into_running().end_by(Signal::SIGTERM);
    end.killed_by(Signal::SIGTERM).stderr_has("the reader is stuck");
    sender.finish().exits(3);
}

#[test]
fn the_system_looks_after_connections_to_an_inherited_socket_too() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    let line = "exec 3<&0; LISTEN_PID=$$ LISTEN_FDS=1 exec heka-listen -v --keepalive=100s \
                </dev/null";
    let listener = sh(line).stdin_file(OwnedFd::from(socket).into()).spawn();
    let _sender = TcpStream::connect(address).expect("cannot connect");
    listener.wait_stderr("connected");
    // proc(5): local address, remote address, state (1: established), queues, timer (2: keepalive).
    let local = format!("0100007F:{:04X}", address.port());
    let timer = eventually("the connection is listed", || {
        let table = fs::read_to_string("/proc/net/tcp").expect("proc");
        let rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        let mut own = rows.filter(|row| row.get(1) == Some(&&*local) && row.get(3) == Some(&"01"));
        own.next().map(|row| row[5].to_owned())
    });
    assert!(timer.starts_with("02:"), "{timer}");
}
