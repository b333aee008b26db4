// SPDX-License-Identifier: MIT OR Apache-2.0
//! Failures in talking to a server, in the wording that people know from cf, and whether a retry
//! could help.

use std::time::Duration;

use heka_core::net::{DialError, Fault, FaultKind};
use heka_core::report::{self, Status, Stop};

/// Maximum length of a server's message that is repeated.
const MAX_WORDS: usize = 1024;

/// The reason why a server did not, or no longer, provide what was requested.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A signal, or a reader that has gone: not related to the server.
    Stopped(Stop),
    /// No connection, or a broken one.
    Broken(Fault),
    /// 401: the server's message.
    Unauthorized(String),
    /// There is no usable token, nor a way to obtain one.
    NoToken(String),
    /// 403 or 404, or no such app.
    NotFound(String),
    /// The platform's router has no server for the host; its own message.
    NoRoute(String),
    /// 400.
    BadRequest(String),
    /// An invalid answer.
    BadResponse(String),
    /// Any other status.
    Refused {
        /// The status.
        status: u16,
        /// The server's message.
        words: String,
        /// The requested delay before a retry.
        after: Option<Duration>,
    },
    /// The server ended the stream so that it is opened again.
    Renew,
    /// A stream ended.
    Ended {
        /// A description.
        how: String,
        /// Whether it ended normally.
        in_order: bool,
        /// Whether it is worth opening again.
        again: bool,
    },
}

impl Failure {
    /// Creates a failure for a broken connection.
    pub(crate) fn broken(kind: FaultKind, cause: impl std::fmt::Display) -> Self {
        Self::Broken(Fault::new(kind, cause))
    }

    /// Creates the failure for an HTTP status.
    pub(crate) fn of_status(status: u16, body: &[u8], after: Option<Duration>) -> Self {
        let words = shown(body);
        match status {
            400 => Self::BadRequest(words),
            401 => Self::Unauthorized(words),
            403 | 404 => Self::NotFound(words),
            _ => Self::Refused { status, words, after },
        }
    }

    /// Interprets the failure of a path that a server may not have: a permanent status means that
    /// it does not.
    pub(crate) fn of_path(self, path: &str) -> Self {
        let words = format!("{path} path not found or has issues");
        match self {
            Self::NotFound(own) => Self::NotFound(format!("{words} {own}")),
            Self::Refused { status, words: own, after } => {
                let refused = Self::Refused { status, words: format!("{words} {own}"), after };
                if refused.is_worth_retrying() {
                    return refused;
                }
                Self::NotFound(format!("{words} (status {status}) {own}"))
            }
            other => other,
        }
    }

    /// Interprets the failure of an answer that may come from a router instead of the server.
    pub(crate) fn of_answer(
        status: u16,
        router_error: Option<&str>,
        body: &[u8],
        after: Option<Duration>,
    ) -> Self {
        match router_error {
            Some(error) if matches!(status, 403 | 404) => Self::NoRoute(shown(error.as_bytes())),
            _ => Self::of_status(status, body, after),
        }
    }

    /// Whether it may be temporary for a server that has answered before.
    pub(crate) fn may_pass(&self) -> bool {
        self.is_worth_retrying() || matches!(self, Self::Unauthorized(_) | Self::NotFound(_))
    }

    /// Whether a retry may succeed.
    pub(crate) fn is_worth_retrying(&self) -> bool {
        match self {
            Self::Broken(_) | Self::Renew | Self::NoRoute(_) => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::Ended { again, .. } => *again,
            _ => false,
        }
    }

    /// Returns the kind of failure.
    pub(crate) fn kind(&self) -> FaultKind {
        match self {
            Self::Broken(fault) => fault.kind,
            Self::Unauthorized(_) | Self::NoToken(_) => FaultKind::Authentication,
            Self::NotFound(_) | Self::NoRoute(_) | Self::BadRequest(_) | Self::Refused { .. } => {
                FaultKind::Handshake
            }
            Self::BadResponse(_) => FaultKind::Protocol,
            Self::Ended { .. } => FaultKind::Closed,
            Self::Renew | Self::Stopped(_) => FaultKind::Other,
        }
    }

    /// Returns the requested delay before a retry.
    pub(crate) fn wait_wanted(&self) -> Option<Duration> {
        match self {
            Self::Refused { after, .. } => *after,
            _ => None,
        }
    }

    /// Returns the exit status.
    fn status(&self) -> Status {
        match self {
            Self::Unauthorized(_) | Self::NoToken(_) => Status::Unauthorized,
            Self::NotFound(_) => Status::NotFound,
            Self::BadRequest(_) => Status::BadRequest,
            Self::BadResponse(_) => Status::BadResponse,
            _ => Status::Unreachable,
        }
    }

