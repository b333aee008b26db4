// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chooses the generation of servers: the requested one, otherwise the newest that is known and
//! answers.

use std::cell::Cell;

use clap::ValueEnum;
use heka_core::report::{self, Stop};

use crate::api::{Api, Links};
use crate::apps::App;
use crate::endpoint;
use crate::envelope::Kind;
use crate::failure::Failure;
use crate::intake::Intake;
use crate::legacy::Legacy;
use crate::log_cache::{Cache, Client, Past};
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

/// The request, independent of the server.
#[derive(Clone, Debug)]
pub(crate) struct Choice {
    pub(crate) via: Via,
    /// The server, if given.
    pub(crate) endpoint: Option<String>,
    /// The apps.
    pub(crate) apps: Vec<App>,
    /// The firehose subscription.
    pub(crate) firehose: Option<String>,
    /// How much of the past to request from log-cache.
    pub(crate) past: Past,
    /// Kinds that the server must support.
    pub(crate) kinds: Vec<Kind>,
    /// Whether only the past is requested.
    pub(crate) is_past: bool,
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
            // Only servers known without asking: this is the usual case, and fast.
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

    /// Returns log-cache, or otherwise the RLP gateway.
    fn by_http(&self, session: &Session) -> Result<Box<dyn Server>, Failure> {
        let cache = self.cache(session)?;
        if cache.client().answers(session)? {
            return Ok(Box::new(cache));
        }
        self.named(session, Via::Rlp)
    }

    fn named(&self, session: &Session, via: Via) -> Result<Box<dyn Server>, Failure> {
        self.refuse_kinds(via)?;
        Ok(match via {
            Via::Legacy => {
                let base = self.base(session, via, true)?;
                Box::new(Legacy { base, app: self.one_app()? })
            }
            Via::V1 | Via::Auto => {
                let base = self.base(session, Via::V1, true)?;
                Box::new(match &self.firehose {
                    Some(subscription) => {
                        V1 { base, wanted: Wanted::Firehose(subscription.clone()), past: None }
                    }
                    None => {
                        let past = self.cache_beside(session, None);
                        V1 { base, wanted: Wanted::App(self.one_app()?), past }
                    }
                })
            }
            Via::Rlp => Box::new(Rlp {
                base: self.base(session, via, false)?,
                sources: self.ids(),
                shard: self.firehose.clone(),
                past: self.cache_beside(session, Some(Self::links)),
            }),
            Via::LogCache => Box::new(self.cache(session)?),
        })
    }

