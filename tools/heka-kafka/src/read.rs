// SPDX-License-Identifier: MIT OR Apache-2.0
//! Topics to standard output.

use std::time::{Duration, Instant};

use heka_core::cli::settle_frames;
use heka_core::delivery::transport::{Converter, Handover};
use heka_core::net::{DialError, Redial};
use heka_core::os::{Output, wait, wait_at_the_end};
use heka_core::report::{Status, Stop};
use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;

use crate::cli::Plan;
use crate::feed::{COMMIT, Feed};
use crate::origin::{Stored, TEXT_TYPE};
use crate::places::Places;

/// Interval of polling the library, even without a wake-up.
const LOOK: Duration = Duration::from_millis(100);
/// Time for messages that were handed over to become safe at the end, including the commit.
const GRACE: Duration = Duration::from_secs(1);

/// Hands over the records of the topics.
pub(crate) fn run(plan: Plan) -> Result<Status, Stop> {
    let is_pattern = plan.address.topic.starts_with('~');
    let has_group = plan.address.options.group.is_some();
    if is_pattern && (!has_group || plan.address.options.partition.is_some()) {
        return Err(Stop::usage("a pattern for topics needs group=, and no partition="));
    }
    let mut reader = Reader::new(plan)?;
    let outcome = reader.work();
    if matches!(outcome, Ok(()) | Err(Stop::Signal(_))) {
        reader.finish();
    }
    reader.feed.end();
    outcome?;
    Ok(Status::failed_if(reader.feed.has_lost || reader.handover.has_lost()))
}

/// The position of a record that was handed over.
#[derive(Debug)]
struct Handed {
    partition: usize,
    offset: i64,
}

#[derive(Debug)]
struct Reader {
    plan: Plan,
    handover: Handover<Handed>,
    feed: Feed,
    redial: Redial,
    /// When there was last room for messages.
    had_room: Instant,
    /// Whether the library has more than there was room for.
    has_more: bool,
    is_over: bool,
}

impl Reader {
    fn new(plan: Plan) -> Result<Self, Stop> {
        let out = settle_frames(Output::stdout()?, "pipe them into heka-decode")?;
        let converter = Converter::new(TEXT_TYPE, plan.address.options.common.origin);
        Ok(Self {
            handover: Handover::new(out, converter, plan.in_flight, plan.acknowledges)?,
            feed: Feed::new(),
            redial: Redial::new(plan.backoff),
            had_room: Instant::now(),
            has_more: false,
            is_over: false,
            plan,
        })
    }

    fn work(&mut self) -> Result<(), Stop> {
        loop {
            if let Err(error) = self.turn() {
                self.lost(error)?;
            }
            let is_there = self.handover.serve()?;
            while let Some(Handed { partition, offset }) = self.handover.next_safe() {
                self.feed.places.done(partition, offset);
            }
            self.is_over |= !self.plan.follows && self.feed.places.is_at_end();
            if !is_there || (self.is_over && self.handover.is_done()) {
                return Ok(());
            }
            self.wait()?;
        }
    }

    /// Connects, receives messages, commits.
    fn turn(&mut self) -> Result<(), DialError> {
        if !self.feed.is_begun() {
            if self.redial.due() > Instant::now() {
                return Ok(());
            }
            self.feed.begin(&self.plan)?;
        }
        self.take()?;
        if self.feed.hear(&self.plan)? {
            self.redial.reset();
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.handover.has_room() && !self.is_over
    }

    /// Processes received messages.
    fn take(&mut self) -> Result<(), DialError> {
        self.feed.awake();
        self.has_more = true;
        while self.has_more && self.has_room() {
            self.feed.pause(false)?;
            self.has_more = self.take_one()?;
        }
        if self.has_room() {
            self.had_room = Instant::now();
        }
        let is_stalled = self.had_room.elapsed() > self.plan.stall;
        if is_stalled || self.is_over {
            // The library still has to be called from time to time.
            self.feed.pause(true)?;
            let mut tries = 0;
            while tries < 16 && self.take_one()? {
                tries += 1;
            }
        }
        Ok(())
    }

    /// Processes a message or an error; `false` if there was none.
    fn take_one(&mut self) -> Result<bool, DialError> {
        let Self { handover, feed, plan, .. } = self;
        let error = match feed.poll() {
            (None, _) => return Ok(false),
            // It was not read, and goes to the next reader.
            (Some(Ok(_)), _) if self.is_over => return Ok(true),
            (Some(Ok(message)), places) => {
                hand_over(&message, plan, places, handover);
                None
            }
            (Some(Err(error)), _) => Some(error),
        };
        match error {
            None => feed.flows(),
            Some(error) => feed.trouble(plan, &error)?,
        }
        Ok(true)
    }

    /// Handles a missing broker, or a client that has failed.
    fn lost(&mut self, error: DialError) -> Result<(), Stop> {
        let error = error.unless_stopped()?;
        self.feed.lose();
        self.redial.retry(&self.plan.address.text, error)
    }

    fn wait(&self) -> Result<(), Stop> {
        let mut wanted = Vec::with_capacity(3);
        let has_room = self.has_room();
        // Without room, the library's messages are left alone.
        wanted.extend(self.feed.wanted().filter(|_| has_room || self.feed.is_paused()));
        wanted.extend(self.handover.wanted());
        let due = match self.feed.is_begun() {
            false => self.redial.due(),
            true if has_room && self.has_more => Instant::now(),
            true => Instant::now() + if has_room { LOOK } else { COMMIT },
        };
        wait(&wanted, Some(due)).map(drop)
    }

    /// Handles messages that have become safe, and commits, within a short time.
    fn finish(&mut self) {
        let until = Instant::now() + GRACE;
        let Self { handover, feed, .. } = self;
        handover.finish(until, |Handed { partition, offset }| feed.places.done(partition, offset));
        if self.plan.address.options.group.is_none() {
            return;
        }
        self.feed.commit(None);
        while !self.feed.is_committed() && Instant::now() < until {
            let Some(fd) = self.feed.wanted() else { break };
            let soon = Instant::now() + LOOK / 5;
            let _ready = wait_at_the_end(&[fd], Some(soon));
        }
    }
}

/// Converts a record to frames.
fn hand_over(
    message: &BorrowedMessage<'_>,
    plan: &Plan,
    places: &mut Places,
    handover: &mut Handover<Handed>,
) {
    let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
    // A record from before the start is included wherever it is: for some brokers, the reported end
    // of a partition is the first record of its last batch.
    let is_new = || message.timestamp().to_millis().is_none_or(|time| time > plan.since);
    if !plan.follows && is_new() && places.is_behind_end(topic, partition, offset) {
        return;
    }
    let Some(index) = places.take(topic, partition, offset) else { return };
    let stored = Stored { topic, partition, offset, key: message.key() };
    let handed = Handed { partition: index, offset };
    handover.put(message.payload().unwrap_or_default(), &stored, handed);
}
