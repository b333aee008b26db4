// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a connection goes on behind a turn.

use heka_core::record::More;

/// Whether a connection goes on.
#[derive(Debug)]
pub(crate) enum Next {
    /// It does.
    Continue,
    /// The sender ended it.
    End,
    /// It broke, for this reason.
    Broken(std::io::Error),
}

/// Records that were not all taken in one turn.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) more: More,
    /// Why there will be no more.
    pub(super) error: Option<std::io::Error>,
}
