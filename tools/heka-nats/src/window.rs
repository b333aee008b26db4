// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages to the broker: sent, resent, stored, refused.
//!
//! Answers arrive in any order; only the front of the window, up to the first unanswered message,
//! is reported to the program that sends the messages.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Instant;

use heka_core::delivery::Refusal;
use heka_core::delivery::transport::Settled;
use heka_core::record::{Found, More, Progress, Splitter};

/// Maximum number of unanswered messages, whatever their size.
const MOST: usize = 4096;

/// The state of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// To be sent, possibly again.
    Unsent,
    Sent(Instant),
    Stored,
    /// Refused, with the cause.
    Refused(String),
}

#[derive(Debug)]
struct Entry {
    id: u64,
    /// Number of its last record, and the number of records.
    last: u64,
    count: u64,
    /// The message in its wire form.
    bytes: Vec<u8>,
    /// Range of the records in it.
    payload: Range<usize>,
    state: State,
}

/// A message to send.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) bytes: Vec<u8>,
    pub(crate) payload: Range<usize>,
    pub(crate) last: u64,
    pub(crate) count: u64,
}

/// The unanswered messages, in the order of their records.
#[derive(Debug)]
pub(crate) struct Window {
    entries: VecDeque<Entry>,
    next_id: u64,
    bytes: usize,
    limit: usize,
    /// Whether there may be messages to send.
    is_due: bool,
    /// Number of records sent more than once.
    pub(crate) resent: u64,
}

impl Window {
    /// Creates a window of about `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { entries: VecDeque::new(), next_id: 1, bytes: 0, limit, is_due: false, resent: 0 }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.bytes < self.limit && self.entries.len() < MOST
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of unanswered records.
    pub(crate) fn unanswered(&self) -> u64 {
        self.entries.iter().map(|entry| entry.count).sum()
    }

    /// Returns the name of the next message.
    pub(crate) fn next_id(&self) -> u64 {
        self.next_id
    }

    /// Adds a message.
    pub(crate) fn push(&mut self, outgoing: Outgoing) {
        let Outgoing { bytes, payload, last, count } = outgoing;
        self.bytes += bytes.len();
        let (id, state) = (self.next_id, State::Unsent);
        self.entries.push_back(Entry { id, last, count, bytes, payload, state });
        self.next_id += 1;
        self.is_due = true;
    }

    /// Adds a record that is refused before it is sent.
    pub(crate) fn push_refused(&mut self, last: u64, cause: String) {
        let (id, state) = (self.next_id, State::Refused(cause));
        let (bytes, payload) = (Vec::new(), 0..0);
        self.entries.push_back(Entry { id, last, count: 1, bytes, payload, state });
        self.next_id += 1;
    }

    /// Appends messages to send, up to `limit` bytes.
    pub(crate) fn send(&mut self, out: &mut Vec<u8>, limit: usize) {
        if !self.is_due {
            return;
        }
        let now = Instant::now();
        for entry in self.entries.iter_mut().filter(|entry| entry.state == State::Unsent) {
            if out.len() >= limit {
                return;
            }
            out.extend_from_slice(&entry.bytes);
            entry.state = State::Sent(now);
        }
        self.is_due = false;
    }

    /// Whether there is something to send.
    pub(crate) fn is_due(&self) -> bool {
        self.is_due
    }

    /// Makes unanswered messages be sent again.
    pub(crate) fn rewind(&mut self) {
        for entry in &mut self.entries {
            if matches!(entry.state, State::Sent(_)) {
                entry.state = State::Unsent;
                self.resent += entry.count;
                self.is_due = true;
            }
        }
    }

