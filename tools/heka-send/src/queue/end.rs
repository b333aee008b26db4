// SPDX-License-Identifier: MIT OR Apache-2.0
//! The line about the end of a queue, in its file.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;

use super::cursor::Cursor;
use super::files::MAX_LINE;
use heka_core::delivery::queue_end::{End, put_sum};
use heka_core::os::PrivateDir;
use heka_core::report::Refused;

/// The file with the line.
#[derive(Debug)]
pub(super) struct EndFile {
    file: File,
    boot: String,
}

impl EndFile {
    /// Opens the file, and reads the line if it was written since the system was started.
    pub(super) fn open(dir: &PrivateDir, cursor: &Cursor) -> io::Result<(Self, Option<End>)> {
        let file = dir.open_or_create_file("end")?;
        let mut text = Vec::new();
        (&file).take(MAX_LINE).read_to_end(&mut text)?;
        let text = String::from_utf8_lossy(&text);
        if cursor.is_fresh && !text.is_empty() && !text.starts_with(['1', '2']) {
            return Err(Refused::NotQueue.into());
        }
        let end = End::parse(&text, &cursor.boot);
        Ok((Self { file, boot: cursor.boot.clone() }, end))
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Replaces the line.
    pub(super) fn store(&self, end: End) -> io::Result<()> {
        let End { place, begun, number, lost, last } = end;
        let mut line = Vec::with_capacity(256);
        line.extend_from_slice(b"2 ");
        line.extend_from_slice(self.boot.as_bytes());
        for number in [place.file, place.offset, begun.file, begun.offset, number, lost, last] {
            put_number(&mut line, number);
        }
        put_sum(&mut line);
        line.push(b'\n');
        self.file.write_all_at(&line, 0)
    }

    /// Clears the line, so that every file is valid in its whole length.
    pub(super) fn clear(&self) -> io::Result<()> {
        self.file.set_len(0)
    }
}

/// Appends a space and twenty digits. This happens for every block, and the standard library is
/// slower.
fn put_number(line: &mut Vec<u8>, mut number: u64) {
    let mut digits = [b'0'; 20];
    for digit in digits.iter_mut().rev() {
        if number == 0 {
            break;
        }
        *digit += u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
    }
    line.push(b' ');
    line.extend_from_slice(&digits);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_twenty_digits() {
        for number in [0, 7, 1_048_576, u64::MAX] {
            let mut line = Vec::new();
            put_number(&mut line, number);
            assert_eq!(line, format!(" {number:020}").as_bytes());
        }
    }
}
