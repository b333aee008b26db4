// SPDX-License-Identifier: MIT OR Apache-2.0
//! The protocol between client and server: lines of text, some followed by bytes.

use std::io::Write as _;

use memchr::memchr;

/// Maximum length of a line: a server's INFO may contain many addresses.
const LONGEST_LINE: usize = 1024 * 1024;

/// How much a message created by the server may exceed the limit: it has headers of its own.
const SLACK: usize = 64 * 1024;

/// A received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incoming<'a> {
    pub(crate) subject: &'a str,
    pub(crate) reply: Option<&'a str>,
    pub(crate) headers: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// An operation of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said<'a> {
    Info(&'a [u8]),
    Message(Incoming<'a>),
    Ping,
    Pong,
    Ok,
    Error(&'a str),
}

/// The result of parsing the front of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found<'a> {
    /// An operation, and its length in bytes.
    Said(Said<'a>, usize),
    /// More bytes are needed: the total number.
    Need(usize),
}

/// Finds the server's operations in bytes that arrive in pieces. While more are needed, none of the
/// earlier bytes is examined again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Finder {
    /// Offset up to which no line end was found.
    looked: usize,
    /// Number of bytes needed after the line is complete.
    need: usize,
}

impl Finder {
    /// Parses the front of `data`, and returns the operation and its length; `None` if it is
    /// incomplete. Parsed bytes must be removed before the next call. No message may exceed the
    /// server's limit, `max_payload`.
    ///
    /// # Errors
    /// A description, if it is not an operation of a server.
    pub(crate) fn next<'a>(
        &mut self,
        data: &'a [u8],
        max_payload: usize,
    ) -> Result<Option<(Said<'a>, usize)>, String> {
        if data.len() < self.need {
            return Ok(None);
        }
        let new = data.get(self.looked..).unwrap_or_default();
        let Some(end) = memchr(b'\n', new).map(|at| self.looked + at) else {
            self.looked = data.len();
            return if data.len() > LONGEST_LINE { Err(strange(data)) } else { Ok(None) };
        };
        match parse(data, end, max_payload)? {
            Found::Said(said, len) => {
                *self = Self::default();
                Ok(Some((said, len)))
            }
            Found::Need(need) => {
                (self.looked, self.need) = (end, need);
                Ok(None)
            }
        }
    }
}

/// Parses the front of `data`, whose first line ends at `end`.
fn parse(data: &[u8], end: usize, max_payload: usize) -> Result<Found<'_>, String> {
    let (line, rest) = data.split_at_checked(end).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (verb, arguments) = match memchr(b' ', line) {
        Some(blank) => line.split_at_checked(blank).unwrap_or_default(),
        None => (line, &[][..]),
    };
    let body = rest.get(1..).unwrap_or_default();
    let said = match verb {
        b"MSG" | b"HMSG" => {
            let longest = max_payload.saturating_add(SLACK);
            return message(verb == b"HMSG", arguments, longest, body, end + 1);
        }
        b"INFO" => Said::Info(arguments),
        b"PING" => Said::Ping,
        b"PONG" => Said::Pong,
        b"+OK" => Said::Ok,
        b"-ERR" => Said::Error(text(arguments)?.trim().trim_matches('\'')),
        _ => return Err(strange(data)),
    };
    Ok(Found::Said(said, end + 1))
}

fn message<'a>(
    has_headers: bool,
    arguments: &'a [u8],
    longest: usize,
    body: &'a [u8],
    start: usize,
) -> Result<Found<'a>, String> {
    let words: Vec<&str> = text(arguments)?.split_ascii_whitespace().collect();
    let lengths = if has_headers { 2 } else { 1 };
    let (names, lengths) =
        words.split_at_checked(words.len().saturating_sub(lengths)).unwrap_or_default();
    let number = |text: Option<&&str>| text.and_then(|text| text.parse::<usize>().ok());
    let (subject, reply, len) = match (names, number(lengths.last())) {
        ([subject, _], Some(len)) => (*subject, None, len),
        ([subject, _, reply], Some(len)) => (*subject, Some(*reply), len),
        _ => return Err(strange(arguments)),
    };
    if len > longest {
        return Err(format!("a message of {len} bytes: longer than the server's own limit"));
    }
    let header_len = if has_headers { number(lengths.first()).unwrap_or(0) } else { 0 };
    let whole = len.saturating_add(2);
    let Some(content) = body.get(..len).filter(|_| body.len() >= whole) else {
        return Ok(Found::Need(start.saturating_add(whole)));
    };
    let Some((headers, payload)) = content.split_at_checked(header_len) else {
        return Err(strange(arguments));
    };
    let incoming = Incoming { subject, reply, headers, payload };
    Ok(Found::Said(Said::Message(incoming), start + whole))
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|_| strange(bytes))
}

