// SPDX-License-Identifier: MIT OR Apache-2.0
//! A descriptor that is read in large blocks, with its unconsumed bytes.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::PollFlags;

use super::{Deadline, Output, closed_at_start::check_open, wait, wait::serve_signals};
use crate::report::{Explain as _, Stop, stats};

/// Bytes requested per read. They fit into the cache of a core until forwarded, and are slightly
/// less than two segments of the loopback device (65,483 bytes each), so that blocks do not need a
/// third segment of a few bytes.
const BLOCK: usize = 128 * 1024 - 256;
/// Capacity requested for pipes, to reduce context switches between the stages of a pipeline.
pub(crate) const PIPE_SIZE: i32 = 1024 * 1024;

/// A file, pipe or terminal to read from.
#[derive(Debug)]
pub struct Input {
    file: File,
    name: String,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    is_regular: bool,
    at_end: bool,
    /// Errors of the thread that writes the input, read at its end.
    trouble: Option<Receiver<String>>,
}

impl Input {
    /// Creates an input for an open descriptor; `name` is for messages.
    pub fn new(file: File, name: impl Into<String>) -> Self {
        let is_regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
        if !is_regular {
            // Possible only for pipes, and only up to the user's limit.
            let _ = fcntl(&file, FcntlArg::F_SETPIPE_SZ(PIPE_SIZE));
        }
        let buffer = vec![0; BLOCK];
        Self {
            file,
            name: name.into(),
            buffer,
            start: 0,
            end: 0,
            is_regular,
            at_end: false,
            trouble: None,
        }
    }

    /// Creates an input for standard input.
    ///
    /// # Errors
    /// If standard input is closed.
    pub fn stdin() -> Result<Self, Stop> {
        let name = "(standard input)";
        check_open(0, name)?;
        let fd = std::io::stdin().as_fd().try_clone_to_owned().at(name)?;
        Ok(Self::new(File::from(fd), name))
    }

