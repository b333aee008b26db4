// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stream that counts what it reads: as long as bytes come, the peer is alive, even if a large
//! message takes its time.

use std::io::{Read, Result, Write};

use crate::stats;

/// A stream and how much has been read from it.
#[derive(Debug)]
pub(super) struct Metered<S> {
    pub(super) stream: S,
    pub(super) bytes_in: u64,
}

impl<S> Metered<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, bytes_in: 0 }
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
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.stream.flush()
    }
}
