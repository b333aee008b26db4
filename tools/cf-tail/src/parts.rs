// SPDX-License-Identifier: MIT OR Apache-2.0
//! Envelopes that a server sends all at once, as the parts of one response.

use bytes::Bytes;
use heka_core::report::{self, Stop};
use url::Url;

use crate::endpoint;
use crate::envelope::{Envelope, Unreadable};
use crate::failure::Failure;
use crate::http::Answer;
use crate::multipart::{Parts, boundary};
use crate::session::Session;

/// Maximum size of a response in memory, in bytes: servers keep a hundred messages, a few thousand
/// at most.
const MAX_HELD: usize = 256 << 20;

/// The envelopes of a response, and whether it was complete.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// The envelopes, in the server's order.
    pub(crate) envelopes: Vec<Envelope>,
    /// Whether the response broke off.
    pub(crate) is_cut: bool,
    /// The signal that came before everything was read.
    pub(crate) stopped: Option<Stop>,
    held: usize,
}

impl Recent {
    /// Adds an envelope of `len` bytes.
    ///
    /// # Errors
    /// If there is no room for it.
    pub(crate) fn push(&mut self, envelope: Envelope, len: usize) -> Result<(), &'static str> {
        self.held = self.held.saturating_add(len + size_of::<Envelope>());
        if self.held > MAX_HELD {
            return Err("more than 256 MiB");
        }
        self.envelopes.push(envelope);
        Ok(())
    }

    /// Notes that the response broke off, with the cause.
    pub(crate) fn cut(&mut self, url: &Url, why: impl std::fmt::Display) {
        let url = endpoint::shown(url);
        report::warning(format_args!("{url}: the response ended early: {why}"));
        self.is_cut = true;
    }

    /// Sorts by time (equal times stay in the server's order) and keeps the newest `count` that are
    /// wanted. Returns the earlier ones.
    pub(crate) fn arrange(
        &mut self,
        sort: bool,
        count: Option<usize>,
        is_wanted: impl Fn(&Envelope) -> bool,
    ) -> Vec<Envelope> {
        if sort {
            self.envelopes.sort_by_key(|envelope| envelope.timestamp);
        }
        let Some(count) = count else { return Vec::new() };
        let wanted: Vec<usize> = (0..)
            .zip(&self.envelopes)
            .filter(|(_, envelope)| is_wanted(envelope))
            .map(|(at, _)| at)
            .collect();
        let last_surplus = wanted.len().checked_sub(count + 1).and_then(|at| wanted.get(at));
        let surplus = last_surplus.map_or(0, |at| at + 1);
        self.envelopes.drain(..surplus).collect()
    }
}

/// Reads the parts of a response. Malformed parts are counted and skipped; parts before a break are
/// kept.
///
/// # Errors
/// If the response has no parts at all.
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
            Ok(Some(part)) => {
                let len = part.len();
                match decode(part).map(|envelope| recent.push(envelope, len)) {
                    Ok(Ok(())) => continue,
                    Ok(Err(full)) => recent.cut(url, full),
                    Err(unreadable) => {
                        let mut sink = session.sink.lock();
                        sink.skip(format_args!("{}: {unreadable}", endpoint::shown(url)));
                        continue;
                    }
                }
            }
            Err(broken) => match session.http.take_stop() {
                Some(stop) => recent.stopped = Some(stop),
                None => recent.cut(url, broken),
            },
        }
        return Ok(recent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_fill_the_memory() {
        let mut recent = Recent::default();
        assert!(recent.push(Envelope::default(), MAX_HELD / 2).is_ok());
        assert!(recent.push(Envelope::default(), MAX_HELD / 2).is_err());
        assert!(recent.push(Envelope::default(), usize::MAX - MAX_HELD).is_err());
        assert_eq!(recent.envelopes.len(), 1);
    }

    #[test]
    fn the_youngest_that_are_wanted_stay_and_equal_times_in_their_order() {
        let envelope = |timestamp, source: &'static str| Envelope {
            timestamp,
            source_id: Some(source.into()),
            ..Envelope::default()
        };
        let all = || Recent {
            envelopes: vec![envelope(3, "a"), envelope(1, "b"), envelope(3, "c"), envelope(2, "d")],
            ..Recent::default()
        };
        let names = |envelopes: &[Envelope]| -> String {
            let names = envelopes.iter().flat_map(|envelope| envelope.source_id.clone());
            names.map(|name| String::from_utf8_lossy(&name).into_owned()).collect()
        };
        for (sort, count, wanted, kept, passed) in [
            (true, None, "abcd", "bdac", ""),
            (false, None, "abcd", "abcd", ""),
            (true, Some(2), "abcd", "ac", "bd"),
            (false, Some(3), "abcd", "bcd", "a"),
            (true, Some(0), "abcd", "", "bdac"),
            (true, Some(9), "abcd", "bdac", ""),
            (true, Some(1), "bd", "dac", "b"),
            (true, Some(1), "", "bdac", ""),
        ] {
            let mut recent = all();
            let is_wanted =
                |envelope: &Envelope| wanted.contains(&names(std::slice::from_ref(envelope)));
            let over = recent.arrange(sort, count, is_wanted);
            assert_eq!((names(&recent.envelopes).as_str(), names(&over).as_str()), (kept, passed));
        }
    }
}
