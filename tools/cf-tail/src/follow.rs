// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads what a server has kept, what it sends from now on, or both joined; again after a
//! connection was lost, where that is useful.

use std::time::{Duration, Instant};

use heka_core::net::{Loss, Redial};
use heka_core::report::{self, Status, Stop};

use crate::again;
use crate::failure::Failure;
use crate::intake::Intake;
use crate::selection::Follow;
use crate::server::Server;
use crate::session::Session;

/// A stream of this duration was healthy: its end counts as a new failure.
const HEALTHY: Duration = Duration::from_secs(30);
/// Delay before reopening a stream that the server ended normally.
const BREATH: Duration = Duration::from_secs(1);

/// The logs of one server.
pub(crate) struct Logs<'a> {
    pub(crate) session: &'a Session,
    pub(crate) server: &'a dyn Server,
    /// The sources of the logs.
    pub(crate) sources: Vec<String>,
    /// Whether to sort the kept messages by time.
    pub(crate) sort: bool,
    /// Maximum number of kept messages.
    pub(crate) lines: Option<usize>,
}

impl Logs<'_> {
    /// Writes kept messages if `recent`, then new ones if following.
    ///
    /// # Errors
    /// How it ended; `Said` if that has been reported.
    pub(crate) fn write(
        &self,
        recent: bool,
        follow: Option<Follow>,
        redial: Redial,
    ) -> Result<Status, Stop> {
        let Some(follow) = follow else {
            let mut redial = redial;
            let put = again::persist(self.session, &mut redial, &self.server.url(), || {
                self.put_recent(&mut self.intake(), false)
            });
            return put.map_err(|failure| self.stop(failure));
        };
        let mut status = Status::Done;
        let ended = self.follow(recent, follow, redial, &mut status);
        Err(match ended {
            Stop::Said(said) => Stop::Said(said.and(status)),
            stop => stop,
        })
    }

    fn follow(
        &self,
        mut recent: bool,
        follow: Follow,
        mut redial: Redial,
        status: &mut Status,
    ) -> Stop {
        let mut intake = self.intake();
        // Before the first connection nothing can be missed.
        let mut gap = "";
        loop {
            let mut opened = None;
            let failure = match self.open(&mut intake, &mut recent, status) {
                Ok(live) => {
                    opened = Some(Instant::now());
                    gap = if self.server.fills_gaps() { "" } else { "lines may be missing" };
                    live(&mut intake)
                }
                Err(failure) => failure,
            };
            // However long it takes to fail to open, it was not healthy.
            let lived = opened.map_or(Duration::ZERO, |opened| opened.elapsed());
            if lived >= HEALTHY {
                redial.reset();
            }
            let is_readable = intake.is_readable;
            let next = self.wait_for_next(failure, is_readable, follow, &mut redial, lived, gap);
            if let Err(stop) = next {
                return stop;
            }
        }
    }

    /// Opens the stream, then writes what came before it: kept or missed messages. In this order
    /// nothing is lost between the two.
    fn open(
        &self,
        intake: &mut Intake,
        recent: &mut bool,
        status: &mut Status,
    ) -> Result<crate::server::Live<'_>, Failure> {
        let live = self.server.open(self.session)?;
        intake.begin_stream(self.session.http.ahead());
        report::announce(format_args!("{}: connected ({})", self.server.url(), self.server.name()));
        if let Err(failure) = self.catch_up(intake, recent, status) {
            if matches!(failure, Failure::Stopped(Stop::Signal(_))) {
                // The stream notices the signal too, and closes the connection.
                let _: Failure = live(intake);
            }
            return Err(failure);
        }
        Ok(live)
    }

    fn catch_up(
        &self,
        intake: &mut Intake,
        recent: &mut bool,
        status: &mut Status,
    ) -> Result<(), Failure> {
        if *recent {
            *status = status.and(self.put_recent(intake, true)?);
            *recent = false;
        } else {
            self.fill_gap(intake)?;
        }
        Ok(())
    }

    fn put_recent(&self, intake: &mut Intake, joins_stream: bool) -> Result<Status, Failure> {
        let mut recent = self.server.recent(self.session)?;
        let passed_over = recent
            .arrange(self.sort, self.lines, |envelope| self.session.sink.lock().wants(envelope));
        let stopped = recent.stopped.take();
        if joins_stream {
            intake.pass_over(passed_over);
        }
        let at_once = joins_stream || stopped.is_some();
        intake.put_all(&self.session.sink, recent.envelopes, at_once)?;
        if joins_stream {
            intake.join();
        }
        stopped.map_or(Ok(Status::failed_if(recent.is_cut)), |stop| Err(Failure::Stopped(stop)))
    }

    /// Writes what was logged while disconnected, if the server still has it.
    fn fill_gap(&self, intake: &mut Intake) -> Result<(), Failure> {
        match self.server.fill(self.session, intake) {
            Ok(()) => Ok(()),
            Err(stopped @ Failure::Stopped(_)) => Err(stopped),
            Err(failure) => {
                let url = self.server.url();
                report::warning(format_args!("{url}: lines may be missing: {failure}"));
                Ok(())
            }
        }
    }

    fn intake(&self) -> Intake {
        let remembers = self.session.numbers || self.server.fills_gaps();
        Intake::new(self.sources.clone(), self.session.limits.delay, remembers)
    }

    /// Waits for the next attempt, or returns why there is none.
    fn wait_for_next(
        &self,
        failure: Failure,
        is_readable: bool,
        follow: Follow,
        redial: &mut Redial,
        lived: Duration,
        gap: &str,
    ) -> Result<(), Stop> {
        let url = self.server.url();
        let pause = match &failure {
            // Immediately, but not in a tight loop.
            Failure::Renew => Some(BREATH.saturating_sub(lived)),
            Failure::Ended { in_order: true, .. } if follow == Follow::Forever => Some(BREATH),
            _ => None,
        };
        if let Some(pause) = pause {
            let text = format_args!("{url}: {failure}");
            redial.schedule_after(pause, &Loss::of(text).gap(gap));
            return redial.wait(Some(self.session.sink.lock().backlog()), None);
        }
        let may_pass = if is_readable { failure.may_pass() } else { failure.is_worth_retrying() };
        if may_pass && again::wait(self.session, redial, &url, &failure, gap)? {
            return Ok(());
        }
        Err(self.stop(failure))
    }

    fn stop(&self, failure: Failure) -> Stop {
        failure.into_stop(self.server.name(), &self.server.url())
    }
}
