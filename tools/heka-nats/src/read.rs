// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stream of the broker to standard output.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use heka_core::cli::settle_frames;
use heka_core::delivery::transport::{Answers, Converter, From};
use heka_core::net::{DialError, Loss, Redial};
use heka_core::os::{Backlog, Output, clock, wait};
use heka_core::report::words::Count;
use heka_core::report::{self, Status, Stop, stats};
use heka_core::wire::{Header, put_frame};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::cli::Plan;
use crate::client::Client;
use crate::delivery::Delivery;
use crate::jetstream::{self, Consumer};
use crate::numbers;
use crate::origin::{Stored, TEXT_TYPE};
use crate::protocol::{Incoming, put_message};
use crate::pulls::{Answer, Pulls, SILENCE};

/// No more messages are asked for while more bytes than this wait for the reader of the output.
const MOST_PENDING: usize = 1024 * 1024;
/// Nor after this many messages, until everything taken of them is written.
const MOST_HANDED: usize = 1024;
/// When to ask again at what may not be the end, and for how long.
const PAUSE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(20);
/// How long what was handed over is waited for at the end.
const GRACE: Duration = Duration::from_secs(1);

/// Hands over what the stream has.
pub(crate) fn run(plan: Plan) -> Result<Status, Stop> {
    let mut reader = Reader::new(plan)?;
    let outcome = reader.work();
    if matches!(outcome, Ok(()) | Err(Stop::Signal(_))) {
        reader.finish();
    }
    outcome?;
    Ok(Status::failed_if(reader.has_lost()))
}

/// A message of the broker that was handed over and is not acknowledged.
#[derive(Debug)]
struct Handed {
    /// Number of the last record in it.
    last: u64,
    reply: Vec<u8>,
}

#[derive(Debug)]
struct Reader {
    plan: Plan,
    out: Backlog,
    converter: Converter,
    /// What heka-listen says of the records; without, what is written is done.
    answers: Option<Answers>,
    handed: VecDeque<Handed>,
    /// Number of the last record that was handed over.
    last: u64,
    /// The last message of the broker that has come.
    seen: u64,
    /// When more time was last asked for the messages at hand.
    extended: Instant,
    link: Option<Link>,
    redial: Redial,
    attempts: usize,
    /// There was a connection, so the consumer has begun where it was to.
    has_begun: bool,
    /// The first message of interest, if it was counted from the end.
    start: Option<u64>,
    is_over: bool,
    /// It is over before that.
    is_short: bool,
    /// Reading ends behind this message.
    end: Option<u64>,
    /// Since when there is nothing to read, though that is not the end.
    empty: Option<Instant>,
    /// When to ask again after that.
    again: Instant,
}

