// SPDX-License-Identifier: MIT OR Apache-2.0
//! Access tokens: their format and expiry.

use data_encoding::BASE64URL_NOPAD;
use heka_core::cli::SecretJson;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The value of an Authorization header, and when it expires.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    /// The header's value, verbatim.
    pub(crate) header: Secret,
    /// Expiry in seconds since 1970, if the token contains it.
    pub(crate) expires: Option<i64>,
    /// Lifetime in seconds, if the token contains it.
    pub(crate) lifetime: Option<i64>,
}

impl Token {
    /// Parses a token as given: one line, with the prefix `bearer ` or, for a JSON web token,
    /// without.
    ///
    /// # Errors
    /// A description of what is wrong, without the token.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err("contains no token".to_owned());
        }
        if text.chars().any(|c| c.is_control() || !c.is_ascii()) {
            return Err("the token has control characters, or more than one line".to_owned());
        }
        let bare = text.rsplit(' ').next().unwrap_or(text);
        let header = if bare == text && text.starts_with("eyJ") {
            ["bearer ", text].concat()
        } else {
            text.to_owned()
        };
        let (expires, issued) = (claim(bare, "exp"), claim(bare, "iat"));
        let lifetime = expires.zip(issued).map(|(expires, issued)| expires.saturating_sub(issued));
        Ok(Self { expires, lifetime, header: Secret::new(header) })
    }

    /// Returns the number of seconds left at `now` (seconds since 1970); `None` if unknown.
    pub(crate) fn left(&self, now: i64) -> Option<i64> {
        self.expires.map(|expires| expires.saturating_sub(now))
    }
}

/// Returns a time in a JSON web token.
fn claim(token: &str, name: &str) -> Option<i64> {
    let body = token.split('.').nth(1)?;
    let json = BASE64URL_NOPAD.decode(body.trim_end_matches('=').as_bytes()).ok()?;
    let json = SecretJson::parse(&Zeroizing::new(json)).ok()?;
    let time = json.get(name)?;
    #[expect(clippy::cast_possible_truncation, reason = "a time that does not fit is far away")]
    time.as_i64().or_else(|| time.as_f64().map(|seconds| seconds as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body is {"exp":1795293427}.
    const JWT: &str = "eyJhbGciOiJub25lIn0.eyJleHAiOjE3OTUyOTM0Mjd9.c2ln";

    #[test]
    fn a_bare_web_token_gets_its_scheme() {
        let token = Token::parse(&format!("{JWT}\n")).unwrap();
        assert_eq!(token.header.reveal(), format!("bearer {JWT}"));
        assert_eq!(token.left(1_795_293_400), Some(27));
    }

    #[test]
    fn anything_else_is_sent_as_it_is() {
        for text in ["bearer good", "Basic eDp5", "opaque"] {
            let token = Token::parse(text).unwrap();
            assert_eq!((token.header.reveal(), token.expires), (text, None));
        }
        assert_eq!(Token::parse(&format!("Bearer {JWT}")).unwrap().expires, Some(1_795_293_427));
    }

    #[test]
    fn what_would_break_a_header_is_refused_and_not_repeated() {
        for text in ["", "\n", "bearer good\r\nX-Evil: 1", "a\0b", "pässword"] {
            let error = Token::parse(text).unwrap_err();
            assert!(!error.contains("good") && !error.contains("word"), "{error}");
        }
    }
}
