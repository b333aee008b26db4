// SPDX-License-Identifier: MIT OR Apache-2.0
//! All peers, and the routing of records to them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use heka_core::codec::Form;
use heka_core::os::Deadline;
use heka_core::report::words::{IDLE, Span};
use heka_core::report::{self, Stop};

use crate::address::Recipients;
use crate::audience::{Audience, Standing};
use crate::batch::Delivery;
use crate::bulk;
use crate::cli::To;
use crate::inbound::Fate;
use crate::memory::Memory;
use crate::numbers;
use crate::peer::{Peer, Sending};
use crate::plan::{Plan, Target};
use crate::queue::Chunk;
use crate::sink::Sink;
use crate::source::Source;

/// Peers by number.
#[derive(Debug)]
pub(crate) struct Peers<'a> {
    plan: &'a Plan,
    all: BTreeMap<u64, Peer>,
    /// Peers that may have something to do.
    awake: BTreeSet<u64>,
    /// Peers that records can be sent to.
    audience: Audience,
    /// The newest connection.
    last: Option<u64>,
    /// No time limit is reached before this.
    next_limit: Deadline,
    memory: Memory,
}

impl<'a> Peers<'a> {
    /// Creates the state without peers.
    pub(crate) fn new(plan: &'a Plan) -> Self {
        let (all, awake) = (BTreeMap::new(), BTreeSet::new());
        let memory = Memory::new(plan.max_memory);
        let audience = Audience::default();
        Self { plan, all, awake, audience, last: None, next_limit: None, memory }
    }

    /// Adds a peer.
    pub(crate) fn add(&mut self, peer: Peer) -> &mut Peer {
        peer.link.facts.introduce();
        let number = peer.number();
        self.last = Some(number);
        self.next_limit = Some(Instant::now());
        self.awake.insert(number);
        self.audience.note(number, peer.standing(self.plan));
        numbers::CONNECTS.add(1);
        numbers::PEERS.set(self.all.len() as u64 + 1);
        self.all.entry(number).or_insert(peer)
    }

    /// Removes a peer.
    pub(crate) fn remove(&mut self, number: u64) -> Option<Peer> {
        self.awake.remove(&number);
        self.audience.note(number, Standing::Closed);
        let peer = self.all.remove(&number)?;
        self.memory.note(number, peer.unfinished_len(), 0);
        numbers::PEERS.set(self.all.len() as u64);
        report::note(format_args!("{}: closed", peer.link.facts));
        Some(peer)
    }

    /// Returns a peer by number.
    pub(crate) fn get(&self, number: u64) -> Option<&Peer> {
        self.all.get(&number)
    }

    /// Returns a peer by number, for changes.
    pub(crate) fn get_mut(&mut self, number: u64) -> Option<&mut Peer> {
        self.all.get_mut(&number)
    }

