// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checksums (CRC-32C) of many, possibly overlapping parts of the same bytes, without reading each
//! byte once per part.
//!
//! A CRC is a remainder of polynomials, so the checksum of two adjacent parts, or of one without
//! the other, can be computed from theirs.

/// The generator polynomial without its highest term, lowest bit first.
const DIVISOR: u32 = 0x82f6_3b78;
/// The polynomials 1 and x.
const ONE: u32 = 1 << 31;
const X: u32 = 1 << 30;
/// Interval, in bytes, at which checksums are kept.
const STEP: usize = 1024;

/// The checksums of prefixes.
#[derive(Debug)]
pub(super) struct Sums<'a> {
    data: &'a [u8],
    /// The checksum at each step.
    kept: Vec<u32>,
    /// Number of bytes read.
    pub(super) read: usize,
}

impl<'a> Sums<'a> {
    /// Creates the checksums for parts of `data`.
    pub(super) fn new(data: &'a [u8]) -> Self {
        Self { data, kept: vec![0], read: 0 }
    }

    /// Returns the checksum of the bytes from `start` to `end`, which must exist.
    pub(super) fn of(&mut self, start: usize, end: usize) -> u32 {
        let before = self.up_to(start);
        join(before, self.up_to(end), (end - start) as u64)
    }

    fn up_to(&mut self, end: usize) -> u32 {
        while let Some(last) = self.kept.last().copied()
            && self.kept.len() * STEP <= end
        {
            let start = (self.kept.len() - 1) * STEP;
            let sum = self.append(last, start, start + STEP);
            self.kept.push(sum);
        }
        let step = end / STEP;
        let kept = self.kept.get(step).copied().unwrap_or(0);
        self.append(kept, step * STEP, end)
    }

    fn append(&mut self, sum: u32, start: usize, end: usize) -> u32 {
        self.read += end - start;
        crc32c::crc32c_append(sum, self.data.get(start..end).unwrap_or_default())
    }
}

/// Returns the checksum of two adjacent parts, the second of which is `len` bytes long; or that of
/// the second, from those of the first and of both.
pub(super) fn join(first: u32, second: u32, len: u64) -> u32 {
    multiply(first, power(len)) ^ second
}

/// Returns x to the power of the number of bits in `len` bytes.
fn power(len: u64) -> u32 {
    let (mut power, mut square, mut left) = (ONE, X, len.saturating_mul(8));
    while left > 0 {
        if left & 1 == 1 {
            power = multiply(power, square);
        }
        square = multiply(square, square);
        left >>= 1;
    }
    power
}

/// Returns the product of two polynomials.
fn multiply(one: u32, other: u32) -> u32 {
    let (mut product, mut shifted) = (0, other);
    for bit in (0..32).rev() {
        if one >> bit & 1 == 1 {
            product ^= shifted;
        }
        let is_over = shifted & 1 == 1;
        shifted >>= 1;
        if is_over {
            shifted ^= DIVISOR;
        }
    }
    product
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_parts_are_those_of_the_bytes_in_them() {
        let data: Vec<u8> =
            (0..2500_u32).flat_map(|number| (number * number).to_ne_bytes()).collect();
        let mut sums = Sums::new(&data);
        for (start, end) in [(0, 0), (0, 10_000), (1, 1), (5, 9_999), (1023, 1025), (4096, 8192)] {
            assert_eq!(sums.of(start, end), crc32c::crc32c(&data[start..end]), "{start}..{end}");
        }
        let (first, second) = data.split_at(333);
        let joined = join(crc32c::crc32c(first), crc32c::crc32c(second), second.len() as u64);
        assert_eq!(joined, crc32c::crc32c(&data));
    }
}
