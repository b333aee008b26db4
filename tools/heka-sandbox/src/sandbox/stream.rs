// SPDX-License-Identifier: MIT OR Apache-2.0
//! The buffer of a stream reader: finds messages, and reports consumed and needed bytes.
//!
//! Unlike [`heka_core::wire::Deframer`], it reports in the terms of `find_message`, byte by byte as
//! `lua_sandbox` does: plugins store checkpoints with these numbers. After a damaged frame, the
//! search continues at the byte after its 0x1e.

use std::ops::Range;

use heka_core::wire::framing::{FRAMING_SIZE, RECORD_SEPARATOR, UNIT_SEPARATOR};
use heka_core::wire::header::MAX_HEADER_SIZE;
use heka_core::wire::varint::{Reader, wire_type};
use memchr::memchr;

use super::strict::{self, Refusal};

/// Initial size of a buffer, in bytes.
const FIRST_SIZE: usize = 8192;

/// The key of the header's first member, the message's length.
const LENGTH_KEY: u8 = 1 << 3 | wire_type::VARINT;

/// The result of [`StreamBuffer::find`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Find {
    /// Whether a message was found.
    pub(crate) found: bool,
    /// Bytes consumed: up to the end of the message, or the junk before the next candidate.
    pub(crate) consumed: usize,
    /// Bytes needed to complete the message, or to fill the buffer; 0 if another search is useful
    /// at once.
    pub(crate) need: usize,
}

/// Bytes that have been read and not consumed.
#[derive(Debug)]
pub(crate) struct StreamBuffer {
    buffer: Vec<u8>,
    /// Current capacity, which grows in powers of two.
    size: usize,
    max_size: usize,
    max_message_size: usize,
    scan: usize,
    /// Length of the message whose header is at `scan`, if known.
    message_len: Option<usize>,
    message: Option<Range<usize>>,
    /// Number of bytes of rejected messages that may still be searched again.
    credit: usize,
    /// Number of bytes of rejected messages that were examined.
    #[cfg(test)]
    looked: usize,
}

/// Maximum number of times that a byte is examined as part of rejected messages. Frames are nested
/// only in adversarial input: beyond the limit, a rejected frame is skipped as a whole.
const MOST_LOOKS: usize = 16;

fn most_credit(max_message_size: usize) -> usize {
    MOST_LOOKS.saturating_mul(max_message_size)
}

impl StreamBuffer {
    /// Creates a buffer for messages of up to `max_message_size` bytes.
    pub(crate) fn new(max_message_size: usize) -> Self {
        let max_size = max_message_size.saturating_add(MAX_HEADER_SIZE + FRAMING_SIZE);
        Self {
            buffer: Vec::new(),
            size: FIRST_SIZE.min(max_size),
            max_size,
            max_message_size,
            scan: 0,
            message_len: None,
            message: None,
            credit: most_credit(max_message_size),
            #[cfg(test)]
            looked: 0,
        }
    }

    /// Makes room for `len` more bytes; `false` if the buffer may not grow that far.
    pub(crate) fn reserve(&mut self, len: usize) -> bool {
        let pending = self.pending();
        let wanted = match pending.checked_add(len) {
            Some(wanted) if wanted <= self.max_size => wanted,
            _ => return false,
        };
        self.message = None;
        // Unconsumed bytes are moved only if they are fewer than the consumed ones.
        if self.scan >= pending {
            self.buffer.drain(..self.scan);
            self.scan = 0;
        }
        if wanted > self.size {
            self.size = wanted.next_power_of_two().min(self.max_size);
        }
        true
    }

