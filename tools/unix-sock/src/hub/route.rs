// SPDX-License-Identifier: MIT OR Apache-2.0
//! From standard input to the peers: who gets a record, and what if there is no room.

use std::time::Instant;

use heka_core::codec::Form;
use heka_core::report::Stop;
use heka_core::report::words::Count;

use super::{Hub, fail};
use crate::audience::Standing;
use crate::cli::{QueueFull, To};
use crate::peer::{Peer, Sending};
use crate::plan::Target;
use crate::queue::Chunk;
use crate::sink::{SLOW, Sink, UNSENT};
use crate::source::Delivery;

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
        let number = self.audience.only().filter(|_| is_for_all);
        let mut only = number.and_then(|number| self.peers.get_mut(&number));
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
            let number = only.facts.number;
            self.awake.insert(number);
            self.note(number);
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
        for number in self.audience.numbers() {
            if let Some(peer) = self.peers.get_mut(&number).filter(|peer| tell || !peer.receiving) {
                peer.sending = Sending::Ending;
                self.awake.insert(number);
                self.note(number);
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
                for number in self.audience.numbers() {
                    self.push(number, chunk.clone());
                }
            }
            Target::Peer(number) if self.peers.contains_key(&number) => self.push(number, chunk),
            Target::Peer(number) => {
                let lost = Count(chunk.records, "record");
                self.sink.lose_unsent(
                    UNSENT,
                    chunk.records,
                    format_args!("peer {number}"),
                    format_args!("not connected, {lost} not sent"),
                );
            }
        }
    }

    /// Takes note of what can be sent to a peer now.
    pub(super) fn note(&mut self, number: u64) {
        let peer = self.peers.get(&number);
        let standing = peer.map_or(Standing::Closed, |peer| peer.standing(self.plan));
        self.audience.note(number, standing);
    }

    fn push(&mut self, number: u64, chunk: Chunk) {
        let Some(peer) = self.peers.get_mut(&number) else { return };
        if peer.sending != Sending::Open {
            let lost = Count(chunk.records, "record");
            let cause = format_args!("takes no more, {lost} not sent");
            self.sink.lose_unsent(UNSENT, chunk.records, &peer.facts, cause);
            return;
        }
        if self.audience.leaves_behind(number, self.plan) {
            if self.plan.queue_full == QueueFull::Close {
                let records = peer.link.abandon() + chunk.records;
                let lost = Count(records, "record");
                let cause = format_args!("reads too slowly, connection closed, {lost} not sent");
                self.sink.lose_unsent(SLOW, records, &peer.facts, cause);
                peer.sending = Sending::Ended;
                peer.receiving = false;
                self.awake.insert(number);
                self.note(number);
            } else {
                let lost = Count(chunk.records, "record");
                let cause = format_args!("reads too slowly, {lost} dropped");
                self.sink.lose_unsent(SLOW, chunk.records, &peer.facts, cause);
            }
            return;
        }
        peer.link.push(chunk);
        self.awake.insert(number);
        self.note(number);
    }

    /// Whether a record from standard input would find somebody to go to, and room there.
    pub(super) fn wants_input(&self) -> bool {
        if !self.can_answer() {
            return false;
        }
        if self.audience.is_empty() {
            // With nobody there records wait; those for a certain peer that is gone are reported.
            let for_all = self.plan.to == To::All && self.plan.form == Form::Payload;
            return self.has_had_peers && !for_all && self.plan.server().is_some();
        }
        let only = self.audience.only().and_then(|only| self.peers.get(&only));
        let is_bulky = self.source.as_ref().is_some_and(|source| source.is_bulky);
        if is_bulky && only.is_some_and(|only| !only.writable) {
            // It goes on in the file when the peer takes more.
            return false;
        }
        self.audience.has_room(self.plan, |_| only.map_or(0, |only| only.link.cost()))
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
