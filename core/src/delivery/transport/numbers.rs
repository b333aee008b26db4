// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every transport counts; each has its own names for them.

use crate::report::stats::Counter;

/// Messages that the broker has stored.
pub static ACKNOWLEDGED: Counter = Counter::new();
/// Messages that the broker refused.
pub static REFUSED: Counter = Counter::new();
/// Messages that were sent more than once.
pub static RESENT: Counter = Counter::new();
/// Messages of the broker that were acknowledged to it.
pub static COMMITTED: Counter = Counter::new();
/// 1 while connected.
pub static CONNECTED: Counter = Counter::new();
