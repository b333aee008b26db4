// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which generation of servers is spoken to: the one that is asked for, else the youngest that is
//! known and answers.

use std::cell::Cell;

use clap::ValueEnum;
use heka_core::report::{self, Stop};

use crate::api::{self, Links};
use crate::endpoint;
use crate::failure::Failure;
use crate::legacy::Legacy;
use crate::log_cache::{LogCache, Past};
use crate::parts::Recent;
use crate::rlp::Rlp;
use crate::server::{Live, Server};
use crate::session::Session;
use crate::v1::{V1, Wanted};

/// Generations of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Via {
    /// The youngest that is known and answers
    Auto,
    /// loggregator of 2013 to 2016
    Legacy,
    /// The traffic controller (doppler)
    V1,
    /// The RLP gateway (log-stream)
    Rlp,
    /// log-cache
    LogCache,
}

/// What is wanted, of whichever server.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) via: Via,
    /// The server, if it is named.
    pub(crate) endpoint: Option<String>,
    /// The app's GUID.
    pub(crate) app: Option<String>,
    /// The firehose's subscription.
    pub(crate) firehose: Option<String>,
    /// How much of the past to ask log-cache for.
    pub(crate) past: Past,
}

impl Choice {
    /// Finds the server.
    ///
    /// # Errors
    /// If none is known.
    pub(crate) fn server(&self, session: &Session) -> Result<Box<dyn Server>, Failure> {
        if self.via != Via::Auto {
            return self.named(session, self.via);
        }
        if self.firehose.is_some() {
            return self.named(session, Via::V1);
        }
        if let Some(endpoint) = &self.endpoint {
            return if endpoint.to_ascii_lowercase().starts_with("http") {
                self.by_http(session)
            } else {
                self.first_of(session, &[Via::V1, Via::Legacy])
            };
        }
        let config = &session.config;
        if config.log_cache.is_some() {
            // Only what is known without asking: this is the usual way, and it is quick.
            let known = [Via::LogCache, Via::V1];
            let count = if config.doppler.is_some() { 2 } else { 1 };
            return self.first_of(session, known.get(..count).unwrap_or(&known));
        }
        let links = Self::links(session)?;
        let known = |via, is_known: bool| is_known.then_some(via);
        let all: Vec<Via> = [
            known(Via::LogCache, links.log_cache.is_some()),
            known(Via::V1, links.doppler.is_some()),
            known(Via::Legacy, links.loggregator.is_some()),
        ]
        .into_iter()
        .flatten()
        .collect();
        self.first_of(session, &all)
    }

    fn first_of(&self, session: &Session, generations: &[Via]) -> Result<Box<dyn Server>, Failure> {
        let mut servers = Vec::new();
        let mut last = None;
        for &via in generations {
            match self.named(session, via) {
                Ok(server) => servers.push(server),
                Err(failure) => last = Some(failure),
            }
        }
        match (servers.len(), last) {
            (0, Some(failure)) => Err(failure),
            (0, None) => Err(unknown("no log server is known")),
            _ => Ok(Box::new(Ladder { servers, at: Cell::new(0), has_settled: Cell::new(false) })),
        }
    }

    /// log-cache, or else the RLP gateway.
    fn by_http(&self, session: &Session) -> Result<Box<dyn Server>, Failure> {
        let log_cache = self.log_cache(session)?;
        if log_cache.answers(session)? {
            return Ok(Box::new(log_cache));
        }
        self.named(session, Via::Rlp)
    }

    fn named(&self, session: &Session, via: Via) -> Result<Box<dyn Server>, Failure> {
        let app = || self.app.clone().ok_or_else(|| unknown("an app is needed"));
        Ok(match via {
            Via::Legacy => {
                let base = self.base(session, via, true)?;
                Box::new(Legacy { base, app: app()? })
            }
            Via::V1 | Via::Auto => {
                let base = self.base(session, Via::V1, true)?;
                Box::new(match &self.firehose {
                    Some(subscription) => {
                        V1 { base, wanted: Wanted::Firehose(subscription.clone()), past: None }
                    }
                    None => {
                        let past = self.cache_beside(session, None);
                        V1 { base, wanted: Wanted::App(app()?), past }
                    }
                })
            }
            Via::Rlp => Box::new(Rlp {
                base: self.base(session, via, false)?,
                source: self.app.clone(),
                shard: self.firehose.clone(),
                past: self.cache_beside(session, Some(Self::links)),
            }),
            Via::LogCache => Box::new(self.log_cache(session)?),
        })
    }

    /// log-cache itself.
    ///
    /// # Errors
    /// If none is known.
    pub(crate) fn log_cache(&self, session: &Session) -> Result<LogCache, Failure> {
        let base = self.base(session, Via::LogCache, false)?;
        // Without an app, it can still tell what it keeps.
        Ok(LogCache::new(base, self.app.clone().unwrap_or_default(), self.past))
    }

    /// The traffic controller itself.
    ///
    /// # Errors
    /// If none is known.
    pub(crate) fn v1(&self, session: &Session) -> Result<V1, Failure> {
        let app = self.app.clone().ok_or_else(|| unknown("an app is needed"))?;
        let base = self.base(session, Via::V1, true)?;
        Ok(V1 { base, wanted: Wanted::App(app), past: None })
    }

