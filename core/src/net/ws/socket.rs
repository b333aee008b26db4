// SPDX-License-Identifier: MIT OR Apache-2.0
//! A WebSocket connection: messages in and out, pings, closing and failing.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use bytes::Bytes;
use nix::poll::PollFlags;
use tungstenite::error::CapacityError;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tungstenite::{Error, Message as Wire, Utf8Bytes, WebSocket};

use super::feed::Clock;
use super::opcodes::TextAsBinary;
use super::{Closed, Kind, Message, Metered};
use crate::os::Deadline;
use crate::report::Cause as _;

/// How long the other side may take to answer a close frame, or to hang up after it.
pub(super) const CLOSE_WAIT: Duration = Duration::from_secs(2);
/// Bytes read from the socket at once.
const READ_BLOCK: usize = 256 * 1024;

/// Reading stops while so many bytes of ours wait for the peer to take them.
pub(super) const MAX_QUEUED: usize = 16 * 1024 * 1024;
/// Most bytes of a frame before its payload (RFC 6455 §5.2).
const FRAME_HEAD: usize = 14;

/// Limits of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Largest message taken, in bytes; a larger one ends the connection with 1009.
    pub max_message: usize,
    /// Time between our pings.
    pub ping_interval: Option<Duration>,
    /// How long nothing at all may come after a ping.
    pub ping_timeout: Option<Duration>,
    /// How long no message may come.
    pub idle_timeout: Option<Duration>,
    /// Reading stops while more than this is waiting to be written to the backlog's reader.
    pub max_backlog: usize,
    /// Take text for binary messages: for servers whose text is not UTF-8.
    pub text_as_binary: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_message: 64 << 20,
            ping_interval: Some(Duration::from_secs(10)),
            ping_timeout: Some(Duration::from_secs(15)),
            idle_timeout: None,
            max_backlog: 64 << 20,
            text_as_binary: false,
        }
    }
}

/// What a look at the connection brought.
#[derive(Debug)]
pub enum Step {
    /// A message.
    Message(Message),
    /// Nothing for the caller, but there may be more: look again.
    Again,
    /// Nothing; wait for the descriptor ([`Socket::wanted`]) or the deadline.
    Blocked,
    /// The end.
    Closed(Closed),
}

/// A connection after the handshake, over a nonblocking stream.
#[derive(Debug)]
pub struct Socket<S> {
    ws: WebSocket<Metered<S>>,
    headers: Vec<(String, String)>,
    pub(super) options: Options,
    pub(super) clock: Clock,
    /// Something has been handed over and is not on its way yet.
    pub(super) unsent: bool,
    /// No more than this many bytes are unsent.
    pub(super) queued: usize,
    /// Messages were handed over that are not on their way yet.
    owes_messages: bool,
    /// They are on their way now, and that has not been told yet.
    pub(super) just_sent: bool,
    peer_closed: Option<Closed>,
    ending: Option<Ending>,
}

/// We want it to end.
#[derive(Debug)]
struct Ending {
    closed: Closed,
    until: Instant,
    /// The protocol was broken: what still comes is not looked at.
    failed: bool,
}

