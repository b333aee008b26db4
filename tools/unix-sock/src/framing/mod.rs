// SPDX-License-Identifier: MIT OR Apache-2.0
//! How records stand in a stream of bytes, on the socket and on standard input and output.
//!
//! | framing | a record is |
//! | --- | --- |
//! | delimited | its bytes, then one byte that ends it |
//! | length | its length in 2, 4 or 8 bytes, big-endian, then its bytes |
//! | octet count | its length in decimal digits, one white space, then its bytes (RFC 6587) |
//! | heka | a Heka frame, all of it |
//! | none | whatever one read gives |

use heka_core::record::Turn;
use heka_core::wire::{Deframer, More, Step};
use memchr::{memchr, memrchr};

/// Longest length in decimal that is read: that of 2^64.
const MAX_DIGITS: usize = 20;

/// One of the ways above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Ends in this byte.
    Delimited(u8),
    /// Begins with a length of so many bytes.
    Length(usize),
    /// Begins with a length in digits.
    OctetCount,
    /// A Heka frame.
    Heka,
    /// As it comes.
    None,
}

impl Framing {
    /// Appends a record.
    ///
    /// # Errors
    /// If its length cannot be told in this framing.
    pub(crate) fn put(self, out: &mut Vec<u8>, record: &[u8]) -> Result<(), String> {
        match self {
            Self::Length(width) => {
                let length = (record.len() as u64).to_be_bytes();
                let (zeroes, length) = length.split_at(8 - width);
                if zeroes.iter().any(|&byte| byte != 0) {
                    return Err(format!(
                        "a record of {} bytes does not fit a length of {} bits",
                        record.len(),
                        8 * width
                    ));
                }
                out.extend_from_slice(length);
            }
            Self::OctetCount => out.extend_from_slice(format!("{} ", record.len()).as_bytes()),
            Self::Delimited(_) | Self::Heka | Self::None => {}
        }
        out.extend_from_slice(record);
        if let Self::Delimited(byte) = self {
            out.push(byte);
        }
        Ok(())
    }

    /// The record that a packet is in which there is nothing, if it is one.
    pub(crate) fn empty_packet(self, packet: &[u8]) -> Option<Found<'_>> {
        (self == Self::None && packet.is_empty()).then_some(Found::Record(0, packet))
    }

    /// How many records end in `records`; those that only a [`Splitter`] can tell apart are one.
    pub(crate) fn count(self, records: &[u8]) -> u64 {
        match self {
            Self::Delimited(byte) => occurrences(byte, records),
            _ => 1,
        }
    }

    /// Where the last record of `records` begins that is not whole there, for framings of which
    /// [`Splitter::whole`] can tell; otherwise the beginning.
    pub(crate) fn last_start(self, records: &[u8]) -> usize {
        match self {
            Self::Delimited(byte) => memrchr(byte, records).map_or(0, |end| end + 1),
            Self::None => records.len(),
            _ => 0,
        }
    }

    /// Where the record begins that the first `sent` bytes of `records` end in the middle of.
    pub(crate) fn record_start(self, records: &[u8], sent: usize) -> usize {
        if self == Self::None {
            return sent;
        }
        let mut splitter = Splitter::new(self, usize::MAX);
        let mut start = 0;
        loop {
            match splitter.next(records.get(start..).unwrap_or_default(), More::Ended) {
                Found::Record(done, _) if done > 0 && start + done <= sent => start += done,
                _ => return start,
            }
        }
    }
}

/// What stands at the front of a buffer. The first number of each tells how many bytes are done
/// with then.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A record, without what frames it.
    Record(usize, &'a [u8]),
    /// A record that is lost, and why; what follows is fine.
    Lost(usize, String),
    /// Nothing behind this can be read, and why.
    Broken(String),
    /// No whole record.
    Partial(usize),
}

/// Finds the records of one stream that arrives in any pieces.
#[derive(Debug)]
pub(crate) struct Splitter {
    framing: Framing,
    limit: usize,
    offset: u64,
    /// How much of the buffer has been looked through for the delimiter in vain.
    searched: usize,
    skip: Skip,
    deframer: Option<Box<Deframer>>,
}

