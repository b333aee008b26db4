// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where to start reading: `-n` and `-c` of tail(1).

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use memchr::{memchr_iter, memrchr_iter};

use super::packed::is_packed;
use super::source::open_regular;
use heka_core::os::signal;

/// A position to start at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// At line NUM, counted from 1 (`-n +NUM`).
    Line(u64),
    /// Before the last NUM lines (`-n NUM`).
    LastLines(u64),
    /// At byte NUM, counted from 1 (`-c +NUM`).
    Byte(u64),
    /// Before the last NUM bytes (`-c NUM`).
    LastBytes(u64),
}

impl Default for Start {
    fn default() -> Self {
        Self::Line(1)
    }
}

/// Number of bytes examined at a time.
const BLOCK: usize = 64 * 1024;

impl Start {
    /// Whether this is the beginning of any file.
    pub(crate) fn is_beginning(self) -> bool {
        matches!(self, Self::Line(0 | 1) | Self::Byte(0 | 1))
    }

    /// Returns the offset in the file at `path`, whose lines end with `delimiter`.
    ///
    /// # Errors
    /// Any I/O error; [`io::ErrorKind::Unsupported`] for a compressed file that is decompressed,
    /// [`io::ErrorKind::Interrupted`] if a signal requests the end.
    pub(crate) fn offset(self, path: &Path, delimiter: u8, unpacks: bool) -> io::Result<u64> {
        if self.is_beginning() {
            return Ok(0);
        }
        let (file, metadata) = open_regular(path)?;
        if unpacks && is_packed(&file)? {
            let words = "compressed: --lines and --bytes do not count in it";
            return Err(io::Error::new(io::ErrorKind::Unsupported, words));
        }
        let len = length(&file, metadata.len())?;
        match self {
            Self::Line(line) => nth_line(&file, line, delimiter),
            Self::LastLines(count) => last_lines(&file, len, count, delimiter),
            Self::Byte(byte) => Ok(len.min(byte - 1)),
            Self::LastBytes(count) => Ok(len.saturating_sub(count)),
        }
    }
}

/// Returns the length of a file; for files that are generated when read, the system reports 0 or a
/// page, for devices 0.
fn length(file: &File, said: u64) -> io::Result<u64> {
    let mut byte = [0];
    let is_there = |at: u64, byte: &mut [u8]| file.read_at(byte, at).map(|len| len > 0);
    if said > 0 && is_there(said - 1, &mut byte)? && !is_there(said, &mut byte)? {
        return Ok(said);
    }
    // A device knows its end; other files are read up to there.
    let end = { file }.seek(SeekFrom::End(0)).unwrap_or(0);
    if end > said && is_there(end - 1, &mut byte)? {
        return Ok(end);
    }
    let mut block = vec![0; BLOCK];
    let mut len = 0;
    loop {
        go_on()?;
        match file.read_at(&mut block, len)? {
            0 => return Ok(len),
            read => len += read as u64,
        }
    }
}

/// Checks for signals, since counting in a large file takes time.
fn go_on() -> io::Result<()> {
    signal::pending().map_or(Ok(()), |_| Err(io::ErrorKind::Interrupted.into()))
}

fn nth_line(file: &File, line: u64, delimiter: u8) -> io::Result<u64> {
    let mut block = vec![0; BLOCK];
    let mut offset = 0;
    let mut left = line.saturating_sub(1);
    loop {
        go_on()?;
        let len = file.read_at(&mut block, offset)?;
        let data = block.get(..len).unwrap_or(&[]);
        for end in memchr_iter(delimiter, data) {
            left -= 1;
            if left == 0 {
                return Ok(offset + end as u64 + 1);
            }
        }
        offset += len as u64;
        if len == 0 {
            return Ok(offset);
        }
    }
}

fn last_lines(file: &File, len: u64, count: u64, delimiter: u8) -> io::Result<u64> {
    if count == 0 {
        return Ok(len);
    }
    let mut block = vec![0; BLOCK];
    let mut end = len;
    // The delimiter of the last line itself does not count.
    let mut left = count.saturating_add(1);
    let mut at_end = true;
    while end > 0 {
        go_on()?;
        let start = end.saturating_sub(BLOCK as u64);
        let size = usize::try_from(end - start).unwrap_or(BLOCK);
        let Some(room) = block.get_mut(..size) else { break };
        file.read_exact_at(room, start)?;
        if std::mem::take(&mut at_end) && room.last() != Some(&delimiter) {
            left -= 1;
        }
        for found in memrchr_iter(delimiter, room) {
            left -= 1;
            if left == 0 {
                return Ok(start + found as u64 + 1);
            }
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(text: &str, start: Start) -> u64 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, text).unwrap();
        start.offset(&path, b'\n', true).unwrap()
    }

    #[test]
    fn as_tail_counts() {
        assert_eq!(start("a\nb\nc\n", Start::LastLines(1)), 4);
        assert_eq!(start("a\nb\nc", Start::LastLines(1)), 4);
        assert_eq!(start("a\nb\nc\n", Start::LastLines(0)), 6);
        assert_eq!(start("a\nb\nc\n", Start::LastLines(9)), 0);
        assert_eq!(start("a\nb\nc\n", Start::Line(3)), 4);
        assert_eq!(start("a\nb\nc\n", Start::Line(9)), 6);
        assert_eq!(start("a\nb\nc\n", Start::Byte(3)), 2);
        assert_eq!(start("a\nb\nc\n", Start::LastBytes(3)), 3);
        assert_eq!(start("", Start::LastLines(3)), 0);
        let long = "x".repeat(99) + "\n";
        let many = long.repeat(3000);
        assert_eq!(start(&many, Start::LastLines(2000)), 100_000);
        assert_eq!(start(&many, Start::Line(1001)), 100_000);
    }
}
