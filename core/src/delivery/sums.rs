// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checksums (CRC-32C) of many, possibly overlapping parts of the same bytes, without reading each
//! byte once per part.
//!
//! A CRC is a remainder of polynomials, so the checksum of two adjacent parts, or of one without
//! the other, can be computed from theirs.

/// The generator polynomial without its highest term, lowest bit first.
const DIVISOR: u32 = 0x82f6_3b78;
/// The polynomial 1; x is half of it.
const ONE: u32 = 1 << 31;
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
        let bytes = self.data.get(start..end).unwrap_or_default();
        join(sum, self::sum(bytes), bytes.len() as u64)
    }
}

/// Returns the checksum of some bytes.
pub(super) fn sum(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// Returns the checksum of two adjacent parts, the second of which is `len` bytes long; or that of
/// the second, from those of the first and of both.
pub(super) fn join(first: u32, second: u32, len: u64) -> u32 {
    let (mut product, mut left) = (first, len);
    for powers in &POWERS {
        let digit = usize::try_from(left % 16).unwrap_or(0);
        if digit > 0 {
            product = multiply(product, powers[digit]);
        }
        left /= 16;
    }
    product ^ second
}

/// x to the power of the number of bits in 1, 2, … 15 bytes, in 16, 32, … 240 bytes, and so on.
const POWERS: [[u32; 16]; 16] = {
    let mut powers = [[ONE; 16]; 16];
    let (mut at, mut first) = (0, ONE >> 8);
    while at < 16 {
        let mut digit = 1;
        while digit < 16 {
            powers[at][digit] = multiply(powers[at][digit - 1], first);
            digit += 1;
        }
        first = multiply(powers[at][15], first);
        at += 1;
    }
    powers
};

/// Returns the product of two polynomials. The bits are as good as random, so there is no branch.
const fn multiply(one: u32, other: u32) -> u32 {
    let (mut product, mut shifted, mut bit) = (0, other, u32::BITS);
    while bit > 0 {
        bit -= 1;
        product ^= shifted & 0_u32.wrapping_sub(one >> bit & 1);
        shifted = shifted >> 1 ^ DIVISOR & 0_u32.wrapping_sub(shifted & 1);
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
            assert_eq!(sums.of(start, end), sum(&data[start..end]), "{start}..{end}");
        }
        let (first, second) = data.split_at(333);
        let joined = join(sum(first), sum(second), second.len() as u64);
        assert_eq!(joined, sum(&data));
    }

    /// RFC 3720, appendix B.4.
    #[test]
    fn sums_are_those_of_iscsi() {
        let ascending: Vec<u8> = (0..32).collect();
        let descending: Vec<u8> = (0..32).rev().collect();
        for (bytes, expected) in [
            (&[0; 32][..], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
            (&descending, 0x113f_db5c),
        ] {
            assert_eq!(sum(bytes), expected);
            assert_eq!(join(sum(&bytes[..5]), sum(&bytes[5..]), bytes.len() as u64 - 5), expected);
        }
    }
}
