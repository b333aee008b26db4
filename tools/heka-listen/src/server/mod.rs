// SPDX-License-Identifier: MIT OR Apache-2.0
//! The event loop: many senders, one output.

use std::time::{Duration, Instant};

use heka_core::net::{Interest, Poller, Ready};
use heka_core::os::Deadline;
use heka_core::report::{self, Explain as _, Stop};

use crate::cli::{InputForm, Plan};
use crate::connection::{Connection, Next};
use crate::datagram::Inbox;
use crate::doors::{Door, Doors, Newcomer};
use crate::intake::Intake;
use crate::limits::Limits;
use crate::numbers;
use crate::programs::Programs;
use crate::relay::Relay;
use crate::senders::Senders;

/// Bytes read from one sender before others get their turn.
const READ_SIZE: usize = 256 * 1024;
/// Connections taken before those that are open get their turn.
const TURN: usize = 64;
/// What came is confirmed after so many turns of all senders, or when none has more.
const CONFIRMED_TURNS: u32 = 4;
/// So often senders that wait for later stages are told that they do not wait for nothing.
const REASSURED: Duration = Duration::from_millis(250);
/// Token of the output, to hear that its reader is gone.
const OUTPUT: u64 = u64::MAX - 1;

/// All senders.
#[derive(Debug)]
pub(crate) struct Server {
    poller: Poller,
    pub(crate) doors: Doors,
    pub(crate) programs: Programs,
    pub(crate) senders: Senders,
    pub(crate) intake: Intake,
    form: InputForm,
    once: bool,
    pub(crate) max_conns: usize,
    limits: Limits,
    /// Connections whose records wait to be confirmed.
    pub(crate) to_confirm: Vec<usize>,
    /// Turns since the last confirmation.
    turns: u32,
    /// Connections that want another turn in any case.
    busy: Vec<usize>,
    pub(crate) buffer: Vec<u8>,
    inbox: Inbox,
    /// Whether a sender waits for what later stages have not delivered.
    pub(crate) owes: bool,
    /// When such senders were told so last.
    reassured: Instant,
}

impl Server {
    pub(crate) fn new(plan: &Plan, doors: Vec<Door>, intake: Intake) -> Result<Self, Stop> {
        let poller = Poller::new()?;
        let doors = Doors::open(doors, &poller)?;
        if let Some((fd, _)) = intake.out.reader_watch() {
            // Where it cannot be watched, the next write tells.
            let _watched = poller.add(fd, OUTPUT, Interest::NONE);
        }
        Ok(Self {
            poller,
            doors,
            programs: Programs::new(plan),
            senders: Senders::default(),
            intake,
            form: plan.input,
            once: plan.once,
            max_conns: if plan.once { 1 } else { plan.max_conns },
            limits: Limits::new(plan),
            to_confirm: Vec::new(),
            turns: 0,
            busy: Vec::new(),
            buffer: vec![0; READ_SIZE],
            inbox: Inbox::new(plan.input, plan.framing, plan.max_record),
            owes: false,
            reassured: Instant::now(),
        })
    }

    /// Receives until a signal comes, or what was asked for has been received.
    pub(crate) fn serve(&mut self) -> Result<(), Stop> {
        while !self.is_done() {
            self.serve_all()?;
        }
        Ok(())
    }

    /// One turn of everybody who has something for us, which is waited for if nobody has.
    fn serve_all(&mut self) -> Result<(), Stop> {
        self.start_programs()?;
        let mut ready = self.poller.wait(Some(Instant::now()))?;
        if ready.is_empty() && self.busy.is_empty() {
            self.settle()?;
            if self.is_done() {
                return Ok(());
            }
            self.reopen()?;
            ready = self.poller.wait(self.deadline())?;
            // HUP may have asked for another file.
            self.write()?;
            self.tell_delivered()?;
        }
        for event in ready {
            self.handle(event)?;
            if self.is_done() {
                break;
            }
        }
        self.serve_busy()?;
        if self.intake.settles() {
            self.turns += 1;
            if self.turns >= CONFIRMED_TURNS {
                self.settle()?;
            }
        }
        self.sweep()?;
        self.reopen()
    }

