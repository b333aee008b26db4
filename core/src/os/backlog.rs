// SPDX-License-Identifier: MIT OR Apache-2.0
//! An [`Output`] that never blocks its tool.
//!
//! A tool that owes answers to a peer must not be held up by the reader of its output. Here, bytes
//! that the reader does not accept stay in the buffer; the tool waits for room together with its
//! other descriptors ([`Backlog::wanted`]) and stops producing records when [`Backlog::pending`]
//! exceeds its limit.
//!
//! The descriptor of standard output is shared with other processes, so `O_NONBLOCK` is not set on
//! it. Pipes and terminals are reopened instead. Where that is not possible, a write is no larger
//! than a pipe with room accepts as a whole. Writes to a file on a disk do not wait for anybody.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::time::Instant;

use nix::Error;
use nix::fcntl::OFlag;
use nix::poll::PollFlags;

use super::output::{FULL, PIPE_BUF};
use super::splice::Conduit;
use super::{Output, Wanted, wait};
use crate::codec::harmless::push_harmless;
use crate::report::{Stop, stats};

/// Written bytes are removed from the buffer when they reach this size, rather than after each
/// write.
const COMPACT: usize = 1024 * 1024;

/// Smaller amounts of records are copied into the buffer rather than written in place.
const DIRECT: usize = 32 * 1024;

/// Records for a reader that may be slow.
#[derive(Debug)]
pub struct Backlog {
    out: Output,
    way: Way,
    /// Number of bytes at the front of the buffer that are written.
    written: usize,
    /// Number of bytes at the front of the buffer that are known to be harmless on a terminal.
    harmless_len: usize,
    /// Size of the pending output at which to try again.
    due: usize,
    /// The path for bytes from a socket, once determined.
    conduit: Option<Conduit>,
}

/// A way to write without blocking.
#[derive(Debug)]
enum Way {
    /// Through an open file description of its own, which never blocks.
    Reopened(File),
    /// In pieces, each after poll(2) has reported room.
    Pieces,
    /// Directly, like the output itself: a file on a disk.
    Direct,
}

impl Backlog {
    /// Takes over an output.
    pub fn new(out: Output) -> Self {
        let way = Way::of(out.raw());
        Self { out, way, written: 0, harmless_len: 0, due: FULL, conduit: None }
    }

