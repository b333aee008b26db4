// SPDX-License-Identifier: MIT OR Apache-2.0
//! One destination: its addresses, the connection to one of them, and the unacknowledged records.

mod answers;
mod arrival;
mod dialing;
mod ended;
mod link;
mod over;
mod pace;
mod phase;
mod pipe;
mod sides;

use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use crate::numbers;
use crate::window::Window;
use heka_core::net::{Addr, Dialer, Loss, Redial};
use heka_core::report::words::{Count, Span};
use heka_core::report::{self, Status, Stop};
use nix::poll::PollFlags;

use crate::peer::dialing::{Addresses, Dialing, Outcome};
use crate::peer::ended::{Ended, undelivered};
pub(crate) use crate::peer::link::Link;
pub(crate) use crate::peer::over::{End, Over};
use crate::peer::phase::Reach;
use crate::place::Identity;
use crate::plan::{Ack, Delivery, Plan};
use crate::refusals::Refusals;

/// The connection.
#[derive(Debug)]
enum Phase {
    /// There is none; the next attempt is scheduled.
    Idle,
    /// An attempt is in progress.
    Dialing(Dialing),
    /// Connected.
    Open(Box<Link>),
}

/// A destination of records.
#[derive(Debug)]
pub(crate) struct Target {
    addrs: Addresses,
    pub(crate) window: Window,
    phase: Phase,
    reach: Reach,
    redial: Redial,
    delivery: Delivery,
    /// The stream's identity, if peers are to acknowledge it.
    identity: Option<Identity>,
    /// Number of the last record that an earlier run may have sent.
    pub(crate) inherited: u64,
    /// Number of the last record that an earlier run delivered.
    before: u64,
    /// Since when everything is written and only acknowledgements are waited for.
    lingering: Option<Instant>,
    /// Since when peers accept everything and acknowledge nothing.
    unanswered: Option<Instant>,
    /// Whether a peer broke a connection after its kernel had acknowledged data that it may not
    /// have read.
    doubtful: bool,
    has_lost: bool,
}

impl Target {
    /// Creates the target with this index; record number `before` of the stream was delivered by an
    /// earlier run.
    pub(crate) fn new(addrs: Vec<Addr>, index: usize, plan: &Plan, before: u64) -> Self {
        let delivery = plan.delivery;
        let in_flight = delivery.in_flight as u64;
        let mut window = Window::starting_after(before, in_flight, delivery.resend);
        window.refusals = Refusals::keeping(plan.refused_file.is_some());
        Self {
            addrs: Addresses::new(addrs),
            window,
            phase: Phase::Idle,
            reach: Reach::Untried,
            redial: Redial::new(plan.backoff),
            delivery,
            identity: plan.identity.as_ref().map(|identity| identity.for_target(index)),
            inherited: before,
            before,
            lingering: None,
            unanswered: None,
            doubtful: false,
            has_lost: false,
        }
    }

    /// Returns its addresses, for people.
    pub(crate) fn name(&self) -> String {
        self.addrs.name()
    }

    /// Makes progress, and returns whether nothing is left to do. `at_end` says that no record will
    /// be added.
    ///
    /// # Errors
    /// A signal, the end of all retries, or records that the peer did not acknowledge in time.
    pub(crate) fn turn(&mut self, dialer: &Arc<Dialer>, at_end: bool) -> Result<bool, Stop> {
        self.work(dialer, at_end)?;
        self.rest()?;
        Ok(at_end && self.is_finished()?)
    }

    /// Connects, writes, processes acknowledgements.
    ///
    /// # Errors
    /// A signal, or the end of all retries.
    pub(crate) fn work(&mut self, dialer: &Arc<Dialer>, at_end: bool) -> Result<(), Stop> {
        match &self.phase {
            Phase::Idle => self.dial(dialer, at_end)?,
            Phase::Dialing(_) if !self.wants_link(at_end) => self.phase = Phase::Idle,
            Phase::Dialing(dialing) => {
                if let Some(outcome) = dialing.outcome() {
                    self.phase = Phase::Idle;
                    self.take(outcome, at_end)?;
                }
            }
            Phase::Open(_) => {}
        }
        if let Phase::Open(link) = &mut self.phase {
            let talk = link.converse(&mut self.window, &self.delivery, at_end);
            self.has_lost |= link.has_lost;
            if let Err(over) = talk {
                self.lost(&over, at_end)?;
            }
        }
        Ok(())
    }

    /// Whether a connection is needed. Even without a record to send, one is made once, to know
    /// that the peer exists.
    fn wants_link(&self, at_end: bool) -> bool {
        self.window.unacknowledged() > 0 || self.reach.asks_for_more(at_end)
    }

