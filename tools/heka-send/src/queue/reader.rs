// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads messages from a queue.

use std::collections::VecDeque;
use std::sync::Arc;

use super::files::name_of;
use super::log::Log;
use super::survey::{Gap, blocks_of};
use super::{Mark, Place};
use heka_core::delivery::blocks::{Blocks, Piece};
use heka_core::os::PrivateDir;
use heka_core::report::{Explain as _, Stop};
use heka_core::wire::{Deframer, Frame, More, Step};

/// Number of bytes passed on at once.
const HANDFUL: u64 = 256 * 1024;

/// Reads the messages of a queue in order.
#[derive(Debug)]
pub(super) struct Reader {
    dir: Arc<PrivateDir>,
    /// Maximum length of a message.
    limit: usize,
    /// The first file that consists of blocks.
    first_file: u64,
    /// Position of the next message.
    pub(super) at: Place,
    blocks: Option<(u64, Blocks)>,
    /// Number of the last message read, and the difference to its number in its block.
    pub(super) last: u64,
    pub(super) lost: u64,
    /// Gaps found when the queue was opened that have not been reached yet.
    gaps: VecDeque<Gap>,
}

impl Reader {
    /// Begins after `begin`.
    pub(super) fn new(
        dir: Arc<PrivateDir>,
        limit: usize,
        first_file: u64,
        begin: Mark,
        gaps: VecDeque<Gap>,
    ) -> Self {
        let Mark { number: last, place: at, lost } = begin;
        Self { dir, limit, first_file, at, blocks: None, last, lost, gaps }
    }

    /// Returns the current position.
    pub(super) fn mark(&self) -> Mark {
        Mark { number: self.last, place: self.at, lost: self.lost }
    }

    /// Skips the last `count` messages of `log`, which are already in memory.
    pub(super) fn pass(&mut self, count: u64, log: &Log) {
        self.last += count;
        self.at = log.end();
        // Messages missing at the end of the queue precede them.
        self.lost = log.appended.saturating_sub(self.last);
        self.gaps.clear();
    }

    /// Notes that the last file was started over; everything in it had been read.
    pub(super) fn begin_anew(&mut self, log: &Log) {
        self.blocks = None;
        self.at = log.end();
    }

    /// Closes files before `file`: a removed file uses disk space as long as it is open.
    pub(super) fn forget_before(&mut self, file: u64) {
        self.blocks.take_if(|(open, _)| *open < file);
    }

    /// Reads some messages of `log`. Each gets the next number and is passed to `receive` with it.
    ///
    /// # Errors
    /// Any I/O error, and any error of `receive`; a block that was damaged after the queue was
    /// opened.
    pub(super) fn read(
        &mut self,
        log: &Log,
        receive: &mut impl FnMut(u64, &Frame<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let before = self.last;
        while self.last == before && self.at < log.end() {
            let Place { file, offset } = self.at;
            let end = log.size_of(file);
            if offset >= end {
                self.at = Place { file: file + 1, offset: 0 };
                continue;
            }
            let mut blocks = self.blocks()?;
            let outcome = self.hand_out(&mut blocks, end, receive);
            self.at.offset = blocks.position();
            self.blocks = Some((file, blocks));
            outcome?;
        }
        Ok(())
    }

    /// Skips the rest of a file, and returns the number of messages skipped.
    pub(super) fn skip(&mut self, file: u64, log: &Log) -> Result<u64, Stop> {
        let before = self.last;
        while self.at.file == file && self.at.offset < log.size_of(file) {
            self.read(log, &mut |_, _| Ok(()))?;
        }
        let count = self.last - before;
        // Nobody has seen their numbers.
        (self.last, self.lost) = (before, self.lost + count);
        self.at = self.at.max(Place { file: file + 1, offset: 0 });
        Ok(count)
    }

    /// Passes on the messages of some blocks.
    fn hand_out(
        &mut self,
        blocks: &mut Blocks,
        end: u64,
        receive: &mut impl FnMut(u64, &Frame<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let path = self.dir.path_of(&name_of(self.at.file));
        let start = blocks.position();
        while blocks.position() - start < HANDFUL {
            let Some(piece) = blocks.next(end).at(path.display())? else { break };
            // Damage is noticed by the numbers of the next block.
            let Piece::Frames { before, frames, .. } = piece else { continue };
            match self.close_gap(before) {
                Ok(true) => {}
                // Acknowledged long ago.
                Ok(false) => continue,
                Err(()) => {
                    let path = path.display();
                    return Err(Stop::failed(format_args!("{path}: damaged while in use")));
                }
            }
            let mut deframer = Deframer::new(self.limit);
            let mut rest = frames;
            while let Step::Frame(done, frame) = deframer.next(rest, More::Ended) {
                rest = rest.get(done..).unwrap_or_default();
                // Heads of blocks, if the cursor is lost and the first block is damaged: the
                // messages of the next file are numbered without them.
                if before.is_none() && frame.is_signal() {
                    continue;
                }
                self.last += 1;
                receive(self.last, &frame)?;
            }
        }
        Ok(())
    }

    /// Skips the gap before a block after message `before`, and returns whether to pass on its
    /// messages; an error if more is missing than when the queue was opened.
    fn close_gap(&mut self, before: Option<u64>) -> Result<bool, ()> {
        let expected = self.last + self.lost;
        let before = before.unwrap_or(expected);
        let Some(count) = before.checked_sub(expected) else { return Ok(false) };
        if count > 0 {
            while self.gaps.front().is_some_and(|gap| gap.1 < before) {
                self.gaps.pop_front();
            }
            self.gaps.pop_front().filter(|gap| gap.1 == before).ok_or(())?;
            self.lost += count;
        }
        Ok(true)
    }

    /// Returns the reader of the file at the current position.
    fn blocks(&mut self) -> Result<Blocks, Stop> {
        let Place { file, offset } = self.at;
        let is_next = |(open, blocks): &(u64, Blocks)| *open == file && blocks.position() == offset;
        match self.blocks.take().filter(is_next) {
            Some((_, blocks)) => Ok(blocks),
            None => self.open(file, offset),
        }
    }

    fn open(&self, file: u64, offset: u64) -> Result<Blocks, Stop> {
        let name = name_of(file);
        let (opened, path) = (self.dir.open_file(&name), self.dir.path_of(&name));
        blocks_of(opened, &path, offset, file >= self.first_file, self.limit)
    }

    /// Returns the number, in its block, of the message before the first one in a file of `log`.
    pub(super) fn number_before(&self, file: u64, log: &Log) -> Result<u64, Stop> {
        let end = log.size_of(file);
        if file >= self.first_file && end > 0 {
            let (mut blocks, path) = (self.open(file, 0)?, self.dir.path_of(&name_of(file)));
            while let Some(piece) = blocks.next(end).at(path.display())? {
                if let Piece::Frames { before: Some(before), .. } = piece {
                    return Ok(before);
                }
            }
        }
        let is_all = log.end() == Place { file, offset: 0 };
        Ok(if is_all { log.appended } else { self.last + self.lost })
    }
}
