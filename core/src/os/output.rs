// SPDX-License-Identifier: MIT OR Apache-2.0
//! The writer of a tool's records: a raw descriptor with a large buffer.
//!
//! A record is appended to the buffer ([`Output::put`], or built in place in [`Output::buffer`])
//! and finished with [`Output::end_record`]. The buffer is written when it is full, when the input
//! is idle ([`super::Input::fill`]), at the end, after every record with `-u` or on a terminal, and
//! before the tool dies of a signal.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::stat::{FileStat, SFlag, fstat, stat};

use super::closed_at_start::check_open;
use super::directory::is_same_file;
use super::file_sink::FileSink;
use super::input::PIPE_SIZE;
use super::wait::serve_signals;
use super::{Ending, Wanted, wait};
use crate::codec::harmless::push_harmless;
use crate::os::signal;
use crate::report::{self, Cause as _, Explain as _, Stop, stats};

/// The buffer is written when it reaches this size.
pub(super) const FULL: usize = 256 * 1024;
/// Time limit for a reader that delays a death by signal.
const GRACE: Duration = Duration::from_secs(1);
/// Number of bytes that a pipe accepts without blocking once poll(2) reports room (POSIX:
/// `PIPE_BUF`).
pub(super) const PIPE_BUF: usize = 4096;

/// Standard output, or a file, for records.
#[derive(Debug)]
pub struct Output {
    file: File,
    name: Option<String>,
    buffer: Vec<u8>,
    every_record: bool,
    harmless: bool,
    is_pipe: bool,
    sink: Option<Box<FileSink>>,
    /// Start of the last record, for files of limited size.
    record: usize,
    /// The signal for which output to a stuck reader was abandoned. Nothing is written after that,
    /// so that nothing is acknowledged wrongly.
    given_up: Option<Signal>,
    /// Whether a write has failed.
    has_failed: bool,
}