    /// Starts the programs that are due, also those that have just ended.
    fn start_programs(&mut self) -> Result<(), Stop> {
        for end in self.senders.take_ended() {
            self.programs.ended(&end);
        }
        while let Some(newcomer) = self.programs.start()? {
            self.welcome(newcomer)?;
        }
        Ok(())
    }

    /// Gives those another turn who did not get ready in theirs. Whoever sends without an end, or
    /// what takes long, keeps nothing of the others from the output.
    fn serve_busy(&mut self) -> Result<(), Stop> {
        for place in std::mem::take(&mut self.busy) {
            let is_busy = self.senders.get(place).is_some_and(|connection| connection.is_busy);
            if is_busy && !self.is_done() {
                self.hear(place)?;
            }
        }
        if self.intake.turn.is_output_due() {
            self.write()?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), Stop> {
        self.intake.turn.wrote();
        self.intake.out.flush()
    }

    /// Lets senders in again if there is room. Whatever makes room is followed by this: nothing
    /// else may come that wakes us.
    fn reopen(&mut self) -> Result<(), Stop> {
        if self.senders.count() < self.max_conns {
            self.doors.reopen(&self.poller)?;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        let is_alone = self.senders.count() == 0 && self.senders.are_all_told();
        let is_over = is_alone && self.doors.are_closed() && self.programs.are_over();
        is_over || self.programs.has_failed() || self.intake.is_full()
    }

    fn handle(&mut self, event: Ready) -> Result<(), Stop> {
        if event.token == OUTPUT {
            return if event.broken { Err(Stop::BrokenPipe) } else { Ok(()) };
        }
        let Ok(token) = usize::try_from(event.token) else { return Ok(()) };
        match self.doors.get(token) {
            Some(door) if door.has_datagrams() => self.receive(token).map(drop),
            Some(_) => self.accept(token),
            None if token < self.doors.len() => Ok(()),
            None => self.converse(token - self.doors.len(), event),
        }
    }

    fn accept(&mut self, token: usize) -> Result<(), Stop> {
        for _ in 0..TURN {
            if self.senders.count() >= self.max_conns {
                let most = self.max_conns;
                let text = format_args!("{most} connections: further ones wait (--max-conns)");
                report::repeated("--max-conns", text);
                return self.doors.shut(&self.poller);
            }
            if !self.admit(token)? || self.doors.are_closed() {
                break;
            }
        }
        Ok(())
    }

    /// Lets in a sender who waits at a door; `false` if there is none.
    pub(crate) fn admit(&mut self, token: usize) -> Result<bool, Stop> {
        let Some(newcomer) = self.doors.accept(token, &self.poller)? else { return Ok(false) };
        if !self.limits.admits(&newcomer, &self.senders) {
            return Ok(true);
        }
        self.welcome(newcomer)?;
        if self.once {
            self.doors.close(&self.poller);
        }
        Ok(true)
    }

    fn welcome(&mut self, newcomer: Newcomer) -> Result<(), Stop> {
        report::note(format_args!("{}: connected", newcomer.peer));
        let token = (self.doors.len() + self.senders.next_place()) as u64;
        self.poller.add(&newcomer.stream, token, Interest::READ).at("epoll")?;
        self.senders.add(Connection::new(newcomer, self.form, &self.intake));
        numbers::CONNECTS.add(1);
        Ok(())
    }

    /// Takes datagrams; `false` if there are no more.
    pub(crate) fn receive(&mut self, token: usize) -> Result<bool, Stop> {
        let Some(door) = self.doors.get(token) else { return Ok(false) };
        let before = (self.intake.taken(), self.inbox.received);
        let has_more = self.inbox.receive(door, &mut self.intake);
        let (messages, bytes) = (self.intake.taken() - before.0, self.inbox.received - before.1);
        door.arrivals.add(messages, bytes);
        has_more
    }

    fn converse(&mut self, place: usize, event: Ready) -> Result<(), Stop> {
        let Some(connection) = self.senders.get(place) else {
            return Ok(());
        };
        if connection.is_ended && event.read {
            // Its sender does not wait any more.
            self.senders.part(place, None);
            return Ok(());
        }
        if event.write {
            if let Err(error) = connection.send() {
                self.senders.part(place, Some(&error));
                return Ok(());
            }
            if self.intake.confirms() {
                // What came while the sender took nothing was not confirmed yet.
                self.to_confirm.push(place);
            }
        }
        if event.read && !connection.is_busy {
            return self.hear(place);
        }
        self.go_on(place)
    }

    /// A connection has its turn.
    fn hear(&mut self, place: usize) -> Result<(), Stop> {
        let held = self.senders.held();
        let Some(connection) = self.senders.get(place) else { return Ok(()) };
        let before = (self.intake.taken(), connection.received);
        let Some(room) = self.limits.room(place, connection, held) else {
            return self.watch(place);
        };
        let room = room.min(self.buffer.len());
        let buffer = self.buffer.get_mut(..room).unwrap_or_default();
        let next = connection.read(buffer, &mut self.intake)?;
        let (messages, bytes) = (self.intake.taken() - before.0, connection.received - before.1);
        connection.arrivals.add(messages, bytes);
        self.senders.recount(place);
        self.after(place, next)
    }

    /// How a connection goes on behind its turn.
    fn after(&mut self, place: usize, next: Next) -> Result<(), Stop> {
        let Some(connection) = self.senders.get(place) else { return Ok(()) };
        match next {
            Next::Continue => {
                if connection.is_busy {
                    self.busy.push(place);
                }
                if self.intake.confirms() {
                    self.to_confirm.push(place);
                }
                self.watch(place)
            }
            Next::End => {
                if self.intake.confirms() {
                    self.intake.out.flush()?;
                    // A sender that does not read any more needs no confirmation.
                    let _gone = connection.confirm(self.intake.relay());
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

    /// Waits for what a connection wants now.
    fn watch(&mut self, place: usize) -> Result<(), Stop> {
        if let Some(connection) = self.senders.get(place) {
            let wanted = connection.wanted();
            if wanted != connection.interest {
                let token = (self.doors.len() + place) as u64;
                self.poller.modify(&connection.stream, token, wanted).at("epoll")?;
                connection.interest = wanted;
            }
        }
        Ok(())
    }

    /// Writes what is buffered; then what came is safe and can be confirmed.
    pub(crate) fn settle(&mut self) -> Result<(), Stop> {
        self.turns = 0;
        self.intake.settle()?;
        for place in std::mem::take(&mut self.to_confirm) {
            self.confirm(place)?;
        }
        Ok(())
    }

    fn confirm(&mut self, place: usize) -> Result<(), Stop> {
        if let Some(connection) = self.senders.get(place)
            && let Err(error) = connection.confirm(self.intake.relay())
        {
            self.senders.part(place, Some(&error));
        }
        self.go_on(place)
    }

    /// Ends a connection with which nothing is left to do, or waits for what it wants now.
    fn go_on(&mut self, place: usize) -> Result<(), Stop> {
        let Some(connection) = self.senders.get(place) else { return Ok(()) };
        if connection.is_done() {
            self.senders.part(place, None);
            return Ok(());
        }
        self.owes |= self.intake.relay().is_some() && connection.owes();
        self.watch(place)
    }

    /// Tells senders that wait what later stages have delivered meanwhile.
    pub(crate) fn tell_delivered(&mut self) -> Result<(), Stop> {
        let is_news = self.owes && self.intake.look();
        let reassures = self.owes && self.reassured.elapsed() >= REASSURED;
        if !is_news && !reassures {
            return Ok(());
        }
        self.owes = false;
        for place in self.senders.places() {
            if reassures && let Some(connection) = self.senders.get(place) {
                // If it is broken that is found out below.
                let _told = connection.reassure();
            }
            self.confirm(place)?;
        }
        if reassures {
            self.reassured = Instant::now();
        }
        Ok(())
    }

    fn deadline(&self) -> Deadline {
        let sweep = self.limits.due().filter(|_| self.senders.count() > 0);
        let relay = self.intake.relay().filter(|_| self.owes).map(Relay::due);
        let due = [sweep, self.doors.resume(), self.intake.due(), self.programs.due(), relay];
        due.into_iter().flatten().min()
    }

    /// Ends connections that take too long, and reads those again that waited for memory.
    fn sweep(&mut self) -> Result<(), Stop> {
        for place in self.limits.resume(&mut self.senders) {
            self.watch(place)?;
        }
        if !self.limits.is_due() {
            return Ok(());
        }
        // Who is closed is told first what came.
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
}

#[cfg(test)]
mod tests;
