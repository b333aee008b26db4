// SPDX-License-Identifier: MIT OR Apache-2.0
//! A WebSocket connection: messages in both directions, pings, closing and failures; and its event
//! loop.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use bytes::Bytes;
use nix::poll::PollFlags;

use super::breach::Breach;
use super::clock::{Clock, Due, Pause, Progress};
use super::closed::is_sendable;
use super::deflate::Inflater;
use super::frame::Opcode;
use super::inbound::{Event, Inbound, Limits};
use super::outgoing::Outgoing;
use super::phase::{Ending, Phase};
use super::{Closed, Kind, Message, Options, Received, Step};
use crate::net::FaultKind;
use crate::os::{Backlog, Deadline, Wanted, wait, wait_at_the_end};
use crate::report::{Cause as _, Stop};

/// Reading stops while this many bytes are pending for the peer.
const MAX_QUEUED: usize = 16 * 1024 * 1024;
/// Output of this size is written without waiting for more.
const WRITE_BLOCK: usize = 128 * 1024;
/// Maximum number of bytes of the reason in an outgoing close frame.
const MAX_REASON: usize = 100;

/// Number of messages after which the clock, the other descriptors and signals are checked.
const BATCH: u32 = 512;

/// A connection after the handshake, over a nonblocking stream.
#[derive(Debug)]
pub struct Socket<S> {
    stream: S,
    headers: Vec<(String, String)>,
    max_backlog: usize,
    clock: Clock,
    /// Steps since the last check of the surroundings.
    looks: u32,
    inbound: Inbound,
    outgoing: Outgoing,
    phase: Phase,
}

impl<S: Read + Write + AsFd> Socket<S> {
    /// Creates a socket; `rest` is the data after the head of the handshake's response.
    pub(super) fn new(
        stream: S,
        rest: &[u8],
        headers: Vec<(String, String)>,
        options: Options,
        inflater: Option<Inflater>,
    ) -> Self {
        let Options { max_message, text_as_binary, max_backlog, .. } = options;
        Self {
            stream,
            headers,
            max_backlog,
            clock: Clock::new(&options),
            looks: 0,
            inbound: Inbound::new(rest, Limits { max_message, text_as_binary }, inflater),
            outgoing: Outgoing::default(),
            phase: Phase::Open,
        }
    }

    /// Returns the stream.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// Returns the headers of the handshake's response.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Returns the descriptor and the events to wait for.
    pub fn wanted(&self) -> (BorrowedFd<'_>, PollFlags) {
        let waiting = self.outgoing.is_waiting();
        let writing = if waiting { PollFlags::POLLOUT } else { PollFlags::empty() };
        (self.stream.as_fd(), PollFlags::POLLIN | writing)
    }

    /// Whether everything has been sent, which is when more should be.
    pub fn is_sent(&self) -> bool {
        self.outgoing.is_sent()
    }

    /// Whether messages have not been sent, or at the end never will be.
    pub fn owes_messages(&self) -> bool {
        self.outgoing.owes_messages()
    }

    /// Returns the bytes of the last message, until the next step; UTF-8 if it is text.
    #[inline]
    pub fn data(&self) -> &[u8] {
        self.inbound.data()
    }

    /// Returns the bytes of the last message by value, once.
    pub fn take_data(&mut self) -> Bytes {
        self.inbound.take_data()
    }

    /// Waits for the next event for the caller. Meanwhile, `out` is written as its reader accepts
    /// it, pings are answered and sent, and silence is detected. `input` is watched as long as the
    /// peer accepts data.
    ///
    /// While `out` holds more than [`Options::max_backlog`], the connection is not read. Pings of
    /// the peer cannot be seen then, so it gets an unsolicited pong at every interval. Nor is the
    /// connection read while the peer accepts no data, but that counts as silence.
    ///
    /// After [`Socket::close`] the end comes soon, and signals do not interrupt it (a second one
    /// ends the process): messages read before are written, within the limit of the backlog.
    ///
    /// # Errors
    /// A signal, the end of `out`'s reader, or a failed write to it.
    pub fn receive(
        &mut self,
        out: &mut Backlog,
        input: Option<BorrowedFd<'_>>,
        deadline: Deadline,
    ) -> Result<Received, Stop> {
        loop {
            let pause = self.pause(out);
            if self.looks < BATCH {
                self.looks += 1;
                let step = if pause.is_some() { Step::Blocked } else { self.step() };
                match step {
                    Step::Closed(closed) => return Ok(Received::Closed(closed)),
                    Step::Message(kind) => return Ok(Received::Message(kind)),
                    Step::Again => continue,
                    Step::Blocked => {}
                }
            }
            // No message is held here, so none is lost whatever happens.
            let blocked = self.looks < BATCH;
            self.looks = 0;
            if let Some(received) = self.look_around(out, input, deadline, blocked, pause)? {
                return Ok(received);
            }
        }
    }

