// SPDX-License-Identifier: MIT OR Apache-2.0
//! The queue of heka-send on disk: it outlives the process, has a size limit, and meets full disks.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use socket2::SockRef;

use heka_tests::{
    Peer, Running, Signal, SmallDisk, TempDir, Tool, eventually, free_port, lines, scratch,
};

const FAST: [&str; 3] = ["--retry-delay=20ms", "--retry-jitter=0ms", "--retry-growth=1"];

/// Returns the total size of a queue's files.
fn size(queue: &Path) -> u64 {
    let files = fs::read_dir(queue).into_iter().flatten().flatten();
    let logs = files.filter(|file| file.file_name().to_string_lossy().ends_with(".log"));
    logs.filter_map(|file| file.metadata().ok()).map(|data| data.len()).sum()
}

#[test]
fn a_queue_keeps_what_could_not_be_sent() {
    let folder = scratch();
    let text: String = (0..50_000).map(|number| format!("line {number}\n")).collect();
    let send = |args: &[&str]| Tool::new("heka-send").dir(folder.path()).args(FAST).args(args);
    let mut first = send(&["--queue=q", "--ack=peer", "127.0.0.1:1"]).stdin_open().spawn();
    first.write(&text);
    eventually("everything is queued", || {
        first.signal(Signal::SIGUSR1);
        first.stderr().contains("heka-send: 50000 messages").then_some(())
    });
    let second = send(&["--queue=q", "127.0.0.1:1"]).run();
    second.exits(1).stderr_has("in use by another process");
    first.end_by(Signal::SIGKILL);
    assert!(size(&folder.path().join("q")) > text.len() as u64);
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    send(&["--queue=q", "--ack=peer", &listener.addr]).run().succeeds();
    listener.wait_stdout("all lines", |out| out == text.as_bytes());
    assert_eq!(size(&folder.path().join("q")), 0, "something stays");
    // Nothing is left for another run: the receiver would drop it silently.
    let nothing = send(&["--queue=q", "--ack=peer", "--stats", &listener.addr]).run();
    nothing.succeeds().stderr_has(" 0 bytes out, ").stderr_has(", 0 bytes in queue, ");
    let received = listener.statistics();
    assert!(
        received.contains("50000 messages, ") && received.contains(" 0 repeated"),
        "{received}"
    );
}

/// As messages they are longer than the limit for the input.
#[test]
fn lines_of_the_greatest_length_leave_the_queue_too() {
    let folder = scratch();
    let lines = format!("{:0100}\n{:0100}\n", 1, 2);
    let send = |args: &[&str]| {
        let tool = Tool::new("heka-send").dir(folder.path()).args(FAST).args(args);
        tool.args(["--queue=q", "--max-message-size=100"])
    };
    send(&["--retry=0", "127.0.0.1:1"]).stdin_at_once(&lines).run().exits(3);
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
    send(&[&listener.addr]).run().succeeds();
    listener.wait_stdout_is(lines);
}

/// 20,000 lines, 6 MB, for a queue of half a megabyte that is not emptied.
struct FullQueue {
    folder: TempDir,
    text: String,
    address: String,
}

impl FullQueue {
    /// Maximum size in bytes, exceeded by no more than one read.
    const SIZE: u64 = 500_000;
    const BLOCK: u64 = 256 * 1024;

    fn new() -> Self {
        let text = (0..20_000).map(|number| format!("{number:0250}\n")).collect();
        Self { folder: scratch(), text, address: format!("127.0.0.1:{}", free_port()) }
    }

    fn send(&self, full: &str) -> Tool {
        let limits = ["--queue=q", "--queue-size=500000", "--queue-file-size=100K"];
        let tool = Tool::new("heka-send").dir(self.folder.path()).args(FAST).args(limits);
        tool.args([&format!("--queue-full={full}"), &self.address]).stdin(self.text.clone())
    }

    fn size(&self) -> u64 {
        size(&self.folder.path().join("q"))
    }

    /// Returns what another run finds in the queue and sends, a little at a time.
    fn empty(&self) -> String {
        let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
        let tool = Tool::new("heka-send").dir(self.folder.path());
        tool.args(["--queue=q", "--in-flight=64K", &listener.addr]).run().succeeds();
        assert_eq!(self.size(), 0);
        listener.wait_stdout("whole lines", |out| out.ends_with(b"\n"));
        let end = listener.into_running().end_by(Signal::SIGTERM);
        end.killed_by(Signal::SIGTERM);
        end.out()
    }
}

