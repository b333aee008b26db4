// SPDX-License-Identifier: MIT OR Apache-2.0
//! The queue on disk and the bypass around it (`--queue`). Records are appended to the queue in
//! blocks and, while the queue holds nothing else, passed on to the peers from memory. Records that
//! the peers were too slow for are read back later.

use std::time::{Duration, Instant};

use crate::numbers;
use crate::queue::{Queue, TICK};
use heka_core::report::words::Count;
use heka_core::report::{self, Stop};
use heka_core::wire::FrameTooLarge;

use crate::input::{Record, Run};
use crate::packer::{Packer, put_run};
use crate::patience::{Patience, Room, want_more};
use crate::peer::Target;
use crate::plan::{QueueFull, QueuePlan};

/// Size at which collected records are written to the queue.
const BLOCK_SIZE: usize = 64 * 1024;
/// Interval of attempts while the disk is full.
const DISK_PERIOD: Duration = Duration::from_millis(500);

/// The queue and the records for it.
#[derive(Debug)]
pub(crate) struct Spool {
    pub(crate) queue: Queue,
    full: QueueFull,
    /// Creates the queued frames.
    pub(crate) packer: Packer,
    block: Vec<u8>,
    /// The ends of the frames in the block.
    ends: Vec<usize>,
    /// Number of records read from the source, and how many of them are on disk.
    pub(crate) appended: u64,
    stored: u64,
    /// Number of them that would survive a crash of the system.
    pub(crate) safe: u64,
    /// Time of the next attempt, while the disk is full.
    retry: Option<Instant>,
    ticked: Instant,
    patience: Patience,
}

impl Spool {
    pub(crate) fn open(plan: &QueuePlan, packer: Packer) -> Result<Self, Stop> {
        let queue = Queue::open(&plan.dir, plan.limits)?;
        numbers::QUEUED.set(queue.len());
        numbers::QUEUE_LIMIT.set(plan.limits.size);
        Ok(Self {
            queue,
            full: plan.full,
            packer,
            block: Vec::new(),
            ends: Vec::new(),
            appended: 0,
            stored: 0,
            safe: 0,
            retry: None,
            ticked: Instant::now(),
            patience: Patience::default(),
        })
    }

    /// Adds one record, or a run of them.
    pub(crate) fn put(
        &mut self,
        record: &mut Record<'_>,
        past: &mut Bypass<'_>,
    ) -> Result<Result<(), FrameTooLarge>, Stop> {
        if let Record::Run(run) = record {
            return self.put_run(run, past).map(Ok);
        }
        if self.block.len() >= BLOCK_SIZE {
            self.append(past)?;
        }
        self.appended += 1;
        let packed = self.packer.put(&mut self.block, record);
        if packed.is_ok() {
            self.ends.push(self.block.len());
        }
        Ok(packed)
    }

    /// Appends a large run in place, if nothing is collected before it.
    fn put_run(&mut self, run: &mut Run<'_>, past: &mut Bypass<'_>) -> Result<(), Stop> {
        self.append(past)?;
        self.appended += run.ends.len() as u64;
        if self.queue.has_enough() {
            self.look_again(past)?;
        }
        let may_pass = self.may_pass(past);
        let is_large = run.bytes().len() >= BLOCK_SIZE && self.block.is_empty();
        let stored = if is_large { self.queue.append(run.bytes(), run.ends)? } else { 0 };
        if stored < run.ends.len() {
            self.pass(may_pass, run.bytes(), run.ends, stored, past);
            let start = stored.checked_sub(1).and_then(|last| run.ends.get(last)).copied();
            let (start, base) = (start.unwrap_or(0), self.block.len());
            self.block.extend_from_slice(run.bytes().get(start..).unwrap_or_default());
            let left = run.ends.get(stored..).unwrap_or_default();
            self.ends.extend(left.iter().map(|end| base + end - start));
            return Ok(());
        }
        self.stored = self.appended;
        if may_pass {
            self.queue.pass(run.ends.len() as u64);
            put_run(run, past.targets);
        }
        self.make_room(past)
    }

    /// Passes the first `count` records, which end at `ends` and have been queued, to the peers.
    fn pass(
        &mut self,
        may_pass: bool,
        frames: &[u8],
        ends: &[usize],
        count: usize,
        past: &mut Bypass<'_>,
    ) {
        let ends = ends.get(..count).unwrap_or_default();
        let Some(end) = ends.last().filter(|_| may_pass) else { return };
        self.queue.pass(count as u64);
        let frames = frames.get(..*end).unwrap_or_default();
        for target in past.targets.iter_mut() {
            target.window.push_run(frames, ends);
        }
    }

    /// Removes the first `count` records from the block.
    fn consume(&mut self, count: usize) {
        let Some(end) = count.checked_sub(1).and_then(|last| self.ends.get(last)).copied() else {
            return;
        };
        self.block.drain(..end);
        self.ends.drain(..count);
        self.ends.iter_mut().for_each(|after| *after -= end);
        self.stored = self.appended - self.ends.len() as u64;
    }

