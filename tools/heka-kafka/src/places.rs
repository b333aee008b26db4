// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far each partition is read, acknowledged and committed.

use crate::events::Partition;
use crate::start::Place;

/// One partition. All offsets are those of the next record.
#[derive(Debug)]
struct Progress {
    topic: String,
    partition: i32,
    /// Handed over.
    next: i64,
    /// Acknowledged by the program that receives the messages.
    done: i64,
    /// Stored at the broker, and the offset up to which that was counted.
    committed: i64,
    counted: i64,
    /// End of the partition at the start.
    end: i64,
    /// Current end, as far as known.
    high: i64,
    is_assigned: bool,
    is_at_end: bool,
}

/// All partitions that were ever read.
#[derive(Debug, Default)]
pub(crate) struct Places {
    places: Vec<Progress>,
    /// The partition accessed last: records come in long runs.
    last: usize,
    has_any: bool,
}

impl Places {
    fn find(&self, topic: &str, partition: i32) -> Option<usize> {
        let is_it =
            |place: &Progress| place.partition == partition && place.topic.as_str() == topic;
        if self.places.get(self.last).is_some_and(is_it) {
            return Some(self.last);
        }
        self.places.iter().position(is_it)
    }

    fn each<'a>(&'a mut self, list: &'a [Partition]) -> impl Iterator<Item = &'a mut Progress> {
        let is_in = |place: &Progress| {
            list.iter().any(|(topic, number)| *number == place.partition && *topic == place.topic)
        };
        self.places.iter_mut().filter(move |place| is_in(place))
    }

    /// Begins reading a partition.
    pub(crate) fn assign(&mut self, place: &Place) {
        self.has_any = true;
        let index = self.find(&place.topic, place.partition).unwrap_or_else(|| {
            self.places.push(Progress {
                topic: place.topic.clone(),
                partition: place.partition,
                next: -1,
                done: 0,
                committed: -1,
                counted: place.next,
                end: place.end,
                high: place.end,
                is_assigned: false,
                is_at_end: false,
            });
            self.places.len() - 1
        });
        let Some(progress) = self.places.get_mut(index) else { return };
        if place.next > progress.next || place.is_reset {
            (progress.next, progress.done, progress.committed) = (place.next, place.next, -1);
        }
        progress.high = progress.high.max(place.end);
        progress.is_assigned = true;
        progress.is_at_end = false;
    }

    /// Handles an empty assignment, by a group that gives everything to others.
    pub(crate) fn assign_none(&mut self) {
        self.has_any = true;
    }

    /// Stops reading partitions.
    pub(crate) fn take_away(&mut self, list: &[Partition]) {
        self.each(list).for_each(|place| place.is_assigned = false);
    }

    /// Stops reading all partitions.
    pub(crate) fn take_all_away(&mut self) {
        self.places.iter_mut().for_each(|place| place.is_assigned = false);
        self.has_any = false;
    }

    /// Hands over a record. Returns the index of its partition, for [`Places::done`]; `None` if it
    /// was handed over before, or the partition is no longer assigned.
    pub(crate) fn take(&mut self, topic: &str, partition: i32, offset: i64) -> Option<usize> {
        let index = self.find(topic, partition)?;
        self.last = index;
        let place = self.places.get_mut(index)?;
        if !place.is_assigned || offset < place.next {
            return None;
        }
        place.next = offset + 1;
        Some(index)
    }

    /// Whether a record is after the end at the start.
    pub(crate) fn is_behind_end(&mut self, topic: &str, partition: i32, offset: i64) -> bool {
        let index = self.find(topic, partition);
        let Some(place) = index.and_then(|index| self.places.get_mut(index)) else { return false };
        let is_behind = offset >= place.end;
        place.is_at_end |= is_behind;
        is_behind
    }

    /// Notes that a record is acknowledged.
    pub(crate) fn done(&mut self, index: usize, offset: i64) {
        if let Some(place) = self.places.get_mut(index) {
            place.done = place.done.max(offset + 1);
        }
    }

    /// Handles the end of a partition with this number. The library does not name the topic: the
    /// partition is the one that is read to its end, or the only one with this number.
    pub(crate) fn end(&mut self, partition: i32) {
        let is_open = |place: &&mut Progress| {
            place.is_assigned && !place.is_at_end && place.partition == partition
        };
        let mut open: Vec<_> = self.places.iter_mut().filter(is_open).collect();
        let is_single = open.len() == 1;
        for place in &mut open {
            place.is_at_end = is_single || place.next >= place.end;
        }
    }

