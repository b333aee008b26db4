// SPDX-License-Identifier: MIT OR Apache-2.0
//! The opening handshake (RFC 6455 §4.1): our request, the server's answer, and what it says when
//! it refuses.
//!
//! tungstenite has one too, but it gives up on an answer that comes in many small pieces, knows
//! nothing of deadlines, and keeps neither the whole body of a refusal nor the case of header
//! names.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use tungstenite::handshake::{client::generate_key, derive_accept_key};

use super::{Endpoint, Options, Socket};
use crate::net::{DialError, retry_after};
use crate::os::{Deadline, wait_for};
use crate::report::Stop;

/// Longest head of an answer.
const MAX_HEAD: usize = 64 * 1024;
/// Most headers in it.
const MAX_HEADERS: usize = 128;
/// How much of a refusal's body is kept.
const MAX_BODY: usize = 8 * 1024;
/// How long a refusal's body is waited for.
const BODY_WAIT: Duration = Duration::from_secs(2);

/// What is asked of the server.
#[derive(Clone, Debug)]
pub struct Request {
    /// Path and query.
    pub target: String,
    /// Value of the Host header.
    pub host: String,
    /// Further headers; they are sent in this order, as they are.
    pub headers: Vec<(String, String)>,
    /// Names of subprotocols, the most wanted first.
    pub subprotocols: Vec<String>,
}

impl Request {
    /// Asks an endpoint for nothing special.
    pub fn new(endpoint: &Endpoint) -> Self {
        Self {
            target: endpoint.target.clone(),
            host: endpoint.host.clone(),
            headers: Vec::new(),
            subprotocols: Vec::new(),
        }
    }

    fn bytes(&self, key: &str) -> Vec<u8> {
        let mut text = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n",
            self.target, self.host
        );
        if !self.subprotocols.is_empty() {
            text += &format!("Sec-WebSocket-Protocol: {}\r\n", self.subprotocols.join(", "));
        }
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        text.into_bytes()
    }
}

/// Why there is no WebSocket connection.
#[derive(Debug)]
pub enum Failure {
    /// A signal asked for the end.
    Stopped(Stop),
    /// The server answered with something else than 101.
    Refused(Box<Refusal>),
    /// The connection broke, or the answer is none of a WebSocket server.
    Failed {
        /// What went wrong, for people.
        cause: String,
        /// What could help.
        hint: Option<String>,
    },
}

impl Failure {
    fn failed(cause: impl Into<String>) -> Self {
        Self::Failed { cause: cause.into(), hint: None }
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        match DialError::from(error) {
            DialError::Stopped(stop) => Self::Stopped(stop),
            DialError::Failed { cause, hint } => Self::Failed { cause, hint },
        }
    }
}

/// An HTTP answer that is no WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status code, such as 403.
    pub status: u16,
    /// The words behind it.
    pub reason: String,
    /// All headers.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body, as text.
    pub body: String,
}

impl Refusal {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name).next()
    }

    /// How long the server asks us to stay away.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(self.header("Retry-After")?)
    }

    /// Where a redirect leads.
    pub fn location(&self) -> Option<&str> {
        matches!(self.status, 301 | 302 | 303 | 307 | 308).then(|| self.header("Location"))?
    }
}

impl std::fmt::Display for Refusal {
    /// Status, where to and how long to wait, and the first line of a body that is plain text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if !self.reason.is_empty() {
            write!(f, " {}", self.reason)?;
        }
        if let Some(location) = self.location() {
            // A query may hold a token.
            write!(f, ", Location: {}", location.split(['?', '#']).next().unwrap_or_default())?;
        }
        if let Some(value) = self.header("Retry-After") {
            write!(f, ", Retry-After: {value}")?;
        }
        let line = self.body.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("");
        if !line.is_empty() && !line.starts_with('<') {
            write!(f, ": {}", line.chars().take(200).collect::<String>())?;
        }
        Ok(())
    }
}

/// Shakes hands over a connected stream. It is made nonblocking and stays so.
///
/// # Errors
/// [`Failure`]; also when the answer is not there at the deadline.
pub fn shake<S: Read + Write + AsFd>(
    mut stream: S,
    request: &Request,
    options: Options,
    deadline: Deadline,
) -> Result<Socket<S>, Failure> {
    set_nonblocking(&stream)?;
    let key = generate_key();
    write_all(&mut stream, &request.bytes(&key), deadline)?;
    let mut buffer = Vec::new();
    let (head_len, answer) = loop {
        if !read_some(&mut stream, &mut buffer, deadline)? {
            let cause = if buffer.is_empty() {
                "the server closed the connection instead of answering"
            } else {
                "the server closed the connection in its answer"
            };
            return Err(Failure::failed(cause));
        }
        if let Some(found) = Answer::parse(&buffer)? {
            break found;
        }
        if buffer.len() > MAX_HEAD {
            return Err(Failure::failed("the head of the answer is too long"));
        }
    };
    let rest = buffer.split_off(head_len);
    if answer.status != 101 {
        let body = read_body(&mut stream, &answer, rest, deadline)?;
        let Answer { status, reason, headers } = answer;
        return Err(Failure::Refused(Box::new(Refusal { status, reason, headers, body })));
    }
    answer.check(&key, request).map_err(Failure::failed)?;
    Ok(Socket::new(stream, rest, answer.headers, options))
}

