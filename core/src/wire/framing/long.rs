// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames over the limit in streams whose lengths can be relied on. Such a frame is skipped as a
//! whole and reported as one, and nothing inside it is taken for a frame.

use super::head::split;
use super::{Damage, More, Reason};

/// A frame that is being skipped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Long {
    offset: u64,
    len: u64,
    left: u64,
}

impl Long {
    /// Begins to skip the frame at the front of `buffer`, which is at `offset` in the input.
    pub(super) fn begin(buffer: &[u8], offset: u64) -> Option<Self> {
        let (_, start, len) = split(buffer, usize::MAX).ok()?;
        let len = (start + len) as u64;
        Some(Self { offset, len, left: len })
    }

    /// Skips the available part of the frame; returns its size and, at the end of the frame, the
    /// damage to report.
    pub(super) fn pass(&mut self, buffer: &[u8], more: More) -> (usize, Option<Damage>) {
        let done = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        self.left -= done as u64;
        let reason = match self.left {
            0 => Some(Reason::TooLong),
            _ => (more == More::Ended).then_some(Reason::CutOff),
        };
        let (offset, len) = (self.offset, self.len - self.left);
        (done, reason.map(|reason| Damage { offset, len, reason }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::encode::put_message;
    use crate::wire::framing::put_frame;
    use crate::wire::framing::{Deframer, Step};
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
