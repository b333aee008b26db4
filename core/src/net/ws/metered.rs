// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stream that counts what it reads: as long as bytes come, the peer is alive, even if a large
//! message takes its time.
//!
//! A peer that takes nothing any more may have sent much before. So a write that fails is no
//! error here, or an unanswered ping would cost the messages behind it: reading tells the end.

use std::io::{ErrorKind, Read, Result, Write};

use crate::stats;

/// A stream and how much has been read from it.
#[derive(Debug)]
pub(super) struct Metered<S> {
    pub(super) stream: S,
    pub(super) bytes_in: u64,
    /// A write has failed.
    is_deaf: bool,
}

impl<S> Metered<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, bytes_in: 0, is_deaf: false }
    }
}

impl<S: Read> Read for Metered<S> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let len = self.stream.read(buffer)?;
        self.bytes_in += len as u64;
        stats::BYTES_IN.add(len as u64);
        Ok(len)
    }
}

impl<S: Write> Write for Metered<S> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if self.is_deaf {
            return Ok(bytes.len());
        }
        let written = self.stream.write(bytes);
        self.hold(written, bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        if self.is_deaf {
            return Ok(());
        }
        let flushed = self.stream.flush();
        self.hold(flushed, ())
    }
}

impl<S> Metered<S> {
    /// Turns an error that lasts into `done`.
    fn hold<T>(&mut self, outcome: Result<T>, done: T) -> Result<T> {
        outcome.or_else(|error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::Interrupted => Err(error),
            _ => {
                self.is_deaf = true;
                Ok(done)
            }
        })
    }
}
