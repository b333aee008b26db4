// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a connection continues after a turn.

use heka_core::record::More;

/// How a connection continues.
#[derive(Debug)]
pub(crate) enum Next {
    /// It continues.
    Continue,
    /// The sender ended it.
    End,
    /// It broke, with this error.
    Broken(std::io::Error),
}

/// Records that were not all accepted in one turn.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) more: More,
    /// The error after which there will be no more.
    pub(super) error: Option<std::io::Error>,
}
