// SPDX-License-Identifier: MIT OR Apache-2.0
//! Inputs that are compressed, recognised by their first bytes: gzip (RFC 1952) and Zstandard
//! (RFC 8878), also several of one kind in a row.
//!
//! A thread unpacks into a pipe, so to everybody else it is an input like any other.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Read, Result, Write as _};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, channel};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::{Input, Output};
use crate::exit::{Cause as _, Explain as _, Stop};

/// How compressed data begin.
const KINDS: [(&[u8], Kind); 2] =
    [(&[0x1f, 0x8b], Kind::Gzip), (&[0x28, 0xb5, 0x2f, 0xfd], Kind::Zstd)];

/// What a thread unpacks at a time.
const BLOCK: usize = 64 * 1024;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Gzip,
    Zstd,
}

impl Input {
    /// The input itself, or what its compressed data unpack to. Waits for the first bytes; `out` is
    /// flushed meanwhile.
    ///
    /// # Errors
    /// As [`Input::fill`]. Damage in compressed data is an error when it is come to.
    pub fn unpacked(mut self, out: &mut Output) -> std::result::Result<Self, Stop> {
        let kind = loop {
            let data = self.data();
            if let Some((_, kind)) = KINDS.iter().find(|(magic, _)| data.starts_with(magic)) {
                break *kind;
            }
            let undecided = KINDS.iter().any(|(magic, _)| magic.starts_with(data));
            if !undecided || !self.fill(out)? {
                return Ok(self);
            }
        };
        let (read, write) = std::io::pipe().at(self.name())?;
        let (sender, trouble) = channel();
        let name = self.name().to_owned();
        let (begin, file) = self.into_parts();
        let packed = BufReader::with_capacity(BLOCK, Cursor::new(begin).chain(file));
        let write = File::from(OwnedFd::from(write));
        let unpack = move || unpack(kind, packed, &write, &sender);
        std::thread::Builder::new().name("unpack".to_owned()).spawn(unpack).at(&name)?;
        let file = File::from(OwnedFd::from(read));
        Ok(Self::new(file, name).with_trouble(trouble))
    }
}

fn unpack(kind: Kind, packed: impl BufRead, to: &File, trouble: &Sender<String>) {
    let (unpacked, what) = match kind {
        Kind::Gzip => (copy(MultiGzDecoder::new(packed), to), "gzip"),
        Kind::Zstd => (unpack_zstd(packed, to), "zstd"),
    };
    match unpacked {
        // The main thread has had enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        Err(error) => {
            // Sent before the pipe is closed, so it is there when the end is seen.
            let _ = trouble.send(format!("bad {what} data: {}", error.cause()));
        }
        Ok(()) => {}
    }
}

/// Frames in a row; what follows them must be one too.
fn unpack_zstd(mut packed: impl BufRead, to: &File) -> Result<()> {
    while !packed.fill_buf()?.is_empty() {
        let decoder = StreamingDecoder::new(&mut packed)
            .map_err(|error| std::io::Error::new(ErrorKind::InvalidData, error.to_string()))?;
        copy(decoder, to)?;
    }
    Ok(())
}

fn copy(mut from: impl Read, mut to: &File) -> Result<()> {
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
