// SPDX-License-Identifier: MIT OR Apache-2.0
//! The framings of records in a byte stream.
//!
//! | framing | a record is |
//! | --- | --- |
//! | delimited | its bytes, then one byte that ends it |
//! | counted | its bytes, up to the N-th delimiter |
//! | length | its length in 2, 4 or 8 bytes, big-endian, then its bytes |
//! | length, little-endian | the same, with the length in little-endian order |
//! | docker | a stream's number, three zeroes, a length of 4 bytes, big-endian, then its bytes |
//! | journal | fields, then an empty line (journald's export format) |
//! | syslog | framed by octet count if it begins with a length, otherwise by a newline |
//! | octet count | its length in decimal digits, one white space, then its bytes (RFC 6587) |
//! | heka | a whole Heka frame |
//! | whole | everything to the end of the stream |
//! | none | the bytes of one read |

/// Maximum number of decimal digits of a length, enough for 2^64.
const MAX_DIGITS: usize = 20;

/// The number of docker's stream for standard output.
const DOCKER_STDOUT: u8 = 1;
/// The highest number of a docker stream.
const DOCKER_LAST: u8 = 3;

/// A framing of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Ends with a byte.
    Delimited(u8),
    /// Ends with the n-th occurrence of a byte (Heka's `TokenSplitter`).
    Counted(u8, usize),
    /// Begins with its length, big-endian.
    Length(Width),
    /// Begins with its length, little-endian.
    LengthLe(Width),
    /// Begins with the number of its stream and its length, as in docker's attach stream.
    Docker,
    /// Ends with an empty line: an entry of journald's export format, whose fields may contain any
    /// bytes.
    Journal,
    /// Begins with its length in decimal digits.
    OctetCount,
    /// A syslog message, which either begins with its length in digits or ends with a newline, as
    /// its sender chose (RFC 6587).
    Syslog,
    /// A Heka frame.
    Heka,
    /// Ends with the stream.
    Whole,
    /// The bytes of one read.
    None,
}

/// Size of a binary length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// Two bytes.
    Bits16,
    /// Four bytes.
    Bits32,
    /// Eight bytes.
    Bits64,
}

/// A record whose length a framing cannot express.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a record of {len} bytes does not fit a length of {} bits", 8 * .width.bytes())]
pub struct Unfit {
    len: usize,
    width: Width,
}

impl Width {
    /// Returns the size in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::Bits16 => 2,
            Self::Bits32 => 4,
            Self::Bits64 => 8,
        }
    }
}

impl Framing {
    /// Appends a record.
    ///
    /// # Errors
    /// [`Unfit`] if its length cannot be expressed; nothing is appended then.
    pub fn put(self, out: &mut Vec<u8>, record: &[u8]) -> Result<(), Unfit> {
        match self {
            Self::Length(width) => put_length(out, record.len(), width)?,
            Self::LengthLe(width) => {
                let start = out.len();
                put_length(out, record.len(), width)?;
                out.get_mut(start..).unwrap_or_default().reverse();
            }
            Self::Docker => {
                let start = out.len();
                out.extend_from_slice(&[DOCKER_STDOUT, 0, 0, 0]);
                put_length(out, record.len(), Width::Bits32)
                    .inspect_err(|_| out.truncate(start))?;
            }
            Self::OctetCount | Self::Syslog => {
                out.extend_from_slice(format!("{} ", record.len()).as_bytes());
            }
            _ => {}
        }
        out.extend_from_slice(record);
        match self {
            Self::Delimited(byte) | Self::Counted(byte, _) => out.push(byte),
            Self::Journal if record.is_empty() || record.ends_with(b"\n") => out.push(b'\n'),
            Self::Journal => out.extend_from_slice(b"\n\n"),
            _ => {}
        }
        Ok(())
    }
}

