// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics of heka-kafka.

use heka_core::delivery::transport::numbers::{
    ACKNOWLEDGED, COMMITTED, CONNECTED, REFUSED, RESENT,
};
use heka_core::net::put_faults;
use heka_core::report::stats::{Counter, Metric, Table};

/// By partition: `TOPIC NUMBER`.
pub(crate) static LAG: Table = Table::new();
pub(crate) static PARTITIONS: Counter = Counter::new();

/// In display order.
pub(crate) const ALL: &[Metric] = &[
    Metric::total(
        "heka_kafka_acknowledged_messages_total",
        "Messages that the broker has stored",
        &ACKNOWLEDGED,
    )
    .word("acknowledged"),
    Metric::total(
        "heka_kafka_refused_messages_total",
        "Messages that the broker refused",
        &REFUSED,
    )
    .word("refused"),
    Metric::total("heka_kafka_resent_messages_total", "Messages sent again", &RESENT)
        .word("resent"),
    Metric::total(
        "heka_kafka_committed_messages_total",
        "Messages of the broker whose offsets were committed",
        &COMMITTED,
    )
    .word("committed"),
    Metric::gauge_table(
        "heka_kafka_lag_messages",
        "Messages of the broker that are still to be read and acknowledged",
        "partition",
        &LAG,
    )
    .word_with_parts("lag"),
    Metric::gauge("heka_kafka_partitions", "Partitions that are read", &PARTITIONS),
    Metric::gauge("heka_kafka_connected", "1 while connected", &CONNECTED),
    Metric::total_each(
        "heka_kafka_failures_total",
        "Connections that could not be made or were lost",
        "cause",
        put_faults,
    ),
];
