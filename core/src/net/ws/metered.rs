// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stream that counts what it reads and writes: as long as bytes come, or are taken, the peer is
//! alive, even if a large message takes its time.
//!
//! A peer that stopped accepting data may have sent much before. So a write that fails is no
//! error here, or an unanswered ping would cost the messages behind it: reading tells the end.

use std::io::{ErrorKind, Read, Result, Write};

use super::opcodes::TextAsBinary;
use crate::report::stats;

/// A stream, and how much has been read from it and written to it.
#[derive(Debug)]
pub(super) struct Metered<S> {
    pub(super) stream: S,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    /// A write has failed: nothing gets there any more.
    pub(super) is_deaf: bool,
    /// Turns text frames into binary ones, if that is wanted.
    pub(super) opcodes: Option<TextAsBinary>,
}

impl<S> Metered<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, bytes_in: 0, bytes_out: 0, is_deaf: false, opcodes: None }
    }
}

impl<S: Read> Read for Metered<S> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let len = self.stream.read(buffer)?;
        self.bytes_in += len as u64;
        if let Some(opcodes) = &mut self.opcodes {
            opcodes.rewrite(buffer.get_mut(..len).unwrap_or_default());
        }
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
        self.bytes_out += *written.as_ref().unwrap_or(&0) as u64;
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
