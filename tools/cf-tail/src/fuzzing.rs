// SPDX-License-Identifier: MIT OR Apache-2.0
//! The input from Cloud Foundry servers, for the fuzz targets.

#![cfg(feature = "fuzzing")]
#![expect(dead_code, reason = "the parsers alone are used")]

mod envelope;
mod json;
mod multipart;
mod sse;

use bytes::Bytes;
use prost::Message as _;

/// Parses server-sent events: the result does not depend on the pieces in which they arrive, and no
/// event exceeds its limit.
pub fn sse(input: &[u8]) {
    const LIMIT: usize = 1 << 12;
    let read = |piece: usize| {
        let (mut parser, mut events) = (sse::Parser::new(LIMIT), Vec::new());
        let ended = input.chunks(piece).try_for_each(|piece| parser.push(piece, &mut events));
        (events, ended)
    };
    let whole = read(input.len().max(1));
    assert_eq!(read(1), whole, "pieces matter");
    let lens = || whole.0.iter().map(|event| event.data.len());
    assert!(lens().all(|len| len <= LIMIT), "longer than the limit");
    assert!(lens().sum::<usize>() <= input.len(), "more than came");
}

/// Parses a multipart body, with the boundary in the first line.
pub fn multipart(input: &[u8]) {
    const LIMIT: usize = 1 << 12;
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (first, rest) = input.split_at(end);
    let content_type = String::from_utf8_lossy(first);
    let boundary = multipart::boundary(&content_type).unwrap_or_else(|| "b".to_owned());
    let body = rest.strip_prefix(b"\n").unwrap_or(rest);
    let read = |piece: usize| {
        let mut parts = multipart::Parts::new(Pieces { rest: body, piece }, &boundary, LIMIT);
        let mut found: Vec<Bytes> = Vec::new();
        loop {
            match parts.next_part() {
                Ok(Some(part)) => found.push(part),
                Ok(None) => return (found, None),
                Err(broken) => return (found, Some(broken.to_string())),
            }
        }
    };
    let whole = read(usize::MAX);
    let sum: usize = whole.0.iter().map(Bytes::len).sum();
    assert!(sum <= body.len(), "more than came");
    let pieces = read(3);
    // Whether a part exceeds the limit may depend only on how much of it is available at once.
    let is_over = |read: &(Vec<Bytes>, Option<String>)| {
        read.1.as_deref() == Some("part longer than the limit")
    };
    if !is_over(&whole) && !is_over(&pieces) {
        assert_eq!(pieces, whole, "pieces matter");
    }
}

/// Reads some bytes at a time.
struct Pieces<'a> {
    rest: &'a [u8],
    piece: usize,
}

impl std::io::Read for Pieces<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let len = self.piece.min(self.rest.len()).min(to.len());
        let (now, later) = self.rest.split_at(len);
        to[..len].copy_from_slice(now);
        self.rest = later;
        Ok(len)
    }
}

/// Decodes an envelope of a generation selected by the first byte.
pub fn envelope(input: &[u8]) {
    let Some((generation, rest)) = input.split_first() else { return };
    let bytes = || Bytes::copy_from_slice(rest);
    let envelopes = match generation % 4 {
        0 => envelope::legacy::decode(bytes()).into_iter().collect(),
        1 => envelope::v1::decode(bytes()).into_iter().collect(),
        2 => envelope::v2::Wire::decode(rest).map(envelope::Envelope::from).into_iter().collect(),
        _ => envelope::read_batch(rest).map(|batch| batch.envelopes).unwrap_or_default(),
    };
    for envelope in envelopes {
        let mut identity = Vec::new();
        envelope.identify(|part| identity.extend_from_slice(part));
        let mut again = Vec::new();
        envelope.clone().identify(|part| again.extend_from_slice(part));
        assert_eq!(identity, again);
        let _ = (envelope.kind(), envelope.instance_number(), envelope.facts().count());
    }
}
