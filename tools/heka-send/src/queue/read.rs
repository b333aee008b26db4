// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a queue hands out.

use super::files::name_of;
use super::survey::blocks_of;
use super::{Mark, Place, Queue};
use heka_core::delivery::blocks::{Blocks, Piece};
use heka_core::report::{Explain as _, Stop};
use heka_core::wire::{Deframer, Frame, More, Step};

/// So much is handed out at once.
const HANDFUL: u64 = 256 * 1024;

impl Queue {
    /// The last `count` messages appended are handed out by the caller, with the next numbers; all
    /// before them must have been handed out.
    pub(crate) fn pass(&mut self, count: u64) {
        self.last += count;
        self.read_at = self.end();
        // What is missing at the end of the queue is before them.
        self.lost = self.appended.saturating_sub(self.last);
        self.gaps.clear();
        self.mark();
    }

    fn mark(&mut self) {
        let Self { last: number, read_at: place, lost, .. } = *self;
        self.marks.push_back(Mark { number, place, lost });
    }

    /// Hands out some messages in order. Each gets the next number; the receiver is called with
    /// it.
    ///
    /// # Errors
    /// The system's, and what `receive` says. A block that was damaged since the queue was opened.
    pub(crate) fn read(
        &mut self,
        receive: &mut impl FnMut(u64, &Frame<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let before = self.last;
        while self.last == before && self.has_unread() {
            let Place { file, offset } = self.read_at;
            let end = self.size_of(file);
            if offset >= end {
                self.read_at = Place { file: file + 1, offset: 0 };
                continue;
            }
            let mut blocks = self.reader()?;
            let outcome = self.hand_out(&mut blocks, end, receive);
            self.read_at.offset = blocks.position();
            self.reader = Some((file, blocks));
            outcome?;
        }
        if self.inherited.is_err_and(|end| self.read_at >= end) {
            self.inherited = Ok(self.last);
        }
        self.mark();
        Ok(())
    }

    /// Hands out the messages of some blocks.
    fn hand_out(
        &mut self,
        blocks: &mut Blocks,
        end: u64,
        receive: &mut impl FnMut(u64, &Frame<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let path = self.dir.path_of(&name_of(self.read_at.file));
        let start = blocks.position();
        while blocks.position() - start < HANDFUL {
            let Some(piece) = blocks.next(end).at(path.display())? else { break };
            // Damage shows in the numbers of what follows.
            let Piece::Frames { before, frames, .. } = piece else { continue };
            let expected = self.last + self.lost;
            match before.unwrap_or(expected).checked_sub(expected) {
                // What was acknowledged long ago.
                None => continue,
                Some(0) => {}
                Some(count) => {
                    while self.gaps.front().is_some_and(|gap| gap.1 < expected + count) {
                        self.gaps.pop_front();
                    }
                    if self.gaps.pop_front().is_none_or(|gap| gap.1 != expected + count) {
                        let path = path.display();
                        return Err(Stop::failed(format_args!("{path}: damaged while in use")));
                    }
                    self.lost += count;
                }
            }
            let mut deframer = Deframer::new(self.limits.message_size);
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

    /// What reads from the place that is read next.
    fn reader(&mut self) -> Result<Blocks, Stop> {
        let Place { file, offset } = self.read_at;
        let is_next = |(open, blocks): &(u64, Blocks)| *open == file && blocks.position() == offset;
        if let Some((_, blocks)) = self.reader.take().filter(is_next) {
            return Ok(blocks);
        }
        let name = name_of(file);
        let has_blocks = file >= self.cursor.first_file;
        let (opened, path) = (self.dir.open_file(&name), self.dir.path_of(&name));
        blocks_of(opened, &path, offset, has_blocks, self.limits.message_size)
    }

    pub(super) fn size_of(&self, file: u64) -> u64 {
        let index = usize::try_from(file.saturating_sub(self.cursor.place.file));
        index.ok().and_then(|index| self.sizes.get(index)).copied().unwrap_or(0)
    }
}
