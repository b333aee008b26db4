// SPDX-License-Identifier: MIT OR Apache-2.0
//! The unconsumed bytes of a stream.

/// A byte queue. Consuming does not move the remaining bytes each time, so that a long record in
/// very many small pieces costs no more than in a few large ones.
#[derive(Clone, Debug, Default)]
pub struct Unread {
    bytes: Vec<u8>,
    done: usize,
}

impl Unread {
    /// Returns the unconsumed bytes.
    pub fn data(&self) -> &[u8] {
        self.bytes.get(self.done..).unwrap_or_default()
    }

    /// Returns the number of bytes.
    pub fn len(&self) -> usize {
        self.bytes.len() - self.done
    }

    /// Returns the memory used, in bytes.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends bytes.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends the bytes that `read` writes into a buffer of `len` bytes; `read` returns their
    /// number.
    pub fn extend_with(&mut self, len: usize, read: impl FnOnce(&mut [u8]) -> usize) {
        let before = self.bytes.len();
        self.bytes.resize(before + len, 0);
        let read = read(self.bytes.get_mut(before..).unwrap_or_default());
        self.bytes.truncate(before + read);
    }

    /// Replaces the contents.
    pub fn set(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.done = 0;
        if bytes.len() <= LEAST {
            self.bytes.shrink_to(LEAST);
        }
        self.extend(bytes);
        self.consume(0);
    }

    /// Consumes the first `len` bytes. An empty buffer, or one far larger than its contents, is
    /// released.
    pub fn consume(&mut self, len: usize) {
        self.done = self.bytes.len().min(self.done + len);
        if self.is_empty() {
            *self = Self::default();
        } else if self.done == 0 || self.done >= self.len() {
            self.bytes.drain(..self.done);
            self.done = 0;
            if self.bytes.capacity() > 4 * self.bytes.len().max(LEAST) {
                self.bytes.shrink_to(2 * self.bytes.len());
            }
        }
    }
}

/// Smaller buffers are not worth releasing.
const LEAST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_in_order_and_moved_seldom() {
        let stream: Vec<u8> = (0..=250_u8).cycle().take(100_000).collect();
        let mut unread = Unread::default();
        unread.extend(&stream[..60_000]);
        let (mut taken, mut moves) = (0, 0);
        for piece in stream[60_000..].chunks(10) {
            unread.extend(piece);
            unread.consume(9);
            taken += 9;
            moves += usize::from(unread.done == 0);
            assert_eq!(unread.data(), &stream[taken..taken + unread.len()]);
        }
        assert!(moves <= 2, "{moves}");
        unread.consume(unread.len() - 1);
        assert_eq!((unread.data(), unread.done), (&stream[stream.len() - 1..], 0));
        assert!(unread.bytes.capacity() <= 4 * LEAST);
        unread.consume(5);
        assert_eq!((unread.is_empty(), unread.bytes.capacity()), (true, 0));
    }

    #[test]
    fn little_takes_little_memory_also_after_much() {
        for much in [LEAST + 1, 4 * LEAST - 1, 1_000_000] {
            let mut unread = Unread::default();
            unread.extend(&vec![0; much]);
            unread.set(b"little");
            assert!((1..=LEAST).contains(&unread.capacity()), "{}", unread.capacity());
            assert_eq!(unread.data(), b"little");
        }
    }
}
