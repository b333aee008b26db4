// SPDX-License-Identifier: MIT OR Apache-2.0
//! Standard input to a stream of the broker.

use std::time::{Duration, Instant};

use heka_core::delivery::transport::{Outbox, Source, numbers};
use heka_core::net::{DialError, FaultKind, Redial};
use heka_core::os::{Deadline, wait};
use heka_core::report::{Status, Stop, stats};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::Value;

use crate::cli::Plan;
use crate::client::Client;
use crate::jetstream;
use crate::packer::Packer;
use crate::protocol::Incoming;
use crate::window::Window;

/// Number of bytes written at once.
const PIECE: usize = 256 * 1024;
/// Time without an answer before everything is sent again on a new connection.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// Time limit for answers after a signal.
const GRACE: Duration = Duration::from_secs(1);
/// The server's error code for a message longer than the stream allows.
const TOO_LONG: u64 = 10_054;

/// Delivers standard input.
pub(crate) fn run(plan: Plan) -> Result<Status, Stop> {
    let mut writer = Writer::new(plan)?;
    let outcome = writer.work();
    if let Err(Stop::Signal(_)) = outcome {
        writer.settle_last()?;
    }
    writer.outbox.report_lost(writer.window.unanswered());
    outcome?;
    Ok(Status::failed_if(writer.source.has_lost || writer.outbox.has_refused))
}

#[derive(Debug)]
struct Writer {
    plan: Plan,
    source: Source,
    packer: Packer,
    window: Window,
    outbox: Outbox,
    client: Option<Client>,
    redial: Redial,
    attempts: usize,
    /// End of a pause, after the broker could not store something.
    pause: Deadline,
}

impl Writer {
    fn new(plan: Plan) -> Result<Self, Stop> {
        Ok(Self {
            source: Source::new("heka-nats", plan.acknowledges)?,
            packer: Packer::new(&plan.address)?,
            window: Window::new(plan.in_flight),
            outbox: Outbox::new(plan.acknowledges)?,
            client: None,
            redial: Redial::new(plan.backoff),
            attempts: 0,
            pause: None,
            plan,
        })
    }

    fn work(&mut self) -> Result<Status, Stop> {
        loop {
            if let Err(error) = self.turn() {
                self.lost(error)?;
            }
            self.tell()?;
            if self.source.is_ended() && self.window.is_empty() && self.packer.is_empty() {
                return Ok(Status::Done);
            }
            if self.wait()? {
                self.read()?;
            }
        }
    }

    /// Connects, sends, processes answers.
    fn turn(&mut self) -> Result<(), DialError> {
        if self.client.is_none() && self.redial.due() <= Instant::now() {
            self.connect()?;
            self.outbox.ready()?;
        }
        let Some(client) = &mut self.client else { return Ok(()) };
        client.fill()?;
        let (window, packer) = (&mut self.window, &mut self.packer);
        let mut failure = None;
        let inbox = client.reply_to("");
        client.each(|message, _| {
            if let Err(cause) = take_answer(message, &inbox, window, packer) {
                failure.get_or_insert(cause);
            }
        })?;
        if let Some(cause) = failure {
            self.delay(&cause)?;
        }
        let now = Instant::now();
        let is_late = |since: Instant| since + ANSWER_LIMIT <= now;
        if self.window.waiting_since().is_some_and(is_late) {
            return Err(DialError::of(FaultKind::Timeout, "the broker does not acknowledge"));
        }
        let Some(client) = &mut self.client else { return Ok(()) };
        if self.pause.is_none_or(|pause| pause <= now) {
            self.pause = None;
            let before = client.output().len();
            self.window.send(client.output(), PIECE);
            stats::BYTES_OUT.add((client.output().len() - before) as u64);
        }
        client.flush()
    }

    fn connect(&mut self) -> Result<(), DialError> {
        let Plan { dialer, address, credentials, .. } = &self.plan;
        let mut client = Client::connect(dialer, address, credentials, self.attempts)?;
        self.attempts += 1;
        let pattern = self.packer.pattern();
        jetstream::check_stream(&mut client, &pattern, &address.options, &self.plan.backoff)?;
        self.packer.begin(&client);
        self.client = Some(client);
        numbers::CONNECTED.set(1);
        Ok(())
    }

    /// Pauses before resending, because the broker cannot store something at the moment.
    fn delay(&mut self, cause: &str) -> Result<(), DialError> {
        if self.pause.is_some() {
            return Ok(());
        }
        self.pause = Some(self.redial.delay_after(&self.plan.address.text, cause)?);
        Ok(())
    }

    /// Handles a broken or failed connection.
    fn lost(&mut self, error: DialError) -> Result<(), Stop> {
        let error = error.unless_stopped()?;
        self.client = None;
        numbers::CONNECTED.set(0);
        self.pause = None;
        self.window.rewind();
        self.redial.retry(&self.plan.address.text, error)
    }

