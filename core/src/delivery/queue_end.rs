// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of heka-send's queue: one line of text, overwritten in place whenever messages are
//! appended.
//!
//! ```text
//! 2 BOOT FILE OFFSET FILE OFFSET NUMBER LOST LAST #SUM
//! ```
//!
//! The fields are: the version of this format and the kernel's boot ID; the file being written, and
//! how much of it is valid, since remains of acknowledged messages may follow; the position before
//! which nothing is valid, unless the cursor knows better, and the number of the message before it;
//! the number of messages lost before it that have a number in their block; and the number of the
//! last message in its block; and the checksum of all that (CRC-32C, in hex). Version 1 lacked the
//! last three, and a line without a checksum is accepted. Numbers have twenty digits, so that the
//! line keeps its length.
//!
//! The line is as durable as the messages themselves: it survives the process, but a crash of the
//! system only if it was synced, which nobody does. After a restart of the system it is ignored.

use super::sums;

/// The boot ID if the kernel's cannot be read; no line with it is believed.
pub const NO_BOOT: &str = "0";

/// A position in a queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Number of the file.
    pub file: u64,
    /// Offset in it, in bytes.
    pub offset: u64,
}

/// The contents of the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct End {
    /// Position after the last message.
    pub place: Place,
    /// Position before which everything was acknowledged when a file was started over.
    pub begun: Place,
    /// Number of the message before that.
    pub number: u64,
    /// The difference between that number and the one in its block.
    pub lost: u64,
    /// Number of the last message, in its block.
    pub last: u64,
}

impl End {
    /// Interprets the line; `None` if it is damaged, or the system has been restarted since.
    pub fn parse(text: &str, boot: &str) -> Option<Self> {
        let mut words = verified(text)?.split_whitespace();
        let version = words.next()?;
        let is_known = matches!(version, "1" | "2");
        (is_known && words.next()? == boot && boot != NO_BOOT).then_some(())?;
        let mut number = || words.next()?.parse().ok();
        let place = Place { file: number()?, offset: number()? };
        let begun = Place { file: number()?, offset: number()? };
        let last_acknowledged: u64 = number()?;
        let (lost, last) = if version == "1" { (0, 0) } else { (number()?, number()?) };
        last_acknowledged.checked_add(lost)?;
        // Files before `begun` would be removed.
        (begun <= place).then_some(Self { place, begun, number: last_acknowledged, lost, last })
    }

    /// Whether a file was started over after a cursor at message `number` in `file` was saved, so
    /// that the queue begins at [`End::begun`].
    pub fn is_newer(&self, file: u64, number: u64) -> bool {
        self.begun.file >= file && number <= self.number
    }
}

/// Appends the checksum of a line, without the line's end.
pub fn put_sum(line: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let sum = sums::sum(line);
    line.extend_from_slice(b" #");
    line.extend((0..8).rev().map(|at| DIGITS[(sum >> (4 * at)) as usize % DIGITS.len()]));
}

/// Returns a line without its checksum; `None` if the checksum is wrong.
pub fn verified(text: &str) -> Option<&str> {
    let Some((line, sum)) = text.trim_end().rsplit_once(" #") else { return Some(text) };
    let is_right = u32::from_str_radix(sum, 16).is_ok_and(|sum| sum == sums::sum(line.as_bytes()));
    is_right.then_some(line)
}

/// Returns the kernel's boot ID, in hex.
pub fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    if id.is_empty() { NO_BOOT.to_owned() } else { id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_with_a_wrong_digit_is_believed() {
        let mut line = b"2 b00t 7 1 3 0 40 2 99".to_vec();
        put_sum(&mut line);
        let text = String::from_utf8(line.clone()).unwrap() + "\n";
        let end = End::parse(&text, "b00t").unwrap();
        assert_eq!((end.place.file, end.begun.file, end.number, end.last), (7, 3, 40, 99));
        for at in 0..line.len() {
            let mut damaged = line.clone();
            damaged[at] = if damaged[at] == b'1' { b'2' } else { b'1' };
            let text = String::from_utf8(damaged).unwrap();
            assert!(End::parse(&text, "b00t").is_none_or(|read| read == end), "{text}");
        }
        assert_eq!(End::parse("2 b00t 7 1 3 0 40 2 99\n", "b00t"), Some(end));
        assert_eq!(End::parse(&text, "other"), None);
    }
}
