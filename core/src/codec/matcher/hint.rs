// SPDX-License-Identifier: MIT OR Apache-2.0
//! Hints for common mistakes in expressions.

use super::Mistake;
use super::lex::Token;
use crate::codec::severity;

/// Words that may occur in an expression beside the names of fields.
const WORDS: [&str; 13] = [
    "Uuid",
    "Timestamp",
    "Type",
    "Logger",
    "Severity",
    "Payload",
    "EnvVersion",
    "Pid",
    "Hostname",
    "Fields",
    "TRUE",
    "FALSE",
    "NIL",
];
/// Shorter words resemble too many others.
const SHORTEST: usize = 3;

/// Returns the mistake for a severity that is not a number.
pub(super) fn no_number(at: usize, word: &str) -> Mistake {
    match severity::named(word.as_bytes()) {
        Some(number) => Mistake::new(at, format!("expected a number ({word} is {number})")),
        None => Mistake::new(at, "expected a number"),
    }
}

/// Returns the message for a word that is not a variable.
pub(super) fn unknown(word: &str, is_compared: bool) -> String {
    if word == "NIL" {
        return "NIL stands behind == or != only".to_owned();
    }
    let lower = word.to_ascii_lowercase();
    let other = match lower.as_str() {
        "msg" | "message" | "text" => Some("Payload"),
        "host" => Some("Hostname"),
        "level" => Some("Severity"),
        "time" | "ts" => Some("Timestamp"),
        "null" | "none" => Some("NIL"),
        _ => None,
    };
    let known = WORDS.iter().find(|known| is_near(lower.as_bytes(), &known.to_ascii_lowercase()));
    match other.or(known.copied()) {
        Some(known) => format!("unknown word {word} (did you mean {known}?)"),
        None if is_compared => format!("unknown word {word} (did you mean Fields[{word}]?)"),
        None => format!("unknown word {word}"),
    }
}

/// Returns the message for a missing comparison.
pub(super) fn no_comparison(token: &Token) -> &'static str {
    let Token::Word(word) = token else {
        return "expected == != > >= < <= =~ !~ or contains";
    };
    match word.to_ascii_lowercase().as_str() {
        "is" | "eq" | "equals" => "did you mean ==?",
        "ne" | "neq" => "did you mean !=?",
        "gt" => "did you mean >?",
        "ge" | "gte" => "did you mean >=?",
        "lt" => "did you mean <?",
        "le" | "lte" => "did you mean <=?",
        "like" | "ilike" | "matches" | "match" | "regex" | "regexp" | "rlike" => "did you mean =~?",
        "has" | "includes" | "include" => "did you mean contains?",
        "startswith" | "starts_with" | "beginswith" | "begins" | "starts" => {
            "did you mean =~ /^…/?"
        }
        "endswith" | "ends_with" | "ends" => "did you mean =~ /…$/?",
        "in" => "expected one comparison for each value, joined by ||",
        _ => "expected == != > >= < <= =~ !~ or contains",
    }
}

/// Whether two words differ by at most one typing mistake: a letter missing, added or replaced, or
/// two letters swapped.
fn is_near(typed: &[u8], known: &str) -> bool {
    let known = known.as_bytes();
    let same = typed.iter().zip(known).take_while(|(one, other)| one == other).count();
    let (typed, known) = (typed.get(same..), known.get(same..));
    match (typed.unwrap_or_default(), known.unwrap_or_default()) {
        ([], []) => true,
        _ if same + known.map_or(0, <[u8]>::len) < SHORTEST + 1 => false,
        ([a, b, typed @ ..], [c, d, known @ ..]) if (a, b) == (d, c) && typed == known => true,
        ([_, typed @ ..], [_, known @ ..]) if typed == known => true,
        (typed, [_, known @ ..]) if typed == known => true,
        ([_, typed @ ..], known) => typed == known,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mistake_is_near() {
        for typed in ["payload", "pyload", "paylaod", "payloadd", "paylord", "ayload"] {
            assert!(is_near(typed.as_bytes(), "payload"), "{typed}");
        }
        for typed in ["", "pay", "paylo", "status", "playlaod"] {
            assert!(!is_near(typed.as_bytes(), "payload"), "{typed}");
        }
        assert!(!is_near(b"nid", "nil") && !is_near(b"id", "pid"));
    }
}
