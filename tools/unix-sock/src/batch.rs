// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records that go the same way, gathered into chunks.

use bytes::Bytes;
use heka_core::os::clock;
use heka_core::record::gelf;

use crate::address::Recipients;
use crate::plan::Plan;
use crate::queue::Chunk;

/// Records that go together are gathered up to this size.
const CHUNK: usize = 64 * 1024;

/// Packets of one record each are gathered up to this number.
const PACKETS: usize = 1024;

/// Chunks of less than this are small.
const SMALL: usize = 4096;

/// Records that go the same way.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) to: Recipients,
    pub(crate) chunk: Chunk,
}

/// Gathers records.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    done: Vec<Delivery>,
    to: Recipients,
    bytes: Vec<u8>,
    /// Where each packet ends, if a record is one.
    ends: Vec<usize>,
    count: u64,
}

impl Batch {
    /// Adds a record that `encode` appends, or that it cannot.
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
            // Whatever part is lost, the record is; it counts with the first.
            for bytes in parts {
                let chunk = Chunk::whole(bytes, std::mem::take(&mut self.count));
                self.done.push(Delivery { to: self.to.clone(), chunk });
            }
        }
    }

    /// Adds records that are encoded already, for whom `--to` names.
    pub(crate) fn add_all(&mut self, records: &[u8], plan: &Plan) {
        if !records.is_empty() {
            self.end();
            self.done.push(Delivery {
                to: Recipients::Unnamed,
                chunk: Chunk::of(records, plan.formats.wire),
            });
        }
    }

    /// Takes all that has been gathered.
    pub(crate) fn take(&mut self) -> Vec<Delivery> {
        self.end();
        std::mem::take(&mut self.done)
    }

    fn end(&mut self) {
        let records = std::mem::take(&mut self.count);
        if records > 0 {
            // A few bytes are better copied than the buffer they are in is kept.
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
