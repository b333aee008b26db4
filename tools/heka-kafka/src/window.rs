// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records in transit: passed to the library, stored, to be sent again, refused.
//!
//! Answers arrive in any order, since each partition has its own; only the front of the window, up
//! to the first unanswered record, is reported to the program that sends the messages. The records
//! are consecutive in one buffer, whose unused front is removed from time to time.

use std::collections::VecDeque;
use std::time::Instant;

use heka_core::delivery::Refusal;
use heka_core::delivery::transport::Settled;

/// Maximum number of unanswered records, whatever their size.
const MOST: usize = 200_000;
/// Unused bytes at the front of the buffer that are not worth removing.
const SLACK: usize = 1024 * 1024;

/// The state of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unsent,
    /// To be sent when no other record is in transit: its batch was refused.
    UnsentAlone,
    Sent,
    SentAlone,
    Stored,
    /// Refused; the reason is in `refusals`.
    Refused,
}

#[derive(Debug)]
struct Entry {
    /// Number of the message.
    number: u64,
    /// Its start, counted from the first record ever; the lengths of its parts.
    start: u64,
    topic: u32,
    key: Option<u32>,
    payload: u32,
    /// Milliseconds since 1970; 0 for now.
    time: i64,
    state: State,
}

/// A record to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) id: usize,
    pub(crate) topic: &'a [u8],
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) payload: &'a [u8],
    pub(crate) time: i64,
}

/// The unanswered records, in order.
#[derive(Debug)]
pub(crate) struct Window {
    entries: VecDeque<Entry>,
    /// Name of the front one. A name is never 0.
    first: usize,
    buffer: Vec<u8>,
    /// Start of the buffer, counted from the first record ever.
    base: u64,
    limit: usize,
    /// All records before this one were sent.
    cursor: usize,
    /// Number of records in transit.
    sent: usize,
    /// Whether the one in transit is sent alone.
    is_alone: bool,
    refusals: VecDeque<(usize, Refusal, String)>,
    /// Since when an answer has been outstanding.
    waiting: Option<Instant>,
    /// Number of records sent more than once.
    pub(crate) resent: u64,
}

