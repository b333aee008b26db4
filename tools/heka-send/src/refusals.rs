// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages refused by a receiver: counted, reported, and kept in a file if one is given
//! (`--refused`, `--refused-file`).

use std::path::Path;

use heka_core::delivery::Refusal;
use heka_core::os::{FileSink, Output, frames_ending};
use heka_core::report::{self, Stop};

use crate::numbers;
use crate::peer::Target;

/// The refusals of one peer.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    keeps: bool,
    /// Number of the last one.
    until: u64,
    count: u64,
    /// Concatenated frames that are yet to be stored.
    frames: Vec<u8>,
}

impl Refusals {
    /// Creates an empty state; `keeps` says whether to store refused messages.
    pub(crate) fn keeping(keeps: bool) -> Self {
        Self { keeps, ..Self::default() }
    }

    /// Returns the number of refusals.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Adds a refusal. A message that is sent again is refused again, which is not counted.
    pub(crate) fn add(&mut self, number: u64, frame: &[u8]) {
        if number <= self.until {
            return;
        }
        self.until = number;
        self.count += 1;
        if self.keeps {
            self.frames.extend_from_slice(frame);
        }
    }

    /// Takes the frames to be stored.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.frames)
    }
}

/// Describes the refusal of the last `count` messages up to `number`.
pub(crate) fn words(number: u64, count: u64, reason: Refusal) -> String {
    match number.saturating_sub(count) + 1 {
        first if first < number => format!("messages {first} to {number} refused: {reason}"),
        _ => format!("message {number} refused: {reason}"),
    }
}

/// Reports that messages are skipped.
pub(crate) fn tell(peer: &str, number: u64, count: u64, reason: Refusal) {
    let kind = format_args!("refused messages ({reason})");
    let text = format_args!("{peer}: {}", words(number, count, reason));
    report::repeated_loss(kind, count, text);
    numbers::REFUSED.add(count);
}

/// The file of refused messages.
#[derive(Debug)]
pub(crate) struct DeadLetters {
    out: Output,
    /// Data that could not be written.
    unwritten: Vec<u8>,
}

impl DeadLetters {
    /// Opens the file for appending. `limit` is the maximum length of a message in it.
    pub(crate) fn open(path: &Path, limit: usize) -> Result<Self, Stop> {
        let out = Output::appended(FileSink::new(path.to_owned(), None, None, true))?;
        Ok(Self { out: out.ending_with(frames_ending(limit))?, unwritten: Vec::new() })
    }

    /// Writes refused messages to disk.
    ///
    /// # Errors
    /// I/O errors of the file; the messages do not count as skipped then.
    pub(crate) fn keep(&mut self, targets: &mut [Target]) -> Result<(), Stop> {
        for target in targets {
            self.unwritten.append(&mut target.window.refusals.take());
        }
        if self.unwritten.is_empty() {
            return Ok(());
        }
        self.out.put_records(&self.unwritten)?;
        self.out.flush()?;
        self.unwritten.clear();
        Ok(())
    }
}
