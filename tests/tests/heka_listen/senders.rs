// SPDX-License-Identifier: MIT OR Apache-2.0
//! The flags of heka-listen: input, output form, destination and limits.

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use heka_tests::{Peer, Signal, SmallDisk, TempDir, Tool, eventually, require, scratch, sh};

fn connect(peer: &Peer) -> TcpStream {
    TcpStream::connect(&peer.addr).expect("cannot connect")
}

fn frames(text: &str) -> Vec<u8> {
    Tool::new("heka-encode").stdin(text).run().succeeds().stdout.clone()
}

fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| format!("line {number}\n")).collect()
}

/// Returns frames of this total size, of which the last contains a possible beginning of a frame.
fn frames_of(size: usize) -> Vec<u8> {
    let all = |len: usize| {
        let lines = (0..5).map(|number| "x".repeat(if number == 0 { len } else { 50_000 }) + "\n");
        // A header of 127 bytes could begin there, and end in the following data.
        frames(&(lines.collect::<String>() + "a\x1e\u{7f}\x08\x01\n"))
    };
    let some = all(50_000).len();
    let all = all(50_000 + size - some);
    assert_eq!(all.len(), size);
    all
}

/// Input that fills the buffer exactly is handled without waiting for more.
#[test]
fn what_fills_a_read_to_the_byte_is_not_held() {
    let folder = scratch();
    let path = folder.path().join("s");
    let listener = Peer::new("heka-listen", ["-oheka", &format!("unix:{}", path.display())]);
    let sender = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    sender.connect(&SockAddr::unix(&path).unwrap()).unwrap();
    sender.set_send_buffer_size(1 << 20).unwrap();
    let first = frames("1\n");
    (&sender).write_all(&first).unwrap();
    listener.wait_stdout("the first one", |out| out == first);
    listener.signal(Signal::SIGSTOP);
    let frames = frames_of(256 * 1024);
    (&sender).write_all(&frames).unwrap();
    listener.signal(Signal::SIGCONT);
    listener.wait_stdout("all of it", |out| out.len() == first.len() + frames.len());
}

/// A listener in `folder`.
fn listen(folder: &TempDir, args: &[&str]) -> Peer {
    let args = ["127.0.0.1:0"].iter().chain(args);
    Peer::with("heka-listen", args, |tool| tool.dir(folder.path()))
}

/// Sends lines with acknowledgements, and expects all of them to be acknowledged.
fn send(peer: &Peer, text: &str) {
    let args = ["--ack=peer", "--retry=0", "--linger=20s", &peer.addr];
    Tool::new("heka-send").args(args).stdin(text).run().succeeds();
}

fn decoded(path: &Path) -> String {
    Tool::new("heka-decode").arg(path).run().succeeds().stderr_is("").out()
}

#[test]
fn what_senders_send_can_be_given() {
    for (args, bytes, written) in [
        (&["-iraw", "-oraw"][..], &b"no\x1eline"[..], "no\x1eline"),
        (&["-ilines", "-opayload"], b"\x1e\x02\x08\n", "\x1e\x02\x08\n"),
        (&["-0", "-oraw"], b"one\ntwo\0", "one\ntwo\0"),
        (&["-0", "-opayload"], b"one\ntwo\0three\0", "one\ntwo\0three\0"),
    ] {
        let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-1"].iter().chain(args));
        connect(&listener).write_all(bytes).expect("cannot write");
        listener.into_running().finish().succeeds().stdout_is(written);
    }
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-1", "-iheka", "-e"]);
    connect(&listener).write_all(b"text").expect("cannot write");
    listener.into_running().finish().exits(1).stderr_has("not a frame").stdout_is("");
}

#[test]
fn raw_pieces_become_messages_of_the_type_given() {
    let args = ["127.0.0.1:0", "-1", "-iraw", "-j", "--type=piece"];
    let listener = Peer::new("heka-listen", args);
    connect(&listener).write_all(b"any\nbytes").expect("cannot write");
    let end = listener.into_running().finish();
    end.succeeds().stdout_has(r#""Payload":"any\nbytes""#).stdout_has(r#""Type":"piece""#);
}

#[test]
fn nothing_written_can_be_a_status() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-1", "-e"]);
    drop(connect(&listener));
    listener.into_running().finish().exits(4);
    Tool::new("heka-listen").args(["-n0", "127.0.0.1:0"]).run().succeeds();
}

