// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compression of messages, permessage-deflate (RFC 7692): the offer, the server's possible
//! answers, and decompression of its messages. Outgoing messages are not compressed, which the
//! extension leaves to the sender.

use flate2::{Decompress, FlushDecompress, Status};

use super::breach::Breach;

const NAME: &str = "permessage-deflate";

/// The offer to the server. It need not keep a window for our messages, and may use a window of any
/// size for its own.
pub(super) const OFFER: &str =
    "permessage-deflate; client_no_context_takeover; client_max_window_bits";

/// End of a message, omitted on the wire (RFC 7692 §7.2.2).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Minimum buffer for decompressed bytes.
const MIN_ROOM: usize = 4 * 1024;
const MAX_ROOM: usize = 256 * 1024;

/// Decompresses the messages of a connection.
#[derive(Debug)]
pub(super) struct Inflater {
    stream: Decompress,
    /// Whether the server starts every message with an empty window.
    no_context_takeover: bool,
}

impl Inflater {
    /// Parses the answer to [`OFFER`] (RFC 7692 §7.1): one extension with parameters.
    ///
    /// # Errors
    /// A description of what is not allowed in the answer.
    pub(super) fn negotiated(extension: &str) -> Result<Self, String> {
        let mut parts = extension.split(';').map(str::trim);
        if !parts.next().is_some_and(|name| name.eq_ignore_ascii_case(NAME)) {
            return Err(format!("the server uses an extension nobody asked for: {extension}"));
        }
        let mut seen: Vec<&str> = Vec::new();
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
                None => (part, None),
            };
            let is_valid = match name {
                "server_no_context_takeover" | "client_no_context_takeover" => value.is_none(),
                "server_max_window_bits" | "client_max_window_bits" => {
                    matches!(value, Some("8" | "9" | "10" | "11" | "12" | "13" | "14" | "15"))
                }
                _ => false,
            };
            if !is_valid || seen.contains(&name) {
                return Err(format!("invalid parameter of {NAME}: {part}"));
            }
            seen.push(name);
        }
        let no_context_takeover = seen.contains(&"server_no_context_takeover");
        Ok(Self { stream: Decompress::new(false), no_context_takeover })
    }

    /// Appends the decompressed part of a message.
    ///
    /// # Errors
    /// A message over `limit` bytes, or invalid DEFLATE data.
    pub(super) fn inflate(
        &mut self,
        mut part: &[u8],
        message: &mut Vec<u8>,
        limit: usize,
    ) -> Result<(), Breach> {
        loop {
            if message.len() == message.capacity() {
                message.reserve(part.len().saturating_mul(4).clamp(MIN_ROOM, MAX_ROOM));
            }
            let (before, len) = (self.stream.total_in(), message.len());
            let status = self
                .stream
                .decompress_vec(part, message, FlushDecompress::Sync)
                .map_err(|_| Breach::data("compressed data that cannot be inflated"))?;
            if message.len() > limit {
                let cause = format!("compressed message of more than {limit} bytes");
                return Err(Breach::too_large(cause));
            }
            let taken = usize::try_from(self.stream.total_in() - before).unwrap_or(usize::MAX);
            part = part.get(taken..).unwrap_or_default();
            if status == Status::StreamEnd {
                // A final block (RFC 7692 §7.2.3.4); another stream may follow.
                self.stream.reset(false);
            } else if taken == 0 && len == message.len() && !part.is_empty() {
                return Err(Breach::data("compressed data that cannot be inflated"));
            }
            if part.is_empty() && message.len() < message.capacity() {
                return Ok(());
            }
        }
    }

    /// Ends a message.
    ///
    /// # Errors
    /// As [`Inflater::inflate`].
    pub(super) fn finish(&mut self, message: &mut Vec<u8>, limit: usize) -> Result<(), Breach> {
        self.inflate(&TAIL, message, limit)?;
        if self.no_context_takeover {
            self.stream.reset(false);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inflated(inflater: &mut Inflater, parts: &[&[u8]], limit: usize) -> Result<Vec<u8>, Breach> {
        let mut message = Vec::new();
        for part in parts {
            inflater.inflate(part, &mut message, limit)?;
        }
        inflater.finish(&mut message, limit)?;
        Ok(message)
    }

    #[test]
    fn the_examples_of_the_rfc_inflate() {
        // RFC 7692 §7.2.3.1 to §7.2.3.6.
        let mut inflater = Inflater::negotiated("permessage-deflate").unwrap();
        let hello: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        for parts in [
            &[hello][..],
            &[&hello[..3], &hello[3..]],
            // With the shared window.
            &[&[0xf2, 0x00, 0x11, 0x00, 0x00]],
            // A block without compression, a last block, two blocks.
            &[&[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00]],
            &[&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]],
            &[&[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00]],
        ] {
            assert_eq!(inflated(&mut inflater, parts, 5).unwrap(), b"Hello", "{parts:?}");
        }
        assert_eq!(inflated(&mut inflater, &[&[0x00]], 0).unwrap(), b"");
    }

    #[test]
    fn a_window_that_is_not_kept_is_not_used() {
        let agreement = "permessage-deflate; server_no_context_takeover";
        let mut inflater = Inflater::negotiated(agreement).unwrap();
        let hello: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
        assert_eq!(inflated(&mut inflater, &[hello], 5).unwrap(), b"Hello");
        // Refers to data that is no longer in the window.
        let shared = inflated(&mut inflater, &[&[0xf2, 0x00, 0x11, 0x00, 0x00]], 5);
        assert!(shared.is_err() || shared != Ok(b"Hello".to_vec()));
    }

    #[test]
    fn inflating_stops_at_the_limit() {
        use flate2::{Compress, Compression, FlushCompress};
        let mut bomb = Vec::with_capacity(1 << 20);
        let mut deflater = Compress::new(Compression::best(), false);
        deflater.compress_vec(&vec![0; 64 << 20], &mut bomb, FlushCompress::Sync).unwrap();
        let mut inflater = Inflater::negotiated("permessage-deflate").unwrap();
        let mut message = Vec::new();
        let breach = inflater.inflate(&bomb, &mut message, 1 << 20).unwrap_err();
        assert_eq!(breach.code, 1009);
        assert!(message.capacity() < 4 << 20, "{}", message.capacity());
    }

    #[test]
    fn answers_are_checked() {
        for good in [
            "permessage-deflate",
            "Permessage-Deflate; server_max_window_bits=\"10\"",
            "permessage-deflate; client_max_window_bits=15; client_no_context_takeover",
        ] {
            assert!(Inflater::negotiated(good).is_ok(), "{good}");
        }
        for (wrong, words) in [
            ("permessage-bzip2", "nobody asked for"),
            ("permessage-deflate, permessage-deflate", "nobody asked for"),
            ("permessage-deflate; server_max_window_bits", "server_max_window_bits"),
            ("permessage-deflate; server_max_window_bits=7", "=7"),
            ("permessage-deflate; client_no_context_takeover=1", "=1"),
            ("permessage-deflate; x", ": x"),
            ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", "inv"),
        ] {
            let error = Inflater::negotiated(wrong).unwrap_err();
            assert!(error.contains(words), "{wrong}: {error}");
        }
    }
}
