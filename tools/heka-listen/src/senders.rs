// SPDX-License-Identifier: MIT OR Apache-2.0
//! The connected senders, each in a slot of its own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::rc::Rc;

use heka_core::net::{Fault, FaultKind, tls};
use heka_core::report;
use heka_core::report::words::Count;

use crate::connection::Connection;
use crate::numbers;
use crate::programs::End;
use crate::streams::network;

/// The connected senders.
#[derive(Debug, Default)]
pub(crate) struct Senders {
    places: Vec<Option<Connection>>,
    free: Vec<usize>,
    count: usize,
    /// Number of bytes of their unfinished records.
    held: usize,
    /// Number of connections of each host.
    hosts: HashMap<Rc<str>, usize>,
    /// Programs whose connections have ended.
    ended: Vec<End>,
}

impl Senders {
    /// Returns the number of senders.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Returns the number of bytes of their unfinished records.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Updates the count for the sender in this slot.
    pub(crate) fn recount(&mut self, place: usize) {
        if let Some(connection) = self.places.get_mut(place).and_then(Option::as_mut) {
            let held = connection.held();
            self.held = self.held - connection.counted + held;
            connection.counted = held;
        }
    }

    /// Returns the number of connections of a peer's host.
    pub(crate) fn count_of(&self, peer: &str) -> usize {
        self.hosts.get(&network(peer)).copied().unwrap_or(0)
    }

    /// Returns all slots, in use or not.
    pub(crate) fn places(&self) -> std::ops::Range<usize> {
        0..self.places.len()
    }

    pub(crate) fn get(&mut self, place: usize) -> Option<&mut Connection> {
        self.places.get_mut(place)?.as_mut()
    }

    /// Returns the slot for the next sender.
    pub(crate) fn next_place(&self) -> usize {
        self.free.last().copied().unwrap_or(self.places.len())
    }

    /// Puts a connection into the next slot.
    pub(crate) fn add(&mut self, connection: Connection) {
        self.count += 1;
        *self.hosts.entry(network(&connection.peer)).or_default() += 1;
        numbers::CONNECTED.set(self.count as u64);
        match self.free.pop().and_then(|place| self.places.get_mut(place)) {
            Some(place) => *place = Some(connection),
            None => self.places.push(Some(connection)),
        }
    }

    /// Whether nothing is left to take with [`Senders::take_ended`].
    pub(crate) fn are_all_told(&self) -> bool {
        self.ended.is_empty()
    }

    /// Takes the programs whose connections have ended since the last call.
    pub(crate) fn take_ended(&mut self) -> Vec<End> {
        std::mem::take(&mut self.ended)
    }

    /// Removes a connection that has ended.
    pub(crate) fn part(&mut self, place: usize, error: Option<&std::io::Error>) {
        let Some(connection) = self.places.get_mut(place).and_then(Option::take) else {
            return;
        };
        self.free.push(place);
        self.count -= 1;
        self.held -= connection.counted;
        if let Entry::Occupied(mut host) = self.hosts.entry(network(&connection.peer)) {
            *host.get_mut() -= 1;
            if *host.get() == 0 {
                host.remove();
            }
        }
        numbers::CONNECTED.set(self.count as u64);
        match error {
            None if connection.acknowledged > 0 => {
                let count = Count(connection.acknowledged, "message");
                report::note(format_args!("{}: closed, {count} acknowledged", connection.peer));
            }
            None => report::note(format_args!("{}: closed", connection.peer)),
            Some(error) => {
                let Fault { kind, cause, hint } = tls::explain_io(error);
                let hint = match kind {
                    FaultKind::NotTls => Some("it must, to tls://".to_owned()),
                    _ => hint,
                };
                let hint = hint.map(|hint| format!(" ({hint})")).unwrap_or_default();
                let text = format_args!("{}: {cause}{hint}", connection.peer);
                report::repeated("broken connections", text);
            }
        }
        if let Some(number) = connection.program {
            self.ended.push(End { number, connection: Box::new(connection) });
        }
    }
}