    /// Returns the buffer for the next record; finish the record with [`Backlog::end_record`].
    #[inline]
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.out.buffer()
    }

    /// Whether the output is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.out.is_terminal()
    }

    /// Returns the number of bytes not written yet.
    #[inline]
    pub fn pending(&self) -> usize {
        self.out.pending() - self.written
    }

    /// Returns the entry for a poll set: room for pending output, or `POLLERR` when the reader has
    /// gone.
    pub fn wanted(&self) -> Option<Wanted<'_>> {
        if self.pending() > 0 {
            return Some((self.out.fd(), PollFlags::POLLOUT));
        }
        self.out.reader_watch()
    }

    /// Writes pending output until the given time.
    ///
    /// # Errors
    /// As [`Backlog::try_flush`], and signals.
    pub fn serve_until(&mut self, until: Instant) -> Result<(), Stop> {
        while Instant::now() < until {
            self.try_flush()?;
            let wanted: Vec<_> = self.wanted().into_iter().collect();
            let ready = wait(&wanted, Some(until))?;
            if self.pending() == 0 && ready.iter().any(|ready| !ready.is_empty()) {
                return Err(Stop::BrokenPipe);
            }
        }
        Ok(())
    }

    /// Ends a record, and writes if it is time to.
    ///
    /// # Errors
    /// As [`Backlog::try_flush`].
    #[inline]
    pub fn end_record(&mut self) -> Result<(), Stop> {
        if matches!(self.way, Way::Direct) {
            return self.out.end_record();
        }
        if self.pending() >= self.due || self.out.writes_every_record() {
            self.try_flush()?;
        }
        Ok(())
    }

    /// Adds whole records from another buffer. If there are many and nothing is pending, they are
    /// written without copying them first.
    ///
    /// # Errors
    /// As [`Backlog::try_flush`].
    pub fn put_records(&mut self, records: &[u8]) -> Result<(), Stop> {
        if matches!(self.way, Way::Direct) {
            return self.out.put_records(records);
        }
        let mut rest = records;
        let is_own = matches!(self.way, Way::Reopened(_)) && !self.out.is_harmless();
        while is_own && self.pending() == 0 && rest.len() >= DIRECT {
            match self.write_some(rest) {
                Ok(len) => rest = &rest[len..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(self.out.failed(&error)),
            }
        }
        self.out.buffer().extend_from_slice(rest);
        self.end_record()
    }

    /// Whether [`Backlog::carry`] is possible.
    pub fn has_conduit(&mut self) -> bool {
        let conduit = self.conduit.get_or_insert_with(|| match self.way {
            Way::Reopened(_) if !self.out.is_harmless() => Conduit::to(self.out.raw()),
            _ => Conduit::Closed,
        });
        !matches!(conduit, Conduit::Closed)
    }

    /// Writes pending output, then moves up to `len` bytes from a socket without copying them, as
    /// many as the output accepts now. Returns the number of bytes taken from the socket, 0 if
    /// output stays pending or moving is not possible.
    ///
    /// # Errors
    /// As [`Backlog::try_flush`].
    pub fn carry(&mut self, socket: BorrowedFd<'_>, len: usize) -> Result<usize, Stop> {
        if !self.has_conduit() || !self.try_flush()? {
            return Ok(0);
        }
        let (Some(conduit), Way::Reopened(out)) = (&mut self.conduit, &self.way) else {
            return Ok(0);
        };
        match conduit.carry(socket, out, len, self.out.buffer()) {
            Ok(len) => {
                stats::BYTES_OUT.add((len - self.pending()) as u64);
                Ok(len)
            }
            Err(Error::EPIPE) => Err(self.out.failed(&Error::EPIPE.into())),
            Err(Error::EAGAIN | Error::EINTR) => Ok(0),
            Err(_) => {
                // Ordinary reading and writing will report the cause.
                self.conduit = Some(Conduit::Closed);
                Ok(0)
            }
        }
    }

    /// Writes what the reader accepts now; returns whether that was everything.
    ///
    /// # Errors
    /// [`Stop::BrokenPipe`] if the reader has gone, otherwise any write error (`write error: …`).
    pub fn try_flush(&mut self) -> Result<bool, Stop> {
        if matches!(self.way, Way::Direct) {
            return self.out.flush().map(|()| true);
        }
        self.make_harmless();
        let before = self.pending();
        while self.pending() > 0 {
            if !matches!(self.way, Way::Reopened(_)) {
                let ready = wait(&[(self.out.fd(), PollFlags::POLLOUT)], Some(Instant::now()))?;
                if ready.iter().all(PollFlags::is_empty) {
                    break;
                }
            }
            match self.write_some(&self.out.peek()[self.written..]) {
                Ok(len) => self.written += len,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(self.out.failed(&error)),
            }
        }
        match self.pending() {
            0 => stats::flows(),
            left if left < before || !stats::is_blocked() => {
                stats::blocked_on(self.out.waits_for());
            }
            _ => {}
        }
        self.compact();
        self.due = self.pending() + FULL;
        Ok(self.pending() == 0)
    }

    /// Writes everything that is buffered and waits for the reader as long as necessary (only
    /// briefly once a signal has requested the end).
    ///
    /// # Errors
    /// As [`Backlog::try_flush`].
    pub fn flush(&mut self) -> Result<(), Stop> {
        if matches!(self.way, Way::Direct) {
            return self.out.flush();
        }
        self.make_harmless();
        let mut buffer = std::mem::take(self.out.buffer());
        let flushed = self.out.write(&buffer[self.written..]);
        buffer.clear();
        *self.out.buffer() = buffer;
        (self.written, self.harmless_len) = (0, 0);
        flushed
    }

    fn write_some(&self, bytes: &[u8]) -> std::io::Result<usize> {
        let len = match &self.way {
            Way::Reopened(file) => (&*file).write(bytes),
            _ => self.out.raw().write(&bytes[..bytes.len().min(PIPE_BUF)]),
        }?;
        stats::BYTES_OUT.add(len as u64);
        Ok(len)
    }

    fn make_harmless(&mut self) {
        if self.out.is_harmless() {
            let buffer = self.out.buffer();
            let new = buffer.split_off(self.harmless_len);
            push_harmless(buffer, &new);
            self.harmless_len = buffer.len();
        }
    }

    fn compact(&mut self) {
        if self.pending() == 0 {
            self.out.buffer().clear();
        } else if self.written >= COMPACT {
            self.out.buffer().drain(..self.written);
        } else {
            return;
        }
        self.harmless_len = self.harmless_len.saturating_sub(self.written);
        self.written = 0;
    }
}

