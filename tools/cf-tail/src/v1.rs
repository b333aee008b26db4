// SPDX-License-Identifier: MIT OR Apache-2.0
//! The v1 traffic controller: streams and the firehose over WebSocket, recent logs and container
//! metrics over HTTP (the latter two gone from newer platforms).

use heka_core::report;
use url::Url;

use crate::endpoint;
use crate::envelope::v1::decode;
use crate::envelope::{Content, Envelope, Kind};
use crate::failure::Failure;
use crate::feed::Feed;
use crate::intake::Intake;
use crate::log_cache::Cache;
use crate::parts::{self, Recent};
use crate::server::{Live, Server};
use crate::session::Session;

/// A server with a request.
#[derive(Debug)]
pub(crate) struct V1 {
    /// Scheme `ws` or `wss`.
    pub(crate) base: Url,
    pub(crate) wanted: Wanted,
    /// The cache that also has the app's past, on newer platforms.
    pub(crate) past: Option<Cache>,
}

/// The streams of a traffic controller.
#[derive(Debug)]
pub(crate) enum Wanted {
    /// One app.
    App(String),
    /// Everything, shared by all users of the subscription.
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
                } else if !session.wants_in_v2(Kind::Log) {
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

    /// Returns the resource usage of the app's instances, by instance.
    ///
    /// # Errors
    /// If the server does not answer.
    pub(crate) fn container_metrics(&self, session: &Session) -> Result<Recent, Failure> {
        let mut recent = self.get(session, "containermetrics")?;
        for envelope in &recent.envelopes {
            if let Content::Log { payload, .. } = &envelope.content {
                let text = crate::failure::shown(payload);
                return Err(Failure::BadResponse(format!("Upstream error: {text}")));
            }
        }
        recent.envelopes.sort_by_key(Envelope::instance_number);
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
        // The server closes normally on slow readers, and when it is stopped itself.
        let (keepalive, has_end, past) = (None, false, self.past.as_ref());
        let feed = Feed { url: &url, origin: &origin, decode, keepalive, has_end, past };
        let socket = feed.open(session)?;
        Ok(Box::new(move |intake: &mut Intake| {
            let feed = Feed { url: &url, origin: &origin, decode, keepalive, has_end, past };
            feed.run(session, socket, intake)
        }))
    }

    fn recent(&self, session: &Session) -> Result<Recent, Failure> {
        let mut recent = match (self.get(session, "recentlogs"), &self.past) {
            (Err(failure @ (Failure::NotFound(_) | Failure::NoRoute(_))), Some(past)) => {
                report::note(format_args!("{}: {failure}", self.url()));
                return past.recent(session);
            }
            (recent, _) => recent?,
        };
        // Anything else in the response is not a log.
        recent.envelopes.retain(|envelope| envelope.kind() == Kind::Log);
        Ok(recent)
    }

    fn fill(&self, session: &Session, intake: &mut Intake) -> Result<(), Failure> {
        self.past.as_ref().map_or(Ok(()), |past| past.fill(session, intake))
    }

    fn fills_gaps(&self) -> bool {
        self.past.is_some()
    }
}
