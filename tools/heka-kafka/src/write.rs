// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard input to a topic.

use std::time::{Duration, Instant};

use heka_core::delivery::Refusal;
use heka_core::delivery::transport::{Form, Outbox, Place, Source, numbers};
use heka_core::net::{DialError, Fault, FaultKind, Redial};
use heka_core::os::{Deadline, wait, wait_at_the_end};
use heka_core::report::{self, Status, Stop, stats};
use heka_core::wire::Frame;
use nix::poll::PollFlags;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::producer::BaseRecord;

use crate::address::Options;
use crate::cli::Plan;
use crate::events::{Answer, Probed};
use crate::producer::{Producer, Sent};
use crate::verdict::{self, Verdict};
use crate::window::Window;
use crate::words;

/// Number of records passed to the library at once.
const PIECE: usize = 4096;
/// Pause if the library has no room.
const PAUSE: Duration = Duration::from_millis(10);
/// Time limit for answers after a signal.
const GRACE: Duration = Duration::from_secs(1);

/// Delivers standard input.
pub(crate) fn run(plan: Plan) -> Result<Status, Stop> {
    let mut writer = Writer::new(plan)?;
    let outcome = writer.work();
    if let Err(Stop::Signal(_)) = outcome {
        writer.settle_last()?;
    }
    writer.outbox.report_lost(writer.window.unanswered());
    if let Some(producer) = writer.producer.take() {
        producer.end();
    }
    outcome?;
    Ok(Status::failed_if(writer.source.has_lost || writer.outbox.has_refused))
}

#[derive(Debug)]
struct Writer {
    plan: Plan,
    source: Source,
    topic: Place,
    window: Window,
    outbox: Outbox,
    producer: Option<Producer>,
    redial: Redial,
    /// End of a pause: something could not be stored, or the library has no room.
    pause: Deadline,
    /// Whether it was reported that no broker can be reached.
    is_down: bool,
    /// The library's last message.
    cause: Option<String>,
}

impl Writer {
    fn new(plan: Plan) -> Result<Self, Stop> {
        let wrong = |words| Stop::usage(format_args!("{}: {words}", plan.address.text));
        let topic = Place::parse(&plan.address.topic, allowed).map_err(wrong)?;
        let is_legal = |byte: u8| allowed(byte) == byte;
        if !topic.with("").bytes().all(is_legal) {
            return Err(wrong("a topic has letters, digits, and . _ - only".to_owned()));
        }
        Ok(Self {
            source: Source::new("heka-kafka", plan.acknowledges)?,
            topic,
            window: Window::new(plan.in_flight),
            outbox: Outbox::new(plan.acknowledges)?,
            producer: None,
            redial: Redial::new(plan.backoff),
            pause: None,
            is_down: false,
            cause: None,
            plan,
        })
    }

    fn work(&mut self) -> Result<Status, Stop> {
        loop {
            if let Err(error) = self.turn() {
                self.lost(error)?;
            }
            self.tell()?;
            if self.source.is_ended() && self.window.is_empty() {
                return Ok(Status::Done);
            }
            if self.wait()? {
                self.read()?;
            }
        }
    }

    /// Connects, processes answers, sends.
    fn turn(&mut self) -> Result<(), DialError> {
        if self.producer.is_none() && self.redial.due() <= Instant::now() {
            let topic = self.topic.fixed().map(str::to_owned);
            self.producer = Some(Producer::start(&self.plan, topic)?);
        }
        self.take_news()?;
        let now = Instant::now();
        let patience = self.plan.patience;
        let is_late = |since: Instant| since + patience <= now;
        if self.window.waiting_since().is_some_and(is_late) {
            let cause = self.cause.take().filter(|_| self.is_down);
            let cause = cause.unwrap_or_else(|| "the broker does not acknowledge".to_owned());
            return Err(DialError::failed(cause));
        }
        let Some(producer) = &mut self.producer else { return Ok(()) };
        if producer.is_ready && self.pause.is_none_or(|pause| pause <= now) {
            self.pause = send(producer, &mut self.window, &self.plan.address.options);
        }
        Ok(())
    }

