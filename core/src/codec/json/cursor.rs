// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON read token by token, in place. The reader is lenient where that loses nothing: strings may
//! contain control characters and invalid UTF-8, and an unpaired surrogate is U+FFFD.

use memchr::memchr2;

use super::number;

/// Maximum nesting.
pub(crate) const MAX_DEPTH: usize = 128;

/// A JSON error and its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// The column, counted from 1.
    pub(crate) column: usize,
    pub(crate) words: &'static str,
}

/// The beginning of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    Null,
    Bool(bool),
    /// A number as written.
    Number(&'a [u8]),
    /// `NaN`, `Infinity`, `-Infinity`, as Python writes them.
    NotFinite(f64),
    String(Text<'a>),
    /// `[`: elements follow.
    Array,
    /// `{`: members follow.
    Object,
}

/// A string as written, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text<'a> {
    written: &'a [u8],
    has_escapes: bool,
}

/// A cursor over JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    /// The unread rest.
    rest: &'a [u8],
    /// The length of the whole text.
    len: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(data: &'a [u8]) -> Self {
        Self { rest: data, len: data.len() }
    }

    #[cold]
    fn wrong(&self, words: &'static str) -> Wrong {
        Wrong { column: self.len - self.rest.len() + 1, words }
    }

    #[cold]
    fn ended(&self) -> Wrong {
        Wrong { column: self.len, words: "EOF while parsing a value" }
    }

    #[inline]
    fn blanks(&mut self) {
        while let [b' ' | b'\t' | b'\n' | b'\r', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// Checks that only blanks follow.
    pub(crate) fn finish(&mut self) -> Result<(), Wrong> {
        self.blanks();
        if self.rest.is_empty() { Ok(()) } else { Err(self.wrong("trailing characters")) }
    }

    /// Reads the next value, or its opening bracket.
    #[inline]
    pub(crate) fn value(&mut self) -> Result<Token<'a>, Wrong> {
        self.blanks();
        let token = match self.rest {
            [b'"', rest @ ..] => return self.string(rest).map(Token::String),
            [b'{', rest @ ..] => {
                self.rest = rest;
                Token::Object
            }
            [b'[', rest @ ..] => {
                self.rest = rest;
                Token::Array
            }
            [b'-', b'I', ..] => {
                return self.word("-Infinity", Token::NotFinite(f64::NEG_INFINITY));
            }
            [b'-' | b'0'..=b'9', ..] => {
                let number =
                    number::length(self.rest).and_then(|len| self.rest.split_at_checked(len));
                let (number, rest) = number.ok_or_else(|| self.wrong("invalid number"))?;
                self.rest = rest;
                Token::Number(number)
            }
            [b'n', ..] => return self.word("null", Token::Null),
            [b't', ..] => return self.word("true", Token::Bool(true)),
            [b'f', ..] => return self.word("false", Token::Bool(false)),
            [b'N', ..] => return self.word("NaN", Token::NotFinite(f64::NAN)),
            [b'I', ..] => return self.word("Infinity", Token::NotFinite(f64::INFINITY)),
            [_, ..] => return Err(self.wrong("expected value")),
            [] => return Err(self.ended()),
        };
        Ok(token)
    }

    fn word(&mut self, word: &str, token: Token<'a>) -> Result<Token<'a>, Wrong> {
        for byte in word.bytes() {
            match self.rest {
                [found, rest @ ..] if *found == byte => self.rest = rest,
                [_, ..] => return Err(self.wrong("expected ident")),
                [] => return Err(self.ended()),
            }
        }
        Ok(token)
    }

    /// Reads the string at the front of `text`, after its opening quote.
    #[inline]
    fn string(&mut self, text: &'a [u8]) -> Result<Text<'a>, Wrong> {
        let mut has_escapes = false;
        let mut seen = 0;
        while let Some(at) = text.get(seen..).and_then(quote) {
            let end = seen + at;
            let (written, rest) = text.split_at(end);
            if let [b'"', rest @ ..] = rest {
                self.rest = rest;
                return Ok(Text { written, has_escapes });
            }
            has_escapes = true;
            seen = end + 2;
        }
        Err(Wrong { column: self.len, words: "EOF while parsing a string" })
    }

    /// Reads the name of the next member, after which its value is next; `None` at the end of the
    /// object.
    #[inline]
    pub(crate) fn member(&mut self, is_first: bool) -> Result<Option<Text<'a>>, Wrong> {
        if !self.another(b'}', is_first, "expected `,` or `}`")? {
            return Ok(None);
        }
        let [b'"', rest @ ..] = self.rest else {
            return Err(self.wrong("key must be a string"));
        };
        let name = self.string(rest)?;
        self.blanks();
        let [b':', rest @ ..] = self.rest else {
            return Err(self.wrong("expected `:`"));
        };
        self.rest = rest;
        Ok(Some(name))
    }

    /// Whether another element follows, rather than the end of the array.
    pub(crate) fn element(&mut self, is_first: bool) -> Result<bool, Wrong> {
        self.another(b']', is_first, "expected `,` or `]`")
    }

    #[inline]
    fn another(&mut self, end: u8, is_first: bool, words: &'static str) -> Result<bool, Wrong> {
        self.blanks();
        match self.rest {
            [next, rest @ ..] if *next == end => {
                self.rest = rest;
                Ok(false)
            }
            [b',', rest @ ..] if !is_first => {
                self.rest = rest;
                self.blanks();
                Ok(true)
            }
            [_, ..] if is_first => Ok(true),
            [_, ..] => Err(self.wrong(words)),
            [] => Err(self.ended()),
        }
    }
}

impl<'a> Text<'a> {
    /// Returns the unescaped text; `room` is used if the text has escapes.
    #[inline]
    pub(crate) fn read<'b>(self, room: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        if !self.has_escapes {
            return self.written;
        }
        room.clear();
        self.put(room);
        room
    }

    /// Appends the unescaped text.
    #[inline]
    pub(crate) fn put(self, out: &mut Vec<u8>) {
        if self.has_escapes {
            self.put_unescaped(out);
        } else {
            out.extend_from_slice(self.written);
        }
    }

    /// Returns the text if it has no escapes.
    pub(crate) fn plain(self) -> Option<&'a [u8]> {
        (!self.has_escapes).then_some(self.written)
    }

    /// Whether all escapes are valid JSON and stand for characters of their own.
    pub(crate) fn is_strict(self) -> bool {
        let mut rest = self.written;
        while let Some(at) = memchr::memchr(b'\\', rest) {
            let escape = rest.get(at + 1..).unwrap_or_default();
            let len = match escape {
                [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 1,
                [b'u', digits @ ..] => match unit(digits) {
                    Some((0xd800..=0xdfff, _)) | None => return false,
                    Some(_) => 5,
                },
                _ => return false,
            };
            rest = escape.get(len..).unwrap_or_default();
        }
        true
    }

    fn put_unescaped(self, out: &mut Vec<u8>) {
        let mut rest = self.written;
        while let Some(at) = memchr::memchr(b'\\', rest) {
            out.extend_from_slice(rest.get(..at).unwrap_or_default());
            let escaped = rest.get(at + 1).copied();
            rest = rest.get(at + 2..).unwrap_or_default();
            match escaped {
                Some(b'n') => out.push(b'\n'),
                Some(b't') => out.push(b'\t'),
                Some(b'r') => out.push(b'\r'),
                Some(b'b') => out.push(8),
                Some(b'f') => out.push(12),
                Some(b'u') => rest = put_unicode(out, rest),
                Some(byte @ (b'"' | b'\\' | b'/')) => out.push(byte),
                // Not a valid escape: kept as written.
                Some(byte) => out.extend_from_slice(&[b'\\', byte]),
                None => {}
            }
        }
        out.extend_from_slice(rest);
    }
}