    /// Starts an attempt if it is time for one.
    fn dial(&mut self, dialer: &Arc<Dialer>, at_end: bool) -> Result<(), Stop> {
        if self.wants_link(at_end) && Instant::now() >= self.redial.due() {
            let (dialer, addrs) = (Arc::clone(dialer), self.addrs.clone());
            self.phase = Phase::Dialing(Dialing::start(dialer, addrs, self.delivery)?);
        }
        Ok(())
    }

    /// Processes the result of an attempt.
    fn take(&mut self, outcome: Outcome, at_end: bool) -> Result<(), Stop> {
        let Outcome { link, mut failures } = outcome;
        let link = link?;
        let last = if link.is_none() { failures.pop() } else { None };
        for failure in failures {
            report::warning(failure.text);
        }
        if let Some(last) = last {
            self.unanswered = None;
            return self.retry(&last.text, last.hint.as_deref(), at_end);
        }
        if let Some(mut link) = link {
            match self.window.to_repeat() {
                0 => report::note(format_args!("{}: connected", link.name)),
                count => report::note(format_args!(
                    "{}: connected, {} sent again",
                    link.name,
                    Count(count, "message")
                )),
            }
            numbers::CONNECTS.add(1);
            numbers::CONNECTED.get(&link.name).set(1);
            let count = self.delivery.reconnect_after;
            link.begin(&self.window, self.identity.as_ref(), self.inherited, count);
            self.reach = Reach::Open;
            self.phase = Phase::Open(link);
        }
        Ok(())
    }

    /// Reports a failure and the time of the next attempt, if one is needed.
    fn retry(&mut self, failure: &str, hint: Option<&str>, at_end: bool) -> Result<(), Stop> {
        self.reach = if self.reach.was_reached() { Reach::Lost } else { Reach::Never };
        let is_needed = self.wants_link(at_end);
        if is_needed && self.redial.schedule(&Loss::of(format_args!("{failure}")).hint(hint)) {
            return Ok(());
        }
        report::error(failure);
        hint.iter().for_each(report::hint);
        Err(undelivered(self.window.unacknowledged(), Status::Unreachable))
    }

    /// Handles the end of a connection: unacknowledged records will be sent again.
    fn lost(&mut self, over: &Over, at_end: bool) -> Result<(), Stop> {
        let Phase::Open(mut link) = std::mem::replace(&mut self.phase, Phase::Idle) else {
            return Ok(());
        };
        numbers::CONNECTED.get(&link.name).set(0);
        if self.window.acknowledged() > link.first {
            self.redial.reset();
        }
        // The next connection needs to know which run of a receiver acknowledged last.
        self.identity = link.take_identity().or(self.identity.take());
        self.lingering = None;
        if let Some((unread, status)) = self.is_hopeless(over, &link) {
            over.count();
            report::error(format_args!("{}: {}", link.name, over.fault.cause));
            over.fault.hint.iter().for_each(report::hint);
            return Err(undelivered(unread, status));
        }
        self.addrs.begin_behind((over.end == End::Silent).then_some(link.name.as_str()));
        let silent = link.silent_since(over.end, &self.window);
        self.unanswered = silent.map(|since| self.unanswered.map_or(since, |old| old.min(since)));
        let unread = self.window.rewind(over.end == End::Ours);
        let in_doubt = if link.hides_unread(over.end) { unread } else { 0 };
        numbers::IN_DOUBT.add(in_doubt);
        let unacknowledged = self.window.unacknowledged();
        let ended = Ended { name: &link.name, over, unacknowledged, in_doubt };
        ended.count(at_end);
        self.doubtful |= in_doubt > 0 || (ended.is_last(at_end) && over.end.is_a_fault());
        if over.end != End::Ours && !ended.is_last(at_end) {
            return self.retry(&ended.failure(), ended.hint(), at_end);
        }
        if unacknowledged == 0 {
            ended.tell();
        }
        self.redial.schedule_now();
        Ok(())
    }

    /// If another connection would not help, returns how many of its messages are undelivered, and
    /// the exit status.
    fn is_hopeless(&self, over: &Over, link: &Link) -> Option<(u64, Status)> {
        match over.end {
            End::Refused => Some((self.window.unacknowledged(), Status::Failed)),
            End::Tls => Some((self.window.last() - link.first, Status::Unreachable)),
            End::Ours | End::Peer | End::Silent | End::Broken | End::Failed | End::Wrong => None,
        }
    }