#[test]
fn repeated_messages_are_dropped_if_asked() {
    let folder = scratch();
    let text = frames("one\ntwo\n");
    let listener = listen(&folder, &["-opayload", "--ack", "--dedup=100"]);
    for _ in 0..2 {
        connect(&listener).write_all(&text).expect("cannot write");
    }
    send(&listener, "three\n");
    listener.wait_stdout("all three", |out| out.ends_with(b"three\n"));
    eventually("both are told", || {
        listener.signal(Signal::SIGUSR1);
        listener.stderr().contains("2 repeated").then_some(())
    });
    assert_eq!(listener.stdout(), b"one\ntwo\nthree\n");
}

/// Text cannot be signed.
#[test]
fn only_frames_are_accepted_where_a_signer_is_required() {
    let folder = scratch();
    let keys = folder.path().join("keys");
    fs::write(&keys, "ops_0 sesame\n").unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    for form in ["auto", "lines", "syslog", "gelf", "raw"] {
        let flags = [
            "-opayload",
            "-i",
            form,
            "--hmac-keys=keys",
            "--require-signer=ops",
            "--stdio",
            "--write=out",
        ];
        let listener = Tool::new("heka-listen").args(flags).dir(folder.path());
        let listener = listener.stdin("{\"version\":\"1.1\",\"short_message\":\"forged\"}\n").run();
        listener.exits(1).stderr_has("not signed, record dropped");
        assert_eq!(fs::read(folder.path().join("out")).unwrap(), b"");
    }
}

#[test]
fn signatures_may_be_left_unverified() {
    let folder = scratch();
    fs::write(folder.path().join("keys"), "ops_0 right\n").expect("a file");
    fs::write(folder.path().join("key"), "wrong\n").expect("a file");
    let signed = Tool::new("heka-encode").dir(folder.path());
    let signed = signed.args(["--signer=ops", "--hmac-key-file=key"]).stdin("x\n").run().stdout;
    for (arg, written, status) in [("--no-verify", "x\n", 0), ("-u", "", 1)] {
        let listener = listen(&folder, &["-1", "-opayload", "--hmac-keys=keys", arg]);
        connect(&listener).write_all(&signed).expect("cannot write");
        listener.into_running().finish().exits(status).stdout_is(written);
    }
}

#[test]
fn a_sender_of_single_bytes_arrives_and_holds_up_nobody() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
    let mut slow = connect(&listener);
    slow.set_nodelay(true).expect("no delay");
    let frame = frames("drop by drop\n");
    for (number, byte) in frame.iter().enumerate() {
        slow.write_all(&[*byte]).expect("cannot write");
        if number % 20 == 0 {
            Tool::new("heka-send").arg(&listener.addr).stdin("quick\n").run().succeeds();
        }
    }
    let quick = frame.len().div_ceil(20);
    listener.wait_stdout("all of them", |out| {
        let text = String::from_utf8_lossy(out);
        text.matches("quick\n").count() == quick && text.matches("drop by drop\n").count() == 1
    });
}

#[test]
fn lies_and_noise_cost_a_bounded_amount_of_memory() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--max-message-size=1M"]);
    let mut number = 1u64;
    let mut noise = move || {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (number >> 56) as u8
    };
    let noise: Vec<u8> = (0..4 << 20).map(|_| noise()).collect();
    // A message of 4 GiB, one of exactly the limit, an endless line, and arbitrary bytes.
    let starts: [&[u8]; 4] = [
        b"\x1e\x06\x08\xff\xff\xff\xff\x0f\x1f",
        b"\x1e\x04\x08\x80\x80\x40\x1f\x32",
        b"line",
        b"\x1e",
    ];
    let senders: Vec<_> = starts
        .into_iter()
        .map(|start| {
            let mut stream = connect(&listener);
            let mut bytes = [start, &noise].concat();
            if start == b"line" {
                bytes.retain(|byte| *byte != b'\n');
            }
            std::thread::spawn(move || stream.write_all(&bytes).map(|()| stream))
        })
        .collect();
    let open: Vec<_> = senders.into_iter().map(|sender| sender.join().expect("a sender")).collect();
    Tool::new("heka-send").arg(&listener.addr).stdin("safe\n").run().succeeds();
    listener.wait_stdout("the good one", |out| out.windows(5).any(|part| part == b"safe\n"));
    let kib = listener.peak_memory();
    assert!(kib < 64 * 1024, "{kib} KiB");
    drop(open);
}

