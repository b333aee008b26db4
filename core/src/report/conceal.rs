// SPDX-License-Identifier: MIT OR Apache-2.0
//! Removes secrets from messages in which a peer or a library repeats them: whole or in part, in
//! another case, broken over lines, or in base64.

use std::sync::{Mutex, PoisonError};

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use zeroize::Zeroizing;

/// Length of the parts of a secret that are concealed.
const PART: usize = 16;
/// Shorter secrets are not concealed: that would hide half of every message, and they are hardly
/// secrets.
const SHORTEST: usize = 4;
/// Maximum number of secrets: tokens are renewed for months, and the old ones expire.
const MOST: usize = 256;
/// Number of the first secrets, which are never forgotten: they come from the user.
const KEPT: usize = 64;
/// Replacement for a secret.
const CONCEALED: &str = "[concealed]";

/// The secrets, the oldest first.
#[derive(Debug, Default)]
struct Secrets(Vec<Secret>);

#[derive(Debug)]
struct Secret {
    /// As given.
    whole: Zeroizing<String>,
    /// Its words that are long enough to recognise a part of, in lower case.
    words: Vec<Zeroizing<String>>,
}

static SECRETS: Mutex<Secrets> = Mutex::new(Secrets(Vec::new()));

/// Conceals `secret` in all further lines on stderr, whatever their origin, e.g. a peer that quotes
/// a token or a library that logs a request. Core dumps are disabled as well.
pub fn conceal(secret: &str) {
    super::keep_from_core_dumps();
    SECRETS.lock().unwrap_or_else(PoisonError::into_inner).learn(secret.trim());
}

/// Returns `text` without the secrets in it and, if there are secrets, without anything that looks
/// like a JSON web token (RFC 7519). Text must pass through here before it is shortened.
pub fn without_secrets(text: &str) -> String {
    SECRETS.lock().unwrap_or_else(PoisonError::into_inner).conceal(text)
}

impl Secrets {
    fn learn(&mut self, secret: &str) {
        if secret.len() < SHORTEST || self.0.iter().any(|known| known.whole.as_str() == secret) {
            return;
        }
        let words = secret.split_whitespace().filter(|word| word.len() >= PART);
        let words = words.map(|word| Zeroizing::new(word.to_ascii_lowercase())).collect();
        if self.0.len() == MOST {
            drop(self.0.remove(KEPT));
        }
        self.0.push(Secret { whole: Zeroizing::new(secret.to_owned()), words });
    }

    fn conceal(&self, text: &str) -> String {
        if self.0.is_empty() {
            return text.to_owned();
        }
        let mut all: Vec<&str> = self.0.iter().map(|secret| secret.whole.as_str()).collect();
        // Longest first: a secret that is part of another must not break that one up.
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let conceal = |text: String, secret: &str| text.replace(secret, CONCEALED);
        let text = all.into_iter().fold(text.to_owned(), conceal);
        let words = self.0.iter().flat_map(|secret| &secret.words);
        conceal_parts(&text, &words.map(|word| word.as_str()).collect::<Vec<_>>())
    }
}

fn conceal_parts(text: &str, secrets: &[&str]) -> String {
    // Joins text that is broken up by blanks and line ends, with the origin of each character.
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

/// Whether `text` contains a part of a secret.
fn holds_part(text: &[u8], secrets: &[&str]) -> bool {
    text.windows(PART).any(|window| is_part(window, secrets))
}

fn is_part(window: &[u8], secrets: &[&str]) -> bool {
    let lower = window.to_ascii_lowercase();
    secrets.iter().any(|secret| memchr::memmem::find(secret.as_bytes(), &lower).is_some())
}

fn hide_parts(joined: &[u8], secrets: &[&str], hidden: &mut [bool]) {
    for (at, window) in joined.windows(PART).enumerate() {
        if is_part(window, secrets) {
            hide(hidden, at, PART);
        }
    }
}

/// Hides runs of base64 that contain a secret or a part of one, at any alignment.
fn hide_encoded(joined: &[u8], secrets: &[&str], hidden: &mut [bool]) {
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

/// Hides anything that looks like a web token, up to the next blank.
fn hide_web_tokens(text: &str, places: &[usize], hidden: &mut [bool]) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    for (start, prefix) in text.match_indices("eyJ") {
        let behind = text.get(start + prefix.len()..).unwrap_or_default();
        let len = behind.find(|c| !is_part(c)).unwrap_or(behind.len());
        if len >= PART {
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
        assert_eq!(conceal_parts(text, &[SECRET]), expected);
    }

    #[test]
    fn what_looks_like_a_token_is_not_repeated() {
        let words = "Invalid eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3OTV9.Ab-_c! eyJshort";
        assert_eq!(conceal_parts(words, &[]), "Invalid [concealed]! eyJshort");
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
    fn a_part_of_sixteen_characters_is_enough() {
        check("no ken-0123456789-a.", "no [concealed].");
        check("no en-0123456789-a.", "no en-0123456789-a.");
    }

    #[test]
    fn secrets_are_not_said_even_as_a_part_of_each_other() {
        let mut secrets = Secrets::default();
        for secret in ["hunter2", "bearer hunter2", "abc", "Bearer learnt-0123456789"] {
            secrets.learn(secret);
        }
        let concealed = secrets.conceal("x bearer hunter2, hunter2, abc, LEARNT-0123456789");
        assert_eq!(concealed, "x [concealed], [concealed], abc, [concealed]");
        assert_eq!(Secrets::default().conceal("eyJhbGciOiJIUzI1NiJ9"), "eyJhbGciOiJIUzI1NiJ9");
    }

    #[test]
    fn tokens_that_are_renewed_for_months_fill_no_memory() {
        let token = |number: u64| format!("{:020}", number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut secrets = Secrets::default();
        (1..=1000).for_each(|number| secrets.learn(&token(number)));
        assert_eq!(secrets.0.len(), MOST);
        let text = [1, 64, 1000, 65].map(token).join(" ");
        let expected = format!("[concealed] [concealed] [concealed] {}", token(65));
        assert_eq!(secrets.conceal(&text), expected);
    }
}