    /// Appends bytes for which [`StreamBuffer::reserve`] made room.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Makes as much room as allowed and lets `read` fill it; returns the result of `read`.
    pub(crate) fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> usize) -> usize {
        self.reserve(self.max_size - self.pending());
        let start = self.buffer.len();
        self.buffer.resize(start + self.max_size.saturating_sub(self.pending()), 0);
        let len = read(&mut self.buffer[start..]);
        self.buffer.truncate(start + len);
        len
    }

    /// Returns the memory of the buffer in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.buffer.capacity()
    }

    /// Returns the bytes of the message found last.
    pub(crate) fn message(&self) -> Option<&[u8]> {
        self.buffer.get(self.message.clone()?)
    }

    /// Replaces everything with `message`; `false` if that is too long.
    pub(crate) fn set(&mut self, message: &[u8]) -> bool {
        self.buffer.clear();
        self.scan = 0;
        self.message_len = None;
        self.message = None;
        if !self.reserve(message.len()) {
            return false;
        }
        self.push(message);
        self.scan = self.buffer.len();
        self.message = Some(0..message.len());
        true
    }

    /// Forgets the message.
    pub(crate) fn forget(&mut self) {
        self.message = None;
    }

    fn pending(&self) -> usize {
        self.buffer.len() - self.scan
    }

    /// Searches for a message; with `decode` its bytes must be a valid message, otherwise only its
    /// frame counts.
    pub(crate) fn find(&mut self, decode: bool) -> Find {
        let start = self.scan;
        let found = self.scan_on(decode);
        let consumed = self.scan - start;
        let pending = self.pending();
        let need = match (found, self.message_len) {
            (true, _) if pending > 0 => 0,
            (true, _) => self.size,
            (false, Some(len)) => {
                // The header has been read, so its length byte exists.
                let header = self.buffer.get(self.scan + 1).map_or(0, |len| usize::from(*len));
                header + FRAMING_SIZE + len - pending
            }
            (false, None) => self.size.saturating_sub(pending),
        };
        if !found && pending == 0 {
            self.buffer.clear();
            self.scan = 0;
        }
        Find { found, consumed, need }
    }

    fn scan_on(&mut self, decode: bool) -> bool {
        self.message = None;
        loop {
            let Some(distance) = memchr(RECORD_SEPARATOR, &self.buffer[self.scan..]) else {
                self.scan_to(self.buffer.len());
                return false;
            };
            self.scan_to(self.scan + distance);
            let rest = &self.buffer[self.scan..];
            let Some(&header_len) = rest.get(1) else { return false };
            let header_end = usize::from(header_len) + FRAMING_SIZE;
            if rest.len() < header_end {
                return false;
            }
            let known = self.message_len.or_else(|| {
                let (header, end) = rest[2..header_end].split_at(usize::from(header_len));
                (end == [UNIT_SEPARATOR]).then(|| self.length(header)).flatten()
            });
            let Some(len) = known else {
                self.scan_to(self.scan + 1);
                continue;
            };
            self.message_len = Some(len);
            let Some(message) = rest.get(header_end..header_end + len) else { return false };
            self.message_len = None;
            let begin = self.scan + header_end;
            if decode && let Err(refusal) = strict::check(message) {
                let behind = self.behind_refused(begin..begin + len, refusal);
                self.scan_to(behind);
                continue;
            }
            self.message = Some(begin..begin + len);
            self.scan_to(begin + len);
            return true;
        }
    }

    fn scan_to(&mut self, scan: usize) {
        let credit = self.credit.saturating_add(MOST_LOOKS * (scan - self.scan));
        self.credit = credit.min(most_credit(self.max_message_size));
        self.scan = scan;
    }

    /// Returns where the search continues after a rejected message.
    fn behind_refused(&mut self, message: Range<usize>, refusal: Refusal) -> usize {
        let looked = match refusal {
            Refusal::Element { tag: 10, .. } | Refusal::Missing { .. } => message.len(),
            Refusal::Element { offset, .. } => offset + 1,
        };
        #[cfg(test)]
        {
            self.looked += looked;
        }
        match self.credit.checked_sub(looked) {
            Some(credit) => {
                self.credit = credit;
                self.scan + 1
            }
            None => message.end,
        }
    }

    /// Returns the length in a header, if it is plausible.
    fn length(&self, header: &[u8]) -> Option<usize> {
        let (&LENGTH_KEY, rest) = header.split_first()? else { return None };
        let len = usize::try_from(Reader::new(rest).varint().ok()?).ok()?;
        (1..=self.max_message_size).contains(&len).then_some(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the messages found and the bytes consumed when `bytes` arrive in pieces of `piece`
    /// bytes.
    fn read(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, usize) {
        let mut buffer = StreamBuffer::new(65_536);
        let (mut messages, mut consumed) = (Vec::new(), 0);
        for piece in bytes.chunks(piece) {
            assert!(buffer.reserve(piece.len()));
            buffer.push(piece);
            loop {
                let find = buffer.find(true);
                consumed += find.consumed;
                if !find.found {
                    assert!(find.need > 0);
                    break;
                }
                messages.push(buffer.message().unwrap().to_vec());
            }
        }
        (messages, consumed)
    }

    #[test]
    fn messages_do_not_depend_on_the_pieces() {
        let damaged = include_bytes!("../../tests/vectors/damaged.heka");
        let good = include_bytes!("../../tests/vectors/good3.heka");
        let stream = [damaged.as_slice(), good, b"\x1e\x1e\x02\x08", good].concat();
        let whole = read(&stream, stream.len());
        assert_eq!(whole.0.len(), 10);
        for piece in 1..stream.len() {
            assert_eq!(read(&stream, piece), whole, "pieces of {piece}");
        }
    }

    /// Creates nested frames that all end where the last one does, none of which is a message.
    fn nested(count: usize) -> Vec<u8> {
        let mut stream = Vec::new();
        for index in 0..count {
            let len = 10 * (count - index - 1) + 1;
            let low = |shift: u32| u8::try_from(len >> shift & 0x7f).unwrap() | 0x80;
            let high = u8::try_from(len >> 21).unwrap();
            stream.extend([0x3a, 8, 0x1e, 5, 8, low(0), low(7), low(14), high, 0x1f]);
        }
        stream.push(0);
        stream
    }

    /// Returns how many bytes of rejected messages were examined, and how many were consumed.
    fn looked(stream: &[u8], piece: usize) -> (usize, usize) {
        let mut buffer = StreamBuffer::new(65_536);
        let mut done = 0;
        for piece in stream.chunks(piece) {
            assert!(buffer.reserve(piece.len()));
            buffer.push(piece);
            let find = buffer.find(true);
            assert!(!find.found);
            done += find.consumed;
        }
        (buffer.looked, done)
    }

    #[test]
    fn the_work_is_in_proportion_to_what_came() {
        let stream = nested(6000);
        for piece in [60_001, 1000, 7] {
            let works = [1, 2, 4].map(|times| {
                let stream = stream.repeat(times);
                let (looked, done) = looked(&stream, piece);
                assert_eq!(done, stream.len(), "all of it is done with");
                looked
            });
            // At most this number of times, plus the same once more; without a bound it would be
            // 3000 times.
            let most = |times: usize| (MOST_LOOKS + 1) * (times * stream.len() + 65_536);
            assert!(works[0] <= most(1) && works[1] <= most(2) && works[2] <= most(4), "{works:?}");
        }
    }

    #[test]
    fn what_is_left_is_moved_seldom() {
        let mut buffer = StreamBuffer::new(1 << 16);
        assert!(buffer.reserve(60_010));
        // Each start begins a frame that is incomplete.
        buffer.push(&[0x1e, 0xff].repeat(30_000));
        let (mut moves, mut before) = (0, 0);
        for _ in 0..5_000 {
            assert!(buffer.reserve(2));
            moves += usize::from(buffer.scan < before);
            buffer.push(&[0x1e, 0xff]);
            buffer.find(true);
            before = buffer.scan;
        }
        assert!(moves < 50, "{moves}");
    }
}
