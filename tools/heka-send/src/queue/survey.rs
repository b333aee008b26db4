// SPDX-License-Identifier: MIT OR Apache-2.0
//! Examines a queue when it is opened: every block is read once, so that missing and damaged
//! messages are known and reported before anything is sent.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::Path;

use super::Place;
use super::cursor::Cursor;
use super::files::{Files, name_of};
use heka_core::delivery::blocks::{Blocks, Piece};
use heka_core::delivery::queue_end::End;
use heka_core::os::PrivateDir;
use heka_core::report::words::Count;
use heka_core::report::{self, Explain as _, Stop};

use crate::numbers;

/// Missing messages, by their numbers in blocks: those after the first number, up to the second.
pub(super) type Gap = (u64, u64);

/// The results so far.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Number of the last message.
    pub(super) last: u64,
    /// End of the last block in the file examined last.
    pub(super) whole: u64,
    pub(super) gaps: VecDeque<Gap>,
    /// Whether something was lost that had been on the disk.
    pub(super) has_lost: bool,
    /// Number of the message before the first.
    pub(super) before: u64,
    /// Whether the number of the first message is unknown.
    is_first: bool,
    /// Up to this number all messages were on the disk. A crash may have destroyed later ones.
    stored: u64,
    /// The problem since the last block.
    trouble: Option<String>,
    /// Whether it means that messages without numbers are lost.
    is_loss: bool,
}

impl Survey {
    /// Begins after message `last`; if its number is unknown, the first block determines it.
    pub(super) fn new(last: Option<u64>, stored: u64) -> Self {
        let (is_first, last) = (last.is_none(), last.unwrap_or(0));
        Self { last, before: last, is_first, stored, ..Self::default() }
    }

    /// Notes a missing file.
    pub(super) fn miss(&mut self, path: &Path, is_loss: bool) {
        self.note(format!("{}: missing", path.display()), is_loss);
    }

    fn note(&mut self, trouble: String, is_loss: bool) {
        self.trouble.get_or_insert(trouble);
        self.is_loss |= is_loss;
    }

    /// Examines a file. `is_loss` says whether damage without a number is a loss.
    pub(super) fn look_at(
        &mut self,
        blocks: &mut Blocks,
        end: u64,
        path: &Path,
        is_loss: bool,
    ) -> Result<(), Stop> {
        loop {
            let offset = blocks.position();
            match blocks.next(end).at(path.display())? {
                None => return Ok(()),
                Some(Piece::Frames { before, count, .. }) => self.add(before, count),
                Some(Piece::Damage(len)) => {
                    let damage = Count(len, "damaged byte");
                    self.note(format!("{}: offset {offset}: {damage}", path.display()), is_loss);
                    continue;
                }
            }
            self.whole = blocks.position();
        }
    }

    fn add(&mut self, before: Option<u64>, count: u64) {
        let before = before.unwrap_or(self.last);
        if std::mem::take(&mut self.is_first) {
            (self.last, self.before) = (before, before);
        }
        match before.checked_sub(self.last) {
            // Acknowledged long ago.
            None => return,
            Some(0) => self.tell_trouble(),
            Some(_) => self.lose_until(before),
        }
        self.last = before + count;
    }

    /// Reports a problem that costs no numbered message.
    fn tell_trouble(&mut self) {
        let is_loss = std::mem::take(&mut self.is_loss);
        let Some(trouble) = self.trouble.take() else { return };
        if is_loss {
            self.has_lost = true;
            report::warning(format_args!("{trouble}, messages lost"));
        } else {
            report::warning(format_args!("{trouble}, removed an incomplete record"));
        }
    }

    /// Reports that the messages up to `number` are missing.
    fn lose_until(&mut self, number: u64) {
        let trouble = self.trouble.take().unwrap_or_else(|| "queue: missing block".to_owned());
        let (first, count) = (self.last + 1, Count(number - self.last, "message"));
        let range =
            if first < number { format!("{first} to {number}") } else { number.to_string() };
        report::warning(format_args!("{trouble}, {count} lost ({range})"));
        numbers::DROPPED.add(number - self.last);
        self.gaps.push_back((self.last, number));
        self.has_lost |= self.last < self.stored || std::mem::take(&mut self.is_loss);
        self.last = number;
    }

    /// Finishes the examination. A cursor that was lost gets to know which message it is before.
    pub(super) fn finish(&mut self, cursor: &mut Cursor) {
        if self.is_first {
            self.last = cursor.number + cursor.lost;
            self.before = self.last;
        }
        if cursor.is_fresh {
            cursor.lost = self.before.saturating_sub(cursor.number);
        }
        match self.stored {
            stored if stored > self.last => self.lose_until(stored),
            _ if self.whole > 0 || self.is_loss => self.tell_trouble(),
            // A file that was begun and never written to.
            _ => self.trouble = None,
        }
    }

    /// Moves the cursor past missing messages at the end of the queue, so that they are reported
    /// once.
    pub(super) fn pass_over(&mut self, end: Place, cursor: &mut Cursor) {
        if end <= cursor.place {
            cursor.lost = self.last.saturating_sub(cursor.number);
            self.gaps.clear();
        }
    }
}

/// Returns the blocks of a file after a position.
pub(super) fn blocks_of(
    file: io::Result<File>,
    path: &Path,
    offset: u64,
    has_blocks: bool,
    limit: usize,
) -> Result<Blocks, Stop> {
    Ok(Blocks::new(file.at(path.display())?, offset, has_blocks, limit))
}

/// Reads all blocks after the cursor, and returns the length of each file.
pub(super) fn survey(
    dir: &PrivateDir,
    files: &Files,
    cursor: &mut Cursor,
    end: &End,
    limit: usize,
) -> Result<(Survey, VecDeque<u64>), Stop> {
    let before = (!cursor.is_fresh).then_some(cursor.number + cursor.lost);
    let mut survey = Survey::new(before, end.last.max(cursor.stored));
    let last = files.last().unwrap_or(0).max(cursor.place.file).max(end.place.file);
    let mut sizes = VecDeque::new();
    for number in cursor.place.file..=last {
        let path = dir.path_of(&name_of(number));
        let size = files.len(number);
        sizes.push_back(size);
        let start = if number == cursor.place.file { cursor.place.offset.min(size) } else { 0 };
        survey.whole = start;
        match files.share(number).at(path.display())? {
            Some(file) => {
                let has_blocks = number >= cursor.first_file;
                let mut blocks = blocks_of(Ok(file), &path, start, has_blocks, limit)?;
                let is_loss = !has_blocks && number < last;
                survey.look_at(&mut blocks, size, &path, is_loss)?;
            }
            None => survey.miss(&path, number < cursor.first_file),
        }
    }
    // Acknowledged messages are not synced, so a crash may have destroyed them.
    cursor.place.offset = cursor.place.offset.min(sizes.front().copied().unwrap_or(0));
    survey.finish(cursor);
    if survey.has_lost || !survey.gaps.is_empty() {
        // Numbers on the wire get a different meaning.
        cursor.rename_stream();
    }
    Ok((survey, sizes))
}
