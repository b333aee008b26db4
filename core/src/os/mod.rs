// SPDX-License-Identifier: MIT OR Apache-2.0
//! Descriptors: block reads, block writes, and the one place that waits.
//!
//! The rule that makes a pipeline both fast and prompt: output is written when its buffer is full
//! or when there is nothing to read. [`Input::fill`] implements it, so no tool needs a
//! line-buffered mode.

mod backlog;
pub mod clock;
mod closed_at_start;
#[cfg(feature = "compression")]
mod compressed;
mod directory;
mod drain;
mod file_sink;
mod frame_reader;
mod input;
mod life;
mod manager;
mod metrics_file;
mod notify;
mod open_files;
mod output;
#[cfg(feature = "compression")]
mod packed_record;
mod private;
pub mod pulse;
mod receive;
pub mod reporter;
pub mod signal;
mod splice;
mod timer;
mod torn_end;
mod wait;

pub use backlog::Backlog;
#[cfg(feature = "compression")]
pub use compressed::unpacked;
pub use directory::{read_file, sync_name};
pub use drain::drain;
pub use file_sink::{FileSink, Rotation};
pub use frame_reader::{FrameReader, Kind, detect, frames_ending};
pub use input::Input;
pub use metrics_file::MetricsFile;
pub use notify::Notify;
pub use open_files::raise_open_files;
pub use output::Output;
#[cfg(feature = "compression")]
pub use packed_record::unpack_record;
pub use private::{
    Exposed, PrivateDir, Replacement, SecretBytes, append_secret, check_owner_of, is_named,
    read_secret, target_of,
};
pub use receive::{Flow, Receive};
pub use torn_end::Ending;
pub use wait::{Deadline, Wanted, serve_signals, wait, wait_at_the_end, wait_for};