    /// Returns since when an answer is outstanding.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        self.entries.iter().find_map(|entry| match entry.state {
            State::Sent(at) => Some(at),
            _ => None,
        })
    }

    fn sent(&mut self, id: u64) -> Option<&mut Entry> {
        // Answers arrive roughly in order, so it is near the front.
        let mut entries = self.entries.iter_mut();
        entries.find(|entry| entry.id == id && matches!(entry.state, State::Sent(_)))
    }

    /// Notes that a message is stored.
    pub(crate) fn stored(&mut self, id: u64) {
        if let Some(entry) = self.sent(id) {
            entry.state = State::Stored;
        }
    }

    /// Notes that a message could not be stored at the moment.
    pub(crate) fn failed(&mut self, id: u64) {
        if let Some(entry) = self.sent(id) {
            entry.state = State::Unsent;
            self.resent += entry.count;
            self.is_due = true;
        }
    }

    /// Handles a message that is too long. If it has several records, each may fit separately:
    /// `pack` then creates a message for each, with a new name.
    pub(crate) fn too_long(
        &mut self,
        id: u64,
        cause: &str,
        mut pack: impl FnMut(u64, &[u8], u64) -> Outgoing,
    ) {
        let Some(index) = self.entries.iter().position(|entry| entry.id == id) else { return };
        let Some(entry) = self.entries.get_mut(index) else { return };
        if entry.count == 1 {
            entry.state = State::Refused(cause.to_owned());
            return;
        }
        let Some(entry) = self.entries.remove(index) else { return };
        self.bytes -= entry.bytes.len();
        let frames = entry.bytes.get(entry.payload.clone()).unwrap_or_default();
        let splitter = Splitter::frames(frames.len());
        let mut number = entry.last - entry.count;
        let mut at = index;
        for found in splitter.records(frames, &mut Progress::default(), More::Ended) {
            let Found::Frame(frame) = found else { continue };
            number += 1;
            let Outgoing { bytes, payload, last, count } = pack(self.next_id, frame.bytes, number);
            self.bytes += bytes.len();
            let (id, state) = (self.next_id, State::Unsent);
            self.entries.insert(at, Entry { id, last, count, bytes, payload, state });
            self.next_id += 1;
            at += 1;
        }
        self.is_due = true;
    }

    /// Takes answered messages from the front; several at once if they are stored.
    pub(crate) fn settle(&mut self) -> Option<Settled> {
        let mut stored = None;
        loop {
            let is_stored = match (self.entries.front().map(|entry| &entry.state), &stored) {
                (Some(State::Stored), _) => true,
                (Some(State::Refused(_)), None) => false,
                _ => break stored,
            };
            let entry = self.entries.pop_front()?;
            self.bytes -= entry.bytes.len();
            match entry.state {
                State::Refused(cause) if !is_stored => {
                    let reason = Refusal::TooLong;
                    break Some(Settled::Refused { last: entry.last, reason, cause });
                }
                _ => {
                    let before = match stored {
                        Some(Settled::Stored { count, .. }) => count,
                        _ => 0,
                    };
                    let count = before + entry.count;
                    stored = Some(Settled::Stored { last: entry.last, count });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use heka_core::wire::{Header, put_frame};

    use super::*;

    fn outgoing(last: u64, count: u64) -> Outgoing {
        Outgoing { bytes: vec![b'x'; 10], payload: 0..10, last, count }
    }

    #[test]
    fn only_the_front_is_settled() {
        let mut window = Window::new(100);
        for last in [2, 4, 6] {
            window.push(outgoing(last, 2));
        }
        let mut out = Vec::new();
        window.send(&mut out, 15);
        assert_eq!((out.len(), window.is_due()), (20, true));
        window.send(&mut out, 100);
        assert_eq!((out.len(), window.is_due()), (30, false));
        window.stored(2);
        assert_eq!(window.settle(), None);
        window.failed(1);
        window.stored(1);
        assert_eq!(window.settle(), None, "it was not sent again yet");
        window.send(&mut out, 1000);
        window.stored(1);
        assert_eq!(window.settle(), Some(Settled::Stored { last: 4, count: 4 }));
        window.rewind();
        assert_eq!((window.unanswered(), window.resent, window.is_due()), (2, 4, true));
    }

    #[test]
    fn of_what_is_too_long_the_records_are_sent_one_by_one() {
        let mut frames = Vec::new();
        for _ in 0..3 {
            // The shortest message: a UUID and a time.
            let message = [&[0x0a, 16][..], &[7; 16], &[0x10, 1]].concat();
            let message_length = u32::try_from(message.len()).unwrap();
            let header = Header { message_length, ..Header::default() };
            put_frame(&mut frames, header, &message).unwrap();
        }
        let mut window = Window::new(1000);
        let len = frames.len();
        window.push(Outgoing { bytes: frames, payload: 0..len, last: 7, count: 3 });
        window.push(outgoing(8, 1));
        window.send(&mut Vec::new(), 1000);
        window.stored(2);
        window.too_long(1, "too long", |_, _, number| outgoing(number, 1));
        window.send(&mut Vec::new(), 1000);
        window.stored(3);
        window.stored(5);
        window.too_long(4, "too long", |_, _, _| unreachable!());
        assert_eq!(window.settle(), Some(Settled::Stored { last: 5, count: 1 }));
        let (reason, cause) = (Refusal::TooLong, "too long".to_owned());
        assert_eq!(window.settle(), Some(Settled::Refused { last: 6, reason, cause }));
        assert_eq!(window.settle(), Some(Settled::Stored { last: 8, count: 2 }));
        assert!(window.is_empty());
    }
}