#[test]
fn a_full_queue_stops_the_source() {
    let queue = FullQueue::new();
    let sender = queue.send("block").spawn();
    eventually("the queue is full", || (queue.size() >= FullQueue::SIZE).then_some(()));
    sender.wait_stderr("retrying");
    // No receiver, attempt after attempt, and no progress meanwhile.
    let try_again = |count: usize| {
        let attempts = || sender.stderr().matches("retrying").count();
        let seen = attempts();
        eventually("it goes on trying", || (attempts() > seen + count).then_some(()));
    };
    // Until the last read is counted.
    try_again(2);
    let before = sender.statistics();
    try_again(20);
    let read = |line: &str| line.split(", ").take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(read(&sender.statistics()), read(&before));
    let size = queue.size();
    assert!((FullQueue::SIZE..FullQueue::SIZE + FullQueue::BLOCK).contains(&size), "{size}");
    sender.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    let came = queue.empty();
    assert!(came.len() as u64 > FullQueue::SIZE / 2 && queue.text.starts_with(&came), "{came}");
}

#[test]
fn a_full_queue_drops_the_oldest() {
    let queue = FullQueue::new();
    let sender = queue.send("drop-oldest").arg("--stats").spawn();
    sender.wait_stderr("messages dropped");
    eventually("all is read", || sender.statistics().contains(" 20000 messages").then_some(()));
    let end = sender.end_by(Signal::SIGTERM);
    let size = queue.size();
    assert!((FullQueue::SIZE / 2..FullQueue::SIZE).contains(&size), "{size}");
    let came = queue.empty();
    assert!(came.len() as u64 > FullQueue::SIZE / 2 && queue.text.ends_with(&came), "{came}");
    let said = end.killed_by(Signal::SIGTERM).err();
    assert_eq!(count(&said, " dropped, ") + came.lines().count(), 20_000);
}

/// Returns the number before `word` in the last statistics.
fn count(said: &str, word: &str) -> usize {
    let number = said.rsplit_once(word).and_then(|(line, _)| line.rsplit(' ').next());
    number.expect("statistics").parse().expect("a number")
}

/// Its files are deleted first, but it may still arrive; if not, that is reported at the end.
#[test]
fn what_is_on_its_way_when_a_full_queue_drops_it_is_counted_too() {
    let mut queue = FullQueue::new();
    // A peer that accepts no more than its kernel does.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    SockRef::from(&listener).set_recv_buffer_size(4096).expect("a small buffer");
    queue.address = listener.local_addr().expect("an address").to_string();
    let sender = queue.send("drop-oldest").args(["--in-flight=500K", "--stats"]).spawn();
    let _peer = listener.accept().expect("a connection");
    eventually("all is read", || sender.statistics().contains(" 20000 messages").then_some(()));
    let end = sender.end_by(Signal::SIGTERM);
    let said = end.killed_by(Signal::SIGTERM).err();
    assert!(said.contains("the queue was full: "), "{said}");
    let came = queue.empty().lines().count();
    let [dropped, confirmed] = [" dropped, ", " acknowledged, "].map(|word| count(&said, word));
    // The last records may still be in the queue.
    let all = dropped + confirmed + came;
    assert!(dropped > 0 && (20_000..21_000).contains(&all), "{dropped} + {confirmed} + {came}");
}

#[test]
fn a_full_queue_ends_the_run() {
    let queue = FullQueue::new();
    queue.send("exit").run().exits(1).stderr_has("the queue is full");
    let size = queue.size();
    assert!((FullQueue::SIZE..FullQueue::SIZE + FullQueue::BLOCK).contains(&size), "{size}");
    // What was read by then is there.
    let came = queue.empty();
    assert!(came.len() as u64 > FullQueue::SIZE / 2 && queue.text.starts_with(&came), "{came}");
}

#[test]
fn a_full_disk_under_the_queue_is_waited_for() {
    let Some(disk) = SmallDisk::new() else { return };
    let queue = format!("--queue={}", disk.path().join("q").display());
    let closed = format!("127.0.0.1:{}", free_port());
    let mut sender = Tool::new("heka-send").args(FAST).args([&queue, &closed]).stdin_open().spawn();
    sender.write("first\n");
    let queued = || fs::metadata(disk.path().join("q/0.log")).map_or(0, |file| file.len());
    eventually("the first is queued", || (queued() > 0).then_some(()));
    disk.fill(0);
    let text: String = (0..10_000).map(|number| format!("line {number}\n")).collect();
    sender.write(&text);
    sender.wait_stderr("queue: disk full: waiting for room");
    disk.free();
    let listener = Peer::new("heka-listen", [&closed, "-opayload"]);
    listener.wait_stdout("everything", |out| out == format!("first\n{text}").as_bytes());
    sender.finish().succeeds();
}

