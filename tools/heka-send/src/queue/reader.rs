// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a queue hands out.

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

/// Bytes handed out at once.
const HANDFUL: u64 = 256 * 1024;

/// Hands out the messages of a queue in order.
#[derive(Debug)]
pub(super) struct Reader {
    dir: Arc<PrivateDir>,
    /// Longest message.
    limit: usize,
    /// The first file that consists of blocks.
    first_file: u64,
    /// What is handed out next.
    pub(super) at: Place,
    blocks: Option<(u64, Blocks)>,
    /// Number of the last message handed out, and by how much that in its block is ahead.
    pub(super) last: u64,
    pub(super) lost: u64,
    /// What was missing when the queue was opened, and is not passed yet.
    gaps: VecDeque<Gap>,
}

impl Reader {
    /// Begins behind `begin`.
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

    /// How far it has come.
    pub(super) fn mark(&self) -> Mark {
        Mark { number: self.last, place: self.at, lost: self.lost }
    }

    /// Somebody else hands out the last `count` messages of `log`.
    pub(super) fn pass(&mut self, count: u64, log: &Log) {
        self.last += count;
        self.at = log.end();
        // What is missing at the end of the queue is before them.
        self.lost = log.appended.saturating_sub(self.last);
        self.gaps.clear();
    }

    /// The last file was begun anew; everything in it was handed out.
    pub(super) fn begin_anew(&mut self, log: &Log) {
        self.blocks = None;
        self.at = log.end();
    }

    /// Closes what is open of the files before that one: a removed file takes room on the disk as
    /// long as somebody has it open.
    pub(super) fn forget_before(&mut self, file: u64) {
        self.blocks.take_if(|(open, _)| *open < file);
    }

    /// Hands out some messages of `log`. Each gets the next number; the receiver is called with it.
    ///
    /// # Errors
    /// The system's, and what `receive` says. A block that was damaged since the queue was opened.
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

    /// Passes over what is left of a file without handing it out, and returns how many messages.
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

    /// Hands out the messages of some blocks.
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
            // Damage shows in the numbers of what follows.
            let Piece::Frames { before, frames, .. } = piece else { continue };
            match self.close_gap(before) {
                Ok(true) => {}
                // What was acknowledged long ago.
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
                // Heads of blocks, if the cursor is lost and the first of them is damaged: the
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

    /// Passes over what is missing before a block behind message `before`, and returns whether its
    /// messages are to be handed out; an error if more is missing than when the queue was opened.
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

    /// What reads from the place that is read next.
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

    /// Number of the message before the first of a file of `log`, in its block.
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
