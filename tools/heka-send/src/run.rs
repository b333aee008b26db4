// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard input to one peer, or to each of several.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use heka_core::clock;
use heka_core::delivery::ack::Window;
use heka_core::exit::{Status, Stop};
use heka_core::io::{Deadline, wait};
use heka_core::net::Dialer;
use heka_core::{diag, stats};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::cli::{Ack, Plan};
use crate::commit::Commit;
use crate::packer::Packer;
use crate::source::{Record, Source};
use crate::target::{Messages, Target};

/// How long confirmations are waited for when a signal has asked for the end.
const GRACE: Duration = Duration::from_secs(1);

/// Delivers everything that comes in.
pub(crate) fn run(plan: Plan) -> Result<Status, Stop> {
    let mut sender = Sender::new(plan)?;
    let outcome = sender.work();
    if let Err(Stop::Signal(_)) = outcome {
        sender.settle();
    }
    sender.store()?;
    outcome
}

#[derive(Debug)]
struct Sender {
    source: Source,
    targets: Vec<Target>,
    lane: Lane,
    dialer: Dialer,
}

/// What every record passes on its way into the windows.
#[derive(Debug)]
struct Lane {
    packer: Packer,
    commit: Option<Commit>,
    failed: bool,
}

impl Sender {
    fn new(mut plan: Plan) -> Result<Self, Stop> {
        let commit = plan.commit.as_deref().map(Commit::open).transpose()?;
        let mut packer = Packer::new(plan.output, plan.payload.clone(), plan.signer.take());
        if plan.delivery.ack == Ack::Peer {
            packer = packer.number(clock::random_uuid());
        }
        let source = Source::new(&plan)?;
        let groups = std::mem::take(&mut plan.targets);
        let targets = groups.into_iter().map(|addrs| Target::new(addrs, &plan)).collect();
        if plan.uses_tls {
            plan.dialer.tls.config()?;
        }
        Ok(Self {
            source,
            targets,
            lane: Lane { packer, commit, failed: false },
            dialer: plan.dialer,
        })
    }

    fn work(&mut self) -> Result<Status, Stop> {
        loop {
            let at_end = self.source.is_ended();
            let mut finished = at_end;
            for target in &mut self.targets {
                target.work(&self.dialer, at_end)?;
                target.rest()?;
                finished &= at_end && target.is_finished()?;
            }
            self.advance()?;
            if finished {
                let doubtful = self.targets.iter().any(Target::is_doubtful);
                let damaged = Status::failed_if(self.source.is_damaged() || self.lane.failed);
                return Ok(damaged.and(if doubtful { Status::Unreachable } else { Status::Done }));
            }
            if self.wait_for_input()? {
                self.read()?;
            }
        }
    }

    /// Waits until something can be done; `true` if that is to read.
    fn wait_for_input(&mut self) -> Result<bool, Stop> {
        let at_end = self.source.is_ended();
        let has_room = !at_end && self.targets.iter().all(|target| target.window.has_room());
        let mut wanted = Vec::with_capacity(1 + self.targets.len());
        if has_room {
            wanted.push((self.source.input.fd(), PollFlags::POLLIN));
        }
        for target in &self.targets {
            if let Some(link) = &target.link {
                wanted.push((link.as_fd(), link.wanted(&target.window)));
            }
        }
        let ready = wait(&wanted, self.deadline(at_end))?;
        Ok(has_room && ready.first().is_some_and(|ready| !ready.is_empty()))
    }

    fn deadline(&self, at_end: bool) -> Deadline {
        let commit = self.lane.commit.as_ref();
        let is_awaited = commit.is_some_and(Commit::is_waiting);
        let due = commit.and_then(Commit::due);
        let targets = self.targets.iter().filter_map(|target| target.deadline(at_end, is_awaited));
        targets.chain(due).min()
    }

    fn read(&mut self) -> Result<(), Stop> {
        let Self { source, targets, lane, .. } = self;
        if let (Some(commit), Some(target)) = (&mut lane.commit, targets.first()) {
            commit.start_block(target.window.last());
        }
        source.read(&mut |record| lane.put(record, targets))
    }

    /// Takes notice of what every target has.
    fn advance(&mut self) -> Result<(), Stop> {
        let confirmed = self.targets.iter().map(|target| target.window.confirmed()).min();
        stats::counter("confirmed").set(confirmed.unwrap_or(0));
        if let Some(commit) = &mut self.lane.commit {
            commit.advance(confirmed.unwrap_or(0));
            commit.save_if_due()?;
        }
        Ok(())
    }

    /// After a signal: lets what has been read still be delivered, for a moment.
    fn settle(&mut self) {
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline && self.unconfirmed() > 0 {
            let mut fds = Vec::with_capacity(self.targets.len());
            for target in &self.targets {
                if let Some(link) = &target.link {
                    fds.push(PollFd::new(link.as_fd(), link.wanted(&target.window)));
                }
            }
            if fds.is_empty() || poll(&mut fds, PollTimeout::from(5u8)).is_err() {
                break;
            }
            for target in &mut self.targets {
                // The pending signal is what ends this, here as elsewhere.
                if target.link.is_some() && target.work(&self.dialer, true).is_err() {
                    return;
                }
            }
        }
        let unconfirmed = self.unconfirmed();
        if unconfirmed > 0 {
            diag::warning(format_args!("{} not confirmed", Messages(unconfirmed)));
        }
    }

    fn unconfirmed(&self) -> u64 {
        self.targets.iter().map(|target| target.window.unconfirmed()).max().unwrap_or(0)
    }

    fn store(&mut self) -> Result<(), Stop> {
        self.advance()?;
        match &mut self.lane.commit {
            Some(commit) => commit.save(),
            None => Ok(()),
        }
    }
}

impl Lane {
    fn put(&mut self, record: &Record<'_>, targets: &mut [Target]) -> Result<(), Stop> {
        let mut number = 0;
        for target in targets {
            number = self.put_into(record, &mut target.window);
        }
        if let (Some(commit), Some(checkpoint)) = (&mut self.commit, record.checkpoint()) {
            commit.note(number, checkpoint);
        }
        Ok(())
    }

    fn put_into(&mut self, record: &Record<'_>, window: &mut Window) -> u64 {
        let number = window.last() + 1;
        match self.packer.put(window.buffer(), number, record) {
            Ok(()) => window.end_record(),
            Err(error) => {
                diag::warning(format_args!("a message is dropped: {error}"));
                stats::SKIPPED.add(1);
                self.failed = true;
                window.last()
            }
        }
    }
}