    /// Returns the GUIDs of the apps.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.apps.iter().map(|app| app.id.clone()).collect()
    }

    /// Returns the app, where only one can be read.
    fn one_app(&self) -> Result<String, Failure> {
        match self.apps.as_slice() {
            [app] => Ok(app.id.clone()),
            [] => Err(unknown("an app is needed")),
            _ => {
                let what = "this kind of server reads one APP (--via log-cache and rlp read more)";
                Err(Stop::usage(what).into())
            }
        }
    }

    /// Rejects kinds that a server does not have.
    fn refuse_kinds(&self, via: Via) -> Result<(), Failure> {
        let has = |kind: &Kind| match via {
            Via::Legacy => *kind == Kind::Log,
            Via::V1 | Via::Auto if self.is_past => *kind == Kind::Log,
            Via::V1 | Via::Auto => *kind != Kind::Event,
            Via::Rlp | Via::LogCache => true,
        };
        let Some(missing) = self.kinds.iter().find(|kind| !has(kind)) else { return Ok(()) };
        let name = match via {
            Via::Legacy => "loggregator",
            _ => "the traffic controller",
        };
        let what = if self.is_past && via != Via::Legacy { "keeps" } else { "has" };
        let missing = missing.name();
        Err(Stop::usage(format_args!("--type {missing}: {name} {what} none of this kind")).into())
    }

    /// Returns the apps in log-cache.
    ///
    /// # Errors
    /// If none is known.
    pub(crate) fn cache(&self, session: &Session) -> Result<Cache, Failure> {
        let base = self.base(session, Via::LogCache, false)?;
        if self.apps.is_empty() {
            return Err(unknown("an app is needed"));
        }
        Ok(Cache::new(Client::new(base), self.apps.clone(), self.past))
    }

    /// Returns log-cache, whatever it contains.
    ///
    /// # Errors
    /// If none is known.
    pub(crate) fn cache_client(&self, session: &Session) -> Result<Client, Failure> {
        Ok(Client::new(self.base(session, Via::LogCache, false)?))
    }

    /// Returns the resource usage of the apps' instances, from a server known to have it: a traffic
    /// controller, until 2022, or log-cache.
    ///
    /// # Errors
    /// If none answers.
    pub(crate) fn container_metrics(&self, session: &Session) -> Result<Recent, Failure> {
        let from_cache = || self.cache(session)?.container_metrics(session);
        let from_controller = || {
            let base = self.base(session, Via::V1, true)?;
            let wanted = Wanted::App(self.one_app()?);
            V1 { base, wanted, past: None }.container_metrics(session)
        };
        match self.via {
            Via::LogCache => from_cache(),
            Via::V1 => from_controller(),
            Via::Legacy | Via::Rlp => {
                let what = "--container-metrics is for --via log-cache and v1";
                Err(Stop::usage(what).into())
            }
            Via::Auto if self.apps.len() > 1 => from_cache(),
            Via::Auto => match from_controller() {
                Err(failure @ (Failure::NotFound(_) | Failure::NoRoute(_))) => {
                    report::note(format_args!("{failure}"));
                    from_cache().map_err(|_| failure)
                }
                outcome => outcome,
            },
        }
    }

    /// Returns the log-cache beside a streaming server, if the configuration names one, or the
    /// platform, which is queried by `ask`.
    fn cache_beside(&self, session: &Session, ask: Option<AskLinks>) -> Option<Cache> {
        let known = match &session.config.log_cache {
            Some(known) if self.may_see_token(session, known) => known.clone(),
            Some(_) => return None,
            None if self.endpoint.is_none() => ask?(session).ok()?.log_cache?,
            None => return None,
        };
        let base = endpoint::parse(&known, false).ok()?;
        let is_known = !self.apps.is_empty();
        is_known.then(|| Cache::new(Client::new(base), self.apps.clone(), self.past))
    }

    /// Whether a server in the configuration may see the token: beside a server given by the user,
    /// it could belong to another platform.
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
        // A URL that is rejected because of its password is not repeated.
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
        let mut links = Api { http: &session.http, config: &session.config }.links()?;
        links.loggregator = links.loggregator.or_else(|| session.config.loggregator.clone());
        links.doppler = links.doppler.or_else(|| session.config.doppler.clone());
        *session.links.borrow_mut() = Some(links.clone());
        Ok(links)
    }
}

/// Queries a platform for its servers.
type AskLinks = fn(&Session) -> Result<Links, Failure>;

fn unknown(what: &str) -> Failure {
    Stop::usage(format_args!("{what}: 'cf api' and 'cf login' set it, or --endpoint")).into()
}

/// Servers to try in turn, until one answers.
struct Ladder {
    servers: Vec<Box<dyn Server>>,
    at: Cell<usize>,
    /// Whether one has answered, which is kept from then on.
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
            // The next attempt begins with the newest again.
            self.at.set(0);
        }
        loop {
            let server = self.current().ok_or_else(|| unknown("no log server is known"))?;
            match attempt(server) {
                // Nothing of that kind there: an older kind may be.
                Err(
                    failure @ (Failure::NotFound(_)
                    | Failure::NoRoute(_)
                    | Failure::BadRequest(_)
                    | Failure::Broken(_)),
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

    fn fill(&self, session: &Session, intake: &mut Intake) -> Result<(), Failure> {
        self.current().map_or(Ok(()), |server| server.fill(session, intake))
    }

    fn fills_gaps(&self) -> bool {
        self.current().is_some_and(Server::fills_gaps)
    }
}
