// SPDX-License-Identifier: MIT OR Apache-2.0
//! Determines how much of the data written to a connection counts as arrived: with `--ack=none`
//! everything, with `--ack=kernel` what the peer's kernel has, with `--ack=peer` what the peer
//! acknowledges.
//!
//! The kernel reports the number of bytes that it still has to deliver (`SIOCOUTQ`, tcp(7)). Over
//! TLS these are not the bytes of records, so the end of each write is recorded in both counts.
//!
//! On a UNIX socket the kernel counts buffers instead of bytes; only zero is meaningful there. Then
//! the peer itself has read everything, or it has closed the socket and unread data is lost, which
//! leaves an error behind before the buffers are freed.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use heka_core::net::Stream;

use crate::plan::Ack;

/// Interval at which the kernel is asked while somebody waits for delivery, and while nobody does.
const POLL_PERIOD: Duration = Duration::from_millis(5);
const SLOW_PERIOD: Duration = Duration::from_millis(100);

/// Returns the interval at which the kernel is asked.
pub(super) fn period(is_awaited: bool) -> Duration {
    if is_awaited { POLL_PERIOD } else { SLOW_PERIOD }
}

/// The arrived data of one connection.
#[derive(Debug)]
pub(crate) struct Arrival {
    ack: Ack,
    is_unix: bool,
    /// With TLS: pairs of an offset on the wire and the number of bytes of records complete there.
    marks: VecDeque<(u64, u64)>,
}

impl Arrival {
    pub(crate) fn new(ack: Ack, is_unix: bool) -> Self {
        Self { ack, is_unix, marks: VecDeque::new() }
    }

    /// Whether the peer may not have read data that has arrived.
    pub(crate) fn hides_unread(&self) -> bool {
        match self.ack {
            Ack::None => true,
            Ack::Kernel => !self.is_unix,
            Ack::Peer => false,
        }
    }

    /// Records the offset on the wire at which the `written` bytes of records end.
    pub(crate) fn note(&mut self, stream: &Stream, written: u64) {
        if self.ack == Ack::Kernel
            && let Some(wire) = stream.wire_len()
            && !stream.wants_write()
            && self.marks.back().is_none_or(|(records, _)| *records < written)
        {
            self.marks.push_back((written, wire));
        }
    }

    /// Returns how many of the `written` bytes of records have arrived; `None` if nothing new is
    /// known.
    ///
    /// # Errors
    /// The error that broke the connection of a UNIX socket.
    pub(crate) fn arrived(
        &mut self,
        stream: Option<&Stream>,
        written: u64,
    ) -> io::Result<Option<u64>> {
        let (Ack::Kernel, true, Some(stream)) = (self.ack, self.is_unix, stream) else {
            return Ok(self.arrived_at_last(stream, written));
        };
        if stream.unacknowledged()? > 0 {
            return Ok(None);
        }
        match stream.socket().take_error()? {
            None => Ok(Some(written)),
            Some(error) => Err(error),
        }
    }

    /// Like [`Arrival::arrived`], for a broken connection whose error is known.
    pub(crate) fn arrived_at_last(&mut self, stream: Option<&Stream>, written: u64) -> Option<u64> {
        let stream = match (self.ack, stream) {
            (Ack::None, _) | (Ack::Kernel, None) => return Some(written),
            (Ack::Peer, _) => return None,
            (Ack::Kernel, Some(_)) if self.is_unix => return None,
            (Ack::Kernel, Some(stream)) => stream,
        };
        let outstanding = stream.unacknowledged().ok()?;
        let Some(wire) = stream.wire_len() else {
            return Some(written.saturating_sub(outstanding));
        };
        let arrived = wire.saturating_sub(outstanding);
        let mut len = None;
        while self.marks.front().is_some_and(|(_, wire)| *wire <= arrived)
            && let Some((records, _)) = self.marks.pop_front()
        {
            len = Some(records);
        }
        len
    }
}
