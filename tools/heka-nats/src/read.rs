// SPDX-License-Identifier: MIT OR Apache-2.0
//! A stream of the broker to standard output.

use std::time::{Duration, Instant};

use heka_core::cli::settle_frames;
use heka_core::delivery::transport::numbers::{COMMITTED, CONNECTED};
use heka_core::delivery::transport::{Converter, Handover};
use heka_core::net::{DialError, FaultKind, Redial};
use heka_core::os::{Output, wait};
use heka_core::report::words::{Count, NO_ANSWER};
use heka_core::report::{self, Status, Stop};

use crate::cli::Plan;
use crate::client::Client;
use crate::delivery::Delivery;
use crate::jetstream::{self, Consumer};
use crate::numbers::LAG;
use crate::origin::{Stored, TEXT_TYPE};
use crate::protocol::{Incoming, put_message};
use crate::pulls::{Answer, Pulls, SILENCE};

/// Interval of requests at what may not be the end, and their total time.
const PAUSE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(20);
/// The name of the answers to lag requests.
const LAG_REPLY: &str = "lag";
/// Interval of requests for what others have read, or not acknowledged.
const COUNT: Duration = Duration::from_secs(2);
/// Time for messages that were handed over to become safe at the end.
const GRACE: Duration = Duration::from_secs(1);

/// Hands over the messages of the stream.
pub(crate) fn run(plan: Plan) -> Result<Status, Stop> {
    let mut reader = Reader::new(plan)?;
    let outcome = reader.work();
    if matches!(outcome, Ok(()) | Err(Stop::Signal(_))) {
        reader.finish();
    }
    outcome?;
    Ok(Status::failed_if(reader.is_short || reader.handover.has_lost()))
}

#[derive(Debug)]
struct Reader {
    plan: Plan,
    /// Messages with the subjects of their acknowledgements.
    handover: Handover<Vec<u8>>,
    /// Number of the last message received from the broker.
    seen: u64,
    /// Number of messages after the last one.
    behind: u64,
    /// When to request the lag again.
    count_at: Instant,
    /// When the acknowledgement timeout was last extended.
    extended: Instant,
    link: Option<Link>,
    redial: Redial,
    attempts: usize,
    /// Whether there was a connection, so that the consumer has begun at its start.
    has_begun: bool,
    /// Number of the first message, once it is known.
    start: Option<u64>,
    is_over: bool,
    /// Whether there are fewer messages than that.
    is_short: bool,
    /// Number of the last message to read.
    end: Option<u64>,
    /// Since when there is nothing to read, although that is not the end.
    empty: Option<Instant>,
    /// When to request again after that.
    again: Instant,
}

/// A connection, and its requests.
#[derive(Debug)]
struct Link {
    client: Client,
    consumer: Consumer,
    pulls: Pulls,
}

