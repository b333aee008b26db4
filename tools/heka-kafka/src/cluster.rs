// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests to the cluster before anything is written or read.

use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::metadata::MetadataTopic;

use crate::events::Partition;
use crate::words;

/// Time for which a topic may be missing: brokers that create topics automatically need a moment,
/// as does the election of a leader.
const PATIENCE: Duration = Duration::from_secs(2);
/// Interval of requests.
const PAUSE: Duration = Duration::from_millis(100);

/// Returns the partitions of a topic, or of all topics.
///
/// # Errors
/// A description of what is wrong.
#[expect(
    clippy::disallowed_methods,
    reason = "this runs in a thread of its own, which nobody waits for at a signal"
)]
pub(crate) fn partitions<C: ClientContext>(
    client: &Client<C>,
    topic: Option<&str>,
    limit: Duration,
) -> Result<Vec<Partition>, String> {
    let start = Instant::now();
    loop {
        let metadata =
            client.fetch_metadata(topic, limit).map_err(|error| words::of_error(&error))?;
        let Some(topic) = topic else {
            let all = metadata.topics().iter();
            let names = all.flat_map(|topic| {
                topic.partitions().iter().map(|partition| (topic.name().to_owned(), partition.id()))
            });
            return Ok(names.collect());
        };
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let error = match found {
            None => Some(Code::UnknownTopicOrPartition),
            Some(found) => found
                .error()
                .map(Code::from)
                .or_else(|| found.partitions().is_empty().then_some(Code::UnknownTopicOrPartition)),
        };
        let Some(error) = error else {
            let numbers = found.map(MetadataTopic::partitions).unwrap_or_default().iter();
            return Ok(numbers.map(|partition| (topic.to_owned(), partition.id())).collect());
        };
        let may_change = matches!(error, Code::UnknownTopicOrPartition | Code::LeaderNotAvailable);
        if !may_change || start.elapsed() > PATIENCE.min(limit) {
            return Err(format!("{topic}: {}", words::of_code(error)));
        }
        std::thread::sleep(PAUSE);
    }
}
