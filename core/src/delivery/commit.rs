// SPDX-License-Identifier: MIT OR Apache-2.0
//! Positions of sources, stored after the messages before them have been delivered (`--commit`).

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use super::checkpoint::{CheckpointFile, decode_header};
use super::is_full;
use crate::report::words::Count;
use crate::report::{self, Cause as _, Explain as _, Stop};

/// Minimum interval between writes of the file: each one waits for the disk.
const PERIOD: Duration = Duration::from_millis(200);

/// Number of messages without a position before a warning.
const PATIENCE: u64 = 1000;

/// Maximum number of pending positions of different sources.
const MANY: usize = 4096;

const NO_POSITIONS: &str = "messages carry no positions";

/// The positions to be stored.
#[derive(Debug)]
pub struct Commit {
    file: CheckpointFile,
    /// Record numbers with their checkpoints, in order.
    pending: VecDeque<(u64, Vec<u8>)>,
    /// Number of the last record before the current block: within a block, only the last position
    /// of each source counts.
    block: u64,
    saved: Instant,
    /// Number of messages without a position before the first one with a position.
    bare: u64,
    has_positions: bool,
}

impl Commit {
    /// Opens the file for positions.
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

    /// Begins a block: the records after `last` were read together.
    pub fn start_block(&mut self, last: u64) {
        self.block = last;
    }

    /// Notes the checkpoint of record `number`.
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

    /// Counts messages without a position.
    pub fn pass(&mut self, messages: u64) {
        if self.has_positions {
            return;
        }
        let before = self.bare;
        self.bare += messages;
        if before < PATIENCE && self.bare >= PATIENCE {
            report::warning(format_args!("{}: {NO_POSITIONS} so far", self.file.name().display()));
        }
    }

    /// Notes that everything up to record `number` is delivered.
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

    /// Returns when to call [`Commit::save_if_due`] next, if a position can be stored, or, with
    /// `in_our_hands`, as soon as its messages are delivered.
    pub fn due(&self, in_our_hands: bool) -> Option<Instant> {
        let has_any = self.file.is_changed() || (in_our_hands && self.is_waiting());
        has_any.then(|| self.saved + PERIOD)
    }

    /// Whether a position is due to be stored now, or as soon as its messages are delivered.
    pub fn is_due(&self) -> bool {
        let has_any = self.is_waiting() || self.file.is_changed();
        has_any && (self.saved.elapsed() >= PERIOD || self.pending.len() >= MANY)
    }

    /// Whether positions are waiting for the delivery of their messages.
    pub fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Stores the positions, if it is time to.
    ///
    /// # Errors
    /// `FILE: CAUSE`, except for a full disk, which may be temporary.
    pub fn save_if_due(&mut self) -> Result<(), Stop> {
        match self.due(false) {
            Some(due) if due <= Instant::now() => self.save_unless_full(),
            _ => Ok(()),
        }
    }

    /// Ignores a full disk, which may be temporary; messages continue meanwhile.
    fn save_unless_full(&mut self) -> Result<(), Stop> {
        match self.file.save() {
            Err(error) if is_full(&error) => {
                let (path, cause) = (self.file.name().display(), error.cause());
                let text = format_args!("{path}: {cause}; positions are stored later");
                report::repeated("positions", text);
            }
            saved => saved.at(self.file.name().display())?,
        }
        self.saved = Instant::now();
        Ok(())
    }

    /// Stores the positions at the end.
    ///
    /// # Errors
    /// `FILE: CAUSE`, also if there were messages and none had a position.
    pub fn finish(&mut self) -> Result<(), Stop> {
        let path = self.file.name().display().to_string();
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

#[cfg(test)]
mod tests {
    use super::super::checkpoint;
    use super::*;

    #[test]
    fn positions_are_stored_no_more_than_five_times_a_second() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.pos");
        let mut commit = Commit::open(&path).unwrap();
        let (mut header, mut number) = (Vec::new(), 0);
        // What comes of another position if the last ones were stored then.
        let mut stored = |saved: Instant| {
            number += 1;
            commit.saved = saved;
            assert!(checkpoint::put_header(
                &mut header,
                "app",
                format!("line {number}").as_bytes()
            ));
            commit.note(number, &header);
            let is_due = commit.is_due();
            commit.advance(number);
            assert_eq!(commit.due(false), Some(saved + Duration::from_millis(200)));
            commit.save_if_due().unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            let is_stored = text.contains(&format!("line {number}\""));
            assert_eq!(is_due, is_stored);
            assert_eq!(is_stored, commit.saved != saved, "it is noted when that was");
            is_stored
        };
        let now = Instant::now();
        // However long this takes.
        let soon = now + Duration::from_secs(3600);
        assert!(stored(now - Duration::from_millis(200)));
        assert!((0..100).all(|_| !stored(soon)));
        assert!(stored(now - Duration::from_millis(200)));
        assert_eq!(commit.due(false), None);
    }
}