impl Reader {
    fn new(plan: Plan) -> Result<Self, Stop> {
        let out = settle_frames(Output::stdout()?, "pipe them into heka-decode")?;
        let converter = Converter::new(TEXT_TYPE, plan.address.options.common.origin);
        Ok(Self {
            handover: Handover::new(out, converter, plan.in_flight, plan.acknowledges)?,
            seen: 0,
            behind: 0,
            count_at: Instant::now() + COUNT,
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

    fn work(&mut self) -> Result<(), Stop> {
        loop {
            if let Err(error) = self.turn() {
                self.lost(error)?;
            }
            let is_there = self.handover.serve()?;
            if let Err(error) = self.acknowledge().and_then(|()| self.ask()) {
                self.lost(error)?;
            }
            if !is_there || (self.is_over && self.handover.is_done()) {
                return Ok(());
            }
            self.wait()?;
        }
    }

    /// Connects, receives messages, detects the end.
    fn turn(&mut self) -> Result<(), DialError> {
        if self.link.is_none() {
            if self.redial.due() > Instant::now() {
                return Ok(());
            }
            self.connect()?;
        }
        if let Some(link) = &mut self.link {
            // Even while the output is blocked: the server needs signs of life, and no more arrives
            // than was requested.
            link.client.fill()?;
        }
        self.take()?;
        if self.again <= Instant::now() {
            self.look_for_end()?;
        }
        match &self.link {
            Some(link) if self.plan.follows && link.client.heard.elapsed() > SILENCE => {
                Err(DialError::of(FaultKind::Timeout, NO_ANSWER))
            }
            _ => Ok(()),
        }
    }

    /// Requests more messages if there is room for them.
    fn ask(&mut self) -> Result<(), DialError> {
        let is_time = self.again <= Instant::now();
        if is_time && self.empty.is_some() {
            self.again = Instant::now() + PAUSE;
        }
        let Some(link) = &mut self.link else { return Ok(()) };
        if !self.is_over && is_time && self.handover.has_room() {
            let size = self.plan.in_flight / 2;
            link.pulls.ask(&mut link.client, &link.consumer, size, self.plan.follows);
        }
        // Only a named consumer has other readers.
        if self.plan.address.options.durable.is_some() && self.count_at <= Instant::now() {
            self.count_at = Instant::now() + COUNT;
            let reply = link.client.reply_to(LAG_REPLY);
            jetstream::ask_lag(&mut link.client, &link.consumer, &reply);
        }
        link.client.flush()
    }

    /// Handles the lack of messages: either that is the end, or the consumer's server lags behind
    /// the others.
    fn look_for_end(&mut self) -> Result<(), DialError> {
        let (Some(link), Some(since)) = (&mut self.link, self.empty) else { return Ok(()) };
        let delivered = jetstream::delivered(&mut link.client, &link.consumer)?;
        let is_end = self.end.is_some_and(|end| delivered >= end);
        if !is_end && !self.is_over && since.elapsed() > PATIENCE {
            // A server that lags has had its time: the messages are deleted, or out of its reach.
            let end = self.end.unwrap_or(delivered);
            let (name, left) = (&link.consumer.stream, Count(end - delivered, "message"));
            report::warning(format_args!("{name}: up to {left} before the end did not come"));
            self.is_short = true;
        }
        self.is_over |= is_end || self.is_short;
        Ok(())
    }

    fn connect(&mut self) -> Result<(), DialError> {
        let Plan { dialer, address, credentials, .. } = &self.plan;
        let mut client = Client::connect(dialer, address, credentials, self.attempts)?;
        self.attempts += 1;
        let resets = !self.has_begun && self.plan.resets();
        if self.seen > 0 && address.options.durable.is_none() {
            // The server does not remember what has been received.
            self.start = Some(self.seen + 1);
        }
        let (subject, options) = (&address.subject, &address.options);
        let consumer = jetstream::consumer(&mut client, subject, options, resets, &mut self.start)?;
        self.has_begun = true;
        if !self.plan.follows {
            self.end.get_or_insert(consumer.end);
        }
        // Messages handed over on an earlier connection are acknowledged on this one.
        self.link = Some(Link { client, consumer, pulls: Pulls::default() });
        CONNECTED.set(1);
        Ok(())
    }

    /// Processes received messages.
    fn take(&mut self) -> Result<(), DialError> {
        let Self { link, handover, seen, behind, is_over, redial, empty, .. } = self;
        let Some(Link { client, pulls, .. }) = link else { return Ok(()) };
        let (prefix, lag_reply) = (client.reply_to("p"), client.reply_to(LAG_REPLY));
        let ends_at = self.end.unwrap_or(u64::MAX);
        let mut gone = None;
        client.each(|message, output| {
            let Some(delivery) = Delivery::of(message) else {
                if message.subject == lag_reply {
                    jetstream::lag(message.payload).iter().for_each(|lag| LAG.set(*lag));
                    return;
                }
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
                // It arrived after the start, and is for another reader.
                put_message(output, delivery.reply.as_bytes(), "", "", b"-NAK");
                *is_over = true;
                return;
            }
            *seen = delivery.sequence.max(*seen);
            let origin = Stored { subject: message.subject, sequence: delivery.sequence };
            handover.put(message.payload, &origin, delivery.reply.into());
            *behind = delivery.pending;
            LAG.set(*behind + handover.open().len() as u64);
            *is_over |= delivery.sequence == ends_at;
        })?;
        gone.map_or(Ok(()), |words| Err(DialError::failed(words)))
    }

    /// Acknowledges safe messages to the broker, and requests more time for the others.
    fn acknowledge(&mut self) -> Result<(), DialError> {
        let Some(Link { client, consumer, .. }) = &mut self.link else { return Ok(()) };
        while let Some(reply) = self.handover.next_safe() {
            put_message(client.output(), &reply, "", "", b"+ACK");
            COMMITTED.add(1);
            LAG.set(self.behind + self.handover.open().len() as u64);
        }
        if self.extended.elapsed() > consumer.ack_wait / 3 {
            self.extended = Instant::now();
            for reply in self.handover.open() {
                put_message(client.output(), reply, "", "", b"+WPI");
            }
        }
        client.flush()
    }

    /// Handles a broken or failed connection.
    fn lost(&mut self, error: DialError) -> Result<(), Stop> {
        let error = error.unless_stopped()?;
        self.link = None;
        CONNECTED.set(0);
        self.redial.retry(&self.plan.address.text, error)
    }

    fn wait(&self) -> Result<(), Stop> {
        let mut wanted = Vec::with_capacity(3);
        wanted.extend(self.link.as_ref().map(|link| link.client.wanted()));
        wanted.extend(self.handover.wanted());
        let due = match &self.link {
            None => self.redial.due(),
            Some(_) if self.empty.is_some() && !self.is_over => self.again,
            Some(Link { consumer, .. }) => Instant::now() + COUNT.min(consumer.ack_wait / 3),
        };
        wait(&wanted, Some(due)).map(drop)
    }

    /// Acknowledges messages that have become safe, within a short time.
    fn finish(&mut self) {
        let grace = if self.link.is_some() { GRACE } else { Duration::ZERO };
        let until = Instant::now() + grace;
        let Self { handover, link, .. } = self;
        handover.finish(until, |reply| {
            if let Some(Link { client, .. }) = link {
                put_message(client.output(), &reply, "", "", b"+ACK");
                COMMITTED.add(1);
            }
        });
        LAG.set(self.behind + handover.open().len() as u64);
        if let Some(Link { client, .. }) = link {
            client.output().extend_from_slice(b"PING\r\n");
            // Its answer means that it has read everything sent before.
            let _told = client.flush().and_then(|()| client.await_pong_quietly(until));
        }
    }
}

/// Handles a status message for a request.
fn told(message: &Incoming<'_>, prefix: &str, pulls: &mut Pulls) -> Answer {
    let id = message.subject.strip_prefix(prefix).and_then(|id| id.parse().ok());
    match (id, message.status()) {
        (Some(id), Some((status, words))) => pulls.told(id, status, words),
        _ => Answer::Alive,
    }
}
