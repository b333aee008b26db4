// SPDX-License-Identifier: MIT OR Apache-2.0
//! Regular expressions in RE2's syntax, which is Go's.
//!
//! They are compiled by the `regex` crate, whose syntax is nearly the same. Differences are
//! translated: `\d \w \s \b` are ASCII in RE2; a `{` that does not begin a count is an ordinary
//! character, as are `[`, `&&`, `--` and `~~` inside a class; `\Q…\E` quotes.

use std::iter::Peekable;
use std::str::CharIndices;
use std::sync::{Arc, Mutex, PoisonError};

use regex::bytes::{Regex, RegexBuilder};
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::nfa::thompson;
use regex_automata::util::{start, syntax};

use super::Mistake;

/// Longest program of a compiled expression, in bytes.
const SIZE_LIMIT: usize = 10 * 1024 * 1024;

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub struct Regular {
    regex: Regex,
    /// For text that is not UTF-8, if the expression can match the replacement for invalid bytes.
    damaged: Option<Arc<Damaged>>,
}

impl Regular {
    /// Compiles `text`.
    ///
    /// # Errors
    /// The mistake and its position.
    pub fn new(text: &str) -> Result<Self, Mistake> {
        let regex = compile(text)?;
        // Anything else that matches U+FFFD matches nothing at all, too.
        let takes_any = text.contains(['.', '[', '\\', char::REPLACEMENT_CHARACTER]);
        let damaged = takes_any.then(|| Damaged::new(text).map(Arc::new)).transpose()?;
        Ok(Self { regex, damaged })
    }

    /// Returns the expression itself, for callers that need the position of matches. It does not
    /// match next to invalid UTF-8.
    pub(super) fn regex(&self) -> &Regex {
        &self.regex
    }

    /// Whether the expression matches anywhere in `text`. Allocates only for new states of the
    /// automaton, up to a limit.
    #[inline]
    pub fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
            || self.damaged.as_ref().is_some_and(|damaged| damaged.is_match(text))
    }
}

/// The same expression for text that is not UTF-8. RE2 reads each invalid byte as one U+FFFD; this
/// automaton does so in place, without copying.
#[derive(Debug)]
struct Damaged {
    automaton: DFA,
    /// The states reached so far.
    states: Mutex<Cache>,
}

impl Damaged {
    fn new(text: &str) -> Result<Self, Mistake> {
        let automaton = DFA::builder()
            .syntax(syntax::Config::new().octal(true).utf8(false))
            .thompson(thompson::Config::new().utf8(false).nfa_size_limit(Some(SIZE_LIMIT)))
            .configure(DFA::config().skip_cache_capacity_check(true))
            .build(&translate(text).0)
            .map_err(|error| bad(0, &error))?;
        let states = Mutex::new(automaton.create_cache());
        Ok(Self { automaton, states })
    }

    /// Whether the expression matches in `text`; always `false` if that is UTF-8.
    fn is_match(&self, text: &[u8]) -> bool {
        if std::str::from_utf8(text).is_ok() {
            return false;
        }
        let bytes = text.utf8_chunks().flat_map(|chunk| {
            let bad = chunk.invalid().iter().flat_map(|_| "\u{fffd}".bytes());
            chunk.valid().bytes().chain(bad)
        });
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        // This automaton has no limits that end in an error.
        self.search(&mut states, bytes).unwrap_or(false)
    }

    #[cold]
    fn search(&self, states: &mut Cache, bytes: impl Iterator<Item = u8>) -> Option<bool> {
        let mut state = self.automaton.start_state(states, &start::Config::new()).ok()?;
        for byte in bytes {
            state = self.automaton.next_state(states, state, byte).ok()?;
            if state.is_match() || state.is_dead() {
                return Some(state.is_match());
            }
        }
        self.automaton.next_eoi_state(states, state).ok().map(|state| state.is_match())
    }
}

/// Compiles RE2's syntax for callers that also need captures.
///
/// # Errors
/// The mistake and its position.
pub fn compile(text: &str) -> Result<Regex, Mistake> {
    let (translated, places) = translate(text);
    // The crate that compiles gives the position only in prose.
    if let Err(error) = syntax::parse_with(&translated, &syntax::Config::new().octal(true)) {
        let (at, cause) = explain(&error);
        let place = places.iter().rfind(|(place, _)| *place <= at);
        let is_end = at >= translated.len();
        return Err(bad(place.filter(|_| !is_end).map_or(text.len(), |(_, at)| *at), &cause));
    }
    RegexBuilder::new(&translated)
        .octal(true)
        .size_limit(SIZE_LIMIT)
        .build()
        .map_err(|_| bad(0, &format_args!("it takes more than {SIZE_LIMIT} bytes compiled")))
}

