// SPDX-License-Identifier: MIT OR Apache-2.0
//! log-cache: what it keeps of a source, page by page, and following by asking again and again.

mod poll;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::time::Duration;

use heka_core::report;
use serde_json::Value as Json;
use url::Url;

use crate::endpoint;
use crate::envelope::{Envelope, Kind, read_batch};
use crate::failure::Failure;
use crate::http::Answer;
use crate::intake::Intake;
use crate::meta::Meta;
use crate::parts::Recent;
use crate::server::{Live, Server};
use crate::session::Session;

/// Most envelopes that log-cache gives at once.
pub(crate) const MAX_PAGE: usize = 1000;
/// Time between questions, when there was nothing new.
const POLL: Duration = Duration::from_millis(250);
/// The time that Go's clients send for "from the beginning".
const BEGINNING: i64 = -6_795_364_578_871_345_152;
/// How many envelopes of one round are remembered, before those of earlier pages are forgotten.
const CROWD: usize = 50_000;
/// How often a request is made again with a smaller page, or later.
const MAX_TRIES: u32 = 12;

/// A server and a source.
#[derive(Debug)]
pub(crate) struct LogCache {
    base: Url,
    source: String,
    past: Past,
    /// `api/v1`, or `v1` on old servers; empty until the server was asked.
    root: RefCell<String>,
    page: Cell<usize>,
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
    /// How many there were, with those that cannot be read.
    count: usize,
    /// Bytes of its document for each.
    size: usize,
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
            let answer = session.authorized(|token| {
                let answer = session.http.get(&url, token, &[])?;
                // Servers before 2.0 have no such page.
                if answer.status == 404 { Ok(answer) } else { answer.accepted() }
            })?;
            let is_new = answer.status == 200 && is_new(&answer.read()?);
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
                    let page = self.read(session, answer)?;
                    return Ok(Page { is_full: page.count >= limit, ..page });
                }
                Err(failure @ Failure::Refused { status: 429, .. }) if limit > 1 => {
                    self.page.set(limit / 2);
                    report::note(format_args!(
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

    fn read(&self, session: &Session, answer: Answer) -> Result<Page, Failure> {
        let body = answer.read()?;
        let batch = read_batch(&body).map_err(Failure::BadResponse)?;
        let count = batch.envelopes.len() + batch.damaged.len();
        let size = body.len() / count.max(1);
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
        Ok(Page { envelopes: batch.envelopes, count, size, is_full: false })
    }

    /// The youngest envelopes that are kept, oldest first.
    fn youngest(&self, session: &Session) -> Result<Recent, Failure> {
        let Past { count, is_joined } = self.past;
        let window = session.limits.delay.as_nanos();
        let mut recent = Recent::default();
        let mut end = None;
        'pages: loop {
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
            for envelope in page.envelopes {
                if let Err(full) = recent.push(envelope, page.size) {
                    recent = recent.cut(&self.base, full);
                    break 'pages;
                }
            }
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
        mut take: impl FnMut(Page) -> Result<(), Failure>,
    ) -> Result<usize, Failure> {
        let mut count = 0;
        loop {
            let question = Question { start, end: None, descending: false, limit: MAX_PAGE };
            let page = self.ask(session, question)?;
            count += page.count;
            let last = page.envelopes.iter().map(|envelope| envelope.timestamp).max();
            let is_full = page.is_full;
            take(page)?;
            match last {
                // A server that does not go on is not asked for ever.
                Some(last) if is_full && last >= start => start = last.saturating_add(1),
                _ => return Ok(count),
            }
        }
    }

    /// Everything that is kept since a time.
    ///
    /// # Errors
    /// If the server does not tell.
    pub(crate) fn since(&self, session: &Session, start: i64) -> Result<Recent, Failure> {
        let mut recent = Recent::default();
        self.walk(session, start, |page| {
            let size = page.size;
            let pushed = page.envelopes.into_iter().try_for_each(|it| recent.push(it, size));
            pushed.map_err(Failure::broken)
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
}
