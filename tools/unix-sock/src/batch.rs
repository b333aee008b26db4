// SPDX-License-Identifier: MIT OR Apache-2.0
//! Collects records with the same destination into chunks.

use bytes::Bytes;
use heka_core::os::clock;
use heka_core::record::gelf;

use crate::address::Recipients;
use crate::plan::Plan;
use crate::queue::Chunk;

/// Maximum size of a chunk in bytes.
const CHUNK: usize = 64 * 1024;

/// Maximum number of packets with one record each in a chunk.
const PACKETS: usize = 1024;

/// Smaller chunks are copied into a buffer of their own size.
const SMALL: usize = 4096;

/// Records with the same destination.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) to: Recipients,
    pub(crate) chunk: Chunk,
}

/// Collects records.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    done: Vec<Delivery>,
    to: Recipients,
    bytes: Vec<u8>,
    /// The end of each packet, if a record is one.
    ends: Vec<usize>,
    count: u64,
}

impl Batch {
    /// Adds a record, which `encode` appends unless it fails.
    pub(crate) fn add(
        &mut self,
        to: Recipients,
        plan: &Plan,
        encode: impl FnOnce(&mut Vec<u8>) -> bool,
    ) {
        let is_packet = plan.has_packets() && plan.pack.is_none() && !plan.has_gelf;
        let room = plan.pack.unwrap_or(if plan.has_gelf { 0 } else { CHUNK });
        if to != self.to || self.bytes.len() >= room || self.ends.len() >= PACKETS {
            self.end();
        }
        self.to = to;
        let start = self.bytes.len();
        if !encode(&mut self.bytes) {
            self.bytes.truncate(start);
            return;
        }
        if start > 0 && plan.pack.is_some_and(|pack| self.bytes.len() > pack) {
            let record = self.bytes.split_off(start);
            self.end();
            self.bytes = record;
        }
        self.count += 1;
        if is_packet {
            self.ends.push(self.bytes.len());
        }
        if plan.has_gelf {
            let identity = clock::random_uuid().first_chunk().copied().unwrap_or_default();
            let parts = gelf::split(&std::mem::take(&mut self.bytes), identity);
            // A record is lost if any part of it is; it is counted with the first part.
            for bytes in parts {
                let chunk = Chunk::whole(bytes, std::mem::take(&mut self.count));
                self.done.push(Delivery { to: self.to.clone(), chunk });
            }
        }
    }

    /// Adds encoded records, for the peers of `--to`.
    pub(crate) fn add_all(&mut self, records: &[u8], plan: &Plan) {
        if !records.is_empty() {
            self.end();
            self.done.push(Delivery {
                to: Recipients::Unnamed,
                chunk: Chunk::of(records, plan.formats.wire),
            });
        }
    }

    /// Takes everything collected so far.
    pub(crate) fn take(&mut self) -> Vec<Delivery> {
        self.end();
        std::mem::take(&mut self.done)
    }

    fn end(&mut self) {
        let records = std::mem::take(&mut self.count);
        if records > 0 {
            // Copying a few bytes is better than keeping the large buffer.
            let bytes = match self.bytes.len() {
                ..SMALL => Bytes::copy_from_slice(&self.bytes),
                _ => std::mem::take(&mut self.bytes).into(),
            };
            let chunk = match self.ends.as_slice() {
                [] => Chunk::whole(bytes, records),
                ends => Chunk::of_packets(bytes, ends),
            };
            self.ends.clear();
            self.done.push(Delivery { to: self.to.clone(), chunk });
        }
        self.bytes.clear();
    }
}
