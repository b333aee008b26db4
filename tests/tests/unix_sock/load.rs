// SPDX-License-Identifier: MIT OR Apache-2.0
//! unix-sock under load: many peers, slow peers, endless records.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use heka_tests::unix::{self, connect};
use heka_tests::{Peer, TempDir, Tool, eventually, scratch, sh};

fn serve(args: &[&str]) -> (Peer, PathBuf, TempDir) {
    unix::serve(args, Tool::stdin_open)
}

fn descriptors(server: &Peer) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count()
}

/// Returns the peak resident memory in KiB.
fn peak(server: &Peer) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn no_descriptor_is_left_after_10_000_connections() {
    let (server, path, _folder) = serve(&[]);
    connect(&path).write_all(b"first\n").unwrap();
    server.wait_stdout_is("first\n");
    eventually("one is closed", || (descriptors(&server) < 20).then_some(()));
    let before = descriptors(&server);
    for number in 0..10_000 {
        let mut stream = connect(&path);
        if number % 2 == 0 {
            stream.write_all(b"x\n").unwrap();
        }
        if number % 3 == 0 {
            stream.shutdown(Shutdown::Both).unwrap();
        }
    }
    server.wait_stdout("all records", |out| out.len() == 6 + 10_000);
    eventually("as many descriptors as before", || (descriptors(&server) == before).then_some(()));
}

#[test]
fn a_thousand_peers_at_once_in_64_mib() {
    const PEERS: usize = 1000;
    let (mut server, path, _folder) = serve(&[]);
    let mut peers: Vec<_> = (0..PEERS).map(|_| connect(&path)).collect();
    for (number, peer) in peers.iter_mut().enumerate() {
        // A complete record, and the beginning of one that stays in memory.
        peer.write_all(format!("record of {number}\n{:4000}", "").as_bytes()).unwrap();
    }
    server.wait_stdout("all records", |out| {
        out.iter().filter(|byte| **byte == b'\n').count() == PEERS
    });
    server.write("to all\n");
    for peer in &mut peers {
        let mut text = [0; 7];
        peer.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"to all\n");
    }
    let peak = peak(&server);
    assert!(peak <= 64 * 1024, "{peak} KiB");
}

#[test]
fn the_soft_limit_of_open_files_limits_nobody() {
    let folder = scratch();
    let line = "ulimit -S -n 32 && exec unix-sock -l s --max-conns 100";
    let server = sh(line).dir(folder.path()).stdin_open().spawn();
    let path = folder.path().join("s");
    let mut peers: Vec<_> = (0..100).map(|_| connect(&path)).collect();
    for peer in &mut peers {
        peer.write_all(b"x\n").unwrap();
    }
    server.wait_stdout_is("x\n".repeat(100));
    assert_eq!(server.stderr(), "");
}

#[test]
fn a_slow_peer_stalls_nobody_and_memory_stays_bounded() {
    let (mut server, path, _folder) = serve(&["--queue-size", "1M"]);
    let slow = connect(&path);
    let mut fast = connect(&path);
    for (peer, text) in [(&slow, "s\n"), (&fast, "f\n")] {
        (&*peer).write_all(text.as_bytes()).unwrap();
        server.wait_stdout(text, |out| out.ends_with(text.as_bytes()));
    }
    let reader = std::thread::spawn(move || {
        let mut block = vec![0; 1 << 16];
        let mut len = 0;
        while let Ok(count @ 1..) = fast.read(&mut block) {
            len += count;
        }
        len
    });
    let block = [[b'x'; 99].as_slice(), b"\n"].concat().repeat(1000);
    for _ in 0..400 {
        server.write(&block);
    }
    server.close_stdin();
    assert_eq!(reader.join().unwrap(), 400 * block.len());
    server.wait_stderr("peer 0: reads too slowly");
    let peak = peak(&server);
    assert!(peak <= 32 * 1024, "{peak} KiB");
    drop(slow);
}

/// Returns the sum of the numbers before a word.
fn sum(text: &str, word: &str) -> usize {
    let words: Vec<_> = text.split([' ', '(', ')', ',', '\n']).collect();
    let pairs = words.windows(2).filter(|pair| pair[1] == word);
    pairs.filter_map(|pair| pair[0].parse::<usize>().ok()).sum()
}

