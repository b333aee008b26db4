// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records that heka-send keeps until they are acknowledged, one fault at a time. The fault suite
//! (soak) mixes them.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use heka_tests::{Fault, Peer, Proxy, Running, Signal, Tool, accept, eventually, scratch};

const FAST: [&str; 3] = ["--retry-delay=20ms", "--retry-jitter=0ms", "--retry-growth=1"];

fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    stream.read_line(&mut line).expect("a line");
    line
}

#[test]
fn the_first_record_after_a_close_is_not_lost() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let tool = Tool::new("heka-send").args(FAST).args(["-opayload", &address]);
    let mut sender = tool.stdin_open().spawn();
    for round in 0..20 {
        sender.write(format!("line {round}\n"));
        let mut stream = BufReader::new(accept(&listener));
        assert_eq!(line(&mut stream), format!("line {round}\n"));
        // Explicitly and at once: a child that another test just forks may hold the socket for a
        // while.
        stream.get_ref().shutdown(Shutdown::Both).expect("an end");
    }
}

#[test]
fn the_first_record_after_a_reset_or_a_restart_is_not_lost() {
    let mut listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let tool = Tool::new("heka-send").args(FAST).args(["-opayload", &address.to_string()]);
    let mut sender = tool.stdin_open().spawn();
    let mut last = String::new();
    for round in 0..20 {
        let sent = format!("line {round}\n");
        sender.write(&sent);
        let mut stream = BufReader::new(accept(&listener));
        let mut first = line(&mut stream);
        if first == last {
            // It was read, but the kernel had not yet said so to the other side.
            first = line(&mut stream);
        }
        assert_eq!(first, sent);
        last = sent;
        let resets = || sender.stderr().matches("reset by peer").count();
        let before = resets();
        // A process that dies ends its connections with a reset.
        socket2::SockRef::from(stream.get_ref()).set_linger(Some(Duration::ZERO)).expect("it");
        drop(stream);
        // What the kernel accepts until then is beyond --ack=kernel, and a child that another test
        // just forks may hold the sockets for a while.
        eventually("the reset is noticed", || (resets() > before).then_some(()));
        if round % 2 == 0 {
            drop(listener);
            listener = eventually("the same port", || TcpListener::bind(address).ok());
        }
    }
}

#[test]
fn what_a_reset_connection_had_not_passed_on_is_sent_again_with_resend() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let tool = Tool::new("heka-send").args(FAST).args(["--resend=1M", "-opayload", &address]);
    let mut sender = tool.stdin_open().spawn();
    sender.write("one\ntwo\n");
    let (mut stream, _) = listener.accept().expect("a connection");
    let mut four = [0; 4];
    stream.read_exact(&mut four).expect("one line");
    // Closed with an unread line: the sender sees a reset.
    drop(stream);
    let mut again = BufReader::new(accept(&listener));
    assert_eq!((line(&mut again), line(&mut again)), ("one\n".to_owned(), "two\n".to_owned()));
}

/// A peer that closed the connection never reads the rest, whatever our socket reports later.
#[test]
fn a_unix_receiver_has_what_it_has_read() {
    for (ended, half_closed) in [(false, false), (false, true), (true, false), (true, true)] {
        let folder = scratch();
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a socket");
        let address = format!("unix:{}", path.display());
        let tool = Tool::new("heka-send").args(FAST).args(["-opayload", &address]);
        let mut sender = tool.stdin_open().spawn();
        sender.write("one\n");
        let (stream, _) = listener.accept().expect("a connection");
        eventually("it is sent", || sender.statistics().contains(" 1 sent").then_some(()));
        if ended {
            sender.close_stdin();
        }
        if half_closed {
            stream.shutdown(Shutdown::Write).expect("an end");
        }
        drop(stream);
        let (stream, _) = listener.accept().expect("another connection");
        sender.close_stdin();
        let mut came = String::new();
        BufReader::new(stream).read_to_string(&mut came).expect("to the end");
        assert_eq!(came, "one\n");
        sender.finish().succeeds();
    }
}

#[test]
fn a_record_cut_in_the_middle_comes_again_whole() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let proxy = Proxy::new(&listener.addr);
    proxy.inject(Fault::CutAfter(10_000));
    let text: String = (0..1000).map(|number| format!("line {number}\n")).collect();
    let tool = Tool::new("heka-send").args(FAST).args(["-v", "--ack=peer", &proxy.addr]);
    let sent = tool.stdin(text.clone()).run();
    sent.succeeds().stderr_has("unacknowledged; retrying").stderr_has("sent again");
    listener.wait_stdout_is(text);
    assert_eq!(proxy.accepted(), 2);
}

