// SPDX-License-Identifier: MIT OR Apache-2.0
//! The path of a record from the source into the windows of the targets, through the queue if there
//! is one.

use std::time::Instant;

use heka_core::cli::Showing;
use heka_core::codec::harmless::push_harmless;
use heka_core::codec::{Encoder, Form};
use heka_core::delivery::Commit;
use heka_core::delivery::claim::random_seed;
use heka_core::os::{Output, clock};
use heka_core::report::{self, Stop, stats};

use crate::input::Record;
use crate::packer::{Oversized, Packer};
use crate::patience::{have_room, want_more};
use crate::peer::Target;
use crate::place::Identity;
use crate::plan::{Ack, Plan};
use crate::spool::{Bypass, Spool};

/// The path of all records.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Creates the bytes for the peers.
    packer: Packer,
    spool: Option<Spool>,
    pub(crate) commit: Option<Commit>,
    tee: Option<(Encoder, Output)>,
    delimiter: u8,
    oversized: Oversized,
    /// Whether a record could not be sent.
    pub(crate) failed: bool,
}

impl Lane {
    pub(crate) fn new(plan: &mut Plan) -> Result<Self, Stop> {
        let commit = plan.commit.as_deref().map(Commit::open).transpose()?;
        let mut signer = plan.signer.take();
        let spool = match &plan.queue {
            None => None,
            Some(settings) => {
                // Queued records are signed already.
                let packer = Packer::new(Form::Heka, plan.payload.clone(), signer.take());
                Some(Spool::open(settings, packer)?)
            }
        };
        let packer = Packer::new(plan.output, plan.payload.clone(), signer).framing(plan.framing);
        let numbers = |addr| plan.delivery.ack_of(addr) == Ack::Peer;
        if plan.targets.iter().flatten().any(numbers) {
            plan.identity = Some(match &spool {
                Some(Spool { queue, .. }) => Identity::new(queue.stream_id(), queue.seed())?,
                None => Identity::new(clock::random_uuid(), &random_seed())?,
            });
        }
        let open = || Showing::default().open(Form::Heka, plan.color, Output::stdout()?);
        let tee = plan.tee.then(open).transpose()?;
        let delimiter = if plan.payload.null { 0 } else { b'\n' };
        let failed = spool.as_ref().is_some_and(|spool| spool.queue.has_lost());
        let oversized = Oversized::new(plan);
        Ok(Self { packer, spool, commit, tee, delimiter, oversized, failed })
    }

    /// Whether frames without delivery state are sent unchanged.
    pub(crate) fn is_verbatim(&self) -> bool {
        self.spool.as_ref().map_or(&self.packer, |spool| &spool.packer).is_verbatim()
    }

