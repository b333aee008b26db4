// SPDX-License-Identifier: MIT OR Apache-2.0
//! Senders of datagrams, which have no connections: each is known by the name that its socket is
//! bound to, or, if it has none, by its process. All of them share one socket.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use heka_core::os::Deadline;
use socket2::Socket;

use crate::facts::Facts;
use crate::link::{Link, Way};
use crate::packets::Packet;

/// When to try again to send to a peer that had no room: the system gives no sign of it. Each time
/// in vain it is twice as long,
const RETRY: Duration = Duration::from_millis(1);
/// up to this.
const LONGEST_RETRY: Duration = Duration::from_millis(16);

/// How a sender is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// By the name of its socket, which is where it can be answered.
    Name(Vec<u8>),
    /// By its number.
    Process(i32),
}

impl Key {
    /// That of who has sent a datagram.
    fn of(packet: &Packet) -> Self {
        let pid = packet.credentials.map(|credentials| credentials.pid());
        let name = packet.addr.and_then(|addr| {
            let path = addr.path().map(|path| path.as_os_str().as_encoded_bytes().to_vec());
            path.or_else(|| addr.as_abstract().map(|name| [b"\0", name].concat()))
        });
        name.map_or(Self::Process(pid.unwrap_or_default()), Self::Name)
    }
}

/// The socket, and who is known.
#[derive(Debug)]
pub(crate) struct Datagrams {
    pub(crate) socket: Rc<Socket>,
    numbers: HashMap<Key, u64>,
    keys: HashMap<u64, Key>,
    /// The newest datagram of somebody known, who often sends the next one, too.
    newest: Option<(Packet, u64)>,
    /// Those whose sockets had no room, and when to try again.
    blocked: BTreeSet<u64>,
    delay: Duration,
    again: Deadline,
}

impl Datagrams {
    /// Nobody is known.
    pub(crate) fn new(socket: Socket) -> io::Result<Self> {
        socket.set_passcred(true)?;
        Ok(Self {
            socket: Rc::new(socket),
            numbers: HashMap::new(),
            keys: HashMap::new(),
            newest: None,
            blocked: BTreeSet::new(),
            delay: RETRY,
            again: None,
        })
    }

    /// The number of who has sent a datagram, if it is known.
    pub(crate) fn sender(&mut self, packet: &Packet) -> Option<u64> {
        let newest = self
            .newest
            .filter(|(of, _)| (of.addr, of.credentials) == (packet.addr, packet.credentials));
        if let Some((_, number)) = newest {
            return Some(number);
        }
        let number = *self.numbers.get(&Key::of(packet))?;
        self.newest = Some((*packet, number));
        Some(number)
    }

    /// The way to who has sent one first.
    pub(crate) fn add(&mut self, packet: &Packet, facts: Facts) -> Link {
        let key = Key::of(packet);
        let addr = packet.addr.filter(|_| matches!(key, Key::Name(_)));
        self.keys.insert(facts.number, key.clone());
        self.numbers.insert(key, facts.number);
        Link::new(Way::Shared(Rc::clone(&self.socket), addr), facts)
    }

    /// Forgets one.
    pub(crate) fn forget(&mut self, number: u64) {
        self.blocked.remove(&number);
        self.newest = None;
        if let Some(key) = self.keys.remove(&number) {
            self.numbers.remove(&key);
        }
    }

    /// Takes note of how sending to one went.
    pub(crate) fn note(&mut self, number: u64, has_sent: bool, is_drained: bool) {
        if has_sent {
            self.delay = RETRY;
        }
        if !is_drained {
            self.blocked.insert(number);
            self.again.get_or_insert(Instant::now() + self.delay);
        }
    }

    /// When to try again.
    pub(crate) fn deadline(&self) -> Deadline {
        self.again
    }

    /// Those for whom it is time to.
    pub(crate) fn take_due(&mut self) -> BTreeSet<u64> {
        if self.again.is_none_or(|again| again > Instant::now()) {
            return BTreeSet::new();
        }
        self.again = None;
        self.delay = (2 * self.delay).min(LONGEST_RETRY);
        std::mem::take(&mut self.blocked)
    }
}
