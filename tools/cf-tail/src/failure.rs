// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong between us and a server, in words that people know from cf, and whether
//! another try could help.

use std::time::Duration;

use heka_core::net::{DialError, Fault, FaultKind};
use heka_core::report::{self, Status, Stop};

/// Most of a server's own words that is repeated.
const MAX_WORDS: usize = 1024;

/// Why a server did not give what was asked for, or stopped to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A signal, or a reader that is gone: nothing to do with the server.
    Stopped(Stop),
    /// No connection, or a broken one.
    Broken(Fault),
    /// 401: the server's words.
    Unauthorized(String),
    /// There is no token that could be used, nor a way to get one.
    NoToken(String),
    /// 403 or 404, or no such app.
    NotFound(String),
    /// The platform's router has nothing behind it, in its own words.
    NoRoute(String),
    /// 400.
    BadRequest(String),
    /// An answer that makes no sense.
    BadResponse(String),
    /// Any other status.
    Refused {
        /// The status.
        status: u16,
        /// The server's words.
        words: String,
        /// When it wants to be asked again.
        after: Option<Duration>,
    },
    /// The server ends the stream to have it begun anew.
    Renew,
    /// A stream ended.
    Ended {
        /// How, in words.
        how: String,
        /// Whether it ended as streams do that have done their work.
        in_order: bool,
        /// Whether it is worth to begin again.
        again: bool,
    },
}

impl Failure {
    /// A broken connection.
    pub(crate) fn broken(kind: FaultKind, cause: impl std::fmt::Display) -> Self {
        Self::Broken(Fault::new(kind, cause))
    }

    /// What an HTTP status means.
    pub(crate) fn of_status(status: u16, body: &[u8], after: Option<Duration>) -> Self {
        let words = shown(body);
        match status {
            400 => Self::BadRequest(words),
            401 => Self::Unauthorized(words),
            403 | 404 => Self::NotFound(words),
            _ => Self::Refused { status, words, after },
        }
    }

    /// The same of a path that a server may not have: a status that another try will not change
    /// means that it has not.
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

    /// The same, where a router may have answered instead of the server.
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

    /// Whether it is what a server may answer for a while that has given what was asked before.
    pub(crate) fn may_pass(&self) -> bool {
        self.is_worth_retrying() || matches!(self, Self::Unauthorized(_) | Self::NotFound(_))
    }

    /// Whether it may be different after a while.
    pub(crate) fn is_worth_retrying(&self) -> bool {
        match self {
            Self::Broken(_) | Self::Renew | Self::NoRoute(_) => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::Ended { again, .. } => *again,
            _ => false,
        }
    }

    /// What kind of failure it is.
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

    /// How long the server asks to wait.
    pub(crate) fn wait_wanted(&self) -> Option<Duration> {
        match self {
            Self::Refused { after, .. } => *after,
            _ => None,
        }
    }

    /// Its exit status.
    fn status(&self) -> Status {
        match self {
            Self::Unauthorized(_) | Self::NoToken(_) => Status::Unauthorized,
            Self::NotFound(_) => Status::NotFound,
            Self::BadRequest(_) => Status::BadRequest,
            Self::BadResponse(_) => Status::BadResponse,
            _ => Status::Unreachable,
        }
    }

    /// As the end of the tool. `server` is what kind of server that is, `url` where.
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

/// A server's words as they may be shown: not too many, no bytes that are none, and without what
/// looks like a token.
pub(crate) fn shown(body: &[u8]) -> String {
    let start = body.get(..MAX_WORDS).unwrap_or(body);
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        // A character that the limit cuts is omitted.
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
