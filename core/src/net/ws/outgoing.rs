// SPDX-License-Identifier: MIT OR Apache-2.0
//! Outgoing frames.
//!
//! A peer that stopped accepting data may have sent much before. So a failed write is not treated
//! as an error here, or an unanswered ping would cost the messages that follow: reading finds the
//! end.

use std::io::{ErrorKind, Write};

use super::frame::{Opcode, put_frame};

/// Written bytes are removed from the buffer when they reach this size, rather than after each
/// write.
const COMPACT: usize = 1024 * 1024;

/// The sending half of a connection.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    buffer: Vec<u8>,
    /// Number of bytes at the front of the buffer that are written.
    written: usize,
    state: State,
    owed: Owed,
    /// Number of bytes that the stream has accepted.
    pub(super) total: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Everything has been sent.
    #[default]
    Idle,
    /// Data is pending.
    Waiting,
    /// A write has failed; nothing reaches the peer.
    Deaf,
}

/// The fate of the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Owed {
    #[default]
    Nothing,
    /// Some have not been sent.
    Messages,
    /// All have been sent, which has not been reported yet.
    JustSent,
    /// Some will never be sent.
    Lost,
}

impl Outgoing {
    /// Adds a frame.
    pub(super) fn put(&mut self, opcode: Opcode, payload: &[u8]) {
        if self.state != State::Deaf {
            put_frame(&mut self.buffer, opcode, payload);
            self.state = State::Waiting;
        }
    }

    /// Adds a message.
    pub(super) fn put_message(&mut self, opcode: Opcode, payload: &[u8]) {
        match (self.state, self.owed) {
            (State::Deaf, _) | (_, Owed::Lost) => self.owed = Owed::Lost,
            _ => self.owed = Owed::Messages,
        }
        self.put(opcode, payload);
    }

    /// Notes that a message could not be added because the connection is closing.
    pub(super) fn lose_message(&mut self) {
        self.owed = Owed::Lost;
    }

    /// Returns the number of pending bytes.
    pub(super) fn len(&self) -> usize {
        self.buffer.len() - self.written
    }

    /// Whether data is pending.
    pub(super) fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    /// Whether everything has been sent and more can be.
    pub(super) fn is_sent(&self) -> bool {
        self.state == State::Idle
    }

    /// Whether messages have not been sent, or never will be.
    pub(super) fn owes_messages(&self) -> bool {
        matches!(self.owed, Owed::Messages | Owed::Lost)
    }

    pub(super) fn has_just_sent(&self) -> bool {
        self.owed == Owed::JustSent
    }

    /// Whether all messages have been sent since the last call.
    pub(super) fn take_just_sent(&mut self) -> bool {
        let just_sent = self.has_just_sent();
        if just_sent {
            self.owed = Owed::Nothing;
        }
        just_sent
    }

    /// Writes as much as the stream accepts.
    pub(super) fn flush(&mut self, stream: &mut impl Write) {
        while self.state == State::Waiting {
            let rest = self.buffer.get(self.written..).unwrap_or_default();
            let done =
                if rest.is_empty() { stream.flush().map(|()| 0) } else { stream.write(rest) };
            match done {
                Ok(_) if rest.is_empty() => self.state = State::Idle,
                Ok(len) if len > 0 => {
                    self.written += len;
                    self.total += len as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                _ => self.state = State::Deaf,
            }
        }
        if self.state != State::Waiting {
            self.buffer.clear();
            self.written = 0;
        } else if self.written >= COMPACT {
            self.buffer.drain(..self.written);
            self.written = 0;
        }
        if self.state == State::Idle && self.owed == Owed::Messages {
            self.owed = Owed::JustSent;
        }
    }
}
