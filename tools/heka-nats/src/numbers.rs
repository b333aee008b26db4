// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics of heka-nats.

use heka_core::delivery::transport::numbers::{
    ACKNOWLEDGED, COMMITTED, CONNECTED, REFUSED, RESENT,
};
use heka_core::net::put_faults;
use heka_core::report::stats::{Counter, Metric};

pub(crate) static LAG: Counter = Counter::new();

/// In display order.
pub(crate) const ALL: &[Metric] = &[
    Metric::total(
        "heka_nats_acknowledged_messages_total",
        "Messages that the broker has stored",
        &ACKNOWLEDGED,
    )
    .word("acknowledged"),
    Metric::total("heka_nats_refused_messages_total", "Messages that the broker refused", &REFUSED)
        .word("refused"),
    Metric::total("heka_nats_resent_messages_total", "Messages sent again", &RESENT).word("resent"),
    Metric::total(
        "heka_nats_committed_messages_total",
        "Messages of the broker that were acknowledged to it",
        &COMMITTED,
    )
    .word("committed"),
    Metric::gauge(
        "heka_nats_lag_messages",
        "Messages of the broker that are still to be read and acknowledged",
        &LAG,
    )
    .word("lag"),
    Metric::gauge("heka_nats_connected", "1 while connected", &CONNECTED),
    Metric::total_each(
        "heka_nats_failures_total",
        "Connections that could not be made or were lost",
        "cause",
        put_faults,
    ),
];
