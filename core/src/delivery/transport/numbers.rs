// SPDX-License-Identifier: MIT OR Apache-2.0
//! The counters of every transport; each gives them its own names.

use crate::report::stats::Counter;

/// Messages stored by the broker.
pub static ACKNOWLEDGED: Counter = Counter::new();
/// Messages refused by the broker.
pub static REFUSED: Counter = Counter::new();
/// Messages sent more than once.
pub static RESENT: Counter = Counter::new();
/// The broker's messages that were acknowledged to it.
pub static COMMITTED: Counter = Counter::new();
/// 1 while connected.
pub static CONNECTED: Counter = Counter::new();
