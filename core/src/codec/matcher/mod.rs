// SPDX-License-Identifier: MIT OR Apache-2.0
//! The message matcher: expressions that select messages (heka-matcher(7)).
//!
//! One language covers the expressions of Go Heka and of `lua_sandbox`:
//!
//! ```text
//! Type == 'nginx' && (Severity < 4 || Fields[status][0][0] >= 500) && !(Payload =~ /health/)
//! ```
//!
//! An expression is compiled once and evaluated on the borrowed view of a message, without
//! allocation and without reading anything that it does not name (`tests/cost`).

mod date;
mod evaluate;
mod highlight;
mod hint;
mod lex;
mod parse;
mod pattern;

pub use highlight::Highlight;

use crate::codec::{FieldPath, Mistake};

use crate::wire::MessageView;

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Matcher {
    node: parse::Node,
}

impl Matcher {
    /// Compiles `text`.
    ///
    /// # Errors
    /// The mistake and its position.
    pub fn new(text: &str) -> Result<Self, Mistake> {
        parse::parse(text).map(|node| Self { node })
    }

    /// Whether `message` satisfies the expression.
    #[inline]
    pub fn is_match(&self, message: &MessageView<'_>) -> bool {
        evaluate::is_match(&self.node, message)
    }

    /// Returns the paths of the fields in the expression.
    pub fn fields(&self) -> Vec<&FieldPath> {
        self.node.field_tests().into_iter().map(|test| &test.path).collect()
    }

    /// Returns the paths of the fields that were compared with numbers but have held only text so
    /// far.
    pub fn never_numbers(&self) -> Vec<&FieldPath> {
        let tests = self.node.field_tests().into_iter();
        let tests = tests.filter(|test| test.seen.text.get() && !test.seen.number.get());
        tests.map(|test| &test.path).collect()
    }