    /// Reports the outcome of the oldest records.
    fn tell(&mut self) -> Result<(), Stop> {
        if self.outbox.tell(|| self.window.settle())? {
            self.redial.reset();
        }
        numbers::RESENT.set(self.window.resent);
        Ok(())
    }

    /// Waits until something can be done; `true` if that is reading.
    fn wait(&mut self) -> Result<bool, Stop> {
        let is_connected = self.client.is_some();
        let has_room = !self.source.is_ended() && self.window.has_room() && is_connected;
        stats::note_blocked(stats::On::Peer, !has_room && !self.source.is_ended());
        let mut wanted = Vec::with_capacity(2);
        if has_room {
            wanted.push((self.source.fd(), PollFlags::POLLIN));
        }
        if let Some(client) = &self.client {
            wanted.push(client.wanted());
        }
        let can_send = self.window.is_due() && self.pause.is_none() && is_connected;
        let has_output = self.client.as_ref().is_some_and(Client::has_output);
        let now = Instant::now();
        let limits = [
            (can_send && !has_output).then_some(now),
            self.pause,
            (!is_connected).then(|| self.redial.due()),
            self.window.waiting_since().map(|since| since + ANSWER_LIMIT),
        ];
        let ready = wait(&wanted, limits.into_iter().flatten().min())?;
        Ok(has_room && ready.first().is_some_and(|ready| !ready.is_empty()))
    }

    fn read(&mut self) -> Result<(), Stop> {
        let Self { source, packer, window, .. } = self;
        source.read(&mut |record, number| match record {
            Ok(frame) => packer.put(frame, number, window),
            Err(cause) => {
                // Records before it are reported first.
                packer.end(window);
                window.push_refused(number, cause);
            }
        })?;
        // The input is idle, or there is enough.
        self.packer.end(&mut self.window);
        Ok(())
    }

    /// Processes remaining answers after a signal.
    fn settle_last(&mut self) -> Result<(), Stop> {
        let until = Instant::now() + GRACE;
        while !self.window.is_empty() && Instant::now() < until {
            let Some(client) = &self.client else { break };
            let (fd, flags) = client.wanted();
            let _ready = poll(&mut [PollFd::new(fd, flags)], PollTimeout::from(20_u8));
            if self.turn().is_err() {
                break;
            }
            self.tell()?;
        }
        self.tell()
    }
}

/// Processes the answer to a message.
///
/// # Errors
/// The cause, if it is to be sent again later.
fn take_answer(
    message: &Incoming<'_>,
    inbox: &str,
    window: &mut Window,
    packer: &mut Packer,
) -> Result<(), String> {
    let id = message.subject.strip_prefix(inbox).and_then(|id| id.parse().ok());
    let Some(id) = id else { return Ok(()) };
    if message.status().is_some() {
        window.failed(id);
        return Err("no stream answers".to_owned());
    }
    // Names of streams contain no quotes, so an answer is recognised without parsing it.
    let has = |member: &str| memchr::memmem::find(message.payload, member.as_bytes()).is_some();
    let is_error = has("\"error\"");
    if !is_error && has("\"stream\":") && has("\"seq\":") {
        window.stored(id);
        return Ok(());
    }
    let answer: Value = serde_json::from_slice(message.payload).unwrap_or_default();
    let code = answer.pointer("/error/err_code").and_then(Value::as_u64).unwrap_or(0);
    let words = match answer.pointer("/error/description").and_then(Value::as_str) {
        Some(words) => words,
        None if is_error => "error",
        None => "the answer is not from a stream",
    };
    if code == TOO_LONG {
        window.too_long(id, words, |id, frame, number| packer.single(id, frame, number));
        return Ok(());
    }
    window.failed(id);
    Err(words.to_owned())
}

#[cfg(test)]
mod tests {
    use heka_core::delivery::transport::Settled;

    use super::*;
    use crate::address;
    use crate::window::Outgoing;

    #[test]
    fn only_the_answer_of_a_stream_acknowledges() {
        let mut packer = Packer::new(&address::parse("nats://h/s").unwrap()).unwrap();
        let mut window = Window::new(1000);
        window.push(Outgoing { bytes: vec![b'x'], payload: 0..1, last: 1, count: 1 });
        let mut answer = |payload: &str, window: &mut Window| {
            window.send(&mut Vec::new(), 1000);
            let payload = payload.as_bytes();
            let message = Incoming { subject: "i.1", reply: None, headers: b"", payload };
            take_answer(&message, "i.", window, &mut packer)
        };
        for other in ["", "got it", "{}", r#"{"stream":"S"}"#, r#"{"seq":1}"#] {
            assert!(answer(other, &mut window).is_err(), "{other}");
            assert_eq!(window.settle(), None, "{other}");
        }
        let full = r#"{"error":{"code":503,"description":"full"},"stream":"S","seq":0}"#;
        assert_eq!(answer(full, &mut window), Err("full".to_owned()));
        assert_eq!(answer(r#"{"stream":"S","seq":1}"#, &mut window), Ok(()));
        assert_eq!(window.settle(), Some(Settled::Stored { last: 1, count: 1 }));
    }
}