    /// Processes news from the library.
    fn take_news(&mut self) -> Result<(), DialError> {
        let Some(producer) = &mut self.producer else { return Ok(()) };
        producer.events.awake();
        let news = producer.events.take();
        self.cause = news.cause.or(self.cause.take());
        let mut failure = None;
        let mut is_over = false;
        for answer in news.answers {
            match settle(answer, &mut self.window) {
                None => {}
                Some((Verdict::Renew, cause)) => (is_over, failure) = (true, Some(cause)),
                Some((_, cause)) => failure = failure.or(Some(cause)),
            }
        }
        if let Some(cause) = news.fatal {
            return Err(DialError::failed(cause));
        }
        self.hear_of_cluster(news.probed, news.is_down)?;
        if news.is_down && !self.window.is_empty() && !std::mem::replace(&mut self.is_down, true) {
            let cause = self.cause.as_deref().unwrap_or("no broker can be reached");
            report::announce(format_args!("{}: {cause}; waiting for it", self.plan.address.text));
        }
        match failure {
            Some(cause) if is_over => Err(DialError::failed(cause)),
            Some(cause) => self.delay(&cause),
            None => Ok(()),
        }
    }

    /// Handles the answer whether the cluster has the topics, until that is known.
    fn hear_of_cluster(&mut self, probed: Option<Probed>, is_down: bool) -> Result<(), DialError> {
        let Some(producer) = &mut self.producer else { return Ok(()) };
        match probed {
            Some(Err(cause)) => return Err(unfit(cause, self.cause.take())),
            Some(Ok(_)) => {
                producer.is_ready = true;
                (self.is_down, self.cause) = (false, None);
                numbers::CONNECTED.set(1);
                report::note(format_args!("{}: connected", self.plan.address.text));
                self.outbox.ready().map_err(DialError::Stopped)?;
            }
            None if !producer.is_ready && is_down => {
                return Err(unfit("no broker can be reached".to_owned(), self.cause.take()));
            }
            None if !producer.is_ready && producer.age() > self.plan.connect_timeout => {
                return Err(unfit("timeout".to_owned(), self.cause.take()));
            }
            None => {}
        }
        Ok(())
    }

    /// Pauses before resending, because the broker cannot store something at the moment.
    fn delay(&mut self, cause: &str) -> Result<(), DialError> {
        if self.pause.is_some_and(|pause| pause > Instant::now()) {
            return Ok(());
        }
        self.pause = Some(self.redial.delay_after(&self.plan.address.text, cause)?);
        Ok(())
    }

    /// Handles a failed client, or a missing broker.
    fn lost(&mut self, error: DialError) -> Result<(), Stop> {
        let error = error.unless_stopped()?;
        self.producer = None;
        numbers::CONNECTED.set(0);
        (self.pause, self.is_down) = (None, false);
        self.window.rewind();
        self.redial.retry(&self.plan.address.text, error)
    }

    /// Reports the outcome of the oldest records.
    fn tell(&mut self) -> Result<(), Stop> {
        if self.outbox.tell(|| self.window.settle())? {
            self.redial.reset();
            self.is_down = false;
        }
        numbers::RESENT.set(self.window.resent);
        Ok(())
    }

    /// Waits until something can be done; `true` if that is reading.
    fn wait(&mut self) -> Result<bool, Stop> {
        let is_ready = self.producer.as_ref().is_some_and(|producer| producer.is_ready);
        let has_room = !self.source.is_ended() && self.window.has_room() && is_ready;
        stats::note_blocked(stats::On::Peer, !has_room && !self.source.is_ended());
        let now = Instant::now();
        let can_send = is_ready && self.pause.is_none() && self.window.is_due();
        let limits = [
            can_send.then_some(now),
            self.pause,
            match &self.producer {
                None => Some(self.redial.due()),
                Some(producer) if !producer.is_ready => Some(now + self.plan.connect_timeout),
                Some(_) => None,
            },
            self.window.waiting_since().map(|since| since + self.plan.patience),
        ];
        let mut wanted = Vec::with_capacity(2);
        if has_room {
            wanted.push((self.source.fd(), PollFlags::POLLIN));
        }
        if let Some(producer) = &self.producer {
            wanted.push((producer.events.fd(), PollFlags::POLLIN));
        }
        let ready = wait(&wanted, limits.into_iter().flatten().min())?;
        Ok(has_room && ready.first().is_some_and(|ready| !ready.is_empty()))
    }

