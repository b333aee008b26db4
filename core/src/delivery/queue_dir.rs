// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads the unacknowledged messages of heka-send's queue without changing it, even if heka-send was
//! killed, or is still at work.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::blocks::{Blocks, Piece};
use super::queue_end::{End, Place, boot_id, verified};
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
    /// What is known of the end, unless the system has been restarted since.
    end: Option<End>,
}

/// The acknowledged position, as far as it is known.
#[derive(Debug, Default)]
struct Cursor {
    place: Place,
    /// Number of the last acknowledged message.
    number: u64,
    /// Its number in a block.
    last: Option<u64>,
    /// The first file that consists of blocks.
    first_file: u64,
}

impl Cursor {
    fn parse(text: &str) -> Option<Self> {
        let mut words = verified(text)?.split_whitespace();
        let version = words.next()?;
        let mut words = words.skip(2);
        let mut number = || words.next()?.parse::<u64>().ok();
        let place = Place { file: number()?, offset: number()? };
        let number_of_last = number()?;
        if version == "1" {
            let last = Some(number_of_last);
            return Some(Self { place, number: number_of_last, last, first_file: u64::MAX });
        }
        let last = Some(number_of_last.checked_add(number()?)?);
        let first_file = words.nth(1)?.parse().ok()?;
        Some(Self { place, number: number_of_last, last, first_file })
    }

    /// Moves to where the queue begins if the file was started over since the cursor was saved.
    fn advance_to(&mut self, end: &End) {
        if end.is_newer(self.place.file, self.number) {
            (self.place, self.number) = (end.begun, end.number);
            self.last = self.last.map(|_| end.number + end.lost);
        }
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
        let mut cursor = cursor.unwrap_or_default();
        let end = std::fs::read_to_string(path.join("end")).unwrap_or_default();
        let end = End::parse(&end, &boot_id());
        if let Some(end) = &end {
            cursor.advance_to(end);
        }
        files.retain(|file| *file >= cursor.place.file);
        Ok(Self { path: path.to_owned(), files, cursor, end })
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
        if let Some(end) = &self.end {
            reading.ends_at(end, &self.path);
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
        let len = file.metadata().at(path.display())?.len();
        // Remains of acknowledged messages may follow.
        let end = self.end.filter(|end| end.place.file == number).map(|end| end.place.offset);
        let end = end.unwrap_or(len).min(len);
        let Place { file: first, offset } = self.cursor.place;
        let start = if number == first { offset } else { 0 };
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
            self.lose(before - expected, "missing before this block", path);
        }
        self.last = Some(before + count);
        true
    }

    /// Reports what is missing of the messages before the end.
    fn ends_at(&mut self, end: &End, path: &Path) {
        let read = self.last.unwrap_or(end.number + end.lost);
        if end.last > read {
            self.lose(end.last - read, "missing at the end", path);
        }
    }

    fn lose(&mut self, count: u64, place: &str, path: &Path) {
        self.has_lost = true;
        stats::skip(stats::Skip::Missing, count);
        let (path, lost) = (path.display(), Count(count, "message"));
        report::repeated("queue: missing messages", format_args!("{path}: {lost} {place}"));
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
