// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files of a stream that were left behind: kept open for late lines, then done with. What is held
//! of each of them waits for its record's end on its own.

use std::time::{Duration, Instant};

use super::Options;
use super::file::{Around, OpenFile, Pulled};
use super::identity::Identity;
use super::position::FilePosition;
use super::stream::{Look, Stream};
use crate::select::find::Candidate;
use heka_core::record::More;
use heka_core::report::{self, Cause as _, Stop};

/// How many files and generations that are done with are remembered.
const DONE: usize = 64;
/// How often files left behind are looked at for late lines.
pub(crate) const LATE_PERIOD: Duration = Duration::from_millis(250);

/// A file left behind.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) file: OpenFile,
    pub(crate) until: Instant,
    pub(crate) patience: Patience,
}

/// A file that is done with, and how far it was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) identity: Identity,
    pub(crate) position: Option<FilePosition>,
}

impl Done {
    /// One whose position is not known: it was rotated before our time.
    pub(crate) fn unread(file: &Candidate) -> Self {
        Self { identity: file.identity, position: None }
    }
}

/// How long what is held of a file has been waiting for its record's end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    last_data: Instant,
    /// The wait is over, and what there is was shown for it.
    pressed: bool,
}

impl Patience {
    pub(crate) fn new(now: Instant) -> Self {
        Self { last_data: now, pressed: false }
    }

    /// When what is held of `file` is shown once more.
    pub(crate) fn deadline(self, file: &OpenFile, options: &Options) -> Option<Instant> {
        let timeout = options.timeout.filter(|_| file.held() > 0 && !self.pressed)?;
        Some(self.last_data + timeout)
    }

    /// Whether that is now; `true` once.
    pub(crate) fn take_due(&mut self, file: &OpenFile, look: &Look<'_>) -> bool {
        let is_due = self.deadline(file, look.options).is_some_and(|due| due <= look.now);
        self.pressed |= is_due;
        is_due
    }
}

impl Stream {
    /// Keeps a file open for late lines, or is done with it.
    pub(crate) fn leave(&mut self, file: OpenFile, look: &mut Look<'_>) -> Result<(), Stop> {
        let wait = look.options.rotate_wait;
        // A run that does not follow comes to the newest rotated file last.
        let is_last = look.options.goes_on && self.queue.is_empty();
        let grace = if is_last { wait } else { look.options.grace(&file) };
        if file.is_gzip() || grace.is_zero() {
            return self.close(file, look);
        }
        self.late_at = look.now + LATE_PERIOD.min(wait);
        let patience = std::mem::replace(&mut self.patience, Patience::new(look.now));
        self.left.push(Left { file, until: look.now + grace, patience });
        if !look.options.follow {
            // Nothing will be waited for: in order then.
            self.press_left(self.left.len() - 1, look, More::Idle)?;
        }
        Ok(())
    }

    pub(crate) fn close(&mut self, mut file: OpenFile, look: &mut Look<'_>) -> Result<(), Stop> {
        let others = self.open_positions();
        file.press(More::Ended, Around::before(&others), look.consume)?;
        self.done.push_back(Done { identity: file.identity(), position: Some(file.position()) });
        self.generations.push_back(file.generation());
        if self.done.len() > DONE {
            self.done.pop_front();
        }
        if self.generations.len() > DONE {
            self.generations.pop_front();
        }
        Ok(())
    }

    /// Reads late lines; closes files whose time is up.
    pub(crate) fn look_at_left(&mut self, look: &mut Look<'_>) -> Result<(), Stop> {
        // One that was moved away and has no successor is looked at less and less often.
        let moved = self.nameless.map_or(Duration::ZERO, |since| (look.now - since) / 16);
        let is_waiting = !self.left.is_empty() || self.recheck;
        self.late_at = look.now + if is_waiting { LATE_PERIOD } else { LATE_PERIOD.max(moved) };
        for index in 0..self.left.len() {
            let others = self.positions_without(index);
            let Some(left) = self.left.get_mut(index) else { break };
            let around = Around { others: &others, rank: index };
            let error = loop {
                let pulled = left.file.pull(look.block, around, look.consume)?;
                if matches!(pulled, Ok(Pulled::Data | Pulled::Rest)) {
                    left.patience = Patience::new(look.now);
                }
                if !matches!(pulled, Ok(Pulled::Data)) {
                    break pulled.err();
                }
            };
            if left.patience.take_due(&left.file, look) {
                self.press_left(index, look, More::Idle)?;
            }
            if let Some(error) = error
                && let Some(left) = self.left.get_mut(index)
            {
                let path = left.file.path().display();
                report::error(format_args!("{path}: {}; the rest is left out", error.cause()));
                look.lost = true;
                left.until = look.now;
            }
        }
        self.forget_deleted(look)?;
        while let Some(index) = self.left.iter().position(|left| left.until <= look.now) {
            let left = self.left.remove(index);
            self.close(left.file, look)?;
        }
        Ok(())
    }

    /// Lets go of a deleted file, whose space is only freed then.
    fn forget_deleted(&mut self, look: &mut Look<'_>) -> Result<(), Stop> {
        let is_due =
            self.nameless.is_some_and(|since| since + look.options.rotate_wait <= look.now);
        if is_due
            && self.current.as_ref().is_some_and(OpenFile::is_deleted)
            && matches!(self.pull(look)?, Ok(Pulled::End))
        {
            self.nameless = None;
            if let Some(file) = self.current.take() {
                self.close(file, look)?;
            }
        }
        Ok(())
    }

    pub(crate) fn press_left(
        &mut self,
        index: usize,
        look: &mut Look<'_>,
        more: More,
    ) -> Result<(), Stop> {
        let others = self.positions_without(index);
        match self.left.get_mut(index) {
            Some(left) => {
                left.file.press(more, Around { others: &others, rank: index }, look.consume)
            }
            None => Ok(()),
        }
    }

    /// Where all files stand but the one that was left behind as number `index`.
    pub(crate) fn positions_without(&self, index: usize) -> Vec<FilePosition> {
        let mut others = self.open_positions();
        others.remove(index);
        others
    }
}
