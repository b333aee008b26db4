// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wrong with something that a person typed, and where.

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Mistake {
    /// At which byte.
    pub at: usize,
    reason: String,
}

impl Mistake {
    /// Something is wrong at that byte of an expression.
    pub fn new(at: usize, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }

    /// As many blanks as there are characters before the place in `text`, the expression.
    pub fn indent(&self, text: &str) -> String {
        let before = text.get(..self.at).unwrap_or(text);
        " ".repeat(before.chars().count())
    }
}