    /// Returns all peers.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Peer> {
        self.all.values_mut()
    }

    /// Returns the number of peers.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// Notes that a peer may have something to do.
    pub(crate) fn wake(&mut self, number: u64) {
        self.awake.insert(number);
    }

    /// Notes that all peers may have something to do.
    pub(crate) fn wake_all(&mut self) {
        self.awake.extend(self.all.keys());
    }

    /// Takes the numbers of peers that may have something to do.
    pub(crate) fn take_awake(&mut self) -> BTreeSet<u64> {
        std::mem::take(&mut self.awake)
    }

    /// Whether any peer may be read.
    pub(crate) fn want_reading(&self) -> bool {
        self.any_to_read(|peer| self.memory.admits(peer.number(), peer.unfinished_len()))
    }

    fn any_to_read(&self, is_meant: impl Fn(&Peer) -> bool) -> bool {
        let mut awake = self.awake.iter().filter_map(|number| self.all.get(number));
        awake.any(|peer| peer.wants_reading(self.plan) && is_meant(peer))
    }

    /// Returns the peer that may finish a long record, and until when, if others wait for memory.
    fn favoured(&self) -> Option<(u64, Instant)> {
        let waits = |peer: &Peer| !self.memory.admits(peer.number(), peer.unfinished_len());
        self.memory.favoured().filter(|_| self.any_to_read(waits))
    }

    /// Reads a peer that may be read and has data.
    pub(crate) fn read(
        &mut self,
        number: u64,
        sink: &mut Sink<'_>,
        scratch: &mut [u8],
    ) -> Result<(), Stop> {
        let peer = self.all.get_mut(&number).filter(|peer| peer.wants_reading(self.plan));
        let Some(peer) = peer else { return Ok(()) };
        let before = peer.unfinished_len();
        let Some(room) = self.memory.room(number, before) else { return Ok(()) };
        let most = match peer.link.has_packets() {
            true => scratch.len(),
            false => scratch.len().min(room.saturating_add(before)),
        };
        let read = peer.read(sink, scratch.get_mut(..most).unwrap_or_default());
        self.memory.note(number, before, peer.unfinished_len());
        read
    }

    /// Returns the peers that records can be sent to.
    pub(crate) fn audience(&self) -> &Audience {
        &self.audience
    }

    /// Notes the state of a peer after its turn.
    pub(crate) fn note(&mut self, number: u64) {
        let Some(peer) = self.all.get(&number) else { return };
        self.audience.note(number, peer.standing(self.plan));
        if peer.is_readable() {
            self.awake.insert(number);
        }
        if self.plan.linger.is_some() && peer.is_half_closed() {
            self.next_limit = Some(Instant::now());
        }
        let record = peer.record_deadline(self.plan);
        self.next_limit = self.next_limit.into_iter().chain(record).min();
    }

    /// Returns when the first time limit is reached.
    pub(crate) fn deadline(&self) -> Deadline {
        let favoured = self.favoured().map(|(_, end)| end);
        self.next_limit.into_iter().chain(favoured).min()
    }

    /// Takes the peers that have reached a time limit.
    pub(crate) fn take_expired(&mut self) -> Result<Vec<u64>, Stop> {
        let now = Instant::now();
        let mut expired = Vec::new();
        if let Some((number, end)) = self.favoured()
            && end <= now
            && let Some(peer) = self.all.get_mut(&number)
        {
            give_up(peer, Fate::Slow, self.plan);
            expired.push(number);
        }
        if self.next_limit.is_none_or(|limit| limit > now) {
            return Ok(expired);
        }
        self.next_limit = None;
        let plan = self.plan;
        if plan.idle_timeout.is_none() && plan.linger.is_none() && plan.record_timeout.is_none() {
            return Ok(expired);
        }
        for peer in self.all.values_mut() {
            match peer.deadline(self.plan)? {
                Some((end, fate)) if end <= now => {
                    give_up(peer, fate, plan);
                    expired.push(peer.number());
                }
                Some((end, _)) => {
                    self.next_limit = self.next_limit.into_iter().chain([end]).min();
                }
                None => {}
            }
        }
        Ok(expired)
    }

    /// Lets these peers be written to again.
    pub(crate) fn let_write(&mut self, numbers: BTreeSet<u64>) {
        for number in numbers {
            if let Some(peer) = self.all.get_mut(&number) {
                peer.link.writable = true;
                self.wake(number);
            }
        }
    }

    /// Returns the peer that all records go to, if there is only one.
    fn only(&self) -> Option<u64> {
        let is_for_all = self.plan.target(Recipients::Unnamed, None, None) == Target::All;
        self.audience.only().filter(|_| is_for_all)
    }

    /// Whether a record from standard input would have a destination with room.
    pub(crate) fn want_input(&self, source: &Source) -> bool {
        if source.has_ended {
            return false;
        }
        if self.audience.is_empty() {
            // Without peers, records wait; those for a certain peer that is gone are reported.
            let for_all = self.plan.to == To::All && self.plan.formats.form == Form::Payload;
            return self.last.is_some() && !for_all && self.plan.server().is_some();
        }
        let only = self.only().and_then(|only| self.all.get(&only));
        if source.is_bulky && only.is_some_and(|only| !only.link.writable) {
            // Continues in the file when the peer accepts more.
            return false;
        }
        let cost = |number| self.all.get(&number).map_or(0, |peer| peer.link.cost());
        self.audience.has_room(self.plan, cost)
    }

    /// Routes records from standard input.
    pub(crate) fn feed(&mut self, source: &mut Source, sink: &mut Sink<'_>) -> Result<(), Stop> {
        let mut only = self.only().and_then(|only| self.all.get_mut(&only));
        if only.as_mut().is_some_and(|only| bulk::send_file(source, &mut only.link)) {
            return Ok(());
        }
        source.fill()?;
        if let Some(only) = only
            && let Some(len) = source.whole(sink)
        {
            // Their form in memory is that on the socket.
            let records = source.input.data().get(..len).unwrap_or_default();
            if let Err(error) = only.link.pass(records, self.plan.formats.wire) {
                only.fail(sink, &error);
            }
            source.input.consume(len);
            let number = only.number();
            self.wake(number);
            self.note(number);
        } else {
            let deliveries = source.take(sink)?;
            self.deliver(deliveries, sink);
        }
        Ok(())
    }

    /// Routes records from standard input that are complete without more data; returns whether
    /// there are any.
    pub(crate) fn settle(
        &mut self,
        source: &mut Source,
        sink: &mut Sink<'_>,
    ) -> Result<bool, Stop> {
        let deliveries = source.settle(sink)?;
        let has_some = !deliveries.is_empty();
        self.deliver(deliveries, sink);
        Ok(has_some)
    }

    /// Queues records for their peers.
    pub(crate) fn deliver(&mut self, deliveries: Vec<Delivery>, sink: &mut Sink<'_>) {
        for Delivery { to, chunk } in deliveries {
            match self.plan.target(to, self.last, sink.origin) {
                Target::Peer(number) => self.push(number, chunk, sink),
                Target::Peers(numbers) => self.push_all(numbers, &chunk, sink),
                Target::All => self.push_all(self.audience.numbers(), &chunk, sink),
            }
        }
    }

    fn push_all(
        &mut self,
        numbers: impl IntoIterator<Item = u64>,
        chunk: &Chunk,
        sink: &mut Sink<'_>,
    ) {
        for number in numbers {
            self.push(number, chunk.clone(), sink);
        }
    }

    /// Handles the end of standard input: ends writing to each peer, or only to those that have
    /// ended theirs.
    pub(crate) fn end_input(&mut self, tells_all: bool) {
        for number in self.audience.numbers() {
            let peer = self.all.get_mut(&number);
            if let Some(peer) = peer.filter(|peer| tells_all || peer.has_ended()) {
                peer.sending = Sending::Ending;
                self.wake(number);
                self.note(number);
            }
        }
    }

    fn push(&mut self, number: u64, chunk: Chunk, sink: &mut Sink<'_>) {
        let is_left = self.audience.leaves_behind(number, self.plan);
        if let Some(peer) = self.all.get_mut(&number) {
            peer.push(chunk, is_left, sink);
            self.wake(number);
            self.note(number);
        } else {
            sink.lose_unsent(chunk.records, format_args!("peer {number}"), "not connected");
        }
    }
}

/// Handles a peer that reached a time limit.
fn give_up(peer: &mut Peer, fate: Fate, plan: &Plan) {
    let facts = &peer.link.facts;
    match fate {
        Fate::Idle => report::note(format_args!("{facts}: {IDLE}, closed")),
        Fate::Unfinished => {
            let limit = Span(plan.record_timeout.unwrap_or_default());
            let text = format_args!("{facts}: record unfinished for {limit}, closed");
            report::repeated("--record-timeout", text);
        }
        Fate::Slow => {
            let text = format_args!("{facts}: unfinished record while others wait, closed");
            report::repeated("--max-memory, connections closed", text);
        }
        Fate::Connected | Fate::HungUp | Fate::Reset => {}
    }
    peer.inbound.worsen(fate);
}
