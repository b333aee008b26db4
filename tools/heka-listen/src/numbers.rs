// SPDX-License-Identifier: MIT OR Apache-2.0
//! What heka-listen counts.

use std::collections::HashMap;
use std::os::fd::AsFd as _;
use std::sync::{Arc, Mutex, PoisonError};

use heka_core::net::Listener;
use heka_core::report::stats::{Counter, Metric, Table, Values};
use nix::sys::stat::fstat;

pub(crate) static CONFIRMED: Counter = Counter::new();
pub(crate) static REPEATED: Counter = Counter::new();
pub(crate) static CONNECTS: Counter = Counter::new();
pub(crate) static CLAIMS_REFUSED: Counter = Counter::new();
pub(crate) static REFUSED: Counter = Counter::new();
pub(crate) static CONNECTED: Counter = Counter::new();
pub(crate) static UNACCEPTED: Counter = Counter::new();
static MESSAGES: Table = Table::new();
static BYTES: Table = Table::new();
/// Sockets for datagrams: address and inode.
static DATAGRAMS: Mutex<Vec<(String, u64)>> = Mutex::new(Vec::new());

/// In the order in which they are told.
pub(crate) const ALL: &[Metric] = &[
    Metric::total("heka_listen_acknowledged_messages_total", "Messages acknowledged", &CONFIRMED)
        .word("confirmed"),
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
    Metric::total_each(
        "heka_listen_kernel_dropped_datagrams_total",
        "Datagrams that the kernel had no room for",
        "listener",
        put_dropped,
    ),
];

/// What comes in by one listener.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arrivals {
    messages: Arc<Counter>,
    bytes: Arc<Counter>,
}

impl Arrivals {
    pub(crate) fn of(listener: &Listener) -> Self {
        let name = listener.addr.to_string();
        if listener.addr.is_datagram()
            && let Ok(stat) = fstat(listener.as_fd())
        {
            let mut sockets = DATAGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
            sockets.push((name.clone(), stat.st_ino));
        }
        Self::named(&name)
    }

    /// Of whom is called that.
    pub(crate) fn named(name: &str) -> Self {
        Self { messages: MESSAGES.get(name), bytes: BYTES.get(name) }
    }

    pub(crate) fn add(&self, messages: u64, bytes: u64) {
        self.messages.add(messages);
        self.bytes.add(bytes);
    }
}

/// The kernel tells what it dropped in its list of sockets, where that can be read.
fn put_dropped(values: &mut Values) {
    let sockets = DATAGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    if sockets.is_empty() {
        return;
    }
    let lists = ["/proc/net/udp", "/proc/net/udp6"].map(std::fs::read_to_string);
    let lists: Vec<_> = lists.into_iter().flatten().collect();
    let dropped: HashMap<u64, u64> =
        lists.iter().flat_map(|list| list.lines()).filter_map(parse_socket).collect();
    for (name, inode) in sockets.iter() {
        if let Some(dropped) = dropped.get(inode) {
            values.put(name, *dropped);
        }
    }
}

/// Inode and drops of a line of /proc/net/udp: the tenth and the last column.
fn parse_socket(line: &str) -> Option<(u64, u64)> {
    let mut columns = line.split_ascii_whitespace();
    let inode = columns.nth(9)?.parse().ok()?;
    Some((inode, columns.last()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernels_list_tells_what_it_dropped() {
        let line = " 1234: 0100007F:0202 00000000:0000 07 00000000:00000000 00:00000000 00000000 \
                    0        0 5678 2 0000000000000000 42";
        assert_eq!(super::parse_socket(line), Some((5678, 42)));
        assert_eq!(super::parse_socket("  sl  local_address rem_address   st tx_queue"), None);
    }
}
