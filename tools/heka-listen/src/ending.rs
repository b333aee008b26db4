// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of the server. What the system has taken for us its senders hold for delivered: it is
//! still read, from those who are connected and from those who wait to be, and written.

use std::time::{Duration, Instant};

use heka_core::report::Stop;
use nix::poll::{PollTimeout, poll};

use crate::connection::Next;
use crate::server::Server;

/// How long senders are still listened to when a signal has asked for the end, datagrams for half
/// of it, and how often each connection is read: more than the system holds.
const GRACE: Duration = Duration::from_secs(1);
const READS: u32 = 64;
/// How often there is a look at what later stages have delivered.
const PERIOD: u8 = 20;

impl Server {
    /// Takes what has arrived, writes what is buffered, and tells the senders about that.
    pub(crate) fn finish(&mut self) -> Result<(), Stop> {
        let deadline = Instant::now() + GRACE;
        self.finish_until(deadline)?;
        // Later stages may have it in a moment.
        while self.owes
            && Instant::now() < deadline
            && poll(&mut [], PollTimeout::from(PERIOD)) == Ok(0)
        {
            self.tell_delivered()?;
        }
        Ok(())
    }

    fn finish_until(&mut self, deadline: Instant) -> Result<(), Stop> {
        self.receive_last(deadline - GRACE / 2)?;
        loop {
            self.drain(deadline)?;
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

    /// Reads what the system holds of connections: of each in turn, so that those who go on sending
    /// keep nobody from being heard.
    fn drain(&mut self, deadline: Instant) -> Result<(), Stop> {
        let places = self.senders.places();
        if self.intake.confirms() {
            self.to_confirm.extend(places.clone());
        }
        // With how often each of them has been read.
        let mut flowing: Vec<_> = places.map(|place| (place, 0)).collect();
        while !flowing.is_empty() {
            for (place, reads) in std::mem::take(&mut flowing) {
                if self.has_enough(deadline) {
                    return Ok(());
                }
                let Some(connection) = self.senders.get(place) else { continue };
                let (before, was_busy) = (connection.received, connection.is_busy);
                let next = connection.read(&mut self.buffer, &mut self.intake)?;
                let has_read = connection.received > before;
                let reads = reads + u32::from(has_read);
                let may_read = (was_busy || has_read) && reads < READS;
                let may_have_more = connection.is_busy || may_read;
                if matches!(next, Next::Continue) && may_have_more {
                    flowing.push((place, reads));
                }
            }
        }
        Ok(())
    }
}
