// SPDX-License-Identifier: MIT OR Apache-2.0
//! The head of a server's response (RFC 6455 §4.1).

use super::deflate::Inflater;
use super::request::accept_key;
use super::{Failure, Request};
#[cfg(feature = "tls")]
use crate::net::tls;

/// Maximum number of headers.
const MAX_HEADERS: usize = 128;

/// Status, reason phrase, and headers.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) reason: String,
    pub(super) headers: Vec<(String, String)>,
}

impl Answer {
    /// Parses the head once it is complete; also returns its length.
    pub(super) fn parse(buffer: &[u8]) -> Result<Option<(usize, Self)>, Failure> {
        #[cfg(feature = "tls")]
        if tls::is_alert(buffer) {
            return Err(Failure::Failed(tls::speaks_tls("wss://")));
        }
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut response = httparse::Response::new(&mut headers);
        let wrong = |error| Failure::protocol(format_args!("the answer is not HTTP: {error}"));
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

    /// Checks the response to a request (RFC 6455 §4.1, the client's list, 2 to 6). Returns the
    /// decompressor if the server agreed to compression.
    pub(super) fn check(
        &self,
        key: &str,
        request: &Request,
        compression: bool,
    ) -> Result<Option<Inflater>, String> {
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
        let accept = accept_key(key);
        if find(&self.headers, "Sec-WebSocket-Accept").next().map(str::trim) != Some(&accept) {
            return Err("the answer has a wrong Sec-WebSocket-Accept".to_owned());
        }
        self.check_subprotocol(request)?;
        let extensions: Vec<&str> = find(&self.headers, "Sec-WebSocket-Extensions").collect();
        match extensions.join(", ").as_str() {
            "" => Ok(None),
            extension if compression => Inflater::negotiated(extension).map(Some),
            extension => Err(format!("the server uses an extension nobody asked for: {extension}")),
        }
    }

    fn check_subprotocol(&self, request: &Request) -> Result<(), String> {
        let chosen = find(&self.headers, "Sec-WebSocket-Protocol").next().map(str::trim);
        match chosen {
            None if request.subprotocols.is_empty() => Ok(()),
            None => Err("the server speaks none of the subprotocols".to_owned()),
            Some(chosen) if request.subprotocols.iter().any(|wanted| wanted == chosen) => Ok(()),
            Some(chosen) => Err(format!("the server chose a subprotocol nobody offered: {chosen}")),
        }
    }
}

/// Returns the values of all headers with this name.
pub(super) fn find<'a>(
    headers: &'a [(String, String)],
    name: &str,
) -> impl Iterator<Item = &'a str> {
    headers
        .iter()
        .filter(move |(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::Endpoint;
    use super::*;

    fn request() -> Request {
        Request::new(&Endpoint::parse("ws://h/a?b").unwrap())
    }

    fn check(headers: &str, request: &Request) -> Result<(), String> {
        answer(headers, request, false).map(drop)
    }

    fn answer(
        headers: &str,
        request: &Request,
        compression: bool,
    ) -> Result<Option<Inflater>, String> {
        let text = format!("HTTP/1.1 101 Switching\r\n{headers}\r\n\r\n");
        let (_, answer) = Answer::parse(text.as_bytes()).unwrap().unwrap();
        answer.check("dGhlIHNhbXBsZSBub25jZQ==", request, compression)
    }

    const GOOD: &str = "Upgrade: WebSocket\r\nConnection: keep-alive, upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

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
    fn compression_is_negotiated() {
        let with = |value: &str| format!("{GOOD}\r\nSec-WebSocket-Extensions: {value}");
        assert!(answer(GOOD, &request(), true).unwrap().is_none());
        assert!(answer(&with("permessage-deflate"), &request(), true).unwrap().is_some());
        let twice = format!("{}\r\nSec-WebSocket-Extensions: x", with("permessage-deflate"));
        for headers in [with("permessage-deflate; x=1"), twice] {
            assert!(answer(&headers, &request(), true).is_err(), "{headers}");
        }
    }
}
