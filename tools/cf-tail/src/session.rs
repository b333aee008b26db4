// SPDX-License-Identifier: MIT OR Apache-2.0
//! The shared state of all requests to a platform: connections, the token, the output.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use heka_core::report::Stop;

use crate::access::Access;
use crate::api::Links;
use crate::config::Config;
use crate::envelope::Kind;
use crate::failure::Failure;
use crate::http::Http;
use crate::sink::Shared;
use crate::token::Token;
use crate::wire::Dialers;

/// The session with a platform.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) http: Http,
    pub(crate) config: Config,
    pub(crate) access: RefCell<Access>,
    pub(crate) sink: Shared,
    pub(crate) dialers: Arc<Dialers>,
    pub(crate) limits: Limits,
    /// The platform's servers, once it was asked.
    pub(crate) links: RefCell<Option<Links>>,
    /// Requested kinds; all if empty.
    pub(crate) kinds: Vec<Kind>,
    /// Expression for the names of metrics.
    pub(crate) name_filter: Option<String>,
    /// Whether equal messages must be distinguished.
    pub(crate) numbers: bool,
    /// Whether to show requests and responses.
    pub(crate) trace: bool,
}

/// Limits on time and size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Time for connecting and handshakes.
    pub(crate) connect: Option<Duration>,
    /// Maximum silence of a stream.
    pub(crate) idle: Option<Duration>,
    /// Interval of the frames that keep a legacy connection alive.
    pub(crate) keepalive: Duration,
    /// Maximum size of a message in bytes.
    pub(crate) max_message: usize,
    /// Maximum delay of a line in log-cache.
    pub(crate) delay: Duration,
}

impl Session {
    /// Makes a request with the token, and once more with a new one if the server rejects it.
    ///
    /// # Errors
    /// As the request.
    pub(crate) fn authorized<T>(
        &self,
        mut request: impl FnMut(Option<&Token>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let token = self.access.borrow_mut().token(&self.http, &self.config)?;
        let failure = match request(token.as_ref()) {
            Err(failure @ (Failure::Unauthorized(_) | Failure::NotFound(_))) => failure,
            outcome => return outcome,
        };
        // Newer servers respond with 404 to an expired or missing token.
        let expired = self.access.borrow().has_expired();
        if matches!(failure, Failure::NotFound(_)) && !expired {
            let words = "not logged in (the server only says 404)";
            return Err(token.map_or_else(|| Failure::NoToken(words.to_owned()), |_| failure));
        }
        if self.access.borrow_mut().renew(&self.http, &self.config)? {
            let token = self.access.borrow_mut().token(&self.http, &self.config)?;
            return request(token.as_ref());
        }
        Err(match failure {
            Failure::NotFound(_) => {
                Failure::NoToken("the token has expired (the server only says 404)".to_owned())
            }
            Failure::Unauthorized(words) if expired => Failure::NoToken(words),
            failure => failure,
        })
    }

    /// Waits, while output continues.
    ///
    /// # Errors
    /// A signal, or the end of the output.
    pub(crate) fn pause(&self, duration: Duration) -> Result<(), Stop> {
        self.sink.lock().pause(duration)
    }

    /// Whether a kind of the newest generation's envelopes can match the request.
    pub(crate) fn wants_in_v2(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted.in_v2() == kind)
    }
}
