// SPDX-License-Identifier: MIT OR Apache-2.0
//! What senders may cost: memory, all of them together, and time, each for one record.
//!
//! Unfinished records are what memory is needed for. Where there is too much of them, who has the
//! beginning of a long one is not read for a while, but for one at a time, who may finish; who does
//! not go on with it then is closed. So there is an end to it, whatever the others do.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use heka_core::os::Deadline;
use heka_core::report::words::Span;
use heka_core::report::{self, Stop};

use crate::cli::Plan;
use crate::connection::{Connection, SHORT};
use crate::doors::Newcomer;
use crate::senders::Senders;

/// So much is read at once while memory is short.
const SMALL_READ: usize = 2 * SHORT;
/// So long the one who may finish a long record may take for the next bytes of it.
const PATIENCE: Duration = Duration::from_millis(250);

/// Limits of all senders.
#[derive(Debug)]
pub(crate) struct Limits {
    memory: usize,
    conns_per_peer: Option<usize>,
    record: Option<Duration>,
    idle: Option<Duration>,
    /// Who waits for memory.
    waiting: VecDeque<usize>,
    /// Who may go on with a long record although memory is short.
    favoured: Option<usize>,
    swept: Instant,
}

impl Limits {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            memory: plan.max_memory,
            conns_per_peer: plan.max_conns_per_peer,
            record: plan.record_timeout,
            idle: plan.idle_timeout,
            waiting: VecDeque::new(),
            favoured: None,
            swept: Instant::now(),
        }
    }

    /// Whether one more connection of that host is let in.
    pub(crate) fn admits(&self, newcomer: &Newcomer, senders: &Senders) -> bool {
        let peer = &newcomer.peer;
        match self.conns_per_peer {
            Some(most) if !newcomer.way.is_local() && senders.count_of(peer) >= most => {
                let text = format_args!("{peer}: has {most} connections, refused");
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
        if held < self.memory || connection.is_busy || self.favoured == Some(place) {
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
        let is_short = senders.held() >= self.memory;
        self.favoured = self.favoured.filter(|&place| {
            is_short && senders.get(place).is_some_and(|connection| connection.rest.len() > SHORT)
        });
        let mut resumed = Vec::new();
        while (!is_short || self.favoured.is_none())
            && let Some(place) = self.waiting.pop_front()
        {
            let Some(connection) = senders.get(place).filter(|one| one.is_paused) else { continue };
            connection.resume();
            self.favoured = is_short.then_some(place);
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
        let shortest = [self.idle, self.record, patience].into_iter().flatten().min()?;
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

    /// Gives the sender at that place up if it takes too long, and tells whether it did.
    pub(crate) fn sweep(&self, place: usize, connection: &mut Connection) -> Result<bool, Stop> {
        if connection.program.is_some() || connection.is_paused || connection.is_ended {
            return Ok(false);
        }
        let peer = &connection.peer;
        if let Some(limit) = self.idle
            && connection.idles(limit)?
        {
            report::repeated("--idle-timeout", format_args!("{peer}: idle too long, closed"));
        } else if let Some(limit) = self.record
            && connection.is_unfinished_for(limit)?
        {
            let text = format_args!("{peer}: record unfinished for {}, closed", Span(limit));
            report::repeated("--record-timeout", text);
        } else if self.favoured == Some(place)
            && !self.waiting.is_empty()
            && connection.idles(PATIENCE)?
        {
            let text = format_args!("{peer}: unfinished record while others wait, closed");
            report::repeated("--max-memory, connections closed", text);
        } else {
            return Ok(false);
        }
        connection.give_up();
        Ok(true)
    }
}