/// 300 messages in files of about 1000 bytes, which no receiver has read.
fn long_queue() -> TempDir {
    let folder = scratch();
    let text: String = (0..300).map(|number| format!("line {number}\n")).collect();
    let tool = Tool::new("heka-send").dir(folder.path()).args(FAST).arg("--ack=peer");
    let tool = tool.args(["--queue=q", "--queue-file-size=1000", "--retry=0", "127.0.0.1:1"]);
    // Not all of a pipe may have been read when the connection is refused.
    tool.stdin_at_once(text).run().exits(3);
    folder
}

/// Sends the rest of the queue and one more message, and returns what arrived.
fn send_rest(folder: &TempDir, is_damaged: bool) -> Vec<String> {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let tool = Tool::new("heka-send").dir(folder.path()).args(FAST).arg("--ack=peer");
    let sent = tool.args(["--queue=q", &listener.addr]).stdin("the last\n").run();
    if is_damaged {
        sent.exits(1).stderr_has(" lost (");
    } else {
        sent.succeeds().stderr_is("");
    }
    let came = listener.wait_stdout("the end", |out| out.ends_with(b"the last\n"));
    String::from_utf8(came).expect("text").lines().map(str::to_owned).collect()
}

#[test]
fn a_queue_is_read_by_heka_decode_and_a_missing_file_is_noticed() {
    let folder = long_queue();
    let decode = || Tool::new("heka-decode").dir(folder.path()).arg("q").run();
    assert_eq!(decode().succeeds().out().lines().count(), 300);
    fs::remove_file(folder.path().join("q/5.log")).expect("it was there");
    let left = decode();
    left.exits(1).stderr_has("messages missing before this block");
    let mut left: Vec<String> = left.out().lines().map(str::to_owned).collect();
    assert!((260..300).contains(&left.len()), "{left:?}");
    left.push("the last".to_owned());
    assert_eq!(send_rest(&folder, true), left);
    let nothing = Tool::new("heka-decode").dir(folder.path()).args(["-c", "q"]).run();
    nothing.succeeds().stdout_is("0\n");
    let other = Tool::new("heka-decode").dir(folder.path()).arg(".").run();
    other.exits(1).stderr_has("Is a directory");
}

#[test]
fn what_is_missing_at_the_end_of_a_queue_is_reported_once() {
    let folder = scratch();
    let send = |address: &str, input: &str| {
        let flags = ["-q", "-ilines", "--ack=peer", "--queue=q", "--retry=0", address];
        Tool::new("heka-send").args(flags).dir(folder.path()).stdin(input).run()
    };
    send("127.0.0.1:1", "1\n2\n3\n").exits(3);
    let path = folder.path().join("q/0.log");
    let mut bytes = fs::read(&path).expect("a file");
    let last = bytes.iter().rposition(|byte| *byte == 0x1e).expect("a frame");
    bytes[last] = 0;
    fs::write(&path, bytes).expect("the same");
    let receiver = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let flags = ["--stats", "-ilines", "--ack=peer", "--queue=q", &receiver.addr];
    let resume =
        |input: &str| Tool::new("heka-send").args(flags).dir(folder.path()).stdin(input).run();
    resume("").exits(1).stderr_has("3 messages lost (1 to 3)").stderr_has("3 dropped");
    resume("new\n").succeeds().stderr_has("0 dropped");
    resume("").succeeds();
    receiver.wait_stdout_is("new\n");
}

#[test]
fn damage_in_a_queue_is_noticed_and_makes_no_new_message_disappear() {
    let folder = long_queue();
    let path = folder.path().join("q/3.log");
    let mut bytes = fs::read(&path).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).expect("the same");
    let came = send_rest(&folder, true);
    assert!((250..301).contains(&came.len()) && !came.contains(&"line 0".repeat(2)), "{came:?}");
}