#[test]
fn a_position_is_stored_once_its_message_is_confirmed() {
    let folder = scratch();
    fs::write(folder.path().join("app.log"), "one\ntwo\n").expect("a file");
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let pipeline = |address: &str| {
        let line = "heka-tail --no-follow --resume app.pos app.log |
            heka-send --retry=0 --ack=peer --commit app.pos $ADDRESS";
        heka_tests::sh(line).dir(folder.path()).env("ADDRESS", address).run()
    };
    pipeline("127.0.0.1:1").exits(3);
    pipeline(&listener.addr).succeeds();
    listener.wait_stdout_is("one\ntwo\n");
    let mut log =
        fs::OpenOptions::new().append(true).open(folder.path().join("app.log")).expect("it");
    log.write_all(b"three\n").expect("a line");
    pipeline(&listener.addr).succeeds();
    listener.wait_stdout_is("one\ntwo\nthree\n");
}

/// Returns the same frames with more in their headers.
fn with_header(frames: &[u8], more: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = frames;
    while let [0x1e, len, ..] = rest {
        let (header, behind) = rest[2..].split_at(usize::from(*len));
        // Field 1, the length of the message, is the only one: one byte here.
        let [8, length] = header else { panic!("{header:?}") };
        let (message, next) = behind.split_at(1 + usize::from(*length));
        out.extend([&[0x1e, len + more.len() as u8], header, more, message].concat());
        rest = next;
    }
    out
}

#[test]
fn positions_and_old_numbers_do_not_go_over_the_wire() {
    let bare = Tool::new("heka-encode").stdin("one\ntwo\nthree\n").run().succeeds().stdout.clone();
    // Fields 100 to 103: a stream, number 5000 in it, an acknowledgement, a position.
    let stream = [&[0xa2, 6, 16][..], &[7; 16]].concat();
    let state = [&stream[..], &[0xa8, 6, 0x88, 0x27, 0xb0, 6, 9], &[0xba, 6, 2, b'h', b'i']];
    // And a frame with nothing else.
    let number = [&[0x1e, 2 + 19 + 3, 8, 0][..], &stream, &[0xa8, 6, 7], &[0x1f]].concat();
    let marked = [number, with_header(&bare, &state.concat())].concat();
    for args in [&["--ack=kernel"][..], &["--ack=none", "-iheka"], &["--queue=q"]] {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let tool = Tool::new("heka-send").args(args).arg(address);
        let sender = tool.stdin(marked.clone()).spawn();
        let mut wire = Vec::new();
        BufReader::new(accept(&listener)).read_to_end(&mut wire).expect("to the end");
        sender.finish().succeeds();
        assert!(wire == bare, "{args:?}: {wire:02x?} for {bare:02x?}");
    }
    // A foreign number does not confuse a receiver that acknowledges, either.
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "--ack", "-oraw"]);
    for run in 1..3 {
        let tool = Tool::new("heka-send").args(["-v", "--ack=peer", &listener.addr]);
        tool.stdin(marked.clone()).run().succeeds().stderr_has(": 3 messages acknowledged");
        listener.wait_stdout_is(bare.repeat(run));
    }
}

/// A position in heka-tail's output.
#[test]
fn a_position_does_not_go_over_the_wire() {
    let folder = scratch();
    fs::write(folder.path().join("app.log"), "one\n").expect("a file");
    let tail = Tool::new("heka-tail").args(["--no-follow", "--resume=app.pos", "app.log"]);
    let frames = tail.dir(folder.path()).run().succeeds().stdout.clone();
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-n1"]);
    Tool::new("heka-send").arg(&listener.addr).stdin(frames.clone()).run().succeeds();
    let arrived = listener.into_running().finish().stdout;
    assert!(arrived.len() < frames.len());
    // The message itself is unchanged.
    let message = |frame: &[u8]| frame[3 + usize::from(frame[1])..].to_vec();
    assert_eq!(message(&arrived), message(&frames));
    assert_eq!(arrived[1], 2 + u8::from(arrived[3] >= 0x80), "only the length is left");
}

/// Waits until a sender with an endless source makes no progress.
fn stands_still(sender: &Running) {
    let amount = || sender.statistics().split(", ").nth(1).map(str::to_owned);
    let mut last = (amount(), Instant::now());
    eventually("reading stops", || {
        let now = amount();
        if now != last.0 {
            last = (now, Instant::now());
        }
        (last.1.elapsed() > Duration::from_millis(500)).then_some(())
    });
}