    /// Whether everything is delivered and the peer has closed the connection normally, or the time
    /// for that is up.
    ///
    /// # Errors
    /// Records that the peer did not acknowledge in time, or a command that still runs: status 3.
    fn is_finished(&mut self) -> Result<bool, Stop> {
        let unacknowledged = self.window.unacknowledged();
        let Phase::Open(link) = &self.phase else { return self.is_done_without_link() };
        if unacknowledged == 0 && link.sides.is_closed_by_peer() {
            let count = Count(self.accepted() - self.before, "message");
            let done = if self.acknowledges() { "acknowledged" } else { "sent" };
            report::note(format_args!("{}: {count} {done}", self.name()));
            return Ok(true);
        }
        if self.window.has_unwritten() {
            self.lingering = None;
            return Ok(false);
        }
        let since = *self.lingering.get_or_insert_with(Instant::now);
        if link.sides.overdue_at(since).is_none_or(|due| due > Instant::now()) {
            return Ok(false);
        }
        if link.sides.awaits_exit() {
            let in_doubt = self.window.acknowledged() - link.first;
            numbers::IN_DOUBT.add(in_doubt);
            let over = link.sides.left();
            let ended = Ended { name: &link.name, over: &over, unacknowledged, in_doubt };
            report::error(ended.failure());
            return Err(Stop::Said(Status::Unreachable));
        }
        if unacknowledged == 0 {
            report::note(format_args!("{}: received everything, but does not close", link.name));
            return Ok(true);
        }
        Err(self.unacknowledged())
    }

    /// Like [`Target::is_finished`], without a connection.
    fn is_done_without_link(&self) -> Result<bool, Stop> {
        let unacknowledged = self.window.unacknowledged();
        let linger = self.delivery.linger();
        if unacknowledged > 0 && self.unanswered.is_some_and(|since| since.elapsed() >= linger) {
            return Err(self.unacknowledged());
        }
        if self.reach == Reach::Never && unacknowledged == 0 {
            report::error(format_args!("{}: not reached", self.name()));
            return Err(Stop::Said(Status::Unreachable));
        }
        Ok(!self.wants_link(true))
    }

    /// Returns the error for a missing acknowledgement.
    fn unacknowledged(&self) -> Stop {
        report::error(format_args!(
            "{}: {} not acknowledged within {}",
            self.name(),
            Count(self.window.unacknowledged(), "message"),
            Span(self.delivery.linger())
        ));
        Stop::Said(Status::Unreachable)
    }

    /// Returns the number of acknowledged records of the stream, without the refused ones.
    pub(crate) fn accepted(&self) -> u64 {
        self.window.acknowledged().saturating_sub(self.window.refusals.count()).max(self.before)
    }

    /// Whether arrival is reported at all.
    pub(crate) fn acknowledges(&self) -> bool {
        self.addrs.all().iter().any(|addr| self.delivery.ack_of(addr) != Ack::None)
    }

    /// Takes notice of what the peer's kernel has acknowledged by now.
    pub(crate) fn look_again(&mut self) {
        if let Phase::Open(link) = &mut self.phase {
            link.look_again(&mut self.window);
        }
    }

    /// Whether there is a connection.
    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// Whether there has ever been a connection.
    pub(crate) fn was_reached(&self) -> bool {
        self.reach.was_reached()
    }

    /// Whether the peer listens, or did the last time there was something to send.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.reach, Reach::Open | Reach::Resting)
    }

    /// Whether it is connected and everything is written.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_connected() && !self.window.has_unwritten()
    }

    /// Whether a record could not be sent.
    pub(crate) fn has_lost(&self) -> bool {
        self.has_lost
    }

    /// Whether acknowledged records may be lost.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// Returns the descriptor to wait for, with its events.
    pub(crate) fn awaited(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match &self.phase {
            Phase::Idle => None,
            Phase::Dialing(dialing) => Some((dialing.as_fd(), PollFlags::POLLIN)),
            // The end of both sides would be reported repeatedly.
            Phase::Open(link) => {
                let wanted = link.wanted(&self.window);
                (!wanted.is_empty()).then(|| (link.as_fd(), wanted))
            }
        }
    }

    /// Returns when to check again even without events.
    pub(crate) fn deadline(&self, at_end: bool, is_awaited: bool) -> Option<Instant> {
        match &self.phase {
            Phase::Idle => self.wants_link(at_end).then(|| self.redial.due()),
            Phase::Dialing(_) => Some(Dialing::look_again()),
            Phase::Open(link) => {
                let is_awaited = at_end || is_awaited || !self.window.has_room();
                let lingering = self.lingering.and_then(|since| link.sides.overdue_at(since));
                let link = link.deadline(&self.window, &self.delivery, is_awaited);
                lingering.into_iter().chain(link).min()
            }
        }
    }

    /// Closes a connection that has been idle too long; the next one is made when needed.
    fn rest(&mut self) -> Result<(), Stop> {
        let Some(limit) = self.delivery.idle_timeout else { return Ok(()) };
        if let Phase::Open(link) = &mut self.phase
            && link.idles(&self.window, limit)
        {
            let closed = link.close();
            self.reach = Reach::Resting;
            if let Err(over) = closed {
                self.lost(&over, false)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
