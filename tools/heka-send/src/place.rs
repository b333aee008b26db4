// SPDX-License-Identifier: MIT OR Apache-2.0
//! Announces the numbers of records to peers that acknowledge them.
//!
//! A frame without a message carries the stream and the number of the record before it
//! (heka-stream(5)). It is sent first on every connection, and then from time to time, so that a
//! peer that lost count acknowledges again: when everything is written and nothing was acknowledged
//! for a while, at the end, and every [`TELL_EVERY`] bytes. The first one also proves ownership of
//! the stream.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::window::Window;
use heka_core::delivery::claim::{CLAIM_SIZE, NOBODY, StreamKey};
use heka_core::report::Stop;
use heka_core::wire::{Header, put_frame};

/// Number of bytes of records between two numbers.
const TELL_EVERY: u64 = 1 << 20;
/// Time for a peer that has everything to acknowledge it before the number is sent again.
const SOON: Duration = Duration::from_millis(5);

/// The identity of a stream of records towards the peers of one target.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    id: [u8; 16],
    key: Arc<StreamKey>,
    /// The run of the receiver that answered last.
    heard: [u8; 16],
}

impl Identity {
    pub(crate) fn new(id: [u8; 16], seed: &[u8; 32]) -> Result<Self, Stop> {
        Ok(Self { id, key: Arc::new(StreamKey::from_seed(seed)?), heard: NOBODY })
    }

    /// Returns the identity for another target: two targets may be the same receiver.
    pub(crate) fn for_target(&self, index: usize) -> Self {
        let index = (index as u64).to_be_bytes();
        let mut identity = self.clone();
        identity.id.iter_mut().rev().zip(index.iter().rev()).for_each(|(to, more)| *to ^= more);
        identity
    }

    /// Whether any receiver has named its run, which means that it acknowledges.
    pub(crate) fn is_heard(&self) -> bool {
        self.heard != NOBODY
    }

    /// Notes the run that a receiver names.
    pub(crate) fn hear(&mut self, run: &[u8]) {
        self.heard = run.try_into().unwrap_or(self.heard);
    }
}

/// The number that the peer was sent.
#[derive(Debug)]
struct Told {
    /// Number of the last record before it.
    number: u64,
    /// Number of bytes of records written before it.
    written: u64,
    at: Instant,
}

/// The position in the stream of records, for the peer of one connection.
#[derive(Debug)]
pub(crate) struct Place {
    /// `None` if the peer is sent no numbers.
    pub(crate) identity: Option<Identity>,
    /// The highest number that had ever been sent when the connection was made.
    sent: u64,
    /// The last number sent to the peer.
    told: Option<Told>,
    /// The part of it that has not been written yet.
    untold: Vec<u8>,
}

impl Place {
    /// Creates the state of a new connection; `sent` is the highest number that was ever sent.
    pub(crate) fn new(identity: Option<Identity>, sent: u64) -> Self {
        Self { identity, sent, told: None, untold: Vec::new() }
    }

    /// Whether part of a number has to be written before the next record.
    pub(crate) fn is_pending(&self) -> bool {
        !self.untold.is_empty()
    }

    /// Whether a number should be sent now. `last` is the last record for this connection, on which
    /// `written` bytes have been written. Nothing was acknowledged since `idle`; `at_end` says that
    /// no more records will be added.
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
        // A peer that gets no records need not be asked.
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

    /// Returns when to send a number even if there is no record to write.
    pub(crate) fn again_at(&self, window: &Window, idle: Instant) -> Option<Instant> {
        let told = self.told.as_ref()?;
        let is_waiting = !window.has_unwritten() && self.is_news(window);
        is_waiting.then(|| idle.max(told.at) + SOON)
    }

    /// Whether the number has changed and the peer has something to acknowledge.
    fn is_news(&self, window: &Window) -> bool {
        let number = self.told.as_ref().map(|told| told.number);
        number != Some(window.written_until()) && window.unacknowledged() > 0
    }

    /// Prepares the number of the record before the next one.
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
