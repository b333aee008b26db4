// SPDX-License-Identifier: MIT OR Apache-2.0
//! Topics to standard output.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use heka_core::cli::settle_frames;
use heka_core::delivery::transport::{Answers, Converter};
use heka_core::net::{DialError, Loss, Redial};
use heka_core::os::{Backlog, Output, clock, wait, wait_at_the_end};
use heka_core::report::{Status, Stop, stats};
use heka_core::wire::{Header, put_frame};
use nix::poll::PollFlags;
use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;

use crate::cli::Plan;
use crate::feed::{COMMIT, Feed};
use crate::origin::{Stored, TEXT_TYPE};
use crate::places::Places;

/// No more messages are taken while more bytes than this wait for the reader of the output.
const MOST_PENDING: usize = 1024 * 1024;
/// Nor after this many messages, until all that was taken of them is written.
const MOST_HANDED: usize = 4096;
/// How long nobody takes the output before the broker is asked to send nothing. A reader that says
/// nothing at all for five minutes is thrown out of its group.
const STALLED: Duration = Duration::from_secs(30);
/// When to look at what the library has, whatever it says.
const LOOK: Duration = Duration::from_millis(100);
/// How long what was handed over is waited for at the end, with the commit.
const GRACE: Duration = Duration::from_secs(1);

/// Hands over what the topics have.
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
    Ok(Status::failed_if(reader.has_lost()))
}

/// A record that was handed over and is not acknowledged.
#[derive(Debug)]
struct Handed {
    /// Number of the last message in it.
    last: u64,
    partition: usize,
    offset: i64,
    len: usize,
}

#[derive(Debug)]
struct Reader {
    plan: Plan,
    out: Backlog,
    converter: Converter,
    /// What heka-listen says of the messages; without, what is written is done.
    answers: Option<Answers>,
    handed: VecDeque<Handed>,
    handed_bytes: usize,
    /// Number of the last message that was handed over.
    last: u64,
    feed: Feed,
    redial: Redial,
    /// When there was room for messages last.
    had_room: Instant,
    /// The library has more than there was room for.
    has_more: bool,
    is_over: bool,
}

impl Reader {
    fn new(plan: Plan) -> Result<Self, Stop> {
        let mut out = Backlog::new(settle_frames(Output::stdout()?, "pipe them into heka-decode")?);
        let answers = plan.acknowledges.then(Answers::new).transpose()?;
        if answers.is_some() {
            let id = clock::random_uuid();
            let header = Header { stream_id: Some(&id), sequence: Some(0), ..Header::default() };
            // A header of a few bytes always fits.
            let _fits = put_frame(out.buffer(), header, &[]);
        }
        Ok(Self {
            out,
            converter: Converter::new(TEXT_TYPE, plan.address.options.origin),
            answers,
            handed: VecDeque::new(),
            handed_bytes: 0,
            last: 0,
            feed: Feed::new(),
            redial: Redial::new(plan.backoff),
            had_room: Instant::now(),
            has_more: false,
            is_over: false,
            plan,
        })
    }

    fn has_lost(&self) -> bool {
        self.feed.has_lost
            || self.converter.has_lost
            || self.answers.as_ref().is_some_and(|answers| answers.has_refused)
    }

    fn work(&mut self) -> Result<(), Stop> {
        loop {
            if let Err(error) = self.turn() {
                self.lost(error)?;
            }
            let is_written = self.out.try_flush()?;
            if self.acknowledge(is_written)? {
                return Ok(());
            }
            self.is_over |= !self.plan.follows && self.feed.places.is_at_end();
            if self.is_over && self.handed.is_empty() && is_written {
                return Ok(());
            }
            self.wait()?;
        }
    }

    /// Connects, takes messages, commits.
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

    /// Whether there is room for more. Without somebody who says what is done with, everything has
    /// to be written now and then.
    fn has_room(&self) -> bool {
        let pending = self.out.pending();
        let may_be_told = self.answers.is_some() || self.handed.len() < MOST_HANDED;
        let has_room = pending < MOST_PENDING && (pending == 0 || may_be_told);
        has_room && self.handed_bytes < self.plan.in_flight && !self.is_over
    }

