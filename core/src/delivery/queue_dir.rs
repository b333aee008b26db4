// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads the unacknowledged messages of heka-send's queue without changing it.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::blocks::{Blocks, Piece};
use crate::os::Flow;
use crate::report::words::Count;
use crate::report::{self, Explain as _, Stop, stats};
use crate::wire::{Deframer, Frame, More, Step};

/// No limit: messages in the queue were accepted before, whatever their length.
const LIMIT: usize = u32::MAX as usize;

/// The directory of a queue.
#[derive(Debug)]
pub struct QueueDir {
    path: PathBuf,
    /// Numbers of the files.
    files: Vec<u64>,
    cursor: Cursor,
}

/// The acknowledged position, as far as it is known.
#[derive(Debug, Default)]
struct Cursor {
    file: u64,
    offset: u64,
    /// Number of the last acknowledged message, in a block.
    last: Option<u64>,
    /// The first file that consists of blocks.
    first_file: u64,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let version = words.next()?;
        let mut words = words.skip(2);
        let mut number = || words.next()?.parse::<u64>().ok();
        let (file, offset, last) = (number()?, number()?, number()?);
        if version == "1" {
            return Some(Self { file, offset, last: Some(last), first_file: u64::MAX });
        }
        let lost = number()?;
        let first_file = words.nth(1)?.parse().ok()?;
        Some(Self { file, offset, last: Some(last + lost), first_file })
    }
}

impl QueueDir {
    /// Opens the queue in a directory.
    ///
    /// # Errors
    /// If the directory does not contain a queue.
    pub fn open(path: &Path) -> Result<Self, Stop> {
        let mut files = Vec::new();
        for entry in path.read_dir().at(path.display())? {
            let name = entry.at(path.display())?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".log"));
            files.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        files.sort_unstable();
        let text = std::fs::read_to_string(path.join("cursor")).unwrap_or_default();
        let cursor = Cursor::parse(&text);
        if cursor.is_none() && files.is_empty() {
            let path = path.display();
            return Err(Stop::failed(format_args!("{path}: Is a directory, and not a queue")));
        }
        let cursor = cursor.unwrap_or_default();
        files.retain(|file| *file >= cursor.file);
        Ok(Self { path: path.to_owned(), files, cursor })
    }

    /// Passes all messages to `receive` in order. Returns whether any is missing or damaged, which
    /// is reported.
    ///
    /// # Errors
    /// Any I/O error, and any error of `receive`.
    pub fn read_all(
        &self,
        mut receive: impl FnMut(&Frame<'_>) -> Flow,
    ) -> Result<(bool, ControlFlow<()>), Stop> {
        let mut reading = Reading { last: self.cursor.last, has_lost: false };
        for number in &self.files {
            if self.read_file(*number, &mut reading, &mut receive)?.is_break() {
                return Ok((reading.has_lost, ControlFlow::Break(())));
            }
        }
        Ok((reading.has_lost, ControlFlow::Continue(())))
    }

    fn read_file(
        &self,
        number: u64,
        reading: &mut Reading,
        receive: &mut impl FnMut(&Frame<'_>) -> Flow,
    ) -> Flow {
        let path = self.path.join(format!("{number}.log"));
        let file = File::open(&path).at(path.display())?;
        let end = file.metadata().at(path.display())?.len();
        let start = if number == self.cursor.file { self.cursor.offset } else { 0 };
        let mut blocks = Blocks::new(file, start, number >= self.cursor.first_file, LIMIT);
        while let Some(piece) = blocks.next(end).at(path.display())? {
            match piece {
                Piece::Damage(len) => {
                    let (path, len) = (path.display(), Count(len, "damaged byte"));
                    report::repeated("queue: damage", format_args!("{path}: {len}"));
                }
                Piece::Frames { before, count, frames } => {
                    if reading.expects(before, count, &path)
                        && hand_out(frames, receive)?.is_break()
                    {
                        return Ok(ControlFlow::Break(()));
                    }
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The progress of reading.
struct Reading {
    /// Number of the last message.
    last: Option<u64>,
    has_lost: bool,
}

impl Reading {
    /// Whether a block of `count` messages after message `before` continues after the last block.
    /// If there is a gap, the missing messages are reported; a block before that point was
    /// acknowledged long ago.
    fn expects(&mut self, before: Option<u64>, count: u64, path: &Path) -> bool {
        let expected = self.last.or(before).unwrap_or_default();
        let before = before.unwrap_or(expected);
        if before < expected {
            return false;
        }
        if before > expected {
            self.has_lost = true;
            stats::skip(stats::Skip::Missing, before - expected);
            let (path, lost) = (path.display(), Count(before - expected, "message"));
            let text = format_args!("{path}: {lost} missing before this block");
            report::repeated("queue: missing messages", text);
        }
        self.last = Some(before + count);
        true
    }
}

fn hand_out(mut frames: &[u8], receive: &mut impl FnMut(&Frame<'_>) -> Flow) -> Flow {
    let mut deframer = Deframer::new(LIMIT);
    loop {
        match deframer.next(frames, More::Ended) {
            Step::Frame(done, frame) => {
                if !frame.is_signal() && receive(&frame)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                frames = frames.get(done..).unwrap_or_default();
            }
            Step::Damage(done, damage) => {
                stats::skip(stats::Skip::Damaged, 1);
                report::repeated("queue: damage", format_args!("queue: {damage}"));
                frames = frames.get(done..).unwrap_or_default();
            }
            Step::Need(..) => return Ok(ControlFlow::Continue(())),
        }
    }
}
