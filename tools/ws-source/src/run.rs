// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connects, receives, and reconnects when the connection breaks.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use heka_core::cli::settle_form;
use heka_core::net::ws::Closed;
use heka_core::net::{FaultKind, Loss, Redial};
use heka_core::os::{Backlog, Output};
use heka_core::report::words::Span;
use heka_core::report::{self, Status, Stop};

use crate::cli::Plan;
use crate::connect::{Connector, Unconnected};
use crate::numbers;
use crate::outbound::Outbound;
use crate::record::Recorder;
use crate::session::Session;

/// A connection of this duration counts as a success, which resets the delays.
const STABLE: Duration = Duration::from_secs(10);

/// Receives until everything requested is done.
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
    // Output produced before an error or a signal is written too.
    if !matches!(ended, Err(Stop::BrokenPipe)) {
        session.out.flush()?;
    }
    session.tell_rest();
    let lost = Status::failed_if(session.input_lost);
    Ok(ended?.and(lost).and(plan.writing.status(session.recorder.written)))
}

struct Feed<'a> {
    plan: &'a Plan,
    connector: Connector,
    session: &'a mut Session,
}

impl Feed<'_> {
    /// Connects again after each end of a connection.
    fn follow(&mut self) -> Result<Status, Stop> {
        let shown = self.plan.endpoint.shown.as_str();
        let mut redial = Redial::new(self.plan.backoff);
        let mut lost_at: Option<Instant> = None;
        loop {
            let end = match self.connector.connect(self.plan)? {
                Err(unconnected) => End::Unconnected(unconnected),
                Ok(socket) => {
                    match lost_at.take() {
                        None => report::note(format_args!("{shown}: connected")),
                        Some(lost) => {
                            numbers::RECONNECTS.add(1);
                            let gap = Span(lost.elapsed());
                            report::announce(format_args!("{shown}: connected after {gap}"));
                        }
                    }
                    let opened = Instant::now();
                    numbers::CONNECTS.add(1);
                    numbers::CONNECTED.set(1);
                    let served = self.session.serve(self.plan, socket);
                    numbers::CONNECTED.set(0);
                    match served? {
                        ControlFlow::Break(()) => return Ok(Status::Done),
                        ControlFlow::Continue(closed) => {
                            if opened.elapsed() >= STABLE {
                                redial.reset();
                            }
                            End::Closed(closed)
                        }
                    }
                }
            };
            lost_at.get_or_insert_with(Instant::now);
            if let Some(status) = self.pause(&end, &mut redial)? {
                return Ok(status);
            }
        }
    }

    /// Waits for the next attempt; returns a status if there is none.
    fn pause(&mut self, end: &End, redial: &mut Redial) -> Result<Option<Status>, Stop> {
        let shown = self.plan.endpoint.shown.as_str();
        let is_done = end.is_orderly() && self.session.input_ended.is_some();
        let wait = end.retry_after().min(self.plan.backoff.max_delay);
        let text = format_args!("{shown}: {end}");
        if !end.is_orderly() {
            end.kind().count();
        }
        if !is_done && redial.schedule(&Loss::of(text).hint(end.hint()).wait(wait)) {
            redial.wait(Some(&mut self.session.out), None)?;
            return Ok(None);
        }
        if end.is_orderly() {
            report::note(text);
            return Ok(Some(Status::Done));
        }
        report::error(text);
        if let Some(hint) = end.hint() {
            report::hint(hint);
        }
        Ok(Some(Status::Unreachable))
    }
}

/// The end of an attempt.
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

    /// Returns the kind of failure.
    fn kind(&self) -> FaultKind {
        match self {
            Self::Unconnected(unconnected) => unconnected.fault.kind,
            Self::Closed(closed) => closed.kind,
        }
    }

    fn hint(&self) -> Option<&str> {
        match self {
            Self::Unconnected(unconnected) => unconnected.fault.hint.as_deref(),
            Self::Closed(_) => None,
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unconnected(unconnected) => f.write_str(&unconnected.fault.cause),
            Self::Closed(closed) => closed.fmt(f),
        }
    }
}
