// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sends standard input to one peer, or to each of several.

use std::sync::Arc;
use std::time::{Duration, Instant};

use heka_core::delivery::Commit;
use heka_core::net::Dialer;
use heka_core::os::{Deadline, serve_signals, wait};
use heka_core::report::words::Count;
use heka_core::report::{
    self, Status, Stop,
    stats::{self, Lag},
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::input::Source;
use crate::lane::Lane;
use crate::numbers;
use crate::packer::line_limit;
use crate::peer::Target;
use crate::plan::Plan;
use crate::refusals::DeadLetters;

/// Time limit for acknowledgements after a signal has requested the end.
const GRACE: Duration = Duration::from_secs(1);

/// Delivers all input.
pub(crate) fn run(plan: Plan) -> Result<Status, Stop> {
    let mut sender = Sender::new(plan)?;
    let outcome = sender.work();
    if let Err(Stop::Signal(_)) = outcome {
        sender.settle();
    }
    let advanced = sender.advance();
    let stored = sender.lane.store();
    match advanced.and(stored) {
        Err(stop) => Err(stop.after(outcome)),
        Ok(()) => outcome,
    }
}

#[derive(Debug)]
struct Sender {
    source: Source,
    lane: Lane,
    /// The targets that have not been given up.
    targets: Vec<Target>,
    /// The exit status so far.
    status: Status,
    /// Number of the last record that an earlier run delivered.
    before: u64,
    dialer: Arc<Dialer>,
    letters: Option<DeadLetters>,
    /// Number of acknowledged messages that have been counted.
    counted: u64,
    lag: Lag,
    is_behind: bool,
}

impl Sender {
    fn new(mut plan: Plan) -> Result<Self, Stop> {
        if plan.uses_tls {
            plan.dialer.tls.config()?;
        }
        let line_limit = line_limit(&plan)?;
        let lane = Lane::new(&mut plan)?;
        let source = Source::new(&plan, lane.is_verbatim(), line_limit)?;
        let groups = std::mem::take(&mut plan.targets);
        let before = lane.acknowledged();
        let targets = groups.into_iter().enumerate();
        let targets = targets.map(|(index, addrs)| Target::new(addrs, index, &plan, before));
        let targets = targets.collect();
        let letters =
            plan.refused_file.as_deref().map(|path| DeadLetters::open(path, u32::MAX as usize));
        let (letters, dialer) = (letters.transpose()?, Arc::new(plan.dialer));
        Ok(Self {
            source,
            lane,
            targets,
            status: Status::Done,
            before,
            dialer,
            letters,
            counted: 0,
            lag: Lag::default(),
            is_behind: false,
        })
    }

    fn work(&mut self) -> Result<Status, Stop> {
        loop {
            self.lane.feed(&mut self.targets)?;
            let at_end = self.is_at_end();
            let finished = self.turn(at_end)?;
            self.advance()?;
            if finished {
                let doubtful = self.targets.iter().any(Target::is_doubtful);
                let refuses = |target: &Target| target.window.refusals.count() > 0;
                let has_lost =
                    self.targets.iter().any(|target| target.has_lost() || refuses(target));
                let damaged = self.lane.failed || self.source.has_lost || has_lost;
                let reached = if doubtful { Status::Unreachable } else { Status::Done };
                return Ok(self.status.and(Status::failed_if(damaged)).and(reached));
            }
            if self.wait_for_input(at_end)? {
                self.read()?;
            }
        }
    }

    /// Lets every target make progress; returns whether nothing is left to do.
    fn turn(&mut self, at_end: bool) -> Result<bool, Stop> {
        let mut finished = true;
        let mut index = 0;
        while let Some(target) = self.targets.get_mut(index) {
            match target.turn(&self.dialer, at_end) {
                Ok(done) => {
                    finished &= done;
                    index += 1;
                }
                Err(Stop::Said(Status::Unreachable)) if self.may_do_without_one() => {
                    self.keep_refused()?;
                    let name = self.targets.remove(index).name();
                    report::warning(format_args!("{name}: given up; the others get the rest"));
                    self.status = Status::Unreachable;
                }
                Err(stop) => return Err(stop),
            }
        }
        Ok(finished)
    }

    /// Whether the other targets continue if one is given up. Not if a later run could continue
    /// where this one ends, with all of them.
    fn may_do_without_one(&self) -> bool {
        self.targets.len() > 1 && self.lane.commit.is_none() && self.lane.is_volatile()
    }

    /// Whether all records are in the windows.
    fn is_at_end(&self) -> bool {
        self.source.is_ended() && self.lane.is_drained()
    }

    /// Waits until something can be done; `true` if that is reading.
    fn wait_for_input(&mut self, at_end: bool) -> Result<bool, Stop> {
        let has_room = !self.source.is_ended()
            && self.lane.has_room(&mut self.targets)?
            && !self.leaves_records_to_the_writer()?;
        stats::note_blocked(stats::On::Peer, !has_room && !self.source.is_ended());
        if has_room && self.source.input.is_regular() && self.targets.iter().all(Target::is_idle) {
            // Each avoided system call per turn counts, and a file is always readable.
            serve_signals()?;
            return Ok(true);
        }
        // Deadlines are computed here, so whatever is due now is included.
        let deadline = self.deadline(at_end);
        let mut wanted = Vec::with_capacity(1 + self.targets.len());
        if has_room {
            wanted.push((self.source.input.fd(), PollFlags::POLLIN));
        }
        wanted.extend(self.targets.iter().filter_map(Target::awaited));
        let ready = wait(&wanted, deadline)?;
        Ok(has_room && ready.first().is_some_and(|ready| !ready.is_empty()))
    }

    /// Whether a pipe should not be read yet. As long as no peer was reached and nothing is kept on
    /// disk, records are safer with a writer, which can see that this process ends without having
    /// read them.
    fn leaves_records_to_the_writer(&self) -> Result<bool, Stop> {
        let is_nobody_there = !self.targets.iter().any(Target::was_reached);
        Ok(is_nobody_there && self.lane.is_volatile() && self.source.is_pipe_in_use()?)
    }

    fn deadline(&self, at_end: bool) -> Deadline {
        if self.lane.has_more(&self.targets) {
            // The acknowledgements of this turn made room for more.
            return Some(Instant::now());
        }
        let is_awaited = self.lane.commit.as_ref().is_some_and(Commit::is_waiting);
        let targets = self.targets.iter().filter_map(|target| target.deadline(at_end, is_awaited));
        targets.chain(self.lane.deadline()).min()
    }

    fn read(&mut self) -> Result<(), Stop> {
        let Self { source, targets, lane, .. } = self;
        lane.start_block(targets);
        source.read(&mut |record| lane.put(record, targets))?;
        lane.end_block(targets)
    }

    /// Notes what every target has received.
    fn advance(&mut self) -> Result<(), Stop> {
        self.keep_refused()?;
        let acknowledged = self.targets.iter().map(|target| target.window.acknowledged()).min();
        let acknowledged = acknowledged.unwrap_or(0);
        if self.targets.iter().any(Target::acknowledges) {
            let accepted = self.targets.iter().map(Target::accepted).min().unwrap_or(0);
            self.count_acknowledged(accepted.saturating_sub(self.before));
        }
        let sent = self.targets.iter().map(|target| target.window.written_until()).max();
        numbers::SENT.raise(sent.unwrap_or(0).saturating_sub(self.before));
        self.count_in_flight(acknowledged);
        self.lane.acknowledge(acknowledged)
    }

    fn count_acknowledged(&mut self, count: u64) {
        if count > self.counted {
            self.counted = count;
            numbers::ACKNOWLEDGED.set(count);
            numbers::ACKNOWLEDGED_AT.set(stats::now());
        }
    }

    /// Counts the unacknowledged messages and the age of the oldest.
    fn count_in_flight(&mut self, acknowledged: u64) {
        let last = self.lane.last(&self.targets);
        numbers::IN_FLIGHT.set(last.saturating_sub(acknowledged));
        if last > acknowledged || self.is_behind {
            let since = self.lag.see(stats::now(), last, acknowledged);
            self.is_behind = since > 0;
            numbers::OLDEST.set(since);
        }
    }

    /// Writes refused messages to their file, before they count as done.
    fn keep_refused(&mut self) -> Result<(), Stop> {
        self.letters.as_mut().map_or(Ok(()), |letters| letters.keep(&mut self.targets))
    }

    /// After a signal: lets records that have been read be delivered, within the time limit.
    fn settle(&mut self) {
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && self.unacknowledged() > 0 {
            let connected = self.targets.iter().filter(|target| target.is_connected());
            let is_nobody_there = connected.clone().count() == 0;
            let awaited = connected.filter_map(Target::awaited);
            let mut fds: Vec<_> = awaited.map(|(fd, events)| PollFd::new(fd, events)).collect();
            if is_nobody_there || poll(&mut fds, PollTimeout::from(5u8)).is_err() {
                break;
            }
            for target in self.targets.iter_mut().filter(|target| target.is_connected()) {
                // A target that fails has no connection any longer; the others still do.
                let _over = target.work(&self.dialer, true);
            }
        }
        let unacknowledged = self.unacknowledged();
        if unacknowledged > 0 && self.lane.is_volatile() {
            report::warning(format_args!("{} not acknowledged", Count(unacknowledged, "message")));
        }
    }

    fn unacknowledged(&self) -> u64 {
        self.targets.iter().map(|target| target.window.unacknowledged()).max().unwrap_or(0)
    }
}