/// Finds the first quote or backslash. Most strings are short, for which eight bytes at a time are
/// faster than a search that is best for long strings.
#[inline]
fn quote(text: &[u8]) -> Option<usize> {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    const QUOTES: u64 = EACH * b'"' as u64;
    const BACKSLASHES: u64 = EACH * b'\\' as u64;
    /// Length of a short string, in blocks of eight bytes.
    const SHORT: usize = 4;
    let zeroes = |word: u64| word.wrapping_sub(EACH) & !word & HIGH;
    let (words, _) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate().take(SHORT) {
        let word = u64::from_le_bytes(*word);
        let found = zeroes(word ^ QUOTES) | zeroes(word ^ BACKSLASHES);
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    let seen = words.len().min(SHORT) * 8;
    memchr2(b'"', b'\\', text.get(seen..).unwrap_or_default()).map(|at| seen + at)
}

/// Appends the character after `\u`; returns the rest.
fn put_unicode<'a>(out: &mut Vec<u8>, rest: &'a [u8]) -> &'a [u8] {
    let Some((unit, behind)) = unit(rest) else {
        out.extend_from_slice(b"\\u");
        return rest;
    };
    let (code, behind) = match unit {
        0xd800..=0xdbff => {
            let low = behind.strip_prefix(b"\\u").and_then(self::unit);
            match low {
                Some((low @ 0xdc00..=0xdfff, behind)) => {
                    (0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00), behind)
                }
                _ => (0xfffd, behind),
            }
        }
        unit => (unit, behind),
    };
    let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    behind
}

