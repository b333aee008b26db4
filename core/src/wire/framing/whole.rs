// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fast path over an intact stream: frames whose header holds only the length, whose message is
//! complete, and which are followed by another frame. Stages that forward frames unchanged only
//! need to know where frames end.
//!
//! Everything else is left to [`super::Deframer::next`], which finds the same frames in the same
//! places and handles all other cases.

use super::members::{Beginning, are_in_order};
use super::{FRAMING_SIZE, RECORD_SEPARATOR, UNIT_SEPARATOR};

/// Tag of the length in a header: member 1, a varint.
const LENGTH_TAG: u8 = 0x08;
/// The start of frames whose message is shorter than 128 bytes, and the bits that are compared.
const SHORT: [u8; 8] = [RECORD_SEPARATOR, 2, LENGTH_TAG, 0, UNIT_SEPARATOR, 0, 0, 0];
const SHORT_BITS: [u8; 8] = [0xff, 0xff, 0xff, 0x80, 0xff, 0, 0, 0];
/// The start of frames whose message has 128 to 16,383 bytes.
const USUAL: [u8; 8] = [RECORD_SEPARATOR, 3, LENGTH_TAG, 0x80, 0, UNIT_SEPARATOR, 0, 0];
const USUAL_BITS: [u8; 8] = [0xff, 0xff, 0xff, 0x80, 0x80, 0xff, 0, 0];
/// Longest varint of 32 bits.
const MAX_LENGTH_SIZE: usize = 5;

/// Skips up to `most` frames at the front of `buffer` whose messages may begin as `beginning` says;
/// returns their size in bytes. The end of each is appended to `ends`.
pub(super) fn run(
    buffer: &[u8],
    limit: usize,
    beginning: &mut Beginning,
    most: u64,
    ends: &mut Vec<usize>,
) -> usize {
    let mut done = 0;
    let mut left = most;
    while left > 0
        && let Some(rest) = buffer.get(done..)
        && let Some((start, end)) = followed_message(rest, limit)
        && are_in_order(rest, start, end, beginning)
    {
        done += end;
        left -= 1;
        ends.push(done);
    }
    // The next messages may begin like this one.
    if done > 0
        && let Some((start, end)) = followed_message(buffer, limit)
        && beginning.len_in(buffer, start, end) == 0
    {
        *beginning = Beginning::of(buffer, start, end);
    }
    done
}

/// Returns the start and the end of the first message in `buffer`, if its header holds only the
/// length and another frame follows.
#[inline]
fn followed_message(buffer: &[u8], limit: usize) -> Option<(usize, usize)> {
    let (start, len) = plain_header(buffer)?;
    let end = start + len;
    (len <= limit && buffer.get(end) == Some(&RECORD_SEPARATOR)).then_some((start, end))
}

/// Returns the start and the length of the message, if the header holds only the length.
#[inline]
pub(super) fn plain_header(buffer: &[u8]) -> Option<(usize, usize)> {
    let word = u64::from_le_bytes(*buffer.first_chunk()?);
    let starts = |bits, with| word & u64::from_le_bytes(bits) == u64::from_le_bytes(with);
    let [_, _, _, low, high, ..] = word.to_le_bytes();
    if starts(USUAL_BITS, USUAL) {
        return Some((6, usize::from(low & 0x7f) | usize::from(high) << 7));
    }
    if starts(SHORT_BITS, SHORT) {
        return Some((5, usize::from(low)));
    }
    match buffer {
        [RECORD_SEPARATOR, header_len, LENGTH_TAG, length @ ..] => {
            let start = FRAMING_SIZE + usize::from(*header_len);
            let length = length.get(..usize::from(*header_len).checked_sub(1)?)?;
            let is_ended = buffer.get(start - 1) == Some(&UNIT_SEPARATOR);
            plain_length(length).filter(|_| is_ended).map(|len| (start, len))
        }
        _ => None,
    }
}

