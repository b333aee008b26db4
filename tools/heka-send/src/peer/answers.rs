// SPDX-License-Identifier: MIT OR Apache-2.0
//! The answers of a peer: frames without a message that acknowledge records (`--ack=peer`).

use std::time::Instant;

use heka_core::delivery::Refusal;
use heka_core::net::tls;
use heka_core::record::{Found, More, Progress, Splitter};
use heka_core::report;
use heka_core::wire::Header;

use crate::peer::over::{End, Over};
use crate::place::Identity;
use crate::plan::Refused;
use crate::refusals;
use crate::window::Window;

/// Maximum length of a frame.
const MAX_ANSWER: usize = 1024;

/// The answers on one connection.
#[derive(Debug)]
pub(crate) struct Answers {
    /// The beginning of an incomplete frame.
    rest: Vec<u8>,
    splitter: Splitter,
    progress: Progress,
    /// Whether the peer has sent anything.
    has_begun: bool,
    /// When the peer was asked for its first answer.
    asked: Option<Instant>,
    /// Whether the peer has answered.
    heard: bool,
    /// Number of the last acknowledged record.
    acknowledged: u64,
    refused: Refused,
}

impl Answers {
    /// Creates the state of a new connection.
    pub(crate) fn new(refused: Refused) -> Self {
        let splitter = Splitter::frames(MAX_ANSWER);
        let progress = Progress::default();
        let rest = Vec::new();
        let (has_begun, asked, heard, acknowledged) = (false, None, false, 0);
        Self { rest, splitter, progress, has_begun, asked, heard, acknowledged, refused }
    }

    /// Sets the number of the last record acknowledged before the connection.
    pub(crate) fn begin(&mut self, acknowledged: u64) {
        self.acknowledged = acknowledged;
    }

    /// Whether the first bytes received are a TLS alert.
    pub(crate) fn begin_with_alert(&mut self, bytes: &[u8]) -> bool {
        !std::mem::replace(&mut self.has_begun, true) && tls::is_alert(bytes)
    }

    /// Whether the peer has answered, even if it acknowledged no record yet.
    pub(crate) fn are_heard(&self) -> bool {
        self.heard
    }

    /// Whether the peer may be asked. A peer that never answers is asked only once: to a hekad each
    /// request is an empty message.
    pub(super) fn may_be_asked(&self) -> bool {
        self.heard || self.asked.is_none()
    }

    /// Notes that the peer is asked.
    pub(super) fn ask(&mut self) {
        self.asked.get_or_insert_with(Instant::now);
    }

    /// Returns when the peer was asked, as long as it has not answered.
    pub(super) fn awaited_since(&self) -> Option<Instant> {
        self.asked.filter(|_| !self.heard)
    }

    /// Processes received bytes, and passes acknowledgements to the window.
    ///
    /// # Errors
    /// If the peer sends an impossible answer, after which it cannot be trusted; or if it refuses a
    /// record that must not be skipped.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        peer: &str,
        window: &mut Window,
        mut identity: Option<&mut Identity>,
    ) -> Result<(), Over> {
        self.rest.extend_from_slice(bytes);
        let mut records = self.splitter.records(&self.rest, &mut self.progress, More::Idle);
        for found in records.by_ref() {
            match found {
                Found::Frame(frame) => {
                    let answer = frame.header;
                    if let Some(number) = answer.acknowledged {
                        // A refusal is an answer too.
                        self.heard = true;
                        if let (Some(identity), Some(run)) = (&mut identity, answer.stream_id) {
                            identity.hear(run);
                        }
                        settle(
                            &mut self.acknowledged,
                            self.refused,
                            number,
                            &answer,
                            peer,
                            window,
                        )?;
                    }
                }
                Found::Damage(damage) => report::debug(format_args!("{peer}: {damage}")),
                Found::Record(_) => {}
            }
        }
        let done = records.done();
        self.rest.drain(..done);
        Ok(())
    }
}

/// Processes an acknowledgement of everything up to `number`, or a refusal of the last records
/// before it.
fn settle(
    acknowledged: &mut u64,
    refused: Refused,
    number: u64,
    answer: &Header<'_>,
    peer: &str,
    window: &mut Window,
) -> Result<(), Over> {
    let wrong = |cause: String| Over::new(End::Wrong, cause);
    check(number, *acknowledged, window.written_until()).map_err(wrong)?;
    let Some(reason) = answer.refused.map(Refusal::from) else {
        *acknowledged = number;
        window.acknowledge_record(number);
        return Ok(());
    };
    let count = answer.refused_count.unwrap_or(1);
    if count == 0 {
        return Err(wrong(format!("refuses no message before message {number}")));
    }
    let Some(before) = number.checked_sub(count).filter(|before| before >= acknowledged) else {
        let cause = format!("refuses {count} messages up to {number} after message {acknowledged}");
        return Err(wrong(cause));
    };
    if refused == Refused::Stop {
        window.acknowledge_record(before);
        let over = Over::new(End::Refused, refusals::words(number, count, reason));
        return Err(over.hint("--refused=skip skips such messages"));
    }
    *acknowledged = number;
    refusals::tell(peer, number, count, reason);
    window.refuse_records(number, count);
    Ok(())
}

/// Checks that a peer that has acknowledged everything up to number `before` may acknowledge
/// `number` when everything up to number `written` has been written.
fn check(number: u64, before: u64, written: u64) -> Result<(), String> {
    if number > written {
        return Err(format!(
            "acknowledges message {number}, but {written} is the last that it got"
        ));
    }
    if number < before {
        return Err(format!("acknowledges message {number} after message {before}"));
    }
    Ok(())
}
