// SPDX-License-Identifier: MIT OR Apache-2.0
//! Addresses, limits and behaviour of heka-send and heka-listen.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use heka_tests::{DeadEnd, Peer, Signal, Tool, eventually, require, scratch, sh};

fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| format!("{number}\n")).collect()
}

fn connect(peer: &Peer) -> TcpStream {
    TcpStream::connect(&peer.addr).expect("cannot connect")
}

#[test]
fn one_process_listens_on_every_kind_of_address() {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let abstract_name = format!("@heka-test-{}", std::process::id());
    let addresses = [
        "127.0.0.1:0".to_owned(),
        "tcp://[::1]:0".to_owned(),
        format!("unix:{}", path("stream")),
        abstract_name.clone(),
        "udp://127.0.0.1:0".to_owned(),
        format!("unixgram:{}", path("gram")),
    ];
    let listener =
        Peer::new("heka-listen", addresses.iter().map(String::as_str).chain(["-opayload"]));
    let bound = listener.addrs.clone();
    // Each of them can be sent to.
    assert_eq!(bound[2], addresses[2]);
    assert_eq!(bound[3], format!("unix:{abstract_name}"));
    assert!(bound[4].starts_with("udp://127.0.0.1:"), "{bound:?}");
    assert_eq!(bound[5], addresses[5]);
    let mut expected = String::new();
    for target in bound {
        Tool::new("heka-send").arg(&target).stdin(format!("to {target}\n")).run().succeeds();
        expected += &format!("to {target}\n");
        listener.wait_stdout_is(&expected);
    }
    listener.into_running().end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    assert!(!folder.path().join("stream").exists() && !folder.path().join("gram").exists());
}

#[test]
fn names_are_resolved_and_all_their_addresses_tried() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
    let address = format!("localhost:{}", listener.port());
    Tool::new("heka-send").arg(&address).stdin("by name\n").run().succeeds();
    listener.wait_stdout_is("by name\n");
    let four = Tool::new("heka-send").args(["-6", &listener.addr, "--retry=0"]).stdin("x\n").run();
    four.exits(3).stderr_has("no IPv6 address");
    let none = Tool::new("heka-send").args(["no-such-host.invalid:1", "--retry=0"]);
    let none = none.stdin_file(fs::File::open("/dev/null").expect("a device")).run();
    // Also if there was nothing to send.
    none.exits(3).stderr_has("no-such-host.invalid:1: ");
}

#[test]
fn the_source_address_can_be_chosen() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let sender = Tool::new("heka-send").args(["-s", "127.0.0.2", &address]).stdin("x\n").spawn();
    let (_stream, from) = listener.accept().expect("a connection");
    assert_eq!(from.ip().to_string(), "127.0.0.2");
    drop(sender);
}

#[test]
fn the_second_address_is_used_when_the_first_does_not_answer() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
    let closed = format!("127.0.0.1:{}", heka_tests::free_port());
    let sent = Tool::new("heka-send").args([&closed, &listener.addr]).stdin("x\n").run();
    sent.succeeds().stderr_has("Connection refused");
    listener.wait_stdout_is("x\n");
}

#[test]
fn every_one_of_several_addresses_can_get_everything() {
    let one = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
    let two = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
    let text = lines(0..1000);
    let args = ["--to=all", "-T", one.addr.as_str(), two.addr.as_str()];
    Tool::new("heka-send").args(args).stdin(text.clone()).run().succeeds().stdout_is(&text);
    one.wait_stdout_is(&text);
    two.wait_stdout_is(&text);
}

#[test]
fn a_dead_address_does_not_hold_up_another() {
    let (dead, closed) = (DeadEnd::new(), format!("127.0.0.1:{}", heka_tests::free_port()));
    let text = lines(0..20_000);
    for order in [[0, 1, 2], [2, 0, 1]] {
        let live = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
        let addresses = [&dead.addr, &closed, &live.addr];
        let args = ["--to=all", "-w1h", "--retry-delay=1h", "--retry-max-delay=1h"];
        let tool = Tool::new("heka-send").args(args).args(order.map(|place| addresses[place]));
        let sender = tool.stdin(text.clone()).spawn();
        live.wait_stdout("all lines", |out| out == text.as_bytes());
        // It is still retrying.
        let end = sender.end_by(Signal::SIGTERM);
        end.killed_by(Signal::SIGTERM).stderr_has("20000 messages not acknowledged");
        assert!(!end.err().contains(&dead.addr), "{end}");
    }
}