#[test]
fn so_many_connections_wait_and_no_more() {
    let args = ["127.0.0.1:0", "--max-conns=1", "--backlog=1", "-opayload"];
    let listener = Peer::new("heka-listen", args);
    let address: SocketAddr = listener.addr.parse().expect("an address");
    let first = connect(&listener);
    listener.wait_stderr("1 connections: further ones wait");
    let waiting = [connect(&listener), connect(&listener)];
    let more = TcpStream::connect_timeout(&address, Duration::from_millis(300));
    assert!(more.is_err(), "the queue takes more than it should");
    drop((first, waiting));
    Tool::new("heka-send").arg(&listener.addr).stdin("room\n").run().succeeds();
    listener.wait_stdout_is("room\n");
}

#[test]
fn too_few_open_files_are_told() {
    let line = "ulimit -n 64; exec heka-listen -n1 -opayload 127.0.0.1:0 --ready-fd 3 3>ready";
    let listener = sh(line).spawn();
    listener.wait_stderr("the limit of 64 open files does not allow 10000 connections (ulimit -n)");
    let ready = listener.dir().join("ready");
    let address = eventually("it is ready", || {
        fs::read_to_string(&ready).ok().filter(|text| text.ends_with('\n'))
    });
    let idle: Vec<_> = (0..70).map(|_| TcpStream::connect(address.trim()).expect("it")).collect();
    listener.wait_stderr("cannot accept a connection: Too many open files");
    drop(idle);
    Tool::new("heka-send").arg(address.trim()).stdin("still here\n").run().succeeds();
    listener.finish().succeeds().stdout_is("still here\n");
}

#[test]
fn files_end_where_they_should() {
    let folder = scratch();
    let args = ["--ack", "-opayload", "--write=all", "--rotate=1000", "--mode=640", "--fsync"];
    let listener = listen(&folder, &args);
    let text = lines(0..600);
    send(&listener, &text);
    drop(listener);
    let mut files: Vec<_> =
        fs::read_dir(folder.path()).expect("files").map(|file| file.unwrap().path()).collect();
    // The newest has no time stamp; numbers follow the names of the same second.
    files.sort_by_key(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut parts = name.split('.').skip(1);
        let stamp = parts.next().map(str::to_owned);
        let number = parts.next().map_or(1, |number| number.parse::<u32>().expect("a number"));
        (stamp.is_none(), stamp, number)
    });
    assert!(files.len() > 3, "{files:?}");
    let mut whole = String::new();
    for file in &files {
        let part = fs::read_to_string(file).expect("text");
        assert!(part.ends_with('\n') && part.len() <= 1000, "{file:?}: {} bytes", part.len());
        assert_eq!(fs::metadata(file).expect("it").permissions().mode() & 0o777, 0o640);
        whole += &part;
    }
    assert_eq!(whole, text);
}

#[test]
fn what_is_confirmed_is_on_the_disk() {
    if !require("strace") {
        return;
    }
    let folder = scratch();
    let listener = listen(&folder, &["--ack", "--write=all", "--fsync"]);
    let trace = folder.path().join("trace");
    let pid = listener.pid().to_string();
    let strace = Tool::at("strace").args(["-p", &pid, "-e", "trace=fdatasync,sendto,write", "-o"]);
    let strace = strace.arg(&trace).spawn();
    if eventually("strace is there", || {
        let said = strace.stderr();
        (said.contains("attached") || said.contains("not permitted")).then_some(said)
    })
    .contains("not permitted")
    {
        eprintln!("skipped: strace may not attach");
        return;
    }
    send(&listener, "x\n");
    drop(listener);
    strace.finish();
    let calls = fs::read_to_string(trace).expect("calls");
    let at = |call: &str| calls.find(call).unwrap_or_else(|| panic!("no {call}: {calls}"));
    let (written, synced) = (at("write("), at("fdatasync("));
    // The acknowledgement is a frame: it begins with 0x1e.
    let confirmed = calls.rfind("\\36\\").unwrap_or_else(|| panic!("no confirmation: {calls}"));
    assert!(written < synced && synced < confirmed, "{calls}");
}

