// SPDX-License-Identifier: MIT OR Apache-2.0
//! What senders may cost: memory, all of them together, and time, each for one record.
//!
//! Unfinished records are what memory is needed for. Where there is too much of them, who has the
//! beginning of a long one is not read for a while, but for one at a time, who may finish; who is
//! slow with it then is closed. So there is an end to it, whatever the others do.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use heka_core::os::Deadline;
use heka_core::report::words::Span;
use heka_core::report::{self, Stop};

use crate::cli::SenderLimits;
use crate::connection::{Connection, SHORT};
use crate::doors::Newcomer;
use crate::numbers;
use crate::senders::Senders;

/// So much is read at once while memory is short.
const SMALL_READ: usize = 2 * SHORT;
/// How long the sender that may finish a long record may take for the next bytes of it, and how
/// many they have to be: a record of the default limit is finished within a quarter of a minute.
const PATIENCE: Duration = Duration::from_millis(250);
const PACE: u64 = 64 * 1024;

/// Who may go on with a long record although memory is short.
#[derive(Clone, Copy, Debug)]
struct Favoured {
    place: usize,
    /// When the bytes were counted last, and how many there were.
    since: Instant,
    received: u64,
}

impl Favoured {
    fn new(place: usize, received: u64) -> Self {
        Self { place, since: Instant::now(), received }
    }

    /// Whether it is too slow, now that it has sent `received` bytes in all.
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
    /// Who waits for memory.
    waiting: VecDeque<usize>,
    favoured: Option<Favoured>,
    swept: Instant,
}

impl Limits {
    pub(crate) fn new(most: SenderLimits) -> Self {
        Self { most, waiting: VecDeque::new(), favoured: None, swept: Instant::now() }
    }

    /// Whether one more connection of that host is let in.
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

    /// How much may be read of the sender at that place; none if it has to wait for memory. All
    /// senders together hold `held` bytes.
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

    /// Who is to be read again, now that this much is held.
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

    /// When [`Limits::sweep`] has something to do though nothing happens.
    pub(crate) fn due(&self) -> Deadline {
        self.period().map(|period| self.swept + period)
    }

    /// How often senders are looked at.
    fn period(&self) -> Option<Duration> {
        let patience = self.favoured.map(|_| PATIENCE);
        let shortest = [self.most.idle, self.most.record, patience].into_iter().flatten().min()?;
        Some((shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(10)))
    }

    /// Whether it is time to look at all senders.
    pub(crate) fn is_due(&mut self) -> bool {
        let is_due = self.period().is_some_and(|period| self.swept.elapsed() >= period);
        if is_due {
            self.swept = Instant::now();
        }
        is_due
    }

    /// Gives the sender at that place up if it takes too long, and returns whether it did.
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
            report::repeated("--idle-timeout", format_args!("{peer}: idle timeout, closed"));
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

    /// Whether it may finish a record, and is slow with it while others wait.
    fn is_in_the_way(&mut self, place: usize, connection: &Connection) -> Result<bool, Stop> {
        let Some(favoured) = self.favoured.as_mut().filter(|one| one.place == place) else {
            return Ok(false);
        };
        if self.waiting.is_empty() {
            *favoured = Favoured::new(place, connection.received);
            return Ok(false);
        }
        // What waits to be read is no fault of the sender.
        let is_slow = favoured.is_slow(connection.received) && !connection.is_busy;
        Ok(is_slow && connection.has_nothing_to_read()?)
    }
}
