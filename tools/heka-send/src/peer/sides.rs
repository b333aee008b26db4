// SPDX-License-Identifier: MIT OR Apache-2.0
//! Both sides of a connection: whether this side still writes and the peer still listens, and what
//! has to happen before the connection may end.
//!
//! A command that acknowledges nothing may still work on what it has read. As at the end of a pipe
//! in a shell, the work is done when the command has exited, and its status says whether it
//! succeeded.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

use heka_core::net::exec::Parting;
use heka_core::net::{Addr, FaultKind};
use heka_core::report::words::Span;

use crate::peer::over::{End, Over};
use crate::peer::phase::{Hearing, Writing};
use crate::peer::pipe::Pipe;
use crate::plan::Delivery;

/// Intervals of checks whether a command has exited, before and after it has closed its side.
const SLOW_PERIOD: Duration = Duration::from_millis(100);
const PERIOD: Duration = Duration::from_millis(5);

/// The state of a connection.
#[derive(Debug)]
pub(super) struct Sides {
    pub(super) writing: Writing,
    pub(super) hearing: Hearing,
    /// Time of the last write.
    active: Instant,
    /// Time limit for the first answer of the peer, if any.
    answer_timeout: Option<Duration>,
    /// Time limit for the peer at the end, if any.
    linger: Option<Duration>,
    /// Whether the peer can close its side.
    is_stream: bool,
    /// Whether the peer is a command whose exit counts.
    counts_exit: bool,
    /// Whether that command has exited successfully.
    has_exited: bool,
    /// Whether the peer is a program, whose failure is known a moment after the connection has
    /// ended.
    is_program: bool,
    /// The wait for that, and the reason for the end of the connection, if it has ended.
    parting: Option<(Parting, Option<Over>)>,
    /// Whether that wait is over.
    has_parted: bool,
}

impl Sides {
    pub(super) fn new(delivery: &Delivery, addr: &Addr) -> Self {
        Self {
            writing: Writing::Open,
            hearing: Hearing::Quiet,
            active: Instant::now(),
            answer_timeout: delivery.answer_timeout_of(addr),
            linger: delivery.linger_of(addr),
            is_stream: !addr.is_datagram(),
            counts_exit: delivery.counts_exit_of(addr),
            has_exited: false,
            is_program: matches!(addr, Addr::Exec(_)),
            parting: None,
            has_parted: false,
        }
    }

    /// Processes the result of reading and writing. If the peer is a program and has closed its
    /// side, the cause may be a failure, so the result only counts when
    /// [`are_parting`](Self::are_parting) says so.
    pub(super) fn part(&mut self, talk: Result<(), Over>) -> Result<(), Over> {
        let is_over = match &talk {
            Ok(()) | Err(Over { end: End::Ours | End::Peer, .. }) => {
                self.hearing == Hearing::Ended && !self.awaits_exit()
            }
            Err(Over { end, fault }) => *end == End::Broken && fault.kind != FaultKind::Timeout,
        };
        if !is_over || !self.is_program || self.has_parted {
            return talk;
        }
        self.parting = Some((Parting::begin(), talk.err()));
        Ok(())
    }

    /// Whether the exit status of the program is not known yet.
    ///
    /// # Errors
    /// It has failed, or the connection has ended for the reason seen before.
    pub(super) fn are_parting(&mut self, pipe: &mut Pipe) -> Result<bool, Over> {
        let Some((parting, over)) = self.parting.take() else { return Ok(false) };
        if !pipe.has_parted(&parting) {
            self.parting = Some((parting, over));
            return Ok(true);
        }
        self.has_parted = true;
        pipe.has_exited()?;
        over.map_or(Ok(false), Err)
    }

    /// Returns when to check again whether the program has exited.
    pub(super) fn parting_due(&self) -> Option<Instant> {
        self.parting.as_ref().map(|(parting, _)| parting.due())
    }

    /// Notes a write.
    pub(super) fn wrote(&mut self) {
        self.writing = Writing::Open;
        self.active = Instant::now();
    }

    /// Sets the state after an operation: `done`, or blocked until there is room.
    pub(super) fn settle(&mut self, outcome: io::Result<()>, done: Writing) -> Result<(), Over> {
        match outcome {
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.writing.block(),
            outcome => {
                outcome?;
                self.writing = done;
            }
        }
        Ok(())
    }

    /// Returns when writing was ended.
    pub(super) fn closing(&self) -> Option<Instant> {
        self.writing.closing()
    }