#[test]
fn a_durable_file_is_not_written_to_before_its_name_is_on_the_disk() {
    if !require("strace")
        || !Tool::at("strace").args(["-o/dev/null", "true"]).run().status.success()
    {
        eprintln!("skipped: strace may not trace");
        return;
    }
    let folder = scratch();
    let args =
        ["-y", "-otrace", "-etrace=openat,fsync,write,fdatasync", "heka-listen", "-opayload"];
    let more = ["--ack", "--fsync", "--write=all", "--rotate=4", "-n2", "127.0.0.1:0"];
    let listener = Peer::with("strace", args.iter().chain(&more), |tool| tool.dir(folder.path()));
    send(&listener, "one\ntwo\n");
    listener.into_running().finish().succeeds();
    let calls = fs::read_to_string(folder.path().join("trace")).expect("calls");
    let synced = format!("{}>)", folder.path().display());
    let steps: Vec<_> = calls
        .lines()
        .filter_map(|call| match call.split_once('(')? {
            ("openat", call) => {
                (call.contains("\"all\"") && call.contains("EXCL")).then_some("new")
            }
            ("fsync", call) => call.contains(&synced).then_some("name"),
            (what, call) => call.contains("/all>").then_some(what),
        })
        .collect();
    let file = ["new", "name", "write", "fdatasync"];
    assert_eq!(steps, [file, file].concat(), "{calls}");
}

#[test]
fn a_torn_record_is_cut_off_before_the_next_one() {
    let folder = scratch();
    let path = folder.path().join("all.heka");
    let listener = listen(&folder, &["--ack", "--write=all.heka"]);
    send(&listener, "one\ntwo\n");
    listener.into_running().end_by(Signal::SIGKILL);
    let whole = fs::metadata(&path).expect("it").len();
    // The remains of a process that was killed while it wrote, at every length.
    let torn = frames("torn\n");
    for len in 1..torn.len() {
        let mut file = fs::OpenOptions::new().append(true).open(&path).expect("it");
        file.write_all(&torn[..len]).expect("cannot write");
        let listener = listen(&folder, &["--ack", "--write=all.heka"]);
        let told = format!("all.heka: removed an incomplete record of {len} byte");
        listener.wait_stderr(&told);
        assert_eq!(fs::metadata(&path).expect("it").len(), whole);
    }
    let listener = listen(&folder, &["--ack", "--write=all.heka"]);
    send(&listener, "three\n");
    assert_eq!(decoded(&path), "one\ntwo\nthree\n");
    assert_eq!(listener.stderr(), "");
}

#[test]
fn text_that_is_torn_is_ended_and_nothing_of_others_is_cut_off() {
    let folder = scratch();
    let path = folder.path().join("all");
    fs::write(&path, "somebody's").expect("a file");
    let listener = listen(&folder, &["-opayload", "--write=all"]);
    listener.wait_stderr("all: added a missing newline at the end");
    connect(&listener).write_all(b"ours\n").expect("cannot write");
    let written = || fs::read_to_string(&path).unwrap_or_default();
    eventually("both", || (written() == "somebody's\nours\n").then_some(()));
    // Not frames, although frames are to follow.
    fs::write(&path, "somebody's\x1e").expect("a file");
    drop(listen(&folder, &["--write=all"]));
    assert_eq!(written(), "somebody's\x1e");
}