#[test]
fn every_dropped_record_is_counted() {
    const COUNT: usize = 20_000;
    let (mut server, path, _folder) = serve(&["--queue-size", "64K"]);
    let mut slow = connect(&path);
    let mut fast = connect(&path);
    for (peer, text) in [(&slow, "s\n"), (&fast, "f\n")] {
        (&*peer).write_all(text.as_bytes()).unwrap();
        server.wait_stdout(text, |out| out.ends_with(text.as_bytes()));
    }
    let reader = std::thread::spawn(move || fast.read_to_end(&mut Vec::new()).unwrap());
    let line = [[b'x'; 999].as_slice(), b"\n"].concat();
    for _ in 0..COUNT / 100 {
        server.write(line.repeat(100));
    }
    server.close_stdin();
    assert_eq!(reader.join().unwrap(), COUNT * line.len());
    let mut got = Vec::new();
    slow.read_to_end(&mut got).unwrap();
    drop(slow);
    let said = server.into_running().end_by(heka_tests::Signal::SIGTERM).err();
    let lost = COUNT - got.len() / line.len();
    assert!(lost > 1000, "{lost}");
    assert_eq!(sum(&said, "records") + sum(&said, "record"), lost, "{said}");
}

#[test]
fn a_single_slow_peer_loses_nothing() {
    let (mut server, path, _folder) = serve(&["--queue-size", "64K"]);
    let mut peer = connect(&path);
    peer.write_all(b"x\n").unwrap();
    server.wait_stdout_is("x\n");
    let block = [[b'x'; 99].as_slice(), b"\n"].concat().repeat(1000);
    let expected = 100 * block.len();
    let writer = std::thread::spawn(move || {
        for _ in 0..100 {
            server.write(&block);
        }
        server.close_stdin();
        server
    });
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    assert_eq!(all.len(), expected);
    let server = writer.join().unwrap();
    assert_eq!(server.stderr(), "");
}

#[test]
fn queue_full_closes_or_blocks_on_request() {
    let (mut server, path, _folder) = serve(&["--queue-size", "64K", "--queue-full", "close"]);
    let mut slow = connect(&path);
    let mut fast = connect(&path);
    fast.write_all(b"x\n").unwrap();
    server.wait_stdout_is("x\n");
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        fast.read_to_end(&mut all).unwrap();
        all.len()
    });
    let block = [[b'x'; 99].as_slice(), b"\n"].concat().repeat(1000);
    for _ in 0..50 {
        server.write(&block);
    }
    server.wait_stderr("peer 0: reads too slowly, connection closed");
    server.close_stdin();
    assert_eq!(reader.join().unwrap(), 50 * block.len());
    let mut all = Vec::new();
    slow.read_to_end(&mut all).unwrap();
    assert!(all.len() < 50 * block.len());
}

/// A sender of datagrams that never reads the answers.
#[test]
fn echoes_that_nobody_reads_are_bounded() {
    for (action, text) in [
        ("drop", "peer 0: reads too slowly, 1 record dropped"),
        ("close", "peer 0: reads too slowly, forgotten with "),
        ("block", ""),
    ] {
        let args = ["--type", "dgram", "--echo", "--queue-size", "1M", "--queue-full", action];
        let (server, path, folder) = serve(&args);
        let deaf = UnixDatagram::bind(folder.path().join("deaf")).unwrap();
        deaf.connect(&path).unwrap();
        deaf.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
        // If it blocks, it is stopped at some point; otherwise it never is.
        let sent = (0..3000).take_while(|_| deaf.send(&[b'x'; 20_000]).is_ok()).count();
        assert_eq!(sent < 3000, action == "block", "{action}: {sent} sent");
        server.wait_stderr(text);
        let peak = peak(&server);
        assert!(peak <= 32 * 1024, "{action}: {peak} KiB");
        // Others are served once it reads or is gone.
        drop(deaf);
        let polite = UnixDatagram::bind(folder.path().join("polite")).unwrap();
        polite.set_read_timeout(Some(heka_tests::ceiling())).unwrap();
        polite.send_to(b"hello\n", &path).unwrap();
        let mut text = [0; 10];
        assert_eq!(polite.recv(&mut text).unwrap(), 6);
    }
}