    fn pause(&self, out: &Backlog) -> Option<Pause> {
        if self.is_draining() {
            None
        } else if out.pending() > self.max_backlog {
            Some(Pause::Output)
        } else if self.is_open() && self.outgoing.len() > MAX_QUEUED {
            Some(Pause::Peer)
        } else {
            None
        }
    }

    /// Handles clock, descriptors and signals; waits if there is nothing else to do.
    fn look_around(
        &mut self,
        out: &mut Backlog,
        input: Option<BorrowedFd<'_>>,
        deadline: Deadline,
        blocked: bool,
        pause: Option<Pause>,
    ) -> Result<Option<Received>, Stop> {
        if blocked {
            out.try_flush()?;
        }
        let now = Instant::now();
        if let Some(closed) = self.keep_time(now, pause) {
            return Ok(Some(Received::Closed(closed)));
        }
        let until = if blocked && !self.outgoing.has_just_sent() {
            self.earliest(deadline)
        } else {
            Some(now)
        };
        let input = input.filter(|_| self.is_sent() && self.is_open());
        let (input_ready, out_ready) = self.wait(out, input, until, pause)?;
        if !out_ready.is_empty() {
            if out.pending() == 0 && out_ready.contains(PollFlags::POLLERR) {
                return Err(Stop::BrokenPipe);
            }
            out.try_flush()?;
        }
        self.flush();
        if !input_ready.is_empty() {
            return Ok(Some(Received::Input));
        }
        // Input first: its end must be known before the response arrives.
        if self.outgoing.take_just_sent() {
            return Ok(Some(Received::Sent));
        }
        let passed = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        Ok(passed.then_some(Received::Deadline))
    }

    /// Waits for the descriptors; returns the ready events of input and output.
    fn wait(
        &self,
        out: &Backlog,
        input: Option<BorrowedFd<'_>>,
        until: Deadline,
        pause: Option<Pause>,
    ) -> Result<(PollFlags, PollFlags), Stop> {
        let (fd, flags) = self.wanted();
        let flags = if pause.is_some() { flags & PollFlags::POLLOUT } else { flags };
        let input = input.map(|fd| (fd, PollFlags::POLLIN));
        // poll(2) reports a dead socket even without requested events, which would happen
        // repeatedly during a pause.
        let socket = Some((fd, flags)).filter(|_| !flags.is_empty());
        let entries = [input, out.wanted(), socket];
        let wanted: Vec<Wanted<'_>> = entries.iter().copied().flatten().collect();
        let ready =
            if self.is_open() { wait(&wanted, until)? } else { wait_at_the_end(&wanted, until)? };
        let mut ready = ready.into_iter();
        let [input, out, _] =
            entries.map(|entry| entry.and_then(|_| ready.next()).unwrap_or(PollFlags::empty()));
        Ok((input, out))
    }

    /// Returns the earliest time at which something is due.
    fn earliest(&self, deadline: Deadline) -> Deadline {
        let own = self.ends_at().or_else(|| self.clock.next());
        deadline.into_iter().chain(own).min()
    }

    /// Does what is due at `now`.
    fn keep_time(&mut self, now: Instant, pause: Option<Pause>) -> Option<Closed> {
        if let Some(until) = self.ends_at() {
            return (now >= until).then(|| self.end(FaultKind::Timeout, "no answer"));
        }
        let progress = Progress {
            bytes_in: self.inbound.total,
            bytes_out: self.outgoing.total,
            is_waiting: self.outgoing.is_waiting(),
            pause,
        };
        match self.clock.tick(now, progress) {
            Due::Lost(cause) => return Some(Closed::lost(FaultKind::Timeout, cause)),
            Due::Idle(cause) => {
                self.close(1001, "");
                return Some(Closed::lost(FaultKind::Timeout, cause));
            }
            Due::Ping if self.is_sent() => self.outgoing.put(Opcode::Ping, b""),
            // Unsolicited: a sign of life (RFC 6455 §5.5.3).
            Due::Pong => self.outgoing.put(Opcode::Pong, b""),
            Due::Ping | Due::Nothing => {}
        }
        None
    }