/// An endless source, and a sender that sends it to `address`.
fn endless(args: &[&str], address: &str) -> (Running, Running) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let source = heka_tests::sh("exec yes 'a line that never ends'");
    let source = source.stdout_file(std::os::fd::OwnedFd::from(writer).into()).spawn();
    let sender = Tool::new("heka-send").args(args).arg(address);
    (source, sender.stdin_file(std::os::fd::OwnedFd::from(reader).into()).spawn())
}

#[test]
fn a_slow_receiver_slows_the_source_and_memory_stays_flat() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let (_source, sender) = endless(&["-oraw"], &address);
    let (_stream, _) = listener.accept().expect("a connection");
    stands_still(&sender);
    let kib = sender.peak_memory();
    assert!(kib < 40 * 1024, "{kib} KiB");
}

#[test]
fn a_slow_reader_behind_the_receiver_slows_the_source_too() {
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    let listener = Peer::with("heka-listen", ["127.0.0.1:0", "--ack"], |tool| {
        tool.stdout_file(std::os::fd::OwnedFd::from(writer).into())
    });
    let (_source, sender) = endless(&["--ack=peer", "-v"], &listener.addr);
    sender.wait_stderr(": connected");
    stands_still(&sender);
    let kib = (sender.peak_memory(), listener.peak_memory());
    assert!(kib.0 < 40 * 1024 && kib.1 < 40 * 1024, "{kib:?} KiB");
}

/// Returns the number of bytes in a receiver's kernel that its process has not read.
fn unread(stream: &TcpStream) -> usize {
    let mut bytes = vec![0; 1 << 24];
    stream.peek(&mut bytes).expect("a look")
}

/// Reads what has arrived, and no more, until the sender has nothing more to send.
fn read_arrived(mut stream: &TcpStream, at_least: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < at_least {
        let mut block = vec![0; unread(stream)];
        stream.read_exact(&mut block).expect("what has arrived");
        bytes.extend_from_slice(&block);
    }
    bytes
}

/// A receiver that acknowledges nothing and ends its first connection in the middle of a record.
/// Its process's input and the next connection together have all lines, without a gap.
fn a_receiver_that(ends: impl FnOnce(TcpStream)) {
    const LINES: u32 = 200_000;
    let text: String = (0..LINES).map(|number| format!("line {number}\n")).collect();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let tool = Tool::new("heka-send").args(FAST).args(["--resend=8M", "-opayload", &address]);
    let sender = tool.stdin(text).spawn();
    let (first, _) = listener.accept().expect("a connection");
    let bytes = read_arrived(&first, 10_000);
    ends(first);
    let (mut second, _) = listener.accept().expect("another connection");
    let mut rest = Vec::new();
    second.read_to_end(&mut rest).expect("to the end");
    drop(second);
    sender.finish().succeeds();
    let number = |line: &str| line.strip_prefix("line ")?.parse::<u32>().ok();
    let before = String::from_utf8_lossy(&bytes);
    // The last line of the first connection may be incomplete.
    let whole = before.rfind('\n').map_or(0, |end| end + 1);
    let last = before[..whole].lines().last().and_then(number).expect("whole lines");
    let after: Vec<u32> =
        String::from_utf8_lossy(&rest).lines().map(|line| number(line).expect("whole")).collect();
    assert!(after.first().is_some_and(|first| *first <= last + 1), "{last}, {:?}", after.first());
    assert!(after.windows(2).all(|pair| pair[1] == pair[0] + 1), "a gap");
    assert_eq!(after.last(), Some(&(LINES - 1)));
}

/// Closed with nothing unread: the sender sees an orderly end. Later data is refused.
fn closes(stream: TcpStream) {
    stream.shutdown(std::net::Shutdown::Write).expect("an end");
    let mut rest = vec![0; unread(&stream)];
    (&stream).read_exact(&mut rest).expect("what has arrived");
    drop(stream);
}

/// Closed with much unread: the sender sees a reset.
fn resets(stream: TcpStream) {
    eventually("something is unread", || (unread(&stream) > 0).then_some(()));
    drop(stream);
}

#[test]
fn a_receiver_that_resets_loses_nothing_with_resend() {
    a_receiver_that(resets);
}

#[test]
fn a_receiver_that_closes_loses_nothing_with_resend() {
    a_receiver_that(closes);
}

