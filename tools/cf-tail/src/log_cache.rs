// SPDX-License-Identifier: MIT OR Apache-2.0
//! log-cache: what it keeps of a source, page by page, and following by asking again and again.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use heka_core::diag::{self, Limiter};
use heka_core::exit::Stop;
use serde_json::Value as Json;
use url::Url;

use crate::endpoint;
use crate::envelope::{Envelope, Kind, read_batch};
use crate::failure::Failure;
use crate::http::Answer;
use crate::intake::Intake;
use crate::parts::Recent;
use crate::seen::{Key, Seen};
use crate::server::{Live, Server};
use crate::session::Session;

/// Most envelopes that log-cache gives at once.
pub(crate) const MAX_PAGE: usize = 1000;
/// Time between questions, when there was nothing new, and after a minute of nothing.
const POLL: Duration = Duration::from_millis(250);
const IDLE_POLL: Duration = Duration::from_secs(2);
const IDLE_AFTER: Duration = Duration::from_secs(60);
/// The time that Go's clients send for "from the beginning".
const BEGINNING: i64 = -6_795_364_578_871_345_152;
/// How many envelopes of one round are remembered, before those of earlier pages are forgotten.
const CROWD: usize = 50_000;
/// How often a request is made again with a smaller page, or later.
const MAX_TRIES: u32 = 12;
/// How many questions in a row may fail while following, as in cf, before it is the connection that
/// has failed.
const MAX_TROUBLE: u32 = 4;

/// A server and a source.
#[derive(Debug)]
pub(crate) struct LogCache {
    base: Url,
    source: String,
    past: Past,
    /// `api/v1`, or `v1` on old servers; empty until the server was asked.
    root: RefCell<String>,
    page: Cell<usize>,
    evicted: RefCell<Limiter>,
    /// What could not be read, by its hash: it comes again with every page that it is in.
    damaged: RefCell<HashSet<u64>>,
}

/// How much of the past is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Past {
    /// So many of the youngest envelopes.
    pub(crate) count: usize,
    /// And all that following will read again, so that it is known then.
    pub(crate) is_joined: bool,
}

/// What the server gave, and whether there may be more of it.
struct Page {
    envelopes: Vec<Envelope>,
    is_full: bool,
}

/// What to ask for.
#[derive(Clone, Copy, Debug)]
struct Question {
    start: i64,
    end: Option<i64>,
    descending: bool,
    limit: usize,
}

impl LogCache {
    /// `base` has the scheme `http` or `https`.
    pub(crate) fn new(base: Url, source: String, past: Past) -> Self {
        Self {
            base,
            source,
            past,
            root: RefCell::default(),
            page: Cell::new(MAX_PAGE),
            evicted: RefCell::default(),
            damaged: RefCell::default(),
        }
    }

    /// Whether a log-cache answers there at all.
    pub(crate) fn answers(&self, session: &Session) -> Result<bool, Failure> {
        let answer = session.http.get(&self.info_url(), None, &[])?;
        let is_there = answer.status == 200;
        let body = answer.read()?;
        if is_there {
            self.set_root(is_new(&body));
        }
        Ok(is_there)
    }

    /// The path that all requests share: it depends on the server's version.
    fn root(&self, session: &Session) -> Result<String, Failure> {
        if self.root.borrow().is_empty() {
            let url = self.info_url();
            let answer = session.authorized(|token| session.http.get(&url, token, &[]))?;
            let status = answer.status;
            // Servers before 2.0 have no such page.
            let is_new = status == 200 && is_new(&answer.read()?);
            if !matches!(status, 200 | 404) {
                return Err(Failure::of_status(status, b"", None));
            }
            self.set_root(is_new);
        }
        Ok(self.root.borrow().clone())
    }

    fn info_url(&self) -> Url {
        endpoint::at(&self.base, &["api", "v1", "info"], false)
    }

    fn set_root(&self, is_new: bool) {
        let root = if is_new { "api/v1" } else { "v1" };
        root.clone_into(&mut self.root.borrow_mut());
    }

    /// Where to ask for `path`.
    fn place(&self, session: &Session, path: &[&str]) -> Result<Url, Failure> {
        let root = self.root(session)?;
        Ok(endpoint::at(
            &endpoint::at(&self.base, &root.split('/').collect::<Vec<_>>(), false),
            path,
            false,
        ))
    }

