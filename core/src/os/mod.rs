// SPDX-License-Identifier: MIT OR Apache-2.0
//! Descriptors: block reads, block writes, and the one place that waits.
//!
//! The rule that makes a pipeline both fast and prompt: output is written when its buffer is full
//! or when there is nothing to read. [`Input::fill`] keeps it, so no tool needs a line-buffered
//! mode.

mod backlog;
mod closed;
#[cfg(feature = "compression")]
mod compressed;
mod conduit;
mod drain;
mod folder;
mod input;
mod mend;
mod output;
mod poll;
mod sink;

pub use backlog::Backlog;
pub use folder::sync_name;
pub use input::Input;
pub use mend::Ending;
pub use output::{Output, push_harmless};
pub use poll::{Deadline, Wanted, serve_signals, wait, wait_for};
pub use sink::{Rotation, WriteArgs, parse_octal, parse_rotation};
