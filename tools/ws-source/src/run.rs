// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connects, receives, and comes back when the connection breaks.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use heka_core::cli::settle_form;
use heka_core::net::Attempts;
use heka_core::net::ws::Closed;
use heka_core::os::{Backlog, Output, wait};
use heka_core::report::{self, Status, Stop, stats};

use crate::cli::Plan;
use crate::connect::{Connector, Unconnected};
use crate::outbound::Outbound;
use crate::record::Recorder;
use crate::session::Session;

/// A connection that lasts so long has succeeded: the delays begin anew.
const STABLE: Duration = Duration::from_secs(10);

/// Receives until everything asked is done.
pub(crate) fn run(mut plan: Plan) -> Result<Status, Stop> {
    let out = settle_form(plan.form, Output::stdout()?.unbuffered(plan.writing.unbuffered))?;
    let connector = Connector::new(&mut plan)?;
    let outbound = plan.stdin.then(|| Outbound::new(&plan)).transpose()?;
    let mut session = Session {
        out: Backlog::new(out),
        recorder: Recorder::new(&plan),
        outbound,
        input_lost: false,
        input_ended: None,
        has_forwarded: false,
    };
    let ended = Feed { plan: &plan, connector, session: &mut session }.follow();
    // Also what came before an error or a signal is written.
    if !matches!(ended, Err(Stop::BrokenPipe)) {
        session.out.flush()?;
    }
    let lost = Status::failed_if(session.input_lost);
    Ok(ended?.and(lost).and(plan.writing.status(stats::MESSAGES.value())))
}

struct Feed<'a> {
    plan: &'a Plan,
    connector: Connector,
    session: &'a mut Session,
}

impl Feed<'_> {
    /// One connection after the other.
    fn follow(&mut self) -> Result<Status, Stop> {
        let shown = self.plan.endpoint.shown.as_str();
        let mut attempts = self.plan.backoff.start();
        let mut lost_at: Option<Instant> = None;
        loop {
            let end = match self.connector.connect(self.plan)? {
                Err(unconnected) => End::Unconnected(unconnected),
                Ok(socket) => {
                    match lost_at.take() {
                        None => report::note(format_args!("{shown}: connected")),
                        Some(lost) => {
                            stats::counter("reconnects").add(1);
                            let gap = lost.elapsed().as_secs_f64();
                            report::announce(format_args!(
                                "{shown}: connected again after {gap:.1} s"
                            ));
                        }
                    }
                    let opened = Instant::now();
                    match self.session.serve(self.plan, socket)? {
                        ControlFlow::Break(()) => return Ok(Status::Done),
                        ControlFlow::Continue(closed) => {
                            if opened.elapsed() >= STABLE {
                                attempts.reset();
                            }
                            End::Closed(closed)
                        }
                    }
                }
            };
            lost_at.get_or_insert_with(Instant::now);
            if let Some(status) = self.pause(&end, &mut attempts)? {
                return Ok(status);
            }
        }
    }

    /// Tells what happened and waits for the next attempt; a status if there is to be none.
    fn pause(&mut self, end: &End, attempts: &mut Attempts) -> Result<Option<Status>, Stop> {
        let shown = self.plan.endpoint.shown.as_str();
        let is_done = end.is_orderly() && self.session.input_ended.is_some();
        let delay = if is_done { None } else { attempts.delay() };
        let Some(delay) = delay else {
            if end.is_orderly() {
                report::note(format_args!("{shown}: {end}"));
                return Ok(Some(Status::Done));
            }
            report::error(format_args!("{shown}: {end}"));
            end.hint();
            return Ok(Some(Status::Unreachable));
        };
        let delay = delay.max(end.retry_after().min(self.plan.backoff.max_delay));
        let seconds = (delay.as_secs_f64() * 1000.0).round() / 1000.0;
        report::announce(format_args!("{shown}: {end}; trying again in {seconds} s"));
        if attempts.failures() == 1 {
            end.hint();
        }
        self.wait(Instant::now() + delay)?;
        Ok(None)
    }

    /// Waits, while the output's reader goes on taking what there is.
    fn wait(&mut self, until: Instant) -> Result<(), Stop> {
        let out = &mut self.session.out;
        while Instant::now() < until {
            out.try_flush()?;
            let wanted: Vec<_> = out.wanted().into_iter().collect();
            let ready = wait(&wanted, Some(until))?;
            if out.pending() == 0 && ready.iter().any(|ready| !ready.is_empty()) {
                return Err(Stop::BrokenPipe);
            }
        }
        Ok(())
    }
}

/// How an attempt came to its end.
enum End {
    Unconnected(Unconnected),
    Closed(Closed),
}

impl End {
    fn is_orderly(&self) -> bool {
        matches!(self, Self::Closed(closed) if closed.is_orderly())
    }

    fn retry_after(&self) -> Duration {
        match self {
            Self::Unconnected(unconnected) => unconnected.retry_after.unwrap_or_default(),
            Self::Closed(_) => Duration::ZERO,
        }
    }

    fn hint(&self) {
        if let Self::Unconnected(Unconnected { hint: Some(hint), .. }) = self {
            report::hint(hint);
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unconnected(unconnected) => f.write_str(&unconnected.cause),
            Self::Closed(closed) => closed.fmt(f),
        }
    }
}
