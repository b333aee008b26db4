// SPDX-License-Identifier: MIT OR Apache-2.0
//! What can go wrong between us and a server, in words that people know from cf, and whether
//! another try could help.

use std::time::Duration;

use heka_core::diag;
use heka_core::exit::{Status, Stop};
use heka_core::net::DialError;

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

    /// As the end of the tool. `server` is what kind of server that is, `url` where.
    pub(crate) fn into_stop(self, server: &str, url: &str) -> Stop {
        let (text, advice) = match self {
            Self::Stopped(stop) => return stop,
            Self::Ended { how, in_order: true, .. } => {
                diag::note(format_args!("{url}: {how}"));
                return Stop::Said(Status::Done);
            }
            Self::Renew => return Stop::Said(Status::Done),
            Self::Ended { how, .. } => return Stop::unreachable(format_args!("{url}: {how}")),
            Self::BadResponse(what) => {
                return Stop::unreachable(format_args!("{url}: bad server response: {what}"));
            }
            Self::Broken { cause, hint } => {
                let asking = format!(
                    "ask your Cloud Foundry operator to check the platform configuration ({server} \
                     endpoint is {url})"
                );
                let text = format!("{url}: error dialing {server} server: {cause}");
                return told(&text, Some(&hint.unwrap_or(asking)));
            }
            Self::Unauthorized(words) => {
                (format!("Unauthorized error: {words}"), Some("log in again with 'cf login'"))
            }
            Self::NotFound(words) => (format!("not found: {words}"), None),
            Self::BadRequest(words) => (format!("bad client request: {words}"), None),
            Self::Refused { status, words, .. } => (format!("status {status}: {words}"), None),
        };
        told(&format!("{url}: {}", text.trim_end_matches([':', ' '])), advice)
    }
}

/// Tells an error and advice in this order, and ends with status 3.
fn told(text: &str, advice: Option<&str>) -> Stop {
    diag::error(text);
    if let Some(advice) = advice {
        diag::hint(advice);
    }
    Stop::Said(Status::Unreachable)
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
    fn only_what_may_change_is_tried_again() {
        let again = |status| Failure::of_status(status, b"", None).is_worth_retrying();
        assert!([429, 500, 502, 503].into_iter().all(again));
        assert!(![400, 401, 403, 404, 418].into_iter().any(again));
    }
}
