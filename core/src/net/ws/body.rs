// SPDX-License-Identifier: MIT OR Apache-2.0
//! The body of a rejection: only as much as people want to see, with short time limits.

use std::io::Read;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};

use super::Failure;
use super::answer::{Answer, find};
use super::handshake::read_some;
use crate::os::Deadline;
use crate::report::Stop;

/// Maximum number of bytes kept.
const MAX_BODY: usize = 8 * 1024;
/// Time limit for the body.
const BODY_WAIT: Duration = Duration::from_secs(2);
/// Time limit for further data if nothing announces them.
const QUIET_WAIT: Duration = Duration::from_millis(300);

/// The end of a body (RFC 9112 §6.3).
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

    fn is_reached(self, body: &[u8], chunks: &mut Chunks) -> bool {
        body.len() >= MAX_BODY
            || match self {
                Self::Bytes(len) => body.len() >= len,
                Self::Chunks => chunks.read(body),
                Self::Unknown => false,
            }
    }
}

/// Chunked data received so far (RFC 9112 §7.1). No byte is examined twice.
#[derive(Debug, Default)]
struct Chunks {
    data: Vec<u8>,
    /// Offset of the unprocessed rest of the body.
    at: usize,
    /// Offset up to which no line end was found.
    looked: usize,
    /// Missing bytes of the current chunk.
    left: usize,
    /// Whether the data have ended, with the last chunk or an invalid one.
    has_ended: bool,
}

impl Chunks {
    /// Processes new data of a body; returns whether it has ended.
    fn read(&mut self, body: &[u8]) -> bool {
        while !self.has_ended {
            let rest = body.get(self.at..).unwrap_or_default();
            if self.left > 0 {
                let chunk = rest.get(..self.left).unwrap_or(rest);
                self.data.extend_from_slice(chunk);
                self.left -= chunk.len();
                self.at += chunk.len();
                self.looked = self.at;
                if chunk.is_empty() {
                    break;
                }
                continue;
            }
            let new = body.get(self.looked..).unwrap_or_default();
            let Some(end) = new.iter().position(|&byte| byte == b'\n') else {
                self.looked = body.len();
                break;
            };
            let end = self.looked + end + 1;
            let line = body.get(self.at..end).unwrap_or_default();
            (self.at, self.looked) = (end, end);
            self.read_line(line);
        }
        self.has_ended
    }

    /// Processes the line before a chunk, or the one after it.
    fn read_line(&mut self, line: &[u8]) {
        if matches!(line, b"\r\n" | b"\n") {
            return;
        }
        match httparse::parse_chunk_size(line) {
            Ok(httparse::Status::Complete((_, len @ 1..))) => {
                self.left = usize::try_from(len).unwrap_or(usize::MAX);
            }
            _ => self.has_ended = true,
        }
    }
}

/// Reads a rejection's body; it may be truncated. Errors other than signals only end it.
pub(super) fn read_body<S: Read + AsFd>(
    stream: &mut S,
    answer: &Answer,
    mut body: Vec<u8>,
    deadline: Deadline,
) -> Result<String, Stop> {
    let length = Length::of(answer);
    let soon = Instant::now() + BODY_WAIT;
    let soon = deadline.map_or(soon, |deadline| deadline.min(soon));
    let mut chunks = Chunks::default();
    while !length.is_reached(&body, &mut chunks) {
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
        Length::Chunks => {
            chunks.read(&body);
            body = chunks.data;
        }
        Length::Bytes(len) => body.truncate(len),
        Length::Unknown => {}
    }
    body.truncate(MAX_BODY);
    let coding = find(&answer.headers, "Content-Encoding").next().unwrap_or_default();
    Ok(String::from_utf8_lossy(&decoded(coding.trim(), body)).into_owned())
}

/// Decompresses a body, which may be truncated.
fn decoded(coding: &str, body: Vec<u8>) -> Vec<u8> {
    let mut data = Vec::new();
    let mut read = |reader: &mut dyn Read| {
        // An error ends the part that can be shown.
        let _ = reader.take(MAX_BODY as u64).read_to_end(&mut data);
        !data.is_empty()
    };
    let body_bytes = body.as_slice();
    match coding.to_ascii_lowercase().as_str() {
        "" | "identity" => return body,
        "gzip" | "x-gzip" => read(&mut GzDecoder::new(body_bytes)),
        // Some servers omit the zlib format around it.
        "deflate" => {
            read(&mut ZlibDecoder::new(body_bytes)) || read(&mut DeflateDecoder::new(body_bytes))
        }
        other => return format!("(compressed: {other})").into_bytes(),
    };
    data
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::os::fd::BorrowedFd;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    #[test]
    fn chunks_are_joined_and_a_cut_one_ends_the_text() {
        let cases: [(&[u8], &[u8], bool); 4] = [
            (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde", true),
            (b"3;x=y\r\na\n\n\r\n1\r\nb", b"a\n\nb", false),
            (b"a\r\nabc", b"abc", false),
            (b"no chunk\r\n", b"", true),
        ];
        for (body, data, has_ended) in cases {
            for piece in [1, 2, 100] {
                let mut chunks = Chunks::default();
                let ends = (0..body.len()).step_by(piece).chain([body.len()]);
                let ended = ends.map(|end| chunks.read(&body[..end])).last();
                assert_eq!((chunks.data.as_slice(), ended), (data, Some(has_ended)));
            }
        }
    }

    /// A connection that nobody may read from.
    struct Open(File);

    impl Read for Open {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            panic!("the body is complete")
        }
    }

    impl AsFd for Open {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }
    }

    #[test]
    fn nothing_is_waited_for_after_the_end_of_a_body() {
        let mut open = Open(File::open("/dev/null").unwrap());
        for (status, header, body, text) in [
            (204, None, &b""[..], ""),
            (304, None, b"", ""),
            (400, Some(("Content-Length", "0")), b"", ""),
            (400, Some(("content-length", "3")), b"abc", "abc"),
            (400, Some(("Transfer-Encoding", "chunked")), b"1\r\na\r\n0\r\n\r\n", "a"),
        ] {
            let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            let headers = header.map(own).into_iter().collect();
            let answer = Answer { status, reason: String::new(), headers };
            let read = read_body(&mut open, &answer, body.to_vec(), None);
            assert_eq!(read.unwrap(), text, "{status}");
        }
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
