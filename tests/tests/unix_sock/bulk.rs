// SPDX-License-Identifier: MIT OR Apache-2.0
//! unix-sock with bulk data, which passes inside the kernel: it is complete and in order.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use heka_tests::unix::{connect, serve};
use heka_tests::{Tool, eventually, scratch, sh};
use nix::sys::signal::Signal;
use nix::sys::socket::{MsgFlags, send};

/// Returns lines of 1 to 5000 bytes, the last without its end: at least `size` bytes in all.
fn lines(name: u8, size: usize) -> Vec<u8> {
    let mut lines = Vec::with_capacity(size + 5000);
    for number in 0usize.. {
        if lines.len() >= size {
            break;
        }
        lines.extend_from_slice(format!("{name}:{number:06}").as_bytes());
        let len = [0, 92, 300, 4990][number * 7 % 13 % 4];
        lines.resize(lines.len() + len, b'a' + name);
        lines.push(b'\n');
    }
    lines.pop();
    lines
}

/// Sends a file to a listener whose output goes to `redirection`, and returns the contents of
/// `out`.
fn pass(folder: &Path, redirection: &str) -> Vec<u8> {
    let line = format!(
        "unix-sock -l s -1 --ready-fd 3 3>ready </dev/null {redirection} &
         while [ ! -s ready ]; do sleep 0.01; done
         unix-sock s <in && wait $!"
    );
    let outcome = sh(&line).dir(folder).run();
    assert_eq!(outcome.succeeds().err(), "");
    let mut out = Vec::new();
    File::open(folder.join("out")).unwrap().read_to_end(&mut out).unwrap();
    out
}

#[test]
fn a_file_arrives_as_it_is_whatever_the_output_is() {
    for size in [0, 100_000, 300_000, 9_000_000] {
        for redirection in [">out", ">>out", "| cat >out", "| dd of=out bs=1000 status=none"] {
            let folder = scratch();
            let mut expected = lines(0, size);
            std::fs::write(folder.path().join("in"), &expected).unwrap();
            if size > 0 {
                expected.push(b'\n');
            }
            let out = pass(folder.path(), redirection);
            assert!(out == expected, "{size} bytes, {redirection}: {} bytes", out.len());
        }
    }
}

#[test]
fn records_of_several_peers_stay_whole() {
    let folder = scratch();
    let path = folder.path().join("out");
    let out = File::create(&path).unwrap();
    let (_server, socket, _socket_folder) = serve(&[], |tool| tool.stdin_open().stdout_file(out));
    let senders: Vec<_> = (0..4u8)
        .map(|name| {
            let mut stream = connect(&socket);
            std::thread::spawn(move || {
                let lines = lines(name, 8_000_000);
                for block in lines.chunks(100_003) {
                    stream.write_all(block).unwrap();
                }
                lines
            })
        })
        .collect();
    let sent: Vec<Vec<u8>> = senders.into_iter().map(|sender| sender.join().unwrap()).collect();
    let size: usize = sent.iter().map(|lines| lines.len() + 1).sum();
    eventually("everything", || (path.metadata().unwrap().len() == size as u64).then_some(()));
    let received = std::fs::read(&path).unwrap();
    for (name, sent) in sent.iter().enumerate() {
        let begin = format!("{name}:");
        let lines = received.split(|byte| *byte == b'\n');
        let mine: Vec<&[u8]> = lines.filter(|line| line.starts_with(begin.as_bytes())).collect();
        assert!(mine.join(&b'\n') == *sent, "peer {name}");
    }
}

