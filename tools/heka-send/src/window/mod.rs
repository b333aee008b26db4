// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records in transit: kept from the time they are written to a connection until the far end has
//! acknowledged them, and sent again after a connection was lost.
//!
//! A [`Window`] is one stretch of bytes made of complete records, numbered 1, 2, 3 … Three marks
//! move along it: the acknowledged part, the written part, and the end.
//!
//! ```text
//!   kept (--resend)    unacknowledged       unwritten
//! |-----------------|------------------|----------------|
//! head         acknowledged         written            end
//! ```

mod trail;

use std::collections::VecDeque;

use crate::refusals::Refusals;
use trail::{Trail, UNREAD};

/// A chunk of this size is not added to.
const CHUNK_SIZE: usize = 256 * 1024;

/// Complete, consecutive records.
#[derive(Debug, Default)]
struct Chunk {
    data: Vec<u8>,
    /// The end of each record in `data`.
    ends: Vec<usize>,
    /// Position of the first byte in the window.
    start: u64,
    /// Number of the record before the first.
    before: u64,
}

impl Chunk {
    fn end(&self) -> u64 {
        self.start + self.data.len() as u64
    }

    /// Returns how many records end at or before a position of the window.
    fn records_until(&self, position: u64) -> usize {
        let offset = usize::try_from(position.saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.ends.partition_point(|&end| end <= offset)
    }

    /// Returns the bytes of a record.
    fn record(&self, number: u64) -> &[u8] {
        let index = usize::try_from(number - self.before - 1).unwrap_or(usize::MAX);
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied();
        let range = self.ends.get(index).map(|end| start.unwrap_or(0)..*end);
        range.and_then(|range| self.data.get(range)).unwrap_or_default()
    }

    /// Returns the end of the first `count` records, as a position of the window.
    fn end_of(&self, count: usize) -> u64 {
        let offset = count.checked_sub(1).and_then(|last| self.ends.get(last)).copied();
        self.start + offset.unwrap_or(0) as u64
    }
}

/// Records between a source and a peer. See the module.
#[derive(Debug)]
pub(crate) struct Window {
    chunks: VecDeque<Chunk>,
    /// Buffers of released chunks.
    spare: Vec<Chunk>,
    limit: u64,
    keep: u64,
    /// Start of the first unacknowledged record, and the number of the record before it.
    acknowledged: (u64, u64),
    written: u64,
    /// First position of this connection, and the number of the record before it.
    origin: (u64, u64),
    /// Ends of the chunks released last.
    trail: Trail,
    end: u64,
    last: u64,
    /// Everything before this position has been written to a connection before.
    resent_until: u64,
    /// The refused records.
    pub(crate) refusals: Refusals,
}

impl Window {
    /// Creates a window for about `limit` unacknowledged and `keep` acknowledged bytes, of a stream
    /// whose record number `last` is acknowledged already.
    pub(crate) fn starting_after(last: u64, limit: u64, keep: u64) -> Self {
        Self {
            chunks: VecDeque::new(),
            spare: Vec::new(),
            limit,
            keep,
            acknowledged: (0, last),
            written: 0,
            origin: (0, last),
            trail: Trail::default(),
            end: 0,
            last,
            resent_until: 0,
            refusals: Refusals::default(),
        }
    }

    /// Whether another record may be added.
    pub(crate) fn has_room(&self) -> bool {
        self.end - self.acknowledged.0 < self.limit
    }

    /// Whether it is less than half full.
    pub(crate) fn has_much_room(&self) -> bool {
        self.end - self.acknowledged.0 < self.limit / 2
    }

