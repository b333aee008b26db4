// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of the server. What the system has taken for us its senders hold for delivered: it is
//! still read, from those who are connected and from those who wait to be, and written.

use std::time::{Duration, Instant};

use heka_core::exit::Stop;
use heka_core::stats;

use crate::connection::Next;
use crate::server::Server;

/// How long senders are still listened to when a signal has asked for the end, and how much of
/// each is taken: more than the system holds.
const GRACE: Duration = Duration::from_secs(1);
const LAST_SIZE: u64 = 16 * 1024 * 1024;

impl Server {
    /// Takes what has arrived, writes what is buffered, and tells the senders about that.
    pub(crate) fn finish(&mut self) -> Result<(), Stop> {
        let deadline = Instant::now() + GRACE;
        self.receive_last(deadline)?;
        loop {
            for place in self.senders.places() {
                self.drain(place, deadline)?;
            }
            self.settle()?;
            if self.has_enough(deadline) {
                return Ok(());
            }
            if !self.has_room() {
                // They have been heard: now those who wait for their places.
                for place in self.senders.places() {
                    self.senders.part(place, None);
                }
            }
            let has_admitted = self.admit_last(deadline)?;
            if !has_admitted && (self.has_room() || self.senders.count() == 0) {
                return Ok(());
            }
        }
    }

    /// Whether one more can be let in, as far as limits and descriptors go.
    fn has_room(&self) -> bool {
        self.senders.count() < self.max_conns && self.doors.are_open()
    }

    fn has_enough(&self, deadline: Instant) -> bool {
        self.intake.is_full() || Instant::now() >= deadline
    }

    /// Doors of datagrams, or of connections, where what waits would be lost with us. Inherited
    /// sockets stay open elsewhere: what waits there is for the process that gets them next.
    fn own_doors(&self, has_datagrams: bool) -> Vec<usize> {
        let is_own = |token: &usize| {
            self.doors.get(*token).is_some_and(|door| {
                door.has_datagrams() == has_datagrams && !door.listener.is_inherited()
            })
        };
        (0..self.doors.len()).filter(is_own).collect()
    }

    fn receive_last(&mut self, deadline: Instant) -> Result<(), Stop> {
        for token in self.own_doors(true) {
            while !self.has_enough(deadline) && self.receive(token)? {}
        }
        Ok(())
    }

    /// Lets in who waits, as long as there is room; `false` if there was nobody.
    fn admit_last(&mut self, deadline: Instant) -> Result<bool, Stop> {
        let before = self.senders.count();
        for token in self.own_doors(false) {
            while self.senders.count() < self.max_conns
                && !self.has_enough(deadline)
                && self.admit(token)?
            {}
        }
        Ok(self.senders.count() > before)
    }

    /// Reads what the system holds of a connection, but not for ever from one that goes on sending.
    fn drain(&mut self, place: usize, deadline: Instant) -> Result<(), Stop> {
        let Some(connection) = self.senders.get(place) else { return Ok(()) };
        let start = stats::BYTES_IN.value();
        let mut before = None;
        while before != Some(stats::BYTES_IN.value())
            && stats::BYTES_IN.value() - start < LAST_SIZE
            && Instant::now() < deadline
            && !self.intake.is_full()
        {
            before = Some(stats::BYTES_IN.value());
            match connection.read(&mut self.buffer, &mut self.intake)? {
                Next::Continue => {}
                Next::End | Next::Broken(_) => break,
            }
        }
        if self.intake.confirms() {
            self.to_confirm.push(place);
        }
        Ok(())
    }
}
