// SPDX-License-Identifier: MIT OR Apache-2.0
//! Positions of sources, stored once the messages before them are delivered (`--commit`).

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use heka_core::delivery::checkpoint::{CheckpointFile, decode_header};
use heka_core::delivery::is_full;
use heka_core::report::{self, Cause as _, Explain as _, Stop};

/// The file is stored no more often: storing it waits for the disk.
const PERIOD: Duration = Duration::from_millis(200);

/// What is to be stored, and when.
#[derive(Debug)]
pub(crate) struct Commit {
    file: CheckpointFile,
    /// Number of a record and the checkpoint that it carried, in order.
    pending: VecDeque<(u64, Vec<u8>)>,
    /// Records after this one were read together: of each source only the last position counts.
    block: u64,
    saved: Instant,
}

impl Commit {
    pub(crate) fn open(path: &Path) -> Result<Self, Stop> {
        Ok(Self {
            file: CheckpointFile::open(path)?,
            pending: VecDeque::new(),
            block: 0,
            saved: Instant::now(),
        })
    }

    /// Records after `last` are read in one go.
    pub(crate) fn start_block(&mut self, last: u64) {
        self.block = last;
    }

    /// Record `number` carried this checkpoint.
    pub(crate) fn note(&mut self, number: u64, checkpoint: &[u8]) {
        if let Some((before, known)) = self.pending.back_mut()
            && *before > self.block
            && source(known) == source(checkpoint)
        {
            *before = number;
            known.clear();
            known.extend_from_slice(checkpoint);
            return;
        }
        self.pending.push_back((number, checkpoint.to_vec()));
    }

    /// Everything up to record `number` is delivered.
    pub(crate) fn advance(&mut self, number: u64) {
        while let Some((_, checkpoint)) = self.pending.pop_front_if(|(at, _)| *at <= number) {
            match decode_header(&checkpoint) {
                Some((source, position)) => self.file.set(source, position),
                None => {
                    report::repeated("malformed checkpoints", "ignoring malformed checkpoint");
                }
            }
        }
    }

    /// When to call [`Commit::save_if_due`] next, if something is to be stored.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.file.is_changed().then(|| self.saved + PERIOD)
    }

    /// Whether positions wait for their messages to be delivered.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    pub(crate) fn save_if_due(&mut self) -> Result<(), Stop> {
        match self.due() {
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

    pub(crate) fn save(&mut self) -> Result<(), Stop> {
        self.file.save().at(self.file.path().display())?;
        self.saved = Instant::now();
        Ok(())
    }
}

fn source(checkpoint: &[u8]) -> Option<&str> {
    decode_header(checkpoint).map(|(source, _)| source)
}