/// What is left of a record over the limit.
#[derive(Debug, PartialEq, Eq)]
enum Skip {
    Nothing,
    Bytes(u64),
    ToDelimiter,
}

impl Splitter {
    /// Takes records of up to `limit` bytes.
    pub(crate) fn new(framing: Framing, limit: usize) -> Self {
        let deframer = (framing == Framing::Heka).then(|| Box::new(Deframer::new(limit)));
        Self { framing, limit, offset: 0, searched: 0, skip: Skip::Nothing, deframer }
    }

    /// Looks at `buffer`, which holds what is not done with yet.
    pub(crate) fn next<'a>(&mut self, buffer: &'a [u8], more: More) -> Found<'a> {
        let skipped = self.skip(buffer);
        self.offset += skipped as u64;
        let rest = buffer.get(skipped..).unwrap_or_default();
        let found = if rest.is_empty() || self.skip != Skip::Nothing {
            Found::Partial(0)
        } else {
            match self.framing {
                Framing::Delimited(byte) => self.delimited(byte, rest, more),
                Framing::Length(width) => self.prefixed(width, length(width, rest), rest, more),
                Framing::OctetCount => match octet_count(rest) {
                    Ok((digits, length)) => self.prefixed(digits, length, rest, more),
                    Err(cause) => Found::Broken(self.at(cause)),
                },
                Framing::Heka => self.heka(rest, more),
                Framing::None => Found::Record(rest.len(), rest),
            }
        };
        if more == More::Ended && matches!(found, Found::Partial(_)) {
            self.skip = Skip::Nothing;
        }
        self.advance(skipped, found)
    }

    /// The same, with no more work than a turn has left: [`Found::Partial`] may be that alone then.
    pub(crate) fn next_within<'a>(
        &mut self,
        buffer: &'a [u8],
        more: More,
        turn: &mut Turn,
    ) -> Found<'a> {
        let work = |splitter: &Self| splitter.deframer.as_ref().map_or(0, |frames| frames.work());
        let before = work(self);
        if let Some(deframer) = &mut self.deframer {
            deframer.allow(turn.left());
        }
        let found = self.next(buffer, more);
        turn.spend(work(self) - before);
        found
    }

    /// How much of `buffer` is whole records of which none is over the limit, if that can be told
    /// at a glance; they are done with then.
    pub(crate) fn whole(&mut self, buffer: &[u8]) -> Option<usize> {
        if self.skip != Skip::Nothing || buffer.len() > self.limit {
            return None;
        }
        if !matches!(self.framing, Framing::Delimited(_) | Framing::None) {
            return None;
        }
        let done = self.framing.last_start(buffer);
        self.searched = buffer.len() - done;
        self.offset += done as u64;
        Some(done)
    }

    /// Whether what comes is taken, and not the rest of a record that is lost.
    pub(crate) fn is_reading(&self) -> bool {
        self.skip == Skip::Nothing
    }

    /// So much went by that ended with a record, and with it what had been looked at.
    pub(crate) fn pass(&mut self, len: usize) {
        self.offset += len as u64;
        self.searched = 0;
    }

    /// Adds what was skipped to what was found, and moves on.
    fn advance<'a>(&mut self, skipped: usize, found: Found<'a>) -> Found<'a> {
        let (done, found) = match found {
            Found::Record(done, record) => (done, Found::Record(done + skipped, record)),
            Found::Lost(done, cause) => (done, Found::Lost(done + skipped, cause)),
            Found::Partial(done) => (done, Found::Partial(done + skipped)),
            broken @ Found::Broken(_) => (0, broken),
        };
        self.offset += done as u64;
        found
    }

    /// Passes over what is left of a record that is lost; tells how much of `buffer` that is.
    fn skip(&mut self, buffer: &[u8]) -> usize {
        match (&mut self.skip, self.framing) {
            (Skip::ToDelimiter, Framing::Delimited(byte)) => match memchr(byte, buffer) {
                Some(end) => {
                    self.skip = Skip::Nothing;
                    end + 1
                }
                None => buffer.len(),
            },
            (Skip::Bytes(left), _) => {
                let len = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
                *left -= len as u64;
                if *left == 0 {
                    self.skip = Skip::Nothing;
                }
                len
            }
            _ => 0,
        }
    }

    fn delimited<'a>(&mut self, byte: u8, buffer: &'a [u8], more: More) -> Found<'a> {
        let searched = std::mem::take(&mut self.searched).min(buffer.len());
        let end = memchr(byte, buffer.get(searched..).unwrap_or_default());
        let (end, done) = match end {
            Some(distance) => (searched + distance, searched + distance + 1),
            None if more == More::Ended => (buffer.len(), buffer.len()),
            None if buffer.len() > self.limit => {
                self.skip = Skip::ToDelimiter;
                return Found::Lost(buffer.len(), self.too_long());
            }
            None => {
                self.searched = buffer.len();
                return Found::Partial(0);
            }
        };
        match buffer.get(..end) {
            Some(record) if end <= self.limit => Found::Record(done, record),
            _ => Found::Lost(done, self.too_long()),
        }
    }

    fn prefixed<'a>(
        &mut self,
        width: usize,
        length: Option<u64>,
        buffer: &'a [u8],
        more: More,
    ) -> Found<'a> {
        let Some(length) = length else { return self.cut_off(buffer, more) };
        let len = usize::try_from(length).unwrap_or(usize::MAX);
        if len > self.limit {
            self.skip = Skip::Bytes(length);
            return Found::Lost(width, self.too_long());
        }
        match buffer.get(width..width + len) {
            Some(record) => Found::Record(width + len, record),
            None => self.cut_off(buffer, more),
        }
    }

    fn cut_off<'a>(&self, buffer: &'a [u8], more: More) -> Found<'a> {
        match more {
            More::Ended => {
                let len = buffer.len();
                Found::Lost(len, self.at(format_args!("cut off, {len} bytes of a record lost")))
            }
            More::Coming | More::Idle => Found::Partial(0),
        }
    }

    fn heka<'a>(&mut self, buffer: &'a [u8], more: More) -> Found<'a> {
        let Some(deframer) = &mut self.deframer else { return Found::Partial(0) };
        match deframer.next(buffer, more) {
            Step::Frame(done, frame) => Found::Record(done, frame.bytes),
            Step::Damage(done, damage) => Found::Lost(done, damage.to_string()),
            Step::Need(done, _) => Found::Partial(done),
        }
    }

    fn too_long(&self) -> String {
        self.at(format_args!("record over {} bytes skipped", self.limit))
    }

    fn at(&self, cause: impl std::fmt::Display) -> String {
        format!("offset {}: {cause}", self.offset)
    }
}

