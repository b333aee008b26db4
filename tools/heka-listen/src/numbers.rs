// SPDX-License-Identifier: MIT OR Apache-2.0
//! What heka-listen counts.

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

/// In the order in which they are shown.
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

/// What has become of what came in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    /// Messages that were taken.
    pub(crate) messages: u64,
    /// That had come before.
    pub(crate) repeated: u64,
    /// Whose signature is wrong or missing.
    pub(crate) unverified: u64,
    /// Stretches without frames, and lost records.
    pub(crate) damaged: u64,
}

/// What one listener accepts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals {
    messages: Arc<Counter>,
    bytes: Arc<Counter>,
    repeated: Arc<Counter>,
    unverified: Arc<Counter>,
    damaged: Arc<Counter>,
    /// Datagrams that the system had no room for.
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

    /// Of whom is called that.
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

    /// So many datagrams more were dropped.
    pub(crate) fn drop(&self, count: u64) {
        self.dropped.add(count);
    }
}
