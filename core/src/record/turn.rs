// SPDX-License-Identifier: MIT OR Apache-2.0
//! Turns: the work done for one peer before the others are served, and before buffered output is
//! written.
//!
//! Work is counted, not timed, so it does not depend on the machine and costs next to nothing.

/// Steps per turn. A step is reading a member or header, which takes some hundred nanoseconds at
/// most; so a turn takes a few milliseconds.
const STEPS: u64 = 32_768;
/// Steps per record beyond those for its bytes: it may be converted to another form.
const RECORD_STEPS: u64 = 4;
/// Bytes of a record per step.
const BYTES_PER_STEP: u64 = 16;

/// The work left in a turn.
#[derive(Debug, Default)]
pub struct Turn {
    left: u64,
    /// Steps since the output was last written.
    unwritten: u64,
}

impl Turn {
    /// Begins the turn of another peer.
    pub fn begin(&mut self) {
        self.left = STEPS;
    }

    /// Returns the steps left.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Whether no steps are left.
    pub fn is_over(&self) -> bool {
        self.left == 0
    }

    /// Subtracts steps.
    pub fn spend(&mut self, steps: u64) {
        self.left = self.left.saturating_sub(steps);
        self.unwritten += steps;
    }

    /// Subtracts the steps of a record of `len` bytes.
    pub fn spend_record(&mut self, len: usize) {
        self.spend(RECORD_STEPS + len as u64 / BYTES_PER_STEP);
    }

    /// Whether the buffered output has waited as long as a turn takes.
    pub fn is_output_due(&self) -> bool {
        self.unwritten() >= STEPS
    }

    /// Steps since the output was last written.
    pub fn unwritten(&self) -> u64 {
        self.unwritten
    }

    /// Notes that the output was written.
    pub fn wrote(&mut self) {
        self.unwritten = 0;
    }
}

#[cfg(all(test, feature = "regex"))]
mod tests {
    use super::*;
    use crate::record::{At, Found, Limit, More, Oversize, Pattern, Progress, Splitter};

    /// Other peers are served after the same number of bytes, however slow an expression is.
    #[test]
    fn a_slow_expression_makes_no_turn_longer() {
        const LEN: usize = 4 << 20;
        let slow = Pattern::new("(?:[a-q][^u-z]{13}|[a-z]{3,9}q)*\n", At::End).unwrap();
        let limit = Limit { size: 1 << 20, oversize: Oversize::Split };
        let splitter = Splitter::by_pattern(slow, limit);
        let data = "abcdefghijklmnop\n".repeat(LEN / 17);
        let (mut progress, mut turn, mut turns, mut done) =
            (Progress::default(), Turn::default(), 0, 0);
        loop {
            let rest = &data.as_bytes()[done..];
            let mut records = splitter.records(rest, &mut progress, More::Ended);
            turn.begin();
            let mut taken = 0;
            while !turn.is_over()
                && let Some(found) = records.next_within(&mut turn)
            {
                taken += usize::from(matches!(found, Found::Record(_)));
            }
            let len = records.done();
            done += len;
            assert!(len as u64 <= STEPS * BYTES_PER_STEP + 1024, "{len} bytes in a turn");
            if taken == 0 && len == 0 {
                break;
            }
            turns += 1;
        }
        assert_eq!(done, data.len());
        assert!(turns >= LEN as u64 / (STEPS * BYTES_PER_STEP), "{turns}");
    }
}
