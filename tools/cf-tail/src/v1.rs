// SPDX-License-Identifier: MIT OR Apache-2.0
//! The v1 traffic controller: streams and the firehose over WebSocket, recent logs and container
//! metrics over HTTP (the latter two gone from newer platforms).

use heka_core::report;
use url::Url;

use crate::endpoint;
use crate::envelope::v1::decode;
use crate::envelope::{Content, Kind};
use crate::failure::Failure;
use crate::feed::Feed;
use crate::intake::Intake;
use crate::log_cache::LogCache;
use crate::parts::{self, Recent};
use crate::server::{Live, Server};
use crate::session::Session;

/// A server and what is wanted of it.
#[derive(Debug)]
pub(crate) struct V1 {
    /// Scheme `ws` or `wss`.
    pub(crate) base: Url,
    pub(crate) wanted: Wanted,
    /// Where the app's past is as well, on newer platforms.
    pub(crate) past: Option<LogCache>,
}

/// What a traffic controller can stream.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// One app.
    App(String),
    /// Everything, shared by all who use the same subscription.
    Firehose(String),
}

impl V1 {
    fn stream_url(&self, session: &Session) -> Url {
        match &self.wanted {
            Wanted::App(app) => endpoint::at(&self.base, &["apps", app, "stream"], false),
            Wanted::Firehose(subscription) => {
                let mut url = endpoint::at(&self.base, &["firehose", subscription], false);
                if session.kinds == [Kind::Log] {
                    url.set_query(Some("filter-type=logs"));
                } else if !session.wants(Kind::Log) && !session.wants(Kind::Error) {
                    url.set_query(Some("filter-type=metrics"));
                }
                url
            }
        }
    }

    fn get(&self, session: &Session, what: &str) -> Result<Recent, Failure> {
        let Wanted::App(app) = &self.wanted else {
            return Err(Failure::NotFound("a firehose has no past".to_owned()));
        };
        let base = endpoint::parse(self.base.as_str(), false).map_err(Failure::BadResponse)?;
        let url = endpoint::at(&base, &["apps", app, what], false);
        let answer = session.authorized(|token| session.http.get(&url, token, &[])?.accepted());
        let answer = answer.map_err(|failure| match failure.of_path(&format!("/{what}")) {
            Failure::NotFound(words) => {
                Failure::NotFound(format!("{words} (newer platforms have none: --via log-cache)"))
            }
            failure => failure,
        })?;
        parts::read(session, &url, answer, decode)
    }

    /// What the app's instances use, by instance.
    ///
    /// # Errors
    /// If the server does not tell.
    pub(crate) fn container_metrics(&self, session: &Session) -> Result<Recent, Failure> {
        let mut recent = self.get(session, "containermetrics")?;
        for envelope in &recent.envelopes {
            if let Content::Log { payload, .. } = &envelope.content {
                let text = crate::failure::shown(payload);
                return Err(Failure::BadResponse(format!("Upstream error: {text}")));
            }
        }
        recent.envelopes.sort_by_key(|envelope| {
            let instance = envelope.instance.as_deref().unwrap_or_default();
            String::from_utf8_lossy(instance).parse::<i64>().unwrap_or_default()
        });
        Ok(recent)
    }
}

impl Server for V1 {
    fn name(&self) -> &'static str {
        "trafficcontroller"
    }

    fn url(&self) -> String {
        endpoint::shown(&self.base)
    }

    fn open<'a>(&'a self, session: &'a Session) -> Result<Live<'a>, Failure> {
        let url = self.stream_url(session);
        let origin = self.url();
        let feed = Feed { url: &url, origin: &origin, decode, keepalive: None };
        let socket = feed.open(session)?;
        Ok(Box::new(move |intake: &mut Intake| {
            let feed = Feed { url: &url, origin: &origin, decode, keepalive: None };
            feed.run(session, socket, intake)
        }))
    }

    fn recent(&self, session: &Session) -> Result<Recent, Failure> {
        let mut recent = match (self.get(session, "recentlogs"), &self.past) {
            (Err(Failure::NotFound(words)), Some(past)) => {
                report::note(format_args!("{}: not found: {words}", self.url()));
                return past.recent(session);
            }
            (recent, _) => recent?,
        };
        // Whatever else is in the answer is no log.
        recent.envelopes.retain(|envelope| envelope.kind() == Kind::Log);
        Ok(recent)
    }

    fn since(&self, session: &Session, start: i64) -> Result<Option<Recent>, Failure> {
        self.past.as_ref().map(|past| past.since(session, start)).transpose()
    }

    fn fills_gaps(&self) -> bool {
        self.past.is_some()
    }
}
