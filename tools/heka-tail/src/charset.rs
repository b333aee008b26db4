// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files in character encodings other than UTF-8.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};

/// The encoding of the records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charset {
    encoding: &'static Encoding,
    /// Whether a byte order mark at the start of a file selects the variant of UTF-16.
    has_mark: bool,
}

impl Charset {
    /// Looks up an encoding by its name in the Encoding Standard, where `utf-16` means `utf-16le`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let encoding = Encoding::for_label(name.as_bytes())?;
        Some(Self { encoding, has_mark: encoding == UTF_16LE })
    }

    /// Whether characters consist of two-byte units.
    pub(crate) fn is_wide(self) -> bool {
        self.encoding == UTF_16LE || self.encoding == UTF_16BE
    }

    /// Returns the encoding of a file that begins with `head`.
    pub(crate) fn of_file(self, head: &[u8]) -> Self {
        let is_big = self.has_mark && head.starts_with(&[0xfe, 0xff]);
        Self { encoding: if is_big { UTF_16BE } else { self.encoding }, ..self }
    }

    /// Decodes `bytes` into `out`, which is cleared first, without a byte order mark. Invalid
    /// characters become U+FFFD.
    pub(crate) fn decode(self, bytes: &[u8], out: &mut String) {
        let (text, _) = self.encoding.decode_without_bom_handling(bytes);
        out.clear();
        out.push_str(text.strip_prefix('\u{feff}').unwrap_or(&text));
    }

    /// Returns a delimiter as a two-byte unit.
    pub(crate) fn unit(self, delimiter: u8) -> [u8; 2] {
        if self.encoding == UTF_16BE { [0, delimiter] } else { [delimiter, 0] }
    }
}

#[cfg(test)]
mod tests {
    use heka_core::record::{More, Progress};

    use super::*;

    fn records(charset: Charset, data: &[u8], limit: usize) -> Vec<String> {
        let (mut done, mut records) = (0, Vec::new());
        let mut progress = Progress::default();
        let charset = charset.of_file(data);
        let unit = charset.unit(b'\n');
        while let Some((used, _)) = progress.next_wide(&data[done..], unit, limit, More::Ended) {
            let mut text = String::new();
            charset.decode(&data[done..done + used], &mut text);
            records.push(text);
            done += used;
        }
        records
    }

    #[test]
    fn units_of_two_bytes_are_not_torn() {
        // U+0A0A and U+010A contain the byte of a newline.
        let text = "\u{feff}a\u{a0a}\n\u{10a}\u{1f600}\nend";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let expected = ["a\u{a0a}\n", "\u{10a}\u{1f600}\n", "end"];
        let named = |name| Charset::named(name).unwrap();
        for data in [&little, &big] {
            assert_eq!(records(named("utf-16"), data, 100), expected);
        }
        assert_eq!(records(named("utf-16be"), &big, 100), expected);
        assert_eq!(records(named("utf-16le"), &little, 7).concat(), expected.concat());
        assert!(Charset::named("none").is_none());
    }

    #[test]
    fn single_bytes_are_decoded() {
        let mut text = String::new();
        Charset::named("latin1").unwrap().decode(b"caf\xe9\n", &mut text);
        assert_eq!(text, "café\n");
    }
}