fn put_length(out: &mut Vec<u8>, len: usize, width: Width) -> Result<(), Unfit> {
    let length = (len as u64).to_be_bytes();
    let (zeroes, length) = length.split_at(length.len() - width.bytes());
    if zeroes.iter().any(|&byte| byte != 0) {
        return Err(Unfit { len, width });
    }
    out.extend_from_slice(length);
    Ok(())
}

/// The length prefix of a record: its own size in bytes, and the length. `None` if it is
/// incomplete.
pub(super) type Prefix = Option<(usize, u64)>;

/// Reads the binary length at the front of `data`.
pub(super) fn length(width: Width, data: &[u8]) -> Prefix {
    let bytes = data.get(..width.bytes())?;
    Some((bytes.len(), bytes.iter().fold(0, |length, &byte| (length << 8) | u64::from(byte))))
}

/// Like [`length`], little-endian.
pub(super) fn length_le(width: Width, data: &[u8]) -> Prefix {
    let bytes = data.get(..width.bytes())?;
    Some((bytes.len(), bytes.iter().rfold(0, |length, &byte| (length << 8) | u64::from(byte))))
}

/// Reads the stream number, three zero bytes and the length at the front of `data`.
///
/// # Errors
/// The cause.
pub(super) fn docker(data: &[u8]) -> Result<Prefix, &'static str> {
    let is_wrong = |(at, byte): (usize, &u8)| *byte > if at == 0 { DOCKER_LAST } else { 0 };
    if data.iter().take(4).enumerate().any(is_wrong) {
        return Err("expected the header of a docker stream");
    }
    let length = data.get(4..).and_then(|behind| length(Width::Bits32, behind));
    Ok(length.map(|(len, length)| (4 + len, length)))
}

/// Maximum number of digits of a syslog message's length.
const SYSLOG_DIGITS: usize = 8;

/// Reads the length in digits before the priority of a syslog message: `None` if there is none,
/// `Some(None)` if that is not known yet.
pub(super) fn syslog_count(data: &[u8]) -> Option<Prefix> {
    let digits = data.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 || digits > SYSLOG_DIGITS || data.first() == Some(&b'0') {
        return None;
    }
    match data.get(digits..digits + 2) {
        Some(b" <") => octet_count(data).ok(),
        Some(_) => None,
        None => match data.get(digits) {
            None | Some(b' ') => Some(None),
            Some(_) => None,
        },
    }
}

/// Reads the length in digits at the front of `data`.
///
/// # Errors
/// The cause.
pub(super) fn octet_count(data: &[u8]) -> Result<Prefix, &'static str> {
    let digits = data.iter().take(MAX_DIGITS + 1).take_while(|byte| byte.is_ascii_digit()).count();
    let length = data
        .get(..digits)
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .and_then(|digits| digits.parse().ok());
    match (data.get(digits), length) {
        _ if digits > MAX_DIGITS => Err("the length of the record has too many digits"),
        (None, _) => Ok(None),
        (Some(byte), Some(length)) if byte.is_ascii_whitespace() => Ok(Some((digits + 1, length))),
        (Some(_), _) => Err("expected the length of a record in decimal digits"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_must_fit() {
        let put = |len| Framing::Length(Width::Bits16).put(&mut Vec::new(), &vec![0; len]);
        assert_eq!(put(65_535), Ok(()));
        let unfit = put(65_536).unwrap_err();
        assert_eq!(unfit.to_string(), "a record of 65536 bytes does not fit a length of 16 bits");
    }

    #[test]
    fn a_syslog_message_is_counted_if_its_priority_follows_a_number() {
        for (data, expected) in [
            (&b"11 <34>hello"[..], Some(Some((3, 11)))),
            (b"11 ", Some(None)),
            (b"11", Some(None)),
            (b"", None),
            (b"<34>hello", None),
            (b"11 hello", None),
            (b"11:00 <34>", None),
            (b"011 <34>", None),
            (b"123456789 <34>", None),
        ] {
            assert_eq!(syslog_count(data), expected, "{}", String::from_utf8_lossy(data));
        }
    }
}
