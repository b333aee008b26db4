// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics of heka-listen.

use std::sync::Arc;

use heka_core::net::Listener;
use heka_core::report::stats::{Counter, Metric, Table};

pub(crate) static ACKNOWLEDGED: Counter = Counter::new();
pub(crate) static CONNECTS: Counter = Counter::new();
pub(crate) static CLAIMS_REFUSED: Counter = Counter::new();
pub(crate) static REFUSED: Counter = Counter::new();
pub(crate) static CONNECTED: Counter = Counter::new();
pub(crate) static UNACCEPTED: Counter = Counter::new();
pub(crate) static REFUSED_CONNECTS: Counter = Counter::new();
static REPEATED: Table = Table::new();
static UNVERIFIED: Table = Table::new();
static DAMAGED: Table = Table::new();
static MESSAGES: Table = Table::new();
static BYTES: Table = Table::new();
static DROPPED: Table = Table::new();

/// In display order.
pub(crate) const ALL: &[Metric] = &[
    Metric::total(
        "heka_listen_acknowledged_messages_total",
        "Messages acknowledged",
        &ACKNOWLEDGED,
    )
    .word("acknowledged"),
    Metric::total_table(
        "heka_listen_repeated_messages_total",
        "Messages that came again",
        "listener",
        &REPEATED,
    )
    .word("repeated"),
    Metric::total_table(
        "heka_listen_unverified_messages_total",
        "Messages with a wrong or missing signature",
        "listener",
        &UNVERIFIED,
    ),
    Metric::total_table(
        "heka_listen_damaged_records_total",
        "Stretches of bytes that were not frames, and lost records",
        "listener",
        &DAMAGED,
    ),
    Metric::total("heka_listen_connects_total", "Connections accepted", &CONNECTS)
        .word("connections"),
    Metric::total("heka_listen_refused_claims_total", "Claims on streams refused", &CLAIMS_REFUSED)
        .word("claims refused"),
    Metric::total("heka_listen_refused_messages_total", "Messages refused", &REFUSED)
        .word("refused"),
    Metric::gauge("heka_listen_connections", "Senders connected now", &CONNECTED),
    Metric::total(
        "heka_listen_unaccepted_connections_total",
        "Connections that could not be accepted",
        &UNACCEPTED,
    ),
    Metric::total(
        "heka_listen_refused_connections_total",
        "Connections refused because their host has too many",
        &REFUSED_CONNECTS,
    ),
    Metric::total_table(
        "heka_listen_listener_messages_total",
        "Messages of each listener",
        "listener",
        &MESSAGES,
    ),
    Metric::total_table(
        "heka_listen_listener_read_bytes_total",
        "Bytes of each listener",
        "listener",
        &BYTES,
    ),
    Metric::total_table(
        "heka_listen_kernel_dropped_datagrams_total",
        "Datagrams that the kernel had no room for",
        "listener",
        &DROPPED,
    )
    .word_if_any("datagrams dropped"),
];

/// The outcome of received messages.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Number of messages accepted.
    pub(crate) messages: u64,
    /// Number of repeated messages.
    pub(crate) repeated: u64,
    /// Number of messages with a wrong or missing signature.
    pub(crate) unverified: u64,
    /// Number of stretches without frames, and of lost records.
    pub(crate) damaged: u64,
}

/// Counts of one listener.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals {
    messages: Arc<Counter>,
    bytes: Arc<Counter>,
    repeated: Arc<Counter>,
    unverified: Arc<Counter>,
    damaged: Arc<Counter>,
    /// Datagrams that the system dropped for lack of buffer space.
    dropped: Arc<Counter>,
}

impl Arrivals {
    pub(crate) fn of(listener: &Listener) -> Self {
        let name = listener.addr.to_string();
        let mut arrivals = Self::named(&name);
        if listener.addr.is_datagram() {
            arrivals.dropped = DROPPED.get(&name);
        }
        arrivals
    }

    /// Returns the counts of the listener with this name.
    pub(crate) fn named(name: &str) -> Self {
        Self {
            messages: MESSAGES.get(name),
            bytes: BYTES.get(name),
            repeated: REPEATED.get(name),
            unverified: UNVERIFIED.get(name),
            damaged: DAMAGED.get(name),
            dropped: Arc::default(),
        }
    }

    /// Adds received bytes, and the messages counted between `before` and `after`.
    pub(crate) fn add(&self, bytes: u64, before: Tally, after: Tally) {
        self.bytes.add(bytes);
        self.messages.add(after.messages - before.messages);
        self.repeated.add(after.repeated - before.repeated);
        self.unverified.add(after.unverified - before.unverified);
        self.damaged.add(after.damaged - before.damaged);
    }

    /// Adds dropped datagrams.
    pub(crate) fn drop(&self, count: u64) {
        self.dropped.add(count);
    }
}
