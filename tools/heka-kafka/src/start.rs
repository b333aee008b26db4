// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where reading of a partition begins.

use std::time::Duration;

use heka_core::delivery::transport::From;
use heka_core::report::words::Count;
use heka_core::report::{self, Stop};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use crate::events::Partition;

/// Time limit for a broker's response.
const LIMIT: Duration = Duration::from_secs(10);

/// The start requested in the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Stored,
    Begin,
    End,
    Offset(i64),
    Last(i64),
    /// Milliseconds since 1970.
    Time(i64),
}

impl Start {
    pub(crate) fn plan(from: Option<&From>) -> Result<Self, Stop> {
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Ok(match from {
            None | Some(From::Stored) => Self::Stored,
            Some(From::Begin) => Self::Begin,
            Some(From::End) => Self::End,
            Some(From::Number(offset)) => Self::Offset(number(*offset)),
            Some(From::Last(count)) => Self::Last(number(*count)),
            Some(From::Time(text)) => {
                let time: jiff::Timestamp = text
                    .parse()
                    .map_err(|error| Stop::usage(format_args!("from=@{text}: {error}")))?;
                Self::Time(time.as_millisecond())
            }
        })
    }
}

/// The start of one partition, and its contents at that time.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) next: i64,
    /// Offset after the last record.
    pub(crate) end: i64,
    /// Whether records were deleted before they were read.
    pub(crate) has_lost: bool,
    /// Whether it begins before the last record read.
    pub(crate) is_reset: bool,
}

/// A request to the broker.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) partitions: Vec<Partition>,
    /// Partitions that were read before, with the next record.
    pub(crate) known: Vec<(String, i32, i64)>,
    pub(crate) start: Start,
    pub(crate) has_group: bool,
    /// Whether the broker has reported that it does not have the next record.
    pub(crate) is_out_of_range: bool,
}

/// Requests the start of each partition from the broker.
pub(crate) fn find<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    question: &Question,
) -> KafkaResult<Vec<Place>> {
    let Question { partitions, known, start, has_group, is_out_of_range } = question;
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let mut wanted = TopicPartitionList::new();
    for (topic, partition) in partitions {
        wanted.add_partition(topic, *partition);
    }
    if *has_group {
        wanted = consumer.committed_offsets(wanted, LIMIT)?;
    }
    let mut places = Vec::new();
    for (topic, partition) in partitions {
        let (low, high) = consumer.fetch_watermarks(topic, *partition, LIMIT)?;
        let stored = offset_in(&wanted, topic, *partition);
        let known = known.iter().find(|(name, number, _)| name == topic && number == partition);
        let known = known.map(|(_, _, next)| stored.map_or(*next, |stored| stored.max(*next)));
        let ends = (low, high);
        let (next, has_lost) = match (known.or(stored.filter(|_| *start == Start::Stored)), start) {
            (Some(next), _) => checked(topic, *partition, next, ends, *is_out_of_range),
            (None, start) => {
                if stored.is_some() {
                    let text = format_args!("{topic} {partition}: position reset by from=");
                    report::warning(text);
                }
                (first(consumer, topic, *partition, *start, ends)?, false)
            }
        };
        let (topic, partition, is_reset) = (topic.clone(), *partition, *is_out_of_range);
        places.push(Place { topic, partition, next, end: high, has_lost, is_reset });
    }
    Ok(places)
}

/// Returns a broker's answer about a partition.
fn offset_in(list: &TopicPartitionList, topic: &str, partition: i32) -> Option<i64> {
    match list.find_partition(topic, partition)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

/// Returns the next offset, if the partition has it, and whether records were lost.
fn checked(
    topic: &str,
    partition: i32,
    next: i64,
    (low, high): (i64, i64),
    is_out_of_range: bool,
) -> (i64, bool) {
    if next < low {
        let count = Count(u64::try_from(low - next).unwrap_or(0), "message");
        let text = format_args!("{topic} {partition}: {count} deleted before they were read");
        report::warning(text);
        (low, true)
    } else if next > high && is_out_of_range {
        report::warning(format_args!(
            "{topic} {partition}: ends at {high}, before {next} where it was read to; reading it \
             from its beginning"
        ));
        (low, true)
    } else {
        (next, false)
    }
}

fn first<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
    start: Start,
    (low, high): (i64, i64),
) -> KafkaResult<i64> {
    Ok(match start {
        Start::Stored | Start::Begin => low,
        Start::End => high,
        Start::Offset(offset) => offset.max(low),
        Start::Last(count) => (high - count).max(low),
        Start::Time(time) => {
            let mut times = TopicPartitionList::new();
            times.add_partition_offset(topic, partition, Offset::Offset(time))?;
            let found = consumer.offsets_for_times(times, LIMIT)?;
            offset_in(&found, topic, partition).unwrap_or(high)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_noticed() {
        assert_eq!(checked("t", 0, 7, (5, 9), false), (7, false));
        assert_eq!(checked("t", 0, 3, (5, 9), false), (5, true));
        assert_eq!(checked("t", 0, 10, (5, 9), false), (10, false));
        assert_eq!(checked("t", 0, 10, (5, 9), true), (5, true));
    }
}
