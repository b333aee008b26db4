// SPDX-License-Identifier: MIT OR Apache-2.0
//! Timers of a connection: pings at intervals, detection of silence.

use std::time::Instant;

use super::Options;
use crate::os::Deadline;
use crate::report::words::Span;

/// The reason why a connection is not being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// The reader of the output is stuck, which is not the peer's fault.
    Output,
    /// The peer does not accept data.
    Peer,
}

/// The state of a connection when the clock is checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// Number of bytes received.
    pub(super) bytes_in: u64,
    /// Number of bytes that the stream has accepted.
    pub(super) bytes_out: u64,
    /// Whether outgoing data is pending.
    pub(super) is_waiting: bool,
    pub(super) pause: Option<Pause>,
}

/// The action that is due.
#[derive(Debug)]
pub(super) enum Due {
    Nothing,
    /// Ping the peer.
    Ping,
    /// Send an unsolicited pong.
    Pong,
    /// Report that the peer is lost, with the cause.
    Lost(String),
    /// Report an idle timeout, with its description.
    Idle(String),
}

/// Times of the last activity and the next actions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    options: Options,
    next_ping: Deadline,
    /// Time of the first ping since the last data from the peer.
    pinged: Option<Instant>,
    last_message: Instant,
    bytes_in: u64,
    bytes_out: u64,
    heard_message: bool,
}

impl Clock {
    pub(super) fn new(options: &Options) -> Self {
        let now = Instant::now();
        Self {
            options: *options,
            next_ping: options.ping_interval.map(|interval| now + interval),
            pinged: None,
            last_message: now,
            bytes_in: 0,
            bytes_out: 0,
            heard_message: false,
        }
    }

    #[inline]
    pub(super) fn heard_message(&mut self) {
        self.heard_message = true;
    }

    /// Returns the earliest time at which something is due.
    pub(super) fn next(&self) -> Deadline {
        let silent = self.pinged.zip(self.options.ping_timeout);
        let idle = self.options.idle_timeout.map(|limit| self.last_message + limit);
        let all = [self.next_ping, silent.map(|(pinged, limit)| pinged + limit), idle];
        all.into_iter().flatten().min()
    }

    /// Returns what is due at `now`.
    pub(super) fn tick(&mut self, now: Instant, progress: Progress) -> Due {
        let Progress { bytes_in, bytes_out, is_waiting, pause } = progress;
        let heard = std::mem::replace(&mut self.bytes_in, bytes_in) != bytes_in;
        // While output is pending, a peer that accepts some of it is alive.
        let took = std::mem::replace(&mut self.bytes_out, bytes_out) != bytes_out && is_waiting;
        let is_stuck = pause == Some(Pause::Output);
        if heard || took || is_stuck {
            self.pinged = None;
        }
        let is_excused = is_stuck || (took && pause == Some(Pause::Peer));
        if std::mem::take(&mut self.heard_message) || is_excused {
            self.last_message = now;
        }
        if let (Some(pinged), Some(limit)) = (self.pinged, self.options.ping_timeout)
            && now >= pinged + limit
        {
            let cause = match pause {
                Some(Pause::Peer) => "the server takes nothing that is sent for",
                _ => "no answer to a ping for",
            };
            return Due::Lost(format!("{cause} {}", Span(limit)));
        }
        if let Some(limit) = self.options.idle_timeout
            && now >= self.last_message + limit
        {
            return Due::Idle(format!("no message for {}", Span(limit)));
        }
        if self.next_ping.is_none_or(|next| now < next) {
            return Due::Nothing;
        }
        self.next_ping = self.options.ping_interval.map(|interval| now + interval);
        if is_stuck {
            return Due::Pong;
        }
        self.pinged.get_or_insert(now);
        Due::Ping
    }
}