impl Way {
    fn of(file: &File) -> Self {
        let Ok(kind) = file.metadata().map(|metadata| metadata.file_type()) else {
            return Self::Pieces;
        };
        if !kind.is_fifo() && !kind.is_char_device() && !kind.is_socket() {
            return Self::Direct;
        }
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let reopened = OpenOptions::new()
            .write(true)
            .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits())
            .open(path);
        reopened.map_or(Self::Pieces, Self::Reopened)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn pipe() -> (File, Backlog) {
        let (read, write) = nix::unistd::pipe().unwrap();
        (File::from(read), Backlog::new(Output::file(File::from(write), "pipe")))
    }

    #[test]
    fn a_reader_that_does_not_read_is_not_waited_for_and_loses_nothing() {
        let (mut reader, mut backlog) = pipe();
        let mut expected = Vec::new();
        for number in 0..400_000u32 {
            let record = format!("{number}\n");
            expected.extend_from_slice(record.as_bytes());
            backlog.buffer().extend_from_slice(record.as_bytes());
            backlog.end_record().unwrap();
        }
        assert!(!backlog.try_flush().unwrap());
        assert!(backlog.pending() > 0);
        let len = expected.len();
        let read = std::thread::spawn(move || {
            let mut all = vec![0; len];
            reader.read_exact(&mut all).unwrap();
            all
        });
        backlog.flush().unwrap();
        assert_eq!(read.join().unwrap(), expected);
    }

    #[test]
    fn pieces_are_written_only_where_there_is_room() {
        let (mut reader, mut backlog) = pipe();
        backlog.way = Way::Pieces;
        backlog.buffer().resize(3 * 1024 * 1024, b'x');
        assert!(!backlog.try_flush().unwrap());
        let mut block = vec![0; 2 * 1024 * 1024];
        let taken = 3 * 1024 * 1024 - backlog.pending();
        reader.read_exact(&mut block[..taken]).unwrap();
        backlog.try_flush().unwrap();
        assert!(backlog.pending() < 3 * 1024 * 1024 - taken);
    }

    #[test]
    fn many_records_for_a_file_go_through_what_rotates_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let rotate = Some(crate::os::Rotation::Size(50_000));
        let file = crate::os::FileSink::new(path, Some(0o600), rotate, false);
        let mut backlog = Backlog::new(Output::appended(file).unwrap());
        for byte in *b"abc" {
            backlog.put_records(&[byte; 40_000]).unwrap();
        }
        backlog.flush().unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn a_reader_that_is_gone_is_told() {
        let (reader, mut backlog) = pipe();
        drop(reader);
        backlog.buffer().push(b'x');
        assert!(backlog.try_flush().is_err());
    }
}