    /// The log-cache beside a server that streams, if the configuration tells of one, or the
    /// platform, which is asked by `ask`.
    fn cache_beside(&self, session: &Session, ask: Option<AskLinks>) -> Option<LogCache> {
        let known = match &session.config.log_cache {
            Some(known) if self.may_see_token(session, known) => known.clone(),
            Some(_) => return None,
            None if self.endpoint.is_none() => ask?(session).ok()?.log_cache?,
            None => return None,
        };
        let base = endpoint::parse(&known, false).ok()?;
        Some(LogCache::new(base, self.app.clone()?, self.past))
    }

    /// Whether a server of the configuration may see the token: beside a server that was named it
    /// could be another platform's.
    pub(crate) fn may_see_token(&self, session: &Session, configured: &str) -> bool {
        session.access.borrow().is_configured()
            || self
                .endpoint
                .as_deref()
                .is_none_or(|named| endpoint::are_neighbours(named, configured))
    }

    fn base(&self, session: &Session, via: Via, web_socket: bool) -> Result<url::Url, Failure> {
        let config = &session.config;
        let configured = match via {
            Via::Legacy => config.loggregator.clone(),
            Via::V1 | Via::Auto => config.doppler.clone(),
            Via::LogCache => config.log_cache.clone(),
            Via::Rlp => None,
        };
        let text = match (&self.endpoint, configured) {
            (Some(endpoint), _) => endpoint.clone(),
            (None, Some(configured)) => configured,
            (None, None) => {
                let links = Self::links(session)?;
                let link = match via {
                    Via::Legacy => links.loggregator,
                    Via::V1 | Via::Auto => links.doppler,
                    Via::LogCache => links.log_cache,
                    Via::Rlp => links.log_stream,
                };
                link.ok_or_else(|| unknown("the platform names no such server"))?
            }
        };
        // A URL that is refused for its password is not repeated.
        let subject = match text.contains('@') {
            true => "the server's URL",
            false => &text,
        };
        endpoint::parse(&text, web_socket)
            .map_err(|error| Stop::usage(format_args!("{subject}: {error}")).into())
    }

    fn links(session: &Session) -> Result<Links, Failure> {
        if session.config.target.is_none() {
            return Err(unknown("no log server is known"));
        }
        if let Some(links) = session.links.borrow().as_ref() {
            return Ok(links.clone());
        }
        let mut links = api::links(&session.http, &session.config)?;
        links.loggregator = links.loggregator.or_else(|| session.config.loggregator.clone());
        links.doppler = links.doppler.or_else(|| session.config.doppler.clone());
        *session.links.borrow_mut() = Some(links.clone());
        Ok(links)
    }
}

/// How a platform is asked where its servers are.
type AskLinks = fn(&Session) -> Result<Links, Failure>;

fn unknown(what: &str) -> Failure {
    Stop::usage(format_args!("{what}: 'cf api' and 'cf login' set it, or --endpoint")).into()
}

/// Servers to try in turn, until one is there.
struct Ladder {
    servers: Vec<Box<dyn Server>>,
    at: Cell<usize>,
    /// One has answered: it stays, whatever becomes of it.
    has_settled: Cell<bool>,
}

impl Ladder {
    fn current(&self) -> Option<&dyn Server> {
        self.servers.get(self.at.get()).map(AsRef::as_ref)
    }

    fn climb<'a, T>(
        &'a self,
        mut attempt: impl FnMut(&'a dyn Server) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if !self.has_settled.get() {
            // Another try begins with the youngest again.
            self.at.set(0);
        }
        loop {
            let server = self.current().ok_or_else(|| unknown("no log server is known"))?;
            match attempt(server) {
                // Nothing of that kind there: an older kind may be.
                Err(
                    failure @ (Failure::NotFound(_)
                    | Failure::BadRequest(_)
                    | Failure::Broken { .. }),
                ) if !self.has_settled.get() && self.at.get() + 1 < self.servers.len() => {
                    report::note(format_args!("{} ({}): {failure}", server.url(), server.name()));
                    self.at.set(self.at.get() + 1);
                }
                Ok(done) => {
                    self.has_settled.set(true);
                    return Ok(done);
                }
                failed => return failed,
            }
        }
    }
}

impl Server for Ladder {
    fn name(&self) -> &'static str {
        self.current().map_or("log", Server::name)
    }

    fn url(&self) -> String {
        self.current().map(Server::url).unwrap_or_default()
    }

    fn open<'a>(&'a self, session: &'a Session) -> Result<Live<'a>, Failure> {
        self.climb(|server| server.open(session))
    }

    fn recent(&self, session: &Session) -> Result<Recent, Failure> {
        self.climb(|server| server.recent(session))
    }

    fn since(&self, session: &Session, start: i64) -> Result<Option<Recent>, Failure> {
        self.current().map_or(Ok(None), |server| server.since(session, start))
    }

    fn fills_gaps(&self) -> bool {
        self.current().is_some_and(Server::fills_gaps)
    }
}
