// SPDX-License-Identifier: MIT OR Apache-2.0
//! The items of a pattern, and their sets of bytes.

/// One item of a pattern.
#[derive(Clone, Debug)]
pub(in crate::codec::matcher) enum Item {
    /// Bytes of a class, repeated.
    Byte(Class, Repeat),
    /// `%bxy`: from x to the balancing y.
    Balance(u8, u8),
    /// `%f[set]`: between a byte outside the set and one inside it.
    Frontier(Class),
}

/// One `%bxy` of a pattern.
#[derive(Clone, Copy, Debug)]
pub(in crate::codec::matcher) struct Balance {
    /// Index of the item.
    pub(super) item: usize,
    pub(super) open: u8,
    pub(super) close: u8,
}

/// The repetition of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec::matcher) enum Repeat {
    Once,
    Any,
    Some,
    Maybe,
}

impl Repeat {
    /// Returns the notation in regular expressions.
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Once => "",
            Self::Any => "*",
            Self::Some => "+",
            Self::Maybe => "?",
        }
    }
}

/// A set of bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::codec::matcher) struct Class([u64; 4]);

impl Class {
    pub(super) fn of(is_in: impl Fn(u8) -> bool) -> Self {
        let mut class = Self::default();
        (0..=255).filter(|&byte| is_in(byte)).for_each(|byte| class.add(byte));
        class
    }

    pub(super) fn add(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    #[inline]
    pub(super) fn has(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 != 0
    }

    /// Returns the byte of a set of one byte.
    pub(super) fn only(&self) -> Option<u8> {
        let count: u32 = self.0.iter().map(|bits| bits.count_ones()).sum();
        if count == 1 { (0..=255).find(|&byte| self.has(byte)) } else { None }
    }

    pub(super) fn union(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(bits, more)| *bits |= more);
        self
    }

    pub(super) fn complement(self) -> Self {
        Self(self.0.map(|bits| !bits))
    }

    /// Returns the class `%x`.
    pub(super) fn escaped(letter: u8) -> Self {
        let class = match letter.to_ascii_lowercase() {
            b'a' => Self::of(|byte| byte.is_ascii_alphabetic()),
            b'c' => Self::of(|byte| byte.is_ascii_control()),
            b'd' => Self::of(|byte| byte.is_ascii_digit()),
            b'l' => Self::of(|byte| byte.is_ascii_lowercase()),
            b'p' => Self::of(|byte| byte.is_ascii_punctuation()),
            b's' => Self::of(|byte| byte.is_ascii_whitespace() || byte == 0x0b),
            b'u' => Self::of(|byte| byte.is_ascii_uppercase()),
            b'w' => Self::of(|byte| byte.is_ascii_alphanumeric()),
            b'x' => Self::of(|byte| byte.is_ascii_hexdigit()),
            b'z' => Self::of(|byte| byte == 0),
            _ => return Self::of(|byte| byte == letter),
        };
        if letter.is_ascii_uppercase() { class.complement() } else { class }
    }
}
