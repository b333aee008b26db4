// SPDX-License-Identifier: MIT OR Apache-2.0
//! One destination: its addresses, the connection to one of them, and the records on their way.

mod answers;
mod arrival;
mod dialing;
mod link;
mod over;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::window::Window;
use heka_core::net::{Addr, Dialer, Loss, Redial};
use heka_core::report::words::{Count, Span};
use heka_core::report::{self, Status, Stop, stats};

use crate::cli::{Ack, Delivery, Plan};
use crate::peer::dialing::{Dialing, Outcome};
use crate::peer::link::Link;
use crate::peer::over::{End, Over, UNCONFIRMING};
use crate::place::Identity;
use crate::refusals::Refusals;

/// How often the kernel is asked what it has delivered while somebody waits for that, and while
/// nobody does.
const POLL_PERIOD: Duration = Duration::from_millis(5);
const SLOW_PERIOD: Duration = Duration::from_millis(100);

/// How soon a signal is seen while a thread of ours waits for one too.
const SIGNAL_PERIOD: Duration = Duration::from_millis(100);

/// Where records go.
#[derive(Debug)]
pub(crate) struct Target {
    addrs: Arc<[Addr]>,
    pub(crate) window: Window,
    pub(crate) link: Option<Box<Link>>,
    pub(crate) dialing: Option<Dialing>,
    redial: Redial,
    delivery: Delivery,
    /// The stream, if peers are to confirm it.
    identity: Option<Identity>,
    /// Number of the last record that an earlier run may have sent.
    pub(crate) inherited: u64,
    /// No connection is wanted before there is something to send.
    is_lazy: bool,
    /// Number of the last record that an earlier run delivered.
    before: u64,
    /// There has been a connection.
    pub(crate) was_reached: bool,
    /// Since when everything is written and the last confirmations are waited for.
    lingering: Option<Instant>,
    /// Since when peers take everything, close in order and confirm nothing.
    unanswered: Option<Instant>,
    /// Whether somebody listens, as far as is known.
    is_open: bool,
    /// The far end broke the last connection off after it had confirmed everything.
    doubtful: bool,
    has_lost: bool,
}

impl Target {
    /// The target with that index; record number `before` of the stream was delivered by an earlier
    /// run.
    pub(crate) fn new(addrs: Vec<Addr>, index: usize, plan: &Plan, before: u64) -> Self {
        let delivery = plan.delivery;
        let in_flight = delivery.in_flight as u64;
        let mut window = Window::starting_after(before, in_flight, delivery.resend);
        window.refusals = Refusals::keeping(plan.refused_file.is_some());
        Self {
            addrs: addrs.into(),
            window,
            link: None,
            dialing: None,
            redial: Redial::new(plan.backoff),
            delivery,
            identity: plan.identity.as_ref().map(|identity| identity.for_target(index)),
            inherited: before,
            is_lazy: false,
            before,
            was_reached: false,
            lingering: None,
            unanswered: None,
            is_open: false,
            doubtful: false,
            has_lost: false,
        }
    }

    /// Its addresses, for people.
    pub(crate) fn name(&self) -> String {
        let names: Vec<_> = self.addrs.iter().map(ToString::to_string).collect();
        names.join(", ")
    }

    /// Does what can be done now, and tells whether nothing is left to do. `at_end` if no record
    /// will be added any more.
    ///
    /// # Errors
    /// A signal, the end of all retries, or records that the peer did not confirm in time.
    pub(crate) fn turn(&mut self, dialer: &Arc<Dialer>, at_end: bool) -> Result<bool, Stop> {
        self.work(dialer, at_end)?;
        self.rest()?;
        Ok(at_end && self.is_finished()?)
    }

    /// Connects, writes, takes confirmations.
    ///
    /// # Errors
    /// A signal, or the end of all retries.
    pub(crate) fn work(&mut self, dialer: &Arc<Dialer>, at_end: bool) -> Result<(), Stop> {
        if self.link.is_none() {
            self.connect(dialer, at_end)?;
        }
        if let Some(link) = &mut self.link {
            let talk = converse(link, &mut self.window, &self.delivery, at_end);
            self.has_lost |= link.has_lost;
            if let Err(over) = talk {
                self.lost(&over, at_end)?;
            }
        }
        Ok(())
    }

    fn wants_link(&self, at_end: bool) -> bool {
        self.window.unconfirmed() > 0 || !(self.is_lazy || at_end)
    }

