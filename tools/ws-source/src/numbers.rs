// SPDX-License-Identifier: MIT OR Apache-2.0
//! What ws-source counts.

use heka_core::report::stats::{Counter, Metric};

pub(crate) static CONNECTED: Counter = Counter::new();
pub(crate) static CONNECTS: Counter = Counter::new();
pub(crate) static RECONNECTS: Counter = Counter::new();

pub(crate) const ALL: &[Metric] = &[
    Metric::gauge("heka_ws_connected", "1 while connected", &CONNECTED),
    Metric::total("heka_ws_connects_total", "Connections made", &CONNECTS),
    Metric::total("heka_ws_reconnects_total", "Connections made again", &RECONNECTS)
        .word_if_any("reconnects"),
];
