// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is done with the positions that messages carry.

use heka_core::codec::Encoder;
use heka_core::delivery::{FileCommit, Marks};
use heka_core::os::{Deadline, Output};
use heka_core::report::Stop;

use crate::cli::Plan;

/// Whom positions are for.
pub(crate) enum Positions {
    /// Nobody.
    Ignored,
    /// The next stage: those of messages that are dropped follow in marks.
    Marked(Marks),
    /// A file of positions, once the messages are on the disk.
    Committed(FileCommit),
}

impl Positions {
    pub(crate) fn new(plan: &Plan, encoder: &Encoder, out: &Output) -> Result<Self, Stop> {
        if let Some(path) = &plan.commit {
            return FileCommit::open(path).map(Self::Committed);
        }
        let has_marks = encoder.has_positions() && out.is_stream() && !plan.with_filename;
        Ok(if has_marks { Self::Marked(Marks::default()) } else { Self::Ignored })
    }

    /// Takes what a message carried that was written or dropped, or a position that came alone.
    #[inline]
    pub(crate) fn receive(&mut self, checkpoint: Option<&[u8]>, is_written: bool) {
        match (self, checkpoint) {
            (Self::Ignored, _) | (Self::Marked(_), None) => {}
            (Self::Marked(marks), Some(checkpoint)) if is_written => marks.pass(checkpoint),
            (Self::Marked(marks), Some(checkpoint)) => marks.drop(checkpoint),
            (Self::Committed(commit), None) => commit.pass(1),
            (Self::Committed(commit), Some(checkpoint)) if is_written => commit.put(checkpoint),
            (Self::Committed(commit), Some(checkpoint)) => commit.note(checkpoint),
        }
    }

    /// Whether something is to be said though the input does not rest.
    #[inline]
    pub(crate) fn are_due(&mut self) -> bool {
        match self {
            Self::Ignored => false,
            Self::Marked(marks) => marks.is_due(),
            Self::Committed(commit) => commit.is_due(),
        }
    }

    /// Says what was dropped, or stores what is written.
    pub(crate) fn say(
        &mut self,
        out: &mut Output,
        put: impl Fn(&[u8], &mut Output),
    ) -> Result<(), Stop> {
        match self {
            Self::Ignored => Ok(()),
            Self::Marked(marks) => {
                marks.take(|checkpoint| put(checkpoint, out));
                out.end_record()
            }
            Self::Committed(commit) => commit.settle(out),
        }
    }

    /// When there may be something to say though nothing comes.
    pub(crate) fn due(&self) -> Deadline {
        match self {
            Self::Committed(commit) => commit.due(),
            Self::Ignored | Self::Marked(_) => None,
        }
    }

    /// Stores what there is to store, at the end. What was written before an error counts.
    pub(crate) fn finish(&mut self, out: &mut Output) -> Result<(), Stop> {
        match self {
            Self::Committed(commit) => commit.finish(out),
            Self::Ignored | Self::Marked(_) => Ok(()),
        }
    }
}