    fn read(&mut self) -> Result<(), Stop> {
        let Self { source, window, topic, plan, .. } = self;
        let options = &plan.address.options;
        source.read(&mut |record, number| match record {
            Ok(frame) => put(window, frame, number, topic, options),
            Err(cause) => window.push_refused(number, Refusal::TooLong, cause),
        })
    }

    /// Processes remaining answers after a signal.
    fn settle_last(&mut self) -> Result<(), Stop> {
        let until = Instant::now() + GRACE;
        while !self.window.is_empty() && Instant::now() < until {
            let Some(producer) = &self.producer else { break };
            wait_at_the_end(&[(producer.events.fd(), PollFlags::POLLIN)], Some(until))?;
            if self.turn().is_err() {
                break;
            }
            self.tell()?;
        }
        self.tell()
    }
}

/// Creates the failure of an unusable cluster; the library's last message is closer to the cause.
fn unfit(cause: String, said: Option<String>) -> DialError {
    let is_missing = cause.ends_with("no such topic");
    let cause = match said {
        Some(said) if !is_missing && !cause.contains("not permitted") => said,
        _ => cause,
    };
    let fault = Fault::new(FaultKind::Other, cause);
    DialError::Failed(match is_missing {
        true => fault.hint("create the topic, or permit the broker to"),
        false => fault,
    })
}

/// Processes an answer. Returns what else has to be done, and why.
fn settle((id, error): Answer, window: &mut Window) -> Option<(Verdict, String)> {
    let Some(code) = error else {
        window.stored(id);
        return None;
    };
    let verdict = verdict::of(code);
    if let Verdict::Refuse(reason) = verdict {
        window.refused(id, reason, || cause(reason, code));
        return None;
    }
    window.failed(id);
    Some((verdict, words::of_code(code)))
}

fn cause(reason: Refusal, code: Code) -> String {
    match reason {
        Refusal::TooLong => "longer than the broker allows".to_owned(),
        _ => words::of_code(code),
    }
}

/// Passes records to the library, and returns when to continue if it has no room.
fn send(producer: &Producer, window: &mut Window, options: &Options) -> Deadline {
    for _ in 0..PIECE {
        let record = window.next()?;
        // Only text is put there.
        let topic = std::str::from_utf8(record.topic).unwrap_or_default();
        let mut message = BaseRecord::with_opaque_to(topic, record.id).payload(record.payload);
        if let Some(key) = record.key {
            message = message.key(key);
        }
        if let Some(partition) = options.partition {
            message = message.partition(partition);
        }
        if record.time > 0 {
            message = message.timestamp(record.time);
        }
        let len = record.payload.len() as u64;
        match producer.send(message) {
            Sent::Taken => {
                stats::BYTES_OUT.add(len);
                window.sent();
            }
            Sent::Full => return Some(Instant::now() + PAUSE),
            Sent::Failed(code) => match verdict::of(code) {
                Verdict::Refuse(reason) => window.refused_unsent(reason, cause(reason, code)),
                _ => {
                    producer.events.tell(|news| news.fatal = Some(words::of_code(code)));
                    return None;
                }
            },
        }
    }
    None
}

/// Adds a message to send.
fn put(window: &mut Window, frame: &Frame<'_>, number: u64, topic: &Place, options: &Options) {
    let time = match options.has_message_time {
        Some(true) => frame.view.timestamp.unwrap_or(0) / 1_000_000,
        _ => 0,
    };
    window.push(
        number,
        time,
        |out| topic.put(out, &frame.view),
        |out| {
            if let Some(key) = &options.key {
                key.put(out, &frame.view);
            }
        },
        |out| options.common.form.unwrap_or(Form::Protobuf).put(out, frame),
    );
}

/// Replaces a byte that a broker does not accept in the name of a topic.
fn allowed(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => byte,
        _ => b'_',
    }
}