    /// Returns the number of the last record that has been delivered.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.spool.as_ref().map_or(0, |spool| spool.queue.acknowledged())
    }

    /// Whether more may be read from the source.
    pub(crate) fn has_room(&mut self, targets: &mut [Target]) -> Result<bool, Stop> {
        let (is_open, failed) = (self.packer.is_verbatim(), &mut self.failed);
        match &mut self.spool {
            None => Ok(have_room(targets)),
            Some(spool) => spool.has_room(&Bypass { targets, is_open, failed }),
        }
    }

    /// Whether all input has reached the windows.
    pub(crate) fn is_drained(&self) -> bool {
        self.spool.as_ref().is_none_or(Spool::is_drained)
    }

    /// Begins a block: the records that follow were read together.
    pub(crate) fn start_block(&mut self, targets: &[Target]) {
        let last = self.last(targets);
        if let Some(commit) = &mut self.commit {
            commit.start_block(last);
        }
    }

    /// Adds one record from the source, or a run of them.
    pub(crate) fn put(
        &mut self,
        record: &mut Record<'_>,
        targets: &mut [Target],
    ) -> Result<(), Stop> {
        self.copy(record)?;
        self.oversized.look(record);
        if let Record::Mark(checkpoint) = record {
            self.mark(checkpoint, targets);
            return Ok(());
        }
        let (checkpoint, count) = (record.checkpoint(), record.count());
        let (number, packed) = match &mut self.spool {
            Some(spool) => {
                let (is_open, failed) = (self.packer.is_verbatim(), &mut self.failed);
                let packed = spool.put(record, &mut Bypass { targets, is_open, failed })?;
                (spool.appended, packed)
            }
            None => self.packer.put_all(record, targets),
        };
        if let Err(error) = packed {
            report::repeated("dropped messages", format_args!("message dropped: {error}"));
            stats::skip(stats::Skip::TooLong, 1);
            self.failed = true;
        }
        match (&mut self.commit, checkpoint) {
            (Some(commit), Some(checkpoint)) => commit.note(number, checkpoint),
            (Some(commit), None) => commit.pass(count),
            (None, _) => {}
        }
        Ok(())
    }

    /// Adds a position that counts once the records before it are delivered.
    fn mark(&mut self, checkpoint: &[u8], targets: &[Target]) {
        let last = self.last(targets);
        if let Some(commit) = &mut self.commit {
            commit.note(last, checkpoint);
        }
    }

    /// Returns the number of the last record added.
    pub(crate) fn last(&self, targets: &[Target]) -> u64 {
        let last = targets.first().map_or(0, |target| target.window.last());
        self.spool.as_ref().map_or(last, |spool| spool.appended)
    }

    /// Copies a record to standard output (`--tee`).
    fn copy(&mut self, record: &Record<'_>) -> Result<(), Stop> {
        let Some((encoder, tee)) = &mut self.tee else { return Ok(()) };
        let is_for_people = encoder.form().is_short();
        match record {
            Record::Run(run) if is_for_people => run.each(|frame| encoder.put(tee.buffer(), frame)),
            Record::Run(run) => return tee.put_records(run.bytes()),
            Record::Frame(frame) => encoder.put(tee.buffer(), frame),
            Record::Mark(checkpoint) if tee.is_stream() => {
                encoder.put_mark(tee.buffer(), checkpoint);
            }
            Record::Mark(_) => {}
            Record::Line(text) | Record::Bytes(text) if is_for_people => {
                push_harmless(tee.buffer(), text);
            }
            Record::Line(text) | Record::Bytes(text) => tee.put(text),
        }
        if matches!(record, Record::Line(_)) {
            tee.put(&[self.delimiter]);
        }
        tee.end_record()
    }

    /// Ends a block, and queues its records.
    pub(crate) fn end_block(&mut self, targets: &mut [Target]) -> Result<(), Stop> {
        if let Some((_, tee)) = &mut self.tee {
            tee.flush()?;
        }
        let (is_open, failed) = (self.packer.is_verbatim(), &mut self.failed);
        match &mut self.spool {
            Some(spool) => spool.append(&mut Bypass { targets, is_open, failed }),
            None => Ok(()),
        }
    }

    /// Moves queued records into the windows as long as there is room.
    pub(crate) fn feed(&mut self, targets: &mut [Target]) -> Result<(), Stop> {
        let Some(spool) = &mut self.spool else { return Ok(()) };
        let inherited = spool.queue.inherited().unwrap_or(u64::MAX);
        targets.iter_mut().for_each(|target| target.inherited = inherited);
        let (is_open, failed) = (self.packer.is_verbatim(), &mut self.failed);
        spool.append(&mut Bypass { targets, is_open, failed })?;
        let packer = &mut self.packer;
        while spool.queue.has_unread() && want_more(targets) {
            spool.queue.read(&mut |_, frame| {
                let (_, packed) = packer.put_all(&mut Record::Frame(frame), targets);
                packed.map_err(Stop::failed)
            })?;
        }
        Ok(())
    }

    /// Whether [`Lane::feed`] has something to do.
    pub(crate) fn has_more(&self, targets: &[Target]) -> bool {
        self.spool.as_ref().is_some_and(|spool| spool.queue.has_unread()) && want_more(targets)
    }

    /// Notes that all targets have everything up to this record.
    pub(crate) fn acknowledge(&mut self, number: u64) -> Result<(), Stop> {
        let mut delivered = number;
        if let Some(spool) = &mut self.spool {
            let is_awaited = self.commit.as_ref().is_some_and(Commit::is_due);
            spool.acknowledge(number, is_awaited)?;
            // Records on disk are as safe as those that have arrived.
            delivered = spool.safe;
        }
        if let Some(commit) = &mut self.commit {
            commit.advance(delivered);
            commit.save_if_due()?;
        }
        Ok(())
    }

    /// Returns when to call [`Lane::acknowledge`] even without events.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let sync = self.spool.as_ref().and_then(Spool::deadline);
        let is_wanted = self.spool.as_ref().is_some_and(Spool::has_unsafe);
        let save = self.commit.as_ref().and_then(|commit| commit.due(is_wanted));
        sync.into_iter().chain(save).min()
    }

    /// Stores positions and the queue's state at the end.
    pub(crate) fn store(&mut self) -> Result<(), Stop> {
        if let Some(spool) = &mut self.spool {
            spool.store(&mut self.failed)?;
            if let Some(commit) = &mut self.commit {
                commit.advance(spool.safe);
            }
        }
        match &mut self.commit {
            Some(commit) => commit.finish(),
            None => Ok(()),
        }
    }

    /// Whether unacknowledged records are lost with this process.
    pub(crate) fn is_volatile(&self) -> bool {
        self.spool.is_none()
    }
}
