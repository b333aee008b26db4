// SPDX-License-Identifier: MIT OR Apache-2.0
//! The numbered streams of senders that ask for acknowledgements: how much of each has been
//! accepted, across all its connections.
//!
//! A stream belongs to the sender that proves possession of its key
//! ([`claim`](heka_core::delivery::claim)) or, without a proof, to one connection at a time from
//! one address. Anybody else who names it gets separate numbers, which count only for his
//! connection.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Instant;

use heka_core::delivery::claim::{Claim, NOBODY};
use heka_core::os::clock;
use heka_core::report;
use heka_core::wire::{Frame, Header};

use crate::numbers;
use crate::place::{Hold, Place};
use crate::relay::{Earlier, Relay, Relayed};
use crate::taken::{Id, Taken};

/// Maximum number of streams without a connection that are remembered. Every run of a sender
/// without a queue is one.
const MOST: usize = 65_536;
/// Added to the report of every refusal.
const CONSEQUENCE: &str = "its numbers count for this connection only";

/// Used for an invalid name.
const NAMELESS: Id = [0; 16];

/// The owner of a stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Owner {
    /// Whoever signs with this key.
    Key([u8; 32]),
    /// Whoever connects from this network, without a proof.
    Network(Rc<str>),
}

/// The accepted part of each stream.
#[derive(Debug)]
pub(crate) struct Streams {
    /// Identifies this process.
    run: Id,
    known: BTreeMap<(Id, Owner), Rc<Taken>>,
    /// Number of streams at which old ones are removed.
    full_at: usize,
    holders: u64,
    relay: Option<Relay>,
}

impl Streams {
    /// Creates the state with the streams in `relay`.
    pub(crate) fn new(relay: Option<Relay>) -> Self {
        let run = relay.as_ref().map_or_else(clock::random_uuid, Relay::run);
        Self { run, known: BTreeMap::new(), full_at: MOST, holders: 0, relay }
    }

    /// Returns the state of delivery by later stages, if that counts.
    pub(crate) fn relay(&self) -> Option<&Relay> {
        self.relay.as_ref()
    }

    /// Returns the state of delivery for updating it.
    pub(crate) fn relay_mut(&mut self) -> Option<&mut Relay> {
        self.relay.as_mut()
    }

    /// Handles a received frame, and returns its number if it has one. If the frame is accepted, so
    /// must be the number ([`Place::take`]).
    pub(crate) fn number(
        &mut self,
        place: &mut Place,
        frame: &Frame<'_>,
        peer: &str,
    ) -> Option<u64> {
        let Some(number) = frame.header.sequence.filter(|_| place.has_numbers()) else {
            return (!frame.is_signal()).then(|| place.count(1)).flatten();
        };
        // A frame without a message contains the number of the record before it.
        let before = if frame.is_signal() { number } else { number.saturating_sub(1) };
        self.bind(place, &frame.header, before, peer);
        if !place.stand(before, frame.offset) {
            let text = format_args!("number {number} is far ahead of what has come");
            refuse("numbers far ahead", peer, text);
            return None;
        }
        if place.is_over() {
            report::repeated(
                "missing messages",
                format_args!("{peer}: messages before {number} are missing, to be sent again"),
            );
            return None;
        }
        (!frame.is_signal()).then(|| place.count(1)).flatten()
    }

    /// Finds the stream that a connection continues after record `before`.
    fn bind(&mut self, place: &mut Place, header: &Header<'_>, before: u64, peer: &str) {
        let id = header.stream_id.and_then(|id| id.try_into().ok()).unwrap_or(NAMELESS);
        if place.is_of(&id) {
            return;
        }
        let known = if place.is_bound() {
            Err("a connection carries one stream")
        } else if id == NAMELESS {
            Ok(self.nobodys(peer))
        } else {
            self.claim(id, header, before, peer)
        };
        let taken = known.unwrap_or_else(|cause| {
            refuse(cause, peer, format_args!("{cause}: {CONSEQUENCE}"));
            self.nobodys(peer)
        });
        self.holders += 1;
        place.bind(id, self.run, Hold::new(taken, self.holders));
    }

