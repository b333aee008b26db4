// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a peer that is to acknowledge records learns of their numbers.
//!
//! A frame without a message carries them: stream and number of the record before it
//! (heka-stream(5)). It goes out first on every connection, and then now and then, so that a peer
//! that lost count acknowledges again: when everything is written and nothing was acknowledged for
//! a while, at the end, and every [`TELL_EVERY`] bytes. The first one also proves that the stream
//! is ours.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::window::Window;
use heka_core::delivery::claim::{CLAIM_SIZE, NOBODY, StreamKey};
use heka_core::report::Stop;
use heka_core::wire::{Header, put_frame};

/// So many bytes of records go out between two numbers.
const TELL_EVERY: u64 = 1 << 20;
/// How long a peer that has everything may take to acknowledge it before it is sent the number
/// again.
const SOON: Duration = Duration::from_millis(5);

/// The stream of records, as the peers of one target know it.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    id: [u8; 16],
    key: Arc<StreamKey>,
    /// The run of a receiver that was heard last.
    heard: [u8; 16],
}

impl Identity {
    pub(crate) fn new(id: [u8; 16], seed: &[u8; 32]) -> Result<Self, Stop> {
        Ok(Self { id, key: Arc::new(StreamKey::from_seed(seed)?), heard: NOBODY })
    }

    /// The same for another target: two of them may be one receiver.
    pub(crate) fn for_target(&self, index: usize) -> Self {
        let index = (index as u64).to_be_bytes();
        let mut identity = self.clone();
        identity.id.iter_mut().rev().zip(index.iter().rev()).for_each(|(to, more)| *to ^= more);
        identity
    }

    /// Whether any receiver has named its run: it acknowledges.
    pub(crate) fn is_heard(&self) -> bool {
        self.heard != NOBODY
    }

    /// A receiver names its run.
    pub(crate) fn hear(&mut self, run: &[u8]) {
        self.heard = run.try_into().unwrap_or(self.heard);
    }
}

/// The place that the peer was sent.
#[derive(Debug)]
struct Told {
    /// Number of the last record before it.
    number: u64,
    /// Bytes of records that were written by then.
    written: u64,
    at: Instant,
}

/// Where we are in the stream of records, for the peer of one connection.
#[derive(Debug)]
pub(crate) struct Place {
    /// `None` if the peer is sent nothing.
    pub(crate) identity: Option<Identity>,
    /// Number of the last record that was ever sent when the connection was made.
    sent: u64,
    /// What it was sent last.
    told: Option<Told>,
    /// What of that it did not take yet.
    untold: Vec<u8>,
}

impl Place {
    /// On a new connection; no record after `sent` was ever sent.
    pub(crate) fn new(identity: Option<Identity>, sent: u64) -> Self {
        Self { identity, sent, told: None, untold: Vec::new() }
    }

    /// Whether something of it has to go out before the next record does.
    pub(crate) fn is_pending(&self) -> bool {
        !self.untold.is_empty()
    }

    /// Whether the peer was sent anything.
    pub(crate) fn was_told(&self) -> bool {
        self.told.is_some()
    }

    /// Whether the place should be sent now. No record after `last` goes out on this connection, of
    /// which `written` bytes did. Nothing was acknowledged since `idle`; nothing is added any more
    /// if this is `at_end`.
    pub(crate) fn is_due(
        &self,
        window: &Window,
        last: u64,
        written: u64,
        idle: Instant,
        at_end: bool,
    ) -> bool {
        if self.identity.is_none() || self.is_pending() {
            return false;
        }
        // Where nothing is to be sent nobody need be asked.
        let Some(told) = &self.told else { return !at_end || window.unacknowledged() > 0 };
        if !window.unwritten_until(last).is_empty() {
            return written - told.written >= TELL_EVERY && window.is_between_chunks();
        }
        if !self.is_news(window) {
            return false;
        }
        let is_last = at_end || window.written_until() == last;
        is_last || self.again_at(window, idle).is_some_and(|due| due <= Instant::now())
    }

    /// When the place should be sent though there is no record to write.
    pub(crate) fn again_at(&self, window: &Window, idle: Instant) -> Option<Instant> {
        let told = self.told.as_ref()?;
        let is_waiting = !window.has_unwritten() && self.is_news(window);
        is_waiting.then(|| idle.max(told.at) + SOON)
    }

    /// Whether the peer was sent another place, and has to acknowledge something.
    fn is_news(&self, window: &Window) -> bool {
        let number = self.told.as_ref().map(|told| told.number);
        number != Some(window.written_until()) && window.unacknowledged() > 0
    }

    /// Makes what the peer is sent: record `number` was before.
    pub(crate) fn tell(&mut self, number: u64, written: u64) -> io::Result<()> {
        let Some(identity) = &self.identity else { return Ok(()) };
        let is_first = self.told.is_none();
        self.told = Some(Told { number, written, at: Instant::now() });
        let Identity { id, key, heard } = identity;
        let claim = is_first.then(|| key.claim(id, number, self.sent, heard));
        let header = Header {
            stream_id: Some(id),
            sequence: Some(number),
            claim: claim.as_ref().map(<[u8; CLAIM_SIZE]>::as_slice),
            ..Header::default()
        };
        put_frame(&mut self.untold, header, &[]).map_err(io::Error::other)
    }

    /// Writes some of what is pending.
    pub(crate) fn write(&mut self, peer: &mut impl Write) -> io::Result<()> {
        let len = peer.write(&self.untold)?;
        self.untold.drain(..len);
        Ok(())
    }
}
