// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines that log-cache had dropped before they were read.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use heka_core::codec::time::put_rfc3339;
use heka_core::report;

use super::client::Client;
use crate::failure::Failure;
use crate::meta::Meta;
use crate::session::Session;

/// Minimum interval between requests for information: the response covers all sources.
const PATIENCE: Duration = Duration::from_secs(5);
/// A newer line has not been dropped to make room for other sources.
pub(super) const FRESH: i64 = 60_000_000_000;

/// The result of one reading of a source.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Number of envelopes.
    pub(super) count: u64,
    /// Number of new ones among them.
    pub(super) fresh: u64,
    /// Time of the oldest.
    pub(super) oldest: Option<i64>,
}

impl Tally {
    /// Counts an envelope.
    pub(super) fn count(&mut self, timestamp: i64, is_new: bool) {
        self.count += 1;
        self.fresh += u64::from(is_new);
        self.oldest = Some(self.oldest.map_or(timestamp, |oldest| oldest.min(timestamp)));
    }
}

/// The state of a source since the last request for information.
#[derive(Clone, Copy, Debug)]
struct Base {
    /// Total number of its envelopes at that time.
    had: i64,
    /// Number of envelopes read since.
    read: u64,
    asked: Instant,
}

/// Detects lines that were dropped before they were read.
#[derive(Debug, Default)]
pub(super) struct Evictions {
    bases: RefCell<HashMap<String, Base>>,
}

impl Evictions {
    /// Checks a source after it was read again from a little before `until`, the time of the last
    /// envelope written: whether that one was dropped, and so perhaps some after it. Reports and
    /// counts losses.
    ///
    /// # Errors
    /// A signal, or the end of the output.
    pub(super) fn check(
        &self,
        session: &Session,
        client: &Client,
        source: &str,
        until: Option<i64>,
        tally: &Tally,
    ) -> Result<(), Failure> {
        if let Some(base) = self.bases.borrow_mut().get_mut(source) {
            base.read += tally.fresh;
        }
        // Written envelopes are repeated as long as they are kept, and the oldest are dropped
        // first.
        let (Some(until), Some(oldest)) = (until, tally.oldest) else { return Ok(()) };
        if oldest <= until || tally.fresh < tally.count {
            return Ok(());
        }
        let (url, from, to) = (client.url(), time(until), time(oldest));
        let kept = match self.ask(session, client, source) {
            Ok(kept) if kept.as_ref().is_some_and(|kept| kept.oldest <= until) => return Ok(()),
            Ok(kept) => kept,
            Err(stopped @ Failure::Stopped(_)) => return Err(stopped),
            Err(_) => {
                let text = format_args!("{url}: lines may be missing from {from} to {to}");
                report::repeated("missing lines", text);
                return Ok(());
            }
        };
        let what = match &kept {
            Some(kept) => format!("keeps only {} and has dropped older ones", kept.count),
            None => "has dropped lines before they were read".to_owned(),
        };
        let lost = kept.and_then(|kept| self.lost(source, &kept));
        let number = lost.map_or_else(String::new, |lost| format!("about {lost}, "));
        session.sink.lock().miss(u64::try_from(lost.unwrap_or(1)).unwrap_or(1).max(1));
        let text = format_args!(
            "{url}: lines are missing: log-cache {what} ({number}nothing from {from} to {to})"
        );
        report::repeated("missing lines", text);
        Ok(())
    }

    /// Handles a source that returned nothing, although it had just returned an envelope of the
    /// time `last`.
    pub(super) fn vanished(client: &Client, last: i64) {
        let (url, time) = (client.url(), time(last));
        let text = format_args!(
            "{url}: lines may be missing: log-cache has lost what it had given until {time}"
        );
        report::repeated("missing lines", text);
    }

    /// Requests the information about a source; `None` if that was done a moment ago.
    fn ask(
        &self,
        session: &Session,
        client: &Client,
        source: &str,
    ) -> Result<Option<Meta>, Failure> {
        let asked = self.bases.borrow().get(source).map(|base| base.asked);
        if asked.is_some_and(|asked| asked.elapsed() < PATIENCE) {
            return Ok(None);
        }
        let kept = client.meta(session)?.into_iter().find(|meta| meta.source == source);
        kept.map(Some).ok_or_else(|| Failure::NotFound(source.to_owned()))
    }

    /// Returns an upper bound on the source's envelopes since the last request that were not read:
    /// unwanted kinds count too. `None` the first time.
    fn lost(&self, source: &str, kept: &Meta) -> Option<i64> {
        let had = kept.count.saturating_add(kept.expired);
        let base = Base { had, read: 0, asked: Instant::now() };
        let before = self.bases.borrow_mut().insert(source.to_owned(), base)?;
        let read = i64::try_from(before.read).unwrap_or(i64::MAX);
        Some(had.saturating_sub(before.had).saturating_sub(read)).filter(|lost| *lost > 0)
    }
}

fn time(nanoseconds: i64) -> String {
    let mut text = Vec::new();
    put_rfc3339(&mut text, nanoseconds);
    String::from_utf8_lossy(&text).into_owned()
}
