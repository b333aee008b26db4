// SPDX-License-Identifier: MIT OR Apache-2.0
//! The opening request (RFC 6455 §4.1).

use data_encoding::BASE64;
use sha1::{Digest as _, Sha1};
use zeroize::Zeroizing;

use super::Endpoint;
use super::deflate::OFFER;
use super::frame::random_bytes;

/// Suffix of the key in the server's response (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The parameters of a request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Path and query.
    pub target: String,
    /// Value of the Host header.
    pub host: String,
    /// Further headers, sent unchanged in this order. They may be secret.
    pub headers: Vec<(String, Zeroizing<String>)>,
    /// Names of subprotocols, in order of preference.
    pub subprotocols: Vec<String>,
}

impl Request {
    /// Creates a request for an endpoint, without special wishes.
    pub fn new(endpoint: &Endpoint) -> Self {
        Self {
            target: endpoint.target.clone(),
            host: endpoint.host.clone(),
            headers: Vec::new(),
            subprotocols: Vec::new(),
        }
    }

    pub(super) fn bytes(&self, key: &str, compression: bool) -> Zeroizing<String> {
        let mut text = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n",
            self.target, self.host
        );
        if !self.subprotocols.is_empty() {
            text += &format!("Sec-WebSocket-Protocol: {}\r\n", self.subprotocols.join(", "));
        }
        if compression {
            text += &format!("Sec-WebSocket-Extensions: {OFFER}\r\n");
        }
        let headers = self.headers.iter();
        let headers =
            headers.flat_map(|(name, value)| [name.as_str(), ": ", value.as_str(), "\r\n"]);
        let parts: Vec<&str> = [text.as_str()].into_iter().chain(headers).chain(["\r\n"]).collect();
        // Allocated at once, so that no copy of a secret is left behind.
        Zeroizing::new(parts.concat())
    }
}

/// Creates the key of a request: 16 random bytes.
pub(super) fn random_key() -> String {
    BASE64.encode([random_bytes(), random_bytes(), random_bytes(), random_bytes()].as_flattened())
}

/// Returns the expected answer to a key.
pub(super) fn accept_key(key: &str) -> String {
    let mut sha1 = Sha1::new();
    sha1.update(key);
    sha1.update(GUID);
    BASE64.encode(&sha1.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_has_what_the_protocol_asks_for() {
        let mut request = Request::new(&Endpoint::parse("ws://h/a?b").unwrap());
        request.headers.push(("X-One".to_owned(), Zeroizing::new("1".to_owned())));
        request.subprotocols = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(
            request.bytes("KEY", false).as_str(),
            "GET /a?b HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: KEY\r\n\
             Sec-WebSocket-Protocol: a, b\r\nX-One: 1\r\n\r\n"
        );
        let text = request.bytes("KEY", true);
        assert!(text.contains("\r\nSec-WebSocket-Extensions: permessage-deflate; "), "{}", &*text);
    }

    #[test]
    fn keys_are_answered_as_in_the_rfc() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(random_key().len(), 24);
        assert_ne!(random_key(), random_key());
    }
}