fn bad(at: usize, cause: &dyn std::fmt::Display) -> Mistake {
    Mistake::new(at, format!("bad regular expression: {cause}"))
}

/// Returns the position and the description of a mistake.
fn explain(error: &regex_syntax::Error) -> (usize, String) {
    match error {
        regex_syntax::Error::Parse(error) => (error.span().start.offset, error.kind().to_string()),
        regex_syntax::Error::Translate(error) => {
            (error.span().start.offset, error.kind().to_string())
        }
        _ => (0, error.to_string()),
    }
}

/// Translates RE2's syntax to the crate's. Also returns the origin of each part: offsets in the
/// translation and in the source.
fn translate(text: &str) -> (String, Vec<(usize, usize)>) {
    let mut out = String::with_capacity(text.len() + 16);
    let mut places = Vec::new();
    let mut chars = text.char_indices().peekable();
    let mut in_class = false;
    while let Some((at, c)) = chars.next() {
        places.push((out.len(), at));
        let rest = text.get(at..).unwrap_or_default();
        match c {
            '\\' if rest.starts_with("\\Q") => {
                let quoted = rest.get(2..).unwrap_or_default();
                let quoted = quoted.split_once("\\E").map_or(quoted, |(quoted, _)| quoted);
                out.push_str(&regex::escape(quoted));
                let end = at + 2 + quoted.len() + 2;
                while chars.next_if(|&(next, _)| next < end).is_some() {}
            }
            '\\' => escape(&mut out, &mut chars, in_class),
            '[' if in_class => {
                let is_named = rest.starts_with("[:") && rest.contains(":]");
                out.push_str(if is_named { "[" } else { "\\[" });
                if is_named {
                    copy_through(&mut out, &mut chars, ":]");
                }
            }
            '[' => {
                in_class = true;
                begin_class(&mut out, &mut chars);
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            '&' | '~' if in_class => out.extend(['\\', c]),
            '-' if in_class && rest.starts_with("--") => out.push_str("\\-"),
            '{' if !in_class && !is_count(rest) => out.push_str("\\{"),
            _ => out.push(c),
        }
    }
    (out, places)
}

type Chars<'t> = Peekable<CharIndices<'t>>;

/// Translates the characters after a backslash.
fn escape(out: &mut String, chars: &mut Chars<'_>, in_class: bool) {
    let escaped = chars.next().map(|(_, c)| c);
    let then = chars.peek().map(|&(_, c)| c);
    match (escaped, then) {
        // A single digit is a back-reference, which a linear search cannot support.
        (Some('1'..='7'), then) if !matches!(then, Some('0'..='7')) => out.push_str("\\y"),
        (Some('p' | 'P' | 'x'), Some('{')) => {
            out.extend(['\\', escaped.unwrap_or('p')]);
            copy_through(out, chars, "}");
        }
        _ => push_escape(out, escaped, in_class),
    }
}

/// Translates the beginning of a set, in which a leading `]` is an ordinary character.
fn begin_class(out: &mut String, chars: &mut Chars<'_>) {
    out.push('[');
    if let Some((_, caret)) = chars.next_if(|&(_, c)| c == '^') {
        out.push(caret);
    }
    if chars.next_if(|&(_, c)| c == ']').is_some() {
        out.push_str("\\]");
    }
}

/// Copies everything up to and including `end`.
fn copy_through(out: &mut String, chars: &mut impl Iterator<Item = (usize, char)>, end: &str) {
    let start = out.len();
    for (_, c) in chars {
        out.push(c);
        if out.get(start..).is_some_and(|copied| copied.ends_with(end)) {
            return;
        }
    }
}

/// Writes the meaning of a backslash followed by `escaped`.
fn push_escape(out: &mut String, escaped: Option<char>, in_class: bool) {
    let Some(c) = escaped else { return out.push('\\') };
    let inside = match c {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => "\\t\\n\\x0C\\r ",
        'D' => "^0-9",
        'W' => "^0-9A-Za-z_",
        'S' => "^\\t\\n\\x0C\\r ",
        'b' | 'B' if !in_class => return out.push_str(&format!("(?-u:\\{c})")),
        // Unknown to RE2, though the crate supports them.
        '<' | '>' | 'u' | 'U' | 'y' => return out.push_str("\\y"),
        _ => return out.extend(['\\', c]),
    };
    if in_class && c.is_ascii_lowercase() {
        out.push_str(inside);
    } else {
        out.push_str(&format!("[{inside}]"));
    }
}

/// Whether `{…` is `{2}`, `{2,}` or `{2,5}`.
fn is_count(text: &str) -> bool {
    let Some((inside, _)) = text.get(1..).and_then(|text| text.split_once('}')) else {
        return false;
    };
    let (least, most) = inside.split_once(',').unwrap_or((inside, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && is_number(least) && is_number(most)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{prop_assert_eq, proptest};
    use proptest::sample::select;

    use super::*;

    fn is_match(regex: &str, text: &[u8]) -> bool {
        Regular::new(regex).unwrap().is_match(text)
    }

    #[test]
    fn expressions_mean_what_they_mean_in_go() {
        for (regex, text) in [
            ("", ""),
            ("^TE", "TEST"),
            ("(?i)heka", "HEKA"),
            ("\\p{Greek}", "λ"),
            ("a{,3}", "a{,3}"),
            ("{x}", "{x}"),
            ("a{2}", "aa"),
            ("[[a]", "["),
            ("[a&&b]", "&"),
            ("[[:alpha:]]+1", "x1"),
            ("[^\\D]", "7"),
            ("[]a]", "]"),
            ("\\Qa.b\\E+", "a.bb"),
            ("\\101", "A"),
            ("[\\w.-]+@", "a.b-c@"),
            ("\\bfoo\\b", "a foo b"),
            ("é", "é"),
        ] {
            assert!(is_match(regex, text.as_bytes()), "{regex} on {text}");
        }
        for (regex, text) in
            [("\\d", "٣"), ("\\w", "é"), ("^.$", "ab"), ("a.b", "a\nb"), ("\\s", "\u{b}")]
        {
            assert!(!is_match(regex, text.as_bytes()), "{regex} on {text}");
        }
    }

    #[test]
    fn bad_bytes_are_one_character_each() {
        assert!(is_match("^a.b$", b"a\xffb"));
        assert!(is_match("^a..b$", b"a\xff\xfeb"));
        assert!(is_match("a[^x]b", b"a\xffb"));
        assert!(!is_match("^a.b$", b"a\xff\xfeb"));
        assert!(is_match("^é..$", b"\xc3\xa9\xe2\x82"));
        assert!(is_match("(?i)A[é-\u{ffff}]b", b"a\xffb"));
        assert!(is_match("\\bb$", b"\xffb"));
        assert!(!is_match("b\\b.$", b"\xff"));
    }

    /// Replaces invalid UTF-8 as RE2 does.
    fn mended(text: &[u8]) -> String {
        let bad = |chunk: std::str::Utf8Chunk<'_>| "\u{fffd}".repeat(chunk.invalid().len());
        text.utf8_chunks().map(|chunk| chunk.valid().to_owned() + &bad(chunk)).collect()
    }

    proptest! {
        #[test]
        fn damaged_text_is_read_as_if_it_were_mended(
            text in vec(select(&b"ab \n\xc3\xa9\xe2\x82\xf0\xff"[..]), 0..8),
            regex in select(&[
                "^.*$", "^...$", "a.b", "[^a]b", "\\bb", "b\\B", "(?s)^.{2,4}$", "(?m)^.$", "é.",
                "[a-\u{ffff}]{3}", "\\pS", "\\x{fffd}+a", "(?:.a)*b$", "[[:^alpha:]]$", "\\Q\\E",
            ][..]),
        ) {
            let expected = compile(regex).unwrap().is_match(mended(&text).as_bytes());
            prop_assert_eq!(is_match(regex, &text), expected);
        }
    }

    #[test]
    fn a_mistake_has_its_place() {
        for (regex, at) in [
            ("a(unclosed", 1),
            ("\\d+[z-a]", 4),
            ("\\Q((\\E(", 6),
            ("{x}(a", 3),
            ("é\\y", 2),
            ("(?=look)", 0),
            ("a\\", 1),
        ] {
            let mistake = compile(regex).unwrap_err();
            assert_eq!(mistake.at, at, "{regex}: {mistake}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for regex in ["(unclosed", "(?=look)", "\\ytest", "\\1", "[b-a]", "*", "\\<x"] {
            assert!(Regular::new(regex).is_err(), "{regex}");
        }
    }
}