/// A connection, and what was asked on it.
#[derive(Debug)]
struct Link {
    client: Client,
    consumer: Consumer,
    pulls: Pulls,
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
            last: 0,
            seen: 0,
            extended: Instant::now(),
            link: None,
            redial: Redial::new(plan.backoff),
            attempts: 0,
            has_begun: false,
            start: None,
            is_over: false,
            end: None,
            is_short: false,
            empty: None,
            again: Instant::now(),
            plan,
        })
    }

    fn has_lost(&self) -> bool {
        self.is_short
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
            if self.is_over && self.handed.is_empty() && is_written {
                return Ok(());
            }
            self.wait()?;
        }
    }

    /// Connects, takes messages, asks for more.
    fn turn(&mut self) -> Result<(), DialError> {
        if self.link.is_none() {
            if self.redial.due() > Instant::now() {
                return Ok(());
            }
            self.connect()?;
        }
        if let Some(link) = &mut self.link {
            // Also while nobody takes the output: the server wants to hear of us, and no more comes
            // than was asked for.
            link.client.fill()?;
        }
        self.take()?;
        let is_time = self.again <= Instant::now();
        if is_time {
            self.look_for_end()?;
        }
        let has_room = self.has_room();
        let Some(link) = &mut self.link else { return Ok(()) };
        if !self.is_over && has_room && is_time {
            let size = self.plan.in_flight / 2;
            link.pulls.ask(&mut link.client, &link.consumer, size, self.plan.follows);
        }
        if self.plan.follows && link.client.heard.elapsed() > SILENCE {
            return Err(DialError::failed("the server is silent"));
        }
        link.client.flush()
    }

    /// There is nothing to read: either that is the end, or the server that has the consumer lags
    /// behind the others.
    fn look_for_end(&mut self) -> Result<(), DialError> {
        let (Some(link), Some(since)) = (&mut self.link, self.empty) else { return Ok(()) };
        let delivered = jetstream::delivered(&mut link.client, &link.consumer)?;
        let is_end = self.end.is_some_and(|end| delivered >= end);
        if !is_end && !self.is_over && since.elapsed() > PATIENCE {
            // A server that lags has had its time: they are deleted, or out of its reach.
            let end = self.end.unwrap_or(delivered);
            let (name, left) = (&link.consumer.stream, Count(end - delivered, "message"));
            report::warning(format_args!("{name}: up to {left} before the end did not come"));
            self.is_short = true;
        }
        self.is_over |= is_end || self.is_short;
        self.again = Instant::now() + PAUSE;
        Ok(())
    }

    /// Whether there is room for more. Without somebody who says what is done with, everything has
    /// to be written now and then.
    fn has_room(&self) -> bool {
        let pending = self.out.pending();
        let may_be_told = self.answers.is_some() || self.handed.len() < MOST_HANDED;
        pending < MOST_PENDING && (pending == 0 || may_be_told)
    }

    fn connect(&mut self) -> Result<(), DialError> {
        let Plan { dialer, address, credentials, .. } = &self.plan;
        let mut client = Client::connect(dialer, address, credentials, self.attempts)?;
        self.attempts += 1;
        let resets = !self.has_begun && self.plan.resets();
        let mut options = address.options.clone();
        if self.has_begun && options.durable.is_none() {
            // Nobody remembers for us what has come.
            let next = if self.seen > 0 { Some(self.seen + 1) } else { self.start };
            options.from = next.map(From::Number).or(options.from);
        }
        let consumer = jetstream::consumer(&mut client, &address.subject, &options, resets)?;
        self.has_begun = true;
        self.start = consumer.start;
        if !self.plan.follows {
            self.end.get_or_insert(consumer.end);
        }
        // What was handed over on an earlier connection is acknowledged on this one.
        self.link = Some(Link { client, consumer, pulls: Pulls::default() });
        numbers::CONNECTED.set(1);
        Ok(())
    }

    /// Takes the messages that have come.
    fn take(&mut self) -> Result<(), DialError> {
        let Self { link, out, converter, handed, last, seen, is_over, redial, empty, .. } = self;
        let Some(Link { client, pulls, .. }) = link else { return Ok(()) };
        let prefix = client.reply_to("p");
        let ends_at = self.end.unwrap_or(u64::MAX);
        let mut gone = None;
        client.each(|message, output| {
            let Some(delivery) = Delivery::of(message) else {
                match told(message, &prefix, pulls) {
                    Answer::Empty if ends_at < u64::MAX => {
                        *empty = empty.or_else(|| Some(Instant::now()));
                    }
                    Answer::Alive | Answer::Over | Answer::Empty => {}
                    Answer::Gone(words) => gone = Some(words),
                }
                return;
            };
            pulls.took();
            *empty = None;
            redial.reset();
            if delivery.sequence > ends_at {
                // It came after the start, and is for another reader.
                put_message(output, delivery.reply.as_bytes(), "", "", b"-NAK");
                *is_over = true;
                return;
            }
            *seen = delivery.sequence.max(*seen);
            numbers::LAG.set(delivery.pending);
            let origin = Stored { subject: message.subject, sequence: delivery.sequence };
            let count = converter.put(out.buffer(), message.payload, &origin);
            stats::MESSAGES.add(count);
            stats::BYTES_IN.add(message.payload.len() as u64);
            *last += count;
            handed.push_back(Handed { last: *last, reply: delivery.reply.into() });
            *is_over |= delivery.sequence == ends_at;
        })?;
        gone.map_or(Ok(()), |words| Err(DialError::failed(words)))
    }

    /// Acknowledges what is done to the broker. `true` if the program that says so is gone.
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
        if let Some(Link { client, consumer, .. }) = &mut self.link {
            while self.handed.front().is_some_and(|handed| handed.last <= done) {
                if let Some(handed) = self.handed.pop_front() {
                    put_message(client.output(), &handed.reply, "", "", b"+ACK");
                    numbers::COMMITTED.add(1);
                }
            }
            if self.extended.elapsed() > consumer.ack_wait / 3 {
                self.extended = Instant::now();
                for handed in &self.handed {
                    put_message(client.output(), &handed.reply, "", "", b"+WPI");
                }
            }
            if let Err(error) = client.flush() {
                self.lost(error)?;
            }
        }
        Ok(is_gone)
    }

    /// The connection broke, or could not be made.
    fn lost(&mut self, error: DialError) -> Result<(), Stop> {
        let (cause, hint) = match error {
            DialError::Stopped(stop) => return Err(stop),
            DialError::Failed { cause, hint } => (cause, hint),
        };
        self.link = None;
        numbers::CONNECTED.set(0);
        let subject = &self.plan.address.text;
        let loss = format!("{subject}: {cause}");
        if self.redial.schedule(&Loss::of(format_args!("{loss}")).hint(hint.as_deref())) {
            return Ok(());
        }
        Err(DialError::Failed { cause, hint }.into_stop(subject))
    }

    fn wait(&self) -> Result<(), Stop> {
        let mut wanted = Vec::with_capacity(3);
        wanted.extend(self.link.as_ref().map(|link| link.client.wanted()));
        wanted.extend(self.out.wanted());
        wanted.extend(self.answers.as_ref().map(|answers| (answers.fd(), PollFlags::POLLIN)));
        let due = match &self.link {
            None => self.redial.due(),
            Some(_) if self.empty.is_some() && !self.is_over => self.again,
            Some(Link { consumer, .. }) => {
                Instant::now() + (SILENCE / 3).min(consumer.ack_wait / 3)
            }
        };
        wait(&wanted, Some(due)).map(drop)
    }

    /// Acknowledges what was handed over and is done by now, but does not wait for long.
    fn finish(&mut self) {
        // Without somebody who says what is done with, the reader gets its time to take it all.
        let is_written = self.answers.is_none() && self.out.flush().is_ok();
        let until = Instant::now() + GRACE;
        while !self.handed.is_empty() && Instant::now() < until {
            if self.answers.is_some() {
                // What is acknowledged later than that comes again.
                let _flushed = self.out.try_flush();
            }
            let is_over = self.acknowledge(is_written).unwrap_or(true);
            if is_over || self.answers.is_none() || self.link.is_none() {
                break;
            }
            let fd = self.answers.as_ref().map(|answers| answers.fd());
            let mut fds: Vec<_> =
                fd.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).into_iter().collect();
            let _ready = poll(&mut fds, PollTimeout::from(20_u8));
        }
        if let Some(Link { client, .. }) = &mut self.link {
            client.output().extend_from_slice(b"PING\r\n");
            // When it answers it has read what was said before.
            let _told = client.await_pong_quietly(until);
        }
    }
}

/// What is said of a request instead of a message.
fn told(message: &Incoming<'_>, prefix: &str, pulls: &mut Pulls) -> Answer {
    let id = message.subject.strip_prefix(prefix).and_then(|id| id.parse().ok());
    match (id, message.status()) {
        (Some(id), Some((status, words))) => pulls.told(id, status, words),
        _ => Answer::Alive,
    }
}
