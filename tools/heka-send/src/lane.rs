// SPDX-License-Identifier: MIT OR Apache-2.0
//! The way of a record from the source into the windows of the targets, past the queue if there is
//! one.

use std::time::{Duration, Instant};

use heka_core::clock;
use heka_core::delivery::queue::Queue;
use heka_core::diag::Limiter;
use heka_core::exit::Stop;
use heka_core::io::Output;
use heka_core::{diag, stats};

use crate::cli::{Ack, OutputForm, Plan, QueueFull};
use crate::commit::Commit;
use crate::packer::Packer;
use crate::source::Record;
use crate::target::{Messages, Target};

/// So much is gathered before it is put into the queue.
const BLOCK_SIZE: usize = 64 * 1024;
/// The queue is made to outlive the machine so often.
const SYNC_PERIOD: Duration = Duration::from_secs(1);
/// A full disk is tried again after that.
const DISK_PERIOD: Duration = Duration::from_millis(500);

/// What every record passes.
#[derive(Debug)]
pub(crate) struct Lane {
    /// Makes what the peers get.
    packer: Packer,
    spool: Option<Spool>,
    pub(crate) commit: Option<Commit>,
    tee: Option<Output>,
    delimiter: u8,
    /// Whether a record could not be sent.
    pub(crate) failed: bool,
}

/// The queue and what goes into it.
#[derive(Debug)]
struct Spool {
    queue: Queue,
    full: QueueFull,
    /// Makes the frames that are queued.
    packer: Packer,
    block: Vec<u8>,
    /// Records that were taken from the source, and how many of them are on disk.
    appended: u64,
    stored: u64,
    /// When to try again, while the disk is full.
    retry: Option<Instant>,
    synced: Instant,
    warned: Limiter,
}

impl Spool {
    /// Puts what has been gathered into the queue, and makes room if that is wanted.
    fn append(&mut self, failed: &mut bool) -> Result<(), Stop> {
        if self.retry.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        self.retry = None;
        while !self.block.is_empty() {
            if self.queue.append(&self.block)? {
                self.block.clear();
            } else if self.full == QueueFull::Exit {
                return Err(Stop::failed("the disk of the queue is full"));
            } else if self.full == QueueFull::Block || !self.drop_oldest(failed)? {
                self.warned.warning("the disk of the queue is full: waiting for room");
                self.retry = Some(Instant::now() + DISK_PERIOD);
                return Ok(());
            }
        }
        self.stored = self.appended;
        while self.full == QueueFull::DropOldest
            && !self.queue.has_room()
            && self.drop_oldest(failed)?
        {}
        Ok(())
    }

    /// Makes room; `false` if there is nothing to drop.
    fn drop_oldest(&mut self, failed: &mut bool) -> Result<bool, Stop> {
        let Some(dropped) = self.queue.drop_oldest()? else { return Ok(false) };
        if dropped > 0 {
            *failed = true;
            stats::counter("dropped").add(dropped);
            self.warned.warning(format_args!("the queue is full: {dropped} messages dropped"));
        }
        Ok(true)
    }
}

impl Lane {
    pub(crate) fn new(plan: &mut Plan) -> Result<Self, Stop> {
        let commit = plan.commit.as_deref().map(Commit::open).transpose()?;
        let mut signer = plan.signer.take();
        let spool = match &plan.queue {
            None => None,
            Some(settings) => Some(Spool {
                queue: Queue::open(&settings.dir, settings.limits)?,
                full: settings.full,
                // What is queued is signed already.
                packer: Packer::new(OutputForm::Heka, plan.payload.clone(), signer.take()),
                block: Vec::new(),
                appended: 0,
                stored: 0,
                retry: None,
                synced: Instant::now(),
                warned: Limiter::default(),
            }),
        };
        let mut packer = Packer::new(plan.output, plan.payload.clone(), signer);
        if plan.delivery.ack == Ack::Peer {
            let queued = spool.as_ref().map(|spool| spool.queue.stream_id());
            packer = packer.number(queued.unwrap_or_else(clock::random_uuid));
        }
        let tee = if plan.tee { Some(Output::stdout()?) } else { None };
        let delimiter = if plan.payload.null { 0 } else { b'\n' };
        Ok(Self { packer, spool, commit, tee, delimiter, failed: false })
    }

    /// Number of the last record that is delivered already.
    pub(crate) fn confirmed(&self) -> u64 {
        self.spool.as_ref().map_or(0, |spool| spool.queue.confirmed())
    }

    /// Whether more may be read from the source.
    pub(crate) fn has_room(&self, targets: &[Target]) -> Result<bool, Stop> {
        match &self.spool {
            None => Ok(targets.iter().all(|target| target.window.has_room())),
            Some(spool) if spool.full == QueueFull::Exit && !spool.queue.has_room() => {
                Err(Stop::failed("the queue is full"))
            }
            Some(spool) => Ok(spool.retry.is_none()
                && (spool.queue.has_room() || spool.full == QueueFull::DropOldest)),
        }
    }