#[test]
fn a_socket_file_has_its_mode_and_only_a_stale_one_is_replaced() {
    let folder = scratch();
    let path = folder.path().join("s");
    let address = format!("unix:{}", path.display());
    // Dropped without being removed: nobody listens any longer.
    drop(UnixListener::bind(&path).expect("a socket"));
    let listener = Peer::new("heka-listen", ["--mode=600", &address]);
    assert_eq!(fs::metadata(&path).expect("the socket").permissions().mode() & 0o777, 0o600);
    let second = Tool::new("heka-listen").arg(&address).run();
    second.exits(1).stderr_has("Address already in use");
    drop(listener);
    fs::remove_file(&path).ok();
    fs::write(&path, "precious").expect("a file");
    Tool::new("heka-listen").arg(&address).run().exits(1).stderr_has("is not a socket");
    assert_eq!(fs::read_to_string(&path).expect("the file"), "precious");
}

#[test]
fn sockets_are_taken_over_from_the_one_who_starts() {
    let socket = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = socket.local_addr().expect("an address");
    let line = "exec 3<&0; LISTEN_PID=$$ LISTEN_FDS=1 exec heka-listen -n1 -opayload </dev/null";
    let listener = sh(line).stdin_file(std::os::fd::OwnedFd::from(socket).into()).spawn();
    let mut stream = TcpStream::connect(address).expect("cannot connect");
    stream.write_all(b"hello\n").expect("cannot write");
    listener.finish().succeeds().stdout_is("hello\n");
}

#[test]
fn text_and_frames_are_told_apart_for_each_sender() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
    connect(&listener).write_all(b"plain text without an end").expect("cannot write");
    listener.wait_stdout_is("plain text without an end\n");
    Tool::new("heka-send").arg(&listener.addr).stdin("a frame\n").run().succeeds();
    listener.wait_stdout_is("plain text without an end\na frame\n");
}

