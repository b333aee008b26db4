// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reasons why a receiver will never write a message that arrived (heka-stream(5), extension 105).

use std::fmt;

use crate::report::stats::Skip;

/// The reason for a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// It is over the receiver's limit.
    TooLong,
    /// It is not signed as the receiver requires.
    Signature,
    /// What arrived in its place is not a message.
    Damaged,
    /// The receiver, or a broker behind it, rejects it.
    Rejected,
    /// A reason unknown to this version.
    Other(u64),
}

impl Refusal {
    /// Returns the number in a header.
    pub fn number(self) -> u64 {
        match self {
            Self::TooLong => 1,
            Self::Signature => 2,
            Self::Damaged => 3,
            Self::Rejected => 4,
            Self::Other(number) => number,
        }
    }

    /// Returns the counter for the message.
    pub fn skip(self) -> Skip {
        match self {
            Self::TooLong => Skip::TooLong,
            Self::Signature => Skip::Unverified,
            Self::Damaged | Self::Rejected | Self::Other(_) => Skip::Invalid,
        }
    }
}

impl From<u64> for Refusal {
    fn from(number: u64) -> Self {
        match number {
            1 => Self::TooLong,
            2 => Self::Signature,
            3 => Self::Damaged,
            4 => Self::Rejected,
            number => Self::Other(number),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("longer than the receiver's limit"),
            Self::Signature => f.write_str("the receiver does not accept its signature"),
            Self::Damaged => f.write_str("damaged each time it arrived"),
            Self::Rejected => f.write_str("rejected by the receiver"),
            Self::Other(number) => write!(f, "reason {number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_numbers() {
        for number in 0..9 {
            assert_eq!(Refusal::from(number).number(), number);
        }
    }
}
