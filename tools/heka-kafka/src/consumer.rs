// SPDX-License-Identifier: MIT OR Apache-2.0
//! A reading client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use heka_core::net::DialError;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, TopicPartitionList};

use crate::address::Address;
use crate::cli::Plan;
use crate::cluster;
use crate::events::{self, Context, Events, Partition};
use crate::start::{self, Question};
use crate::words;

/// Time for a client to leave its group, which is impossible while the broker hangs.
const END: Duration = Duration::from_millis(300);

/// A connection to the cluster.
pub(crate) struct Consumer {
    client: Option<Arc<BaseConsumer<Context>>>,
    pub(crate) events: Arc<Events>,
    /// Whether the cluster has the requested topics.
    pub(crate) is_ready: bool,
    /// Since when it has been asked.
    since: Instant,
    /// Number of the assignment.
    epoch: u64,
    is_paused: bool,
}

impl std::fmt::Debug for Consumer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consumer").field("is_ready", &self.is_ready).finish_non_exhaustive()
    }
}

/// Creates a failure from an error of the library.
fn failed(error: &rdkafka::error::KafkaError) -> DialError {
    DialError::failed(words::of_error(error))
}

impl Consumer {
    /// Creates a client, which begins to connect, and asks for the topics.
    pub(crate) fn start(plan: &Plan) -> Result<Self, DialError> {
        let events = Events::new(plan.address.has_several).map_err(DialError::Stopped)?;
        let mut client: BaseConsumer<Context> = plan
            .config
            .create_with_context(Context(Arc::clone(&events)))
            .map_err(|error| words::of_creation(&error))?;
        let woken = Arc::clone(&events);
        client.set_nonempty_callback(move || woken.wake());
        let client = Arc::new(client);
        let (asking, told, limit) =
            (Arc::clone(&client), Arc::clone(&events), plan.connect_timeout);
        let address = plan.address.clone();
        std::thread::spawn(move || {
            let found = partitions(&asking, &address, limit);
            drop(asking);
            told.tell(|news| news.probed = Some(found));
        });
        let since = Instant::now();
        Ok(Self {
            client: Some(client),
            events,
            is_ready: false,
            since,
            epoch: 0,
            is_paused: false,
        })
    }

    /// Returns how long it has been connecting.
    pub(crate) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Returns the next message or error, if any. The library is called again as long as it does
    /// something else: it announces only once that it has something.
    pub(crate) fn poll(&self) -> Option<KafkaResult<BorrowedMessage<'_>>> {
        let client = self.client.as_ref()?;
        loop {
            let found = client.poll(Duration::ZERO);
            if found.is_some() || !self.events.was_called() {
                return found;
            }
        }
    }

    /// Joins the group.
    pub(crate) fn subscribe(&self, address: &Address) -> Result<(), DialError> {
        let topics: Vec<String> = match address.topic.strip_prefix('~') {
            Some(pattern) if pattern.starts_with('^') => vec![pattern.to_owned()],
            // The library treats a topic with this prefix as a pattern.
            Some(pattern) => vec![format!("^.*({pattern})")],
            None => address.topic.split(',').map(str::to_owned).collect(),
        };
        let topics: Vec<_> = topics.iter().map(String::as_str).collect();
        let Some(client) = &self.client else { return Ok(()) };
        client.subscribe(&topics).map_err(|error| failed(&error))
    }

    /// Requests the starts of partitions; the answer is part of the news.
    pub(crate) fn find(&mut self, question: Question) {
        self.epoch += 1;
        let Some(client) = self.client.clone() else { return };
        let (events, epoch) = (Arc::clone(&self.events), self.epoch);
        std::thread::spawn(move || {
            let found = start::find(&client, &question);
            drop(client);
            let found = found.map_err(|error| words::of_error(&error));
            events.tell(|news| news.found = Some((epoch, found)));
        });
    }

    /// Starts reading partitions at `places`, if these are the answer to the last request.
    pub(crate) fn assign(&self, epoch: u64, places: &[start::Place]) -> Result<bool, DialError> {
        let (true, Some(client)) = (epoch == self.epoch, &self.client) else { return Ok(false) };
        let mut list = TopicPartitionList::new();
        for place in places {
            let offset = Offset::Offset(place.next);
            list.add_partition_offset(&place.topic, place.partition, offset)
                .map_err(|error| failed(&error))?;
        }
        events::take_over(client, &list).map_err(|error| failed(&error))?;
        Ok(true)
    }

    /// Returns partitions to the group.
    pub(crate) fn give_back(&mut self, partitions: &[Partition]) -> Result<(), DialError> {
        self.epoch += 1;
        let Some(client) = &self.client else { return Ok(()) };
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(topic, *partition);
        }
        events::give_back(client, &list).map_err(|error| failed(&error))
    }

    /// Requests the broker to store offsets; the answer is part of the news.
    pub(crate) fn commit(&self, offsets: Vec<(Partition, i64)>) {
        let (Some(client), events) = (self.client.clone(), Arc::clone(&self.events)) else {
            return;
        };
        std::thread::spawn(move || {
            let outcome = store(&client, &offsets).map(|()| offsets);
            drop(client);
            events.tell(|news| news.commits.push(outcome));
        });
    }

    /// Pauses or resumes fetching, while the output is blocked.
    pub(crate) fn pause(&mut self, pauses: bool) -> Result<(), DialError> {
        let Some(client) = &self.client else { return Ok(()) };
        if std::mem::replace(&mut self.is_paused, pauses) == pauses {
            return Ok(());
        }
        let all = client.assignment().map_err(|error| failed(&error))?;
        let outcome = if pauses { client.pause(&all) } else { client.resume(&all) };
        outcome.map_err(|error| failed(&error))
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Leaves the group and destroys the client, waiting only a moment.
    pub(crate) fn end(mut self) {
        let (ended, is_ended) = std::sync::mpsc::channel::<()>();
        self.events.close();
        let client = self.client.take();
        std::thread::spawn(move || {
            drop(client);
            drop(ended);
        });
        let _ended = is_ended.recv_timeout(END);
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        // It would wait for the group as long as the broker hangs.
        self.events.close();
        let client = self.client.take();
        std::thread::spawn(move || drop(client));
    }
}

fn store(client: &BaseConsumer<Context>, offsets: &[(Partition, i64)]) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    for ((topic, partition), offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    client.commit(&list, CommitMode::Sync)
}

/// Returns the partitions of an address.
fn partitions(
    client: &BaseConsumer<Context>,
    address: &Address,
    limit: Duration,
) -> Result<Vec<Partition>, String> {
    if address.topic.starts_with('~') {
        return cluster::partitions(client.client(), None, limit);
    }
    let mut all = Vec::new();
    for topic in address.topic.split(',') {
        all.extend(cluster::partitions(client.client(), Some(topic), limit)?);
    }
    if let Some(wanted) = address.options.partition {
        all.retain(|(_, partition)| *partition == wanted);
        if all.is_empty() {
            return Err(format!("{}: no partition {wanted}", address.topic));
        }
    }
    Ok(all)
}
