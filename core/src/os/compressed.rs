// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compressed inputs, recognised by their first bytes: gzip (RFC 1952) and Zstandard (RFC 8878),
//! also several members or frames in a row, including skippable frames.
//!
//! A thread decompresses into a pipe, so the rest of the tool sees an ordinary input.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Error, ErrorKind, Read, Result, Write as _};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, channel};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

use super::{Input, Output};
use crate::report::{Cause as _, Explain as _, Stop, stats};

/// Magic numbers. In the last one, the lower half of the first byte is arbitrary: a skippable
/// frame, with which pzstd begins.
const KINDS: [(&[u8], Kind); 3] = [
    (&[0x1f, 0x8b], Kind::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Kind::Zstd),
    (&[0x50, 0x2a, 0x4d, 0x18], Kind::Zstd),
];

/// Bytes decompressed at a time.
const BLOCK: usize = 64 * 1024;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Gzip,
    Zstd,
}

impl Kind {
    /// Returns the kind of data that begins so, and otherwise whether more bytes could decide it.
    fn of(data: &[u8]) -> (Option<Self>, bool) {
        let mut begin = data.get(..4).unwrap_or(data).to_vec();
        if let Some(first) = begin.first_mut().filter(|first| **first & 0xf0 == 0x50) {
            *first &= 0xf0;
        }
        let found = KINDS.iter().find(|(magic, _)| begin.starts_with(magic));
        let is_open = KINDS.iter().any(|(magic, _)| magic.starts_with(&begin));
        (found.map(|(_, kind)| *kind), is_open)
    }
}

/// Returns the input itself, or its decompressed contents. Waits for the first bytes; `out` is
/// flushed before.
///
/// # Errors
/// As [`Input::fill`]. Damage in compressed data is an error when it is reached.
pub fn unpacked(mut input: Input, out: &mut Output) -> std::result::Result<Input, Stop> {
    let kind = loop {
        let (kind, is_open) = Kind::of(input.data());
        if let Some(kind) = kind {
            break kind;
        }
        if !is_open || !input.fill(out)? {
            return Ok(input);
        }
    };
    // The decompressed size is not known.
    stats::expect(0);
    let (read, write) = std::io::pipe().at(input.name())?;
    let (sender, trouble) = channel();
    let name = input.name().to_owned();
    let (begin, file) = input.into_parts();
    let packed = BufReader::with_capacity(BLOCK, Cursor::new(begin).chain(file));
    let write = File::from(OwnedFd::from(write));
    let unpack = move || unpack(kind, packed, &write, &sender);
    std::thread::Builder::new().name("unpack".to_owned()).spawn(unpack).at(&name)?;
    let file = File::from(OwnedFd::from(read));
    Ok(Input::new(file, name).with_trouble(trouble))
}

fn unpack(kind: Kind, packed: impl BufRead, to: &File, trouble: &Sender<String>) {
    let (unpacked, what) = match kind {
        Kind::Gzip => (copy(&mut MultiGzDecoder::new(packed), to), "gzip"),
        Kind::Zstd => (unpack_zstd(packed, to), "zstd"),
    };
    match unpacked {
        // The main thread has stopped reading.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => {
            // Sent before the pipe is closed, so that it is available when the end is seen.
            let _ = trouble.send(format!("bad {what} data: {}", error.cause()));
        }
        Ok(()) => {}
    }
}

/// Decompresses consecutive frames; anything after a frame must be another frame.
fn unpack_zstd(mut packed: impl BufRead, to: &File) -> Result<()> {
    while !packed.fill_buf()?.is_empty() {
        let mut frame = match StreamingDecoder::new(&mut packed) {
            Ok(frame) => frame,
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                pass_over(&mut packed, length.into())?;
                continue;
            }
            Err(error) => return Err(Error::new(ErrorKind::InvalidData, error.to_string())),
        };
        copy(&mut frame, to)?;
        // The decoder computes the checksum but leaves the comparison to its caller.
        let (stored, computed) =
            (frame.decoder.get_checksum_from_data(), frame.decoder.get_calculated_checksum());
        if stored.is_some() && stored != computed {
            return Err(Error::new(ErrorKind::InvalidData, "wrong checksum"));
        }
    }
    Ok(())
}

fn pass_over(packed: &mut impl BufRead, len: u64) -> Result<()> {
    match std::io::copy(&mut packed.take(len), &mut std::io::sink())? {
        passed if passed == len => Ok(()),
        _ => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn copy(from: &mut impl Read, mut to: &File) -> Result<()> {
    let mut block = vec![0; BLOCK];
    loop {
        match from.read(&mut block) {
            Ok(0) => return Ok(()),
            Ok(len) => to.write_all(block.get(..len).unwrap_or_default())?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Output of `printf hello | zstd -c` by zstd 1.5.
    const HELLO: [u8; 18] = *b"\x28\xb5\x2f\xfd\x04\x58\x29\x00\x00hello\xa3\x6d\x9f\x88";

    fn unpacked(packed: &[u8]) -> std::result::Result<Vec<u8>, String> {
        let (mut read, write) = std::io::pipe().unwrap();
        let write = File::from(OwnedFd::from(write));
        let outcome = unpack_zstd(packed, &write).map_err(|error| error.to_string());
        drop(write);
        let mut all = Vec::new();
        read.read_to_end(&mut all).unwrap();
        outcome.map(|()| all)
    }

    #[test]
    fn altered_bytes_are_noticed() {
        assert_eq!(unpacked(&HELLO).unwrap(), b"hello");
        let mut altered = HELLO;
        altered[10] ^= 1;
        assert_eq!(unpacked(&altered).unwrap_err(), "wrong checksum");
    }

    #[test]
    fn frames_to_be_passed_over_are() {
        let skipped = b"\x5f\x2a\x4d\x18\x03\0\0\0abc";
        let packed = [&skipped[..], &HELLO, skipped, &HELLO, skipped].concat();
        assert_eq!(unpacked(&packed).unwrap(), b"hellohello");
        assert!(unpacked(&skipped[..9]).is_err());
    }

    #[test]
    fn kinds_show_in_the_first_bytes() {
        let kind = |data: &[u8]| {
            let (kind, is_open) = Kind::of(data);
            (kind.map(|kind| format!("{kind:?}")), is_open)
        };
        assert_eq!(kind(b""), (None, true));
        assert_eq!(kind(b"P"), (None, true));
        assert_eq!(kind(b"Pa"), (None, false));
        assert_eq!(kind(b"\x57\x2a\x4d\x18\x04").0.as_deref(), Some("Zstd"));
        assert_eq!(kind(&HELLO).0.as_deref(), Some("Zstd"));
        assert_eq!(kind(b"\x1f\x8b").0.as_deref(), Some("Gzip"));
    }
}
