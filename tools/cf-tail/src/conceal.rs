// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server's words without the secrets that it repeats in them: whole or in part, in another case,
//! broken over lines, or in base64.

use std::sync::{Mutex, PoisonError};

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};

/// Length of a part of a secret that is concealed.
const SHORTEST: usize = 20;
const CONCEALED: &str = "[concealed]";

/// Secrets without blanks, in lower case. Shorter ones are left to the report's own search.
static SECRETS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Takes note of a secret.
pub(crate) fn learn(secret: &str) {
    let secret = secret.split_whitespace().map(str::to_ascii_lowercase);
    let mut secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    for part in secret.filter(|part| part.len() >= SHORTEST) {
        if !secrets.contains(&part) {
            secrets.push(part);
        }
    }
}

/// `text` without secrets and without what looks like a JSON web token (RFC 7519).
pub(crate) fn without_secrets(text: &str) -> String {
    let secrets = SECRETS.lock().unwrap_or_else(PoisonError::into_inner);
    conceal(text, &secrets)
}

fn conceal(text: &str, secrets: &[String]) -> String {
    // What blanks and line ends break up is joined, each character with its place.
    let (places, joined): (Vec<usize>, Vec<u8>) =
        text.bytes().enumerate().filter(|(_, byte)| !byte.is_ascii_whitespace()).unzip();
    let mut hidden = vec![false; joined.len()];
    hide_parts(&joined, secrets, &mut hidden);
    hide_encoded(&joined, secrets, &mut hidden);
    hide_web_tokens(text, &places, &mut hidden);
    let mut shown = String::new();
    let mut from = 0;
    let mut at = 0;
    while at < hidden.len() {
        let len = hidden.iter().skip(at).take_while(|is_hidden| **is_hidden).count();
        if len == 0 {
            at += 1;
            continue;
        }
        let place = |at: usize| places.get(at).copied().unwrap_or(text.len());
        shown += text.get(from..place(at)).unwrap_or_default();
        shown += CONCEALED;
        from = place(at + len - 1) + 1;
        at += len;
    }
    shown + text.get(from..).unwrap_or_default()
}

fn hide(hidden: &mut [bool], at: usize, len: usize) {
    hidden.iter_mut().skip(at).take(len).for_each(|is_hidden| *is_hidden = true);
}

/// Whether a run of a secret is in there.
fn holds_part(text: &[u8], secrets: &[String]) -> bool {
    text.windows(SHORTEST).any(|window| is_part(window, secrets))
}

fn is_part(window: &[u8], secrets: &[String]) -> bool {
    let lower = window.to_ascii_lowercase();
    secrets.iter().any(|secret| memchr::memmem::find(secret.as_bytes(), &lower).is_some())
}

fn hide_parts(joined: &[u8], secrets: &[String], hidden: &mut [bool]) {
    for (at, window) in joined.windows(SHORTEST).enumerate() {
        if is_part(window, secrets) {
            hide(hidden, at, SHORTEST);
        }
    }
}

/// Hides runs of base64 that a secret, or a part of one, is in, wherever its first byte is.
fn hide_encoded(joined: &[u8], secrets: &[String], hidden: &mut [bool]) {
    let is_digit =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    let mut at = 0;
    while at < joined.len() {
        let run = joined.get(at..).unwrap_or_default();
        let run = run.get(..run.iter().take_while(|byte| is_digit(**byte)).count());
        let run = run.unwrap_or_default();
        for skipped in 0..4.min(run.len()) {
            let digits = run.get(skipped..).unwrap_or_default();
            let digits = digits.get(..digits.len() / 4 * 4).unwrap_or_default();
            let decoded = BASE64_NOPAD.decode(digits).or_else(|_| BASE64URL_NOPAD.decode(digits));
            if decoded.is_ok_and(|decoded| holds_part(&decoded, secrets)) {
                hide(hidden, at, run.len());
            }
        }
        at += run.len().max(1);
    }
}

/// Hides what looks like a web token, whether it is known or not. Blanks end it.
fn hide_web_tokens(text: &str, places: &[usize], hidden: &mut [bool]) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    for (start, prefix) in text.match_indices("eyJ") {
        let behind = text.get(start + prefix.len()..).unwrap_or_default();
        let len = behind.find(|c| !is_part(c)).unwrap_or(behind.len());
        if len >= SHORTEST {
            let at = places.partition_point(|place| *place < start);
            hide(hidden, at, prefix.len() + len);
        }
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;

    const SECRET: &str = "t0ken-0123456789-abcdefghij-klmnop";

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(conceal(text, &[SECRET.to_owned()]), expected);
    }

    #[test]
    fn what_looks_like_a_token_is_not_repeated() {
        let words = "Invalid eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3OTV9.Ab-_c! eyJshort";
        assert_eq!(conceal(words, &[]), "Invalid [concealed]! eyJshort");
    }

    #[test]
    fn a_secret_is_found_in_whatever_form_a_server_repeats_it() {
        check(&format!("no {SECRET}!"), "no [concealed]!");
        check("no t0ken-0123456789-\r\n abcdefghij-klmnop: bad", "no [concealed]: bad");
        check("no t0ken-0123456789-abc...", "no [concealed]...");
        check("no T0KEN-0123456789-ABCDEFGHIJ-KLMNOP", "no [concealed]");
        check("no t0ken-01234567 at all", "no t0ken-01234567 at all");
        for lead in ["", "x", "xy", "bearer "] {
            let encoded = BASE64.encode(format!("{lead}{SECRET}").as_bytes());
            let padding = "=".repeat(encoded.matches('=').count());
            check(&format!("got <{encoded}>"), &format!("got <[concealed]{padding}>"));
        }
        check("é t0ken-0123456789-abcdefghij-klmnop é", "é [concealed] é");
    }

    #[test]
    fn secrets_are_learnt_without_their_scheme() {
        learn(&format!("Bearer {}", SECRET.replace("t0ken", "learnt")));
        assert_eq!(without_secrets("x LEARNT-0123456789-abcdefghij-klmnop"), "x [concealed]");
    }
}
