// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics of unix-sock.

use heka_core::net::put_faults;
use heka_core::report::stats::{Counter, Metric};

pub(crate) static PEERS: Counter = Counter::new();
pub(crate) static CONNECTS: Counter = Counter::new();

pub(crate) const ALL: &[Metric] = &[
    Metric::gauge("heka_unix_peers", "Peers connected now", &PEERS),
    Metric::total("heka_unix_connects_total", "Connections made or accepted", &CONNECTS),
    Metric::total_each(
        "heka_unix_failures_total",
        "Connections that could not be made or were lost",
        "cause",
        put_faults,
    ),
];