    /// Converts to the end of the tool. `server` is the kind of server, `url` its address.
    pub(crate) fn into_stop(self, server: &str, url: &str) -> Stop {
        let (status, kind) = (self.status(), self.kind());
        let asking = format!(
            "ask your Cloud Foundry operator to check the platform configuration ({server} \
             endpoint is {url})"
        );
        let (text, advice) = match self {
            Self::Stopped(stop) => return stop,
            Self::Renew => return Stop::Said(Status::Done),
            Self::Ended { how, in_order: true, .. } => {
                report::note(format_args!("{url}: {how}"));
                return Stop::Said(Status::Done);
            }
            Self::Broken(Fault { cause, hint, .. }) => {
                (format!("error dialing {server} server: {cause}"), Some(hint.unwrap_or(asking)))
            }
            Self::Unauthorized(_) | Self::NoToken(_) => {
                (self.to_string(), Some("log in again with 'cf login'".to_owned()))
            }
            failure => (failure.to_string(), None),
        };
        kind.count();
        report::error(format_args!("{url}: {}", text.trim_end_matches([':', ' '])));
        advice.into_iter().for_each(report::hint);
        Stop::Said(status)
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

impl From<DialError> for Failure {
    fn from(error: DialError) -> Self {
        match error {
            DialError::Stopped(stop) => Self::Stopped(stop),
            // The hint is about the addresses of other tools.
            DialError::Failed(fault) if fault.kind == FaultKind::NotTls => {
                Self::Broken(Fault { hint: None, ..fault })
            }
            DialError::Failed(fault) => Self::Broken(fault),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stopped(_) => f.write_str("stopped"),
            Self::Broken(Fault { cause, .. }) => f.write_str(cause),
            Self::Unauthorized(words) | Self::NoToken(words) => {
                write!(f, "Unauthorized error: {words}")
            }
            Self::NotFound(words) => write!(f, "not found: {words}"),
            Self::NoRoute(error) => write!(f, "the platform's router has no such server: {error}"),
            Self::BadRequest(words) => write!(f, "bad client request: {words}"),
            Self::BadResponse(what) => write!(f, "bad server response: {what}"),
            Self::Refused { status, words, .. } if words.is_empty() => write!(f, "status {status}"),
            Self::Refused { status, words, .. } => write!(f, "status {status}: {words}"),
            Self::Renew => f.write_str("the server renews its streams"),
            Self::Ended { how, .. } => f.write_str(how),
        }
    }
}

/// Returns a server's message in presentable form: shortened, as valid text, and without anything
/// that looks like a token.
pub(crate) fn shown(body: &[u8]) -> String {
    let start = body.get(..MAX_WORDS).unwrap_or(body);
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // A character cut by the limit is omitted.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(start.get(..error.valid_up_to()).unwrap_or_default())
                .unwrap_or_default()
        }
        Err(_) => return format!("({} bytes that are not text)", body.len()),
    };
    if text.chars().any(|c| c.is_control() && !c.is_ascii_whitespace() && c != '\x1b') {
        return format!("({} bytes that are not text)", body.len());
    }
    report::without_secrets(text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_short_and_text() {
        assert_eq!(shown(&[b'x'; 5000]).len(), MAX_WORDS);
        assert_eq!(shown(&[b'x', 0, 255, 1]), "(4 bytes that are not text)");
        assert_eq!(shown(b"PK\x03\x04"), "(4 bytes that are not text)");
        let long = "x".repeat(MAX_WORDS - 1) + "\u{e9}";
        assert_eq!(shown(long.as_bytes()).len(), MAX_WORDS - 1);
        assert_eq!(Failure::of_status(502, b" ", None).to_string(), "status 502");
    }

    #[test]
    fn each_error_of_the_old_client_has_a_status_of_its_own() {
        let status = |status| Failure::of_status(status, b"", None).status() as u8;
        assert_eq!([401, 404, 403, 400, 503, 429].map(status), [5, 6, 6, 8, 3, 3]);
        assert_eq!(Failure::BadResponse(String::new()).status() as u8, 7);
        assert_eq!(Failure::broken(FaultKind::Refused, "refused").status() as u8, 3);
    }

    #[test]
    fn only_what_may_change_is_tried_again() {
        let again = |status| Failure::of_status(status, b"", None).is_worth_retrying();
        assert!([429, 500, 502, 503].into_iter().all(again));
        assert!(![400, 401, 403, 404, 418].into_iter().any(again));
        let passes = |status| Failure::of_status(status, b"", None).may_pass();
        assert!([401, 403, 404, 503].into_iter().all(passes) && !passes(400));
        assert!(!Failure::NoToken(String::new()).may_pass());
        let routed = Failure::of_answer(404, Some("unknown_route"), b"", None);
        assert!(routed.is_worth_retrying());
    }
}
