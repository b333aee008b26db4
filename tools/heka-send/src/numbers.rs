// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics of heka-send.

use heka_core::net::put_faults;
use heka_core::report::stats::{Counter, Metric, Table};

/// Whether each address is connected.
pub(crate) static CONNECTED: Table = Table::new();
pub(crate) static CONNECTS: Counter = Counter::new();
pub(crate) static SENT: Counter = Counter::new();
pub(crate) static ACKNOWLEDGED: Counter = Counter::new();
pub(crate) static REFUSED: Counter = Counter::new();
pub(crate) static RESENT: Counter = Counter::new();
pub(crate) static DROPPED: Counter = Counter::new();
pub(crate) static IN_DOUBT: Counter = Counter::new();
pub(crate) static IN_FLIGHT: Counter = Counter::new();
/// Arrival time of the oldest unacknowledged message.
pub(crate) static OLDEST: Counter = Counter::new();
pub(crate) static ACKNOWLEDGED_AT: Counter = Counter::new();
pub(crate) static QUEUED: Counter = Counter::absent();
pub(crate) static QUEUE_LIMIT: Counter = Counter::absent();

/// In display order.
pub(crate) const ALL: &[Metric] = &[
    Metric::total("heka_send_sent_messages_total", "Messages written to the receiver", &SENT)
        .word("sent"),
    Metric::total("heka_send_acknowledged_messages_total", "Messages acknowledged", &ACKNOWLEDGED)
        .word("acknowledged"),
    Metric::total(
        "heka_send_refused_messages_total",
        "Messages that the receiver refused",
        &REFUSED,
    )
    .word("refused"),
    Metric::total("heka_send_resent_messages_total", "Messages sent again", &RESENT).word("resent"),
    Metric::total("heka_send_dropped_messages_total", "Messages that the queue lost", &DROPPED)
        .word("dropped"),
    Metric::total("heka_send_connects_total", "Connections made", &CONNECTS).word("connections"),
    Metric::total_each(
        "heka_send_failures_total",
        "Connections that could not be made or were lost",
        "cause",
        put_faults,
    ),
    Metric::total(
        "heka_send_in_doubt_messages_total",
        "Messages of which it is not known whether they arrived",
        &IN_DOUBT,
    )
    .word("in doubt"),
    Metric::gauge("heka_send_queue_bytes", "Size of the queue", &QUEUED).word("bytes in queue"),
    Metric::gauge("heka_send_queue_limit_bytes", "Largest size of the queue", &QUEUE_LIMIT),
    Metric::gauge_table("heka_send_connected", "1 while connected", "address", &CONNECTED),
    Metric::gauge(
        "heka_send_in_flight_messages",
        "Messages read and not acknowledged yet",
        &IN_FLIGHT,
    ),
    Metric::age(
        "heka_send_oldest_unacknowledged_seconds",
        "Age of the oldest message that is not acknowledged",
        &OLDEST,
    ),
    Metric::time(
        "heka_send_last_acknowledgement_timestamp_seconds",
        "Time of the last acknowledgement, since 1970",
        &ACKNOWLEDGED_AT,
    ),
];
