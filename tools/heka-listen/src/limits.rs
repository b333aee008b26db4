// SPDX-License-Identifier: MIT OR Apache-2.0
//! Limits on the cost of senders: memory for all of them together, and time for each record.
//!
//! Memory is needed for unfinished records. When there is too much of them, senders with the
//! beginning of a long record are not read for a while, except for one at a time, which may finish
//! its record; if it is too slow, it is disconnected. So the shortage ends, whatever the others do.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use heka_core::os::Deadline;
use heka_core::report::words::{IDLE, Span};
use heka_core::report::{self, Stop};

use crate::cli::SenderLimits;
use crate::connection::{Connection, SHORT};
use crate::doors::Newcomer;
use crate::numbers;
use crate::senders::Senders;

/// Number of bytes read at once while memory is short.
const SMALL_READ: usize = 2 * SHORT;
/// Time for the sender that may finish a long record to send further bytes, and how many: a record
/// of the default limit is finished within a quarter of a minute.
const PATIENCE: Duration = Duration::from_millis(250);
const PACE: u64 = 64 * 1024;

/// The sender that may continue a long record although memory is short.
#[derive(Clone, Copy, Debug)]
struct Favoured {
    place: usize,
    /// Time of the last count of bytes, and the count.
    since: Instant,
    received: u64,
}

impl Favoured {
    fn new(place: usize, received: u64) -> Self {
        Self { place, since: Instant::now(), received }
    }

    /// Whether the sender is too slow, having sent `received` bytes in total.
    fn is_slow(&mut self, received: u64) -> bool {
        if received >= self.received.saturating_add(PACE) {
            *self = Self::new(self.place, received);
        }
        self.since.elapsed() >= PATIENCE
    }
}

/// Limits of all senders.
#[derive(Debug)]
pub(crate) struct Limits {
    most: SenderLimits,
    /// Senders that wait for memory.
    waiting: VecDeque<usize>,
    favoured: Option<Favoured>,
    swept: Instant,
}

impl Limits {
    pub(crate) fn new(most: SenderLimits) -> Self {
        Self { most, waiting: VecDeque::new(), favoured: None, swept: Instant::now() }
    }

    /// Whether another connection of this host is admitted.
    pub(crate) fn admits(&self, newcomer: &Newcomer, senders: &Senders) -> bool {
        let peer = &newcomer.peer;
        match self.most.conns_per_peer {
            Some(most) if !newcomer.way.is_local() && senders.count_of(peer) >= most => {
                let text = format_args!("{peer}: has {most} connections, refused");
                numbers::REFUSED_CONNECTS.add(1);
                report::repeated("--max-conns-per-peer", text);
                false
            }
            _ => true,
        }
    }

    /// Returns how much may be read of the sender in this slot; `None` if it has to wait for
    /// memory. All senders together hold `held` bytes.
    pub(crate) fn room(
        &mut self,
        place: usize,
        connection: &mut Connection,
        held: usize,
    ) -> Option<usize> {
        if held < self.most.memory || connection.is_busy || self.is_favoured(place) {
            return Some(usize::MAX);
        }
        if connection.rest.len() <= SHORT {
            return Some(SMALL_READ);
        }
        if connection.is_paused {
            return None;
        }
        connection.is_paused = true;
        self.waiting.push_back(place);
        report::repeated(
            "--max-memory",
            format_args!("{held} bytes of unfinished records: some senders wait (--max-memory)"),
        );
        None
    }

    /// Returns the senders to resume, given the memory in use.
    pub(crate) fn resume(&mut self, senders: &mut Senders) -> Vec<usize> {
        if self.waiting.is_empty() && self.favoured.is_none() {
            return Vec::new();
        }
        let is_short = senders.held() >= self.most.memory;
        self.favoured = self.favoured.filter(|favoured| {
            let connection = senders.get(favoured.place).filter(|_| is_short);
            connection.is_some_and(|connection| connection.rest.len() > SHORT)
        });
        let mut resumed = Vec::new();
        while (!is_short || self.favoured.is_none())
            && let Some(place) = self.waiting.pop_front()
        {
            let Some(connection) = senders.get(place).filter(|one| one.is_paused) else { continue };
            connection.resume();
            self.favoured = is_short.then(|| Favoured::new(place, connection.received));
            resumed.push(place);
        }
        resumed
    }

    /// Returns when to call [`Limits::sweep`] even without events.
    pub(crate) fn due(&self) -> Deadline {
        self.period().map(|period| self.swept + period)
    }

    /// Returns the interval of checks.
    fn period(&self) -> Option<Duration> {
        let patience = self.favoured.map(|_| PATIENCE);
        let shortest = [self.most.idle, self.most.record, patience].into_iter().flatten().min()?;
        Some((shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(10)))
    }

    /// Whether it is time to check all senders.
    pub(crate) fn is_due(&mut self) -> bool {
        let is_due = self.period().is_some_and(|period| self.swept.elapsed() >= period);
        if is_due {
            self.swept = Instant::now();
        }
        is_due
    }

    /// Disconnects the sender in this slot if it exceeds a time limit; returns whether it did.
    pub(crate) fn sweep(
        &mut self,
        place: usize,
        connection: &mut Connection,
    ) -> Result<bool, Stop> {
        if connection.is_paused || connection.is_ended {
            return Ok(false);
        }
        let is_program = connection.program.is_some();
        let peer = &connection.peer;
        if let Some(limit) = self.most.idle.filter(|_| !is_program)
            && connection.idles(limit)?
        {
            report::repeated("--idle-timeout", format_args!("{peer}: {IDLE}, closed"));
        } else if let Some(limit) = self.most.record.filter(|_| !is_program)
            && connection.is_unfinished_for(limit)?
        {
            let text = format_args!("{peer}: record unfinished for {}, closed", Span(limit));
            report::repeated("--record-timeout", text);
        } else if self.is_in_the_way(place, connection)? {
            let text = format_args!("{peer}: unfinished record while others wait, closed");
            report::repeated("--max-memory, connections closed", text);
        } else {
            return Ok(false);
        }
        connection.give_up();
        Ok(true)
    }

    fn is_favoured(&self, place: usize) -> bool {
        self.favoured.is_some_and(|favoured| favoured.place == place)
    }

    /// Whether the sender may finish a record, and is too slow while others wait.
    fn is_in_the_way(&mut self, place: usize, connection: &Connection) -> Result<bool, Stop> {
        let Some(favoured) = self.favoured.as_mut().filter(|one| one.place == place) else {
            return Ok(false);
        };
        if self.waiting.is_empty() {
            *favoured = Favoured::new(place, connection.received);
            return Ok(false);
        }
        // Data that waits to be read is not the sender's fault.
        let is_slow = favoured.is_slow(connection.received) && !connection.is_busy;
        Ok(is_slow && connection.has_nothing_to_read()?)
    }
}
