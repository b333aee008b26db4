// SPDX-License-Identifier: MIT OR Apache-2.0
//! The header of a frame: the length of the message, its signer, and the extensions of the heka
//! tools.
//!
//! Fields 1 and 3 to 6 are Heka's. Fields 100 to 107 are extensions that carry delivery state
//! between the tools; every other reader skips them (heka-stream(5)).

use super::varint::{Malformed, Reader, put_bytes, put_int64, put_tag, put_varint, wire_type};

/// Longest header: the length of a header is one byte.
pub const MAX_HEADER_SIZE: usize = 255;
/// Longest message that a stock Heka receiver accepts.
pub const MAX_MESSAGE_SIZE: usize = 65_536;
/// Longest message that readers accept by default (heka-cat's limit).
pub const DEFAULT_READ_LIMIT: usize = 4 * 1024 * 1024;
/// Longest checkpoint that travels in a header.
pub const MAX_CHECKPOINT_SIZE: usize = 128;

/// Hash function of a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HmacHash {
    /// HMAC-MD5, 16 bytes.
    #[default]
    Md5,
    /// HMAC-SHA1, 20 bytes.
    Sha1,
}

/// A borrowed header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header<'a> {
    /// Length of the message that follows, in bytes.
    pub message_length: u32,
    /// Hash function of [`Header::hmac`]; absent for a number other than that of MD5 or SHA1.
    pub hmac_hash: Option<HmacHash>,
    /// Name of the signer.
    pub hmac_signer: Option<&'a [u8]>,
    /// Version of the signer's key.
    pub hmac_key_version: Option<u32>,
    /// The signature.
    pub hmac: Option<&'a [u8]>,
    /// Name of the sender's stream (extension 100).
    pub stream_id: Option<&'a [u8]>,
    /// Number within the stream; asks for an acknowledgement (extension 101).
    pub sequence: Option<u64>,
    /// Number up to which everything is safe (extension 102).
    pub acknowledged: Option<u64>,
    /// Position in the source after this message (extension 103).
    pub checkpoint: Option<&'a [u8]>,
    /// Proof of ownership of the stream (extension 104).
    pub claim: Option<&'a [u8]>,
    /// Reason why the last messages up to [`Header::acknowledged`] will never be written (extension
    /// 105).
    pub refused: Option<u64>,
    /// Number of messages refused, one if absent (extension 106).
    pub refused_count: Option<u64>,
    /// Whether the message is only a carrier for a position that is too long for a header
    /// (extension 107).
    pub is_mark: bool,
}

impl<'a> Header<'a> {
    /// Parses a header.
    ///
    /// As in Heka, damage after the length does not make a header invalid: the message is there and
    /// can be read. A header without a length is invalid.
    ///
    /// # Errors
    /// [`Malformed`] if `bytes` do not yield a length.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut header = Header::default();
        let mut length = None;
        let mut reader = Reader::new(bytes);
        while !reader.is_empty() {
            if let Err(malformed) = header.read_member(&mut reader, &mut length) {
                length.ok_or(malformed)?;
                break;
            }
        }
        // The length could still follow in further bytes.
        header.message_length = length.ok_or(Malformed::Truncated)?;
        Ok(header)
    }

    fn read_member(
        &mut self,
        reader: &mut Reader<'a>,
        length: &mut Option<u32>,
    ) -> Result<(), Malformed> {
        match reader.tag()? {
            (1, wire_type::VARINT) => *length = Some(uint32(reader.varint()?)?),
            (3, wire_type::VARINT) => {
                self.hmac_hash = match reader.varint()? {
                    0 => Some(HmacHash::Md5),
                    1 => Some(HmacHash::Sha1),
                    _ => None,
                }
            }
            (4, wire_type::LEN) => self.hmac_signer = Some(reader.bytes()?),
            (5, wire_type::VARINT) => self.hmac_key_version = Some(uint32(reader.varint()?)?),
            (6, wire_type::LEN) => self.hmac = Some(reader.bytes()?),
            (100, wire_type::LEN) => self.stream_id = Some(reader.bytes()?),
            (101, wire_type::VARINT) => self.sequence = Some(reader.varint()?),
            (102, wire_type::VARINT) => self.acknowledged = Some(reader.varint()?),
            (103, wire_type::LEN) => self.checkpoint = Some(reader.bytes()?),
            (104, wire_type::LEN) => self.claim = Some(reader.bytes()?),
            (105, wire_type::VARINT) => self.refused = Some(reader.varint()?),
            (106, wire_type::VARINT) => self.refused_count = Some(reader.varint()?),
            (107, wire_type::VARINT) => self.is_mark = reader.varint()? != 0,
            (1..=6 | 100..=107, _) => return Err(Malformed::Invalid),
            (number, wire) => reader.skip(number, wire)?,
        }
        Ok(())
    }

    /// Appends the header, with members in the order of their numbers.
    pub fn put(&self, out: &mut Vec<u8>) {
        put_tag(out, 1, wire_type::VARINT);
        put_varint(out, u64::from(self.message_length));
        if self.hmac_hash == Some(HmacHash::Sha1) {
            put_tag(out, 3, wire_type::VARINT);
            put_varint(out, 1);
        }
        if let Some(signer) = self.hmac_signer {
            put_bytes(out, 4, signer);
        }
        if let Some(version) = self.hmac_key_version {
            put_tag(out, 5, wire_type::VARINT);
            put_varint(out, u64::from(version));
        }
        if let Some(hmac) = self.hmac {
            put_bytes(out, 6, hmac);
        }
        self.put_extensions(out);
    }
}

