// SPDX-License-Identifier: MIT OR Apache-2.0
//! Recognises a file as a copy of what has been read, as far as it reaches: by the beginning of the
//! contents, and by samples of a few bytes that are closer together towards the end.

/// Number of bytes remembered from the start of a file.
pub(crate) const HEAD: usize = 256;
/// Size of a sample in bytes.
const SAMPLE: usize = 16;
/// Number of samples kept.
const SAMPLES: usize = 16;
/// The first sample is before this offset, each further one before twice the previous.
const FIRST: u64 = 512;

/// The fingerprint of a file's contents.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fingerprint(Option<Box<Marks>>);

/// The remembered parts of the contents.
#[derive(Clone, Debug, Default)]
struct Marks {
    head: Vec<u8>,
    samples: Vec<Sample>,
}

#[derive(Clone, Copy, Debug)]
struct Sample {
    end: u64,
    last: [u8; SAMPLE],
}

impl Fingerprint {
    /// Notes that the last `fresh` bytes of `bytes`, which end at offset `end`, were read.
    pub(crate) fn note(&mut self, end: u64, bytes: &[u8], fresh: usize) {
        self.0.get_or_insert_default().note(end, bytes, fresh);
    }

    /// Returns the first bytes of the file.
    pub(crate) fn head(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |marks| &marks.head)
    }

    /// Returns the bytes that a copy has at certain offsets, in order, none after `end`.
    pub(crate) fn pieces(&self, end: u64) -> impl Iterator<Item = (u64, &[u8])> {
        let head = Some((0, self.head())).filter(|(_, head)| !head.is_empty());
        let mut reached = self.head().len() as u64;
        let samples = self.0.iter().flat_map(|marks| &marks.samples).filter_map(move |sample| {
            let start = sample.end - SAMPLE as u64;
            if start < reached || sample.end > end {
                return None;
            }
            reached = sample.end;
            Some((start, sample.last.as_slice()))
        });
        head.into_iter().chain(samples)
    }
}

impl Marks {
    fn note(&mut self, end: u64, bytes: &[u8], fresh: usize) {
        let start = end - bytes.len() as u64;
        let from = end - fresh as u64;
        if from == self.head.len() as u64 && self.head.len() < HEAD {
            let new = bytes.get(bytes.len() - fresh..).unwrap_or(&[]);
            let room = HEAD - self.head.len();
            self.head.extend_from_slice(new.get(..room).unwrap_or(new));
        }
        let mut place = FIRST.max((from + 1).next_power_of_two());
        while place < end {
            self.sample(start, place, bytes);
            place *= 2;
        }
        self.sample(start, end, bytes);
    }

    fn sample(&mut self, start: u64, end: u64, bytes: &[u8]) {
        let at = usize::try_from(end - start).unwrap_or(usize::MAX);
        let last = at.checked_sub(SAMPLE).and_then(|from| bytes.get(from..at));
        let Some(last) = last.and_then(|last| <[u8; SAMPLE]>::try_from(last).ok()) else { return };
        if self.samples.len() >= SAMPLES {
            self.thin(end);
        }
        self.samples.push(Sample { end, last });
    }

    /// Forgets the least useful sample: the one that leaves the smallest gap in relation to its
    /// distance from the end.
    fn thin(&mut self, now: u64) {
        let gaps = self.samples.windows(3).enumerate().filter_map(|(index, three)| {
            let [before, this, after] = three else { return None };
            let distance = (now - this.end).max(1);
            Some((((after.end - before.end) << 10) / distance, index + 1))
        });
        let least = gaps.min().map_or(0, |(_, index)| index);
        self.samples.remove(least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stay_few_and_lie_closer_towards_the_end() {
        let text: Vec<u8> = (0..2_000_000u32).map(|at| (at / 7 % 251) as u8).collect();
        let mut print = Fingerprint::default();
        for end in (100..=text.len()).step_by(100) {
            let start = end.saturating_sub(600);
            print.note(end as u64, &text[start..end], 100);
        }
        let pieces: Vec<_> = print.pieces(text.len() as u64).collect();
        assert!(pieces.len() <= SAMPLES + 1, "{}", pieces.len());
        for (start, bytes) in &pieces {
            let start = usize::try_from(*start).unwrap();
            assert_eq!(*bytes, &text[start..start + bytes.len()]);
        }
        assert_eq!(pieces[0].1.len(), HEAD);
        let near = |distance: u64| {
            pieces.iter().any(|(start, _)| (distance / 8..distance).contains(&(2_000_000 - start)))
        };
        assert!(near(400) && near(10_000) && near(500_000), "{pieces:?}");
    }
}