    /// Whether everything up to the ends at the start is read.
    pub(crate) fn is_at_end(&self) -> bool {
        let mut assigned = self.places.iter().filter(|place| place.is_assigned);
        self.has_any && assigned.all(|place| place.is_at_end)
    }

    /// Returns the offsets to commit, of some partitions or all.
    pub(crate) fn to_commit(&self, of: Option<&[Partition]>) -> Vec<(Partition, i64)> {
        let is_meant = |place: &&Progress| {
            let is_in =
                |(topic, number): &Partition| *number == place.partition && *topic == place.topic;
            place.is_assigned
                && place.done > place.committed
                && of.is_none_or(|of| of.iter().any(is_in))
        };
        let places = self.places.iter().filter(is_meant);
        places.map(|place| ((place.topic.clone(), place.partition), place.done)).collect()
    }

    /// Notes stored offsets; returns how many more records they cover.
    pub(crate) fn committed(&mut self, list: &[(Partition, i64)]) -> u64 {
        let mut count = 0;
        for ((topic, partition), offset) in list {
            let index = self.find(topic, *partition);
            let Some(place) = index.and_then(|index| self.places.get_mut(index)) else { continue };
            count += u64::try_from(offset - place.counted).unwrap_or(0);
            place.counted = place.counted.max(*offset);
            place.committed = place.committed.max(*offset);
        }
        count
    }

    /// Sets the current ends of partitions.
    pub(crate) fn ends(&mut self, list: &[(Partition, i64)]) {
        for ((topic, partition), high) in list {
            let index = self.find(topic, *partition);
            if let Some(place) = index.and_then(|index| self.places.get_mut(index)) {
                place.high = place.high.max(*high);
            }
        }
    }

    /// Returns the number of unacknowledged records of each partition.
    pub(crate) fn lags(&self) -> impl Iterator<Item = (String, u64)> {
        self.places.iter().filter(|place| place.is_assigned).map(|place| {
            let name = format!("{} {}", place.topic, place.partition);
            (name, u64::try_from(place.high - place.done).unwrap_or(0))
        })
    }

    /// Returns the partitions being read.
    pub(crate) fn assigned(&self) -> Vec<Partition> {
        let assigned = self.places.iter().filter(|place| place.is_assigned);
        assigned.map(|place| (place.topic.clone(), place.partition)).collect()
    }

    /// Returns where each partition continues.
    pub(crate) fn known(&self) -> Vec<(String, i32, i64)> {
        let places = self.places.iter();
        places.map(|place| (place.topic.clone(), place.partition, place.next)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(partition: i32, next: i64, end: i64) -> Place {
        Place { topic: "t".to_owned(), partition, next, end, has_lost: false, is_reset: false }
    }

    #[test]
    fn only_what_is_acknowledged_is_committed() {
        let mut places = Places::default();
        assert!(!places.is_at_end());
        places.assign(&place(0, 5, 9));
        places.assign(&place(1, 2, 2));
        let index = places.take("t", 0, 5).unwrap();
        assert_eq!(places.take("t", 0, 5), None, "it was handed over");
        places.take("t", 0, 6).unwrap();
        places.done(index, 5);
        let at = |partition, offset| (("t".to_owned(), partition), offset);
        assert_eq!(places.to_commit(None), [at(0, 6), at(1, 2)]);
        assert_eq!(places.committed(&[at(0, 6), at(1, 2)]), 1);
        assert_eq!(places.to_commit(None), []);
        places.done(index, 6);
        assert_eq!(places.committed(&[(("t".to_owned(), 0), 7)]), 1);
        let lags = [("t 0".to_owned(), 2), ("t 1".to_owned(), 0)];
        assert_eq!(places.lags().collect::<Vec<_>>(), lags);
    }

    #[test]
    fn a_partition_that_comes_back_goes_on() {
        let mut places = Places::default();
        places.assign(&place(0, 0, 9));
        places.take("t", 0, 3).unwrap();
        places.take_away(&[("t".to_owned(), 0)]);
        assert_eq!(places.take("t", 0, 4), None);
        assert_eq!(places.known(), [("t".to_owned(), 0, 4)]);
        places.assign(&place(0, 8, 9));
        assert!(!places.is_at_end() && !places.is_behind_end("t", 0, 8));
        assert!(places.is_behind_end("t", 0, 9));
        assert!(places.is_at_end());
    }

    #[test]
    fn a_partition_may_end_without_a_record() {
        let mut places = Places::default();
        places.assign(&place(0, 0, 9));
        places.take("t", 0, 3).unwrap();
        places.end(1);
        assert!(!places.is_at_end());
        places.end(0);
        assert!(places.is_at_end());
    }
}