#[test]
fn killed_in_the_middle_of_a_write_it_loses_and_tears_nothing() {
    let folder = scratch();
    let path = folder.path().join("all.heka");
    let text = lines(0..2000);
    // At this file size the system kills the writer, with half a record written.
    let line =
        "ulimit -f 40; exec heka-listen --ack --write=all.heka 127.0.0.1:0 --ready-fd 3 3>ready";
    let first = sh(line).dir(folder.path()).spawn();
    let ready = folder.path().join("ready");
    let address = eventually("it is ready", || {
        fs::read_to_string(&ready).ok().filter(|text| text.ends_with('\n'))
    });
    let args = ["--ack=peer", "--retry-delay=20ms", "--retry-jitter=0ms", address.trim()];
    let sender = Tool::new("heka-send").args(args).stdin(text.clone()).spawn();
    first.finish().killed_by(Signal::SIGXFSZ);
    assert!(Tool::new("heka-decode").arg(&path).run().err().contains("cut off"));
    let args = [address.trim(), "--ack", "--write=all.heka"];
    let second = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
    second.wait_stderr("removed an incomplete record");
    sender.finish().succeeds();
    let file = Tool::new("heka-decode").arg("--dedup").arg(&path).run();
    file.succeeds().stderr_is("");
    let mut arrived: Vec<_> = file.out().lines().map(str::to_owned).collect();
    arrived.sort();
    arrived.dedup();
    assert_eq!(arrived.len(), 2000);
}

#[test]
fn a_full_disk_is_told_and_nothing_on_it_is_confirmed_or_torn() {
    let Some(disk) = SmallDisk::new() else { return };
    let out = disk.path().join("all.heka");
    let file = out.display().to_string();
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "--ack", "--write", &file]);
    send(&listener, "one\n");
    disk.fill(0);
    let args = ["--ack=peer", "--retry-delay=20ms", "--retry-jitter=0ms", &listener.addr];
    let text = lines(0..5000);
    let sender = Tool::new("heka-send").args(args).stdin(text.clone()).spawn();
    let address = listener.addr.clone();
    let end = listener.into_running().finish();
    end.exits(1).stderr_has("all.heka: write error: No space left on device");
    assert!(decoded(&out).starts_with("one\n"), "whole records only");
    disk.free();
    let second = Peer::new("heka-listen", [&address, "--ack", "--write", &file]);
    sender.finish().succeeds();
    drop(second);
    let arrived = decoded(&out);
    assert!(text.lines().all(|line| arrived.contains(&format!("{line}\n"))), "some are lost");
}

#[test]
fn sockets_of_every_kind_are_inherited() {
    let folder = scratch();
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let stream = UnixListener::bind(folder.path().join("s")).expect("a socket");
    let (tcp_at, udp_at) = (tcp.local_addr().unwrap(), udp.local_addr().unwrap());
    // The descriptors that a shell can pass, 0 to 2, become 3 to 5.
    let line = "exec 3<&0 4<&1 5<&2 2>err >out <&-; LISTEN_PID=$$ LISTEN_FDS=3 exec heka-listen \
                -opayload";
    let tool = sh(line).dir(folder.path()).stdin_file(std::os::fd::OwnedFd::from(tcp).into());
    let tool = tool.stdout_file(std::os::fd::OwnedFd::from(udp).into());
    let running = tool.stderr_file(std::os::fd::OwnedFd::from(stream).into()).spawn();
    let unix = format!("unix:{}", folder.path().join("s").display());
    let written = || fs::read_to_string(folder.path().join("out")).unwrap_or_default();
    let mut expected = String::new();
    for address in [tcp_at.to_string(), format!("udp://{udp_at}"), unix] {
        Tool::new("heka-send").arg(&address).stdin(format!("{address}\n")).run().succeeds();
        expected += &format!("{address}\n");
        eventually(&address, || (written() == expected).then_some(()));
    }
    running.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    // An inherited socket file belongs to its creator.
    assert!(folder.path().join("s").exists());
}

#[test]
fn a_socket_file_left_by_a_killed_process_is_replaced() {
    let folder = scratch();
    let args = ["unix:s", "unixgram:g", "-opayload"];
    let first = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
    first.into_running().end_by(Signal::SIGKILL);
    assert!(folder.path().join("s").exists() && folder.path().join("g").exists());
    let second = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
    for (address, expected) in [("unix:s", "x\n"), ("unixgram:g", "x\nx\n")] {
        let tool = Tool::new("heka-send").dir(folder.path()).arg(address);
        tool.stdin("x\n").run().succeeds();
        second.wait_stdout_is(expected);
    }
}

