// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics of cf-tail.

use heka_core::net::put_faults;
use heka_core::report::stats::{Counter, Metric};

static CONNECTED: Counter = Counter::new();
static CONNECTS: Counter = Counter::new();

pub(crate) const ALL: &[Metric] = &[
    Metric::gauge("heka_cf_connected", "1 while a stream is open", &CONNECTED),
    Metric::total("heka_cf_connects_total", "Streams opened", &CONNECTS),
    Metric::total_each(
        "heka_cf_failures_total",
        "Streams that could not be opened or were lost",
        "cause",
        put_faults,
    ),
];

/// Counts a stream as connected until it is dropped.
#[derive(Debug)]
pub(crate) struct Connected;

impl Connected {
    pub(crate) fn new() -> Self {
        CONNECTS.add(1);
        CONNECTED.set(1);
        Self
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        CONNECTED.set(0);
    }
}
