// SPDX-License-Identifier: MIT OR Apache-2.0
//! Envelopes that a server sends all at once, as the parts of one answer.

use bytes::Bytes;
use heka_core::diag;
use url::Url;

use crate::endpoint;
use crate::envelope::{Envelope, Unreadable};
use crate::failure::Failure;
use crate::http::Answer;
use crate::multipart::{Parts, boundary};
use crate::session::Session;

/// What was read, and whether that was all.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// In the server's order.
    pub(crate) envelopes: Vec<Envelope>,
    /// The answer broke off.
    pub(crate) is_cut: bool,
}

impl Recent {
    /// The youngest `count` at most, sorted by time: equal times stay in the server's order.
    pub(crate) fn arrange(&mut self, sort: bool, count: Option<usize>) {
        if sort {
            self.envelopes.sort_by_key(|envelope| envelope.timestamp);
        }
        if let Some(count) = count {
            let surplus = self.envelopes.len().saturating_sub(count);
            self.envelopes.drain(..surplus);
        }
    }
}

/// Reads the parts of an answer. Parts that cannot be read are counted and skipped; what came
/// before a break is kept.
///
/// # Errors
/// If the answer has no parts at all, or a signal came.
pub(crate) fn read(
    session: &Session,
    url: &Url,
    answer: Answer,
    decode: fn(Bytes) -> Result<Envelope, Unreadable>,
) -> Result<Recent, Failure> {
    let content_type = answer.header("content-type").unwrap_or_default();
    let Some(boundary) = boundary(&content_type) else {
        let what = if content_type.is_empty() { "no content type" } else { "no boundary" };
        return Err(Failure::BadResponse(what.to_owned()));
    };
    let mut parts = Parts::new(answer.into_body(), &boundary, session.limits.max_message);
    let mut recent = Recent::default();
    loop {
        match parts.next_part() {
            Ok(None) => return Ok(recent),
            Ok(Some(part)) => match decode(part) {
                Ok(envelope) => recent.envelopes.push(envelope),
                Err(unreadable) => {
                    session
                        .sink
                        .lock()
                        .skip(format_args!("{}: {unreadable}", endpoint::shown(url)));
                }
            },
            Err(broken) => {
                if let Some(stop) = session.http.take_stop() {
                    return Err(Failure::Stopped(stop));
                }
                let url = endpoint::shown(url);
                diag::warning(format_args!("{url}: the response ended early: {broken}"));
                recent.is_cut = true;
                return Ok(recent);
            }
        }
    }
}
