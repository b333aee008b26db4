// SPDX-License-Identifier: MIT OR Apache-2.0
//! Positions of messages that a filter drops.
//!
//! A position counts once everything before it is delivered, and messages dropped on purpose need
//! no delivery. So the last dropped position of each source is held until a later one of that
//! source is forwarded, or else sent in a mark: before the filter waits for input, at its end, and
//! under load after a number of messages.

use std::collections::BTreeMap;

use super::checkpoint::decode_header;

/// Under load, number of positions between marks.
const PERIOD: u32 = 1024;
/// Maximum number of sources that are remembered.
const MAX_SOURCES: usize = 1024;

/// The last dropped position of each source.
#[derive(Debug, Default)]
pub struct Marks {
    /// Checkpoints by the key of their source; empty if none is held.
    sources: BTreeMap<String, Vec<u8>>,
    /// Number of checkpoints held.
    held: usize,
    /// Number of messages dropped since the last marks.
    dropped: u32,
}

impl Marks {
    /// Notes a dropped message with this checkpoint.
    pub fn drop(&mut self, checkpoint: &[u8]) {
        // The source of an invalid checkpoint is unknown.
        let Some((source, _)) = decode_header(checkpoint) else { return };
        self.dropped += 1;
        let Some(held) = self.sources.get_mut(source) else {
            self.held += 1;
            self.sources.insert(source.to_owned(), checkpoint.to_vec());
            return;
        };
        self.held += usize::from(held.is_empty());
        held.clear();
        held.extend_from_slice(checkpoint);
    }

    /// Notes a forwarded message with this checkpoint, which supersedes earlier ones of its source.
    pub fn pass(&mut self, checkpoint: &[u8]) {
        if self.held == 0 {
            return;
        }
        if let Some((source, _)) = decode_header(checkpoint)
            && let Some(held) = self.sources.get_mut(source)
            && !held.is_empty()
        {
            held.clear();
            self.held -= 1;
        }
    }

    /// Whether marks are due even though the input is not idle.
    pub fn is_due(&self) -> bool {
        self.dropped >= PERIOD || self.sources.len() > MAX_SOURCES
    }

    /// Returns the checkpoints that are held, one per source, through `put`.
    pub fn take(&mut self, mut put: impl FnMut(&[u8])) {
        self.dropped = 0;
        if self.held == 0 {
            return;
        }
        for held in self.sources.values_mut().filter(|held| !held.is_empty()) {
            put(held);
            held.clear();
        }
        self.held = 0;
        if self.sources.len() > MAX_SOURCES {
            self.sources.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(source: &str, position: u64) -> Vec<u8> {
        let mut checkpoint = Vec::new();
        super::super::checkpoint::put(&mut checkpoint, source, position.to_string().as_bytes());
        checkpoint
    }

    fn taken(marks: &mut Marks) -> Vec<Vec<u8>> {
        let mut taken = Vec::new();
        marks.take(|checkpoint| taken.push(checkpoint.to_vec()));
        taken
    }

    #[test]
    fn of_each_source_the_last_one_dropped_is_marked_once() {
        let mut marks = Marks::default();
        for position in 0..3 {
            marks.drop(&checkpoint("a", position));
            marks.drop(&checkpoint("b", position));
        }
        marks.drop(b"\x09no");
        assert_eq!(taken(&mut marks), [checkpoint("a", 2), checkpoint("b", 2)]);
        assert_eq!(taken(&mut marks), [] as [Vec<u8>; 0]);
        marks.drop(&checkpoint("a", 3));
        assert_eq!(taken(&mut marks), [checkpoint("a", 3)]);
    }

    #[test]
    fn a_message_that_passes_says_the_earlier_positions_of_its_source() {
        let mut marks = Marks::default();
        marks.drop(&checkpoint("a", 1));
        marks.drop(&checkpoint("b", 1));
        marks.pass(&checkpoint("a", 2));
        marks.pass(&checkpoint("a", 3));
        marks.pass(&checkpoint("c", 1));
        assert_eq!(taken(&mut marks), [checkpoint("b", 1)]);
    }

    #[test]
    fn marks_are_due_under_load_and_sources_do_not_add_up() {
        let mut marks = Marks::default();
        for position in 1..PERIOD {
            marks.drop(&checkpoint("a", position.into()));
        }
        assert!(!marks.is_due());
        marks.drop(&checkpoint("a", PERIOD.into()));
        assert!(marks.is_due());
        assert_eq!(taken(&mut marks), [checkpoint("a", PERIOD.into())]);
        assert!(!marks.is_due());
        for source in 0..=MAX_SOURCES {
            marks.drop(&checkpoint(&source.to_string(), 1));
            let _said = taken(&mut marks);
            assert!(marks.sources.len() <= MAX_SOURCES);
        }
    }
}