    /// Returns the buffer for the next record; [`Window::end_record`] ends it.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.chunks.back().is_none_or(|chunk| chunk.data.len() >= CHUNK_SIZE) {
            let mut chunk = self.spare.pop().unwrap_or_default();
            chunk.data.clear();
            chunk.data.reserve(CHUNK_SIZE + CHUNK_SIZE / 4);
            self.push_chunk(chunk);
        }
        match self.chunks.back_mut() {
            Some(chunk) => &mut chunk.data,
            None => unreachable!("a chunk was pushed if there was none"),
        }
    }

    fn push_chunk(&mut self, chunk: Chunk) {
        let mut chunk = Chunk { start: self.end, before: self.last, ..chunk };
        chunk.ends.clear();
        self.chunks.push_back(chunk);
    }

    /// Ends the record in [`Window::buffer`] and returns its number.
    pub(crate) fn end_record(&mut self) -> u64 {
        if let Some(chunk) = self.chunks.back_mut() {
            chunk.ends.push(chunk.data.len());
            self.end = chunk.end();
        }
        self.last += 1;
        self.last
    }

    /// Adds consecutive records that end at `ends`, and returns the number of the last.
    pub(crate) fn push_run(&mut self, run: &[u8], ends: &[usize]) -> u64 {
        let data = self.buffer();
        let base = data.len();
        data.extend_from_slice(run);
        self.note_ends(base, ends)
    }

    /// Like [`Window::push_run`], without copying: `exchange` receives an unused buffer and returns
    /// the one that contains the records. If it returns the former, nothing is added.
    pub(crate) fn push_buffer(
        &mut self,
        ends: &[usize],
        exchange: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, Vec<u8>>,
    ) -> Option<u64> {
        let chunk = self.spare.pop().unwrap_or_default();
        let (spare, chunk) = (chunk.data, Chunk { data: Vec::new(), ..chunk });
        match exchange(spare) {
            Ok(data) => {
                self.push_chunk(Chunk { data, ..chunk });
                Some(self.note_ends(0, ends))
            }
            Err(data) => {
                self.spare.push(Chunk { data, ..chunk });
                None
            }
        }
    }

    /// Adds the ends of records in the last chunk, relative to `base`.
    fn note_ends(&mut self, base: usize, ends: &[usize]) -> u64 {
        if let Some(chunk) = self.chunks.back_mut() {
            chunk.ends.extend(ends.iter().map(|end| base + end));
            self.end = chunk.end();
        }
        self.last += ends.len() as u64;
        self.last
    }

    /// Returns the number of the last record added.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    /// Returns the number of the last acknowledged record.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.1
    }

    /// Returns the number of unacknowledged records.
    pub(crate) fn unacknowledged(&self) -> u64 {
        self.last - self.acknowledged.1
    }

    /// Returns how many records have been written to a connection before and will be written again.
    pub(crate) fn to_repeat(&self) -> u64 {
        self.sent() - self.written_until()
    }

    /// Returns the number of the last record written.
    pub(crate) fn written_until(&self) -> u64 {
        self.records_until(self.written)
    }

    /// Returns the number of the last record that was ever written completely, to this or an
    /// earlier connection.
    pub(crate) fn sent(&self) -> u64 {
        self.records_until(self.resent_until.max(self.written))
    }

    /// Whether the written part ends with a chunk, which is a good place to send the number.
    pub(crate) fn is_between_chunks(&self) -> bool {
        self.chunk_at(self.written).is_none_or(|chunk| chunk.start == self.written)
    }

    /// Whether there is something to write.
    pub(crate) fn has_unwritten(&self) -> bool {
        self.written < self.end
    }

    /// Returns some of the bytes to write next.
    pub(crate) fn unwritten(&self) -> &[u8] {
        let Some(chunk) = self.chunk_at(self.written) else {
            return &[];
        };
        let from = usize::try_from(self.written - chunk.start).unwrap_or(usize::MAX);
        chunk.data.get(from..).unwrap_or_default()
    }

    /// Like [`Window::unwritten`], but not beyond the end of record `last`.
    pub(crate) fn unwritten_until(&self, last: u64) -> &[u8] {
        let bytes = self.unwritten();
        if last >= self.last {
            return bytes;
        }
        let Some(chunk) = self.chunk_at(self.written) else {
            return &[];
        };
        let count = usize::try_from(last.saturating_sub(chunk.before)).unwrap_or(usize::MAX);
        let end = chunk.end_of(count.min(chunk.ends.len())).saturating_sub(self.written);
        bytes.get(..usize::try_from(end).unwrap_or(usize::MAX)).unwrap_or(bytes)
    }

    /// Returns the next complete records, at least one, of at most `most` bytes if they are
    /// several; none after `last`.
    pub(crate) fn unwritten_records(&self, most: usize, last: u64) -> &[u8] {
        let Some(chunk) = self.chunk_at(self.written) else {
            return &[];
        };
        let from = usize::try_from(self.written - chunk.start).unwrap_or(usize::MAX);
        let first = chunk.records_until(self.written);
        let several = chunk.ends.partition_point(|&end| end <= from.saturating_add(most));
        let allowed = usize::try_from(last.saturating_sub(chunk.before)).unwrap_or(usize::MAX);
        let count = several.max(first + 1).min(allowed);
        let to = count.checked_sub(1).and_then(|last| chunk.ends.get(last)).copied();
        let to = to.unwrap_or(from).max(from);
        chunk.data.get(from..to).unwrap_or_default()
    }

    fn chunk_at(&self, position: u64) -> Option<&Chunk> {
        // The next bytes are nearly always in one of the last chunks or in the first.
        let index = self.chunks.partition_point(|chunk| chunk.end() <= position);
        self.chunks.get(index)
    }

    /// Notes that `len` bytes were written; returns how many of their records had been written to a
    /// connection before.
    pub(crate) fn written(&mut self, len: usize) -> u64 {
        let before = self.written;
        self.written = (self.written + len as u64).min(self.end);
        if before >= self.resent_until {
            return 0;
        }
        self.records_until(self.written.min(self.resent_until)) - self.records_until(before)
    }

    /// Returns the number of the last record that ends at or before `position`.
    fn records_until(&self, position: u64) -> u64 {
        match self.chunk_at(position) {
            Some(chunk) => chunk.before + chunk.records_until(position) as u64,
            None => self.last,
        }
    }

    /// Notes that the far end has this many of the bytes written since the connection was made.
    pub(crate) fn acknowledge_bytes(&mut self, len: u64) {
        let position = (self.origin.0 + len).min(self.written);
        // Even if equal: there may be an empty record.
        if position >= self.acknowledged.0 {
            self.acknowledge_record(self.records_until(position));
        }
    }

    /// Notes that the far end has everything up to this record.
    pub(crate) fn acknowledge_record(&mut self, number: u64) {
        let number = number.min(self.records_until(self.written));
        if number <= self.acknowledged.1 {
            return;
        }
        let index = self.chunks.partition_point(|chunk| chunk.before < number);
        if let Some(chunk) = index.checked_sub(1).and_then(|index| self.chunks.get(index)) {
            let count = usize::try_from(number - chunk.before).unwrap_or(usize::MAX);
            self.acknowledged = (chunk.end_of(count), number);
        }
        self.let_go();
    }

    /// Notes that the far end has everything up to this record, except the last `count` ones, which
    /// it refuses.
    pub(crate) fn refuse_records(&mut self, number: u64, count: u64) {
        let mut refusals = std::mem::take(&mut self.refusals);
        for refused in number.saturating_sub(count)..number {
            refusals.add(refused + 1, self.record(refused + 1));
        }
        self.refusals = refusals;
        self.acknowledge_record(number);
    }

    /// Returns the bytes of a record; none if it was released.
    fn record(&self, number: u64) -> &[u8] {
        let index = self.chunks.partition_point(|chunk| chunk.before < number);
        let chunk = index.checked_sub(1).and_then(|index| self.chunks.get(index));
        chunk.map_or(&[], |chunk| chunk.record(number))
    }

    /// Releases acknowledged records that need not be kept.
    fn let_go(&mut self) {
        let horizon = self.acknowledged.0.saturating_sub(self.keep);
        while let Some(chunk) = self.chunks.front()
            && chunk.end() <= horizon
            && chunk.end() <= self.written
        {
            if let Some(chunk) = self.chunks.pop_front() {
                self.trail.push(chunk.end(), chunk.before + chunk.ends.len() as u64);
                if self.spare.len() < 4 {
                    self.spare.push(chunk);
                }
            }
        }
    }

    /// Prepares for a new connection. Unacknowledged records will be written again, and the kept
    /// ones as well unless the last connection ended normally. Returns how many records remain
    /// acknowledged although the peer may not have read them.
    pub(crate) fn rewind(&mut self, in_order: bool) -> u64 {
        let read = self.number_at(self.acknowledged.0.saturating_sub(UNREAD)).max(self.origin.1);
        self.resent_until = self.resent_until.max(self.written);
        let kept = self.acknowledged.0.saturating_sub(self.keep);
        if !in_order
            && self.keep > 0
            && let Some(chunk) = self.chunks.iter().find(|chunk| chunk.end() > kept)
        {
            let count = chunk.records_until(kept);
            let position = chunk.end_of(count).min(self.acknowledged.0);
            self.acknowledged = (position, self.records_until(position));
        }
        self.written = self.acknowledged.0;
        self.origin = self.acknowledged;
        self.acknowledged.1.saturating_sub(read)
    }

    /// Returns the number of the last record that ended at or before a position, or of one before
    /// it.
    fn number_at(&self, position: u64) -> u64 {
        match self.chunks.front() {
            Some(first) if first.start <= position => self.records_until(position),
            _ => self.trail.number_at(position).unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests;
