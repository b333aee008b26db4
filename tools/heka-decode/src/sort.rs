// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sorts messages by time (`--sort`), within a window.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use heka_core::wire::Frame;

use crate::write::Kept;

/// Maximum number of bytes of pending messages.
const MAX_SIZE: usize = 256 * 1024 * 1024;

/// Messages that wait for earlier ones.
pub(crate) struct Sorter {
    heap: BinaryHeap<Reverse<Entry>>,
    /// Maximum disorder in nanoseconds.
    window: i64,
    size: usize,
    added: u64,
    /// The latest time added since the last call of `take_latest`.
    latest: Option<i64>,
    /// The time of the last message released.
    released: i64,
    late: u64,
}

struct Entry {
    time: i64,
    /// Keeps messages with equal times in order.
    number: u64,
    kept: Kept,
}

impl Sorter {
    pub(crate) fn new(window: Duration) -> Self {
        Self {
            heap: BinaryHeap::new(),
            window: i64::try_from(window.as_nanos()).unwrap_or(i64::MAX),
            size: 0,
            added: 0,
            latest: None,
            released: i64::MIN,
            late: 0,
        }
    }

    /// Adds a message; one without a time counts as of 1970, as everywhere.
    pub(crate) fn add(&mut self, frame: &Frame<'_>, kept: Kept) {
        let time = frame.view.timestamp.unwrap_or(0);
        self.late += u64::from(time < self.released);
        self.latest = self.latest.max(Some(time));
        self.size += frame.bytes.len();
        self.added += 1;
        self.heap.push(Reverse(Entry { time, number: self.added, kept }));
    }

    /// Returns the latest time added since the last call.
    pub(crate) fn take_latest(&mut self) -> Option<i64> {
        self.latest.take()
    }

    /// Releases the first message, if no earlier one can follow: all inputs have reached the time
    /// `reached`. Above the size limit, it is released in any case.
    pub(crate) fn next(&mut self, reached: i64) -> Option<Kept> {
        let Reverse(first) = self.heap.peek()?;
        let is_safe = reached == i64::MAX || first.time < reached.saturating_sub(self.window);
        if !is_safe && self.size <= MAX_SIZE {
            return None;
        }
        let Reverse(entry) = self.heap.pop()?;
        self.released = self.released.max(entry.time);
        self.size = self.size.saturating_sub(entry.kept.len());
        Some(entry.kept)
    }

    /// Returns the number of messages that arrived too late for their place.
    pub(crate) fn late(&self) -> u64 {
        self.late
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        (self.time, self.number) == (other.time, other.number)
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.time, self.number).cmp(&(other.time, other.number))
    }
}

#[cfg(test)]
mod tests {
    use heka_core::wire::{Header, MessageView};

    use super::*;

    /// Returns the times released when the inputs reach each of `times`.
    fn sorted(window: u64, times: &[i64]) -> (Vec<i64>, u64) {
        let mut sorter = Sorter::new(Duration::from_nanos(window));
        let mut out = Vec::new();
        let mut reached = i64::MIN;
        for &time in times {
            let mut view = MessageView::default();
            view.timestamp = Some(time);
            let bytes = [0x10, u8::try_from(time).unwrap()];
            let header = Header::default();
            let frame = Frame { bytes: &bytes, header, message: &bytes, view, offset: 0 };
            sorter.add(&frame, Kept::of(&"".into(), &frame));
            reached = reached.max(sorter.take_latest().unwrap());
            while let Some(kept) = sorter.next(reached) {
                out.push(kept.with_frame(|frame| frame.view.timestamp.unwrap()));
            }
        }
        while let Some(kept) = sorter.next(i64::MAX) {
            out.push(kept.with_frame(|frame| frame.view.timestamp.unwrap()));
        }
        (out, sorter.late())
    }

    #[test]
    fn what_is_out_of_order_within_the_window_is_put_in_order() {
        assert_eq!(sorted(10, &[5, 3, 12, 9, 20, 11, 40]), (vec![3, 5, 9, 11, 12, 20, 40], 0));
        assert_eq!(sorted(2, &[5, 3, 12, 9, 4, 20]), (vec![3, 5, 9, 4, 12, 20], 1));
    }
}