impl Window {
    /// Creates a window of about `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            first: 1,
            buffer: Vec::new(),
            base: 0,
            limit,
            cursor: 1,
            sent: 0,
            is_alone: false,
            refusals: VecDeque::new(),
            waiting: None,
            resent: 0,
        }
    }

    /// Returns the size of the records in bytes.
    fn bytes(&self) -> usize {
        let end = self.base + self.buffer.len() as u64;
        let start = self.entries.front().map_or(end, |entry| entry.start);
        usize::try_from(end - start).unwrap_or(usize::MAX)
    }

    pub(crate) fn has_room(&self) -> bool {
        self.bytes() < self.limit && self.entries.len() < MOST
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of unanswered records.
    pub(crate) fn unanswered(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Adds a record, whose parts `put` appends; `time` is in milliseconds.
    pub(crate) fn push(
        &mut self,
        number: u64,
        time: i64,
        topic: impl FnOnce(&mut Vec<u8>),
        key: impl FnOnce(&mut Vec<u8>),
        payload: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.base + self.buffer.len() as u64;
        let topic = appended(&mut self.buffer, topic);
        let key = Some(appended(&mut self.buffer, key)).filter(|len| *len > 0);
        let payload = appended(&mut self.buffer, payload);
        let state = State::Unsent;
        self.entries.push_back(Entry { number, start, topic, key, payload, time, state });
    }

    /// Adds a record that is refused before it is sent.
    pub(crate) fn push_refused(&mut self, number: u64, reason: Refusal, cause: String) {
        let id = self.first + self.entries.len();
        let start = self.base + self.buffer.len() as u64;
        let (topic, key, payload, time) = (0, None, 0, 0);
        let state = State::Refused;
        self.entries.push_back(Entry { number, start, topic, key, payload, time, state });
        self.refuse(id, reason, cause);
    }

    fn refuse(&mut self, id: usize, reason: Refusal, cause: String) {
        let at = self.refusals.partition_point(|(other, ..)| *other < id);
        self.refusals.insert(at, (id, reason, cause));
    }

    /// Returns the next record to send now. Call [`Window::sent`] afterwards.
    pub(crate) fn next(&mut self) -> Option<Record<'_>> {
        if self.is_alone {
            return None;
        }
        let is_unsent = |state| matches!(state, State::Unsent | State::UnsentAlone);
        self.cursor = self.cursor.max(self.first);
        while !is_unsent(self.entries.get(self.cursor - self.first)?.state) {
            self.cursor += 1;
        }
        let entry = self.entries.get(self.cursor - self.first)?;
        if entry.state == State::UnsentAlone && self.sent > 0 {
            return None;
        }
        let mut at = usize::try_from(entry.start - self.base).ok()?;
        let mut part = |len: u32| {
            let start = at;
            at += len as usize;
            self.buffer.get(start..at).unwrap_or_default()
        };
        let topic = part(entry.topic);
        let key = entry.key.map(&mut part);
        let payload = part(entry.payload);
        Some(Record { id: self.cursor, topic, key, payload, time: entry.time })
    }

    /// Whether there is something to send now.
    pub(crate) fn is_due(&mut self) -> bool {
        self.next().is_some()
    }

    /// Notes that the record of [`Window::next`] was passed on.
    pub(crate) fn sent(&mut self) {
        let Some(entry) = self.entries.get_mut(self.cursor - self.first) else { return };
        self.is_alone = entry.state == State::UnsentAlone;
        entry.state = if self.is_alone { State::SentAlone } else { State::Sent };
        if self.sent == 0 {
            self.waiting = Some(Instant::now());
        }
        self.sent += 1;
        self.cursor += 1;
    }

    /// Notes that a record is no longer in transit; returns whether it was sent alone.
    fn answered(&mut self, id: usize, state: State) -> Option<bool> {
        let entry = self.entries.get_mut(id.checked_sub(self.first)?)?;
        let was_alone = match entry.state {
            State::Sent => false,
            State::SentAlone => true,
            _ => return None,
        };
        entry.state = state;
        self.sent -= 1;
        if was_alone {
            self.is_alone = false;
        }
        Some(was_alone)
    }

    /// Notes that a record is stored.
    pub(crate) fn stored(&mut self, id: usize) {
        if self.answered(id, State::Stored).is_some() {
            self.waiting = (self.sent > 0).then(Instant::now);
        }
    }

    /// Notes that a record could not be stored at the moment.
    pub(crate) fn failed(&mut self, id: usize) {
        if let Some(was_alone) = self.answered(id, State::Unsent) {
            if was_alone {
                self.set(id, State::UnsentAlone);
            }
            self.send_again(id);
        }
    }

    /// Handles the refusal of a batch: each record in it is sent again alone. If the record was
    /// alone, the refusal is final.
    pub(crate) fn refused(&mut self, id: usize, reason: Refusal, cause: impl FnOnce() -> String) {
        match self.answered(id, State::UnsentAlone) {
            Some(true) => {
                self.set(id, State::Refused);
                self.refuse(id, reason, cause());
            }
            Some(false) => self.send_again(id),
            None => {}
        }
    }

    /// Refuses the record of [`Window::next`] before it is sent.
    pub(crate) fn refused_unsent(&mut self, reason: Refusal, cause: String) {
        self.set(self.cursor, State::Refused);
        self.refuse(self.cursor, reason, cause);
    }

    fn set(&mut self, id: usize, state: State) {
        if let Some(entry) = id.checked_sub(self.first).and_then(|at| self.entries.get_mut(at)) {
            entry.state = state;
        }
    }

    fn send_again(&mut self, id: usize) {
        self.cursor = self.cursor.min(id);
        self.resent += 1;
    }

    /// Makes unanswered records be sent again.
    pub(crate) fn rewind(&mut self) {
        for entry in &mut self.entries {
            entry.state = match entry.state {
                State::Sent => State::Unsent,
                State::SentAlone => State::UnsentAlone,
                _ => continue,
            };
            self.resent += 1;
        }
        (self.sent, self.is_alone, self.waiting, self.cursor) = (0, false, None, self.first);
    }

    /// Returns since when an answer is outstanding.
    pub(crate) fn waiting_since(&self) -> Option<Instant> {
        self.waiting
    }

    /// Takes answered records from the front; several at once if they are stored.
    pub(crate) fn settle(&mut self) -> Option<Settled> {
        let (mut last, mut count) = (0, 0);
        while let Some(entry) = self.pop(State::Stored) {
            (last, count) = (entry.number, count + 1);
        }
        if count > 0 {
            self.cut();
            return Some(Settled::Stored { last, count });
        }
        let entry = self.pop(State::Refused)?;
        self.cut();
        let (_, reason, cause) = self.refusals.pop_front()?;
        Some(Settled::Refused { last: entry.number, reason, cause })
    }

    /// Takes the front record if it is in this state.
    fn pop(&mut self, state: State) -> Option<Entry> {
        if self.entries.front()?.state != state {
            return None;
        }
        self.first += 1;
        self.entries.pop_front()
    }

    /// Removes the unused front of the buffer.
    fn cut(&mut self) {
        let used = self.buffer.len() - self.bytes();
        if used == self.buffer.len() || used > SLACK.max(self.buffer.len() / 2) {
            self.buffer.drain(..used);
            self.base += used as u64;
        }
    }
}