    /// Takes the messages that have come.
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
        let is_stalled = self.had_room.elapsed() > STALLED;
        if is_stalled || self.is_over {
            // The library is called now and then all the same.
            self.feed.pause(true)?;
            let mut tries = 0;
            while tries < 16 && self.take_one()? {
                tries += 1;
            }
        }
        Ok(())
    }

    /// Takes a message, or an error; `false` if there was none.
    fn take_one(&mut self) -> Result<bool, DialError> {
        let Self { out, converter, handed, last, feed, plan, .. } = self;
        let error = match feed.poll() {
            (None, _) => return Ok(false),
            // It was not read, and comes again to the next reader.
            (Some(Ok(_)), _) if self.is_over => return Ok(true),
            (Some(Ok(message)), places) => {
                if let Some(new) = hand_over(&message, plan, places, converter, out, last) {
                    self.handed_bytes += new.len;
                    handed.push_back(new);
                }
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

    /// Marks what is done with. `true` if the program that says so is gone.
    fn acknowledge(&mut self, is_written: bool) -> Result<bool, Stop> {
        let mut is_gone = false;
        let done = match &mut self.answers {
            None if is_written => self.last,
            None => 0,
            Some(answers) => {
                is_gone = !answers.take()?;
                answers.done()
            }
        };
        while self.handed.front().is_some_and(|handed| handed.last <= done) {
            if let Some(handed) = self.handed.pop_front() {
                self.handed_bytes -= handed.len;
                self.feed.places.done(handed.partition, handed.offset);
            }
        }
        Ok(is_gone)
    }

    /// There is no broker, or the client is of no more use.
    fn lost(&mut self, error: DialError) -> Result<(), Stop> {
        let (cause, hint) = match error {
            DialError::Stopped(stop) => return Err(stop),
            DialError::Failed { cause, hint } => (cause, hint),
        };
        self.feed.lose();
        let subject = &self.plan.address.text;
        let loss = format!("{subject}: {cause}");
        if self.redial.schedule(&Loss::of(format_args!("{loss}")).hint(hint.as_deref())) {
            return Ok(());
        }
        Err(DialError::Failed { cause, hint }.into_stop(subject))
    }

    fn wait(&self) -> Result<(), Stop> {
        let mut wanted = Vec::with_capacity(3);
        let has_room = self.has_room();
        // Without room nothing is done about what the library has.
        wanted.extend(self.feed.wanted().filter(|_| has_room || self.feed.is_paused()));
        wanted.extend(self.out.wanted());
        wanted.extend(self.answers.as_ref().map(|answers| (answers.fd(), PollFlags::POLLIN)));
        let due = match self.feed.is_begun() {
            false => self.redial.due(),
            true if has_room && self.has_more => Instant::now(),
            true => Instant::now() + if has_room { LOOK } else { COMMIT },
        };
        wait(&wanted, Some(due)).map(drop)
    }

    /// Takes what was handed over and is done with by now, and commits, but not for long.
    fn finish(&mut self) {
        // Without somebody who says what is done with, the reader gets its time to take it all.
        let is_written = self.answers.is_none() && self.out.flush().is_ok();
        let until = Instant::now() + GRACE;
        let mut is_gone = self.acknowledge(is_written).unwrap_or(true);
        while !self.handed.is_empty() && !is_gone && Instant::now() < until {
            let Some(answers) = &self.answers else { break };
            let _ready = wait_at_the_end(&[(answers.fd(), PollFlags::POLLIN)], Some(until));
            // What is acknowledged later than that comes again.
            let _flushed = self.out.try_flush();
            is_gone = self.acknowledge(is_written).unwrap_or(true);
        }
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

/// Makes frames of a record.
fn hand_over(
    message: &BorrowedMessage<'_>,
    plan: &Plan,
    places: &mut Places,
    converter: &mut Converter,
    out: &mut Backlog,
    last: &mut u64,
) -> Option<Handed> {
    let (topic, partition, offset) = (message.topic(), message.partition(), message.offset());
    // A record of before the start belongs to it wherever it is: of some brokers one hears that a
    // partition ends with the first record of its last batch.
    let is_new = || message.timestamp().to_millis().is_none_or(|time| time > plan.since);
    if !plan.follows && is_new() && places.is_behind_end(topic, partition, offset) {
        return None;
    }
    let index = places.take(topic, partition, offset)?;
    let payload = message.payload().unwrap_or_default();
    let stored = Stored { topic, partition, offset, key: message.key() };
    let count = converter.put(out.buffer(), payload, &stored);
    stats::MESSAGES.add(count);
    stats::BYTES_IN.add(payload.len() as u64);
    *last += count;
    Some(Handed { last: *last, partition: index, offset, len: payload.len() })
}
