// SPDX-License-Identifier: MIT OR Apache-2.0
//! Positions of sources, stored once the messages before them are delivered (`--commit`).

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use super::checkpoint::{CheckpointFile, decode_header};
use super::is_full;
use crate::report::words::Count;
use crate::report::{self, Cause as _, Explain as _, Stop};

/// The file is stored no more often: storing it waits for the disk.
const PERIOD: Duration = Duration::from_millis(200);

/// A warning follows this many messages without a position.
const PATIENCE: u64 = 1000;

/// Most positions of different sources that are held back.
const MANY: usize = 4096;

const NO_POSITIONS: &str = "messages carry no positions";

/// What is to be stored, and when.
#[derive(Debug)]
pub struct Commit {
    file: CheckpointFile,
    /// Number of a record and the checkpoint that it carried, in order.
    pending: VecDeque<(u64, Vec<u8>)>,
    /// Records after this one were read together: of each source only the last position counts.
    block: u64,
    saved: Instant,
    /// Messages that came without a position, as long as none came with one.
    bare: u64,
    has_positions: bool,
}

impl Commit {
    /// Opens the file that positions go to.
    ///
    /// # Errors
    /// As [`CheckpointFile::open`].
    pub fn open(path: &Path) -> Result<Self, Stop> {
        Ok(Self {
            file: CheckpointFile::open(path)?,
            pending: VecDeque::new(),
            block: 0,
            saved: Instant::now(),
            bare: 0,
            has_positions: false,
        })
    }

    /// Records after `last` are read in one go.
    pub fn start_block(&mut self, last: u64) {
        self.block = last;
    }

    /// Record `number` carried this checkpoint.
    pub fn note(&mut self, number: u64, checkpoint: &[u8]) {
        self.has_positions = true;
        if let Some((before, known)) = self.pending.back_mut()
            && (*before > self.block || *before == number)
            && source(known) == source(checkpoint)
        {
            *before = number;
            known.clear();
            known.extend_from_slice(checkpoint);
            return;
        }
        self.pending.push_back((number, checkpoint.to_vec()));
    }

    /// Number of messages without a position.
    pub fn pass(&mut self, messages: u64) {
        if self.has_positions {
            return;
        }
        let before = self.bare;
        self.bare += messages;
        if before < PATIENCE && self.bare >= PATIENCE {
            report::warning(format_args!("{}: {NO_POSITIONS} so far", self.file.path().display()));
        }
    }

    /// Everything up to record `number` is delivered.
    pub fn advance(&mut self, number: u64) {
        while self.pending.front().is_some_and(|(at, _)| *at <= number)
            && let Some((_, checkpoint)) = self.pending.pop_front()
        {
            match decode_header(&checkpoint) {
                Some((source, [])) => self.file.remove(source),
                Some((source, position)) => self.file.set(source, position),
                None => {
                    report::repeated("malformed checkpoints", "ignoring malformed checkpoint");
                }
            }
        }
    }

    /// When to call [`Commit::save_if_due`] next, if something is to be stored; or could be once
    /// it is delivered, if that is `in_our_hands`.
    pub fn due(&self, in_our_hands: bool) -> Option<Instant> {
        let has_any = self.file.is_changed() || (in_our_hands && self.is_waiting());
        has_any.then(|| self.saved + PERIOD)
    }

    /// Whether there is something that could be stored by now, or could once it is delivered.
    pub fn is_due(&self) -> bool {
        let has_any = self.is_waiting() || self.file.is_changed();
        has_any && (self.saved.elapsed() >= PERIOD || self.pending.len() >= MANY)
    }

    /// Whether positions wait for their messages to be delivered.
    pub fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Stores what there is to store, if it is time to.
    ///
    /// # Errors
    /// `FILE: CAUSE`, unless the disk is full: that may pass.
    pub fn save_if_due(&mut self) -> Result<(), Stop> {
        match self.due(false) {
            Some(due) if due <= Instant::now() => self.save_unless_full(),
            _ => Ok(()),
        }
    }

    /// A disk that is full now need not be full the next time; meanwhile messages go on.
    fn save_unless_full(&mut self) -> Result<(), Stop> {
        match self.file.save() {
            Err(error) if is_full(&error) => {
                let (path, cause) = (self.file.path().display(), error.cause());
                let text = format_args!("{path}: {cause}; positions are stored later");
                report::repeated("positions", text);
            }
            saved => saved.at(self.file.path().display())?,
        }
        self.saved = Instant::now();
        Ok(())
    }

    /// Stores what there is to store, at the end.
    ///
    /// # Errors
    /// `FILE: CAUSE`, also if there were messages and none had a position.
    pub fn finish(&mut self) -> Result<(), Stop> {
        let path = self.file.path().display().to_string();
        self.file.save().at(&path)?;
        if self.has_positions || self.bare == 0 {
            return Ok(());
        }
        let messages = Count(self.bare, "message");
        Err(Stop::failed(format_args!("{path}: {NO_POSITIONS} ({messages}): nothing stored")))
    }
}

fn source(checkpoint: &[u8]) -> Option<&str> {
    decode_header(checkpoint).map(|(source, _)| source)
}