#[test]
fn text_becomes_messages_as_in_tcp_input() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-j", "-n1"]);
    let mut stream = connect(&listener);
    stream.write_all(b"hi\n").expect("cannot write");
    let text = listener.wait_stdout("a message", |text| text.ends_with(b"\n"));
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains(r#""Payload":"hi\n""#), "{text}");
    assert!(text.contains(r#""Type":"TcpInput""#), "{text}");
    // The host, not the port that it happened to get.
    assert!(text.contains(r#""Hostname":"127.0.0.1""#), "{text}");
}

#[test]
fn text_tells_how_it_came() {
    let folder = scratch();
    let hostname = sh("uname -n").run().out().trim().to_owned();
    for (address, input, host) in [
        ("127.0.0.1:0", "TcpInput", "127.0.0.1"),
        ("[::1]:0", "TcpInput", "::1"),
        ("udp://127.0.0.1:0", "UdpInput", "127.0.0.1"),
        ("udp://[::1]:0", "UdpInput", "::1"),
        ("unix:s", "UnixInput", &hostname),
        ("unixgram:g", "UnixInput", &hostname),
    ] {
        for (args, type_) in [(&["-j", "-n1"][..], input), (&["-j", "-n1", "--type=x"], "x")] {
            let args = args.iter().chain([&address]);
            let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
            let send = Tool::new("heka-send").dir(folder.path()).args(["-opayload"]);
            send.arg(&listener.addr).stdin("hi\n").run().succeeds();
            let text = listener.into_running().finish().succeeds().out();
            let expected = format!(r#""Type":"{type_}","Logger":"{type_}""#);
            assert!(text.contains(&expected), "{address}: {text}");
            assert!(text.contains(&format!(r#""Hostname":"{host}""#)), "{address}: {text}");
        }
    }
}

#[test]
fn frames_of_many_senders_never_tear() {
    const SENDERS: usize = 20;
    const EACH: usize = 2000;
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", &format!("-n{}", SENDERS * EACH)]);
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let text: String =
                (0..EACH).map(|n| format!("{sender} {n} {}\n", "x".repeat(n % 300))).collect();
            Tool::new("heka-send").arg(&listener.addr).stdin(text).spawn()
        })
        .collect();
    for sender in senders {
        sender.finish().succeeds();
    }
    let frames = listener.into_running().finish();
    let decoded = Tool::new("heka-decode").stdin(frames.succeeds().stdout.clone()).run();
    decoded.succeeds().stderr_is("");
    let mut next = [0; SENDERS];
    for line in decoded.out().lines() {
        let mut words = line.split(' ');
        let mut number =
            || words.next().and_then(|word| word.parse::<usize>().ok()).expect("a number");
        let (sender, n) = (number(), number());
        assert_eq!(n, next[sender], "{line}");
        assert_eq!(words.next().map(str::len), Some(n % 300));
        next[sender] += 1;
    }
    assert_eq!(next, [EACH; SENDERS]);
}

#[test]
fn hostile_senders_harm_nobody_else() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
    let mut slow = connect(&listener);
    slow.write_all(b"\x1e\x02\x08").expect("cannot write");
    let mut endless = connect(&listener);
    endless.write_all(&vec![b'a'; 200_000]).expect("cannot write");
    let mut liar = connect(&listener);
    liar.write_all(b"\x1e\x06\x08\xff\xff\xff\xff\x0f\x1f lies").expect("cannot write");
    let mut garbage = connect(&listener);
    let noise: Vec<u8> =
        (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    garbage
        .write_all(&[b"\x1e\x02\x08\x05\x1f".as_slice(), &noise].concat())
        .expect("cannot write");
    Tool::new("heka-send").arg(&listener.addr).stdin("safe\n").run().succeeds();
    listener.wait_stdout("the good message", |out| out.windows(5).any(|part| part == b"safe\n"));
    drop((slow, endless, liar, garbage));
    listener.into_running().end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--max-conns=2"]);
    let first = connect(&listener);
    let _second = connect(&listener);
    let mut third = connect(&listener);
    third.write_all(b"my turn\n").expect("cannot write");
    listener.wait_stderr("2 connections: further ones wait");
    drop(first);
    listener.wait_stdout_is("my turn\n");
}

/// Even if all connections are idle and are closed at the same time.
#[test]
fn idle_connections_make_room_for_others() {
    let args = ["127.0.0.1:0", "-opayload", "--max-conns=2", "--idle-timeout=300ms"];
    let listener = Peer::new("heka-listen", args);
    let _idle = [connect(&listener), connect(&listener)];
    let mut third = connect(&listener);
    third.write_all(b"my turn\n").expect("cannot write");
    listener.wait_stderr("2 connections: further ones wait");
    listener.wait_stdout_is("my turn\n");
}

#[test]
fn an_idle_connection_is_closed() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "--idle-timeout=100ms"]);
    let mut stream = connect(&listener);
    stream.set_read_timeout(Some(heka_tests::ceiling())).expect("a timeout");
    assert_eq!(stream.read(&mut [0]).expect("closed in order"), 0);
    listener.wait_stderr("idle timeout, closed");
}

#[test]
fn a_message_over_the_limit_costs_only_itself() {
    let args = ["127.0.0.1:0", "-opayload", "--max-message-size=1000", "-n2"];
    let listener = Peer::new("heka-listen", args);
    let text = format!("one\n{}\ntwo\n", "x".repeat(5000));
    Tool::new("heka-send").arg(&listener.addr).stdin(text).run().succeeds();
    let end = listener.into_running().finish();
    end.exits(1).stdout_is("one\ntwo\n").stderr_has("message longer than the limit");
}

#[test]
fn a_datagram_carries_whole_frames() {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(heka_tests::ceiling())).expect("a timeout");
    let address = format!("udp://{}", socket.local_addr().expect("an address"));
    let text = format!("{}\n{}\n{}\n", "a".repeat(700), "b".repeat(700), "c".repeat(70_000));
    let frames = Tool::new("heka-encode").arg("--max-record=1M").stdin(text + "d\n").run();
    let sent = Tool::new("heka-send").arg(address).stdin(frames.stdout).run();
    sent.stderr_has("does not fit a datagram");
    let mut sizes = Vec::new();
    let mut buffer = vec![0; 70_000];
    while sizes.len() < 3 {
        let len = socket.recv(&mut buffer).expect("a datagram");
        let decoded = Tool::new("heka-decode").stdin(&buffer[..len]).run();
        decoded.succeeds().stderr_is("");
        sizes.push(decoded.stdout.len());
    }
    assert_eq!(sizes, [701, 701, 2]);
}

#[test]
fn a_proxy_is_asked_for_a_tunnel() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://me:secret@{}", proxy.local_addr().expect("an address"));
    let upstream = listener.addr.clone();
    let serve = std::thread::spawn(move || {
        let (mut client, _) = proxy.accept().expect("a connection");
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            client.read_exact(&mut byte).expect("a request");
            request.push(byte[0]);
        }
        client.write_all(b"HTTP/1.1 200 Fine\r\nVia: test\r\n\r\n").expect("cannot write");
        let mut server = TcpStream::connect(upstream).expect("cannot connect");
        std::io::copy(&mut client, &mut server).expect("records");
        String::from_utf8(request).expect("text")
    });
    let address = format!("127.0.0.1:{}", listener.port());
    // The environment's proxy is not used for this machine, a named one is.
    let refused = Tool::new("heka-send").args(["-x", &url, &address]).stdin("x\n").run();
    refused.exits(2).stderr_has("ALL_PROXY");
    let bare = url.replace("me:secret@", "");
    let sent = Tool::new("heka-send").args(["-x", &bare, &address]).stdin("x\n").run();
    sent.succeeds();
    listener.wait_stdout_is("x\n");
    let request = serve.join().expect("the proxy");
    assert!(request.starts_with(&format!("CONNECT {address} HTTP/1.1\r\n")), "{request}");
}