impl<S: Read + Write + AsFd> Socket<S> {
    /// `rest` is what came behind the head of the handshake's answer.
    pub(super) fn new(
        stream: S,
        mut rest: Vec<u8>,
        headers: Vec<(String, String)>,
        options: Options,
    ) -> Self {
        // Its write buffer has no limit: whatever did not fit would be lost. `queued` bounds it.
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BLOCK)
            .max_message_size(Some(options.max_message))
            .max_frame_size(Some(options.max_message.max(125)));
        let mut stream = Metered::new(stream);
        if options.text_as_binary {
            let mut opcodes = TextAsBinary::default();
            opcodes.rewrite(&mut rest);
            stream.opcodes = Some(opcodes);
        }
        let ws = WebSocket::from_partially_read(stream, rest, Role::Client, Some(config));
        Self {
            ws,
            headers,
            options,
            clock: Clock::new(&options),
            unsent: false,
            queued: 0,
            owes_messages: false,
            just_sent: false,
            peer_closed: None,
            ending: None,
        }
    }

    /// The stream below.
    pub fn stream(&self) -> &S {
        &self.ws.get_ref().stream
    }

    /// The headers of the answer that opened it.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// How many bytes have come so far.
    pub(super) fn bytes_in(&self) -> u64 {
        self.ws.get_ref().bytes_in
    }

    /// How many bytes the stream has taken so far.
    pub(super) fn bytes_out(&self) -> u64 {
        self.ws.get_ref().bytes_out
    }

    /// The descriptor and what to wait for.
    pub fn wanted(&self) -> (BorrowedFd<'_>, PollFlags) {
        let writing = if self.unsent { PollFlags::POLLOUT } else { PollFlags::empty() };
        (self.ws.get_ref().stream.as_fd(), PollFlags::POLLIN | writing)
    }

    /// Whether all that was sent is on its way: only then should more be sent.
    pub fn is_sent(&self) -> bool {
        !self.unsent && !self.ws.get_ref().is_deaf
    }

    /// Whether messages were sent that are not on their way, and at the end never will be.
    pub fn owes_messages(&self) -> bool {
        self.owes_messages
    }

    /// Looks for a message. Never waits.
    pub fn step(&mut self) -> Step {
        if let Some(ending) = &self.ending {
            if Instant::now() >= ending.until {
                return self.closed("no answer");
            }
            if ending.failed {
                return self.step_failed();
            }
        }
        match self.ws.read() {
            Ok(Wire::Text(text)) => self.message(Kind::Text, text.into()),
            Ok(Wire::Binary(data)) => self.message(Kind::Binary, data),
            Ok(Wire::Close(frame)) => {
                let (code, reason) = frame.map_or((1005, String::new()), |frame| {
                    (u16::from(frame.code), frame.reason.to_string())
                });
                self.peer_closed = Some(Closed::by_peer(code, reason));
                self.ending.get_or_insert_with(|| Ending {
                    closed: Closed::by_peer(code, ""),
                    until: Instant::now() + CLOSE_WAIT,
                    failed: false,
                });
                Step::Again
            }
            Ok(Wire::Ping(payload)) => {
                // Its pong waits with the rest.
                self.queued = self.queued.saturating_add(payload.len() + FRAME_HEAD);
                self.unsent = true;
                Step::Again
            }
            Ok(_) => Step::Again,
            Err(error) => self.step_error(error),
        }
    }

    fn message(&mut self, kind: Kind, data: Bytes) -> Step {
        self.clock.heard_message();
        Step::Message(Message { kind, data })
    }

    fn step_error(&mut self, error: Error) -> Step {
        match error {
            Error::Io(error) if error.kind() == ErrorKind::WouldBlock => {
                self.flush();
                Step::Blocked
            }
            Error::Io(error) if error.kind() == ErrorKind::Interrupted => Step::Again,
            Error::Io(error) => self.closed(&error.cause()),
            Error::Utf8(_) => self.fail(1007, "text that is not UTF-8"),
            Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                self.fail(1009, &format!("message of {size} bytes, only {max_size} are taken"))
            }
            Error::Protocol(error) if self.peer_closed.is_none() => match error {
                tungstenite::error::ProtocolError::ResetWithoutClosingHandshake => {
                    self.closed("the connection ended without a close")
                }
                error => self.fail(1002, &words(&error)),
            },
            _ => self.closed("the connection ended"),
        }
    }

    /// The stream is at its end, or not worth waiting for any longer.
    fn closed(&mut self, cause: &str) -> Step {
        let ours = self.ending.take().map(|ending| ending.closed);
        let peer = self.peer_closed.take();
        Step::Closed(peer.or(ours).unwrap_or_else(|| Closed::lost(cause)))
    }

    /// The peer broke the protocol: tells it so and hangs up.
    fn fail(&mut self, code: u16, cause: &str) -> Step {
        let reason = cause.get(..cause.len().min(100)).unwrap_or_default();
        self.send_close(code, reason);
        self.ending = Some(Ending {
            closed: Closed::by_us(code, cause),
            until: Instant::now() + CLOSE_WAIT,
            failed: true,
        });
        Step::Again
    }

    /// Waits for the peer to hang up, so that our close frame is not lost in a reset.
    fn step_failed(&mut self) -> Step {
        self.flush();
        let mut scratch = [0; 16 * 1024];
        match self.ws.get_mut().read(&mut scratch) {
            Ok(len) if len > 0 => Step::Again,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Step::Blocked,
            Err(error) if error.kind() == ErrorKind::Interrupted => Step::Again,
            _ => self.closed(""),
        }
    }

    /// Sends a message, at the latest when there is nothing more to read; it is on its way when
    /// [`Socket::is_sent`]. Text that is not UTF-8 is not sent,
    /// and `false` says so.
    pub fn send(&mut self, message: Message) -> bool {
        let wire = match message.kind {
            Kind::Binary => Wire::Binary(message.data),
            Kind::Text => match Utf8Bytes::try_from(message.data) {
                Ok(text) => Wire::Text(text),
                Err(_) => return false,
            },
        };
        self.owes_messages = true;
        self.put(wire);
        true
    }

    /// Sends a ping.
    pub(super) fn ping(&mut self) {
        self.put(Wire::Ping(Bytes::new()));
    }

    /// Sends a pong that answers nothing: a sign of life (RFC 6455 §5.5.3).
    pub(super) fn pong(&mut self) {
        self.put(Wire::Pong(Bytes::new()));
    }

    fn put(&mut self, wire: Wire) {
        self.queued = self.queued.saturating_add(wire.len() + FRAME_HEAD);
        self.unsent = true;
        // It is queued even if it cannot be written now; a broken stream is seen by reading.
        let _ = self.ws.write(wire);
    }

    /// Writes what is queued, as far as the stream takes it.
    pub(super) fn flush(&mut self) {
        let flushed = self.ws.flush();
        self.unsent =
            matches!(&flushed, Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock);
        if !self.unsent {
            self.queued = 0;
        }
        if flushed.is_ok() && !self.ws.get_ref().is_deaf {
            self.just_sent |= std::mem::take(&mut self.owes_messages);
        }
    }

    /// Begins to close: messages may still come, until [`Step::Closed`].
    pub fn close(&mut self, code: u16, reason: &str) {
        self.send_close(code, reason);
        self.ending.get_or_insert_with(|| Ending {
            closed: Closed::by_us(code, reason),
            until: Instant::now() + CLOSE_WAIT,
            failed: false,
        });
    }

    fn send_close(&mut self, code: u16, reason: &str) {
        let frame = CloseFrame { code: code.into(), reason: reason.into() };
        // As with messages: it is queued, and reading tells if the stream is broken.
        let _ = self.ws.close(Some(frame));
        self.flush();
    }

    /// When [`Socket::step`] has something to say although nothing came.
    pub(super) fn ends_at(&self) -> Deadline {
        self.ending.as_ref().map(|ending| ending.until)
    }
}

