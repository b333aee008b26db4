// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a sandbox needs of the program around it.

use std::os::fd::BorrowedFd;

/// A position in a plugin's source, in the plugin's own terms.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Checkpoint {
    /// A Lua number.
    Number(f64),
    /// A Lua string: any bytes.
    Text(Vec<u8>),
}

/// Answers of [`Host::inject`].
pub(crate) mod answer {
    /// The message and the checkpoint are taken.
    pub(crate) const TAKEN: i32 = 0;
    /// The message is refused.
    pub(crate) const REFUSED: i32 = 1;
    /// The checkpoint is refused, and the message with it.
    pub(crate) const BAD_CHECKPOINT: i32 = 2;
}

/// Severity of a sandbox's log line, as syslog counts.
pub(crate) mod level {
    /// The plugin cannot go on.
    pub(crate) const ERROR: u8 = 3;
    /// Something was skipped.
    pub(crate) const WARNING: u8 = 4;
    /// `print()`.
    pub(crate) const DEBUG: u8 = 7;
}

/// The program around a sandbox.
pub(crate) trait Host {
    /// Takes a message, a checkpoint, or both; neither is a synchronisation point. The answer is
    /// one of [`answer`].
    fn inject(&mut self, message: Option<&[u8]>, checkpoint: Option<&Checkpoint>) -> i32;
    /// Takes a line of the log.
    fn log(&mut self, level: u8, component: &str, text: &str);
    /// Waits until `fd` has something to read; `false` if the plugin shall see an end instead.
    fn wait_readable(&mut self, fd: BorrowedFd<'_>) -> bool;
}

/// Takes all messages, and keeps none.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) struct Sink;

#[cfg(any(test, feature = "fuzzing"))]
impl Host for Sink {
    fn inject(&mut self, _: Option<&[u8]>, _: Option<&Checkpoint>) -> i32 {
        answer::TAKEN
    }

    fn log(&mut self, _: u8, _: &str, _: &str) {}

    fn wait_readable(&mut self, _: BorrowedFd<'_>) -> bool {
        false
    }
}
