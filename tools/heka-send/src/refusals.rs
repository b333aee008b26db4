// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages that a receiver will never write: counted, reported, and kept in a file if one is named
//! (`--refused`, `--refused-file`).

use std::path::Path;

use heka_core::delivery::Refusal;
use heka_core::os::{FileSink, Output, frames_ending};
use heka_core::report::{self, Stop};

use crate::numbers;
use crate::peer::Target;

/// What one peer refuses.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    keeps: bool,
    /// Number of the last one.
    until: u64,
    count: u64,
    /// Those that are to be kept and are not yet, side by side.
    frames: Vec<u8>,
}

impl Refusals {
    /// None yet; they are kept if `keeps`.
    pub(crate) fn keeping(keeps: bool) -> Self {
        Self { keeps, ..Self::default() }
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Adds one. What is sent again is refused again, and known.
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

    /// Those that were not taken yet.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.frames)
    }
}

/// The last `count` messages up to `number` were refused, in words.
pub(crate) fn words(number: u64, count: u64, reason: Refusal) -> String {
    match number.saturating_sub(count) + 1 {
        first if first < number => format!("messages {first} to {number} refused: {reason}"),
        _ => format!("message {number} refused: {reason}"),
    }
}

/// Reports that they are skipped.
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
    /// What could not be written.
    unwritten: Vec<u8>,
}

impl DeadLetters {
    /// Opens the file, which is appended to. No message in it is longer than `limit`.
    pub(crate) fn open(path: &Path, limit: usize) -> Result<Self, Stop> {
        let out = Output::appended(FileSink::new(path.to_owned(), None, None, true))?;
        Ok(Self { out: out.ending_with(frames_ending(limit))?, unwritten: Vec::new() })
    }

    /// Puts what was refused on disk.
    ///
    /// # Errors
    /// The file's: then nothing of it counts as skipped.
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
