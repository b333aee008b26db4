// SPDX-License-Identifier: MIT OR Apache-2.0
//! The turns of connected senders: each is read, answered, and waited for.

use std::rc::Rc;
use std::time::{Duration, Instant};

use heka_core::net::{Interest, Poller, Ready};
use heka_core::os::Deadline;
use heka_core::report::{self, Explain as _, Stop};

use crate::cli::{InputForm, Plan};
use crate::connection::{Connection, Next};
use crate::doors::Newcomer;
use crate::intake::Intake;
use crate::limits::Limits;
use crate::numbers;
use crate::relay::Relay;
use crate::senders::Senders;

/// Number of bytes read from one sender before others get their turn.
const READ_SIZE: usize = 256 * 1024;
/// Number of turns of all senders after which received records are acknowledged, or earlier if none
/// has more.
const ACKNOWLEDGED_TURNS: u32 = 4;
/// Interval of signs of life to senders that wait for later stages.
const REASSURED: Duration = Duration::from_millis(250);
/// Maximum number of reads per connection at the end: more than the system buffers.
const LAST_READS: u32 = 64;

/// The connected senders, and their relation to the one output.
#[derive(Debug)]
pub(crate) struct Conversations {
    poller: Rc<Poller>,
    /// The token of the first slot.
    first_token: usize,
    pub(crate) senders: Senders,
    pub(crate) intake: Intake,
    form: InputForm,
    limits: Limits,
    /// Connections whose records are to be acknowledged.
    to_acknowledge: Vec<usize>,
    /// Turns since the last acknowledgement.
    turns: u32,
    /// Connections that need another turn in any case.
    busy: Vec<usize>,
    buffer: Vec<u8>,
    /// Whether a sender waits for delivery by later stages.
    owes: bool,
    /// Time of the last sign of life to such senders.
    reassured: Instant,
}

impl Conversations {
    /// Creates the state without connections. `poller` identifies them by tokens, starting with
    /// `first_token`.
    pub(crate) fn new(plan: &Plan, poller: Rc<Poller>, first_token: usize, intake: Intake) -> Self {
        Self {
            poller,
            first_token,
            senders: Senders::default(),
            intake,
            form: plan.input,
            limits: Limits::new(plan.limits),
            to_acknowledge: Vec::new(),
            turns: 0,
            busy: Vec::new(),
            buffer: vec![0; READ_SIZE],
            owes: false,
            reassured: Instant::now(),
        }
    }

    /// Whether another connection of this host is admitted.
    pub(crate) fn admits(&self, newcomer: &Newcomer) -> bool {
        self.limits.admits(newcomer, &self.senders)
    }

    /// Whether no connection needs a turn without an event.
    pub(crate) fn are_idle(&self) -> bool {
        self.busy.is_empty()
    }

    /// Whether a sender waits for delivery by later stages.
    pub(crate) fn are_owed(&self) -> bool {
        self.owes
    }

    /// Adds a sender.
    pub(crate) fn welcome(&mut self, newcomer: Newcomer) -> Result<(), Stop> {
        report::note(format_args!("{}: connected", newcomer.peer));
        let token = (self.first_token + self.senders.next_place()) as u64;
        self.poller.add(&newcomer.stream, token, Interest::READ).at("epoll")?;
        self.senders.add(Connection::new(newcomer, self.form, &self.intake));
        numbers::CONNECTS.add(1);
        Ok(())
    }

    /// Handles an event of the connection with this token.
    pub(crate) fn converse(&mut self, token: usize, event: Ready) -> Result<(), Stop> {
        let Some(place) = token.checked_sub(self.first_token) else { return Ok(()) };
        let Some(connection) = self.senders.get(place) else { return Ok(()) };
        if connection.is_ended && event.read {
            // Its sender is no longer waiting.
            self.senders.part(place, None);
            return Ok(());
        }
        if event.write {
            if let Err(error) = connection.send() {
                self.senders.part(place, Some(&error));
                return Ok(());
            }
            if self.intake.acknowledges() {
                // Records received while the sender did not read have not been acknowledged yet.
                self.to_acknowledge.push(place);
            }
        }
        if event.read && !connection.is_busy {
            return self.hear(place);
        }
        self.go_on(place)
    }

    /// Gives a connection its turn.
    fn hear(&mut self, place: usize) -> Result<(), Stop> {
        let held = self.senders.held();
        let Some(connection) = self.senders.get(place) else { return Ok(()) };
        let before = (self.intake.tally, connection.received);
        let Some(room) = self.limits.room(place, connection, held) else {
            return self.watch(place);
        };
        let room = room.min(self.buffer.len());
        let buffer = self.buffer.get_mut(..room).unwrap_or_default();
        let next = connection.read(buffer, &mut self.intake)?;
        connection.arrivals.add(connection.received - before.1, before.0, self.intake.tally);
        self.senders.recount(place);
        self.after(place, next)
    }

    /// Handles the outcome of a turn.
    fn after(&mut self, place: usize, next: Next) -> Result<(), Stop> {
        let Some(connection) = self.senders.get(place) else { return Ok(()) };
        match next {
            Next::Continue => {
                if connection.is_busy {
                    self.busy.push(place);
                }
                if self.intake.acknowledges() {
                    self.to_acknowledge.push(place);
                }
                self.watch(place)
            }
            Next::End => {
                if self.intake.acknowledges() {
                    self.intake.out.flush()?;
                    // A sender that no longer reads needs no acknowledgement.
                    let _gone = connection.acknowledge(self.intake.relay());
                }
                connection.end();
                if self.intake.relay().is_some() && connection.owes() {
                    return self.go_on(place);
                }
                self.senders.part(place, None);
                Ok(())
            }
            Next::Broken(error) => {
                self.senders.part(place, Some(&error));
                Ok(())
            }
        }
    }

