// SPDX-License-Identifier: MIT OR Apache-2.0
//! Access logs, parsed by the format in the server's configuration: nginx's `log_format`, Apache's
//! `LogFormat`.
//!
//! Fields are named after nginx's variables for both servers. A valid request line becomes three
//! fields; `-` means absent.

mod time;
mod variable;

use super::cause::{Cause, Flaw};
use super::readers::{Readers, Target};
use time::{Assembly, Stamp};
use variable::{Variable, of_apache, of_nginx};

/// nginx's format `combined`.
pub(super) const NGINX_COMBINED: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;
/// The format `main` of nginx.org's packages.
pub(super) const NGINX_MAIN: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for""#;
/// Apache's format `combined`, and `common`, which lacks its end.
pub(super) const APACHE_COMBINED: &str =
    r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#;
pub(super) const APACHE_COMMON: &str = r#"%h %l %u %t "%r" %>s %b"#;

/// A compiled format.
#[derive(Clone, Debug)]
pub struct Access {
    /// The text before the first variable.
    start: Vec<u8>,
    pieces: Vec<Piece>,
    /// The time, if several pieces are parts of it.
    time: Option<Assembly>,
    room: Vec<u8>,
}

/// A variable, and the text after it.
#[derive(Clone, Debug)]
struct Piece {
    variable: Variable,
    behind: Vec<u8>,
}

impl Access {
    /// Compiles the format of either server.
    ///
    /// # Errors
    /// A description of what is wrong.
    pub fn new(format: &str) -> Result<Self, String> {
        let is_name = |rest: &str| rest.starts_with(|c: char| c == '{' || c.is_ascii_alphabetic());
        let is_nginx = format
            .match_indices('$')
            .any(|(at, _)| is_name(format.get(at + 1..).unwrap_or_default()));
        let (start, pieces, room) = (Vec::new(), Vec::new(), Vec::new());
        let mut access = Self { start, pieces, time: None, room };
        let compile = if is_nginx { Self::compile_nginx } else { Self::compile_apache };
        compile(&mut access, format)?;
        if access.pieces.is_empty() {
            return Err("expected a log_format of nginx or a LogFormat of Apache".to_owned());
        }
        access.time = Assembly::settle(&mut access.pieces)?;
        Ok(access)
    }

    fn put_literal(&mut self, byte: u8) {
        match self.pieces.last_mut() {
            Some(piece) => piece.behind.push(byte),
            None => self.start.push(byte),
        }
    }

    fn put_variable(&mut self, variable: Variable, shown: &str) -> Result<(), String> {
        if let Some(Piece { variable: before, behind }) = self.pieces.last_mut()
            && behind.is_empty()
        {
            let is = |variable: &Variable, name: &[u8]| *variable == Variable::Text(name.to_vec());
            if is(before, b"uri") && is(&variable, b"args") {
                *before = Variable::Text(b"request_uri".to_vec());
                return Ok(());
            }
            return Err(format!("nothing between {shown} and what stands before it"));
        }
        self.pieces.push(Piece { variable, behind: Vec::new() });
        Ok(())
    }

    fn compile_nginx(&mut self, format: &str) -> Result<(), String> {
        let mut rest = format;
        while let Some(first) = rest.bytes().next() {
            let Some(behind) = rest.strip_prefix('$') else {
                self.put_literal(first);
                // The bytes of a multi-byte character are copied together.
                let len = rest.chars().next().map_or(1, char::len_utf8);
                rest.bytes().skip(1).take(len - 1).for_each(|byte| self.put_literal(byte));
                rest = rest.get(len..).unwrap_or_default();
                continue;
            };
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let (name, after) = match behind.strip_prefix('{') {
                Some(braced) => braced.split_once('}').ok_or("a { without }")?,
                None => behind.split_at(behind.find(|c| !is_word(c)).unwrap_or(behind.len())),
            };
            self.put_variable(of_nginx(name), &format!("${name}"))?;
            rest = after;
        }
        Ok(())
    }

    fn compile_apache(&mut self, format: &str) -> Result<(), String> {
        let mut rest = format;
        while let Some((before, behind)) = rest.split_once('%') {
            before.bytes().for_each(|byte| self.put_literal(byte));
            // Conditions on the status, and the choice between several requests.
            let of = behind.trim_start_matches(|c: char| {
                matches!(c, '!' | ',' | '<' | '>') || c.is_ascii_digit()
            });
            let (argument, letter) = match of.strip_prefix('{') {
                Some(braced) => braced.split_once('}').ok_or("a { without }")?,
                None => ("", of),
            };
            let letter = letter.strip_prefix('^').map_or(letter, |two| two.get(1..).unwrap_or(two));
            let Some(directive) = letter.chars().next() else {
                return Err("a % without a letter".to_owned());
            };
            rest = letter.get(directive.len_utf8()..).unwrap_or_default();
            match directive {
                '%' => self.put_literal(b'%'),
                't' if argument.is_empty() => {
                    self.put_literal(b'[');
                    self.put_variable(Variable::Time(Stamp::local()), "%t")?;
                    self.put_literal(b']');
                }
                _ => {
                    let variable = of_apache(directive, argument)?;
                    self.put_variable(variable, &format!("%{directive}"))?;
                }
            }
        }
        rest.bytes().for_each(|byte| self.put_literal(byte));
        Ok(())
    }

    /// Reads a line.
    pub(super) fn read(
        &mut self,
        record: &[u8],
        readers: &Readers,
        target: &mut Target,
    ) -> Result<(), Cause> {
        let column = |rest: &[u8]| record.len() - rest.len() + 1;
        let Some(mut rest) = record.strip_prefix(self.start.as_slice()) else {
            return Err(Cause::at(1, "not in the format of the access log"));
        };
        let Self { pieces, time, room, .. } = self;
        let has_escapes = memchr::memchr(b'\\', record).is_some();
        if let Some(time) = time {
            time.text.clear();
        }
        for Piece { variable, behind } in pieces {
            let end = variable.end(rest, behind);
            let end =
                end.ok_or_else(|| Cause::at(column(rest), "not in the format of the access log"))?;
            let (value, after) = rest.split_at(end);
            let value = if has_escapes { unescaped(value, room) } else { value };
            variable.put(value, readers, time, target)?;
            rest = after.get(behind.len()..).unwrap_or_default();
        }
        if !rest.is_empty() {
            return Err(Cause::at(column(rest), "more than the format has"));
        }
        if let Some(time) = time {
            match readers.times.read_as(time.format(), &time.text, target.now) {
                Some(time) => target.set_time(time),
                None => target.keep(Flaw::Time, b"Timestamp", &time.text)?,
            }
        }
        Ok(())
    }
}

/// Decodes the escapes of either server.
fn unescaped<'a>(value: &'a [u8], room: &'a mut Vec<u8>) -> &'a [u8] {
    if memchr::memchr(b'\\', value).is_none() {
        return value;
    }
    room.clear();
    let mut rest = value;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        room.extend_from_slice(rest.get(..at).unwrap_or_default());
        let behind = rest.get(at + 1..).unwrap_or_default();
        let (byte, len) = match behind {
            [b'n', ..] => (b'\n', 1),
            [b't', ..] => (b'\t', 1),
            [b'r', ..] => (b'\r', 1),
            [byte @ (b'"' | b'\\' | b'/'), ..] => (*byte, 1),
            [b'x' | b'X', high, low, ..] => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, 3),
                _ => (b'\\', 0),
            },
            _ => (b'\\', 0),
        };
        room.push(byte);
        rest = behind.get(len..).unwrap_or_default();
    }
    room.extend_from_slice(rest);
    room
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