/// Returns how many bytes `put` has appended.
fn appended(buffer: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) -> u32 {
    let start = buffer.len();
    put(buffer);
    u32::try_from(buffer.len() - start).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(count: u64) -> Window {
        let mut window = Window::new(1000);
        for number in 1..=count {
            let payload = [u8::try_from(number).unwrap(); 3];
            window.push(number, 0, |_| {}, |_| {}, |out| out.extend_from_slice(&payload));
        }
        window
    }

    fn send_all(window: &mut Window) -> Vec<usize> {
        let mut sent = Vec::new();
        while let Some(record) = window.next() {
            sent.push(record.id);
            window.sent();
        }
        sent
    }

    #[test]
    fn only_the_front_is_settled() {
        let mut window = window(3);
        assert_eq!(window.next().unwrap().payload, [1, 1, 1]);
        assert_eq!(send_all(&mut window), [1, 2, 3]);
        window.stored(2);
        assert_eq!(window.settle(), None);
        window.failed(1);
        assert_eq!(send_all(&mut window), [1]);
        window.stored(1);
        assert_eq!(window.settle(), Some(Settled::Stored { last: 2, count: 2 }));
        assert!(window.waiting_since().is_some());
        window.rewind();
        assert_eq!((window.unanswered(), window.resent), (1, 2));
        assert_eq!(window.next().unwrap().payload, [3, 3, 3]);
        assert_eq!(send_all(&mut window), [3]);
    }

    #[test]
    fn what_was_refused_together_is_sent_one_by_one() {
        let mut window = window(3);
        send_all(&mut window);
        for id in 1..=3 {
            window.refused(id, Refusal::TooLong, String::new);
        }
        assert_eq!(send_all(&mut window), [1]);
        window.stored(1);
        assert_eq!(send_all(&mut window), [2]);
        window.refused(2, Refusal::TooLong, || "too long".to_owned());
        assert_eq!(send_all(&mut window), [3]);
        window.failed(3);
        assert_eq!(send_all(&mut window), [3]);
        window.stored(3);
        assert_eq!(window.settle(), Some(Settled::Stored { last: 1, count: 1 }));
        let (reason, cause) = (Refusal::TooLong, "too long".to_owned());
        assert_eq!(window.settle(), Some(Settled::Refused { last: 2, reason, cause }));
        assert_eq!(window.settle(), Some(Settled::Stored { last: 3, count: 1 }));
        assert!(window.is_empty() && window.buffer.is_empty());
    }

    #[test]
    fn a_late_answer_changes_nothing() {
        let mut window = window(1);
        send_all(&mut window);
        window.stored(1);
        assert_eq!(window.settle(), Some(Settled::Stored { last: 1, count: 1 }));
        window.stored(1);
        window.failed(1);
        window.push_refused(2, Refusal::TooLong, "x".to_owned());
        assert_eq!(
            window.settle(),
            Some(Settled::Refused { last: 2, reason: Refusal::TooLong, cause: "x".to_owned() })
        );
    }
}
