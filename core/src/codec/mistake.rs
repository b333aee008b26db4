// SPDX-License-Identifier: MIT OR Apache-2.0
//! A mistake in something that a person typed, with its position.

/// A mistake in an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Mistake {
    /// Byte offset in the expression.
    pub at: usize,
    reason: String,
}

impl Mistake {
    /// Creates a mistake at byte `at` of an expression.
    pub fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }

    /// Returns one blank for each character before the mistake in `text`, the expression.
    pub fn indent(&self, text: &str) -> String {
        let before = text.get(..self.at).unwrap_or(text);
        " ".repeat(before.chars().count())
    }
}