/// Decodes a varint that fills all of `varint`.
#[inline]
fn plain_length(varint: &[u8]) -> Option<usize> {
    let (last, first) = varint.split_last()?;
    if first.len() >= MAX_LENGTH_SIZE || *last >= 0x80 || first.iter().any(|byte| *byte < 0x80) {
        return None;
    }
    let add = |value: u64, byte: &u8| value << 7 | u64::from(byte & 0x7f);
    let value = varint.iter().rev().fold(0, add);
    u32::try_from(value).ok().and_then(|value| usize::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::framing::{Deframer, put_frame};
    use crate::wire::{Header, More, Step};

    /// The ends of frames as [`super::Deframer::next`] alone finds them, `None` for damage.
    fn found(stream: &[u8], uses_runs: bool) -> Vec<Option<u64>> {
        let mut deframer = Deframer::new(1 << 20);
        let mut found = Vec::new();
        let mut at = 0;
        loop {
            let rest = &stream[at..];
            let start = deframer.offset();
            let mut ends = Vec::new();
            let run = if uses_runs { deframer.next_run(rest, 3, &mut ends) } else { 0 };
            if run > 0 {
                assert_eq!(ends.last(), Some(&run));
                assert!(ends.len() <= 3);
                found.extend(ends.iter().map(|end| Some(start + *end as u64)));
                at += run;
                assert_eq!(deframer.offset(), at as u64);
                continue;
            }
            match deframer.next(rest, More::Ended) {
                Step::Frame(done, _) => {
                    at += done;
                    found.push(Some(deframer.offset()));
                }
                Step::Damage(done, _) => {
                    at += done;
                    found.push(None);
                }
                Step::Need(..) => return found,
            }
        }
    }

    fn member() -> impl Strategy<Value = Vec<u8>> {
        let len = prop_oneof![0..20usize, 120..135usize, 16_380..16_390usize];
        let text = (prop::sample::select(vec![0x0a, 0x1a, 0x22, 0x32, 0x52, 0x5a, 0x4a]), len);
        prop_oneof![
            text.prop_map(|(tag, len)| {
                let mut out = vec![tag];
                crate::wire::varint::put_varint(&mut out, len as u64);
                out.resize(out.len() + len, RECORD_SEPARATOR);
                out
            }),
            (prop::sample::select(vec![0x10, 0x28, 0x40, 0x60]), any::<u64>(), 0..64u32).prop_map(
                |(tag, value, shift)| {
                    let mut out = vec![tag];
                    crate::wire::varint::put_varint(&mut out, value >> shift);
                    out
                }
            ),
            prop::collection::vec(any::<u8>(), 0..12),
        ]
    }

    proptest! {
        #[test]
        fn runs_hold_the_frames_that_are_found_one_by_one(
            messages in prop::collection::vec(prop::collection::vec(member(), 0..5), 1..8),
            // One run learns the beginning from the repeated messages, the next one uses it.
            each in 1..7usize,
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
            signer in prop::option::of("[a-z]{1,5}"),
        ) {
            let mut stream = Vec::new();
            let messages = messages.iter().flat_map(|message| std::iter::repeat_n(message, each));
            for (number, message) in messages.enumerate() {
                let hmac_signer = signer.as_ref().filter(|_| number % 2 == 1).map(String::as_bytes);
                let header = Header { hmac_signer, ..Header::default() };
                put_frame(&mut stream, header, &message.concat()).unwrap();
            }
            for (place, byte) in damage {
                let place = place.index(stream.len());
                stream[place] = byte;
            }
            prop_assert_eq!(found(&stream, true), found(&stream, false));
        }
    }

    #[test]
    fn a_stream_in_order_needs_no_closer_look() {
        let mut stream = Vec::new();
        let message = b"\x0a\x03abc\x10\x80\x80\x80\x80\x80\x80\x80\x80\x7f\x32\x02hi";
        for _ in 0..5 {
            put_frame(&mut stream, Header::default(), message).unwrap();
        }
        let mut ends = Vec::new();
        // The last frame could continue in a way that makes it invalid.
        let size = stream.len() / 5;
        let mut deframer = Deframer::new(100);
        assert_eq!(deframer.next_run(&stream, 9, &mut ends), 4 * size);
        assert_eq!(ends, [size, 2 * size, 3 * size, 4 * size]);
        let start = stream.len() / 5 - message.len();
        // Their text is too close to the end of a short stream.
        let longer = [&stream[..], &stream[..]].concat();
        let mut beginning = Beginning::NONE;
        run(&stream, 100, &mut beginning, 9, &mut ends);
        let known = beginning.len_in(&longer, start, start + message.len());
        assert_eq!(known, message.len(), "the next ones take one step");
        assert_eq!(Deframer::new(10).next_run(&stream, 9, &mut ends), 0);
    }
}
