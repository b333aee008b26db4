// SPDX-License-Identifier: MIT OR Apache-2.0
//! Senders that do not connect to a listener: programs that are started, and restarted if they
//! fail, and the process at standard input and output.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use heka_core::net::exec::{self, Direction, Parting, Program, status_words};
use heka_core::net::{Backoff, DialError, Fault, Loss, Redial, Retries, Stream};
use heka_core::os::Deadline;
use heka_core::report::words::CLOSED;
use heka_core::report::{self, Explain as _, Status, Stop};

use crate::cli::Plan;
use crate::connection::Connection;
use crate::doors::Newcomer;
use crate::numbers::Arrivals;
use crate::transport::Transport;

/// Time for programs to exit at the end: acknowledgements have yet to reach a broker.
const LAST: Duration = Duration::from_millis(1200);

/// The state of a program.
#[derive(Debug)]
enum State {
    /// To be started.
    Due,
    /// Sending.
    Sends,
    /// Its connection has ended, and it is about to exit.
    Leaves(Parting, End),
    /// Exited, and not restarted.
    Over,
}

#[derive(Debug)]
struct Sender {
    /// `None` is standard input and output.
    program: Option<Program>,
    redial: Redial,
    state: State,
}

/// All programs. The index of each is its number.
#[derive(Debug)]
pub(crate) struct Programs {
    senders: Vec<Sender>,
    retries: Retries,
    /// The status of those that were given up.
    pub(crate) status: Status,
}

/// The end of a program's connection.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) number: usize,
    pub(crate) connection: Box<Connection>,
}

impl Programs {
    pub(crate) fn new(plan: &Plan) -> Self {
        let retries = if plan.once { Retries::Times(0) } else { plan.backoff.retries };
        let backoff = Backoff { retries, ..plan.backoff };
        let sender = |program| Sender { program, redial: Redial::new(backoff), state: State::Due };
        let stdio = plan.stdio.then(|| sender(None));
        let programs = plan.programs.iter().cloned().map(|program| sender(Some(program)));
        Self { senders: stdio.into_iter().chain(programs).collect(), retries, status: Status::Done }
    }

    /// Returns when the next program is to be started or checked.
    pub(crate) fn due(&self) -> Deadline {
        let due = self.senders.iter().filter_map(|sender| match &sender.state {
            State::Due => Some(sender.redial.due()),
            State::Leaves(parting, _) => Some(parting.due()),
            State::Sends | State::Over => None,
        });
        due.min()
    }

    /// Whether no more input comes from any of them.
    pub(crate) fn are_over(&self) -> bool {
        self.senders.iter().all(|sender| matches!(sender.state, State::Over))
    }

    /// Whether one was given up.
    pub(crate) fn has_failed(&self) -> bool {
        self.status != Status::Done
    }

    /// Starts one that is due.
    ///
    /// # Errors
    /// A signal, or a closed standard input.
    pub(crate) fn start(&mut self) -> Result<Option<Newcomer>, Stop> {
        let now = Instant::now();
        let is_due =
            |sender: &Sender| matches!(sender.state, State::Due) && sender.redial.due() <= now;
        let Some(number) = self.senders.iter().position(is_due) else { return Ok(None) };
        let Some(sender) = self.senders.get_mut(number) else { return Ok(None) };
        let Some(program) = &sender.program else {
            sender.state = State::Over;
            let stream = heka_core::net::stdio().at("standard input")?;
            let peer = "standard input".to_owned();
            return Ok(Some(sender_of(stream, peer, number)));
        };
        let peer = program.to_string();
        match program.start(Direction::From(self.retries), None) {
            Ok(stream) => {
                stream.set_nonblocking(true).at(&peer)?;
                sender.state = State::Sends;
                Ok(Some(sender_of(stream, peer, number)))
            }
            Err(DialError::Stopped(stop)) => Err(stop),
            Err(DialError::Failed(Fault { cause, hint, .. })) => {
                self.status = sender.retry(&cause, hint.as_deref());
                Ok(None)
            }
        }
    }

    /// Handles the end of a program's connection.
    pub(crate) fn leave(&mut self, end: End) {
        if let Some(sender) = self.senders.get_mut(end.number)
            && matches!(sender.state, State::Sends)
        {
            sender.state = State::Leaves(Parting::begin(), end);
        }
    }

    /// Checks how programs whose connections have ended have exited.
    pub(crate) fn look(&mut self) {
        for sender in &mut self.senders {
            let State::Leaves(parting, end) = &mut sender.state else { continue };
            let Connection { stream, acknowledged, .. } = end.connection.as_mut();
            if parting.is_over(stream) {
                let (status, is_success) = (stream.program_exit(), *acknowledged > 0);
                self.status = self.status.and(sender.ended(status, is_success));
            }
        }
    }

    /// Ends: waits briefly for programs whose connections have ended.
    pub(crate) fn end(&mut self) {
        let leaving = self.senders.iter_mut().filter_map(|sender| match &mut sender.state {
            State::Leaves(_, end) => Some(&mut end.connection.stream),
            State::Due | State::Sends | State::Over => None,
        });
        exec::end_all(leaving, LAST);
    }
}

/// Returns the status of a heka tool that would not change after a restart: its flags are wrong, or
/// its retries are used up.
fn verdict(status: ExitStatus) -> Option<Status> {
    match status.code() {
        Some(2) => Some(Status::Usage),
        Some(3) => Some(Status::Unreachable),
        _ => None,
    }
}

/// Creates the sender for a stream of this process.
fn sender_of(stream: Stream, peer: String, number: usize) -> Newcomer {
    let arrivals = Arrivals::named(&peer);
    Newcomer { stream, peer, way: Transport::Program, arrivals, program: Some(number) }
}

impl Sender {
    /// Handles the exit of a program. [`Status::Done`] if it is not given up.
    fn ended(&mut self, status: Option<ExitStatus>, is_success: bool) -> Status {
        if is_success {
            self.redial.reset();
        }
        let is_tool = matches!(self.program, Some(Program::Broker { .. }));
        let Some(status) = status else { return self.retry(CLOSED, None) };
        let verdict =
            if status.success() { Some(Status::Done) } else { verdict(status).filter(|_| is_tool) };
        if let Some(verdict) = verdict {
            self.state = State::Over;
            return verdict;
        }
        self.retry(&status_words(status), None)
    }

    /// Reports a failure and the time of the next attempt. [`Status::Done`] if there is one.
    fn retry(&mut self, cause: &str, hint: Option<&str>) -> Status {
        let name = self.program.as_ref().map(ToString::to_string).unwrap_or_default();
        if self.redial.schedule(&Loss::of(format_args!("{name}: {cause}")).hint(hint)) {
            self.state = State::Due;
            return Status::Done;
        }
        report::error(format_args!("{name}: {cause}"));
        hint.iter().for_each(report::hint);
        self.state = State::Over;
        Status::Unreachable
    }
}
