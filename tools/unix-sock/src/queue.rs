// SPDX-License-Identifier: MIT OR Apache-2.0
//! What waits to be written to a peer, and what it costs to keep that.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::framing::SideBySide as _;
use heka_core::record::Framing;

/// What a queued chunk costs beside its bytes, which may be none.
const CHUNK_OVERHEAD: usize = 64;

/// Whole records that were queued together.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// The records as they stand on the socket. Peers that get the same share the memory.
    pub(crate) bytes: Bytes,
    /// How many they are.
    pub(crate) records: u64,
}

impl Chunk {
    /// Records as they stand on the socket.
    pub(crate) fn of(records: &[u8], framing: Framing) -> Self {
        Self { bytes: Bytes::copy_from_slice(records), records: framing.count(records) }
    }

    fn cost(&self) -> usize {
        self.bytes.len() + CHUNK_OVERHEAD
    }
}

/// Chunks, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    chunks: VecDeque<Chunk>,
    cost: usize,
}

impl Queue {
    /// Puts a chunk behind those that wait.
    pub(crate) fn push(&mut self, chunk: Chunk) {
        self.cost += chunk.cost();
        self.chunks.push_back(chunk);
    }

    /// Takes the first one away.
    pub(crate) fn pop(&mut self) {
        if let Some(first) = self.chunks.pop_front() {
            self.cost = self.cost.saturating_sub(first.cost());
        }
    }

    /// What is sent next.
    pub(crate) fn first(&self) -> Option<&Bytes> {
        self.chunks.front().map(|first| &first.bytes)
    }

    /// All, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Bytes> {
        self.chunks.iter().map(|chunk| &chunk.bytes)
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// What it holds in memory, in bytes.
    pub(crate) fn cost(&self) -> usize {
        self.cost
    }

    /// Takes all that waits.
    pub(crate) fn take(&mut self) -> VecDeque<Chunk> {
        self.cost = 0;
        std::mem::take(&mut self.chunks)
    }

    /// Gives up what waits; returns how many records that is.
    pub(crate) fn abandon(&mut self) -> u64 {
        self.take().iter().map(|chunk| chunk.records).sum()
    }
}