    /// Returns a highlighter for the parts of payloads that the expression searches for, if any.
    pub fn highlight(&self) -> Option<Highlight> {
        Highlight::new(&self.node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Field, Message, ValueType, put_message};

    fn mistake(text: &str) -> (usize, String) {
        let mistake = Matcher::new(text).unwrap_err();
        (mistake.at, mistake.to_string())
    }

    #[test]
    fn what_heka_silently_misreads_is_an_error_at_its_place() {
        for (text, at, reason) in [
            ("TRUE Bogus", 5, "expected && or ||"),
            ("TRUE && Bogus", 8, "unknown word Bogus"),
            ("TRUE && type == 'x'", 8, "unknown word type (did you mean Type?)"),
            ("Type == 'TEST' Severity == 4", 15, "expected && or ||"),
            ("Severity == 7-0", 12, "bad number"),
            ("Severity == 1.2.3", 12, "bad number"),
            ("Severity == 0x6", 12, "bad number"),
            ("TRUE 'unterminated", 5, "no closing quote"),
            ("TRUE)", 4, "no ( for this )"),
            ("(TRUE", 0, "no ) for this ("),
            ("", 0, "expected a test"),
            ("Fields[a] [0] == 1", 10, "[ must follow Fields or ] directly"),
            ("Type == NIL && Uuid == NIL", 23, "Uuid is never NIL"),
            ("Type = 'x'", 5, "did you mean ==?"),
            ("Type ~ 'x'", 5, "did you mean =~?"),
            ("status >= 500", 0, "unknown word status (did you mean Fields[status]?)"),
            ("Pyload == 'x'", 0, "unknown word Pyload (did you mean Payload?)"),
            ("sevreity <= 3", 0, "unknown word sevreity (did you mean Severity?)"),
            ("Type: 'x'", 4, "did you mean ==?"),
            ("Type <> 'x'", 5, "did you mean !=?"),
            ("Payload matches /x/", 8, "did you mean =~?"),
            ("Payload LIKE 'x'", 8, "did you mean =~?"),
            ("Severity le 3", 9, "did you mean <=?"),
            ("Payload startswith 'x'", 8, "did you mean =~ /^…/?"),
            ("Payload includes 'x'", 8, "did you mean contains?"),
            ("Fields[s] in (1, 2)", 10, "expected one comparison for each value, joined by ||"),
            ("message == 'x'", 0, "unknown word message (did you mean Payload?)"),
            ("Fields.status >= 500", 6, "did you mean Fields[status]?"),
            ("Severity <= err", 12, "expected a number (err is 3)"),
            ("Severity <= 'warning'", 12, "expected a number (warning is 4)"),
            ("Payload contains /x/", 17, "expected text in quotes"),
            ("Fields[n] contains 5", 19, "expected text in quotes"),
            ("TRUE and", 8, "expected a test"),
        ] {
            assert_eq!(mistake(text), (at, reason.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_newline_is_white_space_and_not_is_a_negation() {
        let empty = MessageView::default();
        let truth = |text: &str| Matcher::new(text).unwrap().is_match(&empty);
        assert!(!truth("TRUE\n&& FALSE"));
        assert!(truth("!FALSE"));
        assert!(!truth("!(FALSE || TRUE)"));
        assert!(truth("!!TRUE && !FALSE"));
        assert!(truth("TRUE || FALSE && FALSE"));
        assert!(!truth("(TRUE || FALSE) && FALSE"));
    }

    #[test]
    fn words_are_as_good_as_signs() {
        let message = Message { payload: Some("a.b Panic".into()), ..Message::default() };
        let mut bytes = Vec::new();
        put_message(&mut bytes, &message);
        let view = MessageView::parse(&bytes).unwrap();
        for (expression, expected) in [
            ("TRUE and not FALSE", true),
            ("FALSE or TRUE AND TRUE", true),
            ("not (TRUE or FALSE)", false),
            ("Payload contains 'a.b'", true),
            ("Payload contains 'aXb'", false),
            ("not Payload contains 'panic'", true),
            ("Payload =~ /PANIC/i", true),
            ("Payload =~ /PANIC/", false),
            ("Payload !~ /PANIC/i || FALSE", false),
            ("(Payload =~ /^A\\.b/i)&&TRUE", true),
        ] {
            assert_eq!(Matcher::new(expression).unwrap().is_match(&view), expected, "{expression}");
        }
    }

    #[test]
    fn a_star_means_any() {
        let message = Message {
            fields: vec![
                Field { value_integer: vec![1, 2], ..Field::empty("n", ValueType::Integer) },
                Field { value_integer: vec![3], ..Field::empty("n", ValueType::Integer) },
            ],
            ..Message::default()
        };
        let mut bytes = Vec::new();
        put_message(&mut bytes, &message);
        let view = MessageView::parse(&bytes).unwrap();
        for (expression, expected) in [
            ("Fields[n][*] == 2", true),
            ("Fields[n][*] == 3", true),
            ("Fields[n][*] == 4", false),
            ("Fields[n][0][*] == 3", false),
            ("Fields[n][*][0] == 2", false),
            ("Fields[n][1][*] == 3", true),
            ("Fields[n][*] != 1", true),
            ("Fields[x][*] == NIL", true),
            ("Fields[n][*] == NIL", false),
        ] {
            assert_eq!(Matcher::new(expression).unwrap().is_match(&view), expected, "{expression}");
        }
        assert_eq!(mistake("Fields[n][**] == 1"), (10, "expected an index".to_owned()));
    }

    #[test]
    fn numbers_that_only_ever_met_text_are_told() {
        let matcher = Matcher::new("Fields[a] > 1 || Fields[b] > 1 || Fields[none] > 1").unwrap();
        let matches = |fields| {
            let mut bytes = Vec::new();
            put_message(&mut bytes, &Message { fields, ..Message::default() });
            matcher.is_match(&MessageView::parse(&bytes).unwrap())
        };
        let names = || matcher.never_numbers().iter().map(|path| &*path.name).collect::<Vec<_>>();
        assert!(names().is_empty());
        assert!(!matches(vec![Field::string("a", "404"), Field::string("b", "x")]));
        assert_eq!(names(), [b"a", b"b"]);
        assert!(matches(vec![Field::integer("a", 404)]));
        assert_eq!(names(), [b"b"]);
    }

    #[test]
    fn nesting_is_limited() {
        let deep = format!("{}TRUE{}", "(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(mistake(&deep).1, "nested too deep");
        assert_eq!(mistake(&"!".repeat(10_000)).1, "nested too deep");
        let long = vec!["TRUE"; 10_000].join(" && ");
        assert!(Matcher::new(&long).is_ok());
    }
}
