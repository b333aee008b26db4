// SPDX-License-Identifier: MIT OR Apache-2.0
//! The treatment of positions: those in senders' messages, and those assigned to records here.

use heka_core::codec::Encoder;
use heka_core::delivery::{FileCommit, Marks};
use heka_core::os::{Deadline, Output};
use heka_core::report::Stop;
use heka_core::wire::Frame;

use crate::place::Place;
use crate::relay::Relay;

/// The use of positions.
#[derive(Debug)]
pub(crate) enum Positions {
    /// None.
    Ignored,
    /// Stored in a file: senders' own positions, once their messages are on the disk.
    Committed(FileCommit),
    /// Sent to later stages: records carry their numbers as positions.
    Relayed(Relaying),
}

/// Positions sent with records.
#[derive(Debug, Default)]
pub(crate) struct Relaying {
    /// Positions of records that are dropped.
    marks: Marks,
    /// Checkpoint of the current record.
    checkpoint: Vec<u8>,
}

impl Positions {
    /// Creates the positions for `commit` if given, or for later stages.
    pub(crate) fn new(commit: Option<FileCommit>, relays: bool) -> Self {
        match commit {
            Some(commit) => Self::Committed(commit),
            None if relays => Self::Relayed(Relaying::default()),
            None => Self::Ignored,
        }
    }

    /// Whether records are relayed with positions.
    pub(crate) fn are_relayed(&self) -> bool {
        matches!(self, Self::Relayed(_))
    }

    /// Whether positions depend on output being written.
    pub(crate) fn are_kept(&self) -> bool {
        !matches!(self, Self::Ignored)
    }

    /// Counts records without positions that were written.
    pub(crate) fn pass(&mut self, count: u64) {
        if let Self::Committed(commit) = self {
            commit.pass(count);
        }
    }

    /// Handles the position in a frame that is written or dropped. A sender on another machine
    /// knows nothing of the sources here, so its positions are ignored.
    pub(crate) fn receive(&mut self, frame: &Frame<'_>, is_taken: bool, is_local: bool) {
        let Self::Committed(commit) = self else { return };
        let position = frame.header.checkpoint.or_else(|| frame.mark()).filter(|_| is_local);
        match position {
            Some(checkpoint) if is_taken => commit.put(checkpoint),
            Some(checkpoint) => commit.note(checkpoint),
            None if is_taken => commit.pass(1),
            None => {}
        }
    }

    /// Returns the position of the last record counted in its stream, which is relayed.
    pub(crate) fn of_record(&mut self, place: &Place) -> Option<&[u8]> {
        let Self::Relayed(Relaying { marks, checkpoint }) = self else { return None };
        if !place.put_position(checkpoint) {
            return None;
        }
        marks.pass(checkpoint);
        Some(checkpoint)
    }

    /// Handles a record that is dropped.
    pub(crate) fn drop(&mut self, place: &Place) {
        if let Self::Relayed(Relaying { marks, checkpoint }) = self
            && place.put_position(checkpoint)
        {
            marks.drop(checkpoint);
        }
    }

    /// Makes later stages forget streams if there are too many.
    pub(crate) fn forget_surplus(&mut self, relay: &Relay) {
        if let Self::Relayed(Relaying { marks, .. }) = self {
            relay.surplus().iter().for_each(|checkpoint| marks.drop(checkpoint));
        }
    }

    /// Writes buffered output and the positions of dropped records; then stores the positions of
    /// written ones, if it is time to.
    pub(crate) fn settle(&mut self, encoder: &Encoder, out: &mut Output) -> Result<(), Stop> {
        match self {
            Self::Ignored => out.flush(),
            Self::Committed(commit) => commit.settle(out),
            Self::Relayed(Relaying { marks, .. }) => {
                marks.take(|checkpoint| encoder.put_mark(out.buffer(), checkpoint));
                out.flush()
            }
        }
    }

    /// Returns when to do so even without events.
    pub(crate) fn due(&self) -> Deadline {
        match self {
            Self::Committed(commit) => commit.due(),
            Self::Ignored | Self::Relayed(_) => None,
        }
    }

    /// Does so at the end, regardless of time.
    pub(crate) fn finish(&mut self, out: &mut Output) -> Result<(), Stop> {
        match self {
            Self::Committed(commit) => commit.finish(out),
            Self::Ignored | Self::Relayed(_) => out.flush(),
        }
    }
}