    /// Whether everything that came in has reached the windows.
    pub(crate) fn is_drained(&self) -> bool {
        self.spool.as_ref().is_none_or(|spool| !spool.queue.has_unread() && spool.block.is_empty())
    }

    /// Records that follow are read in one go.
    pub(crate) fn start_block(&mut self, targets: &[Target]) {
        if let Some(commit) = &mut self.commit {
            let last = targets.first().map_or(0, |target| target.window.last());
            commit.start_block(self.spool.as_ref().map_or(last, |spool| spool.appended));
        }
    }

    /// Takes one record from the source.
    pub(crate) fn put(&mut self, record: &Record<'_>, targets: &mut [Target]) -> Result<(), Stop> {
        if let Some(tee) = &mut self.tee {
            match record {
                Record::Frame(frame) => tee.put(frame.bytes),
                Record::Line(line) => {
                    tee.put(line);
                    tee.put(&[self.delimiter]);
                }
                Record::Bytes(bytes) => tee.put(bytes),
            }
            tee.end_record()?;
        }
        let (number, packed) = match &mut self.spool {
            Some(spool) => {
                if spool.block.len() >= BLOCK_SIZE {
                    spool.append(&mut self.failed)?;
                }
                spool.appended += 1;
                (spool.appended, spool.packer.put(&mut spool.block, 0, record))
            }
            None => self.packer.put_all(record, targets),
        };
        if let Err(error) = packed {
            diag::warning(format_args!("a message is dropped: {error}"));
            stats::SKIPPED.add(1);
            self.failed = true;
        }
        if let (Some(commit), Some(checkpoint)) = (&mut self.commit, record.checkpoint()) {
            commit.note(number, checkpoint);
        }
        Ok(())
    }

    /// The records read in one go are complete: queues them.
    pub(crate) fn end_block(&mut self) -> Result<(), Stop> {
        if let Some(tee) = &mut self.tee {
            tee.flush()?;
        }
        match &mut self.spool {
            Some(spool) => spool.append(&mut self.failed),
            None => Ok(()),
        }
    }

    /// Moves queued records into the windows as long as there is room.
    pub(crate) fn feed(&mut self, targets: &mut [Target]) -> Result<(), Stop> {
        let Some(spool) = &mut self.spool else { return Ok(()) };
        spool.append(&mut self.failed)?;
        let packer = &mut self.packer;
        while spool.queue.has_unread() && targets.iter().all(|target| target.window.has_room()) {
            spool.queue.read(&mut |_, frame| {
                let (_, packed) = packer.put_all(&Record::Frame(frame), targets);
                packed.map_err(Stop::failed)
            })?;
        }
        Ok(())
    }

    /// All targets have everything up to this record.
    pub(crate) fn confirm(&mut self, number: u64) -> Result<(), Stop> {
        let mut delivered = number;
        if let Some(spool) = &mut self.spool {
            spool.queue.confirm(number)?;
            stats::counter("bytes in queue").set(spool.queue.len());
            let awaited = self.commit.as_ref().is_some_and(Commit::is_waiting);
            if awaited || spool.synced.elapsed() >= SYNC_PERIOD {
                spool.synced = Instant::now();
                spool.queue.sync()?;
            }
            // What is on disk is as safe as what has arrived.
            delivered = spool.stored;
        }
        if let Some(commit) = &mut self.commit {
            commit.advance(delivered);
            commit.save_if_due()?;
        }
        Ok(())
    }

    /// When [`Lane::confirm`] has something to do though nothing happens.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let dirty = self.spool.as_ref().filter(|spool| spool.queue.is_dirty());
        let sync = dirty.map(|spool| spool.synced + SYNC_PERIOD);
        let retry = self.spool.as_ref().and_then(|spool| spool.retry);
        let save = self.commit.as_ref().and_then(Commit::due);
        sync.into_iter().chain(retry).chain(save).min()
    }

    /// Stores what there is to store, at the end.
    pub(crate) fn store(&mut self) -> Result<(), Stop> {
        if let Some(spool) = &mut self.spool {
            spool.retry = None;
            spool.append(&mut self.failed)?;
            spool.queue.sync()?;
            if !spool.block.is_empty() {
                let lost = spool.appended - spool.stored;
                diag::error(format_args!("{} read and not queued", Messages(lost)));
            }
            if !spool.queue.is_empty() {
                diag::note(format_args!("{} bytes stay in the queue", spool.queue.len()));
            }
        }
        match &mut self.commit {
            Some(commit) => commit.save(),
            None => Ok(()),
        }
    }

    /// Whether what is not confirmed is lost with this process.
    pub(crate) fn is_volatile(&self) -> bool {
        self.spool.is_none()
    }
}