fn unit(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(4)?;
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let value = digits.iter().try_fold(0, |value, byte| Some(value * 16 + digit(byte)?))?;
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a whole text into serde's types.
    fn read(cursor: &mut Cursor<'_>, depth: usize) -> Result<serde_json::Value, Wrong> {
        let mut room = Vec::new();
        let mut text = |text: Text<'_>| String::from_utf8_lossy(text.read(&mut room)).into_owned();
        if depth > MAX_DEPTH {
            return Err(Wrong { column: 1, words: "deep" });
        }
        Ok(match cursor.value()? {
            Token::Null => serde_json::Value::Null,
            Token::Bool(truth) => truth.into(),
            Token::Number(number) => serde_json::from_slice(number).unwrap(),
            Token::NotFinite(_) => "not finite".into(),
            Token::String(found) => text(found).into(),
            Token::Array => {
                let mut values = Vec::new();
                while cursor.element(values.is_empty())? {
                    values.push(read(cursor, depth + 1)?);
                }
                values.into()
            }
            Token::Object => {
                let mut members = serde_json::Map::new();
                let mut is_first = true;
                while let Some(name) = cursor.member(is_first)? {
                    is_first = false;
                    let name = text(name);
                    members.insert(name, read(cursor, depth + 1)?);
                }
                members.into()
            }
        })
    }

    fn whole(text: &[u8]) -> Result<serde_json::Value, String> {
        let mut cursor = Cursor::new(text);
        let value = read(&mut cursor, 0)
            .map_err(|wrong| format!("column {}: {}", wrong.column, wrong.words))?;
        cursor.finish().map_err(|wrong| format!("column {}: {}", wrong.column, wrong.words))?;
        Ok(value)
    }

    #[test]
    fn the_end_of_a_string_is_found_wherever_it_is() {
        for len in 0..70 {
            let mut text = vec![0xff_u8; len];
            assert_eq!(quote(&text), None);
            for at in 0..len {
                for byte in [b'"', b'\\'] {
                    text[at] = byte;
                    assert_eq!(quote(&text), Some(at), "{len}");
                    if let Some(last) = text.last_mut() {
                        *last = b'"';
                    }
                    assert_eq!(quote(&text), Some(at), "{len}");
                    text.fill(b'!' + byte);
                }
            }
        }
    }

    #[test]
    fn what_is_lost_elsewhere_is_kept() {
        assert_eq!(
            whole(br#""\ud83d\ude00 \ud83d \udc00x \q""#).unwrap(),
            "\u{1f600} \u{fffd} \u{fffd}x \\q"
        );
        assert_eq!(whole(b"\"a\tb\nc\"").unwrap(), "a\tb\nc");
        assert_eq!(
            whole(b"[NaN, -Infinity]").unwrap().to_string(),
            "[\"not finite\",\"not finite\"]"
        );
    }

    #[test]
    fn mistakes_have_their_place() {
        for (text, words) in [
            ("not json", "column 2: expected ident"),
            ("xyz", "column 1: expected value"),
            ("{\"a\":1 2}", "column 8: expected `,` or `}`"),
            ("{\"a\" 1}", "column 6: expected `:`"),
            ("{a:1}", "column 2: key must be a string"),
            ("{\"a\":1} x", "column 9: trailing characters"),
            ("{\"a\":01}", "column 6: invalid number"),
            ("{\"a\":\"x", "column 7: EOF while parsing a string"),
            ("[1", "column 2: EOF while parsing a value"),
        ] {
            assert_eq!(whole(text.as_bytes()).unwrap_err(), words, "{text}");
        }
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(|n| serde_json::json!(n)),
            "\\PC{0,6}|[\"\\\\\n\t/]{0,4}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::vec(("[a-z\"\\\\]{0,3}", inner), 0..5)
                    .prop_map(|members| serde_json::Map::from_iter(members).into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_is_read_as_others_read_it(value in json(), pretty in any::<bool>()) {
            let text = if pretty { format!("{value:#}") } else { value.to_string() };
            prop_assert_eq!(whole(text.as_bytes()), Ok(value));
        }

        #[test]
        fn what_others_refuse_is_refused(text in "[\\[\\]{},:\"a1 .e-]{0,12}") {
            let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            prop_assert_eq!(whole(text.as_bytes()).is_ok(), theirs, "{}", text);
        }
    }
}
