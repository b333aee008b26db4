// SPDX-License-Identifier: MIT OR Apache-2.0
//! Pending output for a peer, and its memory.

use std::collections::VecDeque;
use std::rc::Rc;

use bytes::Bytes;

use crate::framing::SideBySide as _;
use heka_core::record::Framing;

/// Memory of a queued chunk beyond its bytes, which may be none.
const CHUNK_OVERHEAD: usize = 64;

/// Whole records that were queued together.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// The records in their form on the socket. Peers that get the same records share the memory.
    pub(crate) bytes: Bytes,
    /// Number of records.
    pub(crate) records: u64,
    /// The end of each packet, for several packets of one record each.
    ends: Option<Rc<[usize]>>,
}

impl Chunk {
    /// Creates a chunk from records in their form on the socket.
    pub(crate) fn of(records: &[u8], framing: Framing) -> Self {
        Self::whole(Bytes::copy_from_slice(records), framing.count(records))
    }

    /// Creates a chunk that is a single packet, or part of a stream.
    pub(crate) fn whole(bytes: Bytes, records: u64) -> Self {
        Self { bytes, records, ends: None }
    }

    /// Creates a chunk of records that are packets, with their ends.
    pub(crate) fn of_packets(bytes: Bytes, ends: &[usize]) -> Self {
        Self { bytes, records: ends.len() as u64, ends: Some(ends.into()) }
    }

    fn cost(&self) -> usize {
        let ends = self.ends.as_ref().map_or(0, |ends| size_of_val(&**ends));
        self.bytes.len() + ends + CHUNK_OVERHEAD
    }

    /// Returns the number of packets.
    fn count(&self) -> usize {
        self.ends.as_ref().map_or(1, |ends| ends.len())
    }

    /// Returns a packet by number.
    fn packet(&self, index: usize) -> &[u8] {
        let Some(ends) = &self.ends else { return &self.bytes };
        let start = index.checked_sub(1).and_then(|before| ends.get(before)).copied().unwrap_or(0);
        let end = ends.get(index).copied().unwrap_or(start);
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// Skips the first packets of several.
    fn skip(&mut self, count: usize) {
        let Some(ends) = self.ends.take() else { return };
        let start = count.checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or(0);
        self.bytes = self.bytes.slice(start.min(self.bytes.len())..);
        self.records = self.records.saturating_sub(count as u64);
        self.ends = Some(ends.iter().skip(count).map(|end| end - start).collect());
    }
}

/// Chunks, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    chunks: VecDeque<Chunk>,
    /// Number of packets of the first chunk that were sent.
    gone: usize,
    cost: usize,
}

impl Queue {
    /// Appends a chunk.
    pub(crate) fn push(&mut self, chunk: Chunk) {
        self.cost += chunk.cost();
        self.chunks.push_back(chunk);
    }

    /// Removes the first chunk.
    pub(crate) fn pop(&mut self) {
        self.gone = 0;
        if let Some(first) = self.chunks.pop_front() {
            self.cost = self.cost.saturating_sub(first.cost());
        }
    }

    /// Removes the first packet; returns its length.
    pub(crate) fn pop_packet(&mut self) -> usize {
        let Some(first) = self.chunks.front() else { return 0 };
        let (len, count) = (first.packet(self.gone).len(), first.count());
        self.gone += 1;
        if self.gone >= count {
            self.pop();
        }
        len
    }

    /// Returns what is sent next.
    pub(crate) fn first(&self) -> Option<&Bytes> {
        self.chunks.front().map(|first| &first.bytes)
    }

    /// Returns all chunks in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.chunks.iter().map(|chunk| &chunk.bytes)
    }

    /// Returns all packets in order.
    pub(crate) fn packets(&self) -> impl Iterator<Item = &[u8]> {
        let mut from = self.gone;
        self.chunks.iter().flat_map(move |chunk| {
            (std::mem::take(&mut from)..chunk.count()).map(|index| chunk.packet(index))
        })
    }

    /// Whether the queue is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Returns the memory of the queue in bytes.
    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    /// Takes everything.
    pub(crate) fn take(&mut self) -> VecDeque<Chunk> {
        self.cost = 0;
        let gone = std::mem::take(&mut self.gone);
        if let Some(first) = self.chunks.front_mut() {
            first.skip(gone);
        }
        std::mem::take(&mut self.chunks)
    }

    /// Drops everything; returns the number of records.
    pub(crate) fn abandon(&mut self) -> u64 {
        self.take().iter().map(|chunk| chunk.records).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_a_chunk_go_one_by_one() {
        let mut queue = Queue::default();
        queue.push(Chunk::of_packets(Bytes::from_static(b"abbccc"), &[1, 3, 3, 6]));
        queue.push(Chunk::whole(Bytes::from_static(b"d"), 2));
        let packets =
            |queue: &Queue| -> Vec<Vec<u8>> { queue.packets().map(<[u8]>::to_vec).collect() };
        assert_eq!(packets(&queue), [&b"a"[..], b"bb", b"", b"ccc", b"d"]);
        assert_eq!([queue.pop_packet(), queue.pop_packet()], [1, 2]);
        assert_eq!(packets(&queue), [&b""[..], b"ccc", b"d"]);
        // The rest of them counts, and is moved to another queue unchanged.
        let mut other = Queue::default();
        queue.take().into_iter().for_each(|chunk| other.push(chunk));
        assert!(queue.is_empty() && queue.cost() == 0);
        assert_eq!(packets(&other), [&b""[..], b"ccc", b"d"]);
        assert_eq!([other.pop_packet(), other.pop_packet(), other.pop_packet()], [0, 3, 1]);
        assert!(other.is_empty() && other.cost() == 0);
        other.push(Chunk::of_packets(Bytes::from_static(b"ab"), &[1, 2]));
        other.pop_packet();
        assert_eq!(other.abandon(), 1);
    }
}