    /// Processes received data up to the next message. Never blocks.
    #[inline]
    pub fn step(&mut self) -> Step {
        if let Phase::Draining(_) = self.phase {
            self.inbound.discard();
            return self.fill();
        }
        match self.inbound.next() {
            Ok(Some(Event::Message(kind))) => {
                self.clock.heard_message();
                Step::Message(kind)
            }
            Ok(Some(Event::Ping(payload))) => {
                if self.is_open() {
                    self.outgoing.put(Opcode::Pong, &payload);
                }
                Step::Again
            }
            Ok(Some(Event::Pong)) => Step::Again,
            Ok(Some(Event::Close(close))) => self.closed_by_peer(close),
            Ok(None) => self.fill(),
            Err(breach) => self.fail(breach),
        }
    }

    fn fill(&mut self) -> Step {
        match self.inbound.fill(&mut self.stream) {
            Ok(0) => {
                let cause = "closed the connection without a close frame";
                Step::Closed(self.end(FaultKind::Closed, cause))
            }
            Ok(_) => Step::Again,
            Err(error) if error.kind() == ErrorKind::Interrupted => Step::Again,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.flush();
                Step::Blocked
            }
            Err(error) => Step::Closed(self.end(FaultKind::of(&error), &error.cause())),
        }
    }

    /// Returns the report of the end, once the stream has ended or is no longer waited for.
    fn end(&mut self, kind: FaultKind, cause: &str) -> Closed {
        std::mem::replace(&mut self.phase, Phase::Open).into_end(kind, cause)
    }

    fn closed_by_peer(&mut self, close: Option<(u16, String)>) -> Step {
        let closed = match &close {
            Some((code, reason)) => Closed::by_peer(*code, reason.as_str()),
            None => Closed::by_peer(1005, ""),
        };
        if self.is_open() {
            match close {
                Some((code, reason)) if is_sendable(code) => self.put_close(code, &reason),
                Some(_) => self.put_close(1002, ""),
                None => self.outgoing.put(Opcode::Close, b""),
            }
        }
        self.phase = Phase::Draining(match std::mem::replace(&mut self.phase, Phase::Open) {
            Phase::Closing(Ending { until, .. }) => Ending { closed, until },
            _ => Ending::soon(closed),
        });
        Step::Again
    }

    /// Reports a breach to the peer and hangs up.
    fn fail(&mut self, breach: Breach) -> Step {
        let Breach { code, cause } = breach;
        if self.is_open() {
            self.put_close(code, cause.get(..MAX_REASON).unwrap_or(&cause));
        }
        self.phase = Phase::Draining(Ending::soon(Closed::by_us(code, cause)));
        Step::Again
    }

    /// Queues a message, which is written at the latest when there is nothing more to read; it has
    /// been sent when [`Socket::is_sent`]. Returns `false` for text that is not UTF-8, which is not
    /// sent.
    pub fn send(&mut self, message: &Message) -> bool {
        let opcode = match message.kind {
            Kind::Binary => Opcode::Binary,
            Kind::Text if std::str::from_utf8(&message.data).is_err() => return false,
            Kind::Text => Opcode::Text,
        };
        if self.is_open() {
            self.outgoing.put_message(opcode, &message.data);
            if self.outgoing.len() >= WRITE_BLOCK {
                self.flush();
            }
        } else {
            self.outgoing.lose_message();
        }
        true
    }

    /// Writes queued data as far as the stream accepts it.
    fn flush(&mut self) {
        self.outgoing.flush(&mut self.stream);
    }

    /// Begins to close: messages may still arrive until the end.
    pub fn close(&mut self, code: u16, reason: &str) {
        if self.is_open() {
            self.put_close(code, reason);
            self.phase = Phase::Closing(Ending::soon(Closed::by_us(code, reason)));
        }
    }

    fn put_close(&mut self, code: u16, reason: &str) {
        let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
        self.outgoing.put(Opcode::Close, &payload);
        self.flush();
    }

    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Whether further incoming data is ignored.
    fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining(_))
    }

    /// Returns the deadline of the end, if it has begun.
    fn ends_at(&self) -> Deadline {
        self.phase.ends_at()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::Instant;

    use proptest::prelude::*;

    use super::super::phase::CLOSE_WAIT;
    use super::*;

    /// Appends a server's frame.
    fn put_frame(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
        out.push(first);
        match u16::try_from(payload.len()) {
            Ok(len @ 0..=125) => out.push(len.to_le_bytes()[0]),
            Ok(len) => {
                out.push(126);
                out.extend_from_slice(&len.to_be_bytes());
            }
            Err(_) => {
                out.push(127);
                out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(payload);
    }

    /// Returns what a client receives of these bytes. The first `glued` arrive with the handshake's
    /// response, the rest in pieces of `piece` bytes.
    fn receive(bytes: &[u8], glued: usize, piece: usize) -> (Vec<Message>, Closed) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let (first, rest) = bytes.split_at(glued.min(bytes.len()));
        let rest = rest.to_vec();
        let options = Options { max_message: 1 << 20, ..Options::default() };
        let mut socket = Socket::new(ours, first, Vec::new(), options, None);
        let server = std::thread::spawn(move || {
            for piece in rest.chunks(piece) {
                if theirs.write_all(piece).is_err() {
                    return;
                }
            }
            let _ = theirs.shutdown(std::net::Shutdown::Both);
        });
        let mut messages = Vec::new();
        let closed = loop {
            match socket.step() {
                Step::Message(kind) => messages.push(Message { kind, data: socket.take_data() }),
                Step::Closed(closed) => break closed,
                Step::Again => {}
                Step::Blocked => {
                    let (fd, flags) = socket.wanted();
                    let _ = crate::os::wait_for(fd, flags, Some(Instant::now() + CLOSE_WAIT));
                }
            }
        };
        drop(socket);
        server.join().unwrap();
        (messages, closed)
    }

    fn message() -> impl Strategy<Value = Message> {
        prop_oneof![
            ".{0,40}".prop_map(|text| Message { kind: Kind::Text, data: text.into() }),
            prop::collection::vec(any::<u8>(), 0..70_000)
                .prop_map(|data| Message { kind: Kind::Binary, data: data.into() }),
        ]
    }

    #[test]
    fn what_waits_is_counted_with_the_heads_of_frames_and_with_pongs() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut socket = Socket::new(ours, b"", Vec::new(), Options::default(), None);
        for _ in 0..1000 {
            socket.send(&Message { kind: Kind::Text, data: Bytes::new() });
        }
        // Two bytes and a mask of four.
        assert!(socket.outgoing.len() >= 6000, "{}", socket.outgoing.len());
        assert!(!socket.is_sent() && socket.owes_messages());
        socket.flush();
        assert!(socket.is_sent() && !socket.owes_messages() && socket.outgoing.len() == 0);
        let mut pings = Vec::new();
        (0..100).for_each(|_| put_frame(&mut pings, 0x89, &[b'x'; 100]));
        theirs.write_all(&pings).unwrap();
        for _ in 0..100 {
            assert!(matches!(socket.step(), Step::Again));
        }
        assert!(socket.outgoing.len() >= 10_000, "{}", socket.outgoing.len());
    }

    #[test]
    fn what_a_dead_peer_did_not_get_stays_owed() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut socket = Socket::new(ours, b"", Vec::new(), Options::default(), None);
        drop(theirs);
        socket.send(&Message { kind: Kind::Text, data: Bytes::from_static(b"x") });
        socket.flush();
        assert!(!socket.is_sent() && socket.owes_messages());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn messages_come_out_as_they_went_in(
            messages in prop::collection::vec((message(), 1..5usize, any::<bool>()), 0..8),
            glued in 0..200usize,
            piece in 1..5000usize,
        ) {
            let mut bytes = Vec::new();
            for (message, fragments, ping) in &messages {
                let size = message.data.len().div_ceil(*fragments).max(1);
                let mut parts: Vec<&[u8]> = message.data.chunks(size).collect();
                if parts.is_empty() {
                    parts.push(b"");
                }
                for (index, part) in parts.iter().enumerate() {
                    let opcode = if index == 0 { message.kind as u8 } else { 0 };
                    let end = if index + 1 == parts.len() { 0x80 } else { 0 };
                    put_frame(&mut bytes, end | opcode, part);
                    if *ping {
                        put_frame(&mut bytes, 0x89, b"between");
                    }
                }
            }
            put_frame(&mut bytes, 0x88, &1000u16.to_be_bytes());
            let (got, closed) = receive(&bytes, glued, piece);
            let expected: Vec<Message> = messages.into_iter().map(|(message, ..)| message).collect();
            prop_assert_eq!(got, expected);
            prop_assert_eq!(closed, Closed::by_peer(1000, ""));
        }

        #[test]
        fn whatever_a_server_sends_has_an_end(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            piece in 1..50usize,
        ) {
            let (_, closed) = receive(&bytes, 0, piece);
            prop_assert!(closed.code >= 1000);
        }
    }
}
