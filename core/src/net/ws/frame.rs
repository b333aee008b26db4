// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames on the wire (RFC 6455 §5.2): parses a server's frame heads, writes a client's frames.

use super::breach::Breach;
use crate::os::clock;

/// Maximum payload of a control frame in bytes (RFC 6455 §5.5).
pub(super) const MAX_CONTROL: usize = 125;

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte & 0x0f {
            0 => Self::Continuation,
            1 => Self::Text,
            2 => Self::Binary,
            8 => Self::Close,
            9 => Self::Ping,
            10 => Self::Pong,
            _ => return None,
        })
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The head of a frame, before its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Whether this is the last frame of its message.
    pub(super) is_final: bool,
    /// RSV1: whether the message is compressed (RFC 7692 §6).
    pub(super) is_compressed: bool,
    pub(super) opcode: Opcode,
    /// Length of the payload in bytes.
    pub(super) len: u64,
    /// Length of the head in bytes.
    pub(super) size: usize,
}

impl Head {
    /// Parses the head at the front of `bytes`, once it is complete.
    #[inline]
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, Breach> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        let opcode = Opcode::of(first)
            .ok_or_else(|| Breach::protocol(format!("invalid opcode {}", first & 0x0f)))?;
        if first & 0x30 != 0 {
            return Err(Breach::protocol("reserved bits are set"));
        }
        if second & 0x80 != 0 {
            return Err(Breach::protocol("masked frame from the server"));
        }
        let (len, size) = match second {
            126 => match rest.first_chunk() {
                Some(len) => (u64::from(u16::from_be_bytes(*len)), 4),
                None => return Ok(None),
            },
            127 => match rest.first_chunk() {
                Some(len) => (u64::from_be_bytes(*len), 10),
                None => return Ok(None),
            },
            len => (u64::from(len), 2),
        };
        let (is_final, is_compressed) = (first & 0x80 != 0, first & 0x40 != 0);
        Ok(Some(Self { is_final, is_compressed, opcode, len, size }))
    }
}

/// Appends a frame, masked as required for a client.
pub(super) fn put_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    out.push(0x80 | opcode as u8);
    match u16::try_from(payload.len()) {
        Ok(len @ 0..=125) => out.push(0x80 | len.to_le_bytes()[0]),
        Ok(len) => {
            out.push(0x80 | 126);
            out.extend_from_slice(&len.to_be_bytes());
        }
        Err(_) => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    let mask = random_bytes();
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(out.get_mut(start..).unwrap_or_default(), mask);
}

fn apply_mask(bytes: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    rest.iter_mut().zip(mask.into_iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
}

/// Returns unpredictable bytes for a mask (RFC 6455 §10.3).
pub(super) fn random_bytes() -> [u8; 4] {
    // The first four of a version 4 UUID are random.
    let [a, b, c, d, ..] = clock::random_uuid();
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_once_it_is_complete() {
        for (len, size) in [(0u32, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let len_bytes = u64::from(len).to_be_bytes();
            let bytes = match size {
                2 => vec![0xc1, len_bytes[7]],
                4 => [&[0xc1, 126][..], &len_bytes[6..]].concat(),
                _ => [&[0xc1, 127][..], &len_bytes].concat(),
            };
            for cut in 0..size {
                assert_eq!(Head::parse(&bytes[..cut]).unwrap(), None);
            }
            let head = Head::parse(&bytes).unwrap().unwrap();
            assert_eq!((head.len, head.size), (u64::from(len), size));
            assert!(head.is_final && head.is_compressed && head.opcode == Opcode::Text);
        }
    }

    #[test]
    fn frames_of_ours_are_masked() {
        for len in [0, 1, 7, 8, 9, 125, 126, 65_535, 65_536] {
            let payload: Vec<u8> = (0..=255).cycle().take(len).collect();
            let mut frame = Vec::new();
            put_frame(&mut frame, Opcode::Binary, &payload);
            assert_eq!(frame[0], 0x82);
            frame[1] &= 0x7f;
            let head = Head::parse(&frame).unwrap().unwrap();
            assert_eq!(head.len, len as u64);
            let (mask, masked) = frame[head.size..].split_at(4);
            let unmasked = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
            assert!(unmasked.eq(payload));
        }
    }
}
