// SPDX-License-Identifier: MIT OR Apache-2.0
//! The numbered streams of senders that ask for confirmations: how much of each has been taken,
//! over all the connections that it ever had.
//!
//! A frame that carries a number says where its connection stands; those that follow it without
//! one are counted on, until damage makes the count uncertain.

use std::collections::HashMap;

/// So many streams are remembered. Every run of a sender without a queue is one.
const MOST: usize = 65_536;

/// How much of each stream has been taken.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    slots: HashMap<[u8; 16], usize>,
    taken: Vec<u64>,
    generation: u64,
}

/// Where a connection stands in the stream that it carries.
#[derive(Debug, Default)]
pub(crate) struct Place {
    stream: Option<([u8; 16], usize, u64)>,
    /// Number of the next frame, if that is known.
    next: Option<u64>,
    /// Highest number that came on this connection.
    came: u64,
    /// Highest number that was confirmed on it.
    told: u64,
}

impl Streams {
    /// Notes a record that came; `false` if it had come before.
    pub(crate) fn take(&mut self, place: &mut Place, stream_id: &[u8], number: u64) -> bool {
        if place.came == 0 {
            // A stream may go on here that began on another connection.
            place.told = number.saturating_sub(1);
        }
        self.note(place, stream_id, number)
    }

    /// Notes where a connection stands: behind that record, which came before.
    pub(crate) fn tell(&mut self, place: &mut Place, stream_id: &[u8], number: u64) {
        if place.came == 0 {
            place.told = number;
        }
        self.note(place, stream_id, number);
    }

    fn note(&mut self, place: &mut Place, stream_id: &[u8], number: u64) -> bool {
        place.came = place.came.max(number);
        let Ok(id) = <[u8; 16]>::try_from(stream_id) else {
            return true;
        };
        place.next = number.checked_add(1);
        let taken = self.taken_of(place, id);
        let is_new = *taken < number;
        *taken = (*taken).max(number);
        is_new
    }

    /// How much of the stream has been taken.
    fn taken_of(&mut self, place: &mut Place, id: [u8; 16]) -> &mut u64 {
        let slot = match place.stream {
            Some((known, slot, generation)) if known == id && generation == self.generation => slot,
            _ => self.slot(id),
        };
        place.stream = Some((id, slot, self.generation));
        match self.taken.get_mut(slot) {
            Some(taken) => taken,
            None => unreachable!("slots are made with their place"),
        }
    }

    /// Notes frames that followed without a number of their own, and returns how many of them, the
    /// first ones, had come before.
    pub(crate) fn follow(&mut self, place: &mut Place, count: u64) -> u64 {
        let (Some(next), Some((id, ..))) = (place.next, place.stream) else { return 0 };
        let (first, last) = (next, next.saturating_add(count).saturating_sub(1));
        let taken = self.taken_of(place, id);
        if last <= *taken {
            place.came = place.came.max(last);
            place.next = last.checked_add(1);
            return count;
        }
        let repeated = (*taken + 1).saturating_sub(first);
        self.note(place, &id, last);
        repeated
    }

    fn slot(&mut self, id: [u8; 16]) -> usize {
        if self.slots.len() >= MOST && !self.slots.contains_key(&id) {
            self.slots.clear();
            self.taken.clear();
            self.generation += 1;
        }
        let taken = &mut self.taken;
        *self.slots.entry(id).or_insert_with(|| {
            taken.push(0);
            taken.len() - 1
        })
    }
}

impl Place {
    /// Something was damaged: how many frames it was is not known.
    pub(crate) fn lose_count(&mut self) {
        self.next = None;
    }

    /// The number to confirm, if that is news, and how many records that confirms. Call it when
    /// everything that came is safe.
    pub(crate) fn news(&mut self) -> Option<(u64, u64)> {
        let count = self.came - self.told;
        self.told = self.came;
        (count > 0).then_some((self.came, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_taken_once_over_all_connections() {
        let mut streams = Streams::default();
        let (mut first, mut second) = (Place::default(), Place::default());
        assert!(streams.take(&mut first, &[1; 16], 1) && streams.take(&mut first, &[1; 16], 2));
        assert!(!streams.take(&mut second, &[1; 16], 2));
        assert!(streams.take(&mut second, &[1; 16], 3));
        assert!(streams.take(&mut second, &[2; 16], 1));
        assert_eq!((first.news(), first.news()), (Some((2, 2)), None));
        assert_eq!(second.news(), Some((3, 2)));
    }

    #[test]
    fn frames_without_a_number_are_counted_on() {
        let mut streams = Streams::default();
        let (mut first, mut second) = (Place::default(), Place::default());
        assert_eq!(streams.follow(&mut first, 5), 0, "no number was ever told");
        assert_eq!(first.news(), None);
        streams.tell(&mut first, &[1; 16], 0);
        assert_eq!(streams.follow(&mut first, 5), 0);
        assert_eq!(first.news(), Some((5, 5)));
        // Another connection repeats the last two.
        streams.tell(&mut second, &[1; 16], 3);
        assert_eq!((streams.follow(&mut second, 1), streams.follow(&mut second, 3)), (1, 1));
        assert_eq!(second.news(), Some((7, 4)));
        second.lose_count();
        assert_eq!((streams.follow(&mut second, 1), second.news()), (0, None));
        streams.tell(&mut second, &[1; 16], 9);
        assert_eq!((streams.follow(&mut second, 1), second.news()), (0, Some((10, 3))));
    }

    #[test]
    fn very_many_streams_take_no_more_memory() {
        let mut streams = Streams::default();
        for number in 0..3 * MOST as u128 {
            assert!(streams.take(&mut Place::default(), &number.to_be_bytes(), 1));
        }
        assert!(streams.slots.len() <= MOST && streams.taken.len() <= MOST);
    }
}