    /// Writes collected records to the queue, dropping old ones for room if so configured. While
    /// the disk is full, the records wait in memory.
    pub(crate) fn append(&mut self, past: &mut Bypass<'_>) -> Result<(), Stop> {
        if self.retry.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        self.retry = None;
        while !self.block.is_empty() {
            let may_pass = self.may_pass(past);
            let count = self.queue.append(&self.block, &self.ends)?;
            if count > 0 {
                let (block, ends) =
                    (std::mem::take(&mut self.block), std::mem::take(&mut self.ends));
                self.pass(may_pass, &block, &ends, count, past);
                (self.block, self.ends) = (block, ends);
                self.consume(count);
            } else if self.full == QueueFull::Exit {
                return Err(Stop::failed("queue: disk full"));
            } else if self.full == QueueFull::Block || !self.drop_oldest(past)? {
                report::repeated("queue: disk full", "queue: disk full: waiting for room");
                self.retry = Some(Instant::now() + DISK_PERIOD);
                return Ok(());
            }
        }
        self.stored = self.appended;
        self.make_room(past)
    }

    /// Passes to the queue what peers have acknowledged since the last look: what is acknowledged need
    /// not be copied when a file is started over.
    fn look_again(&mut self, past: &mut Bypass<'_>) -> Result<(), Stop> {
        past.targets.iter_mut().for_each(Target::look_again);
        let acknowledged = past.targets.iter().map(|target| target.window.acknowledged()).min();
        acknowledged.map_or(Ok(()), |number| self.queue.acknowledge(number))
    }

    /// Whether the records appended now are the next ones for the peers, which have room.
    fn may_pass(&self, past: &Bypass<'_>) -> bool {
        past.is_open && !self.queue.has_unread() && want_more(past.targets)
    }

    /// Keeps the queue within its size, if it may drop records.
    fn make_room(&mut self, past: &mut Bypass<'_>) -> Result<(), Stop> {
        while self.full == QueueFull::DropOldest
            && !self.queue.has_room()
            && self.drop_oldest(past)?
        {}
        Ok(())
    }

    /// Drops the oldest file; `false` if there is nothing to drop.
    fn drop_oldest(&mut self, past: &mut Bypass<'_>) -> Result<bool, Stop> {
        let Some(dropped) = self.queue.drop_oldest()? else { return Ok(false) };
        if dropped > 0 {
            *past.failed = true;
            numbers::DROPPED.add(dropped);
            let lost = Count(dropped, "message");
            let text = format_args!("the queue is full: {lost} dropped");
            report::repeated_loss("the queue is full", dropped, text);
        }
        Ok(true)
    }

    /// Whether all input has been passed to the peers.
    pub(crate) fn is_drained(&self) -> bool {
        !self.queue.has_unread() && self.block.is_empty()
    }

    /// Whether more may be read from the source.
    pub(crate) fn has_room(&mut self, past: &Bypass<'_>) -> Result<bool, Stop> {
        if self.full == QueueFull::Exit && !self.queue.has_room() {
            return Err(Stop::failed("the queue is full"));
        }
        let may_drop = self.full == QueueFull::DropOldest;
        let has_room = self.retry.is_none() && (self.queue.has_room() || may_drop);
        let may_pass = past.is_open && self.is_drained();
        let mut waits = || self.patience.waits(Room::of(past.targets), Instant::now());
        Ok(has_room && !(may_pass && waits()))
    }

    /// Notes that the peers have everything up to this message; `is_awaited` says that somebody
    /// waits for queued records to be safe.
    pub(crate) fn acknowledge(&mut self, number: u64, is_awaited: bool) -> Result<(), Stop> {
        self.queue.acknowledge(number)?;
        numbers::QUEUED.set(self.queue.len());
        if is_awaited && self.has_unsafe() {
            self.queue.sync()?;
            self.safe = self.stored;
        } else if self.ticked.elapsed() >= TICK {
            self.ticked = Instant::now();
            self.queue.tick()?;
        }
        Ok(())
    }

    /// Stores the state at the end.
    pub(crate) fn store(&mut self, failed: &mut bool) -> Result<(), Stop> {
        self.retry = None;
        let appended = self.append(&mut Bypass { targets: &mut [], is_open: false, failed });
        let closed = self.queue.close();
        if !self.block.is_empty() {
            let lost = Count(self.appended - self.stored, "message");
            report::error(format_args!("{lost} read and not queued"));
        }
        appended.and(closed)?;
        self.safe = self.stored;
        let unkept = self.queue.unkept();
        if unkept > 0 {
            *failed = true;
            numbers::DROPPED.add(unkept);
            report::error(format_args!(
                "the queue was full: {} not delivered",
                Count(unkept, "message")
            ));
        }
        if !self.queue.is_empty() {
            let left = Count(self.queue.len(), "byte");
            report::announce(format_args!("{left} left in the queue"));
        }
        Ok(())
    }

    /// Whether there are records on disk that a crash of the system may destroy.
    pub(crate) fn has_unsafe(&self) -> bool {
        self.safe < self.stored
    }

    /// Returns when to call [`Spool::acknowledge`] even without events.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let sync = self.queue.is_dirty().then(|| self.ticked + TICK);
        sync.into_iter().chain(self.retry).chain(self.patience.due(Instant::now())).min()
    }
}

/// The bypass around the queue.
#[derive(Debug)]
pub(crate) struct Bypass<'a> {
    pub(crate) targets: &'a mut [Target],
    /// Whether the peers receive frames as they are queued.
    pub(crate) is_open: bool,
    /// Set if a message is lost.
    pub(crate) failed: &'a mut bool,
}