    /// Starts an attempt if it is time for one, or takes what came of it.
    fn connect(&mut self, dialer: &Arc<Dialer>, at_end: bool) -> Result<(), Stop> {
        if !self.wants_link(at_end) {
            // What comes of an attempt at the end of an input without records is of no interest.
            self.dialing = None;
            return Ok(());
        }
        let Some(dialing) = &self.dialing else {
            if Instant::now() >= self.redial.due() {
                let (dialer, addrs) = (Arc::clone(dialer), Arc::clone(&self.addrs));
                self.dialing = Some(Dialing::start(dialer, addrs, self.delivery)?);
            }
            return Ok(());
        };
        let Some(Outcome { link, mut failures }) = dialing.outcome() else { return Ok(()) };
        self.dialing = None;
        let link = link?;
        let last = if link.is_none() { failures.pop() } else { None };
        for failure in failures {
            report::warning(failure.text);
        }
        if let Some(last) = last {
            self.unanswered = None;
            return self.retry(&last.text, last.hint.as_deref());
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
            stats::counter("connections").add(1);
            link.begin(&self.window, self.identity.as_ref(), self.inherited);
            self.was_reached = true;
            self.is_open = true;
            self.link = Some(link);
        }
        Ok(())
    }

    /// Tells of a failure and when the next attempt will be.
    fn retry(&mut self, failure: &str, hint: Option<&str>) -> Result<(), Stop> {
        self.is_open = false;
        self.is_lazy = false;
        if self.redial.schedule(&Loss::of(format_args!("{failure}")).hint(hint)) {
            return Ok(());
        }
        report::error(failure);
        if let Some(hint) = hint {
            report::hint(hint);
        }
        Err(undelivered(self.window.unconfirmed(), Status::Unreachable))
    }

    /// A connection is over: what is not confirmed will be sent again.
    fn lost(&mut self, over: &Over, at_end: bool) -> Result<(), Stop> {
        let Some(mut link) = self.link.take() else { return Ok(()) };
        if self.window.confirmed() > link.first {
            self.redial.reset();
        }
        // Which run of a receiver confirmed something last the next one has to know.
        self.identity = link.take_identity().or(self.identity.take());
        self.lingering = None;
        if over.end == End::Refused {
            report::error(format_args!("{}: {}", link.name, over.cause));
            over.hint.iter().for_each(report::hint);
            return Err(undelivered(self.window.unconfirmed(), Status::Failed));
        }
        if over.end == End::Tls {
            report::error(format_args!("{}: {}", link.name, over.cause));
            over.hint.iter().for_each(report::hint);
            let unread = self.window.last() - link.first;
            return Err(undelivered(unread, Status::Unreachable));
        }
        let is_unanswered = over.end == End::Peer && self.window.confirmed() == link.first;
        self.unanswered = link
            .closing
            .filter(|_| is_unanswered)
            .map(|since| self.unanswered.map_or(since, |before| before.min(since)));
        self.window.rewind(over.end == End::Ours);
        let was_wanted = over.end == End::Ours;
        let unconfirmed = self.window.unconfirmed();
        if unconfirmed == 0 && (was_wanted || at_end) {
            report::note(format_args!("{}: closed", link.name));
            // What a peer itself has confirmed is safe whatever happens then.
            self.doubtful =
                over.end == End::Wrong || over.end == End::Broken && self.delivery.ack != Ack::Peer;
            if over.end == End::Wrong {
                report::warning(format_args!("{}: {}", link.name, over.cause));
            } else if self.doubtful {
                report::warning(format_args!(
                    "{}: {} at the end: what it had not read by then is lost",
                    link.name, over.cause
                ));
                if let Some(hint) = &over.hint {
                    report::hint(hint);
                }
            }
            self.redial.schedule_now();
            return Ok(());
        }
        if was_wanted {
            self.redial.schedule_now();
            return Ok(());
        }
        let mut failure = format!("{}: {}", link.name, over.cause);
        if unconfirmed > 0 {
            failure += &format!(", {} unconfirmed", Count(unconfirmed, "message"));
        }
        self.retry(&failure, over.hint.as_deref())
    }

    /// Whether everything is delivered and the peer has closed the connection in order, so that
    /// nothing is left to do; or the time for that is up.
    ///
    /// # Errors
    /// Records that the peer did not confirm in time: status 3.
    fn is_finished(&mut self) -> Result<bool, Stop> {
        let unconfirmed = self.window.unconfirmed();
        let Some(link) = &mut self.link else {
            let is_over = self.unanswered.is_some_and(|at| at.elapsed() >= self.delivery.linger);
            return if is_over && unconfirmed > 0 {
                Err(self.unconfirmed())
            } else {
                Ok(unconfirmed == 0)
            };
        };
        if unconfirmed == 0 && link.is_closed_by_peer() {
            let count = Count(self.accepted() - self.before, "message");
            let done = if self.confirms() { "confirmed" } else { "sent" };
            report::note(format_args!("{}: {count} {done}", self.name()));
            return Ok(true);
        }
        if self.window.has_unwritten() {
            self.lingering = None;
            return Ok(false);
        }
        let since = *self.lingering.get_or_insert_with(Instant::now);
        if since.elapsed() < self.delivery.linger {
            return Ok(false);
        }
        if unconfirmed == 0 {
            report::note(format_args!("{}: has everything, but does not close", link.name));
            return Ok(true);
        }
        Err(self.unconfirmed())
    }

