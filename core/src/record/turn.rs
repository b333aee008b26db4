// SPDX-License-Identifier: MIT OR Apache-2.0
//! Turns: how much is done for one peer before the others are served, and how much may be done
//! before what is buffered for the output is written.
//!
//! It is counted, not timed: it does not depend on the machine, and costs next to nothing.

/// Steps of one turn. A step is a member or a header read, some hundred nanoseconds at most; so
/// a turn takes a few milliseconds.
const STEPS: u64 = 32_768;
/// Steps that a record costs, beside those for its bytes: it may be written in another form.
const RECORD_STEPS: u64 = 4;
/// Bytes of a record that cost a step.
const BYTES_PER_STEP: u64 = 16;

/// How much of a turn is left.
#[derive(Debug, Default)]
pub struct Turn {
    left: u64,
    /// Steps since the output was written.
    unwritten: u64,
}

impl Turn {
    /// Begins the turn of another peer.
    pub fn begin(&mut self) {
        self.left = STEPS;
    }

    /// Steps that are left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Whether none is.
    pub fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Number of steps made.
    pub fn spend(&mut self, steps: u64) {
        self.left = self.left.saturating_sub(steps);
        self.unwritten += steps;
    }

    /// A record of that length was taken.
    pub fn spend_record(&mut self, len: usize) {
        self.spend(RECORD_STEPS + len as u64 / BYTES_PER_STEP);
    }

    /// Whether what is buffered has waited as long as a turn takes.
    pub fn is_output_due(&self) -> bool {
        self.unwritten >= STEPS
    }

    /// The output was written.
    pub fn wrote(&mut self) {
        self.unwritten = 0;
    }
}