#[test]
fn a_queue_restored_from_a_copy_makes_no_new_message_disappear() {
    let folder = scratch();
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let send = |text: &str| {
        let tool = Tool::new("heka-send").dir(folder.path()).args(["--ack=peer", "--queue=q"]);
        tool.arg(&listener.addr).stdin(text).run().succeeds();
    };
    let shell = |line: &str| {
        heka_tests::sh(line).dir(folder.path()).run().succeeds();
    };
    send("a1\n");
    shell("cp -a q copy");
    send("b1\nb2\n");
    // Both continue from where they were when the copy was made.
    shell("mv q other && cp -a copy q");
    send("c1\nc2\nc3\n");
    shell("mv q third && mv other q");
    send("d1\nd2\nd3\n");
    listener.wait_stdout_is("a1\nb1\nb2\nc1\nc2\nc3\nd1\nd2\nd3\n");
}

/// Even if the file with the queue's end is missing and there is no room for a new one.
#[test]
fn a_queue_on_a_full_disk_can_be_emptied() {
    let Some(disk) = SmallDisk::new() else { return };
    let folder = disk.path().join("q");
    let queue = format!("--queue={}", folder.display());
    let address = format!("127.0.0.1:{}", free_port());
    let tool = Tool::new("heka-send").args(FAST).args([&queue, &address]);
    let mut sender = tool.stdin_open().spawn();
    sender.write("first\n");
    let queued = || fs::metadata(folder.join("0.log")).map_or(0, |file| file.len());
    eventually("the first is queued", || (queued() > 0).then_some(()));
    drop(sender);
    fs::remove_file(folder.join("end")).expect("it was there");
    disk.fill(0);
    let listener = Peer::new("heka-listen", [&address, "-opayload"]);
    let sent = Tool::new("heka-send").args(FAST).args([&queue, &address]).stdin("").run();
    sent.succeeds();
    listener.wait_stdout_is("first\n");
    assert_eq!(queued(), 0);
}

fn decoded(queue: &Path) -> heka_tests::Outcome {
    Tool::new("heka-decode").arg("-opayload").arg(queue).run()
}

/// Even if the cursor is old: it is stored only from time to time.
#[test]
fn heka_decode_shows_what_a_killed_sender_has_left() {
    let (folder, listener) =
        (scratch(), Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]));
    let cursor = folder.path().join("q/cursor");
    let tool = Tool::new("heka-send").args(["--queue=q", "--ack=peer", &listener.addr]);
    let mut sender = tool.dir(folder.path()).stdin_open().spawn();
    let deliver = |sender: &mut Running, text: &str, all: u32| {
        sender.write(text);
        listener.wait_stdout("the lines", |out| out.ends_with(text.as_bytes()));
        eventually("all is acknowledged", || {
            sender.statistics().contains(&format!(" {all} acknowledged")).then_some(())
        });
    };
    deliver(&mut sender, &lines(10), 10);
    let old = fs::read(&cursor).expect("a cursor");
    deliver(&mut sender, &lines(24_000), 24_010);
    listener.signal(Signal::SIGSTOP);
    sender.write(lines(5));
    let queued = || decoded(&folder.path().join("q"));
    eventually("they are in the queue", || (queued().out() == lines(5)).then_some(()));
    sender.end_by(Signal::SIGKILL);
    fs::write(&cursor, old).expect("the cursor");
    assert_eq!(queued().succeeds().out(), lines(5));
    listener.signal(Signal::SIGCONT);
}

#[test]
fn heka_decode_says_that_the_end_of_a_queue_is_damaged() {
    let folder = scratch();
    let tool = Tool::new("heka-send").args(["--queue=q", "127.0.0.1:1"]).dir(folder.path());
    let mut sender = tool.stdin_open().spawn();
    let queue = folder.path().join("q");
    for count in 1..4 {
        sender.write("one\n");
        let all = "one\n".repeat(count);
        eventually("it is in the queue", || (decoded(&queue).out() == all).then_some(()));
    }
    sender.end_by(Signal::SIGKILL);
    let (path, end) = (queue.join("0.log"), fs::read_to_string(queue.join("end")).expect("an end"));
    let mut bytes = fs::read(&path).expect("a file");
    let len: usize = end.split(' ').nth(3).expect("an offset").parse().expect("a number");
    bytes[len - 2] ^= 1;
    fs::write(&path, bytes).expect("a file");
    let shown = decoded(&queue);
    shown.exits(1).stderr_has("1 message missing at the end");
    assert_eq!(shown.out(), "one\none\n");
}