struct Answer {
    status: u16,
    reason: String,
    headers: Vec<(String, String)>,
}

impl Answer {
    /// The head with its length, once it is there.
    fn parse(buffer: &[u8]) -> Result<Option<(usize, Self)>, Failure> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let wrong = |error| Failure::failed(format!("the answer is not HTTP: {error}"));
        let httparse::Status::Complete(len) = response.parse(buffer).map_err(wrong)? else {
            return Ok(None);
        };
        let headers = response.headers.iter().map(|header| {
            (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
        });
        let answer = Self {
            status: response.code.unwrap_or(0),
            reason: response.reason.unwrap_or_default().to_owned(),
            headers: headers.collect(),
        };
        Ok(Some((len, answer)))
    }

    /// Whether it is the answer to our question: RFC 6455 §4.1, the client's list 2 to 6.
    fn check(&self, key: &str, request: &Request) -> Result<(), String> {
        let has = |name, token: &str| {
            find(&self.headers, name)
                .flat_map(|value| value.split(','))
                .any(|part| part.trim().eq_ignore_ascii_case(token))
        };
        if !has("Upgrade", "websocket") {
            return Err("the answer has no Upgrade: websocket".to_owned());
        }
        if !has("Connection", "upgrade") {
            return Err("the answer has no Connection: Upgrade".to_owned());
        }
        let accept = derive_accept_key(key.as_bytes());
        if find(&self.headers, "Sec-WebSocket-Accept").next().map(str::trim) != Some(&accept) {
            return Err("the answer has a wrong Sec-WebSocket-Accept".to_owned());
        }
        if let Some(extension) = find(&self.headers, "Sec-WebSocket-Extensions").next() {
            return Err(format!("the server uses an extension nobody asked for: {extension}"));
        }
        let chosen = find(&self.headers, "Sec-WebSocket-Protocol").next().map(str::trim);
        match chosen {
            None if request.subprotocols.is_empty() => Ok(()),
            None => Err("the server speaks none of the subprotocols".to_owned()),
            Some(chosen) if request.subprotocols.iter().any(|wanted| wanted == chosen) => Ok(()),
            Some(chosen) => Err(format!("the server chose a subprotocol nobody offered: {chosen}")),
        }
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> impl Iterator<Item = &'a str> {
    headers
        .iter()
        .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// What there is of a refusal's body; it may be cut, and errors only end it, but for a signal.
fn read_body<S: Read + AsFd>(
    stream: &mut S,
    answer: &Answer,
    mut body: Vec<u8>,
    deadline: Deadline,
) -> Result<String, Stop> {
    let soon = Instant::now() + BODY_WAIT;
    let deadline = Some(deadline.map_or(soon, |deadline| deadline.min(soon)));
    let len =
        find(&answer.headers, "Content-Length").next().and_then(|len| len.trim().parse().ok());
    let wanted: usize = len.unwrap_or(MAX_BODY).min(MAX_BODY);
    while body.len() < wanted {
        match read_some(stream, &mut body, deadline) {
            Ok(true) => {}
            Err(Failure::Stopped(stop)) => return Err(stop),
            Ok(false) | Err(_) => break,
        }
    }
    body.truncate(MAX_BODY);
    let is_chunked = find(&answer.headers, "Transfer-Encoding")
        .any(|coding| coding.to_ascii_lowercase().contains("chunked"));
    if is_chunked {
        body = unchunked(&body);
    }
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// The data of chunks (RFC 9112 §7.1), as far as they go.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    while let Ok(httparse::Status::Complete((head, len))) = httparse::parse_chunk_size(rest) {
        let Some(tail) = rest.get(head..) else { break };
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(tail.len());
        let (chunk, tail) = tail.split_at(len);
        if chunk.is_empty() {
            break;
        }
        data.extend_from_slice(chunk);
        rest = tail.strip_prefix(b"\r\n").unwrap_or(tail);
    }
    data
}

fn set_nonblocking(stream: &impl AsFd) -> std::io::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let flags = OFlag::from_bits_retain(fcntl(stream, FcntlArg::F_GETFL)?);
    fcntl(stream, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

fn write_all<S: Write + AsFd>(
    stream: &mut S,
    mut bytes: &[u8],
    deadline: Deadline,
) -> Result<(), Failure> {
    loop {
        let done = if bytes.is_empty() { stream.flush().map(|()| 0) } else { stream.write(bytes) };
        match done {
            Ok(_) if bytes.is_empty() => return Ok(()),
            Ok(len) => bytes = bytes.get(len..).unwrap_or_default(),
            Err(error) => wait_out(stream, error, PollFlags::POLLOUT, deadline)?,
        }
    }
}

/// Reads once; `false` at the end.
fn read_some<S: Read + AsFd>(
    stream: &mut S,
    buffer: &mut Vec<u8>,
    deadline: Deadline,
) -> Result<bool, Failure> {
    let mut block = [0; 4096];
    loop {
        match stream.read(&mut block) {
            Ok(len) => {
                buffer.extend_from_slice(block.get(..len).unwrap_or_default());
                return Ok(len > 0);
            }
            Err(error) => wait_out(stream, error, PollFlags::POLLIN, deadline)?,
        }
    }
}

fn wait_out(
    stream: &impl AsFd,
    error: std::io::Error,
    flags: PollFlags,
    deadline: Deadline,
) -> Result<(), Failure> {
    match error.kind() {
        ErrorKind::Interrupted => Ok(()),
        ErrorKind::WouldBlock if wait_for(stream.as_fd(), flags, deadline)? => Ok(()),
        ErrorKind::WouldBlock => {
            Err(Failure::failed("the server does not answer the WebSocket handshake"))
        }
        _ => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request::new(&Endpoint::parse("ws://h/a?b").unwrap())
    }

    fn check(headers: &str, request: &Request) -> Result<(), String> {
        let text = format!("HTTP/1.1 101 Switching\r\n{headers}\r\n\r\n");
        let (_, answer) = Answer::parse(text.as_bytes()).unwrap().unwrap();
        answer.check("dGhlIHNhbXBsZSBub25jZQ==", request)
    }

    const GOOD: &str = "Upgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

    #[test]
    fn the_request_has_what_the_protocol_asks_for() {
        let mut request = request();
        request.headers.push(("X-One".to_owned(), "1".to_owned()));
        request.subprotocols = vec!["a".to_owned(), "b".to_owned()];
        let text = String::from_utf8(request.bytes("KEY")).unwrap();
        assert_eq!(
            text,
            "GET /a?b HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: KEY\r\n\
             Sec-WebSocket-Protocol: a, b\r\nX-One: 1\r\n\r\n"
        );
    }

    #[test]
    fn an_answer_must_be_the_one_to_our_question() {
        assert_eq!(check(GOOD, &request()), Ok(()));
        for (headers, words) in [
            (GOOD.replace("Upgrade: ", "X: "), "Upgrade: websocket"),
            (GOOD.replace("keep-alive, upgrade", "close"), "Connection: Upgrade"),
            (GOOD.replace("s3p", "S3p"), "Sec-WebSocket-Accept"),
            (format!("{GOOD}\r\nSec-WebSocket-Extensions: permessage-deflate"), "extension"),
            (format!("{GOOD}\r\nSec-WebSocket-Protocol: chat"), "nobody offered"),
        ] {
            let error = check(&headers, &request()).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_subprotocol_must_be_one_of_ours() {
        let request = Request { subprotocols: vec!["chat".to_owned()], ..request() };
        assert_eq!(check(&format!("{GOOD}\r\nSec-WebSocket-Protocol: chat"), &request), Ok(()));
        assert!(check(GOOD, &request).unwrap_err().contains("none of the subprotocols"));
    }

    #[test]
    fn refusals_are_told_in_one_line() {
        let refusal = Refusal {
            status: 429,
            reason: "Too Many Requests".to_owned(),
            headers: vec![("retry-after".to_owned(), "7".to_owned())],
            body: "\n slow down\nplease".to_owned(),
        };
        assert_eq!(refusal.to_string(), "HTTP 429 Too Many Requests, Retry-After: 7: slow down");
        assert_eq!(refusal.retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(refusal.location(), None);
    }

    #[test]
    fn chunks_are_joined_and_a_cut_one_ends_the_text() {
        assert_eq!(unchunked(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), b"abcde");
        assert_eq!(unchunked(b"a\r\nabc"), b"abc");
        assert_eq!(unchunked(b"no chunk"), b"");
    }
}
