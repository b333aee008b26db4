// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface of a sandbox to the program around it.

use std::os::fd::BorrowedFd;

/// A position in a plugin's source, as the plugin represents it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Checkpoint {
    /// A Lua number.
    Number(f64),
    /// A Lua string: arbitrary bytes.
    Text(Vec<u8>),
}

/// Results of [`Host::inject`].
pub(crate) mod answer {
    /// The message and the checkpoint are accepted.
    pub(crate) const TAKEN: i32 = 0;
    /// The message is rejected.
    pub(crate) const REFUSED: i32 = 1;
    /// The checkpoint is rejected, and the message with it.
    pub(crate) const BAD_CHECKPOINT: i32 = 2;
}

/// Severity of a sandbox's log line, as in syslog.
pub(crate) mod level {
    /// The plugin cannot continue.
    pub(crate) const ERROR: u8 = 3;
    /// Something was skipped.
    pub(crate) const WARNING: u8 = 4;
    /// `print()`.
    pub(crate) const DEBUG: u8 = 7;
}

/// The program around a sandbox.
pub(crate) trait Host {
    /// Accepts a message, a checkpoint, or both; neither is a synchronisation point. Returns one of
    /// [`answer`].
    fn inject(&mut self, message: Option<&[u8]>, checkpoint: Option<&Checkpoint>) -> i32;
    /// Accepts a line of the log.
    fn log(&mut self, level: u8, component: &str, text: &str);
    /// Waits until `fd` is readable; `false` if the plugin should see the end of input instead.
    fn wait_readable(&mut self, fd: BorrowedFd<'_>) -> bool;
}

/// Accepts all messages, and keeps none.
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
