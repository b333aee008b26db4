// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines of klog and glog: `I0102 15:04:05.000000  123 file.go:45] message`.

use super::cause::Cause;
use super::readers::{Readers, Target};
use super::tokens::{after_blanks, prefixed, word};
use crate::codec::json::number;

/// Reads a line.
pub(super) fn read(record: &[u8], readers: &Readers, target: &mut Target) -> Result<(), Cause> {
    let wrong = || Cause::new("not a line of klog");
    let (letter, rest) = record.split_first().ok_or_else(wrong)?;
    let severity = match letter {
        b'D' => 7,
        b'I' => 6,
        b'W' => 4,
        b'E' => 3,
        b'F' => 2,
        _ => return Err(wrong()),
    };
    let (time, rest) = readers.times.read_front(rest, target.now).ok_or_else(wrong)?;
    let (thread, rest) = word(after_blanks(rest));
    let (place, message) = prefixed(after_blanks(rest), b"]").ok_or_else(wrong)?;
    let (file, line) = prefixed(place, b":").ok_or_else(wrong)?;
    let line = number::integer(line).ok_or_else(wrong)?;
    target.set_severity(severity);
    target.set_time(time);
    target.set_pid(b"thread", thread)?;
    target.put(b"file", file)?;
    target.put_integer(b"line", line)?;
    target.set_payload(message.strip_prefix(b" ").unwrap_or(message))?;
    Ok(())
}