#[test]
fn no_host_is_every_interface_of_both_families() {
    for everywhere in [":0", "*:0"] {
        let listener = Peer::new("heka-listen", [everywhere, "-opayload"]);
        let mut expected = String::new();
        for host in ["127.0.0.1", "[::1]", "127.0.0.2", "localhost", ""] {
            let address = format!("{host}:{}", listener.port());
            Tool::new("heka-send").arg(&address).stdin(format!("{address}\n")).run().succeeds();
            expected += &format!("{address}\n");
            listener.wait_stdout_is(&expected);
        }
    }
}

#[test]
fn warnings_of_one_kind_do_not_flood_the_log() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "-iheka"]);
    for _ in 0..50 {
        connect(&listener).write_all(b"no frame at all").expect("cannot write");
    }
    Tool::new("heka-send").arg(&listener.addr).stdin("good\n").run().succeeds();
    listener.wait_stdout_is("good\n");
    eventually("all are read", || listener.statistics().contains(" 50 skipped").then_some(()));
    assert_eq!(listener.stderr().matches("not a frame").count(), 1, "{}", listener.stderr());
    let end = listener.into_running().end_by(Signal::SIGTERM);
    end.killed_by(Signal::SIGTERM);
}

#[test]
fn a_datagram_with_a_torn_frame_costs_only_that_frame() {
    let listener = Peer::new("heka-listen", ["udp://127.0.0.1:0", "-opayload"]);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let (one, two) = (frames("one\n"), frames("two\n"));
    for datagram in [[&one[..], &two[..two.len() - 1]].concat(), two.clone(), b"text".to_vec()] {
        socket.send_to(&datagram, listener.bare()).expect("cannot send");
    }
    listener.wait_stdout_is("one\ntwo\ntext\n");
    listener.wait_stderr("cut off");
}

#[test]
fn a_long_datagram_is_taken_whole_or_told() {
    let folder = scratch();
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None).expect("a socket");
    socket.set_send_buffer_size(1 << 20).expect("a size");
    let address = SockAddr::unix(folder.path().join("g")).expect("an address");
    // The second exceeds the available room.
    for (arg, len, taken) in
        [("--max-message-size=4M", 300_000, 300_000), ("--max-message-size=1K", 100_000, 65_536)]
    {
        let args = ["unixgram:g", "-opayload", "-iraw", "-n2", arg];
        let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
        if socket.send_to(&vec![b'x'; len], &address).is_err() {
            eprintln!("skipped: this system sends no datagrams of {len} bytes");
            return;
        }
        socket.send_to(b"end", &address).expect("cannot send");
        let is_cut = taken < len;
        let end = listener.into_running().finish();
        end.exits(is_cut.into()).stdout_is(format!("{}\nend\n", "x".repeat(taken)));
        assert_eq!(end.err().contains("unix: datagram longer than 65536 bytes, truncated"), is_cut);
    }
}

#[test]
fn positions_of_another_machine_go_no_further() {
    let scene = heka_tests::scene::Scene::new("one\ntwo\n");
    let flags = ["--no-follow", "-oheka", "--resume=pos", "app.log"];
    let frames = Tool::new("heka-tail").args(flags).dir(scene.dir.path()).run().stdout;
    let positions = |frames: Vec<u8>| {
        let json = Tool::new("heka-decode").arg("-j").stdin(frames).run().out();
        assert_eq!(json.matches("\"Payload\"").count(), 2, "{json}");
        json.matches("_position").count()
    };
    assert_eq!(positions(frames.clone()), 2);
    for form in ["-oheka", "-ojson"] {
        let folder = scratch();
        let listener = listen(&folder, &["-n2", form, "--write=out"]);
        connect(&listener).write_all(&frames).unwrap();
        let received = eventually("both messages", || {
            let received = fs::read(folder.path().join("out")).ok()?;
            received.windows(3).any(|part| part == b"two").then_some(received)
        });
        match form {
            "-oheka" => assert_eq!(positions(received), 0),
            _ => assert!(!String::from_utf8_lossy(&received).contains("_position")),
        }
    }
}