    /// The time for confirmations is up.
    fn unconfirmed(&self) -> Stop {
        report::error(format_args!(
            "{}: {} not confirmed within {}",
            self.name(),
            Count(self.window.unconfirmed(), "message"),
            Span(self.delivery.linger)
        ));
        Stop::Said(Status::Unreachable)
    }

    /// How many records of the stream are confirmed, those refused not among them.
    pub(crate) fn accepted(&self) -> u64 {
        self.window.confirmed().saturating_sub(self.window.refusals.count()).max(self.before)
    }

    /// Whether anybody tells what has arrived.
    pub(crate) fn confirms(&self) -> bool {
        self.delivery.ack != Ack::None && !self.addrs.iter().all(Addr::is_datagram)
    }

    /// Whether somebody listens, or did when there was something to send last.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Whether it is connected and has taken all there is.
    pub(crate) fn is_idle(&self) -> bool {
        self.link.is_some() && !self.window.has_unwritten()
    }

    /// Whether a record could not be sent.
    pub(crate) fn has_lost(&self) -> bool {
        self.has_lost
    }

    /// Whether records may be lost though they were confirmed.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful
    }

    /// When to look again though nothing happens.
    pub(crate) fn deadline(&self, at_end: bool, is_awaited: bool) -> Option<Instant> {
        let now = Instant::now();
        let Some(link) = &self.link else {
            // While a thread connects, it may be the one that a signal wakes.
            let due = if self.dialing.is_some() { now + SIGNAL_PERIOD } else { self.redial.due() };
            return self.wants_link(at_end).then_some(due);
        };
        let outstanding = self.window.unconfirmed() > 0;
        let may_rest = !outstanding && link.closing.is_none();
        let is_awaited = at_end || is_awaited || !self.window.has_room();
        let period = if is_awaited { POLL_PERIOD } else { SLOW_PERIOD };
        let limits = [
            link.has_more.then_some(now),
            (outstanding && link.is_polled()).then(|| now + period),
            link.tells_again(&self.window),
            self.lingering.map(|since| since + self.delivery.linger),
            link.closing.map(|since| since + self.delivery.linger),
            link.stuck.zip(self.delivery.write_timeout).map(|(since, limit)| since + limit),
            link.awaiting.zip(self.delivery.write_timeout).map(|(since, limit)| since + limit),
            self.delivery.idle_timeout.filter(|_| may_rest).map(|limit| link.active + limit),
        ];
        limits.into_iter().flatten().min()
    }

    /// Closes a connection that idles too long; the next one can wait.
    fn rest(&mut self) -> Result<(), Stop> {
        let Some(limit) = self.delivery.idle_timeout else { return Ok(()) };
        if let Some(link) = &mut self.link
            && self.window.unconfirmed() == 0
            && link.active.elapsed() >= limit
        {
            let closed = link.close();
            self.is_lazy = true;
            if let Err(over) = closed {
                self.lost(&over, false)?;
            }
        }
        Ok(())
    }
}

/// Ends with that status, and tells how much is not delivered.
fn undelivered(count: u64, status: Status) -> Stop {
    if count > 0 {
        report::error(format_args!("{} not delivered", Count(count, "message")));
    }
    Stop::Said(status)
}

/// Reads and writes as much as goes without waiting.
fn converse(
    link: &mut Link,
    window: &mut Window,
    delivery: &Delivery,
    at_end: bool,
) -> Result<(), Over> {
    let last = match delivery.reconnect_after {
        0 => u64::MAX,
        count => link.first.saturating_add(count),
    };
    let confirmed = window.confirmed();
    if link.closing.is_none() {
        link.write(window, last, at_end)?;
    } else {
        link.look(window)?;
    }
    link.note_progress(window, confirmed);
    let is_over = |since: Option<Instant>| {
        since.zip(delivery.write_timeout).is_some_and(|(since, limit)| since.elapsed() >= limit)
    };
    if is_over(link.stuck) {
        return Err(Over::new(End::Broken, "stopped accepting data"));
    }
    if is_over(link.awaiting) {
        let mut over = Over::new(End::Broken, "stopped acknowledging");
        if link.may_lack_ack(window) {
            over.hint = Some(UNCONFIRMING.to_owned());
        }
        return Err(over);
    }
    let all_written = !window.has_unwritten() && link.stuck.is_none();
    let batch_written = last < window.last() && link.stuck.is_none();
    if (at_end && all_written) || (batch_written && window.written_until() >= last) {
        link.close()?;
    }
    if let Some(since) = link.closing
        && (!at_end || window.has_unwritten())
        && (link.is_closed_by_peer() || since.elapsed() >= delivery.linger)
    {
        return Err(Over::new(End::Ours, "closed"));
    }
    Ok(())
}

/// Whether every target takes another record.
pub(crate) fn have_room(targets: &[Target]) -> bool {
    targets.iter().all(|target| target.window.has_room())
}

/// The same, and somebody listens: otherwise a queue is the better place for a record.
pub(crate) fn want_more(targets: &[Target]) -> bool {
    have_room(targets) && targets.iter().any(Target::is_open)
}
