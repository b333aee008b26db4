// SPDX-License-Identifier: MIT OR Apache-2.0
//! Senders of datagrams, which have no connections: each is known by the name that its socket is
//! bound to, or, if it has none, by its process.
//!
//! All of them share one socket. A sender that does not read what is sent back to it is not to keep
//! the others from being heard, so such records are dropped once its queue is full, also if nobody
//! else is known, unless `--queue-full=block` asks to wait for it.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use heka_core::os::Deadline;
use nix::errno::Errno;
use socket2::Socket;

use crate::facts::Facts;
use crate::link::{Link, Way};
use crate::packets::{self, Packet};
use crate::peers::Peers;

/// When to try again to send to a peer that had no room: the system gives no sign of it. Each time
/// in vain it is twice as long,
const RETRY: Duration = Duration::from_millis(1);
/// up to this.
const LONGEST_RETRY: Duration = Duration::from_millis(16);

/// So many ages of senders that are forgotten are not worth dropping.
const FEW: usize = 64;

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
    /// When each has sent something; it may have since.
    ages: BinaryHeap<Reverse<(Instant, u64)>>,
    /// How often to look for datagrams before they are waited for.
    looks: u8,
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
            ages: BinaryHeap::new(),
            looks: 0,
            newest: None,
            blocked: BTreeSet::new(),
            delay: RETRY,
            again: None,
        })
    }

    /// Reads datagrams that are there, each to the next multiple of `size` in `room`; `None` if there
    /// are none, and none are expected right away.
    pub(crate) fn receive(
        &mut self,
        room: &mut [u8],
        size: usize,
    ) -> nix::Result<Option<Vec<Packet>>> {
        match packets::receive_from(&self.socket, room, size) {
            Ok(packets) => {
                if packets.len() >= packets::MANY {
                    self.looks = packets::LOOKS;
                }
                Ok(Some(packets))
            }
            Err(Errno::EAGAIN) if self.looks > 0 => {
                self.looks -= 1;
                std::thread::yield_now();
                Ok(Some(Vec::new()))
            }
            Err(Errno::EAGAIN) => Ok(None),
            Err(Errno::EINTR) => Ok(Some(Vec::new())),
            Err(error) => Err(error),
        }
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
        self.ages.push(Reverse((Instant::now(), facts.number)));
        self.keys.insert(facts.number, key.clone());
        self.numbers.insert(key, facts.number);
        Link::new(Way::Shared(Rc::clone(&self.socket), addr), facts)
    }

    /// The one that has been silent for longest.
    pub(crate) fn oldest(&mut self, peers: &Peers<'_>) -> Option<u64> {
        while let Some(Reverse((since, number))) = self.ages.pop() {
            match peers.get(number).map(|peer| peer.link.moved) {
                // It has sent something meanwhile.
                Some(moved) if moved > since => self.ages.push(Reverse((moved, number))),
                Some(_) => return Some(number),
                None => {}
            }
        }
        None
    }

    /// Forgets one.
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
