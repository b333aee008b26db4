// SPDX-License-Identifier: MIT OR Apache-2.0
//! Access logs by the format that the server writes them in: nginx's `log_format`, Apache's
//! `LogFormat`.
//!
//! Fields have the names of nginx's variables for both. The request line becomes three fields, if
//! it is one; `-` is nothing.

use super::cause::Cause;
use super::readers::{Readers, Target, typed};
use crate::wire::{Value, ValueType};

/// What nginx calls `combined`.
pub(super) const NGINX_COMBINED: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;
/// What nginx.org's packages write, called `main`.
pub(super) const NGINX_MAIN: &str = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent" "$http_x_forwarded_for""#;
/// What Apache calls `combined`, and `common`, which lacks its end.
pub(super) const APACHE_COMBINED: &str =
    r#"%h %l %u %t "%r" %>s %b "%{Referer}i" "%{User-Agent}i""#;
pub(super) const APACHE_COMMON: &str = r#"%h %l %u %t "%r" %>s %b"#;

/// A compiled format.
#[derive(Clone, Debug)]
pub struct Access {
    /// What precedes the first variable.
    start: Vec<u8>,
    pieces: Vec<Piece>,
    room: Vec<u8>,
}

/// A variable, and what follows it.
#[derive(Clone, Debug)]
struct Piece {
    variable: Variable,
    behind: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Variable {
    Time,
    /// A time with a blank in it.
    LocalTime,
    Host,
    Pid,
    Request,
    Address(Vec<u8>),
    Number(Vec<u8>, ValueType, &'static [u8]),
    Text(Vec<u8>),
}

impl Access {
    /// Compiles the format of either server.
    ///
    /// # Errors
    /// Words on what is wrong.
    pub fn new(format: &str) -> Result<Self, String> {
        let is_name = |rest: &str| rest.starts_with(|c: char| c == '{' || c.is_ascii_alphabetic());
        let is_nginx = format
            .match_indices('$')
            .any(|(at, _)| is_name(format.get(at + 1..).unwrap_or_default()));
        let mut access = Self { start: Vec::new(), pieces: Vec::new(), room: Vec::new() };
        let compile = if is_nginx { Self::compile_nginx } else { Self::compile_apache };
        compile(&mut access, format)?;
        if access.pieces.is_empty() {
            return Err("expected a log_format of nginx or a LogFormat of Apache".to_owned());
        }
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
                // Bytes of characters follow each other as they are.
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
            // Conditions on the status, and which of several requests.
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
                    self.put_variable(Variable::Time, "%t")?;
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
        for Piece { variable, behind } in &self.pieces {
            let end = variable.end(rest, behind);
            let end =
                end.ok_or_else(|| Cause::at(column(rest), "not in the format of the access log"))?;
            let (value, after) = rest.split_at(end);
            variable.put(unescaped(value, &mut self.room), readers, target)?;
            rest = after.get(behind.len()..).unwrap_or_default();
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(Cause::at(column(rest), "more than the format has"))
        }
    }
}

impl Variable {
    /// How long the value at the front is.
    #[inline]
    fn end(&self, rest: &[u8], behind: &[u8]) -> Option<usize> {
        let Some(&first) = behind.first() else { return Some(rest.len()) };
        let mut from = 0;
        if *self == Self::LocalTime && first == b' ' {
            from = memchr::memchr(b' ', rest)? + 1;
        }
        loop {
            let at = from + memchr::memchr(first, rest.get(from..)?)?;
            let is_escaped = first == b'"' && rest.get(..at).is_some_and(ends_escaped);
            if !is_escaped && rest.get(at..)?.starts_with(behind) {
                return Some(at);
            }
            from = at + 1;
        }
    }

    #[inline]
    fn put(&self, value: &[u8], readers: &Readers, target: &mut Target) -> Result<(), Cause> {
        if value == b"-" {
            return Ok(());
        }
        match self {
            Self::Time | Self::LocalTime => {
                let header = crate::codec::HeaderName::Timestamp;
                readers.set(target, header, b"Timestamp", value)?;
            }
            Self::Host => target.set_hostname(value)?,
            Self::Pid => target.set_pid(b"pid", value)?,
            Self::Request => put_request(value, target)?,
            Self::Address(name) => {
                let representation = family_of(value);
                target.draft.put_field(name, representation, Value::String(value))?;
            }
            Self::Number(name, value_type, representation) => {
                // Several servers in a row were asked, or the like.
                let number = typed(*value_type, value).unwrap_or(Value::String(value));
                target.draft.put_field(name, representation, number)?;
            }
            Self::Text(name) => readers.put(target, name, value)?,
        }
        Ok(())
    }
}

/// Whether it ends with an odd number of backslashes.
fn ends_escaped(text: &[u8]) -> bool {
    text.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// A request line as three fields.
fn put_request(request: &[u8], target: &mut Target) -> Result<(), Cause> {
    let parts = || {
        let first = memchr::memchr(b' ', request)?;
        let last = memchr::memrchr(b' ', request)?;
        let (method, uri) = (request.get(..first)?, request.get(first + 1..last)?);
        let protocol = request.get(last + 1..)?;
        let is_request =
            method.iter().all(u8::is_ascii_uppercase) && protocol.starts_with(b"HTTP/");
        is_request.then_some((method, uri, protocol))
    };
    match parts() {
        Some((method, uri, protocol)) => {
            target.put(b"request_method", method)?;
            target.put(b"request_uri", uri)?;
            target.put(b"server_protocol", protocol)?;
        }
        None => target.put(b"request", request)?,
    }
    Ok(())
}

/// The representation of an address.
fn family_of(address: &[u8]) -> &'static [u8] {
    if address.contains(&b':') {
        b"ipv6"
    } else if address.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        b"ipv4"
    } else {
        b""
    }
}

/// A value without the escapes of either server.
#[inline]
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

fn of_nginx(name: &str) -> Variable {
    let own = name.as_bytes().to_vec();
    match name {
        "time_local" => Variable::LocalTime,
        "time_iso8601" | "msec" => Variable::Time,
        "hostname" => Variable::Host,
        "pid" => Variable::Pid,
        "request" => Variable::Request,
        "remote_addr" | "realip_remote_addr" | "server_addr" | "proxy_protocol_addr" => {
            Variable::Address(own)
        }
        "status"
        | "connection"
        | "connection_requests"
        | "remote_port"
        | "server_port"
        | "upstream_status" => Variable::Number(own, ValueType::Integer, b""),
        "body_bytes_sent"
        | "bytes_sent"
        | "bytes_received"
        | "request_length"
        | "content_length"
        | "upstream_response_length" => Variable::Number(own, ValueType::Integer, b"B"),
        "request_time"
        | "upstream_response_time"
        | "upstream_connect_time"
        | "upstream_header_time"
        | "session_time"
        | "connection_time" => Variable::Number(own, ValueType::Double, b"s"),
        "gzip_ratio" => Variable::Number(own, ValueType::Double, b""),
        _ => Variable::Text(own),
    }
}

fn of_apache(directive: char, argument: &str) -> Result<Variable, String> {
    if let Some((name, representation)) = number_of_apache(directive, argument) {
        let name = name.as_bytes().to_vec();
        return Ok(Variable::Number(name, ValueType::Integer, representation));
    }
    let snake = |prefix: &str| {
        let name = argument.to_ascii_lowercase().replace('-', "_");
        Variable::Text(format!("{prefix}{name}").into_bytes())
    };
    let text = |name: &str| Variable::Text(name.as_bytes().to_vec());
    Ok(match directive {
        'h' | 'a' => Variable::Address(b"remote_addr".to_vec()),
        'A' => Variable::Address(b"server_addr".to_vec()),
        'l' => text("remote_logname"),
        'u' => text("remote_user"),
        't' => Variable::Time,
        'r' => Variable::Request,
        'P' if argument == "tid" || argument == "hextid" => text("tid"),
        'P' => Variable::Pid,
        'v' | 'V' => text("server_name"),
        'm' => text("request_method"),
        'U' => text("uri"),
        'q' => text("args"),
        'H' => text("server_protocol"),
        'f' => text("request_filename"),
        'L' => text("request_id"),
        'R' => text("handler"),
        'X' => text("connection_status"),
        'i' => snake("http_"),
        'o' => snake("sent_http_"),
        'C' => snake("cookie_"),
        'e' | 'n' | 'x' | 'c' => snake(""),
        _ => return Err(format!("unknown directive %{directive}")),
    })
}

/// The name and the representation of a number.
fn number_of_apache(directive: char, argument: &str) -> Option<(&'static str, &'static [u8])> {
    Some(match directive {
        's' => ("status", b""),
        'b' | 'B' => ("body_bytes_sent", b"B"),
        'O' => ("bytes_sent", b"B"),
        'I' => ("request_length", b"B"),
        'S' => ("bytes_total", b"B"),
        'D' => ("request_time", b"us"),
        'T' if argument == "ms" => ("request_time", b"ms"),
        'T' if argument == "us" => ("request_time", b"us"),
        'T' => ("request_time", b"s"),
        'k' => ("connection_requests", b""),
        'p' if argument == "remote" => ("remote_port", b""),
        'p' => ("server_port", b""),
        _ => return None,
    })
}
