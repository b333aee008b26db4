// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of heka-send's queue: one line of text, overwritten in place whenever messages are
//! appended.
//!
//! ```text
//! 2 BOOT FILE OFFSET FILE OFFSET NUMBER LOST LAST
//! ```
//!
//! The fields are: the version of this format and the kernel's boot ID; the file being written, and
//! how much of it is valid, since remains of acknowledged messages may follow; the position before
//! which nothing is valid, unless the cursor knows better, and the number of the message before it;
//! the number of messages lost before it that have a number in their block; and the number of the
//! last message in its block. Version 1 lacked the last two. Numbers have twenty digits, so that
//! the line keeps its length.
//!
//! The line is as durable as the messages themselves: it survives the process, but a crash of the
//! system only if it was synced, which nobody does. After a restart of the system it is ignored.

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
        let mut words = text.split_whitespace();
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

/// Returns the kernel's boot ID, in hex.
pub fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    if id.is_empty() { NO_BOOT.to_owned() } else { id }
}
