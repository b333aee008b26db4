// SPDX-License-Identifier: MIT OR Apache-2.0
//! A descriptor read in large blocks, with what is not used up yet kept at hand.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::PollFlags;

use super::{Deadline, Output, closed_at_start::check_open, wait, wait::serve_signals};
use crate::report::{Explain as _, Stop, stats};

/// Bytes asked for by one read: what stays in a core's cache until it is passed on, and a little
/// less than two segments of the loopback device (65,483 bytes each), so that no third one of a few
/// bytes goes with every block.
const BLOCK: usize = 128 * 1024 - 256;
/// Capacity asked for on pipes: fewer switches between the stages of a pipeline.
pub(crate) const PIPE_SIZE: i32 = 1024 * 1024;

/// A file, a pipe or a terminal that is being read.
#[derive(Debug)]
pub struct Input {
    file: File,
    name: String,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    is_regular: bool,
    at_end: bool,
    /// Errors of the program that writes the input, to be read at its end.
    trouble: Option<Receiver<String>>,
}

impl Input {
    /// Reads from a descriptor that is already open; `name` is for messages.
    pub fn new(file: File, name: impl Into<String>) -> Self {
        let is_regular = file.metadata().is_ok_and(|metadata| metadata.is_file());
        if !is_regular {
            // Only pipes can do this, and only up to the user's limit.
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

    /// Reads standard input.
    ///
    /// # Errors
    /// If it is closed.
    pub fn stdin() -> Result<Self, Stop> {
        let name = "(standard input)";
        check_open(0, name)?;
        let fd = std::io::stdin().as_fd().try_clone_to_owned().at(name)?;
        Ok(Self::new(File::from(fd), name))
    }

    /// Lets the meter know how much there is to read, if all of `names` are regular files.
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

    /// What to call it in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The descriptor, for polling.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Whether it is a file that has an end now and may grow later.
    pub fn is_regular(&self) -> bool {
        self.is_regular
    }

    /// How many bytes of a file are there that have not been read.
    pub fn left(&mut self) -> u64 {
        let len = self.file.metadata().map_or(0, |metadata| metadata.len());
        len.saturating_sub(self.file.stream_position().unwrap_or(len))
    }

    /// Whether the end was reached by the last read.
    pub fn at_end(&self) -> bool {
        self.at_end
    }

    /// Passes over the next `offset` bytes, or to the end.
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

    /// Begins again if the file has become shorter than what was read of it.
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

    /// What has been read and not consumed, and the descriptor for the rest.
    #[cfg(feature = "compression")]
    pub(super) fn into_parts(self) -> (Vec<u8>, File) {
        (self.data().to_vec(), self.file)
    }

    /// At its end, the input fails if `trouble` has something to report.
    #[cfg(feature = "compression")]
    #[must_use]
    pub(super) fn with_trouble(mut self, trouble: Receiver<String>) -> Self {
        self.trouble = Some(trouble);
        self
    }

    /// What has been read and not consumed.
    #[inline]
    pub fn data(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Is done with the first `len` bytes of [`Input::data`], or with all if there are no more.
    #[inline]
    pub fn consume(&mut self, len: usize) {
        self.start = self.start.saturating_add(len).min(self.end);
    }

    /// Takes the first `len` bytes of [`Input::data`] out together with the buffer that they lie
    /// in, if they fill most of it; what is behind them moves to `spare`, which takes its place.
    ///
    /// # Errors
    /// `spare` comes back, and nothing has changed.
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

    /// Reads more behind what is there; `false` at the end of the input.
    ///
    /// If there is nothing to read right now, `out` is flushed first and then waited for together
    /// with the input, so that the end of its reader is noticed at once.
    ///
    /// # Errors
    /// A read error, a failed flush, the end of `out`'s reader, or a signal.
    pub fn fill(&mut self, out: &mut Output) -> Result<bool, Stop> {
        serve_signals()?;
        if !self.is_regular && !self.is_ready()? {
            out.flush()?;
            while !self.wait_with(out, None)? {
                // HUP: a file of ours may have to be reopened.
                out.flush()?;
            }
        }
        self.read()
    }

    /// Like [`Input::fill`], but waits only until `deadline`: `None` if that came first.
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
                // A descriptor that somebody else made non-blocking.
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    wait(&[(self.fd(), PollFlags::POLLIN)], None)?;
                }
                Err(error) => return Err(error).at(&self.name),
            }
        }
    }

    /// Moves the rest to the front; doubles a buffer that one record fills but for the room of a read.
    fn make_room(&mut self) {
        // What is moved is no more than what is done with.
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

/// How much there is to read of a regular file, `-` being standard input.
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