    fn claim(
        &mut self,
        id: Id,
        header: &Header<'_>,
        before: u64,
        peer: &str,
    ) -> Result<Rc<Taken>, &'static str> {
        if header.claim.is_none() {
            return self.claim_unsigned(id, before, peer);
        }
        let Some(claim) = Claim::verified(header) else {
            return Err("the claim to a stream has a wrong signature");
        };
        let key = (id, Owner::Key(claim.owner));
        if let Some(taken) = self.known.get(&key) {
            if claim.at <= taken.claimed.get() {
                return Err("a claim to a stream was made before");
            }
            if self.is_heard_by(&claim) || taken.origin.get() == (claim.heard, before) {
                taken.claim(claim.at);
                // Records that were never sent cannot have been accepted.
                taken.rewind(claim.sent);
                return Ok(Rc::clone(taken));
            }
            // The state here may come from somebody who replays what the sender once told another
            // receiver: the sender has heard from that one since, and never from this one.
            taken.holder.set(0);
        }
        let taken = self.claim_earlier(&id, &claim, peer)?;
        taken.claim(claim.at);
        taken.rewind(claim.sent);
        taken.origin.set((claim.heard, before));
        self.remember(key, &taken, peer);
        Ok(taken)
    }

    /// Claims a stream that only an earlier process may have known.
    fn claim_earlier(&self, id: &Id, claim: &Claim, peer: &str) -> Result<Rc<Taken>, &'static str> {
        let owner = claim.owner.as_slice();
        let earlier = self.earlier(id, owner);
        if earlier.is_some_and(|earlier| claim.at <= earlier.claimed) {
            return Err("a claim to a stream was made before");
        }
        let earlier = earlier.filter(|_| self.is_heard_by(claim));
        Ok(Rc::new(self.taken(peer, id, owner, earlier)))
    }

    /// Whether its sender has heard from no other receiver since it heard from this one, if ever.
    fn is_heard_by(&self, claim: &Claim) -> bool {
        claim.heard == self.run || claim.heard == NOBODY
    }

    fn claim_unsigned(
        &mut self,
        id: Id,
        before: u64,
        peer: &str,
    ) -> Result<Rc<Taken>, &'static str> {
        let network = network(peer);
        let key = (id, Owner::Network(Rc::clone(&network)));
        match self.known.get(&key) {
            Some(taken) if Rc::strong_count(taken) > 1 => Err("a stream has a connection already"),
            Some(taken) if before > taken.last.get() => Err("a stream goes on ahead of its end"),
            Some(taken) => Ok(Rc::clone(taken)),
            None => {
                let earlier = self.earlier(&id, network.as_bytes());
                let earlier = earlier.filter(|earlier| before <= earlier.number);
                let taken = Rc::new(self.taken(peer, &id, network.as_bytes(), earlier));
                taken.claim(0);
                self.remember(key, &taken, peer);
                Ok(taken)
            }
        }
    }

    /// Returns the state of a stream that an earlier process knew.
    fn earlier(&self, id: &Id, owner: &[u8]) -> Option<Earlier> {
        self.relay.as_ref()?.earlier(&Relayed::key(id, owner))
    }

    /// Creates a stream of this owner, which continues after `earlier`.
    fn taken(&self, peer: &str, id: &Id, owner: &[u8], earlier: Option<Earlier>) -> Taken {
        let relayed =
            self.relay.is_some().then(|| Relayed::new(&self.run, Relayed::key(id, owner), earlier));
        let last = Cell::new(earlier.map_or(0, |earlier| earlier.number));
        Taken { last, relayed, ..Taken::new(network(peer)) }
    }

    /// Creates a stream whose numbers count for one connection only.
    fn nobodys(&self, peer: &str) -> Rc<Taken> {
        let taken = self.taken(peer, &clock::random_uuid(), &[], None);
        taken.claim(0);
        Rc::new(taken)
    }

    fn remember(&mut self, key: (Id, Owner), taken: &Rc<Taken>, peer: &str) {
        let first = (key.0, Owner::Key([0; 32]));
        let other = self.known.range(first..).find(|(known, _)| **known != key);
        if other.is_some_and(|((id, _), _)| *id == key.0) {
            let cause = "a stream of another sender";
            refuse(cause, peer, format_args!("{cause}: the numbers of each are its own"));
        }
        if self.known.len() >= self.full_at {
            self.forget();
        }
        self.known.insert(key, Rc::clone(taken));
    }

    /// Forgets streams without a connection if there are too many: the oldest of those networks
    /// that have most, so that nobody can push out the streams of others by having many.
    fn forget(&mut self) {
        let idle = self.known.iter().filter(|(_, taken)| Rc::strong_count(taken) == 1);
        let mut idle: Vec<_> = idle
            .map(|(key, taken)| (Rc::clone(&taken.network), Reverse(taken.left.get()), key.clone()))
            .collect();
        idle.sort_unstable();
        let mut rank = 0;
        let mut before: Option<Rc<str>> = None;
        let ranked = idle.into_iter().map(|(network, left, key)| {
            rank = if before.as_ref() == Some(&network) { rank + 1 } else { 0 };
            before = Some(network);
            (rank, left, key)
        });
        let mut ranked: Vec<(usize, Reverse<Instant>, (Id, Owner))> = ranked.collect();
        ranked.sort_unstable();
        for (_, _, key) in ranked.drain(ranked.len().min(MOST / 4 * 3)..) {
            self.known.remove(&key);
        }
        self.full_at = self.known.len() + MOST / 4;
    }
}

/// Reports a frame that does not count for a stream.
fn refuse(kind: &str, peer: &str, text: std::fmt::Arguments<'_>) {
    numbers::CLAIMS_REFUSED.add(1);
    report::repeated(kind, format_args!("{peer}: {text}"));
}

/// Returns the part of a peer's address that it cannot choose: for IPv6 the first half.
pub(crate) fn network(peer: &str) -> Rc<str> {
    match peer.parse::<SocketAddr>().map(|addr| addr.ip()) {
        Ok(IpAddr::V6(ip)) => {
            let bits = ip.to_bits() >> 64 << 64;
            std::net::Ipv6Addr::from_bits(bits).to_string().into()
        }
        Ok(ip) => ip.to_string().into(),
        Err(_) => peer.into(),
    }
}

#[cfg(test)]
mod tests;
