// SPDX-License-Identifier: MIT OR Apache-2.0
//! The event loop: many senders, one output.

use std::rc::Rc;
use std::time::{Duration, Instant};

use heka_core::net::{Interest, Poller, Ready};
use heka_core::os::Deadline;
use heka_core::report::{self, Status, Stop};
use nix::poll::{PollTimeout, poll};

use crate::cli::Plan;
use crate::conversations::Conversations;
use crate::datagram::Inbox;
use crate::doors::{Door, Doors};
use crate::intake::Intake;
use crate::programs::Programs;

/// Number of connections accepted before the open ones get their turn.
const TURN: usize = 64;
/// Time during which senders are still read after a signal has requested the end; half of it for
/// datagrams.
const GRACE: Duration = Duration::from_secs(1);
/// Number of checks per this time for what later stages have delivered.
const PERIOD: u8 = 20;
/// Token of the output, to notice that its reader has gone.
const OUTPUT: u64 = u64::MAX - 1;

/// All senders and listeners.
#[derive(Debug)]
pub(crate) struct Server {
    poller: Rc<Poller>,
    doors: Doors,
    programs: Programs,
    conversations: Conversations,
    inbox: Inbox,
    once: bool,
    max_conns: usize,
}

impl Server {
    pub(crate) fn new(plan: &Plan, doors: Vec<Door>, intake: Intake) -> Result<Self, Stop> {
        let poller = Poller::new()?;
        let doors = Doors::open(doors, &poller)?;
        if let Some((fd, _)) = intake.out.reader_watch() {
            // If it cannot be watched, the next write notices.
            let _watched = poller.add(fd, OUTPUT, Interest::NONE);
        }
        let poller = Rc::new(poller);
        let conversations = Conversations::new(plan, Rc::clone(&poller), doors.len(), intake);
        Ok(Self {
            poller,
            doors,
            programs: Programs::new(plan),
            conversations,
            inbox: Inbox::new(plan),
            once: plan.once,
            max_conns: if plan.once { 1 } else { plan.limits.conns },
        })
    }

    /// Receives until a signal comes, or the requested number of messages has been received.
    pub(crate) fn serve(&mut self) -> Result<(), Stop> {
        while !self.is_done() {
            self.serve_all()?;
        }
        Ok(())
    }

    /// Gives one turn to everybody with an event, waiting for one if there is none.
    fn serve_all(&mut self) -> Result<(), Stop> {
        self.start_programs()?;
        let mut ready = self.poller.wait(Some(Instant::now()))?;
        if ready.is_empty() && self.conversations.are_idle() {
            self.conversations.settle()?;
            if self.is_done() {
                return Ok(());
            }
            self.reopen()?;
            ready = self.poller.wait(self.deadline())?;
            // HUP may have requested another file.
            self.conversations.write()?;
            self.conversations.tell_delivered()?;
        }
        for event in ready {
            self.handle(event)?;
            if self.is_done() {
                break;
            }
        }
        self.inbox.give_up(&mut self.conversations.intake, false);
        self.conversations.go_round()?;
        self.reopen()
    }

    /// Starts the programs that are due, including those that have just exited.
    fn start_programs(&mut self) -> Result<(), Stop> {
        for end in self.conversations.senders.take_ended() {
            self.programs.leave(end);
        }
        self.programs.look();
        while let Some(newcomer) = self.programs.start()? {
            self.conversations.welcome(newcomer)?;
        }
        Ok(())
    }

