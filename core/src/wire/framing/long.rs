// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames over the limit where lengths can be relied on: such a frame is passed over as a whole, so
//! that it is known to be one, and nothing inside it is taken for another.

use super::head::split;
use super::{Damage, Deframer, More, Reason, Step};

/// A frame that is being passed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Long {
    offset: u64,
    len: u64,
    left: u64,
}

impl Deframer {
    /// From now on a header that stands where one must tells the truth about its length, or does
    /// not: then a frame over the limit is damage of its own, and ends where its header says.
    pub fn trust_lengths(&mut self, trust: bool) {
        self.trusts_lengths = trust;
    }

    /// Whether the front of `buffer` is a frame over the limit to be passed over.
    pub(super) fn begin_long(&mut self, buffer: &[u8]) -> bool {
        if !self.trusts_lengths || self.damage.is_some() {
            return false;
        }
        let Ok((_, start, len)) = split(buffer, usize::MAX) else { return false };
        let len = (start + len) as u64;
        self.long = Some(Long { offset: self.offset, len, left: len });
        true
    }

    /// Passes over what there is of it, and tells of it behind its end.
    pub(super) fn pass_long(&mut self, mut long: Long, buffer: &[u8], more: More) -> Step<'static> {
        let done = usize::try_from(long.left).unwrap_or(usize::MAX).min(buffer.len());
        self.offset += done as u64;
        long.left -= done as u64;
        let reason = match long.left {
            0 => Reason::TooLong,
            _ if more == More::Ended => Reason::CutOff,
            _ => {
                self.long = Some(long);
                return Step::Need(done, 1);
            }
        };
        self.long = None;
        let Long { offset, len, left } = long;
        Step::Damage(done, Damage { offset, len: len - left, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::encode::put_message;
    use crate::wire::framing::put_frame;
    use crate::wire::{Header, Message};

    #[test]
    fn a_long_frame_is_one_stretch_whatever_stands_in_it() {
        let frame = |payload: Vec<u8>| {
            let message = Message { payload: Some(payload.into()), ..Message::default() };
            let (mut bytes, mut out) = (Vec::new(), Vec::new());
            put_message(&mut bytes, &message);
            put_frame(&mut out, Header::default(), &bytes).unwrap();
            out
        };
        let short = frame(b"short".to_vec());
        let long = frame(short.repeat(50));
        let stream = [short.as_slice(), &long, &short].concat();
        for piece in [1, 7, 100, stream.len()] {
            let mut deframer = Deframer::new(200);
            deframer.trust_lengths(true);
            let (mut found, mut at) = (Vec::new(), 0);
            for end in (0..stream.len()).step_by(piece).skip(1).chain([stream.len()]) {
                loop {
                    match deframer.next(&stream[at..end], More::Idle) {
                        Step::Frame(done, frame) => {
                            at += done;
                            found.push((frame.offset, frame.bytes.len() as u64));
                        }
                        Step::Damage(done, Damage { offset, len, reason }) => {
                            at += done;
                            assert_eq!(reason, Reason::TooLong);
                            found.push((offset, len));
                        }
                        Step::Need(done, _) => {
                            at += done;
                            break;
                        }
                    }
                }
            }
            let (short, long) = (short.len() as u64, long.len() as u64);
            assert_eq!(found, [(0, short), (short, long), (short + long, short)], "{piece}");
        }
    }
}