/// tungstenite's words, beginning as ours do.
fn words(error: &tungstenite::error::ProtocolError) -> String {
    let words = error.to_string();
    let mut chars = words.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use proptest::prelude::*;

    use super::*;

    /// A frame of a server.
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

    /// What a client gets of these bytes, the first `glued` of which came with the handshake's
    /// answer and the rest in pieces of `piece` bytes.
    fn receive(bytes: &[u8], glued: usize, piece: usize) -> (Vec<Message>, Closed) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let (first, rest) = bytes.split_at(glued.min(bytes.len()));
        let rest = rest.to_vec();
        let options = Options { max_message: 1 << 20, ..Options::default() };
        let mut socket = Socket::new(ours, first.to_vec(), Vec::new(), options);
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
                Step::Message(message) => messages.push(message),
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
        let mut socket = Socket::new(ours, Vec::new(), Vec::new(), Options::default());
        for _ in 0..1000 {
            socket.send(Message { kind: Kind::Text, data: Bytes::new() });
        }
        // Two bytes and a mask of four.
        assert!(socket.queued >= 6000, "{}", socket.queued);
        assert!(!socket.is_sent() && socket.owes_messages());
        socket.flush();
        assert!(socket.is_sent() && !socket.owes_messages() && socket.queued == 0);
        let mut pings = Vec::new();
        (0..100).for_each(|_| put_frame(&mut pings, 0x89, &[b'x'; 100]));
        theirs.write_all(&pings).unwrap();
        for _ in 0..100 {
            assert!(matches!(socket.step(), Step::Again));
        }
        assert!(socket.queued >= 10_000, "{}", socket.queued);
    }

    #[test]
    fn what_a_dead_peer_did_not_get_stays_owed() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut socket = Socket::new(ours, Vec::new(), Vec::new(), Options::default());
        drop(theirs);
        socket.send(Message { kind: Kind::Text, data: Bytes::from_static(b"x") });
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