#[test]
fn a_killed_netcat_that_comes_back_has_lost_nothing_with_resend() {
    if !heka_tests::require("nc") {
        return;
    }
    let folder = scratch();
    let port = heka_tests::free_port().to_string();
    let receive = |name: &str| {
        let line = format!("exec nc -l 127.0.0.1 {port} >{name}");
        heka_tests::sh(&line).dir(folder.path()).stdin_open().spawn()
    };
    let address = format!("127.0.0.1:{port}");
    let args = ["--resend=8M", "--linger=1s", "-opayload", &address];
    let mut sender = Tool::new("heka-send").args(FAST).args(args).stdin_open().spawn();
    let mut sent = String::new();
    let mut received = String::new();
    for round in 0..5 {
        let receiver = receive("part");
        let text: String = (0..3000).map(|number| format!("{round} {number}\n")).collect();
        sender.write(&text);
        sent += &text;
        let part = || fs::read_to_string(folder.path().join("part")).unwrap_or_default();
        // The last receiver gets everything, the others are killed as soon as they have anything.
        if round < 4 {
            eventually("something has come", || (!part().is_empty()).then_some(()));
            receiver.end_by(Signal::SIGKILL);
        } else {
            sender.close_stdin();
            receiver.finish().succeeds();
        }
        received += &part();
        received += "\n";
    }
    sender.finish().succeeds();
    let received: std::collections::HashSet<&str> = received.lines().collect();
    let lost: Vec<_> = sent.lines().filter(|line| !received.contains(line)).take(5).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn any_stage_may_be_killed_and_started_again() {
    if !heka_tests::require("pgrep") {
        return;
    }
    let folder = scratch();
    let log = folder.path().join("app.log");
    let out = folder.path().join("out.heka");
    let file = out.display().to_string();
    let line = "heka-tail --resume=app.pos --uuid=position app.log |
        heka-send --ack=peer --commit=app.pos --retry-delay=20ms --retry-jitter=0ms \
            --retry-growth=1 $ADDRESS";
    let proxy = Proxy::new("127.0.0.1:1");
    let listen = || {
        let listener = Peer::new("heka-listen", ["127.0.0.1:0", "--ack", "--write", &file]);
        proxy.redirect(&listener.addr);
        listener
    };
    let pipeline = || heka_tests::sh(line).dir(folder.path()).env("ADDRESS", &proxy.addr).spawn();
    let append = |round: usize| {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(&log).expect("a log");
        for number in 0..500 {
            writeln!(file, "{round} {number}").expect("a line");
        }
    };
    append(0);
    let mut listener = listen();
    let mut sender = pipeline();
    let pid = |name: &str, group: i32| -> Option<i32> {
        heka_tests::sh(&format!("pgrep -g {group} -x {name}")).run().out().trim().parse().ok()
    };
    for round in 1..9 {
        append(round);
        match round % 3 {
            0 => listener.signal(Signal::SIGKILL),
            stage => {
                let name = ["heka-tail", "heka-send"][stage - 1];
                let pid = eventually("it runs", || pid(name, sender.pid()));
                let pid = nix::unistd::Pid::from_raw(pid);
                nix::sys::signal::kill(pid, Signal::SIGKILL).expect("cannot kill it");
            }
        }
        eventually("what was killed is gone", || {
            let gone = if round % 3 == 0 { !listener.is_running() } else { !sender.is_running() };
            gone.then_some(())
        });
        if round % 3 == 0 {
            listener = listen();
        } else {
            sender = pipeline();
        }
    }
    let expected = fs::read_to_string(&log).expect("the log");
    eventually("everything is there once", || {
        let out = Tool::new("heka-decode").args(["--dedup", &file]).run().out();
        let mut lines: Vec<_> = out.lines().collect();
        let mut wanted: Vec<_> = expected.lines().collect();
        lines.sort_unstable();
        wanted.sort_unstable();
        (lines == wanted).then_some(())
    });
}

#[test]
fn a_full_disk_under_the_positions_stops_no_messages() {
    let Some(disk) = heka_tests::SmallDisk::new() else { return };
    let folder = scratch();
    fs::write(folder.path().join("app.log"), "one\n").expect("a file");
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let line = "heka-tail --resume $POS app.log | heka-send --ack=peer --commit $POS $ADDRESS";
    let position = disk.path().join("app.pos");
    let tool = heka_tests::sh(line).dir(folder.path()).env("POS", &position);
    let pipeline = tool.env("ADDRESS", &listener.addr).spawn();
    let stored = || fs::read_to_string(&position).unwrap_or_default();
    eventually("a position", || (!stored().is_empty()).then_some(()));
    let first = stored();
    disk.fill(0);
    // The rest of a page has room for a few.
    let log = fs::OpenOptions::new().append(true).open(folder.path().join("app.log"));
    log.expect("it").write_all(b"two\n").expect("a line");
    listener.wait_stdout_is("one\ntwo\n");
    pipeline.wait_stderr("No space left on device; positions are stored later");
    disk.free();
    eventually("the next position", || (stored() != first).then_some(()));
}