fn strange(data: &[u8]) -> String {
    let start = data.get(..data.len().min(40)).unwrap_or_default();
    format!("not a NATS server: \"{}\"", start.escape_ascii())
}

impl Incoming<'_> {
    /// Returns the number and the description of a status, which a message may have instead of a
    /// payload.
    pub(crate) fn status(&self) -> Option<(u16, &str)> {
        let line = self.headers.strip_prefix(b"NATS/1.0")?;
        let line = std::str::from_utf8(line.split(|byte| *byte == b'\r').next()?).ok()?.trim();
        let (number, words) = line.split_once(' ').unwrap_or((line, ""));
        Some((number.parse().ok()?, words))
    }
}

/// Appends a message to publish; `headers` are whole lines without the first one.
pub(crate) fn put_message(
    out: &mut Vec<u8>,
    subject: &[u8],
    reply: &str,
    headers: &str,
    payload: &[u8],
) {
    const FIRST: &str = "NATS/1.0\r\n";
    let reply = if reply.is_empty() { String::new() } else { format!("{reply} ") };
    out.extend_from_slice(if headers.is_empty() { b"PUB " } else { b"HPUB " });
    out.extend_from_slice(subject);
    // Writing to memory cannot fail.
    let _written = if headers.is_empty() {
        write!(out, " {reply}{}\r\n", payload.len())
    } else {
        let len = FIRST.len() + headers.len() + 2;
        write!(out, " {reply}{len} {}\r\n{FIRST}{headers}\r\n", len + payload.len())
    };
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_read_in_pieces_of_any_size() {
        let stream = b"INFO {\"a\":1}\r\nPING\r\nMSG a.b 1 3\r\nx\r\n\r\nHMSG s 2 re 16 18\r\n\
                       NATS/1.0 404 N\r\nhi\r\n-ERR 'Authorization Violation'\r\n";
        let mut said = Vec::new();
        let (mut start, mut finder) = (0, Finder::default());
        for end in 0..=stream.len() {
            while let Some((what, len)) = finder.next(&stream[start..end], 100).unwrap() {
                said.push(what);
                start += len;
            }
        }
        let message = |subject, reply, headers, payload| {
            Said::Message(Incoming { subject, reply, headers, payload })
        };
        assert_eq!(
            said,
            [
                Said::Info(b" {\"a\":1}"),
                Said::Ping,
                message("a.b", None, b"", b"x\r\n"),
                message("s", Some("re"), b"NATS/1.0 404 N\r\n", b"hi"),
                Said::Error("Authorization Violation"),
            ]
        );
        let Said::Message(last) = said[3] else { panic!() };
        assert_eq!(last.status(), Some((404, "N")));
    }

    fn whole(data: &[u8], max_payload: usize) -> Result<Option<(Said<'_>, usize)>, String> {
        Finder::default().next(data, max_payload)
    }

    #[test]
    fn other_servers_are_recognised() {
        for other in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"MSG a\r\n", b"MSG a 1 -1\r\nx"] {
            assert!(whole(other, 100).unwrap_err().starts_with("not a NATS server"), "{other:?}");
        }
    }

    #[test]
    fn a_message_over_the_limit_is_not_waited_for() {
        for line in ["MSG a 1 99999999999\r\n", "HMSG a 1 0 18446744073709551615\r\n"] {
            let error = whole(line.as_bytes(), 1 << 20).unwrap_err();
            assert!(error.contains("longer than the server's own limit"), "{error}");
        }
        assert_eq!(whole(b"MSG a 1 1048600\r\n", 1 << 20), Ok(None));
    }

    #[test]
    fn messages_are_published_with_headers_or_without() {
        let mut out = Vec::new();
        put_message(&mut out, b"s", "", "", b"x");
        put_message(&mut out, b"s", "r", "Nats-Msg-Id: 7\r\n", b"x");
        let expected = "PUB s 1\r\nx\r\nHPUB s r 28 29\r\nNATS/1.0\r\nNats-Msg-Id: 7\r\n\r\nx\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
