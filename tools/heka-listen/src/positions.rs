// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is done with positions: those that senders' messages carry, and those that records get
//! here.

use heka_core::codec::Encoder;
use heka_core::delivery::{FileCommit, Marks};
use heka_core::os::{Deadline, Output};
use heka_core::report::Stop;
use heka_core::wire::Frame;

use crate::place::Place;
use crate::relay::Relay;

/// Whom positions are for.
#[derive(Debug)]
pub(crate) enum Positions {
    /// Nobody.
    Ignored,
    /// A file of positions: senders' own, once their messages are on the disk.
    Committed(FileCommit),
    /// Later stages: records are passed on with the numbers that they have here.
    Relayed(Relaying),
}

/// Positions that go along with records.
#[derive(Debug, Default)]
pub(crate) struct Relaying {
    /// Those of records that are not passed on.
    marks: Marks,
    /// That of the record at hand.
    checkpoint: Vec<u8>,
}

impl Positions {
    /// For `commit` if there is one, or for later stages.
    pub(crate) fn new(commit: Option<FileCommit>, relays: bool) -> Self {
        match commit {
            Some(commit) => Self::Committed(commit),
            None if relays => Self::Relayed(Relaying::default()),
            None => Self::Ignored,
        }
    }

    /// Whether records are passed on with positions.
    pub(crate) fn are_relayed(&self) -> bool {
        matches!(self, Self::Relayed(_))
    }

    /// Whether it matters to them that something is written.
    pub(crate) fn are_kept(&self) -> bool {
        !matches!(self, Self::Ignored)
    }

    /// So many records without positions are written.
    pub(crate) fn pass(&mut self, count: u64) {
        if let Self::Committed(commit) = self {
            commit.pass(count);
        }
    }

    /// Takes what a frame that is written, or is not, says of its source. Who is not on this
    /// machine knows nothing of the sources here.
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

    /// The position of the record that was counted last in its stream, which is passed on.
    pub(crate) fn of_record(&mut self, place: &Place) -> Option<&[u8]> {
        let Self::Relayed(Relaying { marks, checkpoint }) = self else { return None };
        if !place.put_position(checkpoint) {
            return None;
        }
        marks.pass(checkpoint);
        Some(checkpoint)
    }

    /// That record is not passed on.
    pub(crate) fn drop(&mut self, place: &Place) {
        if let Self::Relayed(Relaying { marks, checkpoint }) = self
            && place.put_position(checkpoint)
        {
            marks.drop(checkpoint);
        }
    }

    /// Lets later stages forget streams if they have too many.
    pub(crate) fn forget_surplus(&mut self, relay: &Relay) {
        if let Self::Relayed(Relaying { marks, .. }) = self {
            relay.surplus().iter().for_each(|checkpoint| marks.drop(checkpoint));
        }
    }

    /// Writes what is buffered, behind it the positions of what was dropped; then stores those of
    /// what is written, if it is time to.
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

    /// When to do so though nothing comes.
    pub(crate) fn due(&self) -> Deadline {
        match self {
            Self::Committed(commit) => commit.due(),
            Self::Ignored | Self::Relayed(_) => None,
        }
    }

    /// The same at the end, whether or not it is time.
    pub(crate) fn finish(&mut self, out: &mut Output) -> Result<(), Stop> {
        match self {
            Self::Committed(commit) => commit.finish(out),
            Self::Ignored | Self::Relayed(_) => out.flush(),
        }
    }
}
