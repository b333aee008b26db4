// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tokens of a matcher expression.

use super::Mistake;
use crate::codec::{FieldPath, Pick};

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A run of letters and digits: a header, `TRUE`, `FALSE`, `NIL`.
    Word(String),
    /// `Fields[NAME][field][value]`.
    Field(FieldPath),
    /// Text in quotes; `literal` if `%` follows them.
    Text { bytes: Vec<u8>, literal: bool },
    /// A regular expression between slashes.
    Regex(String),
    /// A number.
    Number(f64),
    /// A comparison.
    Compare(Compare),
    /// `&&`
    And,
    /// `||`
    Or,
    /// `!`
    Not,
    /// `(`
    Open,
    /// `)`
    Close,
    /// The end of the expression.
    End,
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Matches,
    MatchesNot,
    Contains,
}

/// Splits an expression into tokens.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
}

/// Operators; of two with a common prefix the longer one comes first.
const OPERATORS: [(&[u8], Token); 13] = [
    (b"==", Token::Compare(Compare::Equal)),
    (b"!=", Token::Compare(Compare::NotEqual)),
    (b">=", Token::Compare(Compare::GreaterOrEqual)),
    (b"<=", Token::Compare(Compare::LessOrEqual)),
    (b"=~", Token::Compare(Compare::Matches)),
    (b"!~", Token::Compare(Compare::MatchesNot)),
    (b">", Token::Compare(Compare::Greater)),
    (b"<", Token::Compare(Compare::Less)),
    (b"&&", Token::And),
    (b"||", Token::Or),
    (b"!", Token::Not),
    (b"(", Token::Open),
    (b")", Token::Close),
];

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0 }
    }

    /// Returns the next token and its position.
    pub(super) fn next(&mut self) -> Result<(usize, Token), Mistake> {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
        let start = self.at;
        let Some(first) = self.peek() else { return Ok((start, Token::End)) };
        let rest = self.text.get(start..).unwrap_or_default();
        let token = match first {
            b'\'' | b'"' => self.quoted(first)?,
            b'/' => self.regex()?,
            b'0'..=b'9' | b'.' | b'+' | b'-' => self.number()?,
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | 0x80.. => self.word()?,
            _ => match OPERATORS.iter().find(|(text, _)| rest.starts_with(text)) {
                Some((text, token)) => {
                    self.at += text.len();
                    token.clone()
                }
                None => return Err(stray(start, first)),
            },
        };
        Ok((start, token))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'a [u8] {
        let start = self.at;
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn quoted(&mut self, quote: u8) -> Result<Token, Mistake> {
        let start = self.at;
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            let Some(byte) = self.peek() else {
                return Err(Mistake::new(start, "no closing quote"));
            };
            self.at += 1;
            match (byte, self.peek()) {
                (b'\\', Some(next @ (b'\\' | b'\'' | b'"'))) => {
                    bytes.push(next);
                    self.at += 1;
                }
                (byte, _) if byte == quote => break,
                (byte, _) => bytes.push(byte),
            }
        }
        let literal = self.peek() == Some(b'%');
        self.at += usize::from(literal);
        Ok(Token::Text { bytes, literal })
    }

    fn regex(&mut self) -> Result<Token, Mistake> {
        let start = self.at;
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            let Some(byte) = self.peek() else {
                return Err(Mistake::new(start, "no closing slash"));
            };
            self.at += 1;
            match (byte, self.peek()) {
                (b'\\', Some(b'/')) => {
                    bytes.push(b'/');
                    self.at += 1;
                }
                (b'\\', Some(next)) => {
                    bytes.extend_from_slice(&[b'\\', next]);
                    self.at += 1;
                }
                (b'/', _) => break,
                (byte, _) => bytes.push(byte),
            }
        }
        if self.has_flag() {
            self.at += 1;
            bytes.splice(0..0, *b"(?i)");
        }
        // Cut at ASCII characters only, so it is UTF-8 if the expression is.
        Ok(Token::Regex(String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Whether an `i` follows a regular expression without being part of a word.
    fn has_flag(&self) -> bool {
        let mut rest = self.text.get(self.at..).unwrap_or_default().iter();
        rest.next() == Some(&b'i') && rest.next().is_none_or(|next| !next.is_ascii_alphanumeric())
    }

    fn number(&mut self) -> Result<Token, Mistake> {
        let start = self.at;
        let text = self
            .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'+' | b'-'));
        let is_plain =
            text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
        let number = std::str::from_utf8(text).ok().filter(|_| is_plain).map(str::parse::<f64>);
        match number {
            Some(Ok(number)) => Ok(Token::Number(number)),
            _ => Err(Mistake::new(start, "bad number")),
        }
    }

    fn word(&mut self) -> Result<Token, Mistake> {
        let word =
            self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80);
        match word {
            b"and" | b"AND" => return Ok(Token::And),
            b"or" | b"OR" => return Ok(Token::Or),
            b"not" | b"NOT" => return Ok(Token::Not),
            b"contains" | b"CONTAINS" => return Ok(Token::Compare(Compare::Contains)),
            b"Fields" => {}
            _ => return Ok(Token::Word(String::from_utf8_lossy(word).into_owned())),
        }
        let start = self.at;
        if let Some(name) = self.dotted() {
            return Err(Mistake::new(start, format!("did you mean Fields[{name}]?")));
        }
        let name = self
            .bracketed(|byte| byte != b']')?
            .ok_or_else(|| Mistake::new(start, "expected [ directly behind Fields"))?;
        let field = self.index()?;
        let value = if field.is_some() { self.index()? } else { None };
        if value.is_some() && self.peek() == Some(b'[') {
            return Err(Mistake::new(self.at, "a field has two indices at most"));
        }
        // A single `[*]` means any value of any field.
        let any = if field == Some(Pick::Every) { Pick::Every } else { Pick::Nth(0) };
        let (field, value) = (field.unwrap_or(Pick::Nth(0)), value.unwrap_or(any));
        Ok(Token::Field(FieldPath { name, field, value }))
    }

    /// Returns the name after a dot, which is not the syntax for fields.
    fn dotted(&self) -> Option<String> {
        let rest = self.text.get(self.at..)?.strip_prefix(b".")?;
        let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(**byte, b'_' | b'.');
        let len = rest.iter().take_while(is_part).count();
        Some(String::from_utf8_lossy(rest.get(..len)?).into_owned())
    }

    fn index(&mut self) -> Result<Option<Pick>, Mistake> {
        let start = self.at;
        let is_index = |byte: u8| byte.is_ascii_digit() || byte == b'*';
        let Some(index) = self.bracketed(is_index)? else { return Ok(None) };
        std::str::from_utf8(&index)
            .ok()
            .and_then(Pick::parse)
            .map(Some)
            .ok_or_else(|| Mistake::new(start + 1, "expected an index"))
    }

    fn bracketed(&mut self, wanted: impl Fn(u8) -> bool) -> Result<Option<Vec<u8>>, Mistake> {
        if self.peek() != Some(b'[') {
            return Ok(None);
        }
        self.at += 1;
        let inside = self.take_while(wanted).to_vec();
        if self.peek() != Some(b']') {
            return Err(Mistake::new(self.at, "expected ]"));
        }
        self.at += 1;
        Ok(Some(inside))
    }
}

/// Returns the mistake for a byte that begins no token.
fn stray(at: usize, byte: u8) -> Mistake {
    let twice = |operator: &str| Mistake::new(at, format!("did you mean {operator}?"));
    match byte {
        b'=' | b':' => twice("=="),
        b'&' => twice("&&"),
        b'|' => twice("||"),
        b'~' => twice("=~"),
        b'%' => Mistake::new(at, "% must follow the quotes of a pattern directly"),
        b'[' => Mistake::new(at, "[ must follow Fields or ] directly"),
        _ => Mistake::new(at, "unexpected character"),
    }
}