/// Data that pass inside the kernel were not inspected, and a peer may know that.
#[test]
fn a_hostile_peer_spoils_its_own_records_alone() {
    let (server, socket, _folder) = serve(&[], Tool::stdin_open);
    let mut hostile = connect(&socket);
    let mut honest = connect(&socket);
    for (peer, text) in [(&mut hostile, "hostile\n"), (&mut honest, "honest\n")] {
        peer.write_all(text.as_bytes()).unwrap();
        server.wait_stdout("both known", |out| out.ends_with(text.as_bytes()));
    }
    let block = [[b'x'; 99].as_slice(), b"\n"].concat().repeat(1000);
    server.signal(Signal::SIGSTOP);
    hostile.write_all(&block).unwrap();
    server.signal(Signal::SIGCONT);
    // After a large read, as much is expected next. The next block is a byte shorter.
    server.wait_stdout("the first block", |out| out.len() > block.len());
    server.signal(Signal::SIGSTOP);
    hostile.write_all(&block[..100]).unwrap();
    send(hostile.as_raw_fd(), b"!", MsgFlags::MSG_OOB).unwrap();
    hostile.write_all(&[&block, b"yyyyy\nPREFIX".as_slice()].concat()).unwrap();
    honest.write_all(b"honest record\n").unwrap();
    server.signal(Signal::SIGCONT);
    let line = b"\nhonest record\n";
    server.wait_stdout("the honest record", |out| out.windows(line.len()).any(|part| part == line));
    hostile.write_all(b"-AND-END\n").unwrap();
    server.wait_stdout("its own", |out| out.ends_with(b"-AND-END\n"));
}

#[test]
fn a_full_disk_is_told_of() {
    let folder = scratch();
    std::fs::write(folder.path().join("in"), lines(0, 9_000_000)).unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let (server, socket, _folder) = serve(&["-1"], |tool| tool.stdout_file(full));
    let file = File::open(folder.path().join("in")).unwrap();
    let client = Tool::new("unix-sock").arg(&socket).stdin_file(file).run();
    assert!(client.exits(3).err().contains("closed the connection"), "{}", client.err());
    let outcome = server.into_running().finish();
    assert_eq!(outcome.exits(1).err(), "unix-sock: write error: No space left on device\n");
}

/// Returns the user and system time of a process, in ticks of 10 ms.
fn ticks(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let numbers = stat.rsplit(')').next().unwrap().split_whitespace();
    numbers.skip(11).take(2).map(|number| number.parse::<u64>().unwrap()).sum()
}

#[test]
fn a_peer_that_takes_nothing_costs_no_time() {
    let folder = scratch();
    let path = folder.path().join("s");
    let sent = lines(0, 9_000_000);
    std::fs::write(folder.path().join("in"), &sent).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    let client = sh("exec unix-sock s <in").dir(folder.path()).spawn();
    let (mut peer, _) = listener.accept().unwrap();
    let mut first = vec![0; 1000];
    peer.read_exact(&mut first).unwrap();
    let (since, span) = (Instant::now(), Duration::from_millis(400));
    eventually("some time in which it waits", || (since.elapsed() > span).then_some(()));
    let spent = ticks(client.pid());
    assert!(spent < 20, "{spent} ticks");
    peer.read_to_end(&mut first).unwrap();
    assert!(first == [sent.as_slice(), b"\n"].concat());
    drop(peer);
    client.finish().succeeds();
}

#[test]
fn a_lower_limit_counts_for_a_file_too() {
    let folder = scratch();
    let long = [[b'x'; 2000].as_slice(), b"\n"].concat();
    let lines = [long.repeat(3000), b"short\n".to_vec()].concat();
    std::fs::write(folder.path().join("in"), lines).unwrap();
    let (server, socket, _folder) = serve(&["-1"], |tool| tool);
    let line = format!("unix-sock --max-record 1K {} <in", socket.display());
    let client = sh(&line).dir(folder.path()).run();
    assert!(
        client.exits(1).err().contains("record longer than 1024 bytes, dropped"),
        "{}",
        client.err()
    );
    server.into_running().finish().succeeds().stdout_is("short\n");
}

#[test]
fn a_peer_that_goes_away_is_told_of() {
    let folder = scratch();
    let path = folder.path().join("s");
    std::fs::write(folder.path().join("in"), lines(0, 9_000_000)).unwrap();
    let listener = UnixListener::bind(&path).unwrap();
    let client = sh("exec unix-sock s <in").dir(folder.path()).spawn();
    let (mut peer, _) = listener.accept().unwrap();
    peer.read_exact(&mut [0; 1000]).unwrap();
    drop(peer);
    let outcome = client.finish();
    assert!(outcome.exits(3).err().contains("closed the connection"), "{}", outcome.err());
}
