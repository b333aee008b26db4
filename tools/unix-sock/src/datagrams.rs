// SPDX-License-Identifier: MIT OR Apache-2.0
//! Senders of datagrams, which have no connections: each is identified by the name that its socket
//! is bound to, or otherwise by its process.
//!
//! All of them share one socket. A sender that does not read what is sent back to it must not keep
//! the others from being read, so such records are dropped once its queue is full, even if it is
//! the only sender, unless `--queue-full=block` asks to wait.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use heka_core::os::Deadline;
use nix::errno::Errno;
use nix::poll::PollFlags;
use socket2::Socket;

use crate::facts::Facts;
use crate::link::{Link, Way};
use crate::looks::Looks;
use crate::packets::{self, Packet};
use crate::peers::Peers;

/// Initial delay before another attempt to send to a peer without room, which the system does not
/// report. Doubled after each failure.
const RETRY: Duration = Duration::from_millis(1);
/// Maximum delay.
const LONGEST_RETRY: Duration = Duration::from_millis(16);

/// A smaller number of entries for forgotten senders is not worth removing.
const FEW: usize = 64;

/// The identity of a sender.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    /// The name of its socket, at which it can be answered.
    Name(Vec<u8>),
    /// Its process number.
    Process(i32),
}

impl Key {
    /// Returns the identity of a datagram's sender.
    fn of(packet: &Packet) -> Self {
        let pid = packet.credentials.map(|credentials| credentials.pid());
        let name = packet.addr.and_then(|addr| {
            let path = addr.path().map(|path| path.as_os_str().as_encoded_bytes().to_vec());
            path.or_else(|| addr.as_abstract().map(|name| [b"\0", name].concat()))
        });
        name.map_or(Self::Process(pid.unwrap_or_default()), Self::Name)
    }
}

/// The socket, and the known senders.
#[derive(Debug)]
pub(crate) struct Datagrams {
    pub(crate) socket: Rc<Socket>,
    numbers: HashMap<Key, u64>,
    keys: HashMap<u64, Key>,
    /// When each sender last sent something, or earlier.
    ages: BinaryHeap<Reverse<(Instant, u64)>>,
    looks: Looks,
    /// The newest datagram of a known sender, which often sends the next one too.
    newest: Option<(Packet, u64)>,
    /// Peers whose sockets had no room, and the time of the next attempt.
    blocked: BTreeSet<u64>,
    delay: Duration,
    again: Deadline,
}

impl Datagrams {
    /// Creates the state without senders.
    pub(crate) fn new(socket: Socket) -> io::Result<Self> {
        socket.set_passcred(true)?;
        Ok(Self {
            socket: Rc::new(socket),
            numbers: HashMap::new(),
            keys: HashMap::new(),
            ages: BinaryHeap::new(),
            looks: Looks::default(),
            newest: None,
            blocked: BTreeSet::new(),
            delay: RETRY,
            again: None,
        })
    }

    /// Reads the available datagrams, each to the next multiple of `size` in `room`; `None` if
    /// there are none, and none are expected soon.
    pub(crate) fn receive(
        &mut self,
        room: &mut [u8],
        size: usize,
    ) -> nix::Result<Option<Vec<Packet>>> {
        match packets::receive_from(&self.socket, room, size) {
            Ok(packets) => {
                if packets.len() >= packets::MANY {
                    self.looks.expect();
                }
                Ok(Some(packets))
            }
            Err(Errno::EAGAIN) => {
                let is_there = self.looks.find(&*self.socket, PollFlags::POLLIN);
                Ok(is_there.then(Vec::new))
            }
            Err(Errno::EINTR) => Ok(Some(Vec::new())),
            Err(error) => Err(error),
        }
    }

    /// Returns the number of a datagram's sender, if known.
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

    /// Adds the sender of a first datagram, and returns the link to it.
    pub(crate) fn add(&mut self, packet: &Packet, facts: Facts) -> Link {
        let key = Key::of(packet);
        let addr = packet.addr.filter(|_| matches!(key, Key::Name(_)));
        self.ages.push(Reverse((Instant::now(), facts.number)));
        self.keys.insert(facts.number, key.clone());
        self.numbers.insert(key, facts.number);
        Link::new(Way::Shared(Rc::clone(&self.socket), addr), facts)
    }

    /// Returns the sender that has been silent longest.
    pub(crate) fn oldest(&mut self, peers: &Peers<'_>) -> Option<u64> {
        while let Some(Reverse((since, number))) = self.ages.pop() {
            match peers.get(number).map(|peer| peer.link.moved) {
                // It has sent something since.
                Some(moved) if moved > since => self.ages.push(Reverse((moved, number))),
                Some(_) => return Some(number),
                None => {}
            }
        }
        None
    }

    /// Forgets a sender.
    pub(crate) fn forget(&mut self, number: u64) {
        self.blocked.remove(&number);
        self.newest = None;
        if let Some(key) = self.keys.remove(&number) {
            self.numbers.remove(&key);
        }
        if self.ages.len() > 2 * self.keys.len() + FEW {
            self.ages.retain(|Reverse((_, number))| self.keys.contains_key(number));
        }
    }

    /// Notes the result of sending to a peer.
    pub(crate) fn note(&mut self, number: u64, has_sent: bool, is_drained: bool) {
        if has_sent {
            self.delay = RETRY;
        }
        if !is_drained {
            self.blocked.insert(number);
            self.again.get_or_insert(Instant::now() + self.delay);
        }
    }

    /// Returns when to try again.
    pub(crate) fn deadline(&self) -> Deadline {
        self.again
    }

    /// Takes the peers for which it is time to try again.
    pub(crate) fn take_due(&mut self) -> BTreeSet<u64> {
        if self.again.is_none_or(|again| again > Instant::now()) {
            return BTreeSet::new();
        }
        self.again = None;
        self.delay = (2 * self.delay).min(LONGEST_RETRY);
        std::mem::take(&mut self.blocked)
    }
}
