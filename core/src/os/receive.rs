// SPDX-License-Identifier: MIT OR Apache-2.0
//! The receiver of a [`FrameReader`](super::FrameReader).

use std::ops::ControlFlow;

use crate::os::{Deadline, Output};
use crate::record::Records;
use crate::report::Stop;
use crate::wire::Frame;

/// The answer of a receiver after each frame: continue, or stop reading.
pub type Flow = Result<ControlFlow<()>, Stop>;

/// The receiver of a [`FrameReader`](super::FrameReader). A closure receives only messages.
pub trait Receive {
    /// Receives a message.
    ///
    /// # Errors
    /// Any error ends the reading.
    fn message(&mut self, frame: &Frame<'_>, out: &mut Output) -> Flow;

    /// Returns the number of messages that may be passed to [`Receive::run`] instead, because
    /// only their frames are needed; 0 if every message has to be parsed.
    fn run_limit(&self, _out: &Output) -> u64 {
        0
    }

    /// Receives the frames of `count` messages, none of which has a checkpoint.
    ///
    /// # Errors
    /// Any error ends the reading.
    fn run(&mut self, _frames: &[u8], _count: u64, _out: &mut Output) -> Flow {
        Ok(ControlFlow::Continue(()))
    }

    /// Receives the checkpoint of a mark.
    ///
    /// # Errors
    /// Any error ends the reading.
    fn mark(&mut self, _checkpoint: &[u8], _out: &mut Output) -> Result<(), Stop> {
        Ok(())
    }

    /// Called when the input is idle, to write pending output.
    ///
    /// # Errors
    /// Any error ends the reading.
    fn rest(&mut self, _out: &mut Output) -> Result<(), Stop> {
        Ok(())
    }

    /// Returns when to call [`Receive::rest`] again even if no input arrives.
    fn due(&self) -> Deadline {
        None
    }
}

impl<F: FnMut(&Frame<'_>, &mut Output) -> Flow> Receive for F {
    fn message(&mut self, frame: &Frame<'_>, out: &mut Output) -> Flow {
        self(frame, out)
    }
}

/// Passes on the next messages in one run, if `receive` needs only their frames.
#[inline]
pub(super) fn hand_over_run(
    records: &mut Records<'_, '_>,
    ends: &mut Vec<usize>,
    out: &mut Output,
    receive: &mut impl Receive,
) -> Flow {
    let limit = receive.run_limit(out);
    if limit == 0 {
        return Ok(ControlFlow::Continue(()));
    }
    ends.clear();
    match records.run(limit, ends) {
        [] => Ok(ControlFlow::Continue(())),
        frames => match receive.run(frames, ends.len() as u64, out)? {
            ControlFlow::Break(()) => hand_over_marks(records, out, receive),
            flow @ ControlFlow::Continue(()) => Ok(flow),
        },
    }
}

/// Passes on a message, or the checkpoint of a mark.
#[inline]
pub(super) fn hand_over(frame: &Frame<'_>, out: &mut Output, receive: &mut impl Receive) -> Flow {
    if !frame.is_signal() {
        return receive.message(frame, out);
    }
    if let Some(checkpoint) = frame.mark() {
        receive.mark(checkpoint, out)?;
    }
    Ok(ControlFlow::Continue(()))
}

/// Passes on the checkpoints of the marks after the last message, which may be its own.
pub(super) fn hand_over_marks(
    records: &mut Records<'_, '_>,
    out: &mut Output,
    receive: &mut impl Receive,
) -> Flow {
    while let Some(ref frame) = records.next_signal() {
        let _flow = hand_over(frame, out, receive)?;
    }
    Ok(ControlFlow::Break(()))
}
