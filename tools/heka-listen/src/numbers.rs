// SPDX-License-Identifier: MIT OR Apache-2.0
//! What heka-listen counts.

use std::sync::Arc;

use heka_core::net::Listener;
use heka_core::report::stats::{Counter, Metric, Table};

pub(crate) static ACKNOWLEDGED: Counter = Counter::new();
pub(crate) static REPEATED: Counter = Counter::new();
pub(crate) static CONNECTS: Counter = Counter::new();
pub(crate) static CLAIMS_REFUSED: Counter = Counter::new();
pub(crate) static REFUSED: Counter = Counter::new();
pub(crate) static CONNECTED: Counter = Counter::new();
pub(crate) static UNACCEPTED: Counter = Counter::new();
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
    Metric::total("heka_listen_repeated_messages_total", "Messages that came again", &REPEATED)
        .word("repeated"),
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

/// What one listener accepts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals {
    messages: Arc<Counter>,
    bytes: Arc<Counter>,
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
        let dropped = Arc::default();
        Self { messages: MESSAGES.get(name), bytes: BYTES.get(name), dropped }
    }

    pub(crate) fn add(&self, messages: u64, bytes: u64) {
        self.messages.add(messages);
        self.bytes.add(bytes);
    }

    /// So many datagrams more were dropped.
    pub(crate) fn drop(&self, count: u64) {
        self.dropped.add(count);
    }
}