    /// Returns since when nothing was acknowledged, or written if nothing has to be acknowledged.
    pub(super) fn idle_since(&self) -> Instant {
        self.hearing.awaiting().unwrap_or(self.active)
    }

    /// Whether nothing has been written for `limit`.
    pub(super) fn is_idle_for(&self, limit: Duration) -> bool {
        self.active.elapsed() >= limit
    }

    /// Disconnects a peer that has neither accepted nor acknowledged data within the time limit.
    /// `lacks_ack` says that it may be one that never acknowledges.
    pub(super) fn check_patience(
        &self,
        limit: Option<Duration>,
        lacks_ack: impl FnOnce() -> bool,
    ) -> Result<(), Over> {
        if self.writing.is_stuck_for(limit) {
            return Err(Over::timeout("stopped accepting data"));
        }
        if self.hearing.is_silent_for(limit) {
            return Err(Over::timeout("stopped acknowledging").suspecting(lacks_ack()));
        }
        Ok(())
    }

    /// Fails if the peer was asked for its first answer and has not answered in time.
    pub(super) fn check_answer(
        &self,
        asked: Option<Instant>,
        lacks_ack: impl FnOnce() -> bool,
    ) -> Result<(), Over> {
        match self.answer_due(asked) {
            Some(due) if due <= Instant::now() => {
                Err(Over::new(End::Silent, "does not acknowledge").suspecting(lacks_ack()))
            }
            _ => Ok(()),
        }
    }

    /// Returns when the first answer is due.
    pub(super) fn answer_due(&self, asked: Option<Instant>) -> Option<Instant> {
        asked.zip(self.answer_timeout).map(|(asked, limit)| asked + limit)
    }

    /// Returns since when the peer has acknowledged nothing, if the connection ended for that reason.
    pub(super) fn silent_since(&self, end: End, asked: Option<Instant>) -> Option<Instant> {
        match end {
            End::Peer => self.closing(),
            End::Silent => asked,
            _ => None,
        }
    }

    /// Whether the exit of a command is waited for.
    pub(super) fn awaits_exit(&self) -> bool {
        self.counts_exit && !self.has_exited && self.closing().is_some()
    }

    /// Checks whether a command that is waited for has exited.
    ///
    /// # Errors
    /// It has failed.
    pub(super) fn look(&mut self, pipe: &mut Pipe) -> Result<(), Over> {
        if self.awaits_exit() {
            self.has_exited = pipe.has_exited()?;
        }
        Ok(())
    }

    /// Whether a command has exited successfully.
    pub(super) fn has_exited(&self) -> bool {
        self.has_exited
    }

    /// Whether the peer has closed its side, or never will because it cannot.
    pub(super) fn is_closed_by_peer(&self) -> bool {
        if self.parting.is_some() {
            return false;
        }
        if self.counts_exit {
            return self.has_exited;
        }
        self.hearing == Hearing::Ended || !self.is_stream
    }

    /// Whether nothing more is waited for, if everything was written at `since`.
    pub(super) fn are_over(&self, since: Instant) -> bool {
        self.is_closed_by_peer() || self.overdue_at(since).is_some_and(|due| due <= Instant::now())
    }

    /// Returns when the peer exceeds the time limit, if everything was written at `since`.
    pub(super) fn overdue_at(&self, since: Instant) -> Option<Instant> {
        self.linger.map(|limit| since + limit)
    }

    /// Creates the reason for a connection that was closed and is now left.
    pub(super) fn left(&self) -> Over {
        match self.linger {
            Some(limit) if self.awaits_exit() => {
                Over::new(End::Failed, format_args!("still running after {}", Span(limit)))
            }
            _ => Over::new(End::Ours, "closed"),
        }
    }

    /// Returns when to check again even without events. `is_outstanding` says that something is not
    /// acknowledged.
    pub(super) fn deadline(&self, is_outstanding: bool, delivery: &Delivery) -> Option<Instant> {
        let period = if self.hearing == Hearing::Ended { PERIOD } else { SLOW_PERIOD };
        let exit = self.awaits_exit().then(|| Instant::now() + period);
        let within = |since| delivery.write_timeout.map(|limit| since + limit);
        let writing = match self.writing {
            Writing::Open if is_outstanding => None,
            Writing::Open => delivery.idle_timeout.map(|limit| self.active + limit),
            Writing::Stuck(since) => within(since),
            Writing::Closed(since) => self.overdue_at(since),
        };
        let hearing = self.hearing.awaiting().and_then(within);
        [exit, writing, hearing].into_iter().flatten().min()
    }
}
