// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics of running tools: on SIGUSR1, and on a terminal with --progress.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::fd::{AsFd as _, OwnedFd};

use heka_tests::{Peer, Pty, Running, Signal, Tool, eventually, scratch, sh, unix};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// A pipe that is not read, as a tool's standard output.
pub(crate) struct Stuck {
    _reader: std::io::PipeReader,
    writer: std::io::PipeWriter,
}

impl Stuck {
    pub(crate) fn new() -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        Self { _reader: reader, writer }
    }

    pub(crate) fn end(&self) -> File {
        File::from(OwnedFd::from(self.writer.try_clone().unwrap()))
    }

    /// Waits until the pipe is full.
    pub(crate) fn wait_full(&self) {
        eventually("the pipe is full", || {
            let mut fds = [PollFd::new(self.writer.as_fd(), PollFlags::POLLOUT)];
            (poll(&mut fds, PollTimeout::ZERO) == Ok(0)).then_some(())
        });
    }

    /// Expects `tool`, which writes into it, to report each time that it is stuck.
    fn is_told_by(&self, tool: &Running) {
        self.wait_full();
        let is_told = || tool.statistics().contains(", blocked on standard output for ");
        // The write that does not fit may still be to come.
        eventually("it is stuck", || is_told().then_some(()));
        assert!(is_told() && is_told());
    }
}

#[test]
fn a_tool_that_is_stuck_says_so_when_asked() {
    let frames = Tool::new("heka-encode").stdin("x\n".repeat(200_000)).run().stdout;
    let folder = scratch();
    std::fs::write(folder.path().join("log"), "y\n".repeat(2_000_000)).unwrap();
    let text = || "z\n".repeat(2_000_000);
    for (name, args, input) in [
        ("heka-encode", &["-opayload"][..], text().into_bytes()),
        ("heka-decode", &["-ojson"], frames.clone()),
        ("heka-tail", &["--no-follow", "-opayload", "log"], Vec::new()),
    ] {
        let stuck = Stuck::new();
        let tool = Tool::new(name).args(args).dir(folder.path()).stdin(input);
        let tool = tool.stdout_file(stuck.end()).spawn();
        stuck.is_told_by(&tool);
        tool.end_by(Signal::SIGKILL);
    }
    let stuck = Stuck::new();
    let listener = Peer::with("heka-listen", ["127.0.0.1:0"], |tool| tool.stdout_file(stuck.end()));
    let mut sender = TcpStream::connect(&listener.addr).unwrap();
    std::thread::spawn(move || sender.write_all(&frames.repeat(10)));
    stuck.is_told_by(&listener);

    let stuck = Stuck::new();
    let (server, path, _folder) = unix::serve(&[], |tool| tool.stdout_file(stuck.end()));
    let mut client = unix::connect(&path);
    std::thread::spawn(move || client.write_all(text().as_bytes()));
    stuck.is_told_by(&server);
}

/// Returns the rows of a terminal after `text`, and the row of the cursor.
pub(crate) fn rows(text: &str) -> (Vec<String>, usize) {
    let (mut rows, mut row, mut column) = (vec![String::new()], 0, 0);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '\r' => column = 0,
            '\n' => {
                (row, column) = (row + 1, 0);
                rows.resize(rows.len().max(row + 1), String::new());
            }
            '\x1b' => {
                let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap();
                let (number, letter) = (&rest[1..end], &rest[end..=end]);
                rest = &rest[end + 1..];
                match letter {
                    "K" => rows[row].truncate(column),
                    "J" => {
                        rows[row].truncate(column);
                        rows.truncate(row + 1);
                    }
                    "A" => row -= number.parse::<usize>().unwrap(),
                    _ => panic!("{letter}"),
                }
            }
            c => {
                rows[row].truncate(column);
                rows[row].push(c);
                column += 1;
            }
        }
    }
    (rows, row)
}

#[test]
fn tools_of_a_pipeline_have_a_row_each_and_leave_nothing() {
    let folder = scratch();
    let fifo = folder.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let pty = Pty::open();
    let line = "heka-encode --progress <fifo | heka-decode --progress -n 1 -j >/dev/null";
    let pipeline = sh(line).dir(folder.path()).stderr_file(pty.end()).spawn();
    let mut writer = File::options().write(true).open(&fifo).unwrap();
    let screen = pty.wait_screen("a row each", |text| {
        let (rows, _) = rows(text);
        let has = |name: &str| rows.iter().filter(|row| row.starts_with(name)).count() == 1;
        has("heka-encode: 0 messages, 0 B") && has("heka-decode: 0 messages, 0 B")
    });
    assert_eq!(rows(&screen).1, 0, "{screen:?}");
    writer.write_all(b"one\n").unwrap();
    drop(writer);
    pipeline.finish().succeeds();
    let end = pty.wait_screen("nothing is left", |text| rows(text).0.iter().all(String::is_empty));
    assert_eq!(rows(&end).1, 0, "{end:?}");
}

#[test]
fn the_end_of_a_file_is_foreseen() {
    let stuck = Stuck::new();
    let folder = scratch();
    std::fs::write(folder.path().join("log"), "y\n".repeat(2_000_000)).unwrap();
    let pty = Pty::open();
    let tool = Tool::new("heka-encode").args(["--progress", "-opayload", "log"]).dir(folder.path());
    let tool = tool.stdout_file(stuck.end()).stderr_file(pty.end()).spawn();
    pty.wait_screen("percentage and time left", |text| {
        rows(text).0.iter().any(|row| row.contains("%, ") && row.ends_with(" left"))
    });
    // A warning gets a line of its own.
    tool.signal(Signal::SIGUSR1);
    pty.wait_screen("statistics", |text| {
        rows(text).0.iter().any(|row| row.starts_with("heka-encode: ") && row.contains("bytes in"))
    });
    tool.end_by(Signal::SIGKILL);
}
