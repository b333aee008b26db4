// SPDX-License-Identifier: MIT OR Apache-2.0
//! The brackets of a line of JSON, 64 bytes at a time: where all of them are needed, looking for them
//! one by one takes longer than reading the line.

/// What is in 64 bytes; the first byte is the lowest bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Marks {
    quotes: u64,
    opening: u64,
    closing: u64,
    backslashes: u64,
}

/// Whether a bracket is open after every byte of a line, the first of which is a bracket. `false`
/// also if there is a backslash outside of a string.
pub(super) fn stay_open(line: &[u8]) -> bool {
    let (blocks, rest) = line.as_chunks();
    let mut last = [b' '; 64];
    if let Some(front) = last.get_mut(..rest.len()) {
        front.copy_from_slice(rest);
    }
    // All bits of `in_string` are set if the next block begins inside a string.
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, 0, false);
    for block in blocks.iter().chain([&last]) {
        let marks = Marks::of(block);
        let escaped = escaped_by(marks.backslashes, &mut is_escaped);
        let strings = odd_before(marks.quotes & !escaped) ^ in_string;
        if marks.backslashes & !strings != 0 {
            return false;
        }
        in_string = if strings >> 63 == 1 { u64::MAX } else { 0 };
        let mut brackets = (marks.opening | marks.closing) & !strings;
        while brackets != 0 {
            let lowest = brackets & brackets.wrapping_neg();
            match depth {
                _ if marks.opening & lowest != 0 => depth += 1,
                0 | 1 => return false,
                _ => depth -= 1,
            }
            brackets ^= lowest;
        }
    }
    true
}

/// Returns the bits behind backslashes that are not behind one themselves; `is_first` says whether the
/// first bit is, and then whether the one behind the last is.
fn escaped_by(backslashes: u64, is_first: &mut bool) -> u64 {
    let mut escaped = u64::from(*is_first);
    let mut left = backslashes & !escaped;
    *is_first = false;
    while left != 0 {
        let lowest = left & left.wrapping_neg();
        *is_first = lowest.leading_zeros() == 0;
        escaped |= lowest << 1;
        left &= !(lowest | lowest << 1);
    }
    escaped
}

/// Sets the bits up to which an odd number of bits is set, that one included.
fn odd_before(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}

impl Marks {
    #[cfg(target_arch = "x86_64")]
    fn of(block: &[u8; 64]) -> Self {
        #[expect(unsafe_code, reason = "functions for a feature are unsafe even where it is given")]
        // SAFETY: every processor of this architecture has SSE2.
        unsafe {
            Self::by_sixteen(block)
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn of(block: &[u8; 64]) -> Self {
        Self::one_by_one(block)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "sse2")]
    fn by_sixteen(block: &[u8; 64]) -> Self {
        use std::arch::x86_64::{
            __m128i, _mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
        };
        let equal = |bytes: __m128i, byte: u8| {
            let found = _mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte.cast_signed())));
            u64::from(found.cast_unsigned())
        };
        let mut marks = Self::default();
        for (at, part) in block.as_chunks::<16>().0.iter().enumerate() {
            let ([low, high], _) = part.as_chunks::<8>() else { continue };
            let bytes = _mm_set_epi64x(i64::from_le_bytes(*high), i64::from_le_bytes(*low));
            // A square bracket with this bit is a curly one, and nothing else is.
            let curly = _mm_or_si128(bytes, _mm_set1_epi8(0x20));
            let shift = 16 * at;
            marks.quotes |= equal(bytes, b'"') << shift;
            marks.opening |= equal(curly, b'{') << shift;
            marks.closing |= equal(curly, b'}') << shift;
            marks.backslashes |= equal(bytes, b'\\') << shift;
        }
        marks
    }

    #[cfg(any(not(target_arch = "x86_64"), test))]
    fn one_by_one(block: &[u8; 64]) -> Self {
        let mut marks = Self::default();
        for (at, byte) in block.iter().enumerate() {
            let bit = 1 << at;
            match byte {
                b'"' => marks.quotes |= bit,
                b'{' | b'[' => marks.opening |= bit,
                b'}' | b']' => marks.closing |= bit,
                b'\\' => marks.backslashes |= bit,
                _ => {}
            }
        }
        marks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `stay_open` says, byte by byte.
    fn stay_open_slowly(line: &[u8]) -> bool {
        let (mut depth, mut in_string, mut is_escaped) = (0, false, false);
        for byte in line {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' if in_string => is_escaped = true,
                b'\\' => return false,
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return false;
            }
        }
        true
    }

    #[test]
    fn every_byte_is_marked_in_every_place() {
        for first in 0..=u8::MAX {
            let mut byte = first.wrapping_sub(1);
            let block = std::array::from_fn(|_| {
                byte = byte.wrapping_add(1);
                byte
            });
            assert_eq!(Marks::of(&block), Marks::one_by_one(&block), "{first}");
        }
    }

    proptest::proptest! {
        #[test]
        fn lines_are_judged_as_byte_by_byte(rest in "([a{}\\[\\]\"]|\"([a{}]|\\\\[a\"\\\\]){0,40}\"|a{60}|\\\\{0,3}){0,40}") {
            let line = format!("{{{rest}");
            proptest::prop_assert_eq!(stay_open(line.as_bytes()), stay_open_slowly(line.as_bytes()));
        }
    }
}
