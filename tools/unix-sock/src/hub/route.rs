// SPDX-License-Identifier: MIT OR Apache-2.0
//! From standard input to the peers: who gets a record, and what if there is no room.

use std::time::Instant;

use heka_core::exit::Stop;

use super::{Hub, Records, fail};
use crate::cli::{FormName, QueueFull, To};
use crate::link::Chunk;
use crate::peer::{Peer, Sending};
use crate::plan::Target;
use crate::sink::Sink;
use crate::source::Delivery;

/// What is queued for a single peer before standard input waits.
const SHORT_QUEUE: usize = 128 * 1024;

impl Hub<'_> {
    /// Takes records from standard input to their peers.
    pub(super) fn feed(&mut self) -> Result<(), Stop> {
        if !self.wants_input() {
            return Ok(());
        }
        let Some(source) = self.source.as_mut().filter(|source| source.is_ready) else {
            return Ok(());
        };
        let is_for_all = self.plan.target(None, None, None) == Target::All;
        let mut peers = self.peers.values_mut().filter(|peer| peer.sending == Sending::Open);
        let mut only = match (is_for_all, peers.next(), peers.next()) {
            (true, only, None) => only,
            _ => None,
        };
        if only.as_mut().is_some_and(|only| source.pass_bulk(only)) {
            return Ok(());
        }
        source.fill()?;
        let (has_ended, has_given) = (source.has_ended, source.has_given);
        if let Some(only) = only
            && let Some(len) = source.whole(&self.sink)
        {
            pass(only, source.input.data().get(..len).unwrap_or_default(), &mut self.sink);
            source.input.consume(len);
            self.awake.insert(only.facts.number);
        } else {
            let deliveries = source.take(&mut self.sink)?;
            self.deliver(deliveries);
        }
        if has_ended {
            self.end_input(has_given);
        }
        Ok(())
    }

    pub(super) fn deliver(&mut self, deliveries: Vec<Delivery>) {
        for Delivery { peer, chunk } in deliveries {
            self.route(peer, chunk);
        }
    }

    /// Standard input has ended: peers are told, unless it never was one (as with /dev/null).
    fn end_input(&mut self, has_given: bool) {
        let tell = has_given || self.plan.server().is_none();
        for (number, peer) in &mut self.peers {
            if (tell || !peer.receiving) && peer.sending == Sending::Open {
                peer.sending = Sending::Ending;
                self.awake.insert(*number);
            }
        }
        if self.plan.exit_on_eof {
            self.close();
        }
    }

    /// Puts a chunk into the queues of those that it is for.
    fn route(&mut self, peer: Option<u64>, chunk: Chunk) {
        match self.plan.target(peer, self.last, self.sink.origin) {
            Target::Nobody => {}
            Target::All => {
                let numbers: Vec<u64> = self.open_peers().map(|peer| peer.facts.number).collect();
                for number in numbers {
                    self.push(number, chunk.clone());
                }
            }
            Target::Peer(number) if self.peers.contains_key(&number) => self.push(number, chunk),
            Target::Peer(number) => self.sink.lose(
                format_args!("peer {number}"),
                format_args!("not connected, {} not sent", Records(chunk.records)),
            ),
        }
    }

    /// Peers that records can go to.
    fn open_peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values().filter(|peer| peer.sending == Sending::Open)
    }

    fn push(&mut self, number: u64, chunk: Chunk) {
        let is_full = |peer: &Peer| peer.link.cost() >= self.plan.queue_size;
        let is_left_behind = self.peers.get(&number).is_some_and(is_full)
            && self.plan.queue_full != QueueFull::Block
            && self.open_peers().take(2).count() > 1;
        let Some(peer) = self.peers.get_mut(&number) else { return };
        if peer.sending != Sending::Open {
            self.sink.lose(
                &peer.facts,
                format_args!("takes no more, {} not sent", Records(chunk.records)),
            );
            return;
        }
        if is_left_behind {
            let lost = Records(chunk.records);
            if self.plan.queue_full == QueueFull::Close {
                self.sink.lose(&peer.facts, "reads too slowly, connection closed");
                peer.link.abandon();
                peer.sending = Sending::Ended;
                peer.receiving = false;
                self.awake.insert(number);
            } else {
                self.sink.lose(&peer.facts, format_args!("reads too slowly, {lost} dropped"));
            }
            return;
        }
        peer.link.push(chunk);
        self.awake.insert(number);
    }

    /// Whether a record from standard input would find somebody to go to, and room there.
    pub(super) fn wants_input(&self) -> bool {
        if !self.can_answer() {
            return false;
        }
        let count = self.open_peers().count();
        if count == 0 {
            // With nobody there records wait; those for a certain peer that is gone are reported.
            let for_all = self.plan.to == To::All && self.plan.form == FormName::Payload;
            return self.has_had_peers && !for_all && self.plan.server().is_some();
        }
        let is_bulky = self.source.as_ref().is_some_and(|source| source.is_bulky);
        if is_bulky && self.open_peers().all(|peer| !peer.writable) {
            // It goes on in the file when the peer takes more.
            return false;
        }
        // A single peer is waited for, so what waits for it may as well stay in the pipe.
        let most = if count == 1 { SHORT_QUEUE } else { usize::MAX };
        let most = most.min(self.plan.queue_size);
        let mut rooms = self.open_peers().map(|peer| peer.link.cost() < most);
        match self.plan.queue_full {
            QueueFull::Block => rooms.all(|room| room),
            QueueFull::Drop | QueueFull::Close => rooms.any(|room| room),
        }
    }
}

/// Hands records that stand in memory as on the socket to the one peer there is.
fn pass(peer: &mut Peer, records: &[u8], sink: &mut Sink<'_>) {
    match peer.link.pass(records, sink.plan.wire) {
        Ok(took_all) => {
            peer.writable &= took_all;
            peer.moved = Instant::now();
        }
        Err(error) => fail(peer, sink, &error),
    }
}