#[test]
fn hup_reopens_the_file() {
    let folder = scratch();
    let path = folder.path().join("all.log");
    let written = || fs::read_to_string(&path).unwrap_or_default();
    let file = path.display().to_string();
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--write", &file]);
    let send = |text: &str| drop(connect(&listener).write_all(text.as_bytes()));
    send("one\n");
    eventually("the first line", || (written() == "one\n").then_some(()));
    fs::rename(&path, folder.path().join("all.log.1")).expect("rename");
    listener.signal(Signal::SIGHUP);
    eventually("a new file", || path.exists().then_some(()));
    send("two\n");
    eventually("the second line", || (written() == "two\n").then_some(()));
}

#[test]
fn signatures_are_made_and_verified() {
    let folder = scratch();
    fs::write(folder.path().join("key"), "secret\n").expect("a file");
    fs::write(folder.path().join("keys"), "ops_1 secret\n").expect("a file");
    let args = ["127.0.0.1:0", "-opayload", "--hmac-keys=keys", "--require-signer=ops", "-n1"];
    let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
    let send = |args: &[&str], text: &str| {
        let tool = Tool::new("heka-send").dir(folder.path()).arg(&listener.addr);
        tool.args(args).stdin(text).run().succeeds();
    };
    send(&[], "unsigned\n");
    listener.wait_stderr("not signed");
    send(&["--signer=ops", "--signer-version=1", "--hmac-key-file=key"], "signed\n");
    listener.into_running().finish().exits(1).stdout_is("signed\n");
}

#[test]
fn statistics_are_told_at_any_time() {
    // A peer that accepts the connection and sends nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = silent.local_addr().expect("an address").to_string();
    let mut sender = Tool::new("heka-send").args([&addr, "--ack=peer"]).stdin_open().spawn();
    sender.write("one\ntwo\n");
    let _connection = silent.accept().expect("a connection");
    eventually("two messages", || {
        sender.signal(Signal::SIGUSR1);
        sender.stderr().contains("heka-send: 2 messages").then_some(())
    });
    sender
        .end_by(Signal::SIGTERM)
        .killed_by(Signal::SIGTERM)
        .stderr_has("2 messages not acknowledged");
}

#[test]
fn the_tools_of_others_are_at_either_end() {
    let senders =
        ["nc -N 127.0.0.1 $P", "ncat --send-only 127.0.0.1 $P", "socat -u - TCP:127.0.0.1:$P"];
    for command in senders {
        let program = command.split(' ').next().unwrap_or_default();
        if !require(program) {
            continue;
        }
        let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
        let line = format!("seq 1000 | {command}");
        sh(&line).env("P", listener.port().to_string()).run().succeeds();
        listener.wait_stdout_is(lines(1..1001));
    }
    let receivers =
        ["nc -l 127.0.0.1 $P", "ncat -l 127.0.0.1 $P", "socat -u TCP-LISTEN:$P,bind=127.0.0.1 -"];
    for command in receivers {
        let program = command.split(' ').next().unwrap_or_default();
        if !require(program) {
            continue;
        }
        let port = heka_tests::free_port().to_string();
        let receiver = sh(&format!("exec {command}")).env("P", &port).stdin_open().spawn();
        let address = format!("127.0.0.1:{port}");
        let args = ["-opayload", "--retry-delay=20ms", "--linger=1s", address.as_str()];
        Tool::new("heka-send").args(args).stdin(lines(1..1001)).run().succeeds();
        receiver.finish().succeeds().stdout_is(lines(1..1001));
    }
}