    /// Sets the expected input size for the progress meter, if all of `names` are regular files.
    pub fn expect(names: &[String]) {
        let lens: Option<Vec<u64>> = names.iter().map(|name| len_of(name)).collect();
        stats::expect(lens.map_or(0, |lens| lens.iter().sum()));
    }

    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// `NAME: CAUSE`, status 1.
    pub fn open(path: &str) -> Result<Self, Stop> {
        if path == "-" {
            return Self::stdin();
        }
        let file = File::open(path).at(path)?;
        if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
            return Err(Stop::failed(format_args!("{path}: Is a directory")));
        }
        Ok(Self::new(file, path))
    }

    /// Returns the name for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the descriptor, for polling.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Whether the input is a regular file, which has an end now but may grow later.
    pub fn is_regular(&self) -> bool {
        self.is_regular
    }

    /// Returns the number of unread bytes of a file.
    pub fn left(&mut self) -> u64 {
        let len = self.file.metadata().map_or(0, |metadata| metadata.len());
        len.saturating_sub(self.file.stream_position().unwrap_or(len))
    }

    /// Whether the last read reached the end.
    pub fn at_end(&self) -> bool {
        self.at_end
    }

    /// Skips `offset` bytes, or to the end.
    ///
    /// # Errors
    /// If reading or seeking fails.
    pub fn skip(&mut self, offset: u64, out: &mut Output) -> Result<(), Stop> {
        let mut left = offset;
        loop {
            let take = usize::try_from(left).unwrap_or(usize::MAX).min(self.data().len());
            self.consume(take);
            left -= take as u64;
            if left == 0 {
                return Ok(());
            }
            if self.is_regular {
                stats::expect_less(left);
                let left = i64::try_from(left).unwrap_or(i64::MAX);
                return self.file.seek(SeekFrom::Current(left)).at(&self.name).map(drop);
            }
            if !self.fill(out)? {
                return Ok(());
            }
        }
    }

    /// Starts over if the file has become shorter than the part that was read.
    ///
    /// # Errors
    /// If seeking fails.
    pub fn rewind_if_truncated(&mut self) -> Result<bool, Stop> {
        let position = self.file.stream_position().at(&self.name)?;
        let len = self.file.metadata().at(&self.name)?.len();
        if len < position {
            self.file.seek(SeekFrom::Start(0)).at(&self.name)?;
            (self.start, self.end) = (0, 0);
        }
        Ok(len < position)
    }

    /// Returns the unconsumed bytes, and the descriptor for the rest.
    #[cfg(feature = "compression")]
    pub(super) fn into_parts(self) -> (Vec<u8>, File) {
        (self.data().to_vec(), self.file)
    }

    /// Makes the input fail at its end if `trouble` reports an error.
    #[cfg(feature = "compression")]
    #[must_use]
    pub(super) fn with_trouble(mut self, trouble: Receiver<String>) -> Self {
        self.trouble = Some(trouble);
        self
    }

    /// Returns the unconsumed bytes.
    #[inline]
    pub fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Consumes the first `len` bytes of [`Input::data`], or all if there are fewer.
    #[inline]
    pub fn consume(&mut self, len: usize) {
        self.start = self.start.saturating_add(len).min(self.end);
    }

    /// Takes the first `len` bytes of [`Input::data`] together with their buffer, if they fill most
    /// of it; the bytes after them are moved to `spare`, which replaces the buffer.
    ///
    /// # Errors
    /// Returns `spare`; nothing has changed.
    pub fn take_buffer(&mut self, len: usize, mut spare: Vec<u8>) -> Result<Vec<u8>, Vec<u8>> {
        if self.start > 0 || len < self.buffer.len() / 2 || len > self.end {
            return Err(spare);
        }
        spare.resize(self.buffer.len(), 0);
        let rest = &self.buffer[len..self.end];
        spare[..rest.len()].copy_from_slice(rest);
        self.end = rest.len();
        let mut taken = std::mem::replace(&mut self.buffer, spare);
        taken.truncate(len);
        Ok(taken)
    }

    /// Reads more bytes after the unconsumed ones; `false` at the end of the input.
    ///
    /// If nothing can be read immediately, `out` is flushed first and then watched together with
    /// the input, so that the end of its reader is noticed at once.
    ///
    /// # Errors
    /// A read error, a failed flush, the end of `out`'s reader, or a signal.
    pub fn fill(&mut self, out: &mut Output) -> Result<bool, Stop> {
        serve_signals()?;
        if !self.is_regular && !self.is_ready()? {
            out.flush()?;
            while !self.wait_with(out, None)? {
                // HUP: a file may have to be reopened.
                out.flush()?;
            }
        }
        self.read()
    }

    /// Like [`Input::fill`], but waits only until `deadline`; `None` if that is reached first.
    ///
    /// # Errors
    /// As [`Input::fill`].
    pub fn fill_until(
        &mut self,
        out: &mut Output,
        deadline: Deadline,
    ) -> Result<Option<bool>, Stop> {
        serve_signals()?;
        if !self.is_regular && !self.is_ready()? {
            out.flush()?;
            if !self.wait_with(out, deadline)? {
                return Ok(None);
            }
        }
        self.read().map(Some)
    }

    /// Whether a read would not block.
    ///
    /// # Errors
    /// A signal.
    pub fn is_ready(&self) -> Result<bool, Stop> {
        Ok(self.is_regular
            || !wait(&[(self.fd(), PollFlags::POLLIN)], Some(Instant::now()))?[0].is_empty())
    }

    fn wait_with(&self, out: &Output, deadline: Deadline) -> Result<bool, Stop> {
        let mut wanted = vec![(self.fd(), PollFlags::POLLIN)];
        wanted.extend(out.reader_watch());
        let ready = wait(&wanted, deadline)?;
        if ready.get(1).is_some_and(|out| out.contains(PollFlags::POLLERR)) {
            return Err(Stop::BrokenPipe);
        }
        Ok(!ready[0].is_empty())
    }

    /// Reads once, without waiting for anything else.
    ///
    /// # Errors
    /// A read error or a signal.
    pub fn read(&mut self) -> Result<bool, Stop> {
        self.make_room();
        loop {
            match self.file.read(&mut self.buffer[self.end..]) {
                Ok(len) => {
                    self.end += len;
                    self.at_end = len == 0;
                    stats::BYTES_IN.add(len as u64);
                    if len == 0
                        && let Some(text) = self.trouble.as_ref().and_then(|t| t.recv().ok())
                    {
                        return Err(Stop::failed(format_args!("{}: {text}", self.name)));
                    }
                    return Ok(len > 0);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => serve_signals()?,
                // Another process has made the descriptor non-blocking.
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    wait(&[(self.fd(), PollFlags::POLLIN)], None)?;
                }
                Err(error) => return Err(error).at(&self.name),
            }
        }
    }

    /// Moves the unconsumed bytes to the front; doubles the buffer if one record nearly fills it.
    fn make_room(&mut self) {
        // No more bytes are moved than have been consumed.
        if self.start >= self.end - self.start {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let room = self.buffer.len() - self.end;
        if room < BLOCK.min(self.buffer.len() / 2) {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
    }
}

/// Returns the number of bytes to read from a regular file; `-` is standard input.
fn len_of(name: &str) -> Option<u64> {
    if name != "-" {
        return std::fs::metadata(name).ok().filter(std::fs::Metadata::is_file).map(|of| of.len());
    }
    let fd = std::io::stdin().as_fd().try_clone_to_owned().ok()?;
    let mut file = File::from(fd);
    let len = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
    Some(len.saturating_sub(file.stream_position().ok()?))
}

impl AsFd for Input {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd()
    }
}
