// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bulk: many records that pass as they stand need not come by here at all. From a socket they go
//! to standard output by splice(2), from a file on standard input to a socket by sendfile(2).
//!
//! What is read in the common way before and after such a stretch finds records whole all the same:
//! a stretch from a socket ends with a record, and one from a file leaves the end of it to be read.

use std::io;
use std::os::fd::AsFd as _;
use std::time::Instant;

use heka_core::net::{peek_at, waiting_len};
use heka_core::report::{Stop, stats};
use nix::Error;
use nix::sys::sendfile::sendfile;

use crate::framing::SideBySide as _;
use crate::link::Link;
use crate::peer::Peer;
use crate::plan::Plan;
use crate::sink::Sink;
use crate::source::Source;
use heka_core::record::Framing;

/// Fewer bytes than this are read.
const BULK: usize = 64 * 1024;
/// After a large read it is looked for bulk so often in vain.
const TRIES: u8 = 4;
/// How much of the end of a stretch is looked through for the end of a record.
const TAIL: usize = 4096;
/// So much goes from a file at once.
const FILE_STRETCH: u64 = 1024 * 1024;
/// So much at the end of a file is read and written. What sendfile(2) lends can still change with
/// the file while it is on its way; behind so much, more than sockets, pipes and queues hold by
/// default, nothing lent is left when the peer has closed.
const FILE_REST: u64 = 4 * 1024 * 1024;

impl Peer {
    /// Lets the whole records that wait pass to standard output, if they are many; `false` if they
    /// are to be read instead. `scratch` is lent for the time of the call.
    pub(crate) fn pass_bulk(
        &mut self,
        sink: &mut Sink<'_>,
        scratch: &mut [u8],
    ) -> Result<bool, Stop> {
        if self.tries == 0 || self.progress.is_skipping() || !sink.can_carry()? {
            return Ok(false);
        }
        self.tries -= 1;
        let limit = sink.plan.max_record.saturating_sub(self.partial.len());
        let len = match whole_records(&self.link, sink.plan.wire, limit, scratch) {
            Ok(len) if len >= BULK => len,
            // A socket that cannot be asked is read.
            Ok(_) | Err(_) => return Ok(false),
        };
        // From here on the stretch has to come to its end, whatever way it takes.
        sink.put_all(std::mem::take(&mut self.partial).data())?;
        let passed = sink.carry(&self.facts, &self.link, len - 1)?;
        self.count(passed);
        self.progress.pass(len);
        self.expect_bulk(passed, sink.plan);
        self.read_rest(len - passed, sink, scratch)?;
        Ok(true)
    }

    /// So much has come at once: there may be more like that.
    pub(crate) fn expect_bulk(&mut self, len: usize, plan: &Plan) {
        if plan.receives_bulk && len >= BULK {
            self.tries = TRIES;
        }
    }

    /// Reads the `left` bytes that end a stretch. What was carried a peer can still change, and out
    /// of band bytes make it shorter than it seemed: the end of its last record is ours, so that
    /// no other peer's record is touched.
    fn read_rest(
        &mut self,
        mut left: usize,
        sink: &mut Sink<'_>,
        scratch: &mut [u8],
    ) -> Result<(), Stop> {
        let mut last = None;
        while left > 0 {
            let most = left.min(scratch.len());
            let room = scratch.get_mut(..most).unwrap_or_default();
            // They are there: nobody else takes them.
            let Some(len) = self.receive(room, sink)? else { break };
            let bytes = scratch.get(..len).unwrap_or_default();
            sink.put_all(bytes)?;
            last = bytes.last().copied();
            left -= len;
        }
        match sink.plan.wire {
            Framing::Delimited(end) if last != Some(end) => sink.put_all(&[end]),
            _ => Ok(()),
        }
    }
}

/// How many bytes of whole records wait, none of them over the limit.
fn whole_records(
    link: &Link,
    framing: Framing,
    limit: usize,
    scratch: &mut [u8],
) -> io::Result<usize> {
    let waiting = waiting_len(link.socket())?.min(limit);
    if waiting < BULK || framing == Framing::None {
        return Ok(waiting);
    }
    let tail = scratch.get_mut(..TAIL).unwrap_or_default();
    let start = waiting - tail.len();
    let len = peek_at(link.socket(), start, tail)?;
    match framing.last_start(tail.get(..len).unwrap_or_default()) {
        0 => Ok(0),
        end => Ok(start + end),
    }
}

impl Source {
    /// How much of a file has not gone out, while it goes out like that.
    pub(crate) fn bulk_left(&mut self) -> Option<u64> {
        (self.is_bulky && self.has_given).then(|| self.input.left())
    }

    /// Sends a stretch of a file to a peer that takes everything as it stands; `false` if records
    /// are to be read instead. An error is left to be found out by writing.
    pub(crate) fn pass_bulk(&mut self, peer: &mut Peer) -> bool {
        if !self.is_bulky || !peer.link.is_drained() || !self.input.data().is_empty() {
            return false;
        }
        if self.bulk < FILE_STRETCH {
            self.bulk = self.input.left().saturating_sub(FILE_REST);
        }
        let len = usize::try_from(self.bulk.min(FILE_STRETCH)).unwrap_or(usize::MAX);
        if len < BULK {
            self.is_bulky = false;
            return false;
        }
        match sendfile(peer.link.as_fd(), self.input.fd(), None, len) {
            Ok(len) if len > 0 => {
                self.bulk -= len as u64;
                self.progress.pass(len);
                peer.moved = Instant::now();
                stats::BYTES_IN.add(len as u64);
                stats::BYTES_OUT.add(len as u64);
                self.has_given = true;
                true
            }
            Err(Error::EAGAIN) => {
                peer.writable = false;
                true
            }
            Err(Error::EINTR) => true,
            Ok(_) | Err(_) => {
                self.is_bulky = false;
                false
            }
        }
    }
}
