// SPDX-License-Identifier: MIT OR Apache-2.0
//! The body of a refusal: as much of it as people want to see, and no longer waited for than that.

use std::io::Read;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};

use super::Failure;
use super::answer::{Answer, find};
use super::handshake::read_some;
use crate::os::Deadline;
use crate::report::Stop;

/// How much of a body is kept.
const MAX_BODY: usize = 8 * 1024;
/// How long a body is waited for.
const BODY_WAIT: Duration = Duration::from_secs(2);
/// How long more is waited for if nothing says that there is more.
const QUIET_WAIT: Duration = Duration::from_millis(300);

/// Where a body ends (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Bytes(usize),
    Chunks,
    /// At the end of the connection.
    Unknown,
}

impl Length {
    fn of(answer: &Answer) -> Self {
        if matches!(answer.status, 204 | 304) {
            return Self::Bytes(0);
        }
        let has_chunks = find(&answer.headers, "Transfer-Encoding")
            .any(|coding| coding.to_ascii_lowercase().contains("chunked"));
        if has_chunks {
            return Self::Chunks;
        }
        let len = find(&answer.headers, "Content-Length").next();
        len.and_then(|len| len.trim().parse().ok()).map_or(Self::Unknown, Self::Bytes)
    }

    fn is_reached(self, body: &[u8]) -> bool {
        body.len() >= MAX_BODY
            || match self {
                Self::Bytes(len) => body.len() >= len,
                Self::Chunks => unchunked(body).1,
                Self::Unknown => false,
            }
    }
}

/// What there is of a refusal's body; it may be cut, and errors only end it, but for a signal.
pub(super) fn read_body<S: Read + AsFd>(
    stream: &mut S,
    answer: &Answer,
    mut body: Vec<u8>,
    deadline: Deadline,
) -> Result<String, Stop> {
    let length = Length::of(answer);
    let soon = Instant::now() + BODY_WAIT;
    let soon = deadline.map_or(soon, |deadline| deadline.min(soon));
    while !length.is_reached(&body) {
        let until = match length {
            Length::Unknown => soon.min(Instant::now() + QUIET_WAIT),
            _ => soon,
        };
        match read_some(stream, &mut body, Some(until)) {
            Ok(true) => {}
            Err(Failure::Stopped(stop)) => return Err(stop),
            Ok(false) | Err(_) => break,
        }
    }
    match length {
        Length::Chunks => body = unchunked(&body).0,
        Length::Bytes(len) => body.truncate(len),
        Length::Unknown => {}
    }
    body.truncate(MAX_BODY);
    let coding = find(&answer.headers, "Content-Encoding").next().unwrap_or_default();
    Ok(String::from_utf8_lossy(&decoded(coding.trim(), body)).into_owned())
}

/// What is decompressed of a body, which may be cut.
fn decoded(coding: &str, body: Vec<u8>) -> Vec<u8> {
    let mut data = Vec::new();
    let mut read = |reader: &mut dyn Read| {
        // An error ends what can be shown.
        let _ = reader.take(MAX_BODY as u64).read_to_end(&mut data);
        !data.is_empty()
    };
    let body_bytes = body.as_slice();
    match coding.to_ascii_lowercase().as_str() {
        "" | "identity" => return body,
        "gzip" | "x-gzip" => read(&mut GzDecoder::new(body_bytes)),
        // Some servers leave out the zlib format around it.
        "deflate" => {
            read(&mut ZlibDecoder::new(body_bytes)) || read(&mut DeflateDecoder::new(body_bytes))
        }
        other => return format!("(compressed: {other})").into_bytes(),
    };
    data
}

/// The data of chunks (RFC 9112 §7.1), as far as they go, and whether they are complete.
fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut data = Vec::new();
    while let Ok(httparse::Status::Complete((head, len))) = httparse::parse_chunk_size(rest) {
        let Some(tail) = rest.get(head..) else { break };
        if len == 0 {
            return (data, true);
        }
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(tail.len());
        let (chunk, tail) = tail.split_at(len);
        if chunk.is_empty() {
            break;
        }
        data.extend_from_slice(chunk);
        rest = tail.strip_prefix(b"\r\n").unwrap_or(tail);
    }
    (data, false)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    #[test]
    fn chunks_are_joined_and_a_cut_one_ends_the_text() {
        assert_eq!(unchunked(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), (b"abcde".to_vec(), true));
        assert_eq!(unchunked(b"a\r\nabc"), (b"abc".to_vec(), false));
        assert_eq!(unchunked(b"no chunk"), (Vec::new(), false));
    }

    #[test]
    fn compressed_bodies_are_shown_as_text() {
        let text = b"no such api key";
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(text).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(text).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(text).unwrap();
        assert_eq!(decoded("gzip", gzip.clone()), text);
        assert_eq!(decoded("deflate", zlib.finish().unwrap()), text);
        assert_eq!(decoded("Deflate", raw.finish().unwrap()), text);
        assert_eq!(decoded("br", vec![1]), b"(compressed: br)");
        assert_eq!(decoded("gzip", b"not gzip".to_vec()), b"");
        // Without its checksum.
        assert_eq!(decoded("gzip", gzip[..gzip.len() - 8].to_vec()), text);
    }

    #[test]
    fn a_body_does_not_fill_memory() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&vec![b'x'; 4 << 20]).unwrap();
        assert_eq!(decoded("gzip", gzip.finish().unwrap()).len(), MAX_BODY);
    }
}
