// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the heka tools share.
pub mod cli;
pub mod clock;
pub mod codec;
pub mod dedup;
pub mod delivery;
pub mod diag;
pub mod exit;
pub mod flag;
pub mod io;
pub mod keys;
pub mod limit;
#[cfg(feature = "net")]
pub mod net;
pub mod secret;
pub mod signal;
pub mod stats;
pub mod stream;
#[cfg(feature = "tail")]
pub mod tail;
#[cfg(feature = "testing")]
pub mod testing;
pub mod wire;