    /// Updates the events that a connection waits for.
    fn watch(&mut self, place: usize) -> Result<(), Stop> {
        if let Some(connection) = self.senders.get(place) {
            let (before, wanted) = (connection.interest, connection.wanted());
            let token = (self.first_token + place) as u64;
            self.poller.change(&connection.stream, token, before, wanted).at("epoll")?;
            connection.interest = wanted;
        }
        Ok(())
    }

    /// Writes buffered output, after which received records are safe and can be acknowledged.
    pub(crate) fn settle(&mut self) -> Result<(), Stop> {
        self.turns = 0;
        self.intake.settle()?;
        for place in std::mem::take(&mut self.to_acknowledge) {
            self.acknowledge(place)?;
        }
        Ok(())
    }

    fn acknowledge(&mut self, place: usize) -> Result<(), Stop> {
        if let Some(connection) = self.senders.get(place)
            && let Err(error) = connection.acknowledge(self.intake.relay())
        {
            self.senders.part(place, Some(&error));
        }
        self.go_on(place)
    }

    /// Ends a finished connection, or waits for its next event.
    fn go_on(&mut self, place: usize) -> Result<(), Stop> {
        let Some(connection) = self.senders.get(place) else { return Ok(()) };
        if connection.is_done() {
            self.senders.part(place, None);
            return Ok(());
        }
        self.owes |= self.intake.relay().is_some() && connection.owes();
        self.watch(place)
    }

    /// Notifies waiting senders of what later stages have delivered.
    pub(crate) fn tell_delivered(&mut self) -> Result<(), Stop> {
        let is_news = self.owes && self.intake.look();
        let reassures = self.owes && self.reassured.elapsed() >= REASSURED;
        if !is_news && !reassures {
            return Ok(());
        }
        self.owes = false;
        for place in self.senders.places() {
            if reassures && let Some(connection) = self.senders.get(place) {
                // A broken connection is noticed below.
                let _told = connection.reassure();
            }
            self.acknowledge(place)?;
        }
        if reassures {
            self.reassured = Instant::now();
        }
        Ok(())
    }

    /// Does all that is due for senders after reading.
    pub(crate) fn go_round(&mut self) -> Result<(), Stop> {
        self.serve_busy()?;
        if self.intake.settles() {
            self.turns += 1;
            if self.turns >= ACKNOWLEDGED_TURNS {
                self.settle()?;
            }
        }
        self.sweep()
    }

    /// Gives another turn to connections that did not finish in theirs. A sender that sends without
    /// end, or data that takes long, does not keep the others from the output.
    fn serve_busy(&mut self) -> Result<(), Stop> {
        for place in std::mem::take(&mut self.busy) {
            let is_busy = self.senders.get(place).is_some_and(|connection| connection.is_busy);
            if is_busy && !self.intake.is_full() {
                self.hear(place)?;
            }
        }
        if self.intake.turn.is_output_due() {
            self.write()?;
        }
        Ok(())
    }

    /// Writes buffered output.
    pub(crate) fn write(&mut self) -> Result<(), Stop> {
        self.intake.turn.wrote();
        self.intake.out.flush()
    }

    /// Returns the deadline of the next action.
    pub(crate) fn due(&self) -> Deadline {
        let sweep = self.limits.due().filter(|_| self.senders.count() > 0);
        let relay = self.intake.relay().filter(|_| self.owes).map(Relay::due);
        [sweep, self.intake.due(), relay].into_iter().flatten().min()
    }

    /// Ends connections that exceed time limits, and resumes those that waited for memory.
    fn sweep(&mut self) -> Result<(), Stop> {
        for place in self.limits.resume(&mut self.senders) {
            self.watch(place)?;
        }
        if !self.limits.is_due() {
            return Ok(());
        }
        // A sender is told what was received before its connection is closed.
        self.settle()?;
        for place in self.senders.places() {
            if let Some(connection) = self.senders.get(place)
                && self.limits.sweep(place, connection)?
            {
                self.busy.push(place);
            }
        }
        Ok(())
    }

    /// Reads what the system has buffered for connections: each in turn, so that senders that
    /// continue do not keep others from being read.
    pub(crate) fn drain(&mut self, deadline: Instant) -> Result<(), Stop> {
        let places = self.senders.places();
        if self.intake.acknowledges() {
            self.to_acknowledge.extend(places.clone());
        }
        // With the number of reads of each.
        let mut flowing: Vec<_> = places.map(|place| (place, 0)).collect();
        while !flowing.is_empty() {
            for (place, reads) in std::mem::take(&mut flowing) {
                if self.intake.is_full() || Instant::now() >= deadline {
                    return Ok(());
                }
                let Some(connection) = self.senders.get(place) else { continue };
                let (before, was_busy) = (connection.received, connection.is_busy);
                let next = connection.read(&mut self.buffer, &mut self.intake)?;
                let has_read = connection.received > before;
                let reads = reads + u32::from(has_read);
                let may_read = (was_busy || has_read) && reads < LAST_READS;
                let may_have_more = connection.is_busy || may_read;
                if matches!(next, Next::Continue) && may_have_more {
                    flowing.push((place, reads));
                }
            }
        }
        Ok(())
    }

    /// Ends all connections.
    pub(crate) fn part_all(&mut self) {
        for place in self.senders.places() {
            self.senders.part(place, None);
        }
    }

    /// Ends the connections to programs that this tool has started.
    pub(crate) fn part_programs(&mut self) {
        for place in self.senders.places() {
            if self.senders.get(place).is_some_and(|connection| connection.program.is_some()) {
                self.senders.part(place, None);
            }
        }
    }
}
