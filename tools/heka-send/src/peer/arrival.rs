// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much of what was written to a connection counts as arrived: with `--ack=none` everything,
//! with `--ack=kernel` what the peer's kernel has, with `--ack=peer` what it says itself.
//!
//! The kernel says how many bytes it still has to deliver (`SIOCOUTQ`, tcp(7)). Over TLS those are
//! not the bytes of records, so for each write is noted where it ends in both.
//!
//! A unix socket counts buffers instead of bytes: there only that none is left has a meaning. Then
//! the peer itself has read everything, or it has closed the socket and what it had not read is
//! gone: that leaves an error behind, before the buffers go.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use heka_core::net::Stream;

use crate::plan::Ack;

/// How often the kernel is asked what it has delivered while somebody waits for that, and while
/// nobody does.
const POLL_PERIOD: Duration = Duration::from_millis(5);
const SLOW_PERIOD: Duration = Duration::from_millis(100);

/// Time between two of these questions.
pub(super) fn period(is_awaited: bool) -> Duration {
    if is_awaited { POLL_PERIOD } else { SLOW_PERIOD }
}

/// What has arrived over one connection.
#[derive(Debug)]
pub(crate) struct Arrival {
    ack: Ack,
    is_unix: bool,
    /// With TLS: how many bytes of records are complete at which byte of the wire.
    marks: VecDeque<(u64, u64)>,
}

impl Arrival {
    pub(crate) fn new(ack: Ack, is_unix: bool) -> Self {
        Self { ack, is_unix, marks: VecDeque::new() }
    }

    /// Whether the peer may not have read what has arrived.
    pub(crate) fn hides_unread(&self) -> bool {
        match self.ack {
            Ack::None => true,
            Ack::Kernel => !self.is_unix,
            Ack::Peer => false,
        }
    }

    /// Notes at which byte of the wire the `written` bytes of records end.
    pub(crate) fn note(&mut self, stream: &Stream, written: u64) {
        if let Some(wire) = stream.wire_len()
            && !stream.wants_write()
            && self.marks.back().is_none_or(|(records, _)| *records < written)
        {
            self.marks.push_back((written, wire));
        }
    }

    /// How many of the `written` bytes of records have arrived; `None` if nothing new is known.
    ///
    /// # Errors
    /// What broke the connection of a unix socket.
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

    /// The same when the connection is broken and its error known.
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