impl Header<'_> {
    /// Appends only the extensions (100 to 107).
    pub fn put_extensions(&self, out: &mut Vec<u8>) {
        if let Some(stream_id) = self.stream_id {
            put_bytes(out, 100, stream_id);
        }
        if let Some(sequence) = self.sequence {
            put_int64(out, 101, sequence.cast_signed());
        }
        if let Some(acknowledged) = self.acknowledged {
            put_int64(out, 102, acknowledged.cast_signed());
        }
        if let Some(checkpoint) = self.checkpoint {
            put_bytes(out, 103, checkpoint);
        }
        if let Some(claim) = self.claim {
            put_bytes(out, 104, claim);
        }
        if let Some(refused) = self.refused {
            put_int64(out, 105, refused.cast_signed());
        }
        if let Some(count) = self.refused_count {
            put_int64(out, 106, count.cast_signed());
        }
        if self.is_mark {
            put_int64(out, 107, 1);
        }
    }

    /// Whether the header has any extension (100 to 107): these concern only two neighbouring
    /// stages.
    pub fn is_extended(&self) -> bool {
        self.stream_id.is_some()
            || self.sequence.is_some()
            || self.acknowledged.is_some()
            || self.checkpoint.is_some()
            || self.claim.is_some()
            || self.refused.is_some()
            || self.refused_count.is_some()
            || self.is_mark
    }
}

/// Appends a header without the extensions 100 to 107. Everything else, including unknown members,
/// is unchanged. [`Header::parse`] reads the same length from both.
pub fn put_stripped(out: &mut Vec<u8>, header: &[u8]) {
    let mut reader = Reader::new(header);
    let (mut read, mut length) = (Header::default(), None);
    while !reader.is_empty() {
        let before = reader.rest();
        let member = Reader::new(before).tag();
        let is_read = read.read_member(&mut reader, &mut length).is_ok();
        let len = match member {
            // Damage after the length is copied with everything that follows it. Without the
            // damaged bytes, a reader would parse what follows and could find another length.
            _ if !is_read => before.len(),
            Ok((100..=107, _)) => 0,
            _ => before.len() - reader.rest().len(),
        };
        out.extend_from_slice(before.get(..len).unwrap_or(before));
        if !is_read {
            return;
        }
    }
}

fn uint32(value: u64) -> Result<u32, Malformed> {
    u32::try_from(value).map_err(|_| Malformed::Invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_taken_off_and_the_rest_is_kept() {
        let header = Header {
            message_length: 5,
            hmac_signer: Some(b"ops"),
            hmac: Some(b"0123456789abcdef"),
            ..Header::default()
        };
        let mut plain = Vec::new();
        header.put(&mut plain);
        let unknown = [0xf8, 0x06, 0x01, 0x2a];
        let mut extended = Vec::new();
        Header {
            stream_id: Some(&[7; 16]),
            sequence: Some(300),
            checkpoint: Some(b"x"),
            claim: Some(&[9; 128]),
            refused: Some(2),
            refused_count: Some(7),
            is_mark: true,
            ..header
        }
        .put(&mut extended);
        extended.extend_from_slice(&unknown);
        let mut stripped = Vec::new();
        put_stripped(&mut stripped, &extended);
        assert_eq!(stripped, [plain.as_slice(), &unknown].concat());
    }

    #[test]
    fn a_length_behind_damage_counts_no_more_when_the_extensions_are_gone() {
        let damage = [0xc0, 0x06, 0x01];
        let header = [&[0x08, 5][..], &damage, &[0x08, 9]].concat();
        let mut stripped = Vec::new();
        put_stripped(&mut stripped, &header);
        assert_eq!(Header::parse(&header).unwrap().message_length, 5);
        assert_eq!(Header::parse(&stripped).unwrap().message_length, 5);
    }
}
