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

#[cfg(all(test, feature = "regex"))]
mod tests {
    use super::*;
    use crate::record::{At, Found, Limit, More, Oversize, Pattern, Progress, Splitter};

    /// However slow an expression is, others are served after as many bytes as with any other.
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