#[test]
fn a_closed_or_full_output_is_told() {
    let listener = Peer::with("heka-listen", ["127.0.0.1:0"], |tool| {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        tool.stdout_file(full)
    });
    connect(&listener).write_all(b"x\n").expect("cannot write");
    let end = listener.into_running().finish();
    end.exits(1).stderr_has("write error: No space left on device");
    // A reader that exits is noticed at once, not only at the next write.
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let listener = Peer::with("heka-listen", ["127.0.0.1:0"], |tool| {
        tool.stdout_file(std::os::fd::OwnedFd::from(writer).into())
    });
    let stream = connect(&listener);
    drop(reader);
    listener.into_running().finish().killed_by(Signal::SIGPIPE).stderr_is("");
    drop(stream);
}

#[test]
fn a_unix_stream_is_confirmed_by_being_read() {
    let folder = scratch();
    let path = folder.path().join("s");
    let listener = UnixListener::bind(&path).expect("a socket");
    let args = [format!("unix:{}", path.display()), "--linger=200ms".to_owned()];
    let sender = Tool::new("heka-send").args(args).stdin("x\n").spawn();
    let (stream, _): (UnixStream, _) = listener.accept().expect("a connection");
    // Nobody reads: that is not a delivery.
    sender.finish().exits(3).stderr_has("1 message not acknowledged within 200 ms");
    drop(stream);
}

#[test]
fn ten_thousand_connections_fit_and_lose_nothing() {
    const OPEN: usize = 10_000;
    const SENDING: usize = 1000;
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    if hard < OPEN as u64 + 200 {
        eprintln!("skipped: only {hard} files may be open");
        return;
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("a limit");
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--max-conns=11000"]);
    let mut streams = Vec::with_capacity(OPEN);
    while streams.len() < OPEN {
        streams.push(connect(&listener));
    }
    let frame = Tool::new("heka-encode").stdin("m\n").run().stdout;
    for round in 0..10 {
        for stream in streams.iter_mut().take(SENDING) {
            // The other senders leave an unfinished record.
            let part = if round == 0 { &frame[..20] } else { &frame[..] };
            let rest = if round == 0 { &frame[20..] } else { &[] };
            stream.write_all(part).and_then(|()| stream.write_all(rest)).expect("cannot write");
        }
    }
    for stream in streams.iter_mut().skip(SENDING) {
        stream.write_all(&frame[..frame.len() - 1]).expect("cannot write");
    }
    listener.wait_stdout("10000 messages", |out| out.len() == 2 * 10 * SENDING);
    let kib = listener.peak_memory();
    assert!(kib <= 256 * 1024, "{kib} KiB");
    eprintln!("{OPEN} connections: {kib} KiB at most");
    for stream in streams.iter_mut().skip(SENDING) {
        stream.write_all(&frame[frame.len() - 1..]).expect("cannot write");
    }
    listener.wait_stdout("all messages", |out| out.len() == 2 * (10 * SENDING + OPEN - SENDING));
}

#[test]
fn a_wait_can_be_ended_at_any_time() {
    let dead = DeadEnd::new();
    for args in [["127.0.0.1:1", "--retry-delay=1h"], [&dead.addr, "-w1h"]] {
        // A queue is filled with and without a receiver.
        let sender = Tool::new("heka-send").args(args).args(["-T", "--queue=spool"]);
        let mut sender = sender.stdin_open().spawn();
        sender.write("x\n");
        sender.wait_stdout_is("x\n");
        let started = std::time::Instant::now();
        sender.end_by(Signal::SIGINT).killed_by(Signal::SIGINT);
        assert!(started.elapsed() < Duration::from_secs(10), "{args:?}");
    }
}
