// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests to log-cache: pages of envelopes, information about sources, `PromQL` queries.

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
use crate::json;
use crate::meta::Meta;
use crate::session::Session;

/// Maximum number of envelopes per response of log-cache.
pub(crate) const MAX_PAGE: usize = 1000;
/// Polling interval when there was nothing new.
pub(super) const POLL: Duration = Duration::from_millis(250);
/// The time that Go's clients send for "from the beginning".
pub(super) const BEGINNING: i64 = -6_795_364_578_871_345_152;
/// Maximum number of damaged envelopes that are remembered.
const CROWD: usize = 50_000;
/// Maximum number of repetitions of a request with a smaller page, or later.
const MAX_TRIES: u32 = 12;

/// log-cache's names of the kinds.
const TYPES: [(Kind, &str); 5] = [
    (Kind::Log, "LOG"),
    (Kind::Counter, "COUNTER"),
    (Kind::Gauge, "GAUGE"),
    (Kind::Timer, "TIMER"),
    (Kind::Event, "EVENT"),
];

/// A server.
#[derive(Debug)]
pub(crate) struct Client {
    base: Url,
    /// `api/v1`, or `v1` on old servers; empty until the server was asked.
    root: RefCell<String>,
    page: Cell<usize>,
    /// Hashes of malformed envelopes, which are repeated in every page.
    damaged: RefCell<HashSet<u64>>,
}

/// A page of envelopes, and whether there may be more.
pub(super) struct Page {
    pub(super) envelopes: Vec<Envelope>,
    /// Number of envelopes, including malformed ones.
    pub(super) count: usize,
    /// Average size of an envelope in the document, in bytes.
    pub(super) size: usize,
    pub(super) is_full: bool,
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question<'a> {
    pub(super) source: &'a str,
    pub(super) start: i64,
    pub(super) end: Option<i64>,
    pub(super) descending: bool,
    pub(super) limit: usize,
    /// Overrides the requested kinds.
    pub(super) kind: Option<Kind>,
}

impl Client {
    /// Creates a client; `base` has the scheme `http` or `https`.
    pub(crate) fn new(base: Url) -> Self {
        Self {
            base,
            root: RefCell::default(),
            page: Cell::new(MAX_PAGE),
            damaged: RefCell::default(),
        }
    }

    /// Returns its URL.
    pub(crate) fn base(&self) -> &Url {
        &self.base
    }

    /// Returns its URL, for people.
    pub(crate) fn url(&self) -> String {
        endpoint::shown(&self.base)
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

    /// Returns the path prefix of all requests, which depends on the server's version.
    pub(super) fn root(&self, session: &Session) -> Result<String, Failure> {
        if self.root.borrow().is_empty() {
            let url = self.info_url();
            let answer = session.authorized(|token| {
                let answer = session.http.get(&url, token, &[])?;
                // Servers before 2.0 do not have this page.
                let has_none = answer.status == 404 && !answer.is_of_router();
                if has_none { Ok(answer) } else { answer.accepted() }
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

    /// Returns the URL for `path`.
    fn place(&self, session: &Session, path: &[&str]) -> Result<Url, Failure> {
        let root = self.root(session)?;
        let root = endpoint::at(&self.base, &root.split('/').collect::<Vec<_>>(), false);
        Ok(endpoint::at(&root, path, false))
    }

    /// Makes a request, repeated with smaller pages and delays if the server is busy.
    pub(super) fn ask(&self, session: &Session, question: Question<'_>) -> Result<Page, Failure> {
        let mut url = self.place(session, &["read", question.source])?;
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
                    let url = self.url();
                    report::note(format_args!("{url}: busy, asking for {} at once", limit / 2));
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
        // The page size grows again slowly after successes.
        self.page.set((self.page.get() + self.page.get() / 4 + 1).min(MAX_PAGE));
        Ok(Page { envelopes: batch.envelopes, count, size, is_full: false })
    }

    /// Reads everything of a source from `start` on and before `end`, page by page, and passes on
    /// each page.
    pub(super) fn walk(
        &self,
        session: &Session,
        source: &str,
        (mut start, end): (i64, Option<i64>),
        mut take: impl FnMut(Page) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        loop {
            let question =
                Question { source, start, end, descending: false, limit: MAX_PAGE, kind: None };
            let page = self.ask(session, question)?;
            let last = page.envelopes.iter().map(|envelope| envelope.timestamp).max();
            let is_full = page.is_full;
            take(page)?;
            match last {
                // A server that makes no progress is not asked forever.
                Some(last) if is_full && last >= start => start = last.saturating_add(1),
                _ => return Ok(()),
            }
        }
    }

    /// Returns the information about each source.
    ///
    /// # Errors
    /// If the server does not answer.
    pub(crate) fn meta(&self, session: &Session) -> Result<Vec<Meta>, Failure> {
        let url = self.place(session, &["meta"])?;
        let answer = session.authorized(|token| session.http.get(&url, token, &[])?.accepted())?;
        let json = json::read(&answer.read()?).map_err(Failure::BadResponse)?;
        let meta = json.get("meta").and_then(Json::as_object);
        let mut all: Vec<Meta> =
            meta.into_iter().flatten().map(|(source, json)| Meta::new(source, json)).collect();
        all.sort_by(|a, b| a.source.cmp(&b.source));
        Ok(all)
    }

    /// Returns the result of a `PromQL` query: a document. `parameters` determine the time.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn query(
        &self,
        session: &Session,
        parameters: &[(&str, String)],
    ) -> Result<Vec<u8>, Failure> {
        let is_range = parameters.iter().any(|(name, _)| *name == "start");
        let mut url = self.place(session, &[if is_range { "query_range" } else { "query" }])?;
        url.query_pairs_mut().extend_pairs(parameters);
        session.authorized(|token| session.http.get(&url, token, &[])?.accepted())?.read()
    }
}

fn set_query(url: &mut Url, session: &Session, question: Question<'_>) {
    let mut query = url.query_pairs_mut();
    query.clear();
    if question.descending {
        query.append_pair("descending", "true");
    }
    for (kind, name) in TYPES {
        let is_wanted = match question.kind {
            Some(only) => only == kind,
            None => session.wants_in_v2(kind) && !session.kinds.is_empty(),
        };
        if is_wanted {
            query.append_pair("envelope_types", name);
        }
    }
    query.append_pair("limit", &question.limit.to_string());
    query.append_pair("start_time", &question.start.to_string());
    if let Some(end) = question.end {
        query.append_pair("end_time", &end.to_string());
    }
    if let Some(name) = &session.name_filter {
        query.append_pair("name_filter", name);
    }
}

/// Whether a response to `info` is that of version 2 or later.
fn is_new(body: &[u8]) -> bool {
    let json: Json = json::read(body).unwrap_or_default();
    let version = json.get("version").and_then(Json::as_str).unwrap_or_default();
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    major.is_none_or(|major| major >= 2)
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
