// SPDX-License-Identifier: MIT OR Apache-2.0
//! The legacy loggregator (2013 to 2016): `/tail/` and `/dump/` over WebSocket, `/recent` over
//! HTTP.

use heka_core::report;
use url::Url;

use crate::endpoint;
use crate::envelope::legacy::decode;
use crate::failure::Failure;
use crate::feed::Feed;
use crate::intake::Intake;
use crate::parts::{self, Recent};
use crate::server::{Live, Server};
use crate::session::Session;

/// The Origin that its clients have always sent.
const ORIGIN: &str = "http://localhost";

/// A server and an app.
#[derive(Debug)]
pub(crate) struct Legacy {
    /// Scheme `ws` or `wss`.
    pub(crate) base: Url,
    pub(crate) app: String,
}

impl Legacy {
    /// Returns the URL for `path` and the app. The slash before the question mark matters to the
    /// server.
    fn at(&self, base: &Url, path: &str, slash: bool) -> Url {
        let mut url = endpoint::at(base, &[path], slash);
        url.query_pairs_mut().append_pair("app", &self.app);
        url
    }

    /// Reads from what servers before May 2014 have instead of `/recent`: a stream that ends.
    fn dump(&self, session: &Session) -> Result<Recent, Failure> {
        let url = self.at(&self.base, "dump", true);
        let feed =
            Feed { url: &url, origin: ORIGIN, decode, keepalive: None, has_end: true, past: None };
        let socket = feed.open(session)?;
        report::announce(format_args!("{}: connected ({})", self.url(), self.name()));
        let mut recent = Recent::default();
        match feed.gather(session, socket, &mut recent) {
            Failure::Ended { in_order: true, .. } => Ok(recent),
            Failure::Stopped(stop) => {
                recent.stopped = Some(stop);
                Ok(recent)
            }
            failure => {
                recent.cut(&url, failure);
                Ok(recent)
            }
        }
    }
}

impl Server for Legacy {
    fn name(&self) -> &'static str {
        "loggregator"
    }

    fn url(&self) -> String {
        endpoint::shown(&self.base)
    }

    fn open<'a>(&'a self, session: &'a Session) -> Result<Live<'a>, Failure> {
        let url = self.at(&self.base, "tail", true);
        let keepalive = Some(session.limits.keepalive);
        let feed = Feed { url: &url, origin: ORIGIN, decode, keepalive, has_end: true, past: None };
        let socket = feed.open(session)?;
        Ok(Box::new(move |intake: &mut Intake| {
            let feed =
                Feed { url: &url, origin: ORIGIN, decode, keepalive, has_end: true, past: None };
            feed.run(session, socket, intake)
        }))
    }

    fn recent(&self, session: &Session) -> Result<Recent, Failure> {
        let base = endpoint::parse(self.base.as_str(), false).map_err(Failure::BadResponse)?;
        let url = self.at(&base, "recent", false);
        let answer = session.authorized(|token| session.http.get(&url, token, &[])?.accepted());
        match answer {
            Ok(answer) => parts::read(session, &url, answer, decode),
            Err(Failure::BadRequest(_)) => self.dump(session),
            Err(failure) => Err(failure.of_path("/recent")),
        }
    }
}