impl Output {
    /// Creates an output for standard output.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn stdout() -> Result<Self, Stop> {
        check_open(1, "write error")?;
        #[expect(clippy::disallowed_methods, reason = "this is the one writer of stdout")]
        let fd = std::io::stdout().as_fd().try_clone_to_owned().at("write error")?;
        let mut out = Self::new(File::from(fd));
        out.every_record = out.is_terminal();
        Ok(out)
    }

    /// Creates an output for a named file; write errors include the name.
    pub fn file(file: File, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..Self::new(file) }
    }

    /// Creates an output for a file that is appended to, rotated and reopened as `sink` says.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn appended(mut sink: FileSink) -> Result<Self, Stop> {
        let file = sink.open()?;
        let name = sink.name();
        Ok(Self { sink: Some(Box::new(sink)), ..Self::file(file, name) })
    }

    fn new(file: File) -> Self {
        let is_pipe = fcntl(&file, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE)).is_ok()
            || fcntl(&file, FcntlArg::F_GETPIPE_SZ).is_ok();
        let buffer = Vec::with_capacity(FULL + FULL / 2);
        Self {
            file,
            name: None,
            buffer,
            every_record: false,
            harmless: false,
            is_pipe,
            sink: None,
            record: 0,
            given_up: None,
            has_failed: false,
        }
    }

    /// Sets whether to write after every record (`-u`).
    #[must_use]
    pub fn unbuffered(mut self, unbuffered: bool) -> Self {
        self.every_record |= unbuffered;
        self
    }

    /// Escapes control characters if this is a terminal; for forms that are text.
    #[must_use]
    pub fn text(mut self) -> Self {
        self.harmless = self.is_terminal();
        self
    }

    /// Repairs the end of a file that is appended to, now and whenever it is reopened, in case an
    /// earlier process died or the disk was full in the middle of a record.
    ///
    /// # Errors
    /// If the file cannot be read or truncated.
    pub fn ending_with(mut self, ending: Ending) -> Result<Self, Stop> {
        if let Some(sink) = &mut self.sink {
            sink.set_ending(ending);
            sink.mend(&self.file)?;
        }
        Ok(self)
    }

    /// Whether the output is a terminal.
    pub fn is_terminal(&self) -> bool {
        nix::unistd::isatty(&self.file).unwrap_or(false)
    }

    /// Rejects an input file (`-` for standard input) that is also the output: it would grow while
    /// being read.
    ///
    /// # Errors
    /// `NAME: input file is output file`, status 1.
    pub fn unlike(self, files: &[String]) -> Result<Self, Stop> {
        let Ok(written) = fstat(&self.file) else { return Ok(self) };
        for file in files {
            let read = match file.as_str() {
                "-" => fstat(std::io::stdin()).ok(),
                path => stat(path).ok(),
            };
            if read.is_some_and(|read| is_same_file(&read, &written)) {
                let name = if file == "-" { "(standard input)" } else { file };
                return Err(Stop::failed(format_args!("{name}: input file is output file")));
            }
        }
        Ok(self)
    }

    /// Whether another process reads the output as it is written: a pipe or a socket.
    pub fn is_stream(&self) -> bool {
        let is_socket = |stat: FileStat| {
            SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFSOCK
        };
        self.is_pipe || fstat(&self.file).is_ok_and(is_socket)
    }

    /// Returns the descriptor.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub(super) fn raw(&self) -> &File {
        &self.file
    }

    /// Whether each record is written immediately.
    pub fn writes_every_record(&self) -> bool {
        self.every_record
    }

    pub(super) fn is_harmless(&self) -> bool {
        self.harmless
    }

    /// Returns the buffered bytes.
    pub(super) fn peek(&self) -> &[u8] {
        &self.buffer
    }

    /// Returns the entry for a poll set: `POLLERR` when the reader has gone.
    pub fn reader_watch(&self) -> Option<Wanted<'_>> {
        self.is_pipe.then(|| (self.file.as_fd(), PollFlags::empty()))
    }

    /// Returns the buffer for the next record.
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Appends to the current record.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Ends a record, and writes if it is time to.
    ///
    /// # Errors
    /// As [`Output::flush`].
    #[inline]
    pub fn end_record(&mut self) -> Result<(), Stop> {
        if self.sink.is_some() {
            self.end_file_before_record()?;
        }
        if self.buffer.len() >= FULL || self.every_record {
            return self.flush();
        }
        Ok(())
    }

    /// Writes whole records from another buffer, without copying them if there are many.
    ///
    /// # Errors
    /// As [`Output::flush`].
    pub fn put_records(&mut self, records: &[u8]) -> Result<(), Stop> {
        if records.len() < FULL / 4 || self.harmless {
            self.put(records);
            return self.end_record();
        }
        self.flush()?;
        self.serve_sink(records.len())?;
        self.write(records)
    }

    /// Writes everything that is buffered.
    ///
    /// # Errors
    /// [`Stop::BrokenPipe`] if the reader has gone; the signal for which output to a stuck reader
    /// was abandoned, now or before; otherwise any write error (`write error: …`).
    pub fn flush(&mut self) -> Result<(), Stop> {
        if let Some(signal) = self.given_up {
            return Err(Stop::Signal(signal));
        }
        self.serve_sink(self.buffer.len())?;
        if self.buffer.is_empty() {
            return Ok(());
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = if self.harmless {
            let mut harmless = Vec::with_capacity(buffer.len());
            push_harmless(&mut harmless, &buffer);
            self.write(&harmless)
        } else {
            self.write(&buffer)
        };
        buffer.clear();
        self.buffer = buffer;
        self.record = 0;
        written
    }

    /// Reopens the file, if the output is one: another process renamed it, or it must be rotated.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn reopen(&mut self) -> Result<(), Stop> {
        if let Some(sink) = &mut self.sink {
            self.file = sink.open()?;
        }
        Ok(())
    }

    /// Called before a write of `len` bytes: reopens the file after HUP, rotates it if it is
    /// complete.
    fn serve_sink(&mut self, len: usize) -> Result<(), Stop> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        if signal::take_hup() {
            self.file = sink.open()?;
        }
        if len > 0 && sink.is_complete(len) {
            self.file = sink.rotate()?;
        }
        Ok(())
    }

    /// Writes everything before the record that has just ended, if the file has no room for that
    /// record.
    fn end_file_before_record(&mut self) -> Result<(), Stop> {
        let limit = self.sink.as_ref().and_then(|sink| sink.limit());
        if limit.is_some_and(|limit| self.buffer.len() as u64 > limit) && self.record > 0 {
            let last = self.buffer.split_off(self.record);
            self.flush()?;
            self.buffer.extend_from_slice(&last);
        }
        self.record = self.buffer.len();
        Ok(())
    }

    /// Whether output was lost, which no later write can undo.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Returns the number of bytes not written yet.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        stats::blocked_on(self.waits_for());
        let mut written = self.write_all(bytes);
        if written.is_ok() && self.sink.as_ref().is_some_and(|sink| sink.is_durable()) {
            stats::blocked_on(stats::On::Disk);
            written = self.file.sync_data().map_err(|error| self.failed(&error));
        }
        self.has_failed |= written.is_err();
        stats::flows();
        written
    }

    /// Returns the subject that a blocked write waits for.
    pub(super) fn waits_for(&self) -> stats::On {
        if self.name.is_some() { stats::On::OutputFile } else { stats::On::StandardOutput }
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), Stop> {
        while !bytes.is_empty() {
            let written = match signal::pending() {
                Some(signal) => self.write_in_grace(bytes, signal)?,
                None => self.file.write(bytes),
            };
            match written {
                Ok(len) => {
                    stats::BYTES_OUT.add(len as u64);
                    if let Some(sink) = &mut self.sink {
                        sink.wrote(len);
                    }
                    bytes = &bytes[len..];
                    // A short write was caused by a signal; the next write may block again.
                    if !bytes.is_empty() {
                        drop(serve_signals());
                    }
                }
                // The caller handles a pending signal after this write.
                Err(error) if error.kind() == ErrorKind::Interrupted => drop(serve_signals()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    match wait(&[(self.file.as_fd(), PollFlags::POLLOUT)], None) {
                        Ok(_) | Err(Stop::Signal(_)) => {}
                        Err(stop) => return Err(stop),
                    }
                }
                Err(error) => {
                    // A partly written record is useless.
                    if let Some(sink) = &mut self.sink {
                        let _mended = sink.mend(&self.file);
                    }
                    return Err(self.failed(&error));
                }
            }
        }
        Ok(())
    }

    /// Writes what a reader accepts within [`GRACE`]; a stuck reader must not delay a death by
    /// `signal`.
    fn write_in_grace(
        &mut self,
        bytes: &[u8],
        signal: Signal,
    ) -> Result<std::io::Result<usize>, Stop> {
        let deadline = Instant::now() + GRACE;
        loop {
            let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
            match poll(&mut fds, PollTimeout::from(100u8)) {
                Ok(0) if Instant::now() < deadline => {}
                Ok(0) => {
                    let left = bytes.len();
                    let cause = format!("the reader is stuck, {left} bytes not written");
                    report::error(self.write_error(&cause));
                    self.given_up = Some(signal);
                    return Err(Stop::Signal(signal));
                }
                Ok(_) => return Ok((&self.file).write(&bytes[..bytes.len().min(PIPE_BUF)])),
                Err(_) => {}
            }
        }
    }

    /// Converts a write error.
    pub(super) fn failed(&self, error: &std::io::Error) -> Stop {
        match &self.name {
            None if error.kind() == ErrorKind::BrokenPipe => Stop::BrokenPipe,
            _ => Stop::failed(self.write_error(&error.cause())),
        }
    }

    fn write_error(&self, cause: &str) -> String {
        match &self.name {
            Some(name) => format!("{name}: write error: {cause}"),
            None => format!("write error: {cause}"),
        }
    }
}