    /// Asks, with smaller pages and later where the server is busy.
    fn ask(&self, session: &Session, question: Question) -> Result<Page, Failure> {
        let mut url = self.place(session, &["read", &self.source])?;
        for _ in 0..MAX_TRIES {
            let limit = question.limit.min(self.page.get());
            set_query(&mut url, session, Question { limit, ..question });
            let answer = session.authorized(|token| session.http.get(&url, token, &[])?.accepted());
            match answer {
                Ok(answer) => {
                    let envelopes = self.read(session, answer)?;
                    return Ok(Page { is_full: envelopes.len() >= limit, envelopes });
                }
                Err(failure @ Failure::Refused { status: 429, .. }) if limit > 1 => {
                    self.page.set(limit / 2);
                    diag::note(format_args!(
                        "{}: busy, asking for {} at once",
                        self.url(),
                        limit / 2
                    ));
                    session.pause(failure.wait_wanted().unwrap_or(POLL))?;
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::of_status(429, b"too many requests", None))
    }

    fn read(&self, session: &Session, answer: Answer) -> Result<Vec<Envelope>, Failure> {
        let body = answer.read()?;
        let batch = read_batch(&body).map_err(Failure::BadResponse)?;
        let mut known = self.damaged.borrow_mut();
        if known.len() > CROWD {
            known.clear();
        }
        for damaged in batch.damaged {
            if known.insert(damaged.hash) {
                session.sink.lock().skip(format_args!("{}: {}", self.url(), damaged.error));
            }
        }
        // The server grows its page again with success, slowly.
        self.page.set((self.page.get() + self.page.get() / 4 + 1).min(MAX_PAGE));
        Ok(batch.envelopes)
    }

    /// The youngest envelopes that are kept, oldest first.
    fn youngest(&self, session: &Session) -> Result<Recent, Failure> {
        let Past { count, is_joined } = self.past;
        let window = session.limits.delay.as_nanos();
        let mut recent = Recent::default();
        let mut end = None;
        loop {
            let left = count.saturating_sub(recent.envelopes.len());
            let times = (recent.envelopes.first(), recent.envelopes.last());
            let is_in_window = matches!(times, (Some(newest), Some(oldest)) if
                u128::from(newest.timestamp.abs_diff(oldest.timestamp)) <= window);
            if left == 0 && !(is_joined && is_in_window) {
                break;
            }
            let limit = if left == 0 { MAX_PAGE } else { left.min(MAX_PAGE) };
            let page =
                self.ask(session, Question { start: BEGINNING, end, descending: true, limit })?;
            let oldest = page.envelopes.iter().map(|envelope| envelope.timestamp).min();
            recent.envelopes.extend(page.envelopes);
            if !page.is_full || oldest.is_none() || oldest == end {
                break;
            }
            end = oldest;
        }
        if !is_joined {
            // A page may be longer than asked for, if equal times stand at its end.
            recent.envelopes.truncate(count);
        }
        recent.envelopes.reverse();
        Ok(recent)
    }

    /// Everything from `start` on, page by page, each handed on as it comes.
    fn walk(
        &self,
        session: &Session,
        mut start: i64,
        mut take: impl FnMut(Vec<Envelope>) -> Result<(), Stop>,
    ) -> Result<usize, Failure> {
        let mut count = 0;
        loop {
            let question = Question { start, end: None, descending: false, limit: MAX_PAGE };
            let page = self.ask(session, question)?;
            count += page.envelopes.len();
            let last = page.envelopes.iter().map(|envelope| envelope.timestamp).max();
            take(page.envelopes)?;
            match last {
                // A server that does not go on is not asked for ever.
                Some(last) if page.is_full && last >= start => start = last.saturating_add(1),
                _ => return Ok(count),
            }
        }
    }

    /// Asks again and again, each time from a little before the youngest envelope, so that late
    /// ones are seen.
    fn follow(&self, session: &Session, intake: &mut Intake) -> Result<Infallible, Failure> {
        // What was read before, or before the connection broke, is written already.
        let mut written = intake.lend();
        let outcome = self.ask_on(session, intake, &mut written);
        intake.take_back(written);
        outcome
    }

    fn ask_on(
        &self,
        session: &Session,
        intake: &mut Intake,
        written: &mut Seen,
    ) -> Result<Infallible, Failure> {
        let window = i64::try_from(session.limits.delay.as_nanos()).unwrap_or(i64::MAX);
        let mut quiet_since = Instant::now();
        let mut trouble = 0;
        if intake.newest.is_none() {
            intake.newest = self.pass_over(session, window, written)?;
        }
        loop {
            // A line from the future must not hide those of the present.
            let now = heka_core::clock::now_ns();
            let start =
                intake.newest.map_or(BEGINNING, |newest| newest.min(now).saturating_sub(window));
            written.forget_before(start);
            match self.round(session, intake, written, start) {
                Ok(fresh) => {
                    trouble = 0;
                    if fresh > 0 {
                        quiet_since = Instant::now();
                    }
                }
                // Nothing is lost by it: the next question begins where this one did.
                Err(failure) if failure.is_worth_retrying() && trouble < MAX_TROUBLE => {
                    trouble += 1;
                    diag::warning(format_args!("{}: {failure}; asking again", self.url()));
                    session.pause(failure.wait_wanted().unwrap_or(POLL * 2_u32.pow(trouble)))?;
                    continue;
                }
                Err(failure) => return Err(failure),
            }
            let quiet = quiet_since.elapsed() > IDLE_AFTER;
            session.pause(if quiet { IDLE_POLL } else { POLL })?;
        }
    }

    /// Reads from `start` to the end and writes what is new: how many those are.
    fn round(
        &self,
        session: &Session,
        intake: &mut Intake,
        written: &mut Seen,
        start: i64,
    ) -> Result<usize, Failure> {
        let mut fresh = 0;
        let mut round = Seen::default();
        let before = intake.newest;
        let count = self.walk(session, start, |page| {
            if round.len() > CROWD {
                // Pages only go forward: what is older than this one does not come again.
                let oldest = page.iter().map(|envelope| envelope.timestamp).min();
                round.forget_before(oldest.unwrap_or(i64::MAX));
            }
            for mut envelope in page {
                let key = Key::of(&envelope);
                round.add(key);
                if round.count(key) <= written.count(key) {
                    continue;
                }
                written.add(key);
                fresh += 1;
                envelope.is_late = before.is_some_and(|before| envelope.timestamp < before);
                intake.newest = intake.newest.max(Some(envelope.timestamp));
                session.sink.lock().put_waiting(&envelope)?;
            }
            Ok(())
        })?;
        if count >= MAX_PAGE {
            self.warn_of_gap(session, before)?;
        }
        Ok(fresh)
    }

    /// What is there already is not wanted: the time of the youngest envelope. By the server's
    /// clock, for ours may be another one.
    fn pass_over(
        &self,
        session: &Session,
        window: i64,
        written: &mut Seen,
    ) -> Result<Option<i64>, Failure> {
        let youngest = Question { start: BEGINNING, end: None, descending: true, limit: 1 };
        let page = self.ask(session, youngest)?;
        let Some(newest) = page.envelopes.iter().map(|envelope| envelope.timestamp).max() else {
            return Ok(None);
        };
        self.walk(session, newest.saturating_sub(window), |page| {
            let old = page.iter().filter(|envelope| envelope.timestamp <= newest);
            old.for_each(|envelope| written.add(Key::of(envelope)));
            Ok(())
        })?;
        Ok(Some(newest))
    }

    /// Warns if the server has thrown away what was not read yet.
    fn warn_of_gap(&self, session: &Session, read_until: Option<i64>) -> Result<(), Failure> {
        let all = match self.meta(session) {
            Ok(all) => all,
            Err(stopped @ Failure::Stopped(_)) => return Err(stopped),
            // It would only have made a warning.
            Err(_) => return Ok(()),
        };
        let kept = all.into_iter().find(|meta| meta.source == self.source);
        if let (Some(meta), Some(until)) = (kept, read_until)
            && meta.oldest > until
        {
            let url = self.url();
            self.evicted.borrow_mut().warning(format_args!(
                "{url}: lines are missing: log-cache keeps only {} and has dropped older ones",
                meta.count
            ));
        }
        Ok(())
    }

    /// Everything that is kept since a time.
    ///
    /// # Errors
    /// If the server does not tell.
    pub(crate) fn since(&self, session: &Session, start: i64) -> Result<Recent, Failure> {
        let mut recent = Recent::default();
        self.walk(session, start, |page| {
            recent.envelopes.extend(page);
            Ok(())
        })?;
        Ok(recent)
    }

    /// What is kept of each source.
    ///
    /// # Errors
    /// If the server does not tell.
    pub(crate) fn meta(&self, session: &Session) -> Result<Vec<Meta>, Failure> {
        let url = self.place(session, &["meta"])?;
        let answer = session.authorized(|token| session.http.get(&url, token, &[])?.accepted())?;
        let json: Json = serde_json::from_slice(&answer.read()?)
            .map_err(|error| Failure::BadResponse(error.to_string()))?;
        let meta = json.get("meta").and_then(Json::as_object);
        let mut all: Vec<Meta> =
            meta.into_iter().flatten().map(|(source, json)| Meta::new(source, json)).collect();
        all.sort_by(|a, b| a.source.cmp(&b.source));
        Ok(all)
    }
}

fn set_query(url: &mut Url, session: &Session, question: Question) {
    let mut query = url.query_pairs_mut();
    query.clear();
    if question.descending {
        query.append_pair("descending", "true");
    }
    for (kind, name) in TYPES {
        if session.wants(kind) && !session.kinds.is_empty() {
            query.append_pair("envelope_types", name);
        }
    }
    query.append_pair("limit", &question.limit.to_string());
    query.append_pair("start_time", &question.start.to_string());
    if let Some(end) = question.end {
        query.append_pair("end_time", &end.to_string());
    }
}

const TYPES: [(Kind, &str); 5] = [
    (Kind::Log, "LOG"),
    (Kind::Counter, "COUNTER"),
    (Kind::Gauge, "GAUGE"),
    (Kind::Timer, "TIMER"),
    (Kind::Event, "EVENT"),
];

/// Whether an answer to `info` is that of version 2 or later.
fn is_new(body: &[u8]) -> bool {
    let json: Json = serde_json::from_slice(body).unwrap_or_default();
    let version = json.get("version").and_then(Json::as_str).unwrap_or_default();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_none_or(|major| major >= 2)
}

/// What is kept of a source.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) source: String,
    pub(crate) count: i64,
    pub(crate) expired: i64,
    /// Nanoseconds since 1970.
    pub(crate) oldest: i64,
    pub(crate) newest: i64,
}

impl Meta {
    /// In either case of names; what is zero may be absent.
    fn new(source: &str, json: &Json) -> Self {
        let number = |snake: &str, camel: &str| match json.get(snake).or_else(|| json.get(camel)) {
            Some(Json::String(digits)) => digits.parse().unwrap_or_default(),
            Some(number) => number.as_i64().unwrap_or_default(),
            None => 0,
        };
        Self {
            source: source.to_owned(),
            count: number("count", "count"),
            expired: number("expired", "expired"),
            oldest: number("oldest_timestamp", "oldestTimestamp"),
            newest: number("newest_timestamp", "newestTimestamp"),
        }
    }
}

impl Server for LogCache {
    fn name(&self) -> &'static str {
        "log-cache"
    }

    fn url(&self) -> String {
        endpoint::shown(&self.base)
    }

    fn open<'a>(&'a self, session: &'a Session) -> Result<Live<'a>, Failure> {
        self.root(session)?;
        Ok(Box::new(move |intake: &mut Intake| {
            let Err(failure) = self.follow(session, intake);
            failure
        }))
    }

    fn recent(&self, session: &Session) -> Result<Recent, Failure> {
        self.youngest(session)
    }

    fn fills_gaps(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_servers_have_another_path() {
        assert!(is_new(br#"{"version":"3.0.11","vm_uptime":"789"}"#));
        assert!(is_new(b"{}") && !is_new(br#"{"version":"1.4.7"}"#));
    }

    #[test]
    fn what_is_kept_is_told_in_either_case() {
        let json = serde_json::json!({"count": "7", "oldestTimestamp": "5", "newest_timestamp": 9});
        let meta = Meta::new("s", &json);
        assert_eq!((meta.count, meta.expired, meta.oldest, meta.newest), (7, 0, 5, 9));
    }
}