    /// Resumes accepting if there is room. This must follow everything that makes room: no other
    /// event may occur.
    fn reopen(&mut self) -> Result<(), Stop> {
        if self.conversations.senders.count() < self.max_conns {
            self.doors.reopen(&self.poller)?;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        let senders = &self.conversations.senders;
        let is_alone = senders.count() == 0 && senders.are_all_told();
        let is_over = is_alone && self.doors.are_closed() && self.programs.are_over();
        is_over || self.programs.has_failed() || self.conversations.intake.is_full()
    }

    fn handle(&mut self, event: Ready) -> Result<(), Stop> {
        if event.token == OUTPUT {
            return if event.broken { Err(Stop::BrokenPipe) } else { Ok(()) };
        }
        let Ok(token) = usize::try_from(event.token) else { return Ok(()) };
        match self.doors.get(token) {
            Some(door) if door.has_datagrams() => self.receive(token).map(drop),
            Some(_) => self.accept(token),
            None => self.conversations.converse(token, event),
        }
    }

    fn accept(&mut self, token: usize) -> Result<(), Stop> {
        for _ in 0..TURN {
            if self.conversations.senders.count() >= self.max_conns {
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

    /// Admits a waiting sender; `false` if there is none.
    fn admit(&mut self, token: usize) -> Result<bool, Stop> {
        let Some(newcomer) = self.doors.accept(token, &self.poller)? else { return Ok(false) };
        if !self.conversations.admits(&newcomer) {
            return Ok(true);
        }
        self.conversations.welcome(newcomer)?;
        if self.once {
            self.doors.close(&self.poller);
        }
        Ok(true)
    }

    /// Receives datagrams; `false` if there are no more.
    fn receive(&mut self, token: usize) -> Result<bool, Stop> {
        let Some(door) = self.doors.get(token) else { return Ok(false) };
        let intake = &mut self.conversations.intake;
        let before = (intake.tally, self.inbox.received);
        let has_more = self.inbox.receive(door, intake);
        door.arrivals.add(self.inbox.received - before.1, before.0, intake.tally);
        has_more
    }

    /// Returns the intake.
    pub(crate) fn intake(&mut self) -> &mut Intake {
        &mut self.conversations.intake
    }

    /// Returns the status of programs that were given up.
    pub(crate) fn status(&self) -> Status {
        self.programs.status
    }

    fn deadline(&self) -> Deadline {
        let own = [self.doors.resume(), self.programs.due(), self.inbox.due()];
        let due = own.into_iter().chain([self.conversations.due()]);
        due.flatten().min()
    }

    /// Ends. Senders consider data in the system's buffers as delivered, so it is still read, from
    /// connected and from waiting senders, and written; the senders are notified, and programs end
    /// before this tool.
    pub(crate) fn finish(&mut self) -> Result<(), Stop> {
        let deadline = Instant::now() + GRACE;
        self.finish_until(deadline)?;
        // Later stages may have it in a moment.
        while self.conversations.are_owed()
            && Instant::now() < deadline
            && poll(&mut [], PollTimeout::from(PERIOD)) == Ok(0)
        {
            self.conversations.tell_delivered()?;
        }
        self.conversations.part_programs();
        for end in self.conversations.senders.take_ended() {
            self.programs.leave(end);
        }
        self.programs.end();
        Ok(())
    }

    fn finish_until(&mut self, deadline: Instant) -> Result<(), Stop> {
        self.receive_last(deadline - GRACE / 2)?;
        loop {
            self.conversations.drain(deadline)?;
            self.conversations.settle()?;
            if self.has_enough(deadline) {
                return Ok(());
            }
            if !self.has_room() {
                // These have been read: now those that wait for their slots.
                self.conversations.part_all();
            }
            let has_admitted = self.admit_last(deadline)?;
            if !has_admitted && (self.has_room() || self.conversations.senders.count() == 0) {
                return Ok(());
            }
        }
    }

    /// Whether another sender can be admitted, within limits and descriptors.
    fn has_room(&self) -> bool {
        self.conversations.senders.count() < self.max_conns && self.doors.are_open()
    }

    fn has_enough(&self, deadline: Instant) -> bool {
        self.conversations.intake.is_full() || Instant::now() >= deadline
    }

    /// Returns the listeners, for datagrams or connections, whose waiting data would be lost with
    /// this process. Inherited sockets stay open elsewhere: their waiting data is for the next
    /// process that gets them.
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
        self.inbox.give_up(&mut self.conversations.intake, true);
        Ok(())
    }

    /// Admits waiting senders as long as there is room; `false` if there were none.
    fn admit_last(&mut self, deadline: Instant) -> Result<bool, Stop> {
        let before = self.conversations.senders.count();
        for token in self.own_doors(false) {
            while self.conversations.senders.count() < self.max_conns
                && !self.has_enough(deadline)
                && self.admit(token)?
            {}
        }
        Ok(self.conversations.senders.count() > before)
    }
}

#[cfg(test)]
mod tests;
