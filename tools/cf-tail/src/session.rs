// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all conversations with a platform share: connections, the token, the output.

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

/// The platform and us.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) http: Http,
    pub(crate) config: Config,
    pub(crate) access: RefCell<Access>,
    pub(crate) sink: Shared,
    pub(crate) dialers: Arc<Dialers>,
    pub(crate) limits: Limits,
    /// What the platform said of its servers, once it was asked.
    pub(crate) links: RefCell<Option<Links>>,
    /// Kinds that are wanted; none is all.
    pub(crate) kinds: Vec<Kind>,
    /// Only metrics with such a name are wanted.
    pub(crate) name_filter: Option<String>,
    /// Each message has to be distinguished from its equals.
    pub(crate) numbers: bool,
    /// Show requests and answers.
    pub(crate) trace: bool,
}

/// How long and how much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For connecting and shaking hands.
    pub(crate) connect: Option<Duration>,
    /// Longest silence of a stream.
    pub(crate) idle: Option<Duration>,
    /// Between the frames that keep a legacy connection alive.
    pub(crate) keepalive: Duration,
    /// Largest message, in bytes.
    pub(crate) max_message: usize,
    /// How far behind log-cache may be with a line.
    pub(crate) delay: Duration,
}

impl Session {
    /// Makes a request with the token, and once more with a new one if the server refuses it.
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
        // Newer servers say 404 for a token that has run out, and for none.
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
                Failure::NoToken("the token has run out (the server only says 404)".to_owned())
            }
            Failure::Unauthorized(words) if expired => Failure::NoToken(words),
            failure => failure,
        })
    }

    /// Waits, while the output goes on.
    ///
    /// # Errors
    /// A signal, or the end of the output.
    pub(crate) fn pause(&self, duration: Duration) -> Result<(), Stop> {
        self.sink.lock().pause(duration)
    }

    /// Whether a kind of the youngest generation's envelopes can be what is wanted.
    pub(crate) fn wants_in_v2(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted.in_v2() == kind)
    }
}
