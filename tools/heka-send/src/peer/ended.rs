// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages about the end of a connection.

use heka_core::report::words::Count;
use heka_core::report::{self, Status, Stop};

use crate::peer::over::{End, Over};

/// Hint on how to protect messages that a peer's kernel had accepted.
const SAFER: &str = "--resend=8M sends them again, --ack=peer waits until heka-listen has them";

/// The end of a connection, and what is left of it.
#[derive(Debug)]
pub(super) struct Ended<'a> {
    pub(super) name: &'a str,
    pub(super) over: &'a Over,
    /// Number of messages that will be sent again.
    pub(super) unacknowledged: u64,
    /// Number of messages that the peer's kernel has acknowledged but the peer may not have read.
    pub(super) in_doubt: u64,
}

impl Ended<'_> {
    /// Whether it was the last connection, as nothing is left to send.
    pub(super) fn is_last(&self, at_end: bool) -> bool {
        at_end && self.unacknowledged == 0
    }

    /// Counts it, unless nothing was left to send and nothing failed.
    pub(super) fn count(&self, at_end: bool) {
        if !self.is_last(at_end) || self.over.end.is_a_fault() {
            self.over.count();
        }
    }

    /// Returns `ADDRESS: CAUSE` with the number of messages concerned.
    pub(super) fn failure(&self) -> String {
        let mut text = format!("{}: {}", self.name, self.over.fault.cause);
        if self.unacknowledged > 0 {
            text += &format!(", {} unacknowledged", Count(self.unacknowledged, "message"));
        }
        if self.in_doubt > 0 {
            text += &format!(", {} in doubt", Count(self.in_doubt, "message"));
        }
        text
    }

    /// Returns a hint on what could help.
    pub(super) fn hint(&self) -> Option<&str> {
        let is_unread = self.in_doubt > 0 && self.over.end == End::Broken;
        self.over.fault.hint.as_deref().or(is_unread.then_some(SAFER))
    }

    /// Reports that it ended with nothing left to send.
    pub(super) fn tell(&self) {
        report::note(format_args!("{}: closed", self.name));
        if self.over.end.is_a_fault() || self.in_doubt > 0 {
            report::warning(self.failure());
            self.hint().iter().for_each(report::hint);
        }
    }
}

/// Ends with this status, and reports the number of undelivered messages.
pub(super) fn undelivered(count: u64, status: Status) -> Stop {
    if count > 0 {
        report::error(format_args!("{} not delivered", Count(count, "message")));
    }
    Stop::Said(status)
}
