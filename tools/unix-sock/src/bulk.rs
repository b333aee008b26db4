// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bulk transfer: many records that are forwarded unchanged need not pass through this process.
//! From a socket they go to standard output by splice(2), from a file on standard input to a socket
//! by sendfile(2).
//!
//! Ordinary reading before and after such a stretch still sees whole records: a stretch from a
//! socket ends with a record, and the end of a stretch from a file is left to be read.

use std::os::fd::AsFd as _;
use std::time::Instant;

use heka_core::net::{peek_at, waiting_len};
use heka_core::report::{Stop, stats};
use nix::Error;
use nix::sys::sendfile::sendfile;

use crate::framing::SideBySide as _;
use crate::link::Link;
use crate::plan::Plan;
use crate::sink::Sink;
use crate::source::Source;
use heka_core::record::Framing;

/// Smaller amounts are read normally.
pub(crate) const BULK: usize = 64 * 1024;
/// Number of attempts to find bulk data after a large read.
pub(crate) const TRIES: u8 = 4;
/// Number of bytes at the end of a stretch that are searched for the end of a record.
const TAIL: usize = 4096;
/// Number of bytes sent from a file at once.
const FILE_STRETCH: u64 = 1024 * 1024;
/// Number of bytes at the end of a file that are read and written normally. Data passed to
/// sendfile(2) can still change with the file while it is in transit. This is more than sockets,
/// pipes and queues hold by default, so that nothing sent in that way is left when the peer has
/// closed.
const FILE_REST: u64 = 4 * 1024 * 1024;

/// Returns the size of the whole records that are waiting, if they are many and none of them is
/// over the limit; `kept` bytes of the first have arrived already. A socket that cannot be examined
/// is read normally.
pub(crate) fn whole_records(
    link: &Link,
    kept: usize,
    plan: &Plan,
    scratch: &mut [u8],
) -> Option<usize> {
    let limit = plan.max_record.saturating_sub(kept);
    let waiting = waiting_len(link.socket()).ok()?.min(limit);
    if waiting < BULK || plan.formats.wire == Framing::None {
        return Some(waiting).filter(|len| *len >= BULK);
    }
    let tail = scratch.get_mut(..TAIL).unwrap_or_default();
    let start = waiting - tail.len();
    let len = peek_at(link.socket(), start, tail).ok()?;
    match plan.formats.wire.last_start(tail.get(..len).unwrap_or_default()) {
        0 => None,
        end => Some(start + end).filter(|len| *len >= BULK),
    }
}

/// Ends a record whose last byte may be missing.
pub(crate) fn end_record(last: Option<u8>, sink: &mut Sink<'_>) -> Result<(), Stop> {
    match sink.plan.formats.wire {
        Framing::Delimited(end) if last != Some(end) => sink.put_all(&[end]),
        _ => Ok(()),
    }
}

/// Sends a stretch of a file to a peer that accepts everything unchanged; `false` if records must
/// be read instead. Errors are left to be found by writing.
pub(crate) fn send_file(source: &mut Source, link: &mut Link) -> bool {
    if !source.is_bulky || !link.is_drained() || !source.input.data().is_empty() {
        return false;
    }
    if source.bulk < FILE_STRETCH {
        source.bulk = source.input.left().saturating_sub(FILE_REST);
    }
    let len = usize::try_from(source.bulk.min(FILE_STRETCH)).unwrap_or(usize::MAX);
    if len < BULK {
        source.is_bulky = false;
        return false;
    }
    match sendfile(link.as_fd(), source.input.fd(), None, len) {
        Ok(len) if len > 0 => {
            source.bulk -= len as u64;
            source.progress.pass(len);
            source.has_given = true;
            link.moved = Instant::now();
            stats::BYTES_IN.add(len as u64);
            stats::BYTES_OUT.add(len as u64);
            true
        }
        Err(Error::EAGAIN) => {
            link.writable = false;
            true
        }
        Err(Error::EINTR) => true,
        Ok(_) | Err(_) => {
            source.is_bulky = false;
            false
        }
    }
}
