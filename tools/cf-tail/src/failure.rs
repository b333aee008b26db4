// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong between us and a server, in words that people know from cf, and whether
//! another try could help.

use std::time::Duration;

use heka_core::net::DialError;
use heka_core::report::{self, Status, Stop};

/// Most of a server's own words that is repeated.
const MAX_WORDS: usize = 1024;

/// Why a server did not give what was asked for, or stopped to.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A signal, or a reader that is gone: nothing to do with the server.
    Stopped(Stop),
    /// No connection, or a broken one.
    Broken {
        /// What happened.
        cause: String,
        /// What could help.
        hint: Option<String>,
    },
    /// 401: the server's words.
    Unauthorized(String),
    /// 403 or 404, or no such app.
    NotFound(String),
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
    pub(crate) fn broken(cause: impl std::fmt::Display) -> Self {
        Self::Broken { cause: cause.to_string(), hint: None }
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

    /// Whether it may be different after a while.
    pub(crate) fn is_worth_retrying(&self) -> bool {
        match self {
            Self::Broken { .. } | Self::Renew => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::Ended { again, .. } => *again,
            _ => false,
        }
    }

    /// How long the server asks to wait.
    pub(crate) fn wait_wanted(&self) -> Option<Duration> {
        match self {
            Self::Refused { after, .. } => *after,
            _ => None,
        }
    }

    /// The exit status that tells it.
    fn status(&self) -> Status {
        match self {
            Self::Unauthorized(_) => Status::Unauthorized,
            Self::NotFound(_) => Status::NotFound,
            Self::BadRequest(_) => Status::BadRequest,
            Self::BadResponse(_) => Status::BadResponse,
            _ => Status::Unreachable,
        }
    }

    /// As the end of the tool. `server` is what kind of server that is, `url` where.
    pub(crate) fn into_stop(self, server: &str, url: &str) -> Stop {
        let status = self.status();
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
            Self::Broken { cause, hint } => {
                (format!("error dialing {server} server: {cause}"), Some(hint.unwrap_or(asking)))
            }
            Self::Unauthorized(_) => {
                (self.to_string(), Some("log in again with 'cf login'".to_owned()))
            }
            failure => (failure.to_string(), None),
        };
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
            DialError::Failed { cause, hint } => Self::Broken { cause, hint },
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stopped(_) => f.write_str("stopped"),
            Self::Broken { cause, .. } => f.write_str(cause),
            Self::Unauthorized(words) => write!(f, "Unauthorized error: {words}"),
            Self::NotFound(words) => write!(f, "not found: {words}"),
            Self::BadRequest(words) => write!(f, "bad client request: {words}"),
            Self::BadResponse(what) => write!(f, "bad server response: {what}"),
            Self::Refused { status, words, .. } => write!(f, "status {status}: {words}"),
            Self::Renew => f.write_str("the server renews its streams"),
            Self::Ended { how, .. } => f.write_str(how),
        }
    }
}

/// A server's words as they may be shown: not too many, and without what looks like a token.
pub(crate) fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..MAX_WORDS).unwrap_or(body));
    without_tokens(text.trim())
}

/// Cuts out what looks like a JSON web token (RFC 7519), wherever it comes from.
pub(crate) fn without_tokens(text: &str) -> String {
    const SHORTEST: usize = 20;
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, token)) = rest.split_once("eyJ") {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        let end = token.find(|c| !is_part(c)).unwrap_or(token.len());
        let (token, behind) = token.split_at(end);
        shown += before;
        if token.len() >= SHORTEST {
            shown += "[concealed]";
        } else {
            shown += "eyJ";
            shown += token;
        }
        rest = behind;
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_token_is_not_repeated() {
        let words = "Invalid eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3OTV9.Ab-_c! eyJshort";
        assert_eq!(without_tokens(words), "Invalid [concealed]! eyJshort");
        assert_eq!(shown(&[b'x'; 5000]).len(), MAX_WORDS);
    }

    #[test]
    fn each_error_of_the_old_client_has_a_status_of_its_own() {
        let status = |status| Failure::of_status(status, b"", None).status() as u8;
        assert_eq!([401, 404, 403, 400, 503, 429].map(status), [5, 6, 6, 8, 3, 3]);
        assert_eq!(Failure::BadResponse(String::new()).status() as u8, 7);
        assert_eq!(Failure::broken("refused").status() as u8, 3);
    }

    #[test]
    fn only_what_may_change_is_tried_again() {
        let again = |status| Failure::of_status(status, b"", None).is_worth_retrying();
        assert!([429, 500, 502, 503].into_iter().all(again));
        assert!(![400, 401, 403, 404, 418].into_iter().any(again));
    }
}