/// Empty datagrams cost memory, too.
#[test]
fn empty_echoes_that_nobody_reads_are_bounded() {
    let args = ["--type", "dgram", "--framing", "none", "--echo", "--queue-size", "64K"];
    let (server, path, folder) = serve(&args);
    let deaf = UnixDatagram::bind(folder.path().join("deaf")).unwrap();
    deaf.connect(&path).unwrap();
    for _ in 0..3000 {
        deaf.send(&[]).unwrap();
    }
    server.wait_stderr("peer 0: reads too slowly");
}

/// While standard output is blocked, a peer with data for it is not idle.
#[test]
fn a_peer_that_waits_for_stdout_is_not_idle() {
    const IDLE: Duration = Duration::from_millis(500);
    let block = [[b'x'; 99].as_slice(), b"\n"].concat().repeat(80_000);
    let folder = scratch();
    let (read, write) = nix::unistd::pipe().unwrap();
    let path = folder.path().join("s");
    let args = ["-l", path.to_str().unwrap(), "-1", "--idle-timeout", "500ms", "--linger", "500ms"];
    let server = Peer::with("unix-sock", args, |tool| tool.stdout_file(write.into()));
    let mut peer = connect(&path);
    let copy = block.clone();
    let writer = std::thread::spawn(move || peer.write_all(&copy));
    // While nobody reads, several times the limit passes.
    let (_silent, never) = std::sync::mpsc::channel::<()>();
    never.recv_timeout(3 * IDLE).unwrap_err();
    let mut all = Vec::new();
    std::fs::File::from(read).read_to_end(&mut all).unwrap();
    writer.join().unwrap().unwrap();
    assert!(all == block, "{} of {} bytes", all.len(), block.len());
    server.into_running().finish().succeeds();
}

/// The same for senders of datagrams: they keep their numbers.
#[test]
fn a_sender_that_waits_for_stdout_is_not_forgotten() {
    const IDLE: Duration = Duration::from_millis(500);
    let folder = scratch();
    let (read, write) = nix::unistd::pipe().unwrap();
    let path = folder.path().join("s");
    let args =
        ["-l", path.to_str().unwrap(), "--type", "dgram", "--tag", "--idle-timeout", "500ms"];
    let server = Peer::with("unix-sock", args, |tool| tool.stdout_file(write.into()));
    let sender = UnixDatagram::bind(folder.path().join("sender")).unwrap();
    sender.connect(&path).unwrap();
    let writer = std::thread::spawn(move || {
        for _ in 0..80 {
            sender.send(&[b'x'; 60_000]).unwrap();
        }
        sender
    });
    let (_silent, never) = std::sync::mpsc::channel::<()>();
    never.recv_timeout(3 * IDLE).unwrap_err();
    let mut pipe = std::fs::File::from(read);
    let mut all = vec![0; 80 * (2 + 60_000 + 1)];
    pipe.read_exact(&mut all).unwrap();
    assert!(all.split(|byte| *byte == b'\n').all(|line| line.is_empty() || line[..2] == *b"0\t"));
    // Then it is silent for too long.
    let sender = writer.join().unwrap();
    let mut text = [0; 4];
    eventually("it is forgotten", || {
        never.recv_timeout(2 * IDLE).unwrap_err();
        sender.send(b"y").unwrap();
        pipe.read_exact(&mut text).unwrap();
        (text != *b"0\ty\n").then_some(())
    });
    drop(server);
}

/// Standard output is not read: the peers wait, and nothing is lost or accumulates.
#[test]
fn a_slow_reader_of_stdout_makes_the_peers_wait() {
    let folder = scratch();
    let (read, write) = nix::unistd::pipe().unwrap();
    let path = folder.path().join("s");
    let server = Peer::with("unix-sock", ["-l", path.to_str().unwrap()], |tool| {
        tool.stdin_open().stdout_file(write.into())
    });
    let mut peer = connect(&path);
    let mut other = connect(&path);
    other.set_nonblocking(true).unwrap();
    let block = [[b'x'; 99].as_slice(), b"\n"].concat().repeat(1000);
    let (total, copy) = (200 * block.len(), block.clone());
    let writer = std::thread::spawn(move || {
        for _ in 0..200 {
            peer.write_all(&copy).unwrap();
        }
    });
    // The other one fills its kernel buffer, and then has to wait too.
    let mut sent = 0;
    while let Ok(len) = other.write(&block[sent % 100..]) {
        sent += len;
        assert!(sent < 64 << 20, "nobody waits");
    }
    other.set_nonblocking(false).unwrap();
    let rest = block[sent % 100..].to_vec();
    let expected = total + sent + rest.len();
    let reader = std::thread::spawn(move || {
        let mut all = vec![0; expected];
        let mut pipe = std::fs::File::from(read);
        pipe.read_exact(&mut all).unwrap();
        (all, pipe)
    });
    other.write_all(&rest).unwrap();
    writer.join().unwrap();
    let (all, _pipe) = reader.join().unwrap();
    assert!(all.split_inclusive(|byte| *byte == b'\n').all(|line| line.len() == 100));
    let peak = peak(&server);
    assert!(peak <= 32 * 1024, "{peak} KiB");
}

