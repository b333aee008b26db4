// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics of ws-source.

use heka_core::net::put_faults;
use heka_core::report::stats::{Counter, Metric};

pub(crate) static CONNECTED: Counter = Counter::new();
pub(crate) static CONNECTS: Counter = Counter::new();
pub(crate) static RECONNECTS: Counter = Counter::new();

pub(crate) const ALL: &[Metric] = &[
    Metric::gauge("heka_ws_connected", "1 while connected", &CONNECTED),
    Metric::total("heka_ws_connects_total", "Connections made", &CONNECTS),
    Metric::total("heka_ws_reconnects_total", "Connections made again", &RECONNECTS)
        .word_if_any("reconnects"),
    Metric::total_each(
        "heka_ws_failures_total",
        "Connections that could not be made or were lost",
        "cause",
        put_faults,
    ),
];
