// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a peer answers: frames without a message that confirm records (`--ack=peer`).

use heka_core::report;
use heka_core::wire::{Deframer, Header, More, Step};

use crate::place::Identity;
use crate::window::Window;

/// Longest frame that is understood.
const MAX_ANSWER: usize = 1024;

/// The answers on one connection.
#[derive(Debug)]
pub(crate) struct Answers {
    /// The beginning of a frame whose end has not come.
    rest: Vec<u8>,
    deframer: Deframer,
    /// Number of the last record that is confirmed.
    confirmed: u64,
}

impl Answers {
    /// On a new connection: everything up to record `confirmed` is.
    pub(crate) fn new(confirmed: u64) -> Self {
        Self { rest: Vec::new(), deframer: Deframer::new(MAX_ANSWER), confirmed }
    }

    /// Takes bytes that came, and tells the window what they confirm.
    ///
    /// # Errors
    /// In words, what the peer says that cannot be: its word is worth nothing then.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        peer: &str,
        window: &mut Window,
        mut identity: Option<&mut Identity>,
    ) -> Result<(), String> {
        self.rest.extend_from_slice(bytes);
        let mut done = 0;
        while let Some(rest) = self.rest.get(done..) {
            match self.deframer.next(rest, More::Idle) {
                Step::Frame(len, frame) => {
                    let Header { acknowledged, stream_id, .. } = frame.header;
                    if let Some(number) = acknowledged {
                        check(number, self.confirmed, window.written_until())?;
                        self.confirmed = number;
                        window.confirm_record(number);
                        if let (Some(identity), Some(run)) = (&mut identity, stream_id) {
                            identity.hear(run);
                        }
                    }
                    done += len;
                }
                Step::Damage(len, damage) => {
                    report::debug(format_args!("{peer}: {damage}"));
                    done += len;
                }
                Step::Need(len, _) => {
                    done += len;
                    break;
                }
            }
        }
        self.rest.drain(..done.min(self.rest.len()));
        Ok(())
    }
}

/// Whether a peer that has confirmed everything up to number `before` can confirm `number` when we
/// have written up to number `written`.
fn check(number: u64, before: u64, written: u64) -> Result<(), String> {
    if number > written {
        return Err(format!("confirms message {number}, but {written} is the last that it got"));
    }
    if number < before {
        return Err(format!("confirms message {number} after message {before}"));
    }
    Ok(())
}