#[test]
fn a_record_without_end_costs_its_sender_alone() {
    let (server, path, _folder) = serve(&["--max-record", "1M"]);
    let mut endless = connect(&path);
    let writer = std::thread::spawn(move || {
        for _ in 0..64 {
            endless.write_all(&[b'x'; 1 << 20]).unwrap();
        }
        endless.write_all(b"\nafter it\n").unwrap();
    });
    connect(&path).write_all(b"neighbour\n").unwrap();
    writer.join().unwrap();
    server.wait_stdout("both", |out| {
        let text = String::from_utf8_lossy(out);
        text.contains("neighbour\n") && text.contains("after it\n") && out.len() == 19
    });
    server.wait_stderr("peer 0: offset 0: record longer than 1048576 bytes, dropped");
    let peak = peak(&server);
    assert!(peak <= 32 * 1024, "{peak} KiB");
}

/// The memory for unfinished records is limited, however many peers there are, and a peer that
/// finishes its record is served.
#[test]
fn unfinished_records_of_all_peers_are_bounded() {
    let args = ["--max-memory", "1M", "--max-record", "1M"];
    let (server, path, _folder) = heka_tests::unix::serve(&args, heka_tests::Tool::stdin_open);
    let half = vec![b'x'; 400_000];
    let mut stuck: Vec<_> = (0..6).map(|_| heka_tests::unix::connect(&path)).collect();
    let writers: Vec<_> = stuck
        .iter_mut()
        .map(|peer| {
            let (mut peer, half) = (peer.try_clone().unwrap(), half.clone());
            // A peer that is not read, or is disconnected, cannot write all of it.
            std::thread::spawn(move || drop(std::io::Write::write_all(&mut peer, &half)))
        })
        .collect();
    server.wait_stderr("bytes of unfinished records: some peers wait (--max-memory)");
    // Short records continue.
    let mut brief = heka_tests::unix::connect(&path);
    std::io::Write::write_all(&mut brief, b"short\n").unwrap();
    server.wait_stdout("short", |bytes| has(bytes, "short\n"));
    // Each of the six has its turn, and its time.
    for writer in writers {
        writer.join().unwrap();
    }
    server.wait_stderr("unfinished record while others wait, closed");
    // A long one is finished all the same.
    let mut long = heka_tests::unix::connect(&path);
    let record = [vec![b'y'; 900_000], b"\n".to_vec()].concat();
    std::io::Write::write_all(&mut long, &record).unwrap();
    server.wait_stdout("y", |bytes| has(bytes, "y\n"));
}

#[test]
fn a_record_is_finished_in_time_or_its_peer_is_disconnected() {
    let args = ["--record-timeout", "200ms", "--idle-timeout", "1h"];
    let (server, path, _folder) = heka_tests::unix::serve(&args, heka_tests::Tool::stdin_open);
    let mut whole = heka_tests::unix::connect(&path);
    std::io::Write::write_all(&mut whole, b"whole\n").unwrap();
    let mut slow = heka_tests::unix::connect(&path);
    // Each byte counts as activity, but completes no record.
    let mut count = 0;
    while std::io::Write::write_all(&mut slow, b"x").is_ok() {
        heka_tests::rest(std::time::Duration::from_millis(10));
        count += 1;
        assert!(count < 3000, "{count}");
    }
    server.wait_stderr("record unfinished for 200 ms, closed");
    // A peer without an unfinished record stays.
    std::io::Write::write_all(&mut whole, b"again\n").unwrap();
    server.wait_stdout("again", |bytes| has(bytes, "again\n"));
}

fn has(bytes: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(text)
}