/// How often `byte` stands in `bytes`: in lanes that the compiler makes vectors of, which takes half
/// the time of finding each, and lines are counted all the time.
fn occurrences(byte: u8, bytes: &[u8]) -> u64 {
    const LANES: usize = 64;
    let mut total = 0;
    // A lane counts to 255 at most.
    for block in bytes.chunks(LANES * 255) {
        let mut lanes = [0u8; LANES];
        let mut rows = block.chunks_exact(LANES);
        for row in &mut rows {
            for (lane, &other) in lanes.iter_mut().zip(row) {
                *lane += u8::from(other == byte);
            }
        }
        let rest = rows.remainder().iter().filter(|&&other| other == byte).count() as u64;
        total += lanes.iter().map(|&lane| u64::from(lane)).sum::<u64>() + rest;
    }
    total
}

/// The length at the front, if it is whole.
fn length(width: usize, buffer: &[u8]) -> Option<u64> {
    let bytes = buffer.get(..width)?;
    Some(bytes.iter().fold(0, |length, &byte| (length << 8) | u64::from(byte)))
}

/// The bytes that tell the length, and the length if they are whole.
fn octet_count(buffer: &[u8]) -> Result<(usize, Option<u64>), &'static str> {
    let digits = buffer.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let length = buffer
        .get(..digits)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| digits.parse().ok());
    match buffer.get(digits) {
        _ if digits > MAX_DIGITS => Err("the length of the record has too many digits"),
        None => Ok((digits, None)),
        Some(byte) if byte.is_ascii_whitespace() && length.is_some() => Ok((digits + 1, length)),
        Some(_) => Err("expected the length of a record in decimal digits"),
    }
}

#[cfg(test)]
mod tests;
