// SPDX-License-Identifier: MIT OR Apache-2.0
//! The treatment of the positions in messages.

use heka_core::codec::Encoder;
use heka_core::delivery::{FileCommit, Marks};
use heka_core::os::{Deadline, Output};
use heka_core::report::Stop;

use crate::cli::Plan;

/// The use of positions.
pub(crate) enum Positions {
    /// None.
    Ignored,
    /// For the next stage: positions of dropped messages are sent in marks.
    Marked(Marks),
    /// Stored in a file, once the messages are on the disk.
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

    /// Handles the position of a message that was written or dropped, or of a mark.
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

    /// Records that `count` messages without positions were written.
    pub(crate) fn pass(&mut self, count: u64) {
        if let Self::Committed(commit) = self {
            commit.pass(count);
        }
    }

    /// Whether positions are due to be written even though the input is not idle.
    #[inline]
    pub(crate) fn are_due(&mut self) -> bool {
        match self {
            Self::Ignored => false,
            Self::Marked(marks) => marks.is_due(),
            Self::Committed(commit) => commit.is_due(),
        }
    }

    /// Writes marks for dropped messages, or stores the positions of written ones.
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

    /// Returns when positions may become due without input.
    pub(crate) fn due(&self) -> Deadline {
        match self {
            Self::Committed(commit) => commit.due(),
            Self::Ignored | Self::Marked(_) => None,
        }
    }

    /// Stores positions at the end. Messages written before an error count.
    pub(crate) fn finish(&mut self, out: &mut Output) -> Result<(), Stop> {
        match self {
            Self::Committed(commit) => commit.finish(out),
            Self::Ignored | Self::Marked(_) => Ok(()),
        }
    }
}
